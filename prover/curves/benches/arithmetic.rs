//! Multi-scalar multiplication, Fourier transforms and multiples of many points, beside arkworks.
#![allow(missing_docs, clippy::unwrap_used)]

use ark_ec::VariableBaseMSM;
use ark_ff::{Field, UniformRand};
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use mina_curves::{
    FixedBases, Fp, Fq, LaneBackend, PastaCurve, PastaField, Point, ProjectivePoint,
    ScalarChallenge, VestaConfig, combine_two,
    cosets::{Cosets, Program, Step},
    fft::Domain,
    fold_bases,
    lagrange::lagrange_basis,
    msm, msm_with, mul_each,
};
use rand::{SeedableRng, rngs::StdRng};

type C = VestaConfig;

/// Points without relations between them, as an SRS has.
fn points(n: usize) -> Vec<Point<C>> {
    let mut rng = StdRng::seed_from_u64(1);
    let seeds: Vec<Fq> = (0..n).map(|_| Fq::rand(&mut rng)).collect();
    let coordinates = C::group_map().to_group_many(&seeds);
    coordinates.into_iter().map(|(x, y)| Point::<C>::new_unchecked(x, y)).collect()
}

fn scalars(n: usize) -> Vec<Fp> {
    let mut rng = StdRng::seed_from_u64(2);
    (0..n).map(|_| Fp::rand(&mut rng)).collect()
}

/// Half zeros, a quarter ones, an eighth one value repeated, the rest random: like a column of a
/// witness.
fn witness(n: usize) -> Vec<Fp> {
    let random = scalars(n);
    let pick = |(i, x): (usize, &Fp)| match i % 8 {
        0..4 => Fp::from(0u64),
        4..6 => Fp::from(1u64),
        6 => random[0],
        _ => *x,
    };
    random.iter().enumerate().map(pick).collect()
}

fn benches(c: &mut Criterion) {
    let bases = points(1 << 16);
    let mut group = c.benchmark_group("msm");
    group.sample_size(10);
    for log in [10, 12, 13, 14, 15, 16] {
        let n = 1 << log;
        let bases = &bases[..n];
        let fixed = FixedBases::new(bases);
        let count = FixedBases::<C>::best_multiples(n, usize::MAX);
        let table = fixed.with_multiples(count).unwrap();
        let id = BenchmarkId::new(
            format!("table of {} multiples", table.multiples()),
            format!("2^{log}"),
        );
        group.bench_function(id, |b| b.iter(|| fixed.with_multiples(count)));
        for (name, scalars) in [("random", scalars(n)), ("witness", witness(n))] {
            let id = |who: &str| BenchmarkId::new(format!("{who}/{name}"), format!("2^{log}"));
            group.bench_function(id("arkworks"), |b| {
                b.iter(|| ProjectivePoint::<C>::msm_unchecked(bases, &scalars));
            });
            group.bench_function(id("ours"), |b| b.iter(|| msm::<C>(bases, &scalars)));
            group.bench_function(id("fixed bases"), |b| b.iter(|| fixed.msm(&scalars)));
            group.bench_function(id("with multiples"), |b| b.iter(|| table.msm(&scalars)));
            group.bench_function(id("ours, scalar lanes"), |b| {
                b.iter(|| msm_with::<C>(LaneBackend::Scalar, bases, &scalars));
            });
        }
    }
    group.finish();

    let mut group = c.benchmark_group("fft");
    group.sample_size(10);
    for log in [13, 16, 19] {
        let values = scalars(1 << log);
        let theirs = Radix2EvaluationDomain::<Fp>::new(1 << log).unwrap();
        let ours = Domain::<Fp>::cached(log).unwrap();
        let mut vector = values.clone();
        group.bench_function(BenchmarkId::new("arkworks", format!("2^{log}")), |b| {
            b.iter(|| theirs.fft_in_place(&mut vector));
        });
        group.bench_function(BenchmarkId::new("ours", format!("2^{log}")), |b| {
            b.iter(|| ours.fft(&mut vector).unwrap());
        });
    }
    group.finish();

    cosets(c);

    let mut group = c.benchmark_group("points");
    group.sample_size(10);
    let (low, high) = bases.split_at(1 << 15);
    let challenge = ScalarChallenge([0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210]);
    group.bench_function("fold_bases/2^15", |b| b.iter(|| fold_bases::<C>(low, high, challenge)));
    let factors = scalars(1 << 12);
    group.bench_function("mul_each/2^12", |b| b.iter(|| mul_each::<C>(&bases, &factors)));
    for log in [12, 14] {
        group.bench_function(BenchmarkId::new("lagrange_basis", format!("2^{log}")), |b| {
            b.iter(|| lagrange_basis::<C>(&bases, 1 << log).unwrap());
        });
    }
    group.finish();
}

/// Transforms on a coset, and a program of as many multiplications as a Poseidon row has.
fn cosets(c: &mut Criterion) {
    let mut group = c.benchmark_group("cosets");
    group.sample_size(10);
    let products = (0..60).map(|i| Step::Mul(i, i + 1));
    let cells = [false, true].map(|next| Step::Cell { column: 0, next });
    let program = Program::new(Vec::new(), cells.into_iter().chain(products).collect());
    for log in [13, 16] {
        let values = scalars(1 << log);
        for (name, backend) in
            [("detected", LaneBackend::detect()), ("scalar lanes", LaneBackend::Scalar)]
        {
            let cosets = Cosets::with_backend(backend, log, &values[..1]).unwrap();
            let column = cosets.column(&values);
            let id = |what: &str| BenchmarkId::new(format!("{what}/{name}"), format!("2^{log}"));
            group.bench_function(id("evaluate"), |b| b.iter(|| cosets.evaluate(0, &column)));
            group.bench_function(id("interpolate"), |b| b.iter(|| cosets.interpolate(0, &column)));
            group
                .bench_function(id("60 products"), |b| b.iter(|| cosets.run(&program, &[&column])));
        }
    }
    group.finish();
}

/// A square root, and a sum of two products.
fn parts_of_a_signature(c: &mut Criterion) {
    let mut group = c.benchmark_group("signature");
    let square = Fq::from(12345u64).square();
    group.bench_function("square root/arkworks", |b| b.iter(|| square.sqrt()));
    group.bench_function("square root/ours", |b| b.iter(|| square.square_root()));
    let (points, scalars) = (points(2), scalars(2));
    let (points, scalars) = ([points[0], points[1]], [scalars[0], scalars[1]]);
    group.bench_function("two products/arkworks", |b| {
        b.iter(|| points[0] * scalars[0] + points[1] * scalars[1]);
    });
    group.bench_function("two products/ours", |b| b.iter(|| combine_two::<C>(scalars, points)));
    group.finish();
}

criterion_group!(all, benches, parts_of_a_signature);
criterion_main!(all);
