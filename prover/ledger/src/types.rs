//! What ledgers and commands are made of.

mod account;
mod account_update;
pub(crate) mod base58;
pub(crate) mod field;
mod json;
mod key;
mod memo;
mod network;
mod number;
mod permissions;
mod precondition;
mod signed_command;
mod timing;
mod token;
mod uri;
mod verification_key;
mod zkapp_command;

pub use account::{Account, ZkappAccount};
pub use account_update::{
    AccountUpdate, Authorization, AuthorizationKind, Body, FeePayer, FeePayerBody, MayUseToken,
    Proof, Update,
};
pub use field::{from_decimal, to_decimal};
pub use json::{zkapp_command_from_json, zkapp_command_to_json};
pub(crate) use key::is_odd;
pub use key::{PrivateKey, PublicKey, Signature};
pub use memo::Memo;
pub use network::{CustomNetwork, Era, NetworkId};
pub use number::{Amount, Length, Nonce, Sign, SignedAmount, Slot, SlotSpan, TxnVersion};
pub use permissions::{AuthKind, AuthRequired, Permissions, SetVerificationKey};
pub use precondition::{
    AccountPrecondition, Bounds, EpochDataPrecondition, EpochDataView, EpochLedgerPrecondition,
    EpochLedgerView, NetworkPrecondition, Preconditions, ProtocolStateView,
};
pub use signed_command::{
    Coinbase, DelegationJson, FeeTransfer, FeeTransfers, PaymentJson, SignatureJson, SignedCommand,
    SignedCommandBody, SignedCommandPayload,
};
pub use timing::Timing;
pub use token::{AccountId, TokenId, TokenSymbol};
pub use uri::ZkappUri;
pub(crate) use verification_key::KeyParts;
pub use verification_key::VerificationKey;
pub use zkapp_command::{CallForest, ForestNode, ZkappCommand};

/// Why a value is not one of Mina's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TypeError {
    /// Wrong characters, checksum, version, length or range.
    #[error("not a base58check {what}")]
    Base58 {
        /// What was expected.
        what: &'static str,
    },
    /// Not a canonical decimal field element.
    #[error("not a decimal field element")]
    Field,
    /// Too long, or not of the length it must have.
    #[error("wrong length")]
    Length,
    /// A private key of zero.
    #[error("a private key must not be zero")]
    ZeroKey,
    /// A network name that does not fit.
    #[error("a network name has 1 to 31 visible ASCII characters")]
    NetworkName,
    /// Bytes that are no verification key, or a hash of another one.
    #[error("not a verification key with this hash")]
    VerificationKey,
    /// An account update further down than a child of the one before.
    #[error("wrong call depth")]
    CallDepth,
}

/// The hash of a ledger as the archive writes it, `j…`.
pub fn ledger_hash_to_base58(root: mina_curves::Fp) -> alloc::string::String {
    base58::encode_field(base58::version::LEDGER_HASH, root)
}

/// Reads the hash of a ledger, `j…`.
///
/// # Errors
/// [`TypeError::Base58`].
pub fn ledger_hash_from_base58(text: &str) -> Result<mina_curves::Fp, TypeError> {
    base58::decode_field(base58::version::LEDGER_HASH, "ledger hash", text)
}

/// Writes the seed of an epoch, `2v…`.
pub fn epoch_seed_to_base58(seed: mina_curves::Fp) -> alloc::string::String {
    base58::encode_field(base58::version::EPOCH_SEED, seed)
}

/// Writes a receipt chain hash, `2…`.
pub fn receipt_chain_hash_to_base58(hash: mina_curves::Fp) -> alloc::string::String {
    base58::encode_field(base58::version::RECEIPT_CHAIN_HASH, hash)
}

/// The receipt chain hash of an archive, `2…`.
///
/// # Errors
/// [`TypeError::Base58`].
pub fn receipt_chain_hash_from_base58(text: &str) -> Result<mina_curves::Fp, TypeError> {
    base58::decode_field(base58::version::RECEIPT_CHAIN_HASH, "receipt chain hash", text)
}

/// A state hash, `3N…`.
///
/// # Errors
/// [`TypeError::Base58`].
pub fn state_hash_from_base58(text: &str) -> Result<mina_curves::Fp, TypeError> {
    base58::decode_field(base58::version::STATE_HASH, "state hash", text)
}

/// Writes a state hash, `3N…`.
pub fn state_hash_to_base58(hash: mina_curves::Fp) -> alloc::string::String {
    base58::encode_field(base58::version::STATE_HASH, hash)
}
