//! Polynomials in coefficient form, and their values on cosets of the evaluation domain.

use ark_poly::EvaluationDomain;
use mina_poseidon::PoseidonField;
use rayon::prelude::*;

use crate::domain::Domain;

/// Rows that one task works through.
pub(super) const CHUNK: usize = 1 << 9;

/// The coefficients of the polynomial with these values on the domain.
pub(super) fn interpolate<F: PoseidonField>(domain: &Domain<F>, values: &[F]) -> Vec<F> {
    let mut coefficients = values.to_vec();
    domain.inner().ifft_in_place(&mut coefficients);
    coefficients
}

/// The values at `shift·ω^i`.
pub(super) fn values_on_coset<F: PoseidonField>(
    domain: &Domain<F>,
    coefficients: &[F],
    shift: F,
) -> Vec<F> {
    let mut values = coefficients.to_vec();
    scale_by_powers(&mut values, shift);
    domain.inner().fft_in_place(&mut values);
    values
}

/// The coefficients of the polynomial of degree below `n` with these values at `shift·ω^i`.
pub(super) fn interpolate_coset<F: PoseidonField>(
    domain: &Domain<F>,
    mut values: Vec<F>,
    inverse_shift: F,
) -> Vec<F> {
    domain.inner().ifft_in_place(&mut values);
    scale_by_powers(&mut values, inverse_shift);
    values
}

/// `values[i] ← values[i]·x^i`.
fn scale_by_powers<F: PoseidonField>(values: &mut [F], x: F) {
    let mut power = F::ONE;
    for value in values {
        *value *= power;
        power *= x;
    }
}

/// The value at `x`.
pub(super) fn evaluate<F: PoseidonField>(coefficients: &[F], x: F) -> F {
    coefficients.iter().rev().fold(F::ZERO, |acc, c| acc * x + c)
}

/// `(f(x) - f(root)) / (x - root)` and `f(root)`.
pub(super) fn divide_by_root<F: PoseidonField>(coefficients: &[F], root: F) -> (Vec<F>, F) {
    let mut quotient = vec![F::ZERO; coefficients.len()];
    let mut carry = F::ZERO;
    for (q, c) in quotient.iter_mut().zip(coefficients).rev() {
        *q = carry;
        carry = carry * root + c;
    }
    (quotient, carry)
}

/// `sum[i] += scalar·terms[i]`.
pub(super) fn add_scaled<F: PoseidonField>(sum: &mut [F], terms: &[F], scalar: F) {
    sum.par_iter_mut().with_min_len(CHUNK).zip(terms).for_each(|(sum, term)| *sum += scalar * term);
}
