//! Polynomials by their values on cosets of a domain, in the representation of the field lanes.
//!
//! A prover evaluates the same columns on several cosets `s·H` of its domain `H`, computes with the
//! values row by row ([`Program`]), and goes back to coefficients once. All of it runs on lanes, so
//! values stay in the lanes' representation ([`Column`]) and in the order in which the transforms
//! leave them: place `i` of a column on a coset holds the value at `s·ω^rev(i)`, where `rev`
//! reverses the bits.
//!
//! A transform on `s·H` splits `X^n − s^n` into `X^(n/2) ∓ s^(n/2)` and so on down to linear
//! factors. A factor `X^m − c` has one twiddle, `√c`, for all its `m/2` butterflies, and the shift
//! costs nothing.
#![allow(clippy::needless_range_loop)]

mod program;
#[cfg(test)]
mod tests;
mod transform;

use alloc::{vec, vec::Vec};

#[cfg(feature = "parallel")]
use rayon::prelude::*;

use self::{
    program::RunRows,
    transform::{Evaluate, Interpolate},
};
use crate::{
    fields::PastaField,
    lanes::{Kernel, LANES, LaneBackend, Lanes, Raw, run, subtract_once},
};

pub use program::{Program, Register, Step};
#[cfg(feature = "std")]
pub(crate) use transform::Twiddles;
#[cfg(not(feature = "std"))]
use transform::Twiddles;

/// Rows that one task works through.
const CHUNK: usize = 1 << 9;

/// Field elements in the representation of a [`Cosets`], which alone can read them: coefficients
/// in order, or values on a coset in bit-reversed order.
#[derive(Clone, Debug, Default)]
pub struct Column {
    words: Vec<Raw>,
}

impl Column {
    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }
}

/// The cosets `s_k·H` of the domain `H` of size `n`, with what transforms on them need: `2n` field
/// elements for each.
#[derive(Debug)]
pub struct Cosets<F> {
    backend: LaneBackend,
    log_size: u32,
    twiddles: Vec<Twiddles<F>>,
}

impl<F: PastaField> Cosets<F> {
    /// The cosets with the given shifts (none of them zero) of the domain of size `2^log_size`;
    /// `None` where [`fft::Domain::new`](crate::fft::Domain::new) is.
    pub fn new(log_size: u32, shifts: &[F]) -> Option<Self> {
        Self::with_backend(LaneBackend::detect(), log_size, shifts)
    }

    /// [`Self::new`] on a chosen implementation of the field lanes.
    pub fn with_backend(backend: LaneBackend, log_size: u32, shifts: &[F]) -> Option<Self> {
        let twiddles = shifts
            .iter()
            .map(|shift| Twiddles::new(backend, log_size, *shift))
            .collect::<Option<_>>()?;
        Some(Self { backend, log_size, twiddles })
    }

    /// The number of elements of each coset.
    pub fn size(&self) -> usize {
        1 << self.log_size
    }

    /// `elements`, filled up with zeros to the size of the domain; none at all give an empty column,
    /// which stands for zero.
    ///
    /// # Panics
    /// If there are more of them.
    pub fn column(&self, elements: &[F]) -> Column {
        assert!(elements.len() <= self.size(), "a column has at most one element per row");
        if elements.is_empty() {
            return Column::default();
        }
        let chunks: Vec<&[F]> = elements.chunks(CHUNK).collect();
        let converted = map(&chunks, |chunk| run(self.backend, Enter(chunk)));
        let mut words = converted.concat();
        words.resize(self.size(), [0; 4]);
        Column { words }
    }

    /// The points of coset `coset`.
    pub fn points(&self, coset: usize) -> Column {
        Column { words: self.twiddles[coset].points(self.backend) }
    }

    /// Coefficients to values on coset `coset`, on one thread; an empty column stays empty.
    pub fn evaluate(&self, coset: usize, coefficients: &Column) -> Column {
        if coefficients.is_empty() {
            return Column::default();
        }
        let twiddles = &self.twiddles[coset];
        Column {
            words: run(self.backend, Evaluate { coefficients: &coefficients.words, twiddles }),
        }
    }

    /// Values on coset `coset` to `n` times the coefficients, on one thread.
    pub fn interpolate(&self, coset: usize, values: &Column) -> Column {
        let twiddles = &self.twiddles[coset];
        Column { words: run(self.backend, Interpolate { values: &values.words, twiddles }) }
    }

