//! Permutations of many states at once, in the lanes of `mina-curves`.

use mina_curves::{LaneBackend, PoseidonRounds, poseidon_many};

use crate::permutation::{Kimchi, Legacy, Permutation, PoseidonField};

/// Fewer states than this are permuted one by one: a vector of lanes costs as much as about three
/// permutations.
const WORTH_IT: usize = 4;

/// [`Kimchi::permute`](Permutation::permute) of every state.
pub fn permute_many_kimchi<F: PoseidonField>(states: &mut [[F; 3]]) {
    kimchi(LaneBackend::detect(), states);
}

/// [`Legacy::permute`](Permutation::permute) of every state.
pub fn permute_many_legacy<F: PoseidonField>(states: &mut [[F; 3]]) {
    legacy(LaneBackend::detect(), states);
}

fn kimchi<F: PoseidonField>(backend: LaneBackend, states: &mut [[F; 3]]) {
    if backend == LaneBackend::Scalar || states.len() < WORTH_IT {
        states.iter_mut().for_each(Kimchi::permute);
        return;
    }
    let params = F::kimchi_params();
    let constants = &params.round_constants;
    let rounds = PoseidonRounds { mds: &params.mds, initial: None, constants, seventh_power: true };
    poseidon_many(backend, rounds, states);
}

fn legacy<F: PoseidonField>(backend: LaneBackend, states: &mut [[F; 3]]) {
    if backend == LaneBackend::Scalar || states.len() < WORTH_IT {
        states.iter_mut().for_each(Legacy::permute);
        return;
    }
    let params = F::legacy_params();
    let [initial, constants @ ..] = &params.round_constants;
    let rounds = PoseidonRounds {
        mds: &params.mds,
        initial: Some(initial),
        constants,
        seventh_power: false,
    };
    poseidon_many(backend, rounds, states);
}

#[cfg(test)]
mod tests {
    use mina_curves::{Fp, Fq};

    use super::*;

    fn states<F: PoseidonField>(n: usize) -> Vec<[F; 3]> {
        let mut edges: Vec<F> = vec![F::ZERO, F::ONE, -F::ONE, -F::from(2u64)];
        let two = F::from(2u64);
        edges.extend((0..254u64).map(|k| two.pow([k]) - F::from(k % 2)));
        let mut random = F::from(7u64);
        (0..n)
            .map(|i| {
                core::array::from_fn(|j| {
                    random = random.square() + F::from(3u64);
                    if i % 3 == 0 { random } else { edges[(i * 5 + j * 17) % edges.len()] }
                })
            })
            .collect()
    }

    fn agrees<F: PoseidonField>() {
        for backend in [LaneBackend::Scalar, LaneBackend::Avx2, LaneBackend::Avx512Ifma] {
            for n in [0, 1, 3, 4, 7, 8, 9, 16, 300] {
                let (mut a, mut b) = (states::<F>(n), states::<F>(n));
                let (mut c, mut d) = (a.clone(), b.clone());
                kimchi(backend, &mut a);
                b.iter_mut().for_each(Kimchi::permute);
                assert_eq!(a, b, "{backend:?} {n}");
                legacy(backend, &mut c);
                d.iter_mut().for_each(Legacy::permute);
                assert_eq!(c, d, "{backend:?} {n}");
            }
        }
    }

    #[test]
    fn many_are_each() {
        agrees::<Fp>();
        agrees::<Fq>();
    }

    #[test]
    fn lanes_even_where_they_are_not_chosen() {
        let params = Fp::kimchi_params();
        let constants = &params.round_constants;
        let rounds =
            PoseidonRounds { mds: &params.mds, initial: None, constants, seventh_power: true };
        let (mut a, mut b) = (states::<Fp>(9), states::<Fp>(9));
        poseidon_many(LaneBackend::Scalar, rounds, &mut a);
        b.iter_mut().for_each(Kimchi::permute);
        assert_eq!(a, b);
    }
}
