//! Poseidon permutations of width 3, one and many at once.
//!
//! The constants live in `mina-poseidon`; the round function is here because the lanes are.
//!
//! # Six products instead of nine
//! The S-box `x ↦ x^e` takes a diagonal matrix `D` out of its argument as `D^e`. So with states
//! `y_r = D_r·x_r`, a round `x' = M·x^e + c` is `y' = (D_{r+1}·M·D_r^{-e})·y^e + D_{r+1}·c`, and three
//! entries of the matrix can be made 1. With `ρ_i = M_00/M_i0`, `D_r = t_r·diag(1, ρ_1, ρ_2)`,
//! `t_0 = 1` and `t_{r+1} = t_r^e/M_00` they are the first column, and the others are the same in all
//! rounds: `M_ij/(M_i0·ρ_j^e)`.

use alloc::vec::Vec;

use ark_ff::BigInteger256;

use super::{Kernel, LANES, LaneBackend, Lanes, Raw, run, subtract_once};
#[cfg(all(feature = "std", target_arch = "x86_64"))]
use crate::adx::{Adx, Powers};
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

/// A permutation made ready to be applied.
#[derive(Debug)]
pub struct PoseidonTable<F> {
    seventh_power: bool,
    /// What is added to an input.
    initial: [F; 3],
    /// `D_0`.
    entry: [F; 3],
    /// The second and third columns of the matrix, by row.
    rest: [[F; 2]; 3],
    constants: Vec<[F; 3]>,
    /// The inverse of the last `D`.
    exit: [F; 3],
    /// For the lanes of this machine.
    lanes: LaneTable,
}

/// The same for an implementation of the lanes.
#[derive(Debug)]
struct LaneTable {
    backend: LaneBackend,
    /// Takes arkworks' words into the domain, too.
    entry: [Raw; 3],
    rest: [[Raw; 2]; 3],
    constants: Vec<[Raw; 3]>,
    /// Gives arkworks' words.
    exit: [Raw; 3],
}

impl<F: PastaField> PoseidonTable<F> {
    /// Makes a permutation ready.
    ///
    /// # Panics
    /// If an entry of the matrix is zero: in an MDS matrix, none is.
    pub fn new(rounds: PoseidonRounds<'_, F>) -> Self {
        let PoseidonRounds { mds, initial, constants, seventh_power } = rounds;
        let inverse = |x: F| x.inverse().expect("entries of an MDS matrix are not zero");
        let power = |x: F| x.pow([if seventh_power { 7u64 } else { 5 }]);
        let first = mds.map(|row| inverse(row[0]));
        let ratios = first.map(|x| x * mds[0][0]);
        let weights = ratios.map(|x| inverse(power(x)));
        let mut rest = [[F::ZERO; 2]; 3];
        for (out, (row, first)) in rest.iter_mut().zip(mds.iter().zip(first)) {
            *out = [row[1] * first * weights[1], row[2] * first * weights[2]];
        }
        let mut scale = F::ONE;
        let constants: Vec<[F; 3]> = constants
            .iter()
            .map(|row| {
                scale = power(scale) * first[0];
                [row[0] * scale, row[1] * scale * ratios[1], row[2] * scale * ratios[2]]
            })
            .collect();
        let exit = ratios.map(|ratio| inverse(ratio * scale));
        let initial = initial.copied().unwrap_or([F::ZERO; 3]);
        let backend = LaneBackend::detect();
        let lanes =
            run(backend, MakeLaneTable { backend, ratios, rest, constants: &constants, exit });
        Self { seventh_power, initial, entry: ratios, rest, constants, exit, lanes }
    }

    /// Applies the permutation to `state`.
    pub fn permute(&self, state: &mut [F; 3]) {
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        if let Some(adx) = Adx::detect() {
            return self.permute_by_adx(adx, state);
        }
        self.permute_by_arkworks(state);
    }

