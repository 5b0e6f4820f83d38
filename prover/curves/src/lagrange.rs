//! Commitments to the Lagrange basis of a domain, from the bases of an SRS.
//!
//! The basis polynomial `L_i` of a domain of size `n` has the coefficients `ω^(−ij)/n`, so its
//! commitment is `Σ_j ω^(−ij)/n·G_j`: an inverse Fourier transform whose values are points. Its
//! butterflies share inversions for their additions, and the multiplications by twiddles are done
//! many at a time ([`crate::mul_each`]).

use alloc::vec::Vec;
use core::marker::PhantomData;

use ark_ec::{AffineRepr, CurveGroup};
#[cfg(feature = "parallel")]
use rayon::prelude::*;

use crate::{
    curves::{PastaCurve, Point, ProjectivePoint},
    fft::{Domain, bit_reverse},
    lanes::{Kernel, LaneBackend, Lanes, run},
    msm::{
        glv::{self, Half},
        groups::RawPoint,
    },
    multiples::{BLOCK, Block, scale},
};

/// Why there is no Lagrange basis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LagrangeError {
    /// The size is not a power of two that the scalar field has a domain for.
    NoDomain {
        /// The size asked for.
        size: usize,
    },
    /// The SRS is shorter than the domain.
    TooFewBases {
        /// The size asked for.
        size: usize,
        /// The number of bases.
        got: usize,
    },
}

impl core::fmt::Display for LagrangeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NoDomain { size } => write!(f, "there is no domain of size {size}"),
            Self::TooFewBases { size, got } => {
                write!(f, "a domain of size {size} needs as many bases, got {got}")
            }
        }
    }
}

impl core::error::Error for LagrangeError {}

/// Commitments `Σ_j ω^(−ij)/n·g[j]` to the Lagrange basis of the domain of size `n`.
///
/// Any points are allowed; special ones (infinity, or with simple linear relations between them)
/// are much slower than those of an SRS.
///
/// # Errors
/// If `n` is not the size of a domain, or more than `g` has points.
pub fn lagrange_basis<C: PastaCurve>(
    g: &[Point<C>],
    n: usize,
) -> Result<Vec<Point<C>>, LagrangeError> {
    lagrange_basis_with(LaneBackend::detect(), g, n)
}

pub(crate) fn lagrange_basis_with<C: PastaCurve>(
    backend: LaneBackend,
    g: &[Point<C>],
    n: usize,
) -> Result<Vec<Point<C>>, LagrangeError> {
    if !n.is_power_of_two() {
        return Err(LagrangeError::NoDomain { size: n });
    }
    if n > g.len() {
        return Err(LagrangeError::TooFewBases { size: n, got: g.len() });
    }
    let domain = Domain::<C::ScalarField>::new(n.trailing_zeros())
        .ok_or(LagrangeError::NoDomain { size: n })?;
    let mut points = g[..n].to_vec();
    bit_reverse(&mut points);
    if n == 1 {
        return Ok(points);
    }
    let fast = if points.iter().any(Point::<C>::is_zero) {
        None
    } else {
        in_lanes(backend, &points, &domain)
    };
    Ok(fast.unwrap_or_else(|| one_by_one::<C>(&points, &domain)))
}

/// The transform with arkworks' group operations.
fn one_by_one<C: PastaCurve>(
    points: &[Point<C>],
    domain: &Domain<C::ScalarField>,
) -> Vec<Point<C>> {
    let mut values: Vec<ProjectivePoint<C>> =
        points.iter().map(|point| *point * domain.size_inverse()).collect();
    let mut half = 1;
    while half < values.len() {
        let twiddles = domain.inverse_layer(half);
        for block in values.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for ((x, y), twiddle) in low.iter_mut().zip(high).zip(twiddles) {
                let product = *y * twiddle;
                *y = *x - product;
                *x += product;
            }
        }
        half *= 2;
    }
    ProjectivePoint::<C>::normalize_batch(&values)
}

