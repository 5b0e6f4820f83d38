//! Changed cells.

use std::collections::{BTreeMap, BTreeSet};

use super::{Cell, Lab, rng};
use crate::{
    builder::{CircuitField, check::check_rows, witness::EMPTY},
    gate::{COLUMNS, PERMUTED_COLUMNS, Witness},
};

impl<F: CircuitField, I> Lab<F, I> {
    /// Forges the witness of `input` in all three ways. `freedom` is the dimension of the statement,
    /// `free` the cells that may hold anything.
    pub fn forge(&self, input: &I, freedom: usize, free: &[Cell]) {
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

    /// Cells whose change by itself nothing notices, public inputs apart.
    pub fn unnoticed_cells(&self, input: &I) -> BTreeSet<Cell> {
        let mut witness = self.accepts(input);
        let mut rng = rng(21);
        self.cells()
            .filter(|&cell| self.is_unnoticed(&mut witness, &[cell], F::rand(&mut rng)))
            .collect()
    }

    /// The cells of each class of wired cells, by its first cell.
    pub fn classes(&self) -> BTreeMap<Cell, Vec<Cell>> {
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

    /// First cells of the classes whose change to one other value nothing notices.
    pub fn unnoticed_classes(&self, input: &I) -> BTreeSet<Cell> {
        let mut witness = self.accepts(input);
        let mut rng = rng(22);
        let classes = self.classes().into_iter();
        let unnoticed =
            classes.filter(|(_, cells)| self.is_unnoticed(&mut witness, cells, F::rand(&mut rng)));
        unnoticed.map(|(cell, _)| cell).collect()
    }

    /// Whether a valid witness stays valid with `forged` in some cells that hold one value; it is
    /// left as it was. Only the gates that see the cells can tell.
    fn is_unnoticed(&self, witness: &mut Witness<F>, cells: &[Cell], forged: F) -> bool {
        let honest = witness[cells[0].1][cells[0].0];
        cells.iter().for_each(|&(row, column)| witness[column][row] = forged);
        let rows: BTreeSet<usize> =
            cells.iter().flat_map(|&(row, _)| [row.saturating_sub(1), row]).collect();
        let unnoticed = check_rows(&self.circuit, witness, rows).is_ok();
        cells.iter().for_each(|&(row, column)| witness[column][row] = honest);
        unnoticed
    }
}
