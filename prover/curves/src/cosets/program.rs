//! Straight-line programs that run on every row.

use alloc::collections::BTreeSet;
use core::ops::Range;

use super::{transform::reversed, *};

/// A value of a [`Program`]: its constants come first, then the results of its steps.
pub type Register = u32;

/// A step of a [`Program`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The cell of a column, on this row or on the next one.
    Cell {
        /// Which column.
        column: u32,
        /// Whether of the next row.
        next: bool,
    },
    /// The sum of two values.
    Add(Register, Register),
    /// The first value less the second.
    Sub(Register, Register),
    /// The product of two values.
    Mul(Register, Register),
    /// `Σ weights[i]·xs[i] + plus`, with one reduction.
    Dot {
        /// Three factors.
        weights: [Register; 3],
        /// What they are multiplied with.
        xs: [Register; 3],
        /// What is added.
        plus: Register,
    },
}

impl Step {
    /// Calls `f` with every register that the step reads.
    fn for_each_register(&mut self, mut f: impl FnMut(&mut Register)) {
        match self {
            Self::Cell { .. } => {}
            Self::Add(a, b) | Self::Sub(a, b) | Self::Mul(a, b) => {
                f(a);
                f(b);
            }
            Self::Dot { weights, xs, plus } => {
                weights.iter_mut().chain(xs).for_each(&mut f);
                f(plus);
            }
        }
    }
}

/// Additions, subtractions and multiplications of cells and constants; the last step gives the
/// result.
#[derive(Clone, Debug)]
pub struct Program<F> {
    constants: Vec<F>,
    /// Steps on places of a file of registers, and the place where each leaves its result.
    steps: Vec<(Step, Register)>,
    places: usize,
    columns: BTreeSet<u32>,
}

impl<F: PastaField> Program<F> {
    /// A program of at least one step; step `i` writes register `constants.len() + i`.
    ///
    /// # Panics
    /// If there is no step, or one reads a register that no step before has written.
    pub fn new(constants: Vec<F>, mut steps: Vec<Step>) -> Self {
        assert!(!steps.is_empty(), "a program has a result");
        let first = constants.len();
        // The last step that reads each result; the final one is read by the caller.
        let mut last_use: Vec<usize> = (0..steps.len()).collect();
        for (i, step) in steps.iter_mut().enumerate() {
            step.for_each_register(|register| {
                let register = *register as usize;
                assert!(register < first + i, "step {i} reads register {register} too early");
                if register >= first {
                    last_use[register - first] = i;
                }
            });
        }
        let mut expiring: Vec<Vec<Register>> = vec![Vec::new(); steps.len()];
        let (mut places, mut free) = (first as Register, Vec::new());
        let mut place_of: Vec<Register> = Vec::with_capacity(steps.len());
        let mut columns = BTreeSet::new();
        let mut placed = Vec::with_capacity(steps.len());
        for (i, mut step) in steps.into_iter().enumerate() {
            if let Step::Cell { column, .. } = step {
                columns.insert(column);
            }
            step.for_each_register(|register| {
                if let Some(result) = (*register as usize).checked_sub(first) {
                    *register = place_of[result];
                }
            });
            free.append(&mut expiring[i]);
            let place = free.pop().unwrap_or_else(|| {
                places += 1;
                places - 1
            });
            place_of.push(place);
            expiring[last_use[i]].push(place);
            placed.push((step, place));
        }
        Self { constants, steps: placed, places: places as usize, columns }
    }

    /// The columns that it reads.
    pub(super) fn columns(&self) -> impl Iterator<Item = usize> + '_ {
        self.columns.iter().map(|column| *column as usize)
    }
}

/// The kernel that runs a program on the rows in `rows`.
pub(super) struct RunRows<'a, F> {
    pub(super) program: &'a Program<F>,
    pub(super) columns: &'a [&'a [Raw]],
    pub(super) rows: Range<usize>,
    pub(super) log_size: u32,
}

impl<F: PastaField> Kernel<F> for RunRows<'_, F> {
    type Output = Vec<Raw>;

    #[inline(always)]
    fn run<L: Lanes<F>>(self) -> Vec<Raw> {
        let Self { program, columns, rows, log_size } = self;
        let mut file = vec![L::splat(&[0; 4]); program.places];
        for (place, constant) in file.iter_mut().zip(&program.constants) {
            *place = L::splat(&L::to_raw(*constant));
        }
        let mut out = Vec::with_capacity(rows.len());
        for first in rows.clone().step_by(LANES) {
            let (mut here, mut after) = ([0; LANES], [0; LANES]);
            for lane in 0..LANES {
                here[lane] = (first + lane).min(rows.end - 1);
                after[lane] = next_place(here[lane], log_size);
            }
            for (step, place) in &program.steps {
                let value = |register: &Register| &file[*register as usize];
                file[*place as usize] = match step {
                    Step::Cell { column, next } => {
                        let places = if *next { &after } else { &here };
                        L::load(gather(columns[*column as usize], places))
                    }
                    Step::Add(a, b) => value(a).add(value(b)).tighten(),
                    Step::Sub(a, b) => value(a).sub(value(b)).tighten(),
                    Step::Mul(a, b) if a == b => value(a).square(),
                    Step::Mul(a, b) => value(a).mul(value(b)),
                    Step::Dot { weights, xs, plus } => {
                        let [w0, w1, w2] = weights;
                        let [x0, x1, x2] = xs;
                        let weights = [*value(w0), *value(w1), *value(w2)];
                        let xs = [*value(x0), *value(x1), *value(x2)];
                        L::dot(&weights, &xs, value(plus)).tighten()
                    }
                };
            }
            if let Some((_, place)) = program.steps.last() {
                let words = file[*place as usize].store();
                out.extend_from_slice(&words[..LANES.min(rows.end - first)]);
            }
        }
        out
    }
}

/// Where the row after the one in place `place` is.
#[inline(always)]
fn next_place(place: usize, log_size: u32) -> usize {
    let next = (reversed(place, log_size) as usize + 1) & ((1 << log_size) - 1);
    reversed(next, log_size) as usize
}
