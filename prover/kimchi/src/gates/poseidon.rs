//! Five rounds of the Kimchi permutation.
//!
//! | column | 0-2 | 3-5 | 6-8 | 9-11 | 12-14 |
//! |---|---|---|---|---|---|
//! | this row | state 0 | state 4 | state 1 | state 2 | state 3 |
//! | next row | state 5 | | | | |
//!
//! The last state of a row comes second so that all cells that wires must reach lie in the permuted
//! columns. Coefficient `3·round + i` is the constant that the round adds to element `i`. Each of
//! the 15 constraints is `new[i] - (Σ mds[i][j]·old[j]⁷ + constant)`.

use mina_poseidon::PoseidonField;

use crate::env::{Element, Env};

/// Rounds of the permutation per row.
pub const ROUNDS_PER_ROW: usize = 5;

/// The first of the three columns that hold the state before round `round` of a row.
pub const fn round_columns(round: usize) -> usize {
    [0, 6, 9, 12, 3][round]
}

#[inline(always)]
pub(super) fn constraints<E: Env>(env: &E, emit: &mut impl FnMut(E::V)) {
    let mds = &E::F::kimchi_params().mds;
    for round in 0..ROUNDS_PER_ROW {
        let source = round_columns(round);
        let sboxed = [0, 1, 2].map(|i| {
            let x = env.witness(source + i);
            let square = x.square();
            x * square * square.square()
        });
        for (i, row) in mds.iter().enumerate() {
            let new = if round + 1 == ROUNDS_PER_ROW {
                env.witness_next(i)
            } else {
                env.witness(round_columns(round + 1) + i)
            };
            let mixed = sboxed[0].scale(row[0]) + sboxed[1].scale(row[1]) + sboxed[2].scale(row[2]);
            emit(new - (mixed + env.coefficient(3 * round + i)));
        }
    }
}
