//! The two Poseidon permutations.

use ark_ff::{Fp256, MontBackend, MontConfig};
use mina_curves::{Fp, Fq, PastaField, PoseidonRounds, poseidon_one};

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
    /// The constants times `2^256`.
    pub(crate) lifted_constants: [[F; 3]; ROWS],
}

impl<P: MontConfig<4>, const ROWS: usize> PoseidonParams<Fp256<MontBackend<P, 4>>, ROWS> {
    pub(crate) const fn new(
        mds: [[Fp256<MontBackend<P, 4>>; 3]; 3],
        round_constants: [[Fp256<MontBackend<P, 4>>; 3]; ROWS],
    ) -> Self {
        let mut lifted_constants = round_constants;
        let mut row = 0;
        while row < ROWS {
            let mut i = 0;
            while i < 3 {
                // Takes the words of the Montgomery form for a value.
                lifted_constants[row][i] = Fp256::new(round_constants[row][i].0);
                i += 1;
            }
            row += 1;
        }
        Self { mds, round_constants, lifted_constants }
    }
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
        poseidon_one(Self::rounds(), state);
    }
}

impl Kimchi {
    pub(crate) fn rounds<F: PoseidonField>() -> PoseidonRounds<'static, F> {
        let params = F::kimchi_params();
        PoseidonRounds {
            mds: &params.mds,
            initial: None,
            constants: &params.round_constants,
            lifted: &params.lifted_constants,
            seventh_power: true,
        }
    }
}

impl<F: PoseidonField> Permutation<F> for Legacy {
    fn permute(state: &mut [F; 3]) {
        poseidon_one(Self::rounds(), state);
    }
}

impl Legacy {
    pub(crate) fn rounds<F: PoseidonField>() -> PoseidonRounds<'static, F> {
        let params = F::legacy_params();
        let [initial, constants @ ..] = &params.round_constants;
        let [_, lifted @ ..] = &params.lifted_constants;
        PoseidonRounds {
            mds: &params.mds,
            initial: Some(initial),
            constants,
            lifted,
            seventh_power: false,
        }
    }
}
