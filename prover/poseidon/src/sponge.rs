//! The duplex sponge of rate 2.

use core::marker::PhantomData;

use crate::permutation::{Kimchi, Permutation};

/// Where the sponge stands between two permutations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// This many elements of the rate have been added since the last permutation.
    Absorbed(usize),
    /// This many elements of the rate have been read since the last permutation.
    Squeezed(usize),
}

/// Elements added or read per permutation.
const RATE: usize = 2;

/// A Poseidon sponge over the field `F` with the permutation `P`.
///
/// There is no padding: inputs that differ only in trailing zeros up to an even length collide, so
/// hash inputs of a fixed length or with a length of their own.
#[derive(Clone, Debug)]
pub struct Sponge<F, P = Kimchi> {
    state: [F; 3],
    mode: Mode,
    permutation: PhantomData<P>,
}

impl<F: mina_curves::PastaField, P: Permutation<F>> Default for Sponge<F, P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: mina_curves::PastaField, P: Permutation<F>> Sponge<F, P> {
    /// A sponge in the all-zero state.
    pub fn new() -> Self {
        Self::from_state([F::ZERO; 3])
    }

    /// A sponge that starts from `state`, for example that of a salted prefix.
    pub fn from_state(state: [F; 3]) -> Self {
        Self { state, mode: Mode::Absorbed(0), permutation: PhantomData }
    }

    /// The three elements as they stand, pending additions included.
    pub fn state(&self) -> [F; 3] {
        self.state
    }

    /// Absorbs one element.
    pub fn absorb(&mut self, x: F) {
        let position = match self.mode {
            Mode::Absorbed(RATE) => {
                P::permute(&mut self.state);
                0
            }
            Mode::Absorbed(n) => n,
            Mode::Squeezed(_) => 0,
        };
        self.state[position] += x;
        self.mode = Mode::Absorbed(position + 1);
    }

    /// Absorbs all elements in order.
    pub fn absorb_all(&mut self, xs: &[F]) {
        for x in xs {
            self.absorb(*x);
        }
    }

    /// Squeezes one element.
    pub fn squeeze(&mut self) -> F {
        let position = match self.mode {
            Mode::Squeezed(n) if n < RATE => n,
            _ => {
                P::permute(&mut self.state);
                0
            }
        };
        self.mode = Mode::Squeezed(position + 1);
        self.state[position]
    }
}

/// Absorbs `inputs` into a fresh sponge and squeezes once.
pub fn hash<F: mina_curves::PastaField, P: Permutation<F>>(inputs: &[F]) -> F {
    let mut sponge = Sponge::<F, P>::new();
    sponge.absorb_all(inputs);
    sponge.squeeze()
}

#[cfg(test)]
mod tests {
    use ark_ff::PrimeField;
    use mina_curves::Fp;
    use serde::Deserialize;

    use super::*;
    use crate::Legacy;

    #[derive(Deserialize)]
    struct Vectors {
        test_vectors: Vec<Vector>,
    }

    #[derive(Deserialize)]
    struct Vector {
        input: Vec<String>,
        output: String,
    }

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
    }

    fn check<P: Permutation<Fp>>(json: &str) {
        let vectors: Vectors = serde_json::from_str(json).unwrap();
        assert!(vectors.test_vectors.len() >= 5);
        for vector in vectors.test_vectors {
            let element = |hex: &String| Fp::from_le_bytes_mod_order(&bytes(hex));
            let input: Vec<Fp> = vector.input.iter().map(element).collect();
            assert_eq!(hash::<Fp, P>(&input), element(&vector.output));
        }
    }

    /// Vectors of o1-labs/proof-systems, see `tests/vectors/README.md`.
    #[test]
    fn upstream_vectors() {
        check::<Kimchi>(include_str!("../../../tests/vectors/poseidon/kimchi.json"));
        check::<Legacy>(include_str!("../../../tests/vectors/poseidon/legacy.json"));
    }
}
