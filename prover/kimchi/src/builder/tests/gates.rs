//! Every provable gate: a valid row, and for each of its constraints a row that violates that one
//! and no other. The rows are computed here from the gates' equations, not by the builder.

use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::UniformRand;
use mina_curves::{Fp, Fq, Point};

use super::rng;
use crate::{
    builder::{CheckError, CircuitField, violations},
    gate::{COLUMNS, Circuit, Gate, GateKind, Witness},
    gates::round_columns,
};

type Row<F> = [F; COLUMNS];

/// The number of the one constraint that a gate's two rows violate, if they violate any.
fn violated<F: CircuitField>(
    kind: GateKind,
    coefficients: &[F],
    rows: [Row<F>; 2],
) -> Option<usize> {
    let gates =
        vec![Gate::new(kind, 0, coefficients.to_vec()), Gate::new(GateKind::Zero, 1, vec![])];
    let witness: Witness<F> = core::array::from_fn(|i| rows.iter().map(|row| row[i]).collect());
    let mut found = violations(&Circuit { gates, public: 0, previous: 0 }.into(), &witness);
    assert!(found.len() <= 1, "{found:#?}");
    match found.pop()? {
        CheckError::Constraint { row: 0, kind: got, constraint, value, cells, .. } => {
            assert_eq!(got, kind);
            assert!(value != F::ZERO && !cells.is_empty());
            Some(constraint)
        }
        other => panic!("{other}"),
    }
}

/// `rows(None)` must be valid, and `rows(Some(i))` violate constraint `i` alone, for each of the
/// gate's constraints.
fn each_constraint<F: CircuitField>(
    kind: GateKind,
    coefficients: &[F],
    rows: impl Fn(Option<usize>) -> [Row<F>; 2],
) {
    assert_eq!(violated(kind, coefficients, rows(None)), None, "valid {kind:?}");
    for constraint in 0..kind.constraint_count() {
        let got = violated(kind, coefficients, rows(Some(constraint)));
        assert_eq!(got, Some(constraint), "{kind:?}");
    }
}

fn point<F: CircuitField>(seed: u64) -> (F, F) {
    let scalar = <F::Curve as ark_ec::CurveConfig>::ScalarField::rand(&mut rng(seed));
    (Point::<F::Curve>::generator() * scalar).into_affine().xy().unwrap()
}

/// One where the fault is this constraint, else zero.
fn off<F: CircuitField>(fault: Option<usize>, constraint: usize) -> F {
    F::from(fault == Some(constraint))
}

fn generic<F: CircuitField>() {
    let mut rng = rng(31);
    let coefficients: [F; 10] = core::array::from_fn(|_| F::rand(&mut rng));
    let inputs: [F; 4] = core::array::from_fn(|_| F::rand(&mut rng));
    each_constraint(GateKind::Generic, &coefficients, |fault| {
        let mut row = [F::ZERO; COLUMNS];
        for half in 0..2 {
            let (l, r) = (inputs[2 * half], inputs[2 * half + 1]);
            let [cl, cr, co, cm, cc] = core::array::from_fn(|i| coefficients[5 * half + i]);
            let o = -(cl * l + cr * r + cm * l * r + cc) / co + off::<F>(fault, half);
            row[3 * half..3 * half + 3].copy_from_slice(&[l, r, o]);
        }
        [row, [F::ZERO; COLUMNS]]
    });
}

fn poseidon<F: CircuitField>() {
    let mut rng = rng(32);
    let params = F::kimchi_params();
    let constants: Vec<F> = params.round_constants[5..10].concat();
    let start: [F; 3] = core::array::from_fn(|_| F::rand(&mut rng));
    each_constraint(GateKind::Poseidon, &constants, |fault| {
        let mut rows = [[F::ZERO; COLUMNS]; 2];
        let mut state = start;
        rows[0][..3].copy_from_slice(&state);
        for round in 0..5 {
            let powers = state.map(|x| x * x.square() * x.square().square());
            for i in 0..3 {
                state[i] = F::sum_of_products(&params.mds[i], &powers)
                    + constants[3 * round + i]
                    + off::<F>(fault, 3 * round + i);
            }
            let (row, column) = if round == 4 { (1, 0) } else { (0, round_columns(round + 1)) };
            rows[row][column..column + 3].copy_from_slice(&state);
        }
        rows
    });
}

/// What `CompleteAdd` is to add.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Case {
    Different,
    Equal,
    Opposite,
}

