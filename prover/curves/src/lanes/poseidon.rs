//! Poseidon permutations of width 3, one and many at once.
//!
//! The constants live in `mina-poseidon`; the round function is here because the lanes are.

use alloc::vec::Vec;

#[cfg(all(feature = "std", target_arch = "x86_64"))]
use ark_ff::BigInteger256;

#[cfg(all(feature = "std", target_arch = "x86_64"))]
use super::subtract_once;
use super::{Kernel, LANES, LaneBackend, Lanes, Raw, run};
#[cfg(all(feature = "std", target_arch = "x86_64"))]
use crate::adx::Adx;
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
    /// The same times `2^256`: a sum that is still to be reduced starts from them.
    pub lifted: &'a [[F; 3]],
    /// The exponent of the S-box: 7, or 5 otherwise.
    pub seventh_power: bool,
}

/// Applies the permutation to `state`.
pub fn poseidon_one<F: PastaField>(rounds: PoseidonRounds<'_, F>, state: &mut [F; 3]) {
    for (x, constant) in state.iter_mut().zip(rounds.initial.into_iter().flatten()) {
        *x += constant;
    }
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    if let Some(adx) = Adx::detect().filter(|_| rows_are_small(rounds.mds)) {
        return one_by_adx(adx, rounds, state);
    }
    one_by_arkworks(rounds, state);
}

/// Whether values below 2.3·p stay so: with rows that sum to less than 2.1·p, the seventh power is
/// below 2.4·p, and what a row makes of three of them below (2.1·2.4/4 + 1)·p.
#[cfg(all(feature = "std", target_arch = "x86_64"))]
fn rows_are_small<F: PastaField>(mds: &[[F; 3]; 3]) -> bool {
    let top = |x: &F| u128::from(x.montgomery().0[3]) + 1;
    mds.iter().all(|row| 10 * row.iter().map(top).sum::<u128>() < 21 << 62)
}

/// Step by step over the three elements: one after the other would be one long chain of dependent
/// instructions. Plain loops, as closures handed to `array::map` may be compiled as functions of their
/// own.
#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[allow(clippy::needless_range_loop)]
fn one_by_adx<F: PastaField>(adx: Adx<F>, rounds: PoseidonRounds<'_, F>, state: &mut [F; 3]) {
    let mut mds = [[[0; 4]; 3]; 3];
    let mut xs = [[0; 4]; 3];
    for i in 0..3 {
        xs[i] = state[i].montgomery().0;
        for j in 0..3 {
            mds[i][j] = rounds.mds[i][j].montgomery().0;
        }
    }
    for start in rounds.lifted {
        let squares = [adx.square(&xs[0]), adx.square(&xs[1]), adx.square(&xs[2])];
        if rounds.seventh_power {
            for i in 0..3 {
                xs[i] = adx.mul(&squares[i], &xs[i]);
            }
        }
        let fourths = [adx.square(&squares[0]), adx.square(&squares[1]), adx.square(&squares[2])];
        for i in 0..3 {
            xs[i] = adx.mul(&xs[i], &fourths[i]);
        }
        let powers = xs;
        for i in 0..3 {
            xs[i] = adx.dot(&mds[i], &powers, &start[i].montgomery().0);
        }
    }
    for i in 0..3 {
        let x = subtract_once(subtract_once(xs[i], F::MODULUS.0), F::MODULUS.0);
        state[i] = F::from_montgomery(BigInteger256::new(x));
    }
}

fn one_by_arkworks<F: PastaField>(rounds: PoseidonRounds<'_, F>, state: &mut [F; 3]) {
    for constants in rounds.constants {
        let squares = state.map(|x| x.square());
        if rounds.seventh_power {
            for (x, square) in state.iter_mut().zip(&squares) {
                *x *= square;
            }
        }
        for (x, square) in state.iter_mut().zip(squares) {
            *x *= square.square();
        }
        let [a, b, c] = *state;
        for ((new, row), constant) in state.iter_mut().zip(rounds.mds).zip(constants) {
            // Three products: arkworks' `sum_of_products`, with one reduction for all, is slower.
            *new = row[0] * a + row[1] * b + row[2] * c + constant;
        }
    }
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

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    use super::*;
    use crate::fields::{Fp, Fq};

    fn agrees<F: PastaField>() {
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        let lift = F::from(2u64).pow([256]);
        for (largest, seventh_power) in [(2, true), (2, false), (1, true)] {
            // Rows whose words sum to less than 2.1·p, but for the last, which is for arkworks alone.
            let mut mds = [[F::ZERO; 3]; 3];
            for x in mds.iter_mut().flatten() {
                let mut words = F::rand(&mut rng).montgomery().0;
                words[3] = if largest == 2 { words[3] % (1 << 61) } else { (1 << 62) - 1 };
                *x = F::from_montgomery(BigInteger256::new(words));
            }
            let constants: Vec<[F; 3]> =
                (0..40).map(|_| [0; 3].map(|_| F::rand(&mut rng))).collect();
            let lifted: Vec<[F; 3]> = constants.iter().map(|row| row.map(|x| x * lift)).collect();
            let rounds = PoseidonRounds {
                mds: &mds,
                initial: constants.first(),
                constants: &constants,
                lifted: &lifted,
                seventh_power,
            };
            let mut states: Vec<[F; 3]> =
                (0..40).map(|_| [0; 3].map(|_| F::rand(&mut rng))).collect();
            states.push([-F::ONE; 3]);
            for state in states {
                let mut one = state;
                poseidon_one(rounds, &mut one);
                let mut portable = state;
                for (x, constant) in portable.iter_mut().zip(constants[0]) {
                    *x += constant;
                }
                one_by_arkworks(rounds, &mut portable);
                assert_eq!(one, portable);
                let mut many = [state];
                poseidon_many(LaneBackend::detect(), rounds, &mut many);
                assert_eq!(many[0], portable);
            }
        }
    }

    #[test]
    fn every_way_is_the_same() {
        agrees::<Fp>();
        agrees::<Fq>();
    }
}
