//! The msgpack form in which o1-labs/proof-systems stores proofs with their verifier index.
//!
//! A fixture is a struct of `proof_bytes`, `verifier_index_bytes`, `public_inputs_bytes`,
//! `num_public_inputs`, `feature_flags` and an optional `endo` (`kimchi/src/tests/fixtures.rs`).
//! Structs are msgpack arrays, points arkworks-compressed (33 bytes), scalars 32 bytes
//! little-endian. Decoding is strict: what is accepted encodes back to the same values, every point
//! is on its curve, and no length in the input makes us allocate more than the input is long.
#![deny(clippy::indexing_slicing)]

mod raw;
mod read;
mod write;

use std::sync::Arc;

use ark_ff::FftField;
use ark_serialize::CanonicalSerialize;
use mina_curves::{PallasConfig, VestaConfig};
use poly_commitment::Srs;
use thiserror::Error;

use crate::{
    index::{CircuitCurve, VerifierIndex},
    proof::Proof,
};

/// The largest SRS that a file may ask for.
pub const MAX_SRS_SIZE: usize = 1 << 16;

/// A proof with its circuit and public input, over one of the two curves.
#[derive(Clone, Debug)]
pub enum Fixture {
    /// Over Vesta: the circuit's field is [`mina_curves::Fp`].
    Vesta(Statement<VestaConfig>),
    /// Over Pallas: the circuit's field is [`mina_curves::Fq`].
    Pallas(Statement<PallasConfig>),
}

/// A proof with its circuit and public input.
#[derive(Clone, Debug)]
pub struct Statement<C: CircuitCurve> {
    /// The circuit.
    pub index: VerifierIndex<C>,
    /// The proof.
    pub proof: Proof<C>,
    /// The public input.
    pub public_input: Vec<C::ScalarField>,
}

/// Why bytes are no fixture.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodecError {
    /// Not msgpack of the expected structure.
    #[error("{part}: not the expected msgpack structure: {reason}")]
    Structure {
        /// Which of the nested messages.
        part: &'static str,
        /// What the msgpack reader said.
        reason: String,
    },
    /// Bytes after the end of a message.
    #[error("{part}: {count} bytes after the end")]
    Trailing {
        /// Which of the nested messages.
        part: &'static str,
        /// How many.
        count: usize,
    },
    /// A list or byte string has the wrong length.
    #[error("{what}: expected length {expected}, got {got}")]
    Length {
        /// Of what.
        what: String,
        /// The right length, or the greatest.
        expected: usize,
        /// What was read.
        got: usize,
    },
    /// Bytes that are no point of the curve, or not in their only valid encoding.
    #[error("{what}: not the canonical encoding of a point on {curve}")]
    Point {
        /// Of what.
        what: String,
        /// Which curve.
        curve: &'static str,
    },
    /// Bytes that are no field element below the modulus.
    #[error("{what}: not below the modulus of {field}")]
    Scalar {
        /// Of what.
        what: String,
        /// Which field.
        field: &'static str,
    },
    /// A value that no circuit of this proof system has.
    #[error("{what}: {reason}")]
    Invalid {
        /// Which value.
        what: &'static str,
        /// Why.
        reason: String,
    },
}

/// Decodes a fixture of either curve, told apart by the generator of the evaluation domain.
///
/// Makes, or shares, the SRS that the index asks for: about a second for the first of 2^16 points.
///
/// # Errors
///
/// [`CodecError`] names what is wrong where.
pub fn decode_fixture(bytes: &[u8]) -> Result<Fixture, CodecError> {
    let raw = read::Messages::parse(bytes)?;
    if raw.is_over::<VestaConfig>() {
        return raw.decode().map(Fixture::Vesta);
    }
    if raw.is_over::<PallasConfig>() {
        return raw.decode().map(Fixture::Pallas);
    }
    Err(CodecError::Invalid {
        what: "domain",
        reason: "not a domain of 2-power size over either Pasta field".into(),
    })
}

impl<C: CircuitCurve> Statement<C> {
    /// Encodes the statement as a fixture. The format does not say the index's
    /// [`Revision`](crate::Revision): readers take it for [`Revision::Distinct`](crate::Revision),
    /// which matters to circuits with [`GateKind::EndoMul`](crate::GateKind) only.
    ///
    /// # Errors
    ///
    /// Only if msgpack or arkworks cannot write to memory.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        write::statement(self)
    }
}

/// arkworks' encoding of a domain: size, its logarithm, then size, 1/size, generator, its inverse,
/// and the trivial coset's offset, inverse and power.
fn domain_bytes<C: CircuitCurve>(size: usize) -> Option<Vec<u8>> {
    let domain = crate::domain::Domain::<C::ScalarField>::new(size)?;
    let mut bytes = Vec::new();
    domain.inner().serialize_compressed(&mut bytes).ok()?;
    Some(bytes)
}

fn shared_srs<C: CircuitCurve>(size: usize) -> Result<Arc<Srs<C>>, CodecError> {
    let two_adicity = C::ScalarField::TWO_ADICITY;
    if size.is_power_of_two() && size <= MAX_SRS_SIZE && size.ilog2() <= two_adicity {
        Ok(Srs::shared(size))
    } else {
        let reason = format!("{size} is no power of two up to {MAX_SRS_SIZE}");
        Err(CodecError::Invalid { what: "max_poly_size", reason })
    }
}
