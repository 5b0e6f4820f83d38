//! The opening proof and what prover and verifier both compute from it.

use ark_ff::{AdditiveGroup, Field, PrimeField};
use mina_curves::{Point, ScalarChallenge};
use mina_poseidon::{FqSponge, KimchiCurve};

/// An inner-product argument that the combined polynomial has the combined value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpeningProof<C: KimchiCurve> {
    /// `(L, R)` of each folding round, the longest vectors first; `log₂` of the SRS size.
    pub lr: Vec<(Point<C>, Point<C>)>,
    /// Commitment to the nonces of the last step's Schnorr proof.
    pub delta: Point<C>,
    /// Response for the folded coefficient.
    pub z1: C::ScalarField,
    /// Response for the folded blinder.
    pub z2: C::ScalarField,
    /// The folded base, the commitment to the challenge polynomial.
    pub sg: Point<C>,
}

/// The folding challenges of an argument, in the order of its rounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenges<F> {
    /// The effective scalars.
    pub challenges: Vec<F>,
    /// Their inverses.
    pub inverses: Vec<F>,
}

impl<C: KimchiCurve> OpeningProof<C> {
    /// The 128-bit challenges of the rounds. `sponge` stands after the base `U` was squeezed, and is
    /// left before `delta` is absorbed.
    pub fn prechallenges(&self, sponge: &mut FqSponge<C>) -> Vec<ScalarChallenge> {
        self.lr.iter().map(|(l, r)| round_challenge(sponge, l, r)).collect()
    }

    /// The effective challenges of the rounds and their inverses; `sponge` as in
    /// [`OpeningProof::prechallenges`].
    pub fn challenges(&self, sponge: &mut FqSponge<C>) -> Challenges<C::ScalarField> {
        let challenges: Vec<C::ScalarField> =
            self.prechallenges(sponge).into_iter().map(|c| c.to_field(C::ENDO_SCALAR)).collect();
        let mut inverses = challenges.clone();
        ark_ff::batch_inversion(&mut inverses);
        Challenges { challenges, inverses }
    }
}

/// Absorbs the two points of a round and squeezes its challenge.
pub(crate) fn round_challenge<C: KimchiCurve>(
    sponge: &mut FqSponge<C>,
    l: &Point<C>,
    r: &Point<C>,
) -> ScalarChallenge {
    sponge.absorb_point(l);
    sponge.absorb_point(r);
    sponge.challenge()
}

/// Absorbs the combined inner product, shifted, and maps the next squeeze to the base `U` that
/// carries inner products.
pub(crate) fn inner_product_base<C: KimchiCurve>(
    sponge: &mut FqSponge<C>,
    combined_inner_product: C::ScalarField,
) -> Point<C> {
    sponge.absorb_scalar(shift_scalar::<C>(combined_inner_product));
    let (x, y) = C::group_map().to_group(sponge.squeeze_base());
    Point::<C>::new_unchecked(x, y)
}

/// Absorbs `delta` and squeezes the challenge of the last step.
pub(crate) fn final_challenge<C: KimchiCurve>(
    sponge: &mut FqSponge<C>,
    delta: &Point<C>,
) -> C::ScalarField {
    sponge.absorb_point(delta);
    sponge.challenge().to_field(C::ENDO_SCALAR)
}

/// The form in which a scalar enters the transcript, so that a circuit can multiply a point by it
/// cheaply: `x − 2²⁵⁵` where the scalar field is the larger of the two, else `(x − 2²⁵⁵ − 1) / 2`.
///
/// Source: o1-labs/proof-systems `poly-commitment/src/commitment.rs`, `shift_scalar`.
pub fn shift_scalar<C: KimchiCurve>(x: C::ScalarField) -> C::ScalarField {
    let two = C::ScalarField::ONE.double();
    let shift = two.pow([u64::from(C::ScalarField::MODULUS_BIT_SIZE)]);
    if C::ScalarField::MODULUS < C::BaseField::MODULUS {
        (x - shift - C::ScalarField::ONE) / two
    } else {
        x - shift
    }
}

/// `Σ polyscaleⁱ · Σ evalscaleʲ · value(i, j)`, where `i` counts the chunks of all polynomials and
/// `j` the points; `evals[polynomial][point][chunk]`.
///
/// Polynomials without chunks are skipped. Each has one entry per point, all with the same number
/// of chunks; a value missing from a ragged one counts as zero.
pub fn combined_inner_product<F: Field>(polyscale: F, evalscale: F, evals: &[Vec<Vec<F>>]) -> F {
    inner_product_of(polyscale, evalscale, evals.iter().map(Vec::as_slice))
}

/// [`combined_inner_product`] of polynomials that are not stored side by side.
pub(crate) fn inner_product_of<'a, F: Field>(
    polyscale: F,
    evalscale: F,
    evals: impl Iterator<Item = &'a [Vec<F>]>,
) -> F {
    let mut scale = F::ONE;
    let mut sum = F::ZERO;
    for points in evals {
        let chunks = points.iter().map(Vec::len).max().unwrap_or(0);
        for chunk in 0..chunks {
            let value = |point: &Vec<F>| point.get(chunk).copied().unwrap_or(F::ZERO);
            let at_points = points.iter().rev().fold(F::ZERO, |acc, p| acc * evalscale + value(p));
            sum += scale * at_points;
            scale *= polyscale;
        }
    }
    sum
}
