//! Why an opening was rejected.

use thiserror::Error;

/// Why [`Srs::verify`](crate::Srs::verify) rejected a batch. `claim` counts from zero in the batch
/// and `polynomial` in the claim's combination order.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpeningError {
    /// The argument does not have one round per halving of the SRS.
    #[error("claim {claim}: opening proof has {got} rounds, expected {expected}")]
    Rounds {
        /// Which claim of the batch.
        claim: usize,
        /// `log₂` of the SRS size.
        expected: usize,
        /// Length of `lr`.
        got: usize,
    },
    /// A polynomial is not evaluated at exactly the claim's points.
    #[error("claim {claim}: polynomial {polynomial} has {got} evaluations, expected {expected}")]
    Evaluations {
        /// Which claim of the batch.
        claim: usize,
        /// Which polynomial of the claim.
        polynomial: usize,
        /// Number of evaluation points.
        expected: usize,
        /// Number of evaluations.
        got: usize,
    },
    /// An evaluation does not have one value per chunk of its commitment.
    #[error(
        "claim {claim}: evaluation of polynomial {polynomial} has {got} chunks, its commitment {expected}"
    )]
    Chunks {
        /// Which claim of the batch.
        claim: usize,
        /// Which polynomial of the claim.
        polynomial: usize,
        /// Chunks of the commitment.
        expected: usize,
        /// Chunks of the evaluation.
        got: usize,
    },
    /// The combined inner product is not that of the evaluations.
    #[error("claim {claim}: combined inner product is {got}, the evaluations give {expected}")]
    CombinedInnerProduct {
        /// Which claim of the batch.
        claim: usize,
        /// Computed from the evaluations, in decimal.
        expected: String,
        /// As claimed, in decimal.
        got: String,
    },
    /// The group equation does not hold: at least one proof of the batch is invalid.
    #[error("opening equation does not hold for a batch of {claims}")]
    Equation {
        /// Size of the batch.
        claims: usize,
    },
}
