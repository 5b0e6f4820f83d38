//! Round 2: the accumulator of the permutation argument.
//!
//! `z(1) = 1` and `z(ω^(i+1)) = z(ω^i)·∏ (w + γ + β·shift·ω^i) / (w + γ + β·σ)` over the seven
//! permuted columns; it is 1 again at the first hiding row, and random after that.

use ark_ff::{Field, UniformRand};
use poly_commitment::Commitment;
use rand::{CryptoRng, RngCore};
use rayon::prelude::*;

use super::{
    ProverIndex, ZK_ROWS,
    error::ProverError,
    polynomial::{CHUNK, interpolate},
    r1_witness::CommittedWitness,
};
use crate::{gate::PERMUTED_COLUMNS, index::CircuitCurve, transcript::Challenges};

/// The accumulator, committed to.
pub(super) struct Accumulator<C: CircuitCurve> {
    pub(super) coefficients: Vec<C::ScalarField>,
    pub(super) commitment: Commitment<C>,
    pub(super) blinders: Vec<C::ScalarField>,
}

pub(super) fn accumulate<C: CircuitCurve>(
    index: &ProverIndex<C>,
    witness: &CommittedWitness<C>,
    challenges: &Challenges<C::ScalarField>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Accumulator<C>, ProverError> {
    let size = index.domain().size();
    let end = size - ZK_ROWS;
    let factors = factors(index, witness, challenges, end);

    let mut values = Vec::with_capacity(size);
    let mut z = C::ScalarField::ONE;
    values.push(z);
    for factor in &factors {
        z *= factor;
        values.push(z);
    }
    if z != C::ScalarField::ONE {
        return Err(ProverError::Permutation);
    }
    values.resize_with(size, || C::ScalarField::rand(rng));

    let coefficients = interpolate(index.domain(), &values);
    let blinded = index.blind(&index.srs().commit_evaluations(size, &values), rng);
    Ok(Accumulator { coefficients, commitment: blinded.commitment, blinders: blinded.blinders })
}

/// The quotients of neighbouring values, for the first `end` rows.
fn factors<C: CircuitCurve>(
    index: &ProverIndex<C>,
    witness: &CommittedWitness<C>,
    challenges: &Challenges<C::ScalarField>,
    end: usize,
) -> Vec<C::ScalarField> {
    let Challenges { beta, gamma, .. } = *challenges;
    let points = index.domain().elements();
    let shifts = index.verifier_index().shifts;
    let mut factors = vec![C::ScalarField::ONE; end];
    factors.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, factors)| {
        let start = chunk * CHUNK;
        let mut denominators = vec![C::ScalarField::ONE; factors.len()];
        for (i, denominator) in denominators.iter_mut().enumerate() {
            for column in 0..PERMUTED_COLUMNS {
                let sigma = index.sigma_values[column][start + i];
                *denominator *= witness.values[column][start + i] + gamma + beta * sigma;
            }
        }
        // A zero denominator has negligible probability and would fail the final check.
        ark_ff::batch_inversion(&mut denominators);
        for (i, factor) in factors.iter_mut().enumerate() {
            *factor = denominators[i];
            let beta_point = beta * points[start + i];
            for (column, shift) in shifts.iter().enumerate() {
                *factor *= witness.values[column][start + i] + gamma + beta_point * shift;
            }
        }
    });
    factors
}
