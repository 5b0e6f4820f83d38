//! The verifier of batches of opening proofs.

use std::collections::HashMap;

use ark_ff::{AdditiveGroup, Field, UniformRand, Zero};
use mina_curves::{Point, ScalarChallenge};
use mina_poseidon::{FqSponge, KimchiCurve};
use rand::{CryptoRng, RngCore};
use rayon::prelude::*;

use crate::{
    challenge_polynomial::{b_poly, b_poly_coefficients},
    commitment::Commitment,
    error::OpeningError,
    opening::{OpeningProof, final_challenge, inner_product_base, inner_product_of},
    srs::Srs,
};

/// A committed polynomial and its claimed values.
#[derive(Clone, Debug)]
pub struct Evaluated<C: KimchiCurve> {
    /// The commitment.
    pub commitment: Commitment<C>,
    /// `evaluations[point][chunk]`: as many points as the claim has, as many chunks as the
    /// commitment.
    pub evaluations: Vec<Vec<C::ScalarField>>,
}

/// The claim that polynomials have the given values at the given points, with its proof.
#[derive(Clone, Debug)]
pub struct OpeningClaim<'a, C: KimchiCurve> {
    /// The transcript, which has absorbed everything before the combined inner product.
    pub sponge: FqSponge<C>,
    /// The polynomials, in the transcript's combination order.
    pub evaluations: Vec<Evaluated<C>>,
    /// Where they are evaluated.
    pub points: Vec<C::ScalarField>,
    /// Combines the chunks of all polynomials.
    pub polyscale: C::ScalarField,
    /// Combines the points.
    pub evalscale: C::ScalarField,
    /// The proof.
    pub opening: &'a OpeningProof<C>,
    /// The combined value, see [`combined_inner_product`](crate::combined_inner_product).
    pub combined_inner_product: C::ScalarField,
}

impl<C: KimchiCurve> Srs<C> {
    /// Verifies a batch of claims by one multi-scalar multiplication; an empty batch is valid.
    ///
    /// For each proof, with `c` the last challenge and `b` the combined value of the challenge
    /// polynomial, two equations must hold, which `rng` combines at random with those of all other
    /// proofs:
    ///
    /// - `c·(P + v·U + Σ (cᵢ⁻¹·Lᵢ + cᵢ·Rᵢ)) + delta = z1·(sg + b·U) + z2·H`
    /// - `sg = ⟨coefficients of the challenge polynomial, G⟩`
    ///
    /// All points are taken to be on the curve: decoders check that.
    ///
    /// # Errors
    /// The first claim of a wrong shape or with a combined inner product that is not that of its
    /// evaluations; else [`OpeningError::Equation`] if any proof of the batch is invalid.
    pub fn verify<R: RngCore + CryptoRng>(
        &self,
        claims: &[OpeningClaim<'_, C>],
        rng: &mut R,
    ) -> Result<(), OpeningError> {
        for (i, claim) in claims.iter().enumerate() {
            claim.check_shape(i, self.rounds())?;
        }
        if claims.is_empty() {
            return Ok(());
        }
        let [scale, sg_scale] = [(); 2].map(|()| C::ScalarField::rand(rng));
        // The equation of sg starts at a random weight, not at 1 like the other: sg is in no
        // transcript, so with equal weights it could be solved for after the challenges.
        let mut weights = (C::ScalarField::ONE, sg_scale);
        let mut equation = Equation::new(self);
        for claim in claims {
            equation.add(claim, weights);
            weights = (weights.0 * scale, weights.1 * sg_scale);
        }
        if equation.holds() { Ok(()) } else { Err(OpeningError::Equation { claims: claims.len() }) }
    }
}

impl<C: KimchiCurve> OpeningClaim<'_, C> {
    /// The 128-bit challenges of the opening's rounds.
    pub fn prechallenges(&self) -> Vec<ScalarChallenge> {
        let mut sponge = self.sponge.clone();
        let _ = inner_product_base(&mut sponge, self.combined_inner_product);
        self.opening.prechallenges(&mut sponge)
    }

    /// The combined value of the challenge polynomial at the points.
    pub fn challenge_polynomial_value(&self, challenges: &[C::ScalarField]) -> C::ScalarField {
        self.points.iter().rev().fold(C::ScalarField::ZERO, |acc, point| {
            acc * self.evalscale + b_poly(challenges, *point)
        })
    }

