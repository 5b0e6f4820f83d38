//! What the data availability layer and the sequencer sign.

use ark_ff::PrimeField;
use blake2::{Blake2b, Digest, digest::consts::U32};
use mina_curves::{Fp, PastaField};

use super::{ChainId, Hashed, statement::append_bytes};
use crate::{
    Domain,
    hash::{Input, TransactionHash},
    signature::{SignatureError, sign_fields, verify_fields},
    types::{Era, Length, NetworkId, PrivateKey, PublicKey, Signature, Slot, TypeError},
};

/// A statement that is signed in a domain of its own, so that no signature is good for anything else.
pub trait SignedStatement: Hashed {
    /// The name of the domain, as that of a custom network.
    const DOMAIN: &'static str;

    /// The domain.
    ///
    /// # Errors
    /// [`TypeError::NetworkName`] if the name does not fit, which a test of each type rules out.
    fn domain() -> Result<Domain, TypeError> {
        Ok(Domain::new(NetworkId::from_name(Self::DOMAIN)?, Era::Berkeley))
    }

    /// Signs the statement.
    ///
    /// # Errors
    /// [`SignatureError::ZeroNonce`].
    fn sign(&self, key: &PrivateKey) -> Result<Signature, SignatureError> {
        let domain = Self::domain().map_err(|_| SignatureError::Invalid)?;
        sign_fields(&[self.digest()], key, &domain)
    }

    /// Verifies a signature of the statement.
    ///
    /// # Errors
    /// [`SignatureError`].
    fn verify(&self, signature: &Signature, key: &PublicKey) -> Result<(), SignatureError> {
        let domain = Self::domain().map_err(|_| SignatureError::Invalid)?;
        verify_fields(signature, &[self.digest()], key, &domain)
    }
}

/// Blake2b-256 of some bytes without the top three bits: opaque to circuits, and always a field
/// element.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DataCommitment(Fp);

impl DataCommitment {
    /// The commitment to `data`.
    pub fn new(data: &[u8]) -> Self {
        let mut digest: [u8; 32] = Blake2b::<U32>::digest(data).into();
        let [.., last] = &mut digest;
        *last &= 0x1f;
        // 253 bits are below the modulus, so nothing is reduced.
        Self(Fp::from_le_bytes_mod_order(&digest))
    }

    /// The commitment that is this element; `None` if it has more than 253 bits.
    pub fn from_field(x: Fp) -> Option<Self> {
        let [.., high] = x.to_limbs();
        (high >> 61 == 0).then_some(Self(x))
    }

    /// The element.
    pub fn field(self) -> Fp {
        self.0
    }
}

/// What a validator says of a batch that it has stored and executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // named as in ARCHITECTURE.md
pub struct Attestation {
    pub protocol_version: u32,
    pub l1_network: ChainId,
    pub rollup_account: PublicKey,
    pub chain: ChainId,
    pub committee_epoch: u32,
    pub generation: u32,
    pub batch: u64,
    pub source_ledger: Fp,
    pub target_ledger: Fp,
    pub inbox_before: Fp,
    pub inbox_after: Fp,
    pub outbox_before: Fp,
    pub outbox_after: Fp,
    pub first_height: Length,
    pub first_block: Fp,
    pub last_height: Length,
    pub last_block: Fp,
    pub first_slot: Slot,
    pub last_slot: Slot,
    pub fee_recipient: PublicKey,
    pub previous_data: DataCommitment,
    pub data: DataCommitment,
    pub byte_length: u64,
}

impl Hashed for Attestation {
    const PREFIX: &'static str = "ZekoAttestation";

    fn append(&self, input: &mut Input) {
        input
            .bits(self.protocol_version.into(), 32)
            .field(self.l1_network.field())
            .add(&self.rollup_account)
            .field(self.chain.field())
            .bits(self.committee_epoch.into(), 32)
            .bits(self.generation.into(), 32)
            .bits(self.batch, 64)
            .field(self.source_ledger)
            .field(self.target_ledger)
            .field(self.inbox_before)
            .field(self.inbox_after)
            .field(self.outbox_before)
            .field(self.outbox_after)
            .add(&self.first_height)
            .field(self.first_block)
            .add(&self.last_height)
            .field(self.last_block)
            .add(&self.first_slot)
            .add(&self.last_slot)
            .add(&self.fee_recipient)
            .field(self.previous_data.field())
            .field(self.data.field())
            .bits(self.byte_length, 64);
    }
}

impl SignedStatement for Attestation {
    const DOMAIN: &'static str = "zeko-attest";
}

/// What a validator says of a blob of somebody else that it has stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobStatement {
    /// The DA chain.
    pub chain: ChainId,
    /// Whose blob it is.
    pub namespace: Fp,
    /// What it is.
    pub commitment: DataCommitment,
    /// How long it is, in bytes.
    pub length: u64,
}

impl Hashed for BlobStatement {
    const PREFIX: &'static str = "ZekoBlob";

    fn append(&self, input: &mut Input) {
        input
            .field(self.chain.field())
            .field(self.namespace)
            .field(self.commitment.field())
            .bits(self.length, 64);
    }
}

impl SignedStatement for BlobStatement {
    const DOMAIN: &'static str = "zeko-blob";
}

/// The sequencer's word on where a command stands; two that contradict each other are evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreConfirmation {
    /// The chain.
    pub chain: ChainId,
    /// The generation of the block.
    pub generation: u32,
    /// The height of the block.
    pub height: Length,
    /// The hash of the block before it.
    pub parent: Fp,
    /// The place of the command in the block.
    pub index: u32,
    /// The command.
    pub command: TransactionHash,
    /// Whether it was applied in full.
    pub applied: bool,
}

impl Hashed for PreConfirmation {
    const PREFIX: &'static str = "ZekoPreConfirmation";

    fn append(&self, input: &mut Input) {
        input
            .field(self.chain.field())
            .bits(self.generation.into(), 32)
            .add(&self.height)
            .field(self.parent)
            .bits(self.index.into(), 32);
        append_bytes(input, &self.command.0);
        input.add(&self.applied);
    }
}

impl SignedStatement for PreConfirmation {
    const DOMAIN: &'static str = "zeko-confirm";
}
