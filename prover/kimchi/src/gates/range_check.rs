//! Range checks of 88-bit values by 12-bit lookups and two-bit crumbs.
//!
//! `RangeCheck0`, one value `v` of 88 bits (limbs big-endian from the left):
//!
//! | column | 0 | 1-2 | 3-6 | 7-14 |
//! |---|---|---|---|---|
//! | witness | v | 12-bit limbs, checked elsewhere | 12-bit limbs, by lookup | crumbs |
//!
//! With coefficient 0 set, also `next(1) = v + 2^88·next(0)` (a compact pair of limbs).
//!
//! `RangeCheck1`, one value over two rows:
//!
//! | column | 0 | 1 | 2 | 3-6 | 7-14 |
//! |---|---|---|---|---|---|
//! | this row | v | | crumb | 12-bit limbs, by lookup | crumbs |
//! | next row | crumb | crumb | crumb | limbs of the two values before, by lookup | crumbs |

use crate::env::{ConstantField, Element, Env, crumb};
use crate::gate::COLUMNS;

#[inline(always)]
pub(super) fn constraints_0<E: Env>(env: &E, emit: &mut impl FnMut(E::V)) {
    let powers = &E::F::constants().power_of_two;
    for i in 7..COLUMNS {
        emit(crumb(env.witness(i)));
    }
    // Least significant first: crumbs from column 14 down to 7, then limbs from 6 down to 1.
    let mut sum = env.witness(14);
    for i in 1..8 {
        sum = sum + env.witness(14 - i).scale(powers[2 * i]);
    }
    for i in 0..6 {
        sum = sum + env.witness(6 - i).scale(powers[16 + 12 * i]);
    }
    let v = env.witness(0);
    emit(sum - v);
    let compact = v + env.witness_next(0).scale(powers[88]);
    emit(env.coefficient(0) * (env.witness_next(1) - compact));
}

#[inline(always)]
pub(super) fn constraints_1<E: Env>(env: &E, emit: &mut impl FnMut(E::V)) {
    let powers = &E::F::constants().power_of_two;
    emit(crumb(env.witness(2)));
    for i in 7..COLUMNS {
        emit(crumb(env.witness(i)));
    }
    for i in 0..=2 {
        emit(crumb(env.witness_next(i)));
    }
    for i in 7..COLUMNS {
        emit(crumb(env.witness_next(i)));
    }
    // Least significant first, as the crumbs and limbs of the table above from the end.
    let mut sum = env.witness_next(14);
    for i in 1..8 {
        sum = sum + env.witness_next(14 - i).scale(powers[2 * i]);
    }
    for i in 0..3 {
        sum = sum + env.witness_next(2 - i).scale(powers[16 + 2 * i]);
    }
    for i in 0..8 {
        sum = sum + env.witness(14 - i).scale(powers[22 + 2 * i]);
    }
    for i in 0..4 {
        sum = sum + env.witness(6 - i).scale(powers[38 + 12 * i]);
    }
    sum = sum + env.witness(2).scale(powers[86]);
    emit(sum - env.witness(0));
}
