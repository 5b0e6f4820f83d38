//! Many Poseidon permutations of width 3 at once.
//!
//! The constants live in `mina-poseidon`; the round function is here because the lanes are.

use alloc::vec::Vec;

use super::{Kernel, LANES, LaneBackend, Lanes, Raw, run};
use crate::fields::PastaField;

/// A permutation of width 3 with full rounds: `state ← mds·state^power + constants` per round.
#[derive(Clone, Copy, Debug)]
pub struct PoseidonRounds<'a, F> {
    /// The MDS matrix, row-major.
    pub mds: &'a [[F; 3]; 3],
    /// Constants added before the first round.
    pub initial: Option<&'a [F; 3]>,
    /// Constants added after each round.
    pub constants: &'a [[F; 3]],
    /// The exponent of the S-box: 7, or 5 otherwise.
    pub seventh_power: bool,
}

/// Applies the permutation to every state.
pub fn poseidon_many<F: PastaField>(
    backend: LaneBackend,
    rounds: PoseidonRounds<'_, F>,
    states: &mut [[F; 3]],
) {
    run(backend, ManyPermutations { rounds, states });
}

struct ManyPermutations<'a, F> {
    rounds: PoseidonRounds<'a, F>,
    states: &'a mut [[F; 3]],
}

impl<F: PastaField> Kernel<F> for ManyPermutations<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<F>>(self) {
        let Self { rounds, states } = self;
        let mds = rounds.mds.map(|row| row.map(|x| L::to_raw(x)));
        let mds = [
            [L::splat(&mds[0][0]), L::splat(&mds[0][1]), L::splat(&mds[0][2])],
            [L::splat(&mds[1][0]), L::splat(&mds[1][1]), L::splat(&mds[1][2])],
            [L::splat(&mds[2][0]), L::splat(&mds[2][1]), L::splat(&mds[2][2])],
        ];
        let initial = rounds.initial.copied().unwrap_or([F::ZERO; 3]);
        let constants: Vec<[Raw; 3]> =
            rounds.constants.iter().map(|row| row.map(|x| L::to_raw(x))).collect();
        for chunk in states.chunks_mut(LANES) {
            // Lanes past the end repeat the first state.
            let mut raw = [[[0; 4]; LANES]; 3];
            for lane in 0..LANES {
                let state = &chunk[if lane < chunk.len() { lane } else { 0 }];
                for ((column, x), constant) in raw.iter_mut().zip(state).zip(initial) {
                    column[lane] = L::to_raw(*x + constant);
                }
            }
            let mut xs = [
                L::load(raw[0].each_ref()),
                L::load(raw[1].each_ref()),
                L::load(raw[2].each_ref()),
            ];
            for row in &constants {
                permute_round(&mds, row, rounds.seventh_power, &mut xs);
            }
            let raw = [xs[0].store(), xs[1].store(), xs[2].store()];
            for (lane, state) in chunk.iter_mut().enumerate() {
                *state = raw.map(|column| L::from_raw(&column[lane]));
            }
        }
    }
}

#[inline(always)]
fn permute_round<F: PastaField, L: Lanes<F>>(
    mds: &[[L; 3]; 3],
    constants: &[Raw; 3],
    seventh_power: bool,
    xs: &mut [L; 3],
) {
    for x in xs.iter_mut() {
        let square = x.square();
        let fourth = square.square();
        let odd = if seventh_power { square.mul(x) } else { *x };
        *x = fourth.mul(&odd);
    }
    let old = *xs;
    for ((x, row), constant) in xs.iter_mut().zip(mds).zip(constants) {
        *x = L::dot(row, &old, &L::splat(constant));
    }
}
