//! Round 5: one opening of all polynomials at both points, in the transcript's order.

use std::borrow::Cow;

use ark_ff::{AdditiveGroup, Field};
use poly_commitment::{OpenPolynomial, OpeningProof, b_poly_coefficients};
use rand::{CryptoRng, RngCore};

use super::{
    ProverIndex, r1_witness::CommittedWitness, r2_permutation::Accumulator,
    r4_evaluations::Linearized,
};
use crate::{
    gate::PERMUTED_COLUMNS,
    index::CircuitCurve,
    proof::RecursionChallenge,
    transcript::{OpeningChallenges, Transcript},
};

/// What the earlier rounds made.
pub(super) struct Parts<'a, C: CircuitCurve> {
    pub(super) previous: &'a [RecursionChallenge<C>],
    pub(super) witness: &'a CommittedWitness<C>,
    pub(super) permutation: &'a Accumulator<C>,
    pub(super) linearized: &'a Linearized<C::ScalarField>,
}

pub(super) fn open<C: CircuitCurve>(
    index: &ProverIndex<C>,
    parts: &Parts<'_, C>,
    zeta: C::ScalarField,
    challenges: &OpeningChallenges<C::ScalarField>,
    transcript: Transcript<C>,
    rng: &mut (impl RngCore + CryptoRng),
) -> OpeningProof<C> {
    let polynomials = polynomials(index, parts);
    let points = [zeta, zeta * index.domain().generator()];
    let OpeningChallenges { polyscale, evalscale, .. } = *challenges;
    let sponge = transcript.into_sponge();
    index.srs().open(&polynomials, &points, polyscale, evalscale, sponge, rng)
}

fn polynomials<'a, C: CircuitCurve>(
    index: &'a ProverIndex<C>,
    parts: &'a Parts<'a, C>,
) -> Vec<OpenPolynomial<'a, C::ScalarField>> {
    let one = C::ScalarField::ONE;
    let zero = C::ScalarField::ZERO;
    let borrowed = |coefficients: &'a Vec<C::ScalarField>, blinder| OpenPolynomial {
        coefficients: Cow::Borrowed(coefficients.as_slice()),
        blinders: vec![blinder],
    };
    let fixed = &index.fixed;
    let mut polynomials: Vec<OpenPolynomial<'a, C::ScalarField>> = Vec::new();
    for previous in parts.previous {
        polynomials.push(OpenPolynomial {
            coefficients: Cow::Owned(b_poly_coefficients(&previous.challenges)),
            blinders: vec![zero],
        });
    }
    polynomials.push(borrowed(&parts.witness.public, one));
    polynomials.push(borrowed(&parts.linearized.coefficients, parts.linearized.blinder));
    polynomials.push(OpenPolynomial {
        coefficients: Cow::Borrowed(parts.permutation.coefficients.as_slice()),
        blinders: parts.permutation.blinders.clone(),
    });
    polynomials.extend(fixed.selectors.iter().map(|selector| borrowed(selector, one)));
    for (column, blinders) in parts.witness.coefficients.iter().zip(&parts.witness.blinders) {
        polynomials.push(OpenPolynomial {
            coefficients: Cow::Borrowed(column.as_slice()),
            blinders: blinders.clone(),
        });
    }
    polynomials.extend(fixed.coefficients.iter().map(|column| borrowed(column, zero)));
    polynomials
        .extend(fixed.sigma[..PERMUTED_COLUMNS - 1].iter().map(|sigma| borrowed(sigma, zero)));
    polynomials
}
