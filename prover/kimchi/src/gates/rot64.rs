//! Rotation of a 64-bit word to the left by a fixed number of bits.
//!
//! | column | 0 | 1 | 2 | 3-6 | 7-14 |
//! |---|---|---|---|---|---|
//! | this row | word | rotated | excess | 12-bit limbs of the bound, by lookup | crumbs of the bound |
//! | next row | shifted | | | | |
//!
//! Coefficient 0 is `2^rot`. `word·2^rot = excess·2^64 + shifted`, `rotated = shifted + excess`, and
//! `bound = excess - 2^rot + 2^64` is below `2^64`. A range check of `shifted` is the circuit's duty.

use crate::env::{ConstantField, Element, Env, crumb};
use crate::gate::COLUMNS;

#[inline(always)]
pub(super) fn constraints<E: Env>(env: &E, emit: &mut impl FnMut(E::V)) {
    let powers = &E::F::constants().power_of_two;
    let (word, rotated, excess) = (env.witness(0), env.witness(1), env.witness(2));
    let shifted = env.witness_next(0);
    let two_to_rot = env.coefficient(0);

    for i in 7..COLUMNS {
        emit(crumb(env.witness(i)));
    }
    emit(word * two_to_rot - (excess.scale(powers[64]) + shifted));
    emit(rotated - (shifted + excess));

    let mut bound = env.witness(14);
    for i in 1..8 {
        bound = bound + env.witness(14 - i).scale(powers[2 * i]);
    }
    for i in 0..4 {
        bound = bound + env.witness(6 - i).scale(powers[16 + 12 * i]);
    }
    emit(bound - (excess - two_to_rot).add_constant(powers[64]));
}