/// The transform in lanes, or `None` after an exception of the addition formulas.
fn in_lanes<C: PastaCurve>(
    backend: LaneBackend,
    points: &[Point<C>],
    domain: &Domain<C::ScalarField>,
) -> Option<Vec<Point<C>>> {
    let n = points.len();
    let mut values = blocks(n, |start, end| run(backend, Enter::<C>(&points[start..end])));
    // The division by n is joined to the twiddles of an early layer, half of which are 1. There
    // the left points are scaled too.
    let scaled_layer = if n > 2 { 2 } else { 1 };
    let mut half = 1;
    while half < n {
        let factor = (half == scaled_layer).then(|| domain.size_inverse());
        let layer = Layer::<C>::new(domain, half, factor);
        let updates = [layer.trivial(n), layer.scaled(n)].map(|butterflies| {
            tasks(&butterflies, |chunk| {
                run(backend, Butterflies { values: &values, layer: &layer, chunk })
            })
        });
        for update in updates.into_iter().flatten() {
            for (index, point) in update? {
                values[index] = point;
            }
        }
        half *= 2;
    }
    Some(blocks(n, |start, end| run(backend, Leave::<C>(&values[start..end], PhantomData))))
}

/// Concatenated results of `f(start, end)` for blocks of `0..n`.
fn blocks<T: Send>(n: usize, f: impl Fn(usize, usize) -> Vec<T> + Sync + Send) -> Vec<T> {
    let starts: Vec<usize> = (0..n).step_by(BLOCK).collect();
    tasks(&starts, |chunk| {
        chunk.iter().map(|start| f(*start, n.min(start + BLOCK))).collect::<Vec<_>>().concat_vec()
    })
    .concat_vec()
}

/// `Vec<Vec<T>>` without copies of `T`.
trait ConcatVec<T> {
    fn concat_vec(self) -> Vec<T>;
}

impl<T> ConcatVec<T> for Vec<Vec<T>> {
    fn concat_vec(self) -> Vec<T> {
        self.into_iter().flatten().collect()
    }
}

/// `f` of each run of [`BLOCK`] items, in parallel where enabled.
fn tasks<T: Sync, R: Send>(items: &[T], f: impl Fn(&[T]) -> R + Sync + Send) -> Vec<R> {
    #[cfg(feature = "parallel")]
    return items.par_chunks(BLOCK).map(f).collect();
    #[cfg(not(feature = "parallel"))]
    return items.chunks(BLOCK).map(f).collect();
}

/// One layer's twiddles.
struct Layer<C> {
    half: usize,
    /// The scalar of the right point of the `j`-th butterfly of a block.
    right: Vec<[Half; 2]>,
    /// The scalar of all left points, if it is not 1.
    left: Option<[Half; 2]>,
    curve: PhantomData<C>,
}

impl<C: PastaCurve> Layer<C> {
    fn new(domain: &Domain<C::ScalarField>, half: usize, factor: Option<C::ScalarField>) -> Self {
        let right = domain.inverse_layer(half).iter().map(|twiddle| match factor {
            Some(factor) => glv::split::<C>(factor * twiddle),
            None => glv::split::<C>(*twiddle),
        });
        let left = factor.map(glv::split::<C>);
        Self { half, right: right.collect(), left, curve: PhantomData }
    }

    /// Left indices of the butterflies without multiplications.
    fn trivial(&self, n: usize) -> Vec<usize> {
        if self.left.is_some() {
            return Vec::new();
        }
        (0..n).step_by(2 * self.half).collect()
    }

    /// Left indices of the other butterflies, those with the same twiddle together.
    fn scaled(&self, n: usize) -> Vec<usize> {
        let first = usize::from(self.left.is_none());
        (first..self.half).flat_map(|j| (j..n).step_by(2 * self.half)).collect()
    }

    fn is_trivial(&self, left: usize) -> bool {
        self.left.is_none() && left.is_multiple_of(2 * self.half)
    }
}

/// The kernel of a layer, for butterflies that are all trivial or all not. Returns the new values
/// with their indices.
struct Butterflies<'a, C> {
    values: &'a [RawPoint],
    layer: &'a Layer<C>,
    chunk: &'a [usize],
}

impl<C: PastaCurve> Kernel<C::BaseField> for Butterflies<'_, C> {
    type Output = Option<Vec<(usize, RawPoint)>>;

    #[inline(always)]
    fn run<L: Lanes<C::BaseField>>(self) -> Self::Output {
        let Self { values, layer, chunk } = self;
        let len = chunk.len();
        let at = |index: usize| (&values[index].x, &values[index].y);
        let mut left = Block::<L>::gather(len, |i| at(chunk[i]));
        let mut right = Block::<L>::gather(len, |i| at(chunk[i] + layer.half));
        if !chunk.first().is_some_and(|first| layer.is_trivial(*first)) {
            let halves: Vec<[Half; 2]> =
                chunk.iter().map(|index| layer.right[index % layer.half]).collect();
            right = scale::<C, L>(&right, &halves)?;
            if let Some(factor) = layer.left {
                left = scale::<C, L>(&left, &alloc::vec![factor; len])?;
            }
        }
        let (sum, difference) = left.add_and_sub::<C>(&right)?;
        let mut out = Vec::with_capacity(2 * len);
        sum.scatter(len, |i, point| out.push((chunk[i], point)));
        difference.scatter(len, |i, point| out.push((chunk[i] + layer.half, point)));
        Some(out)
    }
}

