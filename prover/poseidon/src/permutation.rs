//! The two Poseidon permutations.

use alloc::boxed::Box;

use mina_curves::{Fp, Fq, PastaField, PoseidonRounds, PoseidonTable};
use once_cell::race::OnceBox;

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

impl<F, const ROWS: usize> PoseidonParams<F, ROWS> {
    pub(crate) const fn new(mds: [[F; 3]; 3], round_constants: [[F; 3]; ROWS]) -> Self {
        Self { mds, round_constants }
    }
}

/// A Pasta field with its Poseidon constants.
pub trait PoseidonField: PastaField {
    /// Constants of the Kimchi permutation.
    fn kimchi_params() -> &'static PoseidonParams<Self, KIMCHI_ROUNDS>;

    /// Constants of the legacy permutation; row 0 is added before the first round.
    fn legacy_params() -> &'static PoseidonParams<Self, { LEGACY_ROUNDS + 1 }>;

    /// The Kimchi permutation, made ready on first use.
    #[doc(hidden)]
    fn kimchi_table() -> &'static PoseidonTable<Self>;

    /// The legacy permutation, made ready on first use.
    #[doc(hidden)]
    fn legacy_table() -> &'static PoseidonTable<Self>;
}

impl PoseidonField for Fp {
    fn kimchi_params() -> &'static PoseidonParams<Self, KIMCHI_ROUNDS> {
        &kimchi::FP_KIMCHI
    }

    fn legacy_params() -> &'static PoseidonParams<Self, { LEGACY_ROUNDS + 1 }> {
        &legacy::FP_LEGACY
    }

    fn kimchi_table() -> &'static PoseidonTable<Self> {
        static TABLE: OnceBox<PoseidonTable<Fp>> = OnceBox::new();
        TABLE.get_or_init(|| Box::new(PoseidonTable::new(Kimchi::rounds())))
    }

    fn legacy_table() -> &'static PoseidonTable<Self> {
        static TABLE: OnceBox<PoseidonTable<Fp>> = OnceBox::new();
        TABLE.get_or_init(|| Box::new(PoseidonTable::new(Legacy::rounds())))
    }
}

impl PoseidonField for Fq {
    fn kimchi_params() -> &'static PoseidonParams<Self, KIMCHI_ROUNDS> {
        &kimchi::FQ_KIMCHI
    }

    fn legacy_params() -> &'static PoseidonParams<Self, { LEGACY_ROUNDS + 1 }> {
        &legacy::FQ_LEGACY
    }

    fn kimchi_table() -> &'static PoseidonTable<Self> {
        static TABLE: OnceBox<PoseidonTable<Fq>> = OnceBox::new();
        TABLE.get_or_init(|| Box::new(PoseidonTable::new(Kimchi::rounds())))
    }

    fn legacy_table() -> &'static PoseidonTable<Self> {
        static TABLE: OnceBox<PoseidonTable<Fq>> = OnceBox::new();
        TABLE.get_or_init(|| Box::new(PoseidonTable::new(Legacy::rounds())))
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
        F::kimchi_table().permute(state);
    }
}

impl Kimchi {
    fn rounds<F: PoseidonField>() -> PoseidonRounds<'static, F> {
        let params = F::kimchi_params();
        PoseidonRounds {
            mds: &params.mds,
            initial: None,
            constants: &params.round_constants,
            seventh_power: true,
        }
    }
}

impl<F: PoseidonField> Permutation<F> for Legacy {
    fn permute(state: &mut [F; 3]) {
        F::legacy_table().permute(state);
    }
}

impl Legacy {
    fn rounds<F: PoseidonField>() -> PoseidonRounds<'static, F> {
        let params = F::legacy_params();
        let [initial, constants @ ..] = &params.round_constants;
        PoseidonRounds { mds: &params.mds, initial: Some(initial), constants, seventh_power: false }
    }
}
