//! The gate that decomposes a scalar challenge and folds it into its effective scalar.

use ark_ff::BigInteger;

use crate::gate::{COLUMNS, GateKind};

use super::{
    cs::CircuitBuilder,
    field::CircuitField,
    linear::{Linear, Var},
};

/// Two-bit digits per row.
const CRUMBS_PER_ROW: usize = 8;

/// Values that each row adds: `n8`, `a8`, `b8` and the crumbs.
const VALUES_PER_ROW: usize = 3 + CRUMBS_PER_ROW;

/// Rows for the 128 bits of a challenge.
const CHALLENGE_ROWS: usize = 8;

/// A value of 128 bits with the halves of its effective scalar `a·λ + b`: the twin of
/// [`ScalarChallenge`](mina_curves::ScalarChallenge).
///
/// Both halves are numbers between `2^64` and `3·2^64`. As `λ` belongs to one of the two fields, the
/// effective scalar can be computed with in the field of the challenge's proof
/// ([`ChallengeVar::effective`]), and points can be multiplied by it in the other
/// ([`PointVar::scale_challenge`](super::PointVar::scale_challenge)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChallengeVar<F> {
    raw: Var<F>,
    a: Var<F>,
    b: Var<F>,
}

impl<F: CircuitField> ChallengeVar<F> {
    /// Asserts that `raw` has 128 bits and splits it; 8 rows of [`GateKind::EndoMulScalar`].
    pub fn new<I>(cs: &mut CircuitBuilder<F, I>, raw: impl Into<Linear<F>>) -> Self {
        let raw = cs.reduce(raw);
        let (a, b) = cs.crumbs(raw, CHALLENGE_ROWS, false);
        Self { raw, a, b }
    }

    /// The 128 bits.
    pub fn raw(&self) -> Var<F> {
        self.raw
    }

    /// The halves `a` and `b`.
    pub fn halves(&self) -> (Var<F>, Var<F>) {
        (self.a, self.b)
    }

    /// `a·λ + b` with [`CircuitField::endo_scalar`]; free.
    pub fn effective(&self) -> Linear<F> {
        self.a * F::endo_scalar() + self.b
    }
}

impl<F: CircuitField, I> CircuitBuilder<F, I> {
    /// The effective scalar of a challenge, asserting that it has 128 bits: the twin of
    /// [`ScalarChallenge::to_field`](mina_curves::ScalarChallenge::to_field) with
    /// [`CircuitField::endo_scalar`]. 8 rows of [`GateKind::EndoMulScalar`] and one half.
    pub fn endo_scalar(&mut self, challenge: impl Into<Linear<F>>) -> Var<F> {
        let effective = ChallengeVar::new(self, challenge).effective();
        self.reduce(effective)
    }

    /// Asserts that `x` is below `2^(16·rows)`, or a quarter of that if its first crumb is to be
    /// zero, and gives the two halves `a`, `b` of the effective scalar `a·λ + b` of its digits. Needs
    /// at most 15 rows, above which digits are not unique.
    pub(super) fn crumbs(
        &mut self,
        x: Var<F>,
        rows: usize,
        first_is_zero: bool,
    ) -> (Var<F>, Var<F>) {
        let values = self.try_witnesses(rows * VALUES_PER_ROW, move |v| Ok(row_values(v[x], rows)));
        let mut n = self.constant(F::ZERO);
        if let (true, Some(first)) = (first_is_zero, values.get(3)) {
            self.assert_equal(*first, n);
        }
        let rows = values.chunks_exact(VALUES_PER_ROW);
        let last = rows.len();
        let two = self.constant(F::ONE.double());
        let (mut a, mut b) = (two, two);
        for (i, row) in rows.enumerate() {
            let mut cells = [None; COLUMNS];
            let n8 = if i + 1 == last { x } else { row[0] };
            for (cell, var) in cells.iter_mut().zip([n, n8, a, b, row[1], row[2]]) {
                *cell = Some(var);
            }
            for (cell, crumb) in cells[6..].iter_mut().zip(&row[3..]) {
                *cell = Some(*crumb);
            }
            self.gate(GateKind::EndoMulScalar, cells, vec![]);
            (n, a, b) = (n8, row[1], row[2]);
        }
        (a, b)
    }
}

/// `n8, a8, b8`, then the crumbs, of every row for the low bits of `x`.
fn row_values<F: CircuitField>(x: F, rows: usize) -> Vec<F> {
    let bits = x.into_bigint();
    let (mut n, mut a, mut b) = (F::ZERO, F::ONE.double(), F::ONE.double());
    let mut values = Vec::with_capacity(rows * VALUES_PER_ROW);
    for row in (0..rows).rev() {
        let mut crumbs = [F::ZERO; CRUMBS_PER_ROW];
        for (i, crumb) in crumbs.iter_mut().enumerate() {
            let position = 2 * (CRUMBS_PER_ROW * row + CRUMBS_PER_ROW - 1 - i);
            let (low, high) = (bits.get_bit(position), bits.get_bit(position + 1));
            *crumb = F::from(u64::from(low) + 2 * u64::from(high));
            n = n.double().double() + *crumb;
            a.double_in_place();
            b.double_in_place();
            let digit = if low { F::ONE } else { -F::ONE };
            if high {
                a += digit;
            } else {
                b += digit;
            }
        }
        values.extend([n, a, b]);
        values.extend(crumbs);
    }
    values
}
