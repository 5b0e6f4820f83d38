//! Multi-scalar multiplication: Pippenger's bucket method with signed digits, the scalars split
//! along the endomorphism, and buckets filled by batched affine additions in lanes.
//!
//! A bucket is summed in four parts, one for each combination of sign and endomorphism: the parts are
//! turned as a whole, so that the table of bases has one line of the cache for each, and no addition is
//! made twice.
//!
//! Bases of many sums can be [prepared](FixedBases), and have tables of multiples.
//!
//! Zero digits cost nothing: zero scalars are never looked at again, a scalar of `b` bits (or its
//! negation) costs `b/c` additions with windows of `c` bits, and ±1 a single one.

mod fixed;
pub(crate) mod glv;
pub(crate) mod groups;
mod pippenger;
mod sorted;
pub(crate) mod table;
#[cfg(test)]
mod tests;
mod windows;

use alloc::vec::Vec;

pub use fixed::FixedBases;
pub use glv::EndoLattice;

use crate::{
    curves::{PastaCurve, Point, ProjectivePoint},
    lanes::LaneBackend,
};

/// `Σ scalars[i]·bases[i]` over the shorter of the two slices.
///
/// Any bases and scalars are allowed: infinity, repeated or opposite points, zero.
///
/// The time depends on the scalars: not for secrets that an observer may time.
pub fn msm<C: PastaCurve>(bases: &[Point<C>], scalars: &[C::ScalarField]) -> ProjectivePoint<C> {
    msm_with(LaneBackend::detect(), bases, scalars)
}

/// [`msm`] on a chosen implementation of the field lanes.
pub fn msm_with<C: PastaCurve>(
    backend: LaneBackend,
    bases: &[Point<C>],
    scalars: &[C::ScalarField],
) -> ProjectivePoint<C> {
    let len = bases.len().min(scalars.len());
    FixedBases::with_backend(backend, &bases[..len]).msm(&scalars[..len])
}

/// One [`msm`] per scalar vector, over the same bases, which are prepared once.
pub fn msm_many<C: PastaCurve>(
    bases: &[Point<C>],
    scalars: &[&[C::ScalarField]],
) -> Vec<ProjectivePoint<C>> {
    let longest = scalars.iter().map(|scalars| scalars.len()).max().unwrap_or(0);
    FixedBases::new(&bases[..longest.min(bases.len())]).msm_many(scalars)
}
