//! One permutation, and many at once.
#![allow(missing_docs)]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use mina_curves::Fp;
use mina_poseidon::{Kimchi, Legacy, Permutation, permute_many_kimchi, permute_many_legacy};

fn benches(c: &mut Criterion) {
    let state = [Fp::from(1u64), Fp::from(2u64), Fp::from(3u64)];
    let mut group = c.benchmark_group("poseidon");
    let mut one = state;
    group.bench_function("kimchi/1", |b| b.iter(|| Kimchi::permute(&mut one)));
    group.bench_function("legacy/1", |b| b.iter(|| Legacy::permute(&mut one)));
    for n in [8usize, 64, 1024] {
        let mut many = vec![state; n];
        group.bench_function(BenchmarkId::new("kimchi", n), |b| {
            b.iter(|| permute_many_kimchi(&mut many));
        });
        group.bench_function(BenchmarkId::new("legacy", n), |b| {
            b.iter(|| permute_many_legacy(&mut many));
        });
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
