//! Sixteen bits of `in1 ⊕ in2 = out`, chained through the next row.
//!
//! | column | 0 | 1 | 2 | 3-6 | 7-10 | 11-14 |
//! |---|---|---|---|---|---|---|
//! | this row | in1 | in2 | out | nybbles of in1 | of in2 | of out, least significant first |
//! | next row | in1 ≫ 16 | in2 ≫ 16 | out ≫ 16 | | | |
//!
//! The nybbles are looked up in the xor table.

use crate::env::{ConstantField, Element, Env};

#[inline(always)]
pub(super) fn constraints<E: Env>(env: &E, emit: &mut impl FnMut(E::V)) {
    let powers = &E::F::constants().power_of_two;
    for i in 0..3 {
        let first = 3 + 4 * i;
        let nybbles = env.witness(first)
            + env.witness(first + 1).scale(powers[4])
            + env.witness(first + 2).scale(powers[8])
            + env.witness(first + 3).scale(powers[12]);
        emit(nybbles + env.witness_next(i).scale(powers[16]) - env.witness(i));
    }
}
