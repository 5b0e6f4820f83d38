//! Hashes by which transactions are known.

use alloc::{string::String, vec::Vec};
use core::fmt;

use blake2::{Blake2b, Digest, digest::consts::U32};

use crate::{
    binprot,
    types::{
        SignedCommandPayload, TypeError, ZkappCommand,
        base58::{self, version},
    },
};

/// The hash of a transaction: Blake2b-256 of its bin_prot form with dummy authorizations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionHash(pub [u8; 32]);

impl TransactionHash {
    fn of(bytes: &[u8]) -> Self {
        Self(Blake2b::<U32>::digest(bytes).into())
    }

    /// The hash of a zkApp command. Whether an update has a signature or a proof counts, which
    /// one does not.
    pub fn of_zkapp_command(command: &ZkappCommand) -> Self {
        Self::of(&binprot::zkapp_command_for_hash(command))
    }

    /// The hash of a payment or delegation.
    pub fn of_signed_command(payload: &SignedCommandPayload) -> Self {
        Self::of(&binprot::signed_command_for_hash(payload))
    }

    /// The base58check encoding, `5J…`.
    pub fn to_base58(&self) -> String {
        let mut payload = Vec::with_capacity(33);
        payload.push(32);
        payload.extend_from_slice(&self.0);
        base58::encode(version::TRANSACTION_HASH, &payload)
    }

    /// Reads a transaction hash.
    ///
    /// # Errors
    /// [`TypeError::Base58`] on anything but the encoding of 32 bytes.
    pub fn from_base58(text: &str) -> Result<Self, TypeError> {
        let error = TypeError::Base58 { what: "transaction hash" };
        match base58::decode(version::TRANSACTION_HASH, "transaction hash", text)?.split_first() {
            Some((32, bytes)) => bytes.try_into().map(Self).map_err(|_| error),
            _ => Err(error),
        }
    }
}

impl fmt::Display for TransactionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base58())
    }
}
