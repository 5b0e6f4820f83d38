//! Why a proof is refused.

use poly_commitment::OpeningError;
use thiserror::Error;

use crate::proof::Column;

/// Why a proof is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifyError {
    /// The number of public inputs is not the circuit's.
    #[error("expected {expected} public inputs, got {got}")]
    PublicInputLength {
        /// The circuit's.
        expected: usize,
        /// What was given.
        got: usize,
    },
    /// The number of earlier accumulators is not the circuit's.
    #[error("expected {expected} previous challenges, got {got}")]
    PreviousChallenges {
        /// The circuit's.
        expected: usize,
        /// What the proof has.
        got: usize,
    },
    /// An earlier accumulator has a number of challenges that no SRS of this size has.
    #[error("previous challenge {index}: expected {expected} rounds, got {got}")]
    PreviousChallengeLength {
        /// Which.
        index: usize,
        /// The logarithm of the SRS size.
        expected: usize,
        /// What the proof has.
        got: usize,
    },
    /// The circuits of a batch are not all under one SRS.
    #[error("instance {index}: the SRS has {got} bases, that of the first instance {expected}")]
    MixedSrs {
        /// Which instance of the batch.
        index: usize,
        /// Bases of the first instance's SRS.
        expected: usize,
        /// Bases of this one's.
        got: usize,
    },
    /// A commitment has the wrong number of chunks.
    #[error("commitment of {name}: expected {expected} chunks, got {got}")]
    CommitmentChunks {
        /// Of what.
        name: String,
        /// Chunks per column, or the most that the quotient may have.
        expected: usize,
        /// What the proof has.
        got: usize,
    },
    /// An evaluation has the wrong number of chunks.
    #[error("evaluation of {name}: expected {expected} chunks, got {got}")]
    EvaluationChunks {
        /// Of what.
        name: String,
        /// Chunks per column.
        expected: usize,
        /// What the proof has.
        got: usize,
    },
    /// An evaluation that the circuit needs is missing.
    #[error("evaluation of {0:?} is missing")]
    MissingEvaluation(Column),
    /// An evaluation is present that the circuit has no column for.
    #[error("evaluation of {0:?} is present, but the circuit has no such column")]
    UnexpectedEvaluation(Column),
    /// The public input's evaluation, needed with several chunks, is missing.
    #[error("evaluation of the public input is missing")]
    MissingPublicEvaluation,
    /// A commitment that the circuit needs is missing.
    #[error("commitment of {0:?} is missing")]
    MissingCommitment(Column),
    /// Lookup commitments are there without a lookup argument, or missing with one.
    #[error("lookup commitments: expected {expected}, got {got}")]
    LookupCommitments {
        /// Whether the circuit looks values up.
        expected: bool,
        /// Whether the proof has them.
        got: bool,
    },
    /// The lookup argument has the wrong number of sorted columns.
    #[error("lookup: expected {expected} sorted columns, got {got}")]
    SortedColumns {
        /// One more than the circuit's lookups per row.
        expected: usize,
        /// What the proof has.
        got: usize,
    },
    /// Evaluations and commitments do not open: some value of the proof, the public input or the
    /// index is not what the prover committed to, or a constraint does not hold.
    #[error("the opening of the combined polynomial at ζ and ζω does not hold")]
    Opening(#[source] OpeningError),
}