    /// Applies the permutation to every state.
    pub fn permute_many(&self, states: &mut [[F; 3]]) {
        run(self.lanes.backend, ManyPermutations { table: self, lanes: &self.lanes, states });
    }

    /// [`Self::permute_many`] on a chosen implementation of the field lanes.
    pub fn permute_many_with(&self, backend: LaneBackend, states: &mut [[F; 3]]) {
        let Self { entry, rest, exit, constants, .. } = self;
        let (ratios, rest, exit) = (*entry, *rest, *exit);
        let lanes = run(backend, MakeLaneTable { backend, ratios, rest, constants, exit });
        run(backend, ManyPermutations { table: self, lanes: &lanes, states });
    }

    /// Step by step over the three elements: one after the other would be one long chain of dependent
    /// instructions. Plain loops, as closures handed to `array::map` may be compiled as functions of
    /// their own.
    ///
    /// States are below 1.5·p, their squares below 1.57, cubes 1.6, fourth powers 1.62, and seventh
    /// powers 1.65 (or 0.65·p·2^256 before the reduction); so what a row makes of these is within its
    /// bounds: `0.65 + 2·1.65/4 + 1 < 3`.
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    #[allow(clippy::needless_range_loop)]
    fn permute_by_adx(&self, adx: Adx<F>, state: &mut [F; 3]) {
        let mut xs = [[0; 4]; 3];
        let mut rest = [[[0; 4]; 2]; 3];
        for i in 0..3 {
            let x = (state[i] + self.initial[i]).montgomery().0;
            xs[i] = adx.mul(&x, &self.entry[i].montgomery().0);
            rest[i] = [self.rest[i][0].montgomery().0, self.rest[i][1].montgomery().0];
        }
        for constants in &self.constants {
            let squares = [adx.square(&xs[0]), adx.square(&xs[1]), adx.square(&xs[2])];
            if self.seventh_power {
                for i in 0..3 {
                    xs[i] = adx.mul(&squares[i], &xs[i]);
                }
            }
            let fourths =
                [adx.square(&squares[0]), adx.square(&squares[1]), adx.square(&squares[2])];
            let powers = Powers {
                first: adx.wide(&xs[0], &fourths[0]),
                rest: [adx.mul(&xs[1], &fourths[1]), adx.mul(&xs[2], &fourths[2])],
            };
            for i in 0..3 {
                xs[i] = adx.row(&rest[i], &powers, &constants[i].montgomery().0);
            }
        }
        for i in 0..3 {
            let x = adx.mul(&xs[i], &self.exit[i].montgomery().0);
            state[i] = from_words(x);
        }
    }

    fn permute_by_arkworks(&self, state: &mut [F; 3]) {
        for ((x, initial), entry) in state.iter_mut().zip(self.initial).zip(self.entry) {
            *x = (*x + initial) * entry;
        }
        for constants in &self.constants {
            let squares = state.map(|x| x.square());
            if self.seventh_power {
                for (x, square) in state.iter_mut().zip(&squares) {
                    *x *= square;
                }
            }
            for (x, square) in state.iter_mut().zip(squares) {
                *x *= square.square();
            }
            let [a, b, c] = *state;
            for ((new, row), constant) in state.iter_mut().zip(&self.rest).zip(constants) {
                // Two products: arkworks' `sum_of_products`, with one reduction for both, is slower.
                *new = a + row[0] * b + row[1] * c + constant;
            }
        }
        for (x, exit) in state.iter_mut().zip(self.exit) {
            *x *= exit;
        }
    }
}

/// arkworks' element with the Montgomery words `x`, below twice the modulus.
fn from_words<F: PastaField>(x: Raw) -> F {
    F::from_montgomery(BigInteger256::new(subtract_once(x, F::MODULUS.0)))
}

struct MakeLaneTable<'a, F> {
    backend: LaneBackend,
    ratios: [F; 3],
    rest: [[F; 2]; 3],
    constants: &'a [[F; 3]],
    exit: [F; 3],
}

