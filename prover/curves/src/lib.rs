//! The Pasta fields and curves that Mina's proof system runs on, on arkworks types.
//!
//! | name | base field | scalar field | role |
//! |---|---|---|---|
//! | [`Pallas`] | [`Fp`] | [`Fq`] | commitments of wrap proofs; Mina's signatures |
//! | [`Vesta`] | [`Fq`] | [`Fp`] | commitments of step proofs |
//!
//! Both curves are `y² = x³ + 5` of prime order, each over the other's scalar field, with an
//! efficient endomorphism `φ(x, y) = (ξ·x, y) = [λ](x, y)`.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod adx;
mod combination;
pub mod cosets;
mod curves;
mod endo;
pub mod fft;
mod fields;
mod generator;
mod group_map;
pub mod lagrange;
mod lanes;
mod msm;
mod multiples;
mod sqrt;

pub use combination::combine_two;
pub use curves::{Pallas, PallasConfig, PastaCurve, Point, ProjectivePoint, Vesta, VestaConfig};
pub use endo::ScalarChallenge;
pub use fields::{Fp, FpParams, Fq, FqParams, PastaField};
pub use generator::generator_multiple;
pub use group_map::{GroupMap, GroupMapConstants};
pub use lanes::{LaneBackend, PoseidonRounds, PoseidonTable};
pub use msm::{EndoLattice, FixedBases, msm, msm_many, msm_with};
pub use multiples::{fold_bases, mul_each};
#[doc(hidden)]
pub use sqrt::SqrtTable;
