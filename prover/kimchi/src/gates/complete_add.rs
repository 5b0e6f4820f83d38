//! Complete addition `(x1, y1) + (x2, y2) = (x3, y3)` on `y² = x³ + b`.
//!
//! | column | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 |
//! |---|---|---|---|---|---|---|---|---|---|---|---|
//! | witness | x1 | y1 | x2 | y2 | x3 | y3 | inf | same_x | s | inf_z | x21_inv |
//!
//! `inf` is 1 if the sum is the point at infinity, and then `(x3, y3)` mean nothing; the inputs must
//! be finite. `inf_z` is the inverse of `y2 - y1` where `same_x`, `x21_inv` that of `x2 - x1`.

use crate::env::{Element, Env};

#[inline(always)]
pub(super) fn constraints<E: Env>(env: &E, emit: &mut impl FnMut(E::V)) {
    let [x1, y1, x2, y2, x3, y3] = [0, 1, 2, 3, 4, 5].map(|i| env.witness(i));
    let [inf, same_x, s, inf_z, x21_inv] = [6, 7, 8, 9, 10].map(|i| env.witness(i));
    let one = E::F::from(1u64);
    let x21 = x2 - x1;
    let y21 = y2 - y1;

    // same_x = (x1 == x2)
    emit((x21_inv * x21 + same_x).add_constant(-one));
    emit(same_x * x21);

    // s is the slope: of the tangent if same_x, of the chord otherwise.
    let x1_squared = x1.square();
    let tangent = s.double() * y1 - x1_squared.double() - x1_squared;
    let chord = x21 * s - y21;
    emit(same_x * (tangent - chord) + chord);

    emit(x1 + x2 + x3 - s.square());
    emit(s * (x1 - x3) - y1 - y3);

    // inf = same_x && y1 != y2
    emit(y21 * (same_x - inf));
    emit(y21 * inf_z - inf);
}
