//! The prover of the inner-product argument.

use std::borrow::Cow;

use ark_ec::CurveGroup;
use ark_ff::{AdditiveGroup, Field, UniformRand};
use mina_curves::{Point, ProjectivePoint};
use mina_poseidon::{FqSponge, KimchiCurve};
use rand::{CryptoRng, RngCore};
use rayon::prelude::*;

use crate::{
    opening::{OpeningProof, final_challenge, inner_product_base, round_challenge},
    srs::Srs,
};

/// Below this length a vector is worked on by one thread.
const PARALLEL_FROM: usize = 1 << 10;

/// A polynomial to open, in the transcript's combination order.
#[derive(Clone, Debug)]
pub struct OpenPolynomial<'a, F: Clone> {
    /// Coefficients, lowest first; at most the SRS size per chunk.
    pub coefficients: Cow<'a, [F]>,
    /// Blinder of each chunk of the commitment, zero for an unblinded one: they also say how many
    /// chunks there are.
    pub blinders: Vec<F>,
}

impl<C: KimchiCurve> Srs<C> {
    /// Opens `polys` at `points`.
    ///
    /// The chunks of all polynomials are combined by powers of `polyscale`, the points by powers of
    /// `evalscale`, in the order given, which must be the verifier's. `sponge` has absorbed
    /// everything before the combined inner product. All randomness comes from `rng`.
    ///
    /// # Panics
    /// If a polynomial has more coefficients than its chunks hold.
    pub fn open<R: RngCore + CryptoRng>(
        &self,
        polys: &[OpenPolynomial<'_, C::ScalarField>],
        points: &[C::ScalarField],
        polyscale: C::ScalarField,
        evalscale: C::ScalarField,
        mut sponge: FqSponge<C>,
        rng: &mut R,
    ) -> OpeningProof<C> {
        let (mut a, mut blinder) = combine(polys, polyscale, self.size());
        let mut b = combined_powers(points, evalscale, self.size());
        let u = inner_product_base(&mut sponge, inner_product(&a, &b));
        let mut g = Cow::Borrowed(self.g());
        let mut lr = Vec::with_capacity(self.rounds());

        for _ in 0..self.rounds() {
            let half = a.len() / 2;
            let (a_low, a_high) = a.split_at(half);
            let (b_low, b_high) = b.split_at(half);
            let (g_low, g_high) = g.split_at(half);
            let [l_blinder, r_blinder] = [(); 2].map(|()| C::ScalarField::rand(rng));
            let sum = |first: usize, a: &[C::ScalarField]| match &g {
                Cow::Borrowed(_) => self.bases().msm_from(first, a),
                Cow::Owned(folded) => mina_curves::msm(&folded[first..], a),
            };
            let cross = |first: usize, a: &[C::ScalarField], b: &[C::ScalarField], r| {
                sum(first, a) + self.h() * r + u * inner_product(a, b)
            };
            let (l, r) = rayon::join(
                || cross(0, a_high, b_low, l_blinder),
                || cross(half, a_low, b_high, r_blinder),
            );
            let [l, r] = to_affine([l, r]);

            let prechallenge = round_challenge(&mut sponge, &l, &r);
            let challenge: C::ScalarField = prechallenge.to_field(C::ENDO_SCALAR);
            // a·λ + b is zero for no short a, b but zero: they are shorter than any relation.
            let inverse = challenge.inverse().unwrap_or(C::ScalarField::ZERO);
            blinder += l_blinder * inverse + r_blinder * challenge;
            a = fold(a_low, a_high, inverse);
            b = fold(b_low, b_high, challenge);
            g = Cow::Owned(mina_curves::fold_bases(g_low, g_high, prechallenge));
            lr.push((l, r));
        }

        // One base, one coefficient and one value are left: a Schnorr proof of the representation.
        let (sg, a, b) = (g[0], a[0], b[0]);
        let [d, r_delta] = [(); 2].map(|()| C::ScalarField::rand(rng));
        let delta = ((u * b + sg) * d + self.h() * r_delta).into_affine();
        let c = final_challenge(&mut sponge, &delta);
        OpeningProof { lr, delta, z1: a * c + d, z2: blinder * c + r_delta, sg }
    }
}

/// `Σ polyscaleⁱ·chunkᵢ` over the chunks of all polynomials, `size` coefficients long, and the same
/// combination of the blinders.
fn combine<F: Field>(polys: &[OpenPolynomial<'_, F>], polyscale: F, size: usize) -> (Vec<F>, F) {
    let mut scale = F::ONE;
    let mut blinder = F::ZERO;
    let mut chunks: Vec<(F, &[F])> = Vec::with_capacity(polys.len());
    for poly in polys {
        assert!(
            poly.coefficients.len() <= size * poly.blinders.len(),
            "{} coefficients do not fit {} chunks of {size}",
            poly.coefficients.len(),
            poly.blinders.len()
        );
        let mut coefficients = poly.coefficients.chunks(size);
        for chunk_blinder in &poly.blinders {
            chunks.push((scale, coefficients.next().unwrap_or_default()));
            blinder += scale * chunk_blinder;
            scale *= polyscale;
        }
    }
    let mut sum = vec![F::ZERO; size];
    sum.par_chunks_mut(PARALLEL_FROM).enumerate().for_each(|(i, sum)| {
        for (scale, chunk) in &chunks {
            let part = chunk.get(i * PARALLEL_FROM..).unwrap_or_default();
            for (sum, coefficient) in sum.iter_mut().zip(part) {
                *sum += *scale * coefficient;
            }
        }
    });
    (sum, blinder)
}

/// `Σⱼ evalscaleʲ·pointsⱼⁱ` for every `i` below `size`.
fn combined_powers<F: Field>(points: &[F], evalscale: F, size: usize) -> Vec<F> {
    let mut sums = vec![F::ZERO; size];
    sums.par_chunks_mut(PARALLEL_FROM).enumerate().for_each(|(i, sums)| {
        let mut scale = F::ONE;
        for point in points {
            let mut power = scale * point.pow([(i * PARALLEL_FROM) as u64]);
            for sum in sums.iter_mut() {
                *sum += power;
                power *= point;
            }
            scale *= evalscale;
        }
    });
    sums
}

fn inner_product<F: Field>(a: &[F], b: &[F]) -> F {
    a.par_chunks(PARALLEL_FROM)
        .zip(b.par_chunks(PARALLEL_FROM))
        .map(|(a, b)| a.iter().zip(b).map(|(a, b)| *a * b).sum::<F>())
        .sum()
}

/// `low + scalar·high`.
fn fold<F: Field>(low: &[F], high: &[F], scalar: F) -> Vec<F> {
    low.par_iter()
        .with_min_len(PARALLEL_FROM)
        .zip(high)
        .map(|(low, high)| *low + scalar * high)
        .collect()
}

fn to_affine<C: KimchiCurve, const N: usize>(points: [ProjectivePoint<C>; N]) -> [Point<C>; N] {
    points.map(CurveGroup::into_affine)
}
