//! Two steps of `P ← 2·P + Q` with `Q ∈ {T, -T, φ(T), -φ(T)}` chosen by two bits each.
//!
//! | column | 0 | 1 | 2 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 |
//! |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
//! | this row | xT | yT | inv | xP | yP | n | xR | yR | s1 | s3 | b1 | b2 | b3 | b4 |
//! | next row | | | | xS | yS | n' | | | | | | | | |
//!
//! `b1`/`b3` choose `φ`, `b2`/`b4` the positive sign; `R` is the point after the first step, `S`
//! after the second; `s1`, `s3` are the slopes of the first addition of each step;
//! `n' = 16·n + 8·b1 + 4·b2 + 2·b3 + b4`; `inv` shows that `xP ≠ xR ≠ xS`, with [`Revision::Distinct`].

use crate::{
    env::{Element, Env, boolean},
    gate::Revision,
};

#[inline(always)]
pub(super) fn constraints<E: Env>(env: &E, emit: &mut impl FnMut(E::V)) {
    let (xt, yt, inv) = (env.witness(0), env.witness(1), env.witness(2));
    let (xp, yp, n) = (env.witness(4), env.witness(5), env.witness(6));
    let (xr, yr) = (env.witness(7), env.witness(8));
    let (s1, s3) = (env.witness(9), env.witness(10));
    let [b1, b2, b3, b4] = [11, 12, 13, 14].map(|i| env.witness(i));
    let (xs, ys, n_next) = (env.witness_next(4), env.witness_next(5), env.witness_next(6));
    let one = E::F::from(1u64);

    let endo_minus_one = env.endo() - one;
    let select_x = |bit: E::V| bit.scale(endo_minus_one).add_constant(one) * xt;
    let select_y = |bit: E::V| bit.double() * yt - yt;
    let (xq1, yq1) = (select_x(b1), select_y(b2));
    let (xq2, yq2) = (select_x(b3), select_y(b4));

    for bit in [b1, b2, b3, b4] {
        emit(boolean(bit));
    }

    let s1_squared = s1.square();
    let s3_squared = s3.square();
    let (xp_xr, xr_xs) = (xp - xr, xr - xs);
    let (yr_yp, ys_yr) = (yr + yp, ys + yr);

    emit((xq1 - xp) * s1 - (yq1 - yp));
    emit((xp.double() - s1_squared + xq1) * (xp_xr * s1 + yr_yp) - yp.double() * xp_xr);
    emit(yr_yp.square() - xp_xr.square() * (s1_squared - xq1 + xr));

    emit((xq2 - xr) * s3 - (yq2 - yr));
    emit((xr.double() - s3_squared + xq2) * (xr_xs * s3 + ys_yr) - yr.double() * xr_xs);
    emit(ys_yr.square() - xr_xs.square() * (s3_squared - xq2 + xs));

    emit((((n.double() + b1).double() + b2).double() + b3).double() + b4 - n_next);
    // Where xP = xR, the constraints above hold for R = -P, whatever the bits say.
    if env.revision() == Revision::Distinct {
        emit((xp_xr * xr_xs * inv).add_constant(-one));
    }
}
