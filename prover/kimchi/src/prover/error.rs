//! Why no proof can be made.

use thiserror::Error;

use crate::gate::GateKind;

/// Why no proof can be made.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProverError {
    /// A gate that this prover has no argument for yet.
    #[error("row {row}: the prover does not support {kind:?} gates")]
    UnsupportedGate {
        /// Where.
        row: usize,
        /// Which.
        kind: GateKind,
    },
    /// The commitments that were kept are not those of a circuit.
    #[error("expected {expected} commitments, got {got}")]
    Commitments {
        /// What every circuit has.
        expected: usize,
        /// What was given.
        got: usize,
    },
    /// The circuit, hiding rows included, does not fit the SRS.
    #[error("the circuit has {rows} rows and needs a domain of {needed}; the SRS has {srs}")]
    TooLarge {
        /// Rows of the circuit.
        rows: usize,
        /// Rows with the hiding ones, rounded up to a power of two.
        needed: usize,
        /// Size of the SRS.
        srs: usize,
    },
    /// A wire leads out of the circuit.
    #[error("row {row}: a wire leads to row {to_row}, column {to_column}, which does not exist")]
    BadWire {
        /// The row of the gate.
        row: usize,
        /// Where the wire leads.
        to_row: usize,
        /// Where the wire leads.
        to_column: usize,
    },
    /// Wires form no permutation: two lead to one cell.
    #[error("two wires lead to row {row}, column {column}")]
    WiresCollide {
        /// The cell.
        row: usize,
        /// The cell.
        column: usize,
    },
    /// A row has more coefficients than there are columns.
    #[error("row {row} has {got} coefficients, more than 15")]
    TooManyCoefficients {
        /// Where.
        row: usize,
        /// How many.
        got: usize,
    },
    /// The public rows are not what the public input argument needs.
    #[error(
        "row {row} is to carry a public input, but is no generic gate with coefficients 1, 0, …"
    )]
    BadPublicRow {
        /// Where.
        row: usize,
    },
    /// A witness column has the wrong length.
    #[error("witness column {column} has {got} rows; the circuit has {expected}")]
    WitnessLength {
        /// Which.
        column: usize,
        /// Rows of the circuit.
        expected: usize,
        /// Rows of the column.
        got: usize,
    },
    /// The number of earlier accumulators is not the circuit's.
    #[error("expected {expected} previous challenges, got {got}")]
    PreviousChallenges {
        /// The circuit's.
        expected: usize,
        /// What was given.
        got: usize,
    },
    /// An earlier accumulator is not one of this SRS.
    #[error(
        "previous challenge {index}: expected {expected} rounds and 1 chunk, got {got}, {chunks}"
    )]
    PreviousChallengeShape {
        /// Which.
        index: usize,
        /// The logarithm of the SRS size.
        expected: usize,
        /// Rounds that were given.
        got: usize,
        /// Chunks of the commitment that was given.
        chunks: usize,
    },
    /// The wires' equalities do not hold.
    #[error("the witness breaks an equality of cells")]
    Permutation,
    /// Some gate's constraint does not hold.
    #[error("the witness breaks a gate's constraint")]
    Constraint,
}
