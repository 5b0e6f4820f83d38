//! Arithmetic in a foreign field on three limbs of 88 bits, low limb first.
//!
//! `ForeignFieldAdd`: `left + sign·right - overflow·modulus = result`.
//!
//! | column | 0-2 | 3-5 | 6 | 7 |
//! |---|---|---|---|---|
//! | this row | left | right | overflow | carry |
//! | next row | result | | | |
//! | coefficient | modulus (3 = sign) | | | |
//!
//! `ForeignFieldMul`: `left·right = quotient·modulus + remainder`, with the negated modulus
//! `f' = 2^264 - modulus`; the remainder is compact (two lower limbs in one).
//!
//! | column | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7-10 | 11 | 12 | 13 | 14 |
//! |---|---|---|---|---|---|---|---|---|---|---|---|---|
//! | this row | a0 | a1 | a2 | b0 | b1 | b2 | p10 | c1 limbs | c1₈₄ | c1₈₆ | c1₈₈ | c1₉₀ |
//! | next row | r01 | r2 | q0 | q1 | q2 | q2 bound | p110 | p111, c1 limbs 8-10 | c0 | | | |
//! | coefficient | modulus 2 | f'0 | f'1 | f'2 | | | | | | | | |

use crate::env::{ConstantField, Element, Env, boolean, crumb};

#[inline(always)]
pub(super) fn constraints_add<E: Env>(env: &E, emit: &mut impl FnMut(E::V)) {
    let powers = &E::F::constants().power_of_two;
    let one = E::F::from(1u64);
    let modulus = [0, 1, 2].map(|i| env.coefficient(i));
    let sign = env.coefficient(3);
    let left = [0, 1, 2].map(|i| env.witness(i));
    let right = [3, 4, 5].map(|i| env.witness(i));
    let result = [0, 1, 2].map(|i| env.witness_next(i));
    let (overflow, carry) = (env.witness(6), env.witness(7));
    let compact = |limbs: [E::V; 3]| limbs[0] + limbs[1].scale(powers[88]);

    // The overflow is 0 or the sign, the carry -1, 0 or 1.
    emit(overflow * (overflow - sign));
    emit(carry * carry.add_constant(-one) * carry.add_constant(one));

    let low = compact(left) + sign * compact(right)
        - overflow * compact(modulus)
        - carry.scale(powers[176]);
    let high = left[2] + sign * right[2] - overflow * modulus[2] + carry;
    emit(low - compact(result));
    emit(high - result[2]);
}

#[inline(always)]
pub(super) fn constraints_mul<E: Env>(env: &E, emit: &mut impl FnMut(E::V)) {
    let powers = &E::F::constants().power_of_two;
    let (limb, limb2, limb3) = (powers[88], powers[176], powers[264]);
    let one = E::F::from(1u64);

    let a = [0, 1, 2].map(|i| env.witness(i));
    let b = [3, 4, 5].map(|i| env.witness(i));
    let q = [2, 3, 4].map(|i| env.witness_next(i));
    let (r01, r2) = (env.witness_next(0), env.witness_next(1));
    let quotient_bound = env.witness_next(5);
    let p10 = env.witness(6);
    let (p110, p111) = (env.witness_next(6), env.witness_next(7));
    let carry0 = env.witness_next(11);
    let carry1_crumbs = [11, 12, 13].map(|i| env.witness(i));
    let carry1_bit = env.witness(14);
    let modulus_high = env.coefficient(0);
    let f = [1, 2, 3].map(|i| env.coefficient(i));

    let mut carry1 = env.witness(7);
    for i in 1..4 {
        carry1 = carry1 + env.witness(7 + i).scale(powers[12 * i]);
    }
    for i in 0..3 {
        carry1 = carry1 + env.witness_next(8 + i).scale(powers[48 + 12 * i]);
    }
    for (i, crumb) in carry1_crumbs.iter().enumerate() {
        carry1 = carry1 + crumb.scale(powers[84 + 2 * i]);
    }
    carry1 = carry1 + carry1_bit.scale(powers[90]);

    let p0 = a[0] * b[0] + q[0] * f[0];
    let p1 = a[0] * b[1] + a[1] * b[0] + q[0] * f[1] + q[1] * f[0];
    let p2 = a[0] * b[2] + a[2] * b[0] + a[1] * b[1] + q[0] * f[2] + q[2] * f[0] + q[1] * f[1];
    let native = |x: [E::V; 3]| x[2].scale(limb2) + x[1].scale(limb) + x[0];
    let p11 = p111.scale(limb) + p110;

    emit(crumb(p111));
    emit(crumb(carry0));
    // The middle product splits as p1 = 2^88·p11 + p10.
    emit(p1 - (p11.scale(limb) + p10));
    emit(carry0.scale(limb2) - (p0 + p10.scale(limb) - r01));
    // The whole equation in the native field.
    let q_native = native(q);
    emit(
        native(a) * native(b) + q_native * native(f)
            - (r2.scale(limb2) + r01)
            - q_native.scale(limb3),
    );
    for x in carry1_crumbs {
        emit(crumb(x));
    }
    emit(boolean(carry1_bit));
    emit(carry1.scale(limb) - (p2 + p11 + carry0 - r2));
    emit(quotient_bound - (q[2] - modulus_high).add_constant(limb - one));
}
