//! Witnesses that no generator made.
//!
//! Three attacks on a valid witness, none of which knows how it was generated:
//!
//! 1. each cell alone is changed;
//! 2. all cells of a class of wired cells are changed together, so that no wire notices;
//! 3. all classes are changed at once in any direction: the Jacobian matrix of all constraints by all
//!    classes is computed exactly, with dual numbers, and the dimension of its kernel is the number
//!    of independent ways in which the witness can be deformed. It must be that of the statement's
//!    own freedom: the private inputs, the points on the curve, and cells listed as free.

use core::ops::{Add, Mul, Neg, Sub};
use std::collections::{BTreeMap, BTreeSet};

use super::{Lab, rng};
use crate::{
    builder::{CircuitField, check, check::RowEnv, witness::EMPTY},
    env::{Element, Env},
    gate::{COLUMNS, PERMUTED_COLUMNS, Revision},
    gates::constraints,
};

/// A cell: row and column.
type Cell = (usize, usize);

impl<F: CircuitField, I> Lab<F, I> {
    /// Forges the witness of `input` in all three ways. `freedom` is the dimension of the statement,
    /// `free` the cells that may hold anything.
    pub(super) fn forge(&self, input: &I, freedom: usize, free: &[Cell]) {
        let free: BTreeSet<Cell> = free.iter().copied().collect();
        assert_eq!(self.unnoticed_cells(input), free, "cells free by themselves");
        assert_eq!(self.unnoticed_classes(input), free, "classes free by themselves");
        assert_eq!(self.kernel_dimension(input), freedom + free.len(), "dimension of the kernel");
    }

    /// Cells with a variable.
    fn cells(&self) -> impl Iterator<Item = Cell> {
        self.generator.cells.iter().enumerate().flat_map(|(row, cells)| {
            (0..COLUMNS).filter(|i| cells[*i] != EMPTY).map(move |column| (row, column))
        })
    }

    fn unnoticed_cells(&self, input: &I) -> BTreeSet<Cell> {
        let mut witness = self.accepts(input);
        let mut rng = rng(21);
        self.cells()
            .filter(|&(row, column)| {
                let honest = witness[column][row];
                witness[column][row] = F::rand(&mut rng);
                let unnoticed = check(&self.circuit, &witness).is_ok();
                witness[column][row] = honest;
                unnoticed
            })
            .collect()
    }

    /// The cells of each class, by its first cell.
    fn classes(&self) -> BTreeMap<Cell, Vec<Cell>> {
        let mut classes = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for cell in self.cells() {
            let mut cycle = vec![];
            let mut next = cell;
            while seen.insert(next) {
                cycle.push(next);
                if next.1 < PERMUTED_COLUMNS {
                    let wire = self.circuit.gates()[next.0].wires[next.1];
                    next = (wire.row, wire.column);
                }
            }
            if !cycle.is_empty() {
                classes.insert(cell, cycle);
            }
        }
        classes
    }

    fn unnoticed_classes(&self, input: &I) -> BTreeSet<Cell> {
        let mut witness = self.accepts(input);
        let mut rng = rng(22);
        let unnoticed = |cells: &Vec<Cell>| {
            let honest = witness[cells[0].1][cells[0].0];
            let forged = F::rand(&mut rng);
            cells.iter().for_each(|&(row, column)| witness[column][row] = forged);
            let unnoticed = check(&self.circuit, &witness).is_ok();
            cells.iter().for_each(|&(row, column)| witness[column][row] = honest);
            unnoticed
        };
        let mut unnoticed = unnoticed;
        let classes = self.classes();
        classes.into_iter().filter(|(_, cells)| unnoticed(cells)).map(|(cell, _)| cell).collect()
    }

    /// The dimension of the space of infinitesimal changes of the witness that no constraint
    /// notices.
    pub(super) fn kernel_dimension(&self, input: &I) -> usize {
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

mod finds_holes {
    use ark_ff::{AdditiveGroup, Field};
    use mina_curves::Fp;

    use crate::builder::Values;

    use super::*;

    /// `q·b = a` does not say that `q` is a quotient where `a = b = 0`.
    fn unsound_division() -> Lab<Fp, [Fp; 2]> {
        Lab::new(|cs| {
            let [a, b] = cs.witnesses(|v: &Values<'_, Fp, [Fp; 2]>| *v.input());
            let quotient = cs.witness(move |v| v[a] * v[b].inverse().unwrap_or(Fp::ZERO));
            cs.assert_mul(quotient, b, a);
        })
    }

    #[test]
    fn a_free_cell_is_found() {
        let lab = unsound_division();
        // While one of the two is zero, the other may be anything.
        let (quotient, divisor) = ((0, 0), (0, 1));
        let free = BTreeSet::from([quotient, divisor]);
        assert_eq!(lab.unnoticed_cells(&[Fp::ZERO; 2]), free);
        assert_eq!(lab.unnoticed_classes(&[Fp::ZERO; 2]), free);
        let input = [Fp::from(6u64), Fp::from(3u64)];
        assert!(lab.unnoticed_cells(&input).is_empty());
        assert_eq!(lab.kernel_dimension(&input), 2);
    }

    /// The sum of two cells is constrained, the cells are not: only together can they move.
    #[test]
    fn a_free_direction_is_found() {
        let lab = Lab::<Fp, Fp>::new(|cs| {
            let x = cs.witness(|v| *v.input());
            let [low, high] = cs.witnesses(move |v| [v[x], Fp::ZERO]);
            cs.assert_zero(low + high * Fp::from(16u64) - x);
            cs.assert_constant(x, Fp::from(7u64));
        });
        let input = Fp::from(7u64);
        assert!(lab.unnoticed_cells(&input).is_empty());
        assert!(lab.unnoticed_classes(&input).is_empty());
        assert_eq!(lab.kernel_dimension(&input), 1);
    }
}
