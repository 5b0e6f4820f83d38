//! Checking a witness row by row.

use core::fmt;

use thiserror::Error;

use crate::{
    env::Env,
    gate::{COLUMNS, Gate, GateKind, PERMUTED_COLUMNS, Revision, Witness},
    gates::constraints,
};

use super::{circuit::BuiltCircuit, describe, field::CircuitField};

/// A cell that a violated constraint looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellValue<F> {
    /// Its name in the gate's row table.
    pub name: &'static str,
    /// Its row.
    pub row: usize,
    /// Its column.
    pub column: usize,
    /// What it holds.
    pub value: F,
}

/// What a witness violates.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CheckError<F: CircuitField> {
    /// A column does not have one cell per row of the circuit.
    #[error("column {column} has {got} cells, the circuit {expected} rows")]
    Shape {
        /// The column.
        column: usize,
        /// Rows of the circuit.
        expected: usize,
        /// Cells of the column.
        got: usize,
    },
    /// A gate's constraint is not zero.
    #[error("region \"{region}\", row {row}, {kind:?}, constraint {constraint} ({equation}) is off by {}: {}", Short(*value), Cells(cells))]
    Constraint {
        /// The names of the region, separated by `/`.
        region: String,
        /// The row.
        row: usize,
        /// The gate.
        kind: GateKind,
        /// Which of the gate's constraints, in the order of [`constraints`].
        constraint: usize,
        /// What it says.
        equation: String,
        /// Its value, which should be zero.
        value: F,
        /// The cells that the gate looks at.
        cells: Vec<CellValue<F>>,
    },
    /// Two cells that are wired together differ.
    #[error("region \"{region}\", row {row}, column {column} is {}, but it is wired to region \"{other_region}\", row {other_row}, column {other_column}, which is {}", Short(*value), Short(*other_value))]
    Wire {
        /// The names of the region of the cell.
        region: String,
        /// Its row.
        row: usize,
        /// Its column.
        column: usize,
        /// What it holds.
        value: F,
        /// The names of the region of the next cell of the cycle.
        other_region: String,
        /// The next cell's row.
        other_row: usize,
        /// The next cell's column.
        other_column: usize,
        /// What the next cell holds.
        other_value: F,
    },
}

/// Checks every constraint and wire of a circuit, lookups apart; the public input is what column 0
/// says. The constraints are those of [`Revision::Distinct`], which include those of the other.
///
/// # Errors
/// The first violation, row by row, in each row the gate before the wires.
pub fn check<F: CircuitField>(
    circuit: &BuiltCircuit<F>,
    witness: &Witness<F>,
) -> Result<(), CheckError<F>> {
    Checker::new(circuit, witness)?.violations().next().map_or(Ok(()), Err)
}

/// All that [`check`] could complain about, in its order.
pub fn violations<F: CircuitField>(
    circuit: &BuiltCircuit<F>,
    witness: &Witness<F>,
) -> Vec<CheckError<F>> {
    match Checker::new(circuit, witness) {
        Ok(checker) => checker.violations().collect(),
        Err(error) => vec![error],
    }
}

/// The first violation of the gates and wires of some rows alone.
#[cfg(any(test, feature = "test-utils"))]
pub(super) fn check_rows<F: CircuitField>(
    circuit: &BuiltCircuit<F>,
    witness: &Witness<F>,
    rows: impl IntoIterator<Item = usize>,
) -> Result<(), CheckError<F>> {
    Checker::new(circuit, witness)?.violations_in(rows).next().map_or(Ok(()), Err)
}

/// A circuit and a witness of its shape.
struct Checker<'a, F> {
    circuit: &'a BuiltCircuit<F>,
    witness: &'a Witness<F>,
}

impl<'a, F: CircuitField> Checker<'a, F> {
    fn new(circuit: &'a BuiltCircuit<F>, witness: &'a Witness<F>) -> Result<Self, CheckError<F>> {
        let expected = circuit.rows();
        for (column, cells) in witness.iter().enumerate() {
            if cells.len() != expected {
                return Err(CheckError::Shape { column, expected, got: cells.len() });
            }
        }
        Ok(Self { circuit, witness })
    }

    fn violations(&self) -> impl Iterator<Item = CheckError<F>> {
        self.violations_in(0..self.circuit.rows())
    }

