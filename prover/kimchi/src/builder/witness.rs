//! Making witnesses for a built circuit.

use core::ops::Index;

use rayon::prelude::*;
use thiserror::Error;

use crate::gate::{COLUMNS, Witness};

use super::{
    field::CircuitField,
    linear::{Linear, Var},
    region::{RegionId, Regions},
};

/// What closures that compute witness values see: the input and every value computed before.
#[derive(Debug)]
pub struct Values<'a, F, I> {
    input: &'a I,
    values: &'a [F],
}

impl<'a, F: CircuitField, I> Values<'a, F, I> {
    /// What the prover was given.
    pub fn input(&self) -> &'a I {
        self.input
    }

    /// The value of a linear combination.
    pub fn evaluate(&self, linear: impl Into<Linear<F>>) -> F {
        let linear = linear.into();
        linear.terms().iter().fold(linear.constant(), |sum, (var, c)| sum + self[*var] * c)
    }
}

impl<F, I> Index<Var<F>> for Values<'_, F, I> {
    type Output = F;

    /// # Panics
    /// If the variable was allocated after the one being computed, or by another builder.
    fn index(&self, var: Var<F>) -> &F {
        &self.values[var.index()]
    }
}

/// Why no witness could be made.
///
/// A witness that is made need not be valid: see [`check`](super::check()).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// The input does not have what the circuit needs.
    #[error("region \"{region}\": {reason}")]
    Input {
        /// Where the value is allocated.
        region: String,
        /// What the closure said.
        reason: String,
    },
    /// A closure returned the wrong number of values.
    #[error("region \"{region}\": expected {expected} values, got {got}")]
    Count {
        /// Where the values are allocated.
        region: String,
        /// How many were allocated.
        expected: usize,
        /// How many came.
        got: usize,
    },
    /// A value that stands in no cell, because it is asserted to be equal to another that does,
    /// differs from that.
    #[error("region \"{region}\": a value differs from one that it is asserted to be equal to")]
    Unequal {
        /// Where the value is allocated.
        region: String,
    },
}

/// Computes the values of the next variables, in order, onto the end of the vector.
type Compute<F, I> = Box<dyn Fn(&mut Vec<F>, &I) -> Result<(), String> + Send + Sync>;

/// One closure of the circuit.
pub(super) struct Step<F, I> {
    region: RegionId,
    count: usize,
    compute: Compute<F, I>,
}

impl<F: CircuitField, I> Step<F, I> {
    /// `compute` gives exactly `count` values.
    pub(super) fn new(
        region: RegionId,
        count: usize,
        compute: impl Fn(&Values<'_, F, I>) -> Result<Vec<F>, String> + Send + Sync + 'static,
    ) -> Self {
        let compute = Box::new(move |values: &mut Vec<F>, input: &I| {
            let new = compute(&Values { input, values })?;
            values.extend(new);
            Ok(())
        });
        Self { region, count, compute }
    }

    /// A step of one value, without an allocation of its own.
    pub(super) fn single(
        region: RegionId,
        compute: impl Fn(&Values<'_, F, I>) -> F + Send + Sync + 'static,
    ) -> Self {
        let compute = Box::new(move |values: &mut Vec<F>, input: &I| {
            let new = compute(&Values { input, values });
            values.push(new);
            Ok(())
        });
        Self { region, count: 1, compute }
    }
}

/// A cell's variable, or `EMPTY`.
pub(super) type CellVar = u32;

/// A cell without a variable, which holds zero.
pub(super) const EMPTY: CellVar = CellVar::MAX;

/// A variable without a cell, and another of its class, which has one if any of them has.
pub(super) type Alias = (CellVar, CellVar);

/// Makes witnesses for a circuit: the closures of its builder, in order, and the places of their
/// values.
pub struct WitnessGenerator<F, I> {
    pub(super) steps: Vec<Step<F, I>>,
    pub(super) cells: Vec<[CellVar; COLUMNS]>,
    pub(super) aliases: Vec<Alias>,
    pub(super) regions: Regions,
}

impl<F: CircuitField, I> WitnessGenerator<F, I> {
    /// The witness for `input`: one column per cell of a row, each as long as the circuit. The
    /// public input is the head of column 0.
    ///
    /// # Errors
    /// If a closure of the circuit reports that the input lacks something, or an equality is violated
    /// that no cell would show.
    pub fn witness(&self, input: &I) -> Result<Witness<F>, WitnessError> {
        self.witness_with(input, &[]).map(|(witness, _)| witness)
    }

    /// [`witness`](Self::witness), and the values of some combinations of variables.
    ///
    /// # Errors
    /// As [`witness`](Self::witness).
    pub fn witness_with(
        &self,
        input: &I,
        wanted: &[Linear<F>],
    ) -> Result<(Witness<F>, Vec<F>), WitnessError> {
        let values = self.values(input, |_, _| {})?;
        let known = Values { input, values: &values };
        let wanted = wanted.iter().map(|linear| known.evaluate(linear)).collect();
        Ok((self.place(&values), wanted))
    }

    /// Puts the values of all variables into their cells.
    pub(super) fn place(&self, values: &[F]) -> Witness<F> {
        let column = |column: usize| {
            self.cells
                .iter()
                .map(|row| values.get(row[column] as usize).copied().unwrap_or(F::ZERO))
                .collect()
        };
        let mut witness: Witness<F> = Default::default();
        witness.par_iter_mut().enumerate().for_each(|(i, cells)| *cells = column(i));
        witness
    }

    /// The values of all variables. `alter` gets those of each step, and the number of those before,
    /// prior to any later step.
    pub(super) fn values(
        &self,
        input: &I,
        mut alter: impl FnMut(usize, &mut [F]),
    ) -> Result<Vec<F>, WitnessError> {
        let mut values = Vec::with_capacity(self.steps.iter().map(|step| step.count).sum());
        for step in &self.steps {
            let region = || self.regions.path(step.region).to_owned();
            let before = values.len();
            (step.compute)(&mut values, input)
                .map_err(|reason| WitnessError::Input { region: region(), reason })?;
            let (expected, got) = (step.count, values.len() - before);
            if expected != got {
                return Err(WitnessError::Count { region: region(), expected, got });
            }
            alter(before, &mut values[before..]);
        }
        for (alias, var) in &self.aliases {
            if values.get(*alias as usize) != values.get(*var as usize) {
                return Err(WitnessError::Unequal { region: self.region_of(*alias) });
            }
        }
        Ok(values)
    }

    /// Where a variable was allocated.
    fn region_of(&self, var: CellVar) -> String {
        let mut end = 0;
        let step = self.steps.iter().find(|step| {
            end += step.count;
            end > var as usize
        });
        step.map_or("", |step| self.regions.path(step.region)).to_owned()
    }
}

impl<F, I> core::fmt::Debug for WitnessGenerator<F, I> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("WitnessGenerator")
            .field("steps", &self.steps.len())
            .field("rows", &self.cells.len())
            .finish_non_exhaustive()
    }
}
