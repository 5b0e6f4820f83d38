//! The two Poseidon permutations.

use mina_curves::{Fp, Fq, PastaField};

use crate::{kimchi, legacy};

/// Full rounds of the Kimchi permutation (S-box `x⁷`, constants added after each round).
pub const KIMCHI_ROUNDS: usize = 55;

/// Full rounds of the legacy permutation (S-box `x⁵`, constants added before and after each).
pub const LEGACY_ROUNDS: usize = 63;

/// MDS matrix (row-major: `new[i] = Σ mds[i][j]·old[j]`) and rows of round constants.
#[derive(Debug)]
pub struct PoseidonParams<F, const ROWS: usize> {
    /// The 3×3 MDS matrix.
    pub mds: [[F; 3]; 3],
    /// One row per addition of constants.
    pub round_constants: [[F; 3]; ROWS],
}

/// A Pasta field with its Poseidon constants.
pub trait PoseidonField: PastaField {
    /// Constants of the Kimchi permutation.
    fn kimchi_params() -> &'static PoseidonParams<Self, KIMCHI_ROUNDS>;

    /// Constants of the legacy permutation; row 0 is added before the first round.
    fn legacy_params() -> &'static PoseidonParams<Self, { LEGACY_ROUNDS + 1 }>;
}

impl PoseidonField for Fp {
    fn kimchi_params() -> &'static PoseidonParams<Self, KIMCHI_ROUNDS> {
        &kimchi::FP_KIMCHI
    }

    fn legacy_params() -> &'static PoseidonParams<Self, { LEGACY_ROUNDS + 1 }> {
        &legacy::FP_LEGACY
    }
}

impl PoseidonField for Fq {
    fn kimchi_params() -> &'static PoseidonParams<Self, KIMCHI_ROUNDS> {
        &kimchi::FQ_KIMCHI
    }

    fn legacy_params() -> &'static PoseidonParams<Self, { LEGACY_ROUNDS + 1 }> {
        &legacy::FQ_LEGACY
    }
}

/// A permutation of three field elements that a [`Sponge`](crate::Sponge) runs on.
pub trait Permutation<F>: Clone + core::fmt::Debug {
    /// Permutes `state` in place.
    fn permute(state: &mut [F; 3]);
}

/// The Kimchi permutation: 55 rounds of `state ← MDS·state⁷ + constants`.
#[derive(Clone, Copy, Debug)]
pub struct Kimchi;

/// The legacy permutation: 63 rounds of `state ← MDS·state⁵ + constants` after a first addition.
#[derive(Clone, Copy, Debug)]
pub struct Legacy;

impl<F: PoseidonField> Permutation<F> for Kimchi {
    fn permute(state: &mut [F; 3]) {
        let params = F::kimchi_params();
        for constants in &params.round_constants {
            for x in state.iter_mut() {
                let square = x.square();
                *x *= square;
                *x *= square.square();
            }
            mix(&params.mds, constants, state);
        }
    }
}

impl<F: PoseidonField> Permutation<F> for Legacy {
    fn permute(state: &mut [F; 3]) {
        let params = F::legacy_params();
        let [first, rounds @ ..] = &params.round_constants;
        for (x, constant) in state.iter_mut().zip(first) {
            *x += constant;
        }
        for constants in rounds {
            for x in state.iter_mut() {
                *x *= x.square().square();
            }
            mix(&params.mds, constants, state);
        }
    }
}

/// `state ← mds·state + constants`.
fn mix<F: PoseidonField>(mds: &[[F; 3]; 3], constants: &[F; 3], state: &mut [F; 3]) {
    let [a, b, c] = *state;
    for ((new, row), constant) in state.iter_mut().zip(mds).zip(constants) {
        // Three products: arkworks' `sum_of_products`, with one reduction for all, is slower.
        *new = row[0] * a + row[1] * b + row[2] * c + constant;
    }
}