    fn violations_in(
        &self,
        rows: impl IntoIterator<Item = usize>,
    ) -> impl Iterator<Item = CheckError<F>> {
        let gates = rows.into_iter().filter_map(|row| Some((row, self.circuit.gates().get(row)?)));
        gates.flat_map(|(row, gate)| {
            let mut found = self.broken_constraints(row, gate);
            found.extend((0..PERMUTED_COLUMNS).filter_map(|i| self.broken_wire(row, gate, i)));
            found
        })
    }

    /// A cell; rows after the last are zero.
    fn cell(&self, row: usize, column: usize) -> F {
        self.witness.get(column).and_then(|cells| cells.get(row)).copied().unwrap_or(F::ZERO)
    }

    fn broken_constraints(&self, row: usize, gate: &Gate<F>) -> Vec<CheckError<F>> {
        let env = RowEnv {
            row: core::array::from_fn(|column| self.cell(row, column)),
            next: core::array::from_fn(|column| self.cell(row + 1, column)),
            coefficients: &gate.coefficients,
        };
        let mut found = Vec::new();
        let mut constraint = 0;
        constraints(gate.kind, &env, &mut |mut value| {
            if row < self.circuit.public_inputs() && constraint == 0 {
                value -= self.cell(row, 0);
            }
            if value != F::ZERO {
                found.push(self.constraint_error(row, gate.kind, constraint, value));
            }
            constraint += 1;
        });
        found
    }

    fn constraint_error(
        &self,
        row: usize,
        kind: GateKind,
        constraint: usize,
        value: F,
    ) -> CheckError<F> {
        let half = if kind == GateKind::Generic { constraint } else { 0 };
        let names = describe::cells(kind);
        let named = |row: usize, names: &'static [&'static str]| {
            let cell = move |(column, name): (usize, &&'static str)| CellValue {
                name,
                row,
                column,
                value: self.cell(row, column),
            };
            names.iter().enumerate().filter(|(_, name)| !name.is_empty()).map(cell)
        };
        let cells = named(row, names.row).chain(named(row + 1, names.next));
        CheckError::Constraint {
            region: self.circuit.region(row, half).to_owned(),
            row,
            kind,
            constraint,
            equation: describe::equation(kind, constraint),
            value,
            cells: cells.collect(),
        }
    }

    fn broken_wire(&self, row: usize, gate: &Gate<F>, column: usize) -> Option<CheckError<F>> {
        let wire = gate.wires[column];
        let (value, other_value) = (self.cell(row, column), self.cell(wire.row, wire.column));
        // The second half of a generic row has the columns 3 to 5.
        let region = |row: usize, column: usize| {
            let generic =
                self.circuit.gates().get(row).is_some_and(|g| g.kind == GateKind::Generic);
            self.circuit.region(row, usize::from(generic && column >= 3)).to_owned()
        };
        (value != other_value).then(|| CheckError::Wire {
            region: region(row, column),
            row,
            column,
            value,
            other_region: region(wire.row, wire.column),
            other_row: wire.row,
            other_column: wire.column,
            other_value,
        })
    }
}

/// One row of a witness as constraints see it.
pub(super) struct RowEnv<'a, F, V = F> {
    pub(super) row: [V; COLUMNS],
    pub(super) next: [V; COLUMNS],
    pub(super) coefficients: &'a [F],
}

impl<F: CircuitField> Env for RowEnv<'_, F> {
    type F = F;
    type V = F;

    fn witness(&self, column: usize) -> F {
        self.row[column]
    }

    fn witness_next(&self, column: usize) -> F {
        self.next[column]
    }

    fn coefficient(&self, column: usize) -> F {
        self.coefficients.get(column).copied().unwrap_or(F::ZERO)
    }

    fn endo(&self) -> F {
        F::endo_base()
    }

    fn revision(&self) -> Revision {
        Revision::Distinct
    }
}

/// A field element for people: in decimal if it or its negation is short, else in hexadecimal.
struct Short<F>(F);

impl<F: CircuitField> fmt::Display for Short<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limbs = |x: F| x.into_bigint().0;
        match (limbs(self.0), limbs(-self.0)) {
            ([low, 0, 0, 0], _) => write!(f, "{low}"),
            (_, [low, 0, 0, 0]) => write!(f, "-{low}"),
            ([a, b, c, d], _) => write!(f, "0x{d:016x}{c:016x}{b:016x}{a:016x}"),
        }
    }
}

/// A list of named cells for people.
struct Cells<'a, F>(&'a [CellValue<F>]);

impl<F: CircuitField> fmt::Display for Cells<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, cell) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            write!(f, "{separator}{} = {}", cell.name, Short(cell.value))?;
        }
        Ok(())
    }
}
