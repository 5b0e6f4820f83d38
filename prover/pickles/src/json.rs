//! The JSON of o1js: a proof as `toJSON` writes it, and a verification key.

use mina_curves::{Fp, PastaField};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    codec::{ProofError, decode_proof, encode_proof},
    key::{KeyError, VerificationKey},
    program::ProvedStatement,
    proof::{Proof, ProofsVerified},
};

/// A file with a key and a proof: what o1js' `verify` takes.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProofFile {
    /// The key.
    pub verification_key: VerificationKeyJson,
    /// The proof.
    pub proof: ProofJson,
}

/// A verification key as o1js writes it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct VerificationKeyJson {
    /// The key in base64.
    pub data: String,
    /// Its hash, in decimal.
    pub hash: String,
}

/// A proof as o1js writes it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProofJson {
    /// Field elements, in decimal.
    pub public_input: Vec<String>,
    /// Field elements, in decimal.
    pub public_output: Vec<String>,
    /// 0, 1 or 2.
    pub max_proofs_verified: u8,
    /// The S-expression in base64.
    pub proof: String,
}

/// Why JSON is no proof with its key.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonError {
    /// Not the JSON of a key and a proof.
    #[error("not the JSON of a verification key and a proof: {0}")]
    Json(String),
    /// A field element is not decimal or not below the modulus.
    #[error("{what}: not a decimal number below the modulus")]
    Field {
        /// Which.
        what: String,
    },
    /// No program has this width.
    #[error("maxProofsVerified: {got} is not 0, 1 or 2")]
    Width {
        /// What was read.
        got: u8,
    },
    /// The key's hash is not the one given beside it.
    #[error("verificationKey.hash is {got}, but the key hashes to {expected}")]
    Hash {
        /// The key's.
        expected: String,
        /// What was read.
        got: String,
    },
    /// The key does not decode.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The proof does not decode.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl ProofFile {
    /// The file of a proof: `public_input` elements of the statement are its input, the rest its
    /// output.
    pub fn new(key: &VerificationKey, proved: &ProvedStatement, public_input: usize) -> Self {
        let (input, output) = proved.app_state.split_at(public_input.min(proved.app_state.len()));
        let decimal = |fields: &[Fp]| fields.iter().map(Fp::to_string).collect();
        Self {
            verification_key: VerificationKeyJson {
                data: key.to_base64(),
                hash: key.hash().to_string(),
            },
            proof: ProofJson {
                public_input: decimal(input),
                public_output: decimal(output),
                max_proofs_verified: key.max_proofs_verified.count() as u8,
                proof: encode_proof(&proved.proof),
            },
        }
    }

    /// As JSON.
    ///
    /// # Errors
    ///
    /// [`JsonError::Json`]; none is expected.
    pub fn to_json(&self) -> Result<String, JsonError> {
        serde_json::to_string_pretty(self).map_err(|error| JsonError::Json(error.to_string()))
    }

    /// Parses JSON.
    ///
    /// # Errors
    ///
    /// [`JsonError::Json`] if it is not of this form.
    pub fn parse(json: &[u8]) -> Result<Self, JsonError> {
        serde_json::from_slice(json).map_err(|error| JsonError::Json(error.to_string()))
    }

    /// The key, the application's state (input, then output), and the proof.
    ///
    /// # Errors
    ///
    /// [`JsonError`] says what does not decode.
    pub fn decode(&self) -> Result<(VerificationKey, Vec<Fp>, Proof), JsonError> {
        let key = VerificationKey::from_base64(&self.verification_key.data)?;
        let expected = key.hash();
        let got = field("verificationKey.hash", &self.verification_key.hash)?;
        if expected != got {
            let (expected, got) = (expected.to_string(), got.to_string());
            return Err(JsonError::Hash { expected, got });
        }
        let proof = &self.proof;
        let width = ProofsVerified::from_count(usize::from(proof.max_proofs_verified))
            .ok_or(JsonError::Width { got: proof.max_proofs_verified })?;
        let mut app_state = Vec::new();
        for (i, text) in proof.public_input.iter().enumerate() {
            app_state.push(field(&format!("publicInput {i}"), text)?);
        }
        for (i, text) in proof.public_output.iter().enumerate() {
            app_state.push(field(&format!("publicOutput {i}"), text)?);
        }
        Ok((key, app_state, decode_proof(&proof.proof, width)?))
    }
}

/// A decimal number below the modulus.
fn field(what: &str, text: &str) -> Result<Fp, JsonError> {
    let error = || JsonError::Field { what: what.into() };
    // 2^256 has 78 digits.
    if text.is_empty() || text.len() > 78 {
        return Err(error());
    }
    let mut limbs = [0u64; 4];
    for digit in text.bytes() {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10).ok_or_else(error)?;
        let mut carry = u128::from(digit);
        for limb in &mut limbs {
            let product = u128::from(*limb) * 10 + carry;
            *limb = product as u64;
            carry = product >> 64;
        }
        if carry != 0 {
            return Err(error());
        }
    }
    Fp::from_limbs(limbs).ok_or_else(error)
}
