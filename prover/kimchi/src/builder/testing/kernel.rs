//! The dimension of the kernel of the Jacobian matrix.

use core::ops::{Add, Mul, Neg, Sub};
use std::collections::BTreeMap;

use super::Lab;
use crate::{
    builder::{CircuitField, check::RowEnv},
    env::{Element, Env},
    gate::{COLUMNS, Revision},
    gates::constraints,
};

impl<F: CircuitField, I> Lab<F, I> {
    /// The dimension of the space of infinitesimal changes of the witness that no constraint
    /// notices.
    pub fn kernel_dimension(&self, input: &I) -> usize {
        let witness = self.accepts(input);
        let mut unknowns = BTreeMap::new();
        let classes = self.classes();
        for (unknown, cells) in classes.values().enumerate() {
            unknowns.extend(cells.iter().map(|cell| (*cell, unknown)));
        }
        let mut matrix = Echelon::default();
        for (row, gate) in self.circuit.gates().iter().enumerate() {
            // The first constraint of a public row holds by definition of the public input.
            let skipped = usize::from(row < self.circuit.public_inputs());
            let mut equations: Vec<BTreeMap<usize, F>> =
                vec![BTreeMap::new(); gate.kind.constraint_count()];
            for (i, column) in [0, 1].into_iter().flat_map(|i| (0..COLUMNS).map(move |c| (i, c))) {
                let Some(unknown) = unknowns.get(&(row + i, column)) else { continue };
                let cell = |r: usize, c: usize| Dual {
                    value: witness[c].get(row + r).copied().unwrap_or(F::ZERO),
                    derivative: F::from((r, c) == (i, column)),
                };
                let env = DualEnv(RowEnv {
                    row: core::array::from_fn(|c| cell(0, c)),
                    next: core::array::from_fn(|c| cell(1, c)),
                    coefficients: &gate.coefficients,
                });
                let mut index = 0;
                constraints(gate.kind, &env, &mut |dual: Dual<F>| {
                    *equations[index].entry(*unknown).or_insert(F::ZERO) += dual.derivative;
                    index += 1;
                });
            }
            equations.into_iter().skip(skipped).for_each(|equation| matrix.add(equation));
        }
        classes.len() - matrix.rows.len()
    }
}

/// Sparse rows in echelon form, by their first column.
struct Echelon<F> {
    rows: BTreeMap<usize, BTreeMap<usize, F>>,
}

impl<F> Default for Echelon<F> {
    fn default() -> Self {
        Self { rows: BTreeMap::new() }
    }
}

impl<F: CircuitField> Echelon<F> {
    fn add(&mut self, mut row: BTreeMap<usize, F>) {
        row.retain(|_, value| *value != F::ZERO);
        while let Some((pivot, value)) = row.first_key_value().map(|(k, v)| (*k, *v)) {
            let Some(other) = self.rows.get(&pivot) else {
                self.rows.insert(pivot, row);
                return;
            };
            let factor = value / other[&pivot];
            for (column, value) in other {
                *row.entry(*column).or_insert(F::ZERO) -= factor * value;
            }
            row.retain(|_, value| *value != F::ZERO);
        }
    }
}

/// `value + derivative·ε` with `ε² = 0`.
#[derive(Clone, Copy)]
struct Dual<F> {
    value: F,
    derivative: F,
}

impl<F: CircuitField> Add for Dual<F> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { value: self.value + other.value, derivative: self.derivative + other.derivative }
    }
}

impl<F: CircuitField> Neg for Dual<F> {
    type Output = Self;
    fn neg(self) -> Self {
        Self { value: -self.value, derivative: -self.derivative }
    }
}

impl<F: CircuitField> Sub for Dual<F> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl<F: CircuitField> Mul for Dual<F> {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let derivative = self.value * other.derivative + self.derivative * other.value;
        Self { value: self.value * other.value, derivative }
    }
}

impl<F: CircuitField> Element<F> for Dual<F> {
    fn double(self) -> Self {
        self + self
    }

    fn square(self) -> Self {
        self * self
    }

    fn scale(self, factor: F) -> Self {
        Self { value: self.value * factor, derivative: self.derivative * factor }
    }

    fn add_constant(self, constant: F) -> Self {
        Self { value: self.value + constant, ..self }
    }
}

struct DualEnv<'a, F>(RowEnv<'a, F, Dual<F>>);

impl<F: CircuitField> Env for DualEnv<'_, F> {
    type F = F;
    type V = Dual<F>;

    fn witness(&self, column: usize) -> Dual<F> {
        self.0.row[column]
    }

    fn witness_next(&self, column: usize) -> Dual<F> {
        self.0.next[column]
    }

    fn coefficient(&self, column: usize) -> Dual<F> {
        let value = self.0.coefficients.get(column).copied().unwrap_or(F::ZERO);
        Dual { value, derivative: F::ZERO }
    }

    fn endo(&self) -> F {
        F::endo_base()
    }

    fn revision(&self) -> Revision {
        Revision::Distinct
    }
}
