//! Compiled constraints against the same constraints on numbers.

use ark_ff::{AdditiveGroup, Field};
use mina_curves::{
    Fp, Fq, LaneBackend,
    cosets::{Column, Cosets},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use super::*;
use crate::{
    env::{ConstantField, Env},
    gate::{COLUMNS, GateKind, MANDATORY_GATES, OPTIONAL_GATES, Revision},
    gates::{self, MAX_CONSTRAINTS},
    linearization::powers,
};

/// Cells of two rows that follow each other: the first fifteen columns are the witness.
struct Numbers<'a, F> {
    columns: &'a [[F; 2]],
    row: usize,
}

impl<F: ConstantField> Env for Numbers<'_, F> {
    type F = F;
    type V = F;

    fn witness(&self, column: usize) -> F {
        self.columns[column][self.row]
    }

    fn witness_next(&self, column: usize) -> F {
        self.columns[column][1 - self.row]
    }

    fn coefficient(&self, column: usize) -> F {
        self.columns[COLUMNS + column][self.row]
    }

    fn endo(&self) -> F {
        F::from(12345u64)
    }

    fn revision(&self) -> Revision {
        Revision::Distinct
    }
}

/// The same cells, in an arena.
struct Cells<'a, F>(&'a Arena<F>);

impl<'a, F: ConstantField> Env for Cells<'a, F> {
    type F = F;
    type V = Expression<'a, F>;

    fn witness(&self, column: usize) -> Self::V {
        self.0.cell(column as u32, false)
    }

    fn witness_next(&self, column: usize) -> Self::V {
        self.0.cell(column as u32, true)
    }

    fn coefficient(&self, column: usize) -> Self::V {
        self.0.cell((COLUMNS + column) as u32, false)
    }

    fn endo(&self) -> F {
        F::from(12345u64)
    }

    fn revision(&self) -> Revision {
        Revision::Distinct
    }
}

/// What `result` is on both rows.
fn run<F: PoseidonField>(
    backend: LaneBackend,
    arena: &Arena<F>,
    result: Expression<'_, F>,
    columns: &[[F; 2]],
) -> Vec<F> {
    let cosets = Cosets::with_backend(backend, 1, &[]).expect("fields have a domain of two");
    let columns: Vec<Column> = columns.iter().map(|column| cosets.column(column)).collect();
    let columns: Vec<&Column> = columns.iter().collect();
    let values = cosets.run(&arena.compile(result), &columns);
    cosets.combine(&[vec![F::ONE]], &[values])
}

fn gates_agree<F: ConstantField>(backend: LaneBackend) {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let columns: Vec<[F; 2]> =
        (0..2 * COLUMNS).map(|_| [(); 2].map(|()| F::rand(&mut rng))).collect();
    let alphas = powers(F::rand(&mut rng), MAX_CONSTRAINTS);
    for gate in MANDATORY_GATES.into_iter().chain(OPTIONAL_GATES).chain([GateKind::Zero]) {
        let arena = Arena::default();
        let mut constraints = Vec::new();
        gates::constraints(gate, &Cells(&arena), &mut |constraint| constraints.push(constraint));
        assert_eq!(constraints.len(), gate.constraint_count());
        let got = run(backend, &arena, arena.combine(&constraints, &alphas), &columns);
        for (row, got) in got.into_iter().enumerate() {
            let (mut expected, mut alphas) = (F::ZERO, alphas.iter());
            let env = Numbers { columns: &columns, row };
            gates::constraints(gate, &env, &mut |constraint| {
                expected += constraint * alphas.next().expect("as many as constraints");
            });
            assert_eq!(got, expected, "{gate:?} on row {row}");
        }
    }
}

#[test]
fn compiled_gates_agree_with_gates_on_numbers() {
    for backend in [LaneBackend::Scalar, LaneBackend::detect()] {
        gates_agree::<Fp>(backend);
        gates_agree::<Fq>(backend);
    }
}

#[test]
fn forms_with_every_kind_of_factor() {
    let columns = [[Fp::from(7u64), -Fp::ONE], [Fp::from(11u64), Fp::ZERO]];
    let arena = Arena::default();
    let (x, y) = (arena.cell(0, false), arena.cell(1, true));
    let large = Fp::from(1u64 << 40);
    type Expected = fn(Fp, Fp, Fp) -> Fp;
    let cases: [(Expression<'_, Fp>, Expected); 9] = [
        (x - x, |_, _, _| Fp::ZERO),
        (-x, |x, _, _| -x),
        (x.double().double() - y, |x, y, _| x.double().double() - y),
        (x.scale(large) * y.scale(large), |x, y, l| x * l * y * l),
        ((x.scale(large) + y).add_constant(large), |x, y, l| x * l + y + l),
        ((x + y).square() * x.scale(-large), |x, y, l| (x + y).square() * x * -l),
        (arena.constant(large) * x - y.double(), |x, y, l| l * x - y.double()),
        (arena.constant(large), |_, _, l| l),
        (-(x * y) - x.add_constant(-large), |x, y, l| -(x * y) - x + l),
    ];
    for (i, (expression, expected)) in cases.into_iter().enumerate() {
        let got = run(LaneBackend::detect(), &arena, expression, &columns);
        for row in 0..2 {
            let expected = expected(columns[0][row], columns[1][1 - row], large);
            assert_eq!(got[row], expected, "case {i}, row {row}");
        }
    }
}