fn complete_add_row<F: CircuitField>(case: Case, fault: Option<usize>) -> Row<F> {
    let (x1, y1) = point::<F>(33);
    let (x2, y2) = match case {
        Case::Different => point::<F>(34),
        Case::Equal => (x1, y1),
        Case::Opposite => (x1, -y1),
    };
    let (x21, y21) = (x2 - x1, y2 - y1);
    let inverse = |x: F| x.inverse().unwrap_or(F::ZERO);
    let one = F::ONE;
    // Constraint 1 alone is violated if same_x is claimed of different abscissas and all else
    // follows from it.
    let same_x = F::from(case != Case::Different || fault == Some(1));
    let x21_inv = (one - same_x) * inverse(x21) + off::<F>(fault, 0);
    let tangent = x1.square() * F::from(3u64) * inverse(y1.double());
    let slope = same_x * tangent + (one - same_x) * y21 * inverse(x21) + off::<F>(fault, 2);
    let x3 = slope.square() - x1 - x2 + off::<F>(fault, 3);
    let y3 = slope * (x1 - x3) - y1 + off::<F>(fault, 4);
    let infinite = F::from(same_x == one && y21 != F::ZERO) + off::<F>(fault, 5);
    let inf_z = infinite * inverse(y21) + off::<F>(fault, 6);
    let mut row = [F::ZERO; COLUMNS];
    row[..11].copy_from_slice(&[x1, y1, x2, y2, x3, y3, infinite, same_x, slope, inf_z, x21_inv]);
    row
}

fn complete_add<F: CircuitField>() {
    each_constraint(GateKind::CompleteAdd, &[], |fault| {
        [complete_add_row::<F>(Case::Different, fault), [F::ZERO; COLUMNS]]
    });
    for case in [Case::Equal, Case::Opposite] {
        let valid = complete_add_row::<F>(case, None);
        let rows = [valid, [F::ZERO; COLUMNS]];
        assert_eq!(violated(GateKind::CompleteAdd, &[], rows), None, "{case:?}");
        assert_eq!(valid[6] == F::ONE, case == Case::Opposite);
    }
    // Denying that equal abscissas are equal would leave the slope free.
    let mut row = complete_add_row::<F>(Case::Equal, None);
    row[7] = F::ZERO;
    row[8] += F::ONE;
    row[4] = row[8].square() - row[0] - row[2];
    row[5] = row[8] * (row[0] - row[4]) - row[1];
    assert_eq!(violated(GateKind::CompleteAdd, &[], [row, [F::ZERO; COLUMNS]]), Some(0));
    // A sum of opposite points may not pass for a finite one.
    let mut row = complete_add_row::<F>(Case::Opposite, None);
    row[6] = F::ZERO;
    row[9] = F::ZERO;
    assert_eq!(violated(GateKind::CompleteAdd, &[], [row, [F::ZERO; COLUMNS]]), Some(5));
}

fn var_base_mul<F: CircuitField>() {
    let (xt, yt) = point::<F>(35);
    let start = point::<F>(36);
    let n = F::from(77u64);
    each_constraint(GateKind::VarBaseMul, &[], |fault| {
        let mut points = vec![start];
        let (mut bits, mut slopes) = (vec![], vec![]);
        for (step, bit) in [1u64, 0, 0, 1, 1].into_iter().enumerate() {
            let fault = |which: usize| fault == Some(1 + 4 * step + which);
            let (x, y) = points[step];
            let bit = F::from(if fault(0) { 2 } else { bit });
            let slope = (y - (bit.double() - F::ONE) * yt) / (x - xt) + F::from(fault(1));
            let t = x.double() + xt - slope.square();
            let u = y.double() - t * slope;
            let x_out = (u / t).square() + xt - slope.square() + F::from(fault(2));
            let y_out = (x - x_out) * u / t - y + F::from(fault(3));
            points.push((x_out, y_out));
            bits.push(bit);
            slopes.push(slope);
        }
        let n_next = bits.iter().fold(n, |n, bit| n.double() + bit) + off::<F>(fault, 0);
        let mut rows = [[F::ZERO; COLUMNS]; 2];
        rows[0][..6].copy_from_slice(&[xt, yt, start.0, start.1, n, n_next]);
        for i in 1..5 {
            rows[0][5 + 2 * i..7 + 2 * i].copy_from_slice(&[points[i].0, points[i].1]);
        }
        rows[1][..2].copy_from_slice(&[points[5].0, points[5].1]);
        rows[1][2..7].copy_from_slice(&bits);
        rows[1][7..12].copy_from_slice(&slopes);
        rows
    });
}

/// `2P + Q`, with the slope through `P` and `Q`, each off by one where the fault says so.
fn endo_step<F: CircuitField>(
    (x, y): (F, F),
    (xq, yq): (F, F),
    fault: impl Fn(usize) -> bool,
) -> (F, (F, F)) {
    let slope = (yq - y) / (xq - x) + F::from(fault(0));
    let second = y.double() / (x.double() - slope.square() + xq) - slope + F::from(fault(1));
    let x_out = second.square() - slope.square() + xq + F::from(fault(2));
    (slope, (x_out, second * (x - x_out) - y))
}

