//! Round 1: the witness columns, padded and hidden, and the public input.

use ark_ff::{AdditiveGroup, Field, UniformRand};
use poly_commitment::Commitment;
use rand::{CryptoRng, RngCore};
use rayon::prelude::*;

use super::{ProverIndex, ZK_ROWS, error::ProverError, polynomial::interpolate};
use crate::{
    gate::{COLUMNS, Witness},
    index::CircuitCurve,
};

/// The witness, committed to.
pub(super) struct CommittedWitness<C: CircuitCurve> {
    /// Values on the domain.
    pub(super) values: Vec<Vec<C::ScalarField>>,
    /// Coefficients.
    pub(super) coefficients: Vec<Vec<C::ScalarField>>,
    pub(super) commitments: [Commitment<C>; COLUMNS],
    pub(super) blinders: Vec<Vec<C::ScalarField>>,
    /// Coefficients of the negated public input polynomial; empty without public input.
    pub(super) public: Vec<C::ScalarField>,
    /// Its commitment, blinded by 1.
    pub(super) public_commitment: Commitment<C>,
}

pub(super) fn commit<C: CircuitCurve>(
    index: &ProverIndex<C>,
    witness: &Witness<C::ScalarField>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<CommittedWitness<C>, ProverError> {
    let domain = index.domain();
    let size = domain.size();
    let values = pad(index, witness, rng)?;

    let public_count = index.circuit().public;
    let negated: Vec<C::ScalarField> = values[0][..public_count].iter().map(|x| -*x).collect();
    let public_commitment =
        index.srs().blind(&index.srs().commit_evaluations(size, &negated), &[C::ScalarField::ONE]);
    let public = match negated.is_empty() {
        true => Vec::new(),
        false => {
            let mut values = negated;
            values.resize(size, C::ScalarField::ZERO);
            interpolate(domain, &values)
        }
    };

    let coefficients: Vec<_> =
        values.par_iter().map(|values| interpolate(domain, values)).collect();
    let columns: Vec<&[C::ScalarField]> = values.iter().map(Vec::as_slice).collect();
    let plain = index.srs().commit_evaluations_many(size, &columns);
    let blinded: Vec<_> = plain.iter().map(|c| index.blind(c, rng)).collect();
    Ok(CommittedWitness {
        values,
        coefficients,
        commitments: std::array::from_fn(|i| blinded[i].commitment.clone()),
        blinders: blinded.into_iter().map(|b| b.blinders).collect(),
        public,
        public_commitment,
    })
}

/// Pads with zeros to the domain, and fills the last rows with randomness: every polynomial is
/// evaluated at two points and committed to once, so three random values hide it.
fn pad<C: CircuitCurve>(
    index: &ProverIndex<C>,
    witness: &Witness<C::ScalarField>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Vec<Vec<C::ScalarField>>, ProverError> {
    let expected = index.circuit().gates.len();
    let size = index.domain().size();
    let mut columns = Vec::with_capacity(COLUMNS);
    for (column, values) in witness.iter().enumerate() {
        let got = values.len();
        if got != expected {
            return Err(ProverError::WitnessLength { column, expected, got });
        }
        let mut values = values.clone();
        values.resize(size - ZK_ROWS, C::ScalarField::ZERO);
        values.extend((0..ZK_ROWS).map(|_| C::ScalarField::rand(rng)));
        columns.push(values);
    }
    Ok(columns)
}
