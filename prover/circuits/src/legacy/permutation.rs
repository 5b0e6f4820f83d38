//! The legacy permutation and the sponge on it.
//!
//! 63 rounds of `state ← MDS·state⁵ + constants` after a first addition of constants, in halves of
//! generic rows. For each of the three elements a round has
//!
//! | half | |
//! |---|---|
//! | `s = x·x`, `f = s·s`, `p = f·x` | `p = x⁵` |
//! | `t = m₀·p₀ + m₁·p₁ + c`, `x' = t + m₂·p₂` | the element of the next round, constant included |
//!
//! so 15 halves a round. Fewer would need a matrix whose rows share sums: three intermediate sums
//! are the least for three general combinations of three powers.

use kimchi::builder::Var;
use mina_curves::Fp;
use mina_ledger::hash::SaltedState;
use mina_poseidon::PoseidonField;

use crate::{Cs, Linear};

/// Elements that a permutation absorbs.
const RATE: usize = 2;

/// The permutation, the twin of [`Legacy`](mina_poseidon::Legacy): 945 halves where the state is made
/// of variables, less for constants. Of the result, an element costs two halves where it is used.
pub fn permute<I>(cs: &mut Cs<I>, state: [Linear; 3]) -> [Linear; 3] {
    let params = Fp::legacy_params();
    let [initial, rounds @ ..] = &params.round_constants;
    let [a, b, c] = state;
    let [a0, b0, c0] = *initial;
    let mut state = [a + a0, b + b0, c + c0];
    for constants in rounds {
        let powers = state.map(|x| fifth_power(cs, &x));
        state = core::array::from_fn(|i| {
            let row = params.mds[i].iter().zip(powers);
            Linear::sum(row.map(|(factor, power)| power * *factor)) + constants[i]
        });
    }
    state
}

/// `x⁵`; three halves, and those of making `x` a variable.
fn fifth_power<I>(cs: &mut Cs<I>, x: &Linear) -> Var<Fp> {
    let x = cs.reduce(x);
    let square = cs.square(x);
    let fourth = cs.square(square);
    cs.mul(fourth, x)
}

/// The hash of a fixed number of elements from a salted state: a permutation for every two.
pub fn hash<I>(cs: &mut Cs<I>, salt: &SaltedState, fields: &[Linear]) -> Var<Fp> {
    let mut state = salt.map(Linear::from);
    let mut blocks = fields.chunks(RATE).peekable();
    // Of nothing, the state is permuted as it is.
    if blocks.peek().is_none() {
        state = permute(cs, state);
    }
    for block in blocks {
        for (element, field) in state.iter_mut().zip(block) {
            *element = element.clone() + field;
        }
        state = permute(cs, state);
    }
    let [digest, _, _] = state;
    cs.reduce(digest)
}
