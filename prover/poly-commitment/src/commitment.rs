//! Commitments to chunked polynomials.

use ark_ec::{AffineRepr, CurveGroup};
use mina_curves::{Point, ProjectivePoint};
use mina_poseidon::KimchiCurve;

/// A commitment to one polynomial: a point per chunk of as many coefficients as the SRS has bases,
/// lowest degrees first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commitment<C: KimchiCurve> {
    /// The chunks. A polynomial shorter than its neighbours is padded with points at infinity.
    pub chunks: Vec<Point<C>>,
}

impl<C: KimchiCurve> Commitment<C> {
    /// A commitment with these chunks.
    pub fn new(chunks: Vec<Point<C>>) -> Self {
        Self { chunks }
    }

    /// A commitment of one chunk.
    pub fn single(point: Point<C>) -> Self {
        Self { chunks: vec![point] }
    }

    /// The number of chunks.
    pub fn len(&self) -> usize {
        self.chunks.len()
    }

    /// Whether there is no chunk at all, as for a polynomial that takes no part in a proof.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The chunk-wise sum; the shorter operand counts as padded with points at infinity.
    pub fn add(&self, other: &Self) -> Self {
        let chunk = |c: &Self, i: usize| c.chunks.get(i).copied().unwrap_or_else(Point::<C>::zero);
        let sums: Vec<ProjectivePoint<C>> = (0..self.len().max(other.len()))
            .map(|i| chunk(self, i).into_group() + chunk(other, i))
            .collect();
        Self { chunks: ProjectivePoint::<C>::normalize_batch(&sums) }
    }

    /// Every chunk times `scalar`.
    pub fn scale(&self, scalar: C::ScalarField) -> Self {
        let products: Vec<ProjectivePoint<C>> = self.chunks.iter().map(|c| *c * scalar).collect();
        Self { chunks: ProjectivePoint::<C>::normalize_batch(&products) }
    }

    /// `Σ powerⁱ·chunksᵢ`: with `power = ζⁿ` for an SRS of size `n`, the commitment to the short
    /// polynomial that has the value of the chunked one at `ζ`. Infinity if there is no chunk.
    pub fn combine_chunks(&self, power: C::ScalarField) -> Point<C> {
        let mut chunks = self.chunks.iter().rev();
        let Some(last) = chunks.next() else { return Point::<C>::zero() };
        chunks.fold(last.into_group(), |acc, chunk| acc * power + chunk).into_affine()
    }

    /// `Σ scalars[i]·commitments[i]`, chunk by chunk; shorter commitments count as padded with
    /// infinity. One multi-scalar multiplication per chunk, over the shorter of the two slices.
    pub fn linear_combination(commitments: &[&Self], scalars: &[C::ScalarField]) -> Self {
        let chunks = commitments.iter().map(|c| c.len()).max().unwrap_or(0);
        let sums: Vec<ProjectivePoint<C>> = (0..chunks)
            .map(|i| {
                let (points, scalars): (Vec<_>, Vec<_>) = commitments
                    .iter()
                    .zip(scalars)
                    .filter_map(|(c, s)| c.chunks.get(i).map(|point| (*point, *s)))
                    .unzip();
                mina_curves::msm(&points, &scalars)
            })
            .collect();
        Self { chunks: ProjectivePoint::<C>::normalize_batch(&sums) }
    }
}

impl<C: KimchiCurve> From<Point<C>> for Commitment<C> {
    fn from(point: Point<C>) -> Self {
        Self::single(point)
    }
}