/// The kernel that converts points, none of them infinity.
struct Enter<'a, C: PastaCurve>(&'a [Point<C>]);

impl<C: PastaCurve> Kernel<C::BaseField> for Enter<'_, C> {
    type Output = Vec<RawPoint>;

    #[inline(always)]
    fn run<L: Lanes<C::BaseField>>(self) -> Vec<RawPoint> {
        let mut out = Vec::with_capacity(self.0.len());
        Block::<L>::from_points::<C>(self.0).scatter(self.0.len(), |_, point| out.push(point));
        out
    }
}

/// The kernel that converts points back.
struct Leave<'a, C>(&'a [RawPoint], PhantomData<C>);

impl<C: PastaCurve> Kernel<C::BaseField> for Leave<'_, C> {
    type Output = Vec<Point<C>>;

    #[inline(always)]
    fn run<L: Lanes<C::BaseField>>(self) -> Vec<Point<C>> {
        let block = Block::<L>::gather(self.0.len(), |i| (&self.0[i].x, &self.0[i].y));
        block.into_points::<C>(self.0.len(), PhantomData)
    }
}

#[cfg(test)]
mod tests {
    use ark_ec::VariableBaseMSM;
    use ark_ff::{Field, UniformRand};
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    use super::*;
    use crate::{PallasConfig, VestaConfig};

    fn points<C: PastaCurve>(n: usize) -> Vec<Point<C>> {
        let mut rng = ChaCha20Rng::seed_from_u64(31);
        let points: Vec<_> = (0..n).map(|_| ProjectivePoint::<C>::rand(&mut rng)).collect();
        ProjectivePoint::<C>::normalize_batch(&points)
    }

    /// `Σ_j ω^(−ij)/n·g[j]`.
    fn commitment<C: PastaCurve>(g: &[Point<C>], n: usize, i: usize) -> Point<C> {
        let domain = Domain::<C::ScalarField>::new(n.trailing_zeros()).unwrap();
        let ratio = domain.root().pow([(n - i) as u64]);
        let mut scalar = domain.size_inverse();
        let scalars: Vec<_> = (0..n)
            .map(|_| {
                let this = scalar;
                scalar *= ratio;
                this
            })
            .collect();
        ProjectivePoint::<C>::msm_unchecked(&g[..n], &scalars).into_affine()
    }

    fn check<C: PastaCurve>(g: &[Point<C>], n: usize, every: usize) {
        for backend in [LaneBackend::Scalar, LaneBackend::Avx2, LaneBackend::Avx512Ifma] {
            let basis = lagrange_basis_with::<C>(backend, g, n).unwrap();
            assert_eq!(basis.len(), n);
            for i in (0..n).step_by(every) {
                assert_eq!(basis[i], commitment::<C>(g, n, i), "{backend:?} {n} {i}");
            }
        }
    }

    fn small_sizes<C: PastaCurve>() {
        let g = points::<C>(70);
        for n in [1, 2, 4, 8, 16, 32, 64] {
            check::<C>(&g, n, 1);
        }
    }

    #[test]
    fn every_commitment_of_small_domains() {
        small_sizes::<PallasConfig>();
        small_sizes::<VestaConfig>();
    }

    #[test]
    fn some_commitments_of_a_larger_domain() {
        check::<VestaConfig>(&points::<VestaConfig>(2048), 2048, 97);
    }

    #[test]
    fn special_points_and_wrong_sizes() {
        let mut g = points::<PallasConfig>(16);
        check::<PallasConfig>(&[g[0]; 16], 16, 1);
        g[5] = Point::<PallasConfig>::zero();
        check::<PallasConfig>(&g, 16, 1);
        check::<PallasConfig>(&[Point::<PallasConfig>::zero(); 8], 8, 1);
        let got = lagrange_basis::<PallasConfig>(&g, 12);
        assert_eq!(got, Err(LagrangeError::NoDomain { size: 12 }));
        assert_eq!(lagrange_basis::<PallasConfig>(&g, 0), Err(LagrangeError::NoDomain { size: 0 }));
        let got = lagrange_basis::<PallasConfig>(&g, 32);
        assert_eq!(got, Err(LagrangeError::TooFewBases { size: 32, got: 16 }));
    }
}