impl<F: PastaField> Kernel<F> for MakeLaneTable<'_, F> {
    type Output = LaneTable;

    #[inline(always)]
    fn run<L: Lanes<F>>(self) -> LaneTable {
        let Self { backend, ratios, rest, constants, exit } = self;
        // A product has the factor of the words once too often, divided by that of the lanes.
        let twice = |x: F| L::to_raw(F::from_montgomery(BigInteger256::new(L::to_raw(x))));
        LaneTable {
            backend,
            entry: [twice(ratios[0]), twice(ratios[1]), twice(ratios[2])],
            rest: rest.map(|row| [L::to_raw(row[0]), L::to_raw(row[1])]),
            constants: constants.iter().map(|row| row.map(|x| L::to_raw(x))).collect(),
            exit: exit.map(|x| x.montgomery().0),
        }
    }
}

struct ManyPermutations<'a, F> {
    table: &'a PoseidonTable<F>,
    lanes: &'a LaneTable,
    states: &'a mut [[F; 3]],
}

impl<F: PastaField> Kernel<F> for ManyPermutations<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<F>>(self) {
        let Self { table, lanes, states } = self;
        let rest = [
            [L::splat(&lanes.rest[0][0]), L::splat(&lanes.rest[0][1])],
            [L::splat(&lanes.rest[1][0]), L::splat(&lanes.rest[1][1])],
            [L::splat(&lanes.rest[2][0]), L::splat(&lanes.rest[2][1])],
        ];
        for chunk in states.chunks_mut(LANES) {
            // Lanes past the end repeat the first state.
            let mut raw = [[[0; 4]; LANES]; 3];
            for lane in 0..LANES {
                let state = &chunk[if lane < chunk.len() { lane } else { 0 }];
                for ((column, x), initial) in raw.iter_mut().zip(state).zip(table.initial) {
                    column[lane] = (*x + initial).montgomery().0;
                }
            }
            let mut xs = [
                L::load(raw[0].each_ref()).mul(&L::splat(&lanes.entry[0])),
                L::load(raw[1].each_ref()).mul(&L::splat(&lanes.entry[1])),
                L::load(raw[2].each_ref()).mul(&L::splat(&lanes.entry[2])),
            ];
            for row in &lanes.constants {
                permute_round(&rest, row, table.seventh_power, &mut xs);
            }
            let raw = [
                xs[0].mul(&L::splat(&lanes.exit[0])).store(),
                xs[1].mul(&L::splat(&lanes.exit[1])).store(),
                xs[2].mul(&L::splat(&lanes.exit[2])).store(),
            ];
            for (lane, state) in chunk.iter_mut().enumerate() {
                *state =
                    [from_words(raw[0][lane]), from_words(raw[1][lane]), from_words(raw[2][lane])];
            }
        }
    }
}

