//! The double generic gate.
//!
//! | column | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 |
//! |---|---|---|---|---|---|---|---|---|---|---|
//! | witness | l₁ | r₁ | o₁ | l₂ | r₂ | o₂ | | | | |
//! | coefficient | cl₁ | cr₁ | co₁ | cm₁ | cc₁ | cl₂ | cr₂ | co₂ | cm₂ | cc₂ |
//!
//! For each half: `cl·l + cr·r + co·o + cm·l·r + cc = 0`.

use crate::env::Env;

#[inline(always)]
pub(super) fn constraints<E: Env>(env: &E, emit: &mut impl FnMut(E::V)) {
    for half in 0..2 {
        let [l, r, o] = [0, 1, 2].map(|i| env.witness(3 * half + i));
        let [cl, cr, co, cm, cc] = [0, 1, 2, 3, 4].map(|i| env.coefficient(5 * half + i));
        emit(l * (cl + cm * r) + cr * r + co * o + cc);
    }
}
