//! Every implementation against arkworks.

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use super::{transform::reversed, *};
use crate::{Fp, Fq, fft::Domain};

fn random<F: PastaField>(count: usize, seed: u64) -> Vec<F> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    (0..count).map(|_| F::rand(&mut rng)).collect()
}

/// What a column holds, as it stands.
fn read<F: PastaField>(cosets: &Cosets<F>, column: Column) -> Vec<F> {
    cosets.combine(&[vec![F::ONE]], &[column])
}

/// From the order on cosets to that of the powers of the root.
fn in_order<F: PastaField>(values: &[F]) -> Vec<F> {
    let bits = values.len().trailing_zeros();
    (0..values.len()).map(|i| values[reversed(i, bits) as usize]).collect()
}

fn transforms<F: PastaField>(backend: LaneBackend) {
    for log_size in (0..=10).chain([13]) {
        let size = 1usize << log_size;
        let shifts = random::<F>(2, 1);
        let cosets = Cosets::with_backend(backend, log_size, &shifts).unwrap();
        let mut coefficients = random::<F>(size, 2);
        coefficients[0] = -F::ONE;
        let column = cosets.column(&coefficients);
        assert_eq!(read(&cosets, column.clone()), coefficients, "2^{log_size}");
        for (k, shift) in shifts.iter().enumerate() {
            let mut expected = coefficients.clone();
            Domain::cached(log_size).unwrap().coset_fft(&mut expected, *shift).unwrap();
            let values = cosets.evaluate(k, &column);
            assert_eq!(in_order(&read(&cosets, values.clone())), expected, "2^{log_size}");
            let scaled: Vec<F> = coefficients.iter().map(|c| *c * F::from(size as u64)).collect();
            assert_eq!(read(&cosets, cosets.interpolate(k, &values)), scaled, "2^{log_size}");
            let root = F::get_root_of_unity(size as u64).unwrap();
            let points: Vec<F> = (0..size as u64).map(|i| *shift * root.pow([i])).collect();
            assert_eq!(in_order(&read(&cosets, cosets.points(k))), points);
        }
    }
}

fn programs<F: PastaField>(backend: LaneBackend) {
    let three = F::from(3u64);
    let seven = -F::from(7u64);
    // ((x·y' − x)² + 3·x + 3·y − 7·y' − 7) from two columns.
    let program = Program::new(
        vec![three, seven],
        vec![
            Step::Cell { column: 0, next: false },
            Step::Cell { column: 1, next: true },
            Step::Mul(2, 3),
            Step::Sub(4, 2),
            Step::Mul(5, 5),
            Step::Cell { column: 1, next: false },
            Step::Dot { weights: [0, 0, 1], xs: [2, 7, 3], plus: 6 },
            Step::Add(8, 1),
        ],
    );
    for log_size in [0, 1, 2, 3, 4, 7, 11] {
        let size = 1usize << log_size;
        let cosets = Cosets::<F>::with_backend(backend, log_size, &[F::GENERATOR]).unwrap();
        let columns = [random::<F>(size, 3), random::<F>(size, 4)];
        let [a, b] = columns.each_ref().map(|column| cosets.column(column));
        let result = in_order(&read(&cosets, cosets.run(&program, &[&a, &b])));
        let (x, y) = (in_order(&columns[0]), in_order(&columns[1]));
        for row in 0..size {
            let next = y[(row + 1) % size];
            let expected = (x[row] * next - x[row]).square()
                + three * (x[row] + y[row])
                + seven * (next + F::ONE);
            assert_eq!(result[row], expected, "row {row} of 2^{log_size}");
        }
    }
}

fn combinations<F: PastaField>(backend: LaneBackend) {
    for log_size in [1, 3, 10] {
        let cosets = Cosets::<F>::with_backend(backend, log_size, &[]).unwrap();
        let size = cosets.size();
        for count in 1..=7 {
            let columns: Vec<Vec<F>> = (0..count).map(|k| random(size, 10 + k)).collect();
            let weights: Vec<Vec<F>> = (0..3).map(|j| random(count as usize, 50 + j)).collect();
            let own: Vec<Column> = columns.iter().map(|column| cosets.column(column)).collect();
            let sums = cosets.combine(&weights, &own);
            assert_eq!(sums.len(), 3 * size);
            for (i, sum) in sums.iter().enumerate() {
                let terms = weights[i / size].iter().zip(&columns);
                assert_eq!(*sum, terms.map(|(w, column)| *w * column[i % size]).sum::<F>());
            }
        }
    }
}

#[test]
fn every_implementation_agrees_with_arkworks() {
    // A backend that this machine lacks runs as the portable one.
    for backend in [LaneBackend::Scalar, LaneBackend::Avx2, LaneBackend::Avx512Ifma] {
        transforms::<Fp>(backend);
        transforms::<Fq>(backend);
        programs::<Fp>(backend);
        programs::<Fq>(backend);
        combinations::<Fp>(backend);
        combinations::<Fq>(backend);
    }
}

#[test]
fn unsupported_sizes_and_shifts_are_refused() {
    assert!(Cosets::<Fp>::new(33, &[Fp::from(2u64)]).is_none());
    assert!(Cosets::<Fp>::new(3, &[Fp::from(0u64)]).is_none());
}

#[test]
#[should_panic(expected = "too early")]
fn a_program_reads_only_what_is_there() {
    Program::<Fp>::new(Vec::new(), vec![Step::Add(0, 0)]);
}
