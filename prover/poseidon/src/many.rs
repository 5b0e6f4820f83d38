//! Permutations of many states at once, in the lanes of `mina-curves`.

use mina_curves::{LaneBackend, PastaField, PoseidonTable};

use crate::permutation::PoseidonField;

/// [`Kimchi::permute`](crate::Permutation::permute) of every state.
pub fn permute_many_kimchi<F: PoseidonField>(states: &mut [[F; 3]]) {
    permute_many(F::kimchi_table(), states);
}

/// [`Legacy::permute`](crate::Permutation::permute) of every state.
pub fn permute_many_legacy<F: PoseidonField>(states: &mut [[F; 3]]) {
    permute_many(F::legacy_table(), states);
}

/// As many states as a vector of lanes takes the time for, when permuted one by one.
const fn worth_a_vector(backend: LaneBackend) -> usize {
    match backend {
        LaneBackend::Scalar => usize::MAX,
        LaneBackend::Avx2 => 7,
        LaneBackend::Avx512Ifma => 4,
    }
}

fn permute_many<F: PastaField>(table: &PoseidonTable<F>, states: &mut [[F; 3]]) {
    let (in_lanes, one_by_one) = in_lanes(LaneBackend::detect(), states);
    if !in_lanes.is_empty() {
        table.permute_many(in_lanes);
    }
    for state in one_by_one {
        table.permute(state);
    }
}

/// The states for which lanes are worth it, and the rest.
fn in_lanes<T>(backend: LaneBackend, states: &mut [T]) -> (&mut [T], &mut [T]) {
    let rest = states.len() % LaneBackend::LANES;
    states.split_at_mut(match backend {
        LaneBackend::Scalar => 0,
        _ if rest < worth_a_vector(backend) => states.len() - rest,
        _ => states.len(),
    })
}

#[cfg(test)]
mod tests {
    use mina_curves::{Fp, Fq};

    use super::*;
    use crate::permutation::{Kimchi, Legacy, Permutation};

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
        for n in [0, 1, 3, 4, 7, 8, 9, 16, 300] {
            let (mut a, mut b) = (states::<F>(n), states::<F>(n));
            let (mut c, mut d) = (a.clone(), b.clone());
            permute_many_kimchi(&mut a);
            b.iter_mut().for_each(Kimchi::permute);
            assert_eq!(a, b, "{n}");
            permute_many_legacy(&mut c);
            d.iter_mut().for_each(Legacy::permute);
            assert_eq!(c, d, "{n}");
            for backend in [LaneBackend::Scalar, LaneBackend::Avx2, LaneBackend::Avx512Ifma] {
                let mut e = states::<F>(n);
                F::kimchi_table().permute_many_with(backend, &mut e);
                assert_eq!(e, b, "{backend:?} {n}");
            }
        }
    }

    #[test]
    fn many_are_each() {
        agrees::<Fp>();
        agrees::<Fq>();
    }
}