    /// Runs `program` on every row of `columns`, which hold values on one coset; those that it does
    /// not read may be empty. The row after the one at `x` is the one at `ω·x`.
    ///
    /// # Panics
    /// If the program reads a column that is not given.
    pub fn run(&self, program: &Program<F>, columns: &[&Column]) -> Column {
        let given =
            |i: usize| columns.get(i).is_some_and(|column| column.words.len() == self.size());
        assert!(program.columns().all(given), "the program reads a column that is not given");
        let columns: Vec<&[Raw]> = columns.iter().map(|column| column.words.as_slice()).collect();
        let starts: Vec<usize> = (0..self.size()).step_by(CHUNK).collect();
        let parts = map(&starts, |start| {
            let rows = *start..self.size().min(start + CHUNK);
            let log_size = self.log_size;
            run(self.backend, RunRows { program, columns: &columns, rows, log_size })
        });
        Column { words: parts.concat() }
    }

    /// `Σ_k weights[j][k]·columns[k]` for each `j`, one after another.
    ///
    /// # Panics
    /// If the columns are not of the domain's size.
    pub fn combine(&self, weights: &[Vec<F>], columns: &[Column]) -> Vec<F> {
        assert!(columns.iter().all(|column| column.words.len() == self.size()));
        let jobs: Vec<(&[F], usize)> = weights
            .iter()
            .flat_map(|row| {
                (0..self.size()).step_by(CHUNK).map(move |start| (row.as_slice(), start))
            })
            .collect();
        map(&jobs, |(weights, start)| {
            run(
                self.backend,
                Combine { weights, columns, start: *start, end: self.size().min(start + CHUNK) },
            )
        })
        .concat()
    }
}

/// `f` of every item, in parallel where that is enabled.
fn map<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> R + Sync + Send) -> Vec<R> {
    #[cfg(feature = "parallel")]
    return items.par_iter().map(f).collect();
    #[cfg(not(feature = "parallel"))]
    return items.iter().map(f).collect();
}

/// The places in which bit reversal puts the lanes of a vector, or their like: `place(lane)` for
/// every lane, where lanes past `end` repeat the last place.
#[inline(always)]
fn gather<'a>(words: &'a [Raw], places: &[usize; LANES]) -> [&'a Raw; LANES] {
    let mut out = [&words[places[0]]; LANES];
    for lane in 1..LANES {
        out[lane] = &words[places[lane]];
    }
    out
}

/// The kernel that takes elements into the lanes' representation.
struct Enter<'a, F>(&'a [F]);

impl<F: PastaField> Kernel<F> for Enter<'_, F> {
    type Output = Vec<Raw>;

    #[inline(always)]
    fn run<L: Lanes<F>>(self) -> Vec<Raw> {
        let factor = L::entry_factor();
        let mut out = Vec::with_capacity(self.0.len());
        for chunk in self.0.chunks(LANES) {
            let mut words = [[0; 4]; LANES];
            for (word, x) in words.iter_mut().zip(chunk) {
                *word = x.montgomery().0;
            }
            if let Some(factor) = &factor {
                words = L::load(words.each_ref()).mul(factor).store();
            }
            out.extend_from_slice(&words[..chunk.len()]);
        }
        out
    }
}

/// The kernel of [`Cosets::combine`], for the elements from `start` to `end`.
struct Combine<'a, F> {
    weights: &'a [F],
    columns: &'a [Column],
    start: usize,
    end: usize,
}

impl<F: PastaField> Kernel<F> for Combine<'_, F> {
    type Output = Vec<F>;

    #[inline(always)]
    fn run<L: Lanes<F>>(self) -> Vec<F> {
        // Weights in arkworks' representation take the products there: no factor for the way back.
        let zero = L::splat(&[0; 4]);
        let mut weights: Vec<L> = Vec::with_capacity(self.weights.len() + 2);
        for weight in self.weights {
            weights.push(L::splat(&weight.montgomery().0));
        }
        weights.resize(self.columns.len().next_multiple_of(3), zero);
        let mut out = Vec::with_capacity(self.end - self.start);
        for first in (self.start..self.end).step_by(LANES) {
            let mut places = [first; LANES];
            for lane in 0..LANES {
                places[lane] = (first + lane).min(self.end - 1);
            }
            let mut sum = zero;
            for (weights, columns) in weights.chunks_exact(3).zip(self.columns.chunks(3)) {
                let mut xs = [zero; 3];
                for (x, column) in xs.iter_mut().zip(columns) {
                    *x = L::load(gather(&column.words, &places));
                }
                sum = L::dot(&[weights[0], weights[1], weights[2]], &xs, &sum).tighten();
            }
            let words = sum.store();
            for word in words.iter().take(self.end - first) {
                out.push(canonical(word));
            }
        }
        out
    }
}

/// arkworks' element with the Montgomery words `raw`, below twice the modulus.
#[inline(always)]
fn canonical<F: PastaField>(raw: &Raw) -> F {
    let words = subtract_once(*raw, F::MODULUS.0);
    F::from_montgomery(ark_ff::BigInteger256::new(words))
}
