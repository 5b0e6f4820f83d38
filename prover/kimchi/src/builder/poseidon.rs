//! Poseidon, with the same sponge as outside of circuits.

use crate::{
    gate::{COLUMNS, GateKind},
    gates::{ROUNDS_PER_ROW, round_columns},
};

use super::{
    boolean::Boolean,
    cs::CircuitBuilder,
    field::CircuitField,
    linear::{Linear, Var},
};

impl<F: CircuitField, I> CircuitBuilder<F, I> {
    /// The Kimchi permutation, the twin of [`Kimchi`](mina_poseidon::Kimchi): 11 rows of
    /// [`GateKind::Poseidon`] and one that holds the result.
    pub fn poseidon_permutation(&mut self, state: [impl Into<Linear<F>>; 3]) -> [Var<F>; 3] {
        let start = state.map(|x| self.reduce(x));
        let params = F::kimchi_params();
        let states = self.try_witnesses(3 * params.round_constants.len(), move |v| {
            Ok(rounds(start.map(|var| v[var])))
        });
        let states: Vec<[Var<F>; 3]> = std::iter::once(start)
            .chain(states.chunks_exact(3).map(|s| [s[0], s[1], s[2]]))
            .collect();

        for (row, constants) in params.round_constants.chunks(ROUNDS_PER_ROW).enumerate() {
            let mut cells = [None; COLUMNS];
            for round in 0..ROUNDS_PER_ROW {
                let column = round_columns(round);
                let state = states[row * ROUNDS_PER_ROW + round];
                cells[column..column + 3].copy_from_slice(&state.map(Some));
            }
            self.gate(GateKind::Poseidon, cells, constants.as_flattened().to_vec());
        }
        let result = states[states.len() - 1];
        let mut cells = [None; COLUMNS];
        cells[..3].copy_from_slice(&result.map(Some));
        self.gate(GateKind::Zero, cells, vec![]);
        result
    }

    /// The hash of a fixed number of values, the twin of [`hash`](mina_poseidon::hash): a
    /// permutation for every two.
    pub fn poseidon_hash(&mut self, inputs: &[Var<F>]) -> Var<F> {
        let mut sponge = SpongeVar::new();
        for input in inputs {
            sponge.absorb(self, *input);
        }
        sponge.squeeze(self)
    }
}

/// The state after each round.
fn rounds<F: CircuitField>(mut state: [F; 3]) -> Vec<F> {
    let params = F::kimchi_params();
    let mut states = Vec::with_capacity(3 * params.round_constants.len());
    for constants in &params.round_constants {
        let powers = state.map(|x| {
            let square = x.square();
            x * square * square.square()
        });
        for ((new, row), constant) in state.iter_mut().zip(&params.mds).zip(constants) {
            *new = F::sum_of_products(row, &powers) + constant;
        }
        states.extend(state);
    }
    states
}

/// Where the sponge stands between two permutations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Absorbed(usize),
    Squeezed(usize),
}

/// Elements added or read per permutation.
const RATE: usize = 2;

/// The sponge on variables: the twin of [`Sponge`](mina_poseidon::Sponge) with the Kimchi
/// permutation. What it absorbs and squeezes, and in which order, is part of the circuit.
#[derive(Clone, Debug)]
pub struct SpongeVar<F> {
    state: [Linear<F>; 3],
    mode: Mode,
}

impl<F: CircuitField> Default for SpongeVar<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: CircuitField> SpongeVar<F> {
    /// A sponge in the all-zero state.
    pub fn new() -> Self {
        Self::from_state([F::ZERO; 3])
    }

    /// A sponge that starts from a constant state, for example that of a salted prefix.
    pub fn from_state(state: [F; 3]) -> Self {
        Self { state: state.map(Linear::from), mode: Mode::Absorbed(0) }
    }

    /// Absorbs one element.
    pub fn absorb<I>(&mut self, cs: &mut CircuitBuilder<F, I>, x: impl Into<Linear<F>>) {
        let position = match self.mode {
            Mode::Absorbed(RATE) => {
                self.permute(cs);
                0
            }
            Mode::Absorbed(n) => n,
            Mode::Squeezed(_) => 0,
        };
        self.state[position] = self.state[position].clone() + x;
        self.mode = Mode::Absorbed(position + 1);
    }

    /// Absorbs two elements if `bit` is 1, else none; 12 rows, 3 halves, and those of the operands.
    ///
    /// # Panics
    /// If nothing was absorbed since the sponge was new or squeezed: two elements more leave it where
    /// it was only then.
    pub fn absorb_pair_if<I>(
        &mut self,
        cs: &mut CircuitBuilder<F, I>,
        bit: &Boolean<F>,
        pair: [impl Into<Linear<F>>; 2],
    ) {
        let before = self.clone();
        for x in pair {
            self.absorb(cs, x);
        }
        assert_eq!(self.mode, before.mode, "the sponge has absorbed nothing yet");
        for (new, old) in self.state.iter_mut().zip(before.state) {
            *new = bit.select(cs, &*new, old).into();
        }
    }

    /// Squeezes one element.
    pub fn squeeze<I>(&mut self, cs: &mut CircuitBuilder<F, I>) -> Var<F> {
        let position = match self.mode {
            Mode::Squeezed(n) if n < RATE => n,
            _ => {
                self.permute(cs);
                0
            }
        };
        self.mode = Mode::Squeezed(position + 1);
        cs.reduce(&self.state[position])
    }

    fn permute<I>(&mut self, cs: &mut CircuitBuilder<F, I>) {
        self.state = cs.poseidon_permutation(self.state.clone()).map(Linear::from);
    }
}