#[inline(always)]
fn permute_round<F: PastaField, L: Lanes<F>>(
    rest: &[[L; 2]; 3],
    constants: &[Raw; 3],
    seventh_power: bool,
    xs: &mut [L; 3],
) {
    for x in xs.iter_mut() {
        let square = x.square();
        let fourth = square.square();
        // On the left, factors may be large.
        *x = if seventh_power { x.mul(&square).mul(&fourth) } else { x.mul(&fourth) };
    }
    let [first, second, third] = *xs;
    let powers = [second, third];
    for ((x, row), constant) in xs.iter_mut().zip(rest).zip(constants) {
        *x = L::dot(row, &powers, &first.add(&L::splat(constant)));
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    use super::*;
    use crate::fields::{Fp, Fq};

    /// The permutation as it is defined.
    fn reference<F: PastaField>(rounds: PoseidonRounds<'_, F>, mut state: [F; 3]) -> [F; 3] {
        for (x, constant) in state.iter_mut().zip(rounds.initial.into_iter().flatten()) {
            *x += constant;
        }
        for constants in rounds.constants {
            let powers = state.map(|x| x.pow([if rounds.seventh_power { 7u64 } else { 5 }]));
            for ((x, row), constant) in state.iter_mut().zip(rounds.mds).zip(constants) {
                *x = row.iter().zip(powers).map(|(a, b)| *a * b).sum::<F>() + constant;
            }
        }
        state
    }

    fn agrees<F: PastaField>() {
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        for case in 0..12 {
            let mut mds = [[F::ZERO; 3]; 3].map(|row| row.map(|_: F| F::rand(&mut rng)));
            let mut constants: Vec<[F; 3]> =
                (0..40).map(|_| [0; 3].map(|_| F::rand(&mut rng))).collect();
            if case % 3 == 0 {
                // What is added is as large as it can be.
                constants[1..].fill([-F::ONE; 3]);
                mds[1] = [-F::ONE; 3];
                mds[2] = [F::ONE, -F::ONE, F::ONE];
            }
            let rounds = PoseidonRounds {
                mds: &mds,
                initial: (case % 2 == 0).then_some(&constants[0]),
                constants: &constants,
                seventh_power: case % 4 < 2,
            };
            let table = PoseidonTable::new(rounds);
            let mut states: Vec<[F; 3]> =
                (0..40).map(|_| [0; 3].map(|_| F::rand(&mut rng))).collect();
            states.extend([[-F::ONE; 3], [F::ZERO; 3], [F::ONE, F::ZERO, -F::ONE]]);
            for state in states {
                let expected = reference(rounds, state);
                let (mut one, mut portable) = (state, state);
                table.permute(&mut one);
                assert_eq!(one, expected);
                table.permute_by_arkworks(&mut portable);
                assert_eq!(portable, expected);
                let mut many = [state];
                table.permute_many(&mut many);
                assert_eq!(many[0], expected);
            }
        }
    }

    #[test]
    fn every_way_is_the_definition() {
        agrees::<Fp>();
        agrees::<Fq>();
    }

    /// The limbs of lanes that this machine may not have, on their portable words.
    fn portable_lanes<F: PastaField>() {
        use crate::lanes::{
            radix29::Radix29,
            radix52::Radix52,
            word::{PortableWide, PortableWord},
        };
        let mut rng = ChaCha20Rng::seed_from_u64(6);
        let mds = [[F::ZERO; 3]; 3].map(|row| row.map(|_: F| F::rand(&mut rng)));
        let constants: Vec<[F; 3]> = (0..20).map(|_| [0; 3].map(|_| F::rand(&mut rng))).collect();
        for seventh_power in [true, false] {
            let rounds = PoseidonRounds {
                mds: &mds,
                initial: constants.last(),
                constants: &constants,
                seventh_power,
            };
            let table = PoseidonTable::new(rounds);
            let states: Vec<[F; 3]> =
                (0..21).map(|_| [0; 3].map(|_| F::rand(&mut rng))).chain([[-F::ONE; 3]]).collect();
            let expected: Vec<[F; 3]> =
                states.iter().map(|state| reference(rounds, *state)).collect();
            assert_eq!(through::<F, Radix29<F, PortableWord>>(&table, &states), expected);
            assert_eq!(through::<F, Radix52<F, PortableWide>>(&table, &states), expected);
        }
    }

    fn through<F: PastaField, L: Lanes<F>>(
        table: &PoseidonTable<F>,
        states: &[[F; 3]],
    ) -> Vec<[F; 3]> {
        let PoseidonTable { entry, rest, constants, exit, .. } = table;
        let (ratios, rest, exit) = (*entry, *rest, *exit);
        let make = MakeLaneTable { backend: LaneBackend::Scalar, ratios, rest, constants, exit };
        let lanes = make.run::<L>();
        let mut states = states.to_vec();
        ManyPermutations { table, lanes: &lanes, states: &mut states }.run::<L>();
        states
    }

    #[test]
    fn lanes_of_other_machines() {
        portable_lanes::<Fp>();
        portable_lanes::<Fq>();
    }
}
