//! Hashing of many inputs side by side: the one place through which permutations in bulk pass.

use alloc::{vec, vec::Vec};

use ark_ff::AdditiveGroup;
use mina_curves::Fp;
use mina_poseidon::{Kimchi, Permutation, permute_many_kimchi, permute_many_legacy};

use super::SaltedState;

/// Below so many permutations, threads cost more than they save.
#[cfg(feature = "parallel")]
const PARALLEL_MIN: usize = 64;

/// Permutes every state, on all cores if there are many.
pub fn permute_many(states: &mut [[Fp; 3]]) {
    on_all_cores(permute_many_kimchi, states);
}

/// A permutation of many states.
type Permute = fn(&mut [[Fp; 3]]);

fn on_all_cores(permute: Permute, states: &mut [[Fp; 3]]) {
    #[cfg(feature = "parallel")]
    if states.len() >= PARALLEL_MIN {
        use rayon::prelude::*;
        let chunk = states.len().div_ceil(4 * rayon::current_num_threads()).next_multiple_of(8);
        states.par_chunks_mut(chunk).for_each(permute);
        return;
    }
    permute(states);
}

/// Hashes one input.
pub fn hash_one(salt: &SaltedState, input: &[Fp]) -> Fp {
    let mut state = *salt;
    absorb_all(&mut state, input);
    let [digest, _, _] = state;
    digest
}

fn absorb_all(state: &mut [Fp; 3], input: &[Fp]) {
    if input.is_empty() {
        Kimchi::permute(state);
    }
    for block in input.chunks(2) {
        absorb_block(state, block);
        Kimchi::permute(state);
    }
}

fn absorb_block(state: &mut [Fp; 3], block: &[Fp]) {
    for (element, x) in state.iter_mut().zip(block) {
        *element += x;
    }
}

/// Hashes every pair.
pub fn hash_pairs(salt: &SaltedState, pairs: &[[Fp; 2]]) -> Vec<Fp> {
    let [a, b, c] = *salt;
    let mut states: Vec<[Fp; 3]> =
        pairs.iter().map(|[left, right]| [a + left, b + right, c]).collect();
    permute_many(&mut states);
    states.into_iter().map(|[digest, _, _]| digest).collect()
}

/// Hashes every input from its salted state; the inputs may differ in length.
pub fn hash_many<I: AsRef<[Fp]>>(inputs: &[(SaltedState, I)]) -> Vec<Fp> {
    hash_many_by(permute_many_kimchi, inputs)
}

/// The same with the legacy permutation.
pub(crate) fn hash_many_legacy<I: AsRef<[Fp]>>(inputs: &[(SaltedState, I)]) -> Vec<Fp> {
    hash_many_by(permute_many_legacy, inputs)
}

fn hash_many_by<I: AsRef<[Fp]>>(permute: Permute, inputs: &[(SaltedState, I)]) -> Vec<Fp> {
    let mut digests = vec![Fp::ZERO; inputs.len()];
    // Longest first, so that those still to be permuted are always a prefix.
    let mut order: Vec<usize> = (0..inputs.len()).collect();
    let blocks = |index: &usize| {
        inputs.get(*index).map_or(0, |(_, input)| input.as_ref().len().div_ceil(2).max(1))
    };
    order.sort_by_key(|index| core::cmp::Reverse(blocks(index)));
    let mut states: Vec<[Fp; 3]> =
        order.iter().filter_map(|index| inputs.get(*index)).map(|(salt, _)| *salt).collect();
    let mut active = order.len();
    for block in 0.. {
        while active > 0 && order.get(active - 1).is_some_and(|index| blocks(index) <= block) {
            active -= 1;
        }
        if active == 0 {
            break;
        }
        let current = states.get_mut(..active).unwrap_or_default();
        for (state, index) in current.iter_mut().zip(&order) {
            let input = inputs.get(*index).map_or(&[][..], |(_, input)| input.as_ref());
            let rest = input.get(2 * block..).unwrap_or_default();
            absorb_block(state, rest.get(..2).unwrap_or(rest));
        }
        on_all_cores(permute, current);
    }
    for ([digest, _, _], index) in states.into_iter().zip(order) {
        if let Some(slot) = digests.get_mut(index) {
            *slot = digest;
        }
    }
    digests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_equals_one_by_one() {
        let salt = |n: u64| [Fp::from(n), Fp::from(n + 1), Fp::from(n + 2)];
        let inputs: Vec<(SaltedState, Vec<Fp>)> = (0..200u64)
            .map(|n| (salt(n), (0..(n * 7) % 13).map(|i| Fp::from(n * i + 3)).collect()))
            .collect();
        let many = hash_many(&inputs);
        for ((salt, input), digest) in inputs.iter().zip(&many) {
            let mut sponge = mina_poseidon::Sponge::<Fp>::from_state(*salt);
            sponge.absorb_all(input);
            assert_eq!(sponge.squeeze(), *digest);
            assert_eq!(hash_one(salt, input), *digest);
        }
        for ((salt, input), digest) in inputs.iter().zip(hash_many_legacy(&inputs)) {
            let mut sponge = mina_poseidon::Sponge::<Fp, mina_poseidon::Legacy>::from_state(*salt);
            sponge.absorb_all(input);
            assert_eq!(sponge.squeeze(), digest);
        }
        assert!(hash_many::<Vec<Fp>>(&[]).is_empty());
    }

    #[test]
    fn pairs_equal_one_by_one() {
        let salt = [Fp::from(5u64); 3];
        let pairs: Vec<[Fp; 2]> = (0..150u64).map(|n| [Fp::from(n), Fp::from(n * n)]).collect();
        let expected: Vec<Fp> = pairs.iter().map(|pair| hash_one(&salt, pair)).collect();
        assert_eq!(hash_pairs(&salt, &pairs), expected);
    }
}
