//! Gates, wires and circuits: what a prover commits to before it sees a witness.

use mina_poseidon::PoseidonField;

/// Witness columns, and coefficient columns.
pub const COLUMNS: usize = 15;

/// Columns that take part in the permutation argument.
pub const PERMUTED_COLUMNS: usize = 7;

/// The kinds of rows that Kimchi knows, in upstream's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GateKind {
    /// No constraint; the row carries the second half of the gate before it, or nothing.
    Zero,
    /// Two independent `l·a + r·b + o·c + m·a·b + k = 0`.
    Generic,
    /// Five rounds of the Poseidon permutation.
    Poseidon,
    /// Addition of two curve points, doubling and cancellation included.
    CompleteAdd,
    /// Five steps of double-and-add with a variable base.
    VarBaseMul,
    /// Two steps of scalar multiplication with the endomorphism.
    EndoMul,
    /// Sixteen bits of a scalar challenge turned into its effective scalar.
    EndoMulScalar,
    /// Lookup of up to three (index, value) pairs in a table named by the row.
    Lookup,
    /// Range check of an 88-bit (or 64-bit) value, its two highest limbs deferred.
    RangeCheck0,
    /// Range check of an 88-bit value together with limbs deferred by two [`Self::RangeCheck0`].
    RangeCheck1,
    /// Addition or subtraction in a foreign field.
    ForeignFieldAdd,
    /// Multiplication in a foreign field.
    ForeignFieldMul,
    /// Exclusive or of 16 bits.
    Xor16,
    /// Rotation of a 64-bit word.
    Rot64,
}

/// Which version of the gates' constraints a circuit has. They differ in [`GateKind::EndoMul`] only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Revision {
    /// What Mina's network and o1js 2.15 verify. `EndoMul` has 11 constraints, which let a prover
    /// who wants to replace the result `2P + Q` of any step by `-P`: with this revision, do not rely
    /// on the gate alone.
    #[default]
    Berkeley,
    /// o1-labs/proof-systems since 0.5.0 (its change 3514): a twelfth constraint of `EndoMul` shows
    /// that the points of each step have different abscissas.
    Distinct,
}

/// The gates with a selector in every index, in the order of the index digest.
pub const MANDATORY_GATES: [GateKind; 6] = [
    GateKind::Generic,
    GateKind::Poseidon,
    GateKind::CompleteAdd,
    GateKind::VarBaseMul,
    GateKind::EndoMul,
    GateKind::EndoMulScalar,
];

/// The gates with a selector only in indexes that use them, in the order of evaluation and opening.
///
/// The index digest absorbs [`GateKind::ForeignFieldMul`] before [`GateKind::ForeignFieldAdd`].
pub const OPTIONAL_GATES: [GateKind; 6] = [
    GateKind::RangeCheck0,
    GateKind::RangeCheck1,
    GateKind::ForeignFieldAdd,
    GateKind::ForeignFieldMul,
    GateKind::Xor16,
    GateKind::Rot64,
];

/// A cell of the witness that the permutation argument can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Wire {
    /// The row.
    pub row: usize,
    /// The column, below [`PERMUTED_COLUMNS`].
    pub column: usize,
}

/// One row of a circuit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate<F> {
    /// What the row constrains.
    pub kind: GateKind,
    /// For each permuted cell of the row, the next cell of its cycle of equal cells.
    pub wires: [Wire; PERMUTED_COLUMNS],
    /// The row of the coefficient columns, missing ones being zero.
    pub coefficients: Vec<F>,
}

impl<F: PoseidonField> Gate<F> {
    /// A gate at `row` whose cells are equal to no other cell.
    pub fn new(kind: GateKind, row: usize, coefficients: Vec<F>) -> Self {
        let wires = std::array::from_fn(|column| Wire { row, column });
        Self { kind, wires, coefficients }
    }
}

/// The columns of a witness; all of the same length, row-aligned with the gates.
pub type Witness<F> = [Vec<F>; COLUMNS];

/// A circuit: its gates, and the inputs that its proofs are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circuit<F> {
    /// The rows. The first `public` rows are generic gates with coefficients `1, 0, 0, 0, 0`, whose
    /// first cells hold the public input.
    pub gates: Vec<Gate<F>>,
    /// The number of public inputs.
    pub public: usize,
    /// The number of earlier accumulators that a proof carries on.
    pub previous: usize,
}
