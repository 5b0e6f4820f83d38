//! o1js' form of proofs: an S-expression, in base64.
//!
//! Source: mina `pickles/proof.ml`, o1js `pickles_bindings.ml`. Records are lists of `(name value)`,
//! in upstream's order; field elements are `0x` and 64 upper-case hexadecimal digits, 64-bit limbs
//! 16 lower-case digits, lowest limb first; a domain's size is one character, escaped as OCaml
//! writes it.

mod read;
mod sexp;
mod write;

use base64::{Engine, prelude::BASE64_STANDARD};
use thiserror::Error;

use crate::{
    proof::{Proof, ProofsVerified},
    public_input::padded_wrap_challenges,
};

/// Why text is no proof.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProofError {
    /// Not base64.
    #[error("proof: not base64: {0}")]
    Base64(String),
    /// Not an S-expression.
    #[error("proof: offset {offset}: {reason}")]
    Syntax {
        /// Where, in bytes of the S-expression.
        offset: usize,
        /// What is wrong there.
        reason: &'static str,
    },
    /// A list, a record or an atom is expected where something else is.
    #[error("proof: {path}: expected {expected}")]
    Shape {
        /// Where, as names of fields.
        path: String,
        /// What must be there.
        expected: String,
    },
    /// A number that is not below the modulus, or not in its only form.
    #[error("proof: {path}: not a number of {expected} below the modulus")]
    Number {
        /// Where, as names of fields.
        path: String,
        /// Which kind.
        expected: &'static str,
    },
    /// Coordinates of no point.
    #[error("proof: {path}: not a point on {curve}")]
    Point {
        /// Where, as names of fields.
        path: String,
        /// Which curve.
        curve: &'static str,
    },
}

/// Reads a proof whose vectors have as many elements as `width` says.
///
/// # Errors
///
/// [`ProofError`] says what is wrong where.
pub fn decode_proof(base64: &str, width: ProofsVerified) -> Result<Proof, ProofError> {
    let bytes =
        BASE64_STANDARD.decode(base64).map_err(|error| ProofError::Base64(error.to_string()))?;
    read::proof(&sexp::parse(&bytes)?, width)
}

/// Writes the form that [`decode_proof`] reads.
pub fn encode_proof(proof: &Proof) -> String {
    BASE64_STANDARD.encode(write::proof(proof))
}

/// Writes the form that account updates carry, whatever the program's width: that of width 2, with
/// dummies for the wrap proofs that were not verified.
pub fn encode_account_update_proof(proof: &Proof) -> String {
    BASE64_STANDARD.encode(account_update_proof_bytes(proof))
}

/// The bytes behind the base64 of [`encode_account_update_proof`].
pub fn account_update_proof_bytes(proof: &Proof) -> Vec<u8> {
    let mut padded = proof.clone();
    let messages = &mut padded.state.wrap_messages;
    messages.old_bulletproof_challenges =
        padded_wrap_challenges(&messages.old_bulletproof_challenges);
    write::proof(&padded).into()
}

/// Reads the bytes that [`account_update_proof_bytes`] writes: those that an account update carries.
///
/// # Errors
///
/// [`ProofError`] says what is wrong where.
pub fn decode_account_update_proof(bytes: &[u8]) -> Result<Proof, ProofError> {
    read::proof(&sexp::parse(bytes)?, ProofsVerified::N2)
}