fn endo_mul<F: CircuitField>() {
    let (xt, yt) = point::<F>(37);
    let p = point::<F>(38);
    let n = F::from(99u64);
    let select = |bits: &[F]| {
        let x = (F::ONE + bits[0] * (F::endo_base() - F::ONE)) * xt;
        (x, (bits[1].double() - F::ONE) * yt)
    };
    for honest in 0..16u64 {
        each_constraint(GateKind::EndoMul, &[], |fault| {
            let bits: [F; 4] = core::array::from_fn(|i| {
                F::from(if fault == Some(i) { 2 } else { (honest >> i) & 1 })
            });
            let (s1, r) = endo_step(p, select(&bits[..2]), |i| fault == Some(4 + i));
            let (s3, s) = endo_step(r, select(&bits[2..]), |i| fault == Some(7 + i));
            let n_next = bits.iter().fold(n, |n, bit| n.double() + bit) + off::<F>(fault, 10);
            let inv = F::ONE / ((p.0 - r.0) * (r.0 - s.0)) + off::<F>(fault, 11);
            let mut rows = [[F::ZERO; COLUMNS]; 2];
            rows[0][..3].copy_from_slice(&[xt, yt, inv]);
            rows[0][4..11].copy_from_slice(&[p.0, p.1, n, r.0, r.1, s1, s3]);
            rows[0][11..].copy_from_slice(&bits);
            rows[1][4..7].copy_from_slice(&[s.0, s.1, n_next]);
            rows
        });
    }
}

/// Claiming `R = −P` for the first step of `EndoMul`: only the constraint that
/// [`Revision::Distinct`](crate::Revision) has in addition notices.
fn endo_mul_reflection<F: CircuitField>() {
    let (xt, yt) = point::<F>(37);
    let p = point::<F>(38);
    let r = (p.0, -p.1);
    let s1 = (-yt - p.1) / (xt - p.0);
    let (s3, s) = endo_step(r, (xt, -yt), |_| false);
    let mut rows = [[F::ZERO; COLUMNS]; 2];
    rows[0][..2].copy_from_slice(&[xt, yt]);
    rows[0][4..11].copy_from_slice(&[p.0, p.1, F::ZERO, r.0, r.1, s1, s3]);
    rows[1][4..6].copy_from_slice(&[s.0, s.1]);
    assert_eq!(violated(GateKind::EndoMul, &[], rows), Some(11));
}

fn endo_mul_scalar<F: CircuitField>() {
    let mut rng = rng(39);
    let [n0, a0, b0] = core::array::from_fn(|_| F::rand(&mut rng));
    let (sixth, three) = (F::from(6u64).inverse().unwrap(), F::from(3u64));
    // The polynomials through (0, 0), (1, 0), (2, -1), (3, 1) and (0, -1), (1, 1), (2, 0), (3, 0).
    let c = |x: F| x * (F::from(11u64) - F::from(15u64) * x + F::from(4u64) * x.square()) * sixth;
    let d = |x: F| c(x) - x.square() + three * x - F::ONE;
    let minus_one = -F::ONE;
    assert_eq!([0u64, 1, 2, 3].map(|x| c(F::from(x))), [F::ZERO, F::ZERO, minus_one, F::ONE]);
    assert_eq!([0u64, 1, 2, 3].map(|x| d(F::from(x))), [minus_one, F::ONE, F::ZERO, F::ZERO]);
    each_constraint(GateKind::EndoMulScalar, &[], |fault| {
        let crumbs: [F; 8] =
            core::array::from_fn(|i| F::from(if fault == Some(3 + i) { 4 } else { i as u64 % 4 }));
        let n8 = crumbs.iter().fold(n0, |n, x| n.double().double() + x) + off::<F>(fault, 0);
        let a8 = crumbs.iter().fold(a0, |a, x| a.double() + c(*x)) + off::<F>(fault, 1);
        let b8 = crumbs.iter().fold(b0, |b, x| b.double() + d(*x)) + off::<F>(fault, 2);
        let mut row = [F::ZERO; COLUMNS];
        row[..6].copy_from_slice(&[n0, n8, a0, b0, a8, b8]);
        row[6..14].copy_from_slice(&crumbs);
        [row, [F::ZERO; COLUMNS]]
    });
}

#[test]
fn every_constraint_of_every_gate_over_fp() {
    generic::<Fp>();
    poseidon::<Fp>();
    complete_add::<Fp>();
    var_base_mul::<Fp>();
    endo_mul::<Fp>();
    endo_mul_reflection::<Fp>();
    endo_mul_scalar::<Fp>();
}

#[test]
fn every_constraint_of_every_gate_over_fq() {
    generic::<Fq>();
    poseidon::<Fq>();
    complete_add::<Fq>();
    var_base_mul::<Fq>();
    endo_mul::<Fq>();
    endo_mul_reflection::<Fq>();
    endo_mul_scalar::<Fq>();
}
