//! Polynomials in coefficient form.

use mina_curves::fft;
use mina_poseidon::PoseidonField;
use rayon::prelude::*;

use crate::domain::Domain;

/// Rows that one task works through.
pub(super) const CHUNK: usize = 1 << 9;

/// The transforms of a domain, whose tables are computed once per size.
fn transforms<F: PoseidonField>(domain: &Domain<F>) -> &'static fft::Domain<F> {
    fft::Domain::cached(domain.log_size()).expect("both fields have all domains up to 2^32")
}

/// What a transform says of a list that is not as long as its domain.
const LENGTH: &str = "one value per point";

/// The coefficients of the polynomial with these values on the domain.
pub(super) fn interpolate<F: PoseidonField>(domain: &Domain<F>, values: &[F]) -> Vec<F> {
    let mut coefficients = values.to_vec();
    transforms(domain).ifft(&mut coefficients).expect(LENGTH);
    coefficients
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
