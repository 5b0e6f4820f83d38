//! The evaluation domain and the polynomials that belong to it.

use ark_ff::FftField;
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use blake2::{Blake2b512, Digest};
use mina_poseidon::PoseidonField;

use crate::gate::PERMUTED_COLUMNS;

/// The largest domain that is accepted, as a power of two: it bounds what input can make us allocate.
pub const MAX_LOG_SIZE: u32 = 20;

/// The group of `n`-th roots of unity for a power of two `n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain<F: FftField> {
    inner: Radix2EvaluationDomain<F>,
}

impl<F: PoseidonField> Domain<F> {
    /// The domain of `size` points, or `None` unless that is a power of two of at most
    /// [`MAX_LOG_SIZE`] bits.
    pub fn new(size: usize) -> Option<Self> {
        if !size.is_power_of_two() || size > 1 << MAX_LOG_SIZE {
            return None;
        }
        Radix2EvaluationDomain::new(size).map(|inner| Self { inner })
    }

    /// The number of points.
    pub fn size(&self) -> usize {
        self.inner.size as usize
    }

    /// The base-2 logarithm of the size.
    pub fn log_size(&self) -> u32 {
        self.inner.log_size_of_group
    }

    /// The generator `ω`.
    pub fn generator(&self) -> F {
        self.inner.group_gen
    }

    /// `ω^i`, for negative `i` too.
    pub fn element(&self, i: i64) -> F {
        let exponent = i.rem_euclid(self.size() as i64);
        self.inner.group_gen.pow([exponent as u64])
    }

    /// All points, from `ω^0`.
    pub fn elements(&self) -> Vec<F> {
        let mut elements = Vec::with_capacity(self.size());
        let mut x = F::ONE;
        for _ in 0..self.size() {
            elements.push(x);
            x *= self.inner.group_gen;
        }
        elements
    }

    /// `x^n - 1`.
    pub fn vanishing(&self, x: F) -> F {
        x.pow([self.inner.size]) - F::ONE
    }

    /// `∏ (x - ω^(n-i))` over the last `rows` rows.
    pub fn vanishing_on_last(&self, rows: usize, x: F) -> F {
        let mut point = self.element(-(rows as i64));
        let mut product = F::ONE;
        for _ in 0..rows {
            product *= x - point;
            point *= self.inner.group_gen;
        }
        product
    }

    /// `(x^n - 1) / (x - ω^i)`, zero where that has no value.
    pub fn unnormalized_lagrange(&self, i: i64, x: F) -> F {
        match (x - self.element(i)).inverse() {
            Some(inverse) => self.vanishing(x) * inverse,
            None => F::ZERO,
        }
    }

    /// The value at `x`, outside the domain, of the polynomial that takes `values` on its first
    /// points and zero on the rest.
    pub fn interpolate_at(&self, values: &[F], x: F) -> F {
        let points = self.elements();
        let mut denominators: Vec<F> =
            points.iter().take(values.len()).map(|point| x - point).collect();
        ark_ff::batch_inversion(&mut denominators);
        let sum: F = values
            .iter()
            .zip(&denominators)
            .zip(&points)
            .map(|((value, inverse), point)| *value * inverse * point)
            .sum();
        sum * self.vanishing(x) * self.inner.size_inv
    }

    /// arkworks' view of the domain.
    pub fn inner(&self) -> &Radix2EvaluationDomain<F> {
        &self.inner
    }

    /// The cosets of the permutation argument: 1, then quadratic non-residues from Blake2b of a
    /// counter that starts at 8 (upstream `permutation.rs`).
    pub fn shifts(&self) -> [F; PERMUTED_COLUMNS] {
        let mut shifts = [F::ONE; PERMUTED_COLUMNS];
        let mut counter = 7u32;
        for i in 1..PERMUTED_COLUMNS {
            loop {
                counter += 1;
                let hash = Blake2b512::digest(counter.to_be_bytes());
                let candidate = F::from_le_bytes_mod_order(&hash[..31]);
                if candidate.legendre().is_qnr()
                    && self.vanishing(candidate) != F::ZERO
                    && !shifts[..i].contains(&candidate)
                {
                    shifts[i] = candidate;
                    break;
                }
            }
        }
        shifts
    }
}
