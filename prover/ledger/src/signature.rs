//! Mina's Schnorr signatures over Pallas, with the Kimchi hash (zkApp commands, field elements) and
//! with the legacy hash (payments, delegations, messages). Nonces are derived from the message, as
//! mina-signer does. Source: o1js `signature.ts`, Mina `signature_lib/schnorr.ml`.

mod batch;
mod message;
mod schnorr;

pub use batch::{BatchItem, verify_batch};
pub use message::{
    sign_fields, sign_message, sign_payload, sign_zkapp_command, verify_fields, verify_message,
    verify_payload, verify_zkapp_command,
};

/// Why a signature does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// There is no such public key.
    #[error("the public key is not on the curve")]
    PublicKey,
    /// The signature is of another message, key or network.
    #[error("invalid signature")]
    Invalid,
    /// The nonce came out as zero, which no honest input leads to.
    #[error("the nonce is zero")]
    ZeroNonce,
}
