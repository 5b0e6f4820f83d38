//! Commands of users, of either kind, and the bytes they are kept and named by.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use mina_ledger::{
    binprot::{
        ProofCodec, ReadError, Reader, Writer, read_signed_command, read_zkapp_command,
        write_signed_command, write_zkapp_command,
    },
    hash::TransactionHash,
    types::{AccountId, Amount, Era, Nonce, Proof, PublicKey, SignedCommand, Slot, ZkappCommand},
};

/// Longest proof that is read back; o1js' take some 14 KiB.
const MAX_PROOF_BYTES: usize = 64 * 1024;

/// A zkApp command, a payment or a delegation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A zkApp command.
    Zkapp(Arc<ZkappCommand>),
    /// A payment or delegation.
    Signed(SignedCommand),
}

/// Proofs as the bytes that clients send, behind their length. Without proofs, commands have the
/// bytes that Mina gives them.
struct RawProofs;

impl ProofCodec for RawProofs {
    fn write(&self, proof: &Proof, writer: &mut Writer) -> Result<(), ReadError> {
        writer.string(&proof.0);
        Ok(())
    }

    fn read(&self, reader: &mut Reader<'_>) -> Result<Proof, ReadError> {
        Ok(Proof(reader.string(MAX_PROOF_BYTES)?.into()))
    }
}

impl Command {
    /// The hash that the command is known by.
    pub fn hash(&self) -> TransactionHash {
        match self {
            Self::Zkapp(command) => TransactionHash::of_zkapp_command(command),
            Self::Signed(command) => TransactionHash::of_signed_command(&command.payload),
        }
    }

    /// Who pays the fee.
    pub fn fee_payer(&self) -> PublicKey {
        match self {
            Self::Zkapp(command) => command.fee_payer.body.public_key,
            Self::Signed(command) => command.payload.fee_payer,
        }
    }

    /// The account that pays the fee.
    pub fn fee_payer_id(&self) -> AccountId {
        AccountId::of(self.fee_payer())
    }

    /// The nonce of the fee payer.
    pub fn nonce(&self) -> Nonce {
        match self {
            Self::Zkapp(command) => command.fee_payer.body.nonce,
            Self::Signed(command) => command.payload.nonce,
        }
    }

    /// The fee.
    pub fn fee(&self) -> Amount {
        match self {
            Self::Zkapp(command) => command.fee_payer.body.fee,
            Self::Signed(command) => command.payload.fee,
        }
    }

    /// The last slot in which the command is valid.
    pub fn valid_until(&self) -> Slot {
        match self {
            Self::Zkapp(command) => command.fee_payer.body.valid_until.unwrap_or(Slot::MAX),
            Self::Signed(command) => command.payload.valid_until,
        }
    }

    /// What Mina's GraphQL calls the id of a command: its bytes in base64. As Mina's, except that
    /// proofs are the bytes that the client sent.
    pub fn id(&self) -> String {
        STANDARD.encode(self.body_bytes())
    }

    /// The command behind an id.
    ///
    /// # Errors
    /// [`ReadError`] if there is none.
    pub fn from_id(id: &str, era: Era) -> Result<Self, ReadError> {
        let bytes = STANDARD.decode(id).map_err(|_| ReadError::Value)?;
        Self::read_signed(&bytes).or_else(|_| Self::read_zkapp(&bytes, era))
    }

    fn body_bytes(&self) -> Vec<u8> {
        match self {
            // The codec takes every proof.
            Self::Zkapp(command) => write_zkapp_command(command, &RawProofs).unwrap_or_default(),
            Self::Signed(command) => write_signed_command(command),
        }
    }

    fn read_signed(bytes: &[u8]) -> Result<Self, ReadError> {
        read_signed_command(bytes).map(Self::Signed)
    }

    fn read_zkapp(bytes: &[u8], era: Era) -> Result<Self, ReadError> {
        read_zkapp_command(bytes, era, &RawProofs).map(|command| Self::Zkapp(command.into()))
    }

    /// The bytes that the command is stored as: one for its kind, then its own.
    pub fn to_bytes(&self) -> Vec<u8> {
        let kind = match self {
            Self::Zkapp(_) => 0,
            Self::Signed(_) => 1,
        };
        let mut bytes = vec![kind];
        bytes.extend(self.body_bytes());
        bytes
    }

    /// Reads a stored command.
    ///
    /// # Errors
    /// [`ReadError`] on anything else.
    pub fn from_bytes(bytes: &[u8], era: Era) -> Result<Self, ReadError> {
        match bytes.split_first() {
            Some((0, rest)) => Self::read_zkapp(rest, era),
            Some((1, rest)) => Self::read_signed(rest),
            Some(_) => Err(ReadError::Value),
            None => Err(ReadError::End),
        }
    }
}