    /// Checks everything that can be wrong without any curve operation.
    fn check_shape(&self, claim: usize, rounds: usize) -> Result<(), OpeningError> {
        if self.opening.lr.len() != rounds {
            let got = self.opening.lr.len();
            return Err(OpeningError::Rounds { claim, expected: rounds, got });
        }
        for (polynomial, evaluated) in self.evaluations.iter().enumerate() {
            let (expected, got) = (self.points.len(), evaluated.evaluations.len());
            if expected != got {
                return Err(OpeningError::Evaluations { claim, polynomial, expected, got });
            }
            for evaluation in &evaluated.evaluations {
                let (expected, got) = (evaluated.commitment.len(), evaluation.len());
                if expected != got {
                    return Err(OpeningError::Chunks { claim, polynomial, expected, got });
                }
            }
        }
        let values = self.evaluations.iter().map(|e| e.evaluations.as_slice());
        let expected = inner_product_of(self.polyscale, self.evalscale, values);
        if expected != self.combined_inner_product {
            return Err(OpeningError::CombinedInnerProduct {
                claim,
                expected: expected.to_string(),
                got: self.combined_inner_product.to_string(),
            });
        }
        Ok(())
    }
}

/// A linear combination of points that must be zero.
struct Equation<'a, C: KimchiCurve> {
    srs: &'a Srs<C>,
    /// Scalars of the SRS bases `G`.
    g: Vec<C::ScalarField>,
    /// Scalar of `H`.
    h: C::ScalarField,
    /// The points that the claims bring along, with their scalars: each once, since proofs of one
    /// circuit share many, and equal points are the slow case of a multi-scalar multiplication.
    points: Vec<Point<C>>,
    scalars: Vec<C::ScalarField>,
    places: HashMap<Point<C>, usize>,
}

impl<'a, C: KimchiCurve> Equation<'a, C> {
    fn new(srs: &'a Srs<C>) -> Self {
        let g = vec![C::ScalarField::ZERO; srs.size()];
        let (points, scalars, places) = (Vec::new(), Vec::new(), HashMap::new());
        Self { srs, g, h: C::ScalarField::ZERO, points, scalars, places }
    }

    fn term(&mut self, scalar: C::ScalarField, point: Point<C>) {
        let place = *self.places.entry(point).or_insert(self.points.len());
        match self.scalars.get_mut(place) {
            Some(sum) => *sum += scalar,
            None => {
                self.points.push(point);
                self.scalars.push(scalar);
            }
        }
    }

    /// Adds both equations of a claim, times their weights.
    fn add(
        &mut self,
        claim: &OpeningClaim<'_, C>,
        (weight, sg_weight): (C::ScalarField, C::ScalarField),
    ) {
        let opening = claim.opening;
        let mut sponge = claim.sponge.clone();
        let u = inner_product_base(&mut sponge, claim.combined_inner_product);
        let folding = opening.challenges(&mut sponge);
        let c = weight * final_challenge(&mut sponge, &opening.delta);
        let z1 = weight * opening.z1;

        // P, by powers of polyscale.
        let mut scalar = c;
        for chunk in claim.evaluations.iter().flat_map(|e| &e.commitment.chunks) {
            self.term(scalar, *chunk);
            scalar *= claim.polyscale;
        }
        for ((l, r), (challenge, inverse)) in
            opening.lr.iter().zip(folding.challenges.iter().zip(&folding.inverses))
        {
            self.term(c * inverse, *l);
            self.term(c * challenge, *r);
        }
        let b = claim.challenge_polynomial_value(&folding.challenges);
        self.term(c * claim.combined_inner_product - z1 * b, u);
        self.term(weight, opening.delta);
        self.h -= weight * opening.z2;

        // Both equations hold sg.
        self.term(-z1 - sg_weight, opening.sg);
        self.g
            .par_iter_mut()
            .zip(b_poly_coefficients(&folding.challenges))
            .for_each(|(scalar, coefficient)| *scalar += sg_weight * coefficient);
    }

    fn holds(mut self) -> bool {
        self.points.push(self.srs.h());
        self.scalars.push(self.h);
        let (fixed, brought) = rayon::join(
            || self.srs.bases().msm(&self.g),
            || mina_curves::msm(&self.points, &self.scalars),
        );
        (fixed + brought).is_zero()
    }
}
