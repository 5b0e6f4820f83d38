//! Eight crumbs of a scalar challenge, folded into the halves `a`, `b` of its effective scalar.
//!
//! | column | 0 | 1 | 2 | 3 | 4 | 5 | 6-13 |
//! |---|---|---|---|---|---|---|---|
//! | witness | n0 | n8 | a0 | b0 | a8 | b8 | crumbs, most significant first |
//!
//! Each crumb `x` quadruples `n` and adds `x`, doubles `a` and adds `c(x)`, doubles `b` and adds
//! `d(x)`, where `c` maps 0, 1, 2, 3 to 0, 0, -1, 1 and `d` to -1, 1, 0, 0.

use crate::env::{ConstantField, Element, Env, crumb};

#[inline(always)]
pub(super) fn constraints<E: Env>(env: &E, emit: &mut impl FnMut(E::V)) {
    let [n0, n8, a0, b0, a8, b8] = [0, 1, 2, 3, 4, 5].map(|i| env.witness(i));
    let crumbs: [E::V; 8] = core::array::from_fn(|i| env.witness(6 + i));
    let constants = E::F::constants();
    let [c1, c2, c3] = constants.crumb_to_a;

    let (mut n, mut a, mut b) = (n0, a0, b0);
    for x in crumbs {
        // c(x) = c1·x + c2·x² + c3·x³ and d(x) = c(x) - x² + 3x - 1
        let c = x * (x * x.scale(c3).add_constant(c2)).add_constant(c1);
        let d = (c - x * x.add_constant(-constants.small[3])).add_constant(-constants.small[1]);
        n = n.double().double() + x;
        a = a.double() + c;
        b = b.double() + d;
    }
    emit(n - n8);
    emit(a - a8);
    emit(b - b8);
    for x in crumbs {
        emit(crumb(x));
    }
}
