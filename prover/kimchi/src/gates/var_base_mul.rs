//! Five steps of double-and-add: `P_{i+1} = 2·P_i ± T`, the sign from bit `i`.
//!
//! | column | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 |
//! |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
//! | this row | xT | yT | x0 | y0 | n | n' | | x1 | y1 | x2 | y2 | x3 | y3 | x4 | y4 |
//! | next row | x5 | y5 | b0 | b1 | b2 | b3 | b4 | s0 | s1 | s2 | s3 | s4 | | | |
//!
//! `n' = 32·n + 16·b0 + … + b4`; `s_i` is the slope of the first addition of step `i`, computed as
//! `(P_i ± T) + P_i`. The inputs must not make any of these additions degenerate.

use crate::env::{Element, Env, boolean};

#[inline(always)]
pub(super) fn constraints<E: Env>(env: &E, emit: &mut impl FnMut(E::V)) {
    let (xt, yt) = (env.witness(0), env.witness(1));
    let (n, n_next) = (env.witness(4), env.witness(5));
    let bits = [2, 3, 4, 5, 6].map(|i| env.witness_next(i));
    let slopes = [7, 8, 9, 10, 11].map(|i| env.witness_next(i));
    let points = [
        (env.witness(2), env.witness(3)),
        (env.witness(7), env.witness(8)),
        (env.witness(9), env.witness(10)),
        (env.witness(11), env.witness(12)),
        (env.witness(13), env.witness(14)),
        (env.witness_next(0), env.witness_next(1)),
    ];

    emit(n_next - bits.iter().fold(n, |acc, bit| acc.double() + *bit));

    for step in 0..5 {
        let (xi, yi) = points[step];
        let (xo, yo) = points[step + 1];
        let (bit, s1) = (bits[step], slopes[step]);
        let s1_squared = s1.square();
        // With rx = s1² - xi - xT the abscissa of P_i ± T: s2 = u / t is the second slope.
        let t = xi.double() + xt - s1_squared;
        let u = yi.double() - t * s1;
        let signed_yt = (bit.double() * yt) - yt;

        emit(boolean(bit));
        emit((xi - xt) * s1 - (yi - signed_yt));
        emit(u.square() - t.square() * (xo - xt + s1_squared));
        emit((yo + yi) * t - (xi - xo) * u);
    }
}
