//! Polynomial commitments over the Pasta curves, interchangeable with those of o1-labs' Kimchi.
//!
//! A polynomial `f` of degree below `n` is committed to as `Σ fᵢ·Gᵢ + r·H`, where the
//! [structured reference string](Srs) `G₀ … Gₙ₋₁, H` has no trapdoor: anyone derives it by hashing.
//! A longer polynomial is cut into chunks of `n` coefficients, `f = Σ Xⁿᵏ·fₖ`, and its
//! [`Commitment`] has one point per chunk.
//!
//! Many polynomials are opened at many points by one [`OpeningProof`] of `2·log₂ n + 2` points: the
//! chunks are combined by powers of `polyscale`, the points by powers of `evalscale`, and one
//! inner-product argument ([BCMS20], appendix A; [Halo], section 3) shows the combined value. Many
//! such proofs are verified by one multi-scalar multiplication ([`Srs::verify`]).
//!
//! The argument leaves one commitment unverified until its last step: `sg`, the commitment to the
//! [challenge polynomial](b_poly). Recursion defers that step; here it is always checked.
//!
//! [BCMS20]: https://eprint.iacr.org/2020/499
//! [Halo]: https://eprint.iacr.org/2019/1021

mod bases;
mod challenge_polynomial;
mod commitment;
mod error;
mod lagrange;
mod once_map;
mod opening;
mod prover;
mod srs;
mod verifier;

pub use bases::TABLE_BUDGET;
pub use challenge_polynomial::{b_poly, b_poly_coefficients};
pub use commitment::Commitment;
pub use error::OpeningError;
pub use opening::{Challenges, OpeningProof, combined_inner_product, shift_scalar};
pub use prover::OpenPolynomial;
pub use srs::{MAX_SRS_SIZE, Srs};
pub use verifier::{Evaluated, OpeningClaim};
