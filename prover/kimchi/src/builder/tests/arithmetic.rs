//! Field arithmetic, booleans, ranges; and the builder itself: wires, packing, regions, errors.

use ark_ff::{AdditiveGroup, Field, UniformRand};
use mina_curves::Fp;

use super::{Lab, rng};
use crate::{
    builder::{
        Boolean, BuildError, CheckError, CircuitBuilder, Linear, Values, Var, WitnessError, check,
    },
    gate::{COLUMNS, GateKind},
};

type Builder = CircuitBuilder<Fp, Vec<Fp>>;

fn f(x: i64) -> Fp {
    Fp::from(x)
}

/// A circuit whose private inputs are a list, and whose public inputs are what `build` returns.
fn lab(
    inputs: usize,
    build: impl FnOnce(&mut Builder, &[Var<Fp>]) -> Vec<Linear<Fp>>,
) -> Lab<Fp, Vec<Fp>> {
    Lab::new(|cs: &mut Builder| {
        let inputs = cs.try_witnesses(inputs, |v| Ok(v.input().clone()));
        let outputs = cs.region("work", |cs| build(cs, &inputs));
        for output in outputs {
            cs.expose(output);
        }
    })
}

impl Lab<Fp, Vec<Fp>> {
    fn outputs(&self, inputs: &[i64]) -> Vec<Fp> {
        let inputs = inputs.iter().map(|x| f(*x)).collect();
        self.accepts(&inputs)[0][..self.circuit.public_inputs()].to_vec()
    }

    /// Each case is inputs and outputs; the first is forged too.
    fn maps(&self, freedom: usize, cases: &[(&[i64], &[i64])]) {
        for (inputs, outputs) in cases {
            let expected: Vec<Fp> = outputs.iter().map(|x| f(*x)).collect();
            assert_eq!(self.outputs(inputs), expected, "{inputs:?}");
        }
        self.forge(&cases[0].0.iter().map(|x| f(*x)).collect(), freedom, &[]);
    }

    fn halves(&self) -> usize {
        let work = |half: usize| {
            (0..self.circuit.rows())
                .filter(|row| self.circuit.gates()[*row].coefficients.len() >= 5 * (half + 1))
                .filter(|row| self.circuit.region(*row, half) == "work")
                .count()
        };
        work(0) + work(1)
    }
}

#[test]
fn linear_combinations() {
    // Nothing, a wire, one half, one half, three halves.
    let shapes: [(&[i64], i64, usize); 5] =
        [(&[1], 0, 0), (&[3], 0, 1), (&[1], 4, 1), (&[2, -5], 7, 1), (&[1, 2, 3, 4], -1, 3)];
    for (factors, constant, halves) in shapes {
        let lab = lab(factors.len(), |cs, x| {
            let terms = x.iter().zip(factors).map(|(x, c)| *x * f(*c));
            let sum = Linear::sum(terms) + f(constant);
            vec![cs.reduce(sum).into()]
        });
        let inputs: Vec<i64> = (0..factors.len() as i64).map(|i| 10 + i * i).collect();
        let output = inputs.iter().zip(factors).map(|(x, c)| x * c).sum::<i64>() + constant;
        assert_eq!(lab.halves(), halves, "{factors:?}");
        if halves == 0 {
            assert_eq!(lab.outputs(&inputs), [f(output)]);
        } else {
            lab.maps(factors.len(), &[(&inputs, &[output])]);
        }
    }
}

#[test]
fn zero_assertions() {
    // Wires for one and two variables, then one half for up to three and one for each more.
    let shapes: [(&[i64], i64, usize); 6] = [
        (&[2], -6, 1), // the constant 3
        (&[4, -4], 0, 0),
        (&[1, -2], 0, 1),
        (&[1, 2, 3], 4, 1),
        (&[1, 2, 3, 4], 0, 2),
        (&[1, 2, 3, 4, 5], 6, 3),
    ];
    for (factors, constant, halves) in shapes {
        let lab = lab(factors.len(), |cs, x| {
            let terms = x.iter().zip(factors).map(|(x, c)| *x * f(*c));
            cs.assert_zero(Linear::sum(terms) + f(constant));
            // Keeps every input in a cell.
            x.iter().map(|x| cs.square(*x).into()).collect()
        });
        assert_eq!(lab.halves(), halves + factors.len(), "{factors:?}");
        let mut inputs: Vec<Fp> = (1..factors.len() as i64).map(|i| f(10 + i * i)).collect();
        let others: Fp = inputs.iter().zip(&factors[1..]).map(|(x, c)| *x * f(*c)).sum();
        inputs.insert(0, -(others + f(constant)) / f(factors[0]));
        lab.forge(&inputs, factors.len() - 1, &[]);
        inputs[0] += f(1);
        lab.rejects(&inputs);
    }
}

#[test]
fn products() {
    let lab = lab(3, |cs, x| {
        let [a, b, c] = [x[0], x[1], x[2]];
        vec![
            cs.mul(a, b).into(),
            // Factors and constants of single variables cost nothing.
            cs.mul(a * f(2) + f(1), b * f(3) - f(4)).into(),
            cs.square(c - f(5)).into(),
            cs.mul(a + b, c).into(),
            cs.mul(a, f(7)).into(),
            cs.mul(f(6), f(7)).into(),
        ]
    });
    let expected = |a: i64, b: i64, c: i64| {
        vec![a * b, (2 * a + 1) * (3 * b - 4), (c - 5) * (c - 5), (a + b) * c, 7 * a, 42]
    };
    let cases = [[3, 5, 11], [0, 0, 0], [-1, 2, 5]];
    let outputs = cases.map(|[a, b, c]| expected(a, b, c));
    let cases: Vec<(&[i64], &[i64])> =
        cases.iter().zip(&outputs).map(|(i, o)| (&i[..], &o[..])).collect();
    lab.maps(3, &cases);
    // 1 + 1 + 1 + 2 + 1, and the constant 42.
    assert_eq!(lab.halves(), 7);
}

#[test]
fn quotients() {
    let lab = lab(2, |cs, x| {
        let quotient = cs.div(x[0], x[1]);
        let inverse = cs.inverse(x[1]);
        vec![quotient.into(), cs.mul(inverse, x[1]).into()]
    });
    lab.maps(2, &[(&[12, 4], &[3, 1]), (&[0, 4], &[0, 1])]);
    assert_eq!(lab.halves(), 2 + 1 + 1);
    for inputs in [[f(1), f(0)], [f(0), f(0)]] {
        lab.rejects(&inputs.to_vec());
    }
}

#[test]
fn non_zero() {
    let lab = lab(1, |cs, x| {
        cs.assert_non_zero(x[0] - f(3));
        vec![]
    });
    lab.maps(1, &[(&[4], &[])]);
    lab.rejects(&vec![f(3)]);
    assert_eq!(lab.halves(), 1);
}

#[test]
fn comparisons() {
    let lab = lab(2, |cs, x| {
        let zero = cs.is_zero(x[0]);
        let equal = cs.is_equal(x[0], x[1]);
        vec![zero.into(), equal.into()]
    });
    lab.maps(2, &[(&[4, 5], &[0, 0])]);
    assert_eq!(lab.outputs(&[0, 5]), [f(1), f(0)]);
    assert_eq!(lab.outputs(&[4, 4]), [f(0), f(1)]);
    assert_eq!(lab.outputs(&[0, 0]), [f(1), f(1)]);
    assert_eq!(lab.halves(), 2 + 1 + 2);
    // The inverse of zero is free: the right cell of the first half. Zero itself is isolated: a
    // change of it changes the answer too.
    let row = lab.circuit.public_inputs();
    lab.forge(&vec![f(0), f(5)], 1, &[(row, 1)]);
}

#[test]
fn boolean_algebra() {
    let lab = lab(2, |cs, x| {
        let [a, b] = [x[0], x[1]].map(|x| Boolean::assert(cs, x));
        let chosen = a.select(cs, f(10), f(20));
        let chosen_vars = b.select(cs, x[0] * f(3), chosen);
        vec![
            a.not().into(),
            a.and(cs, &b).into(),
            a.or(cs, &b).into(),
            a.xor(cs, &b).into(),
            chosen.into(),
            chosen_vars.into(),
            Boolean::constant(true).into(),
        ]
    });
    for a in [0, 1] {
        for b in [0, 1] {
            let chosen = if a == 1 { 10 } else { 20 };
            let vars = if b == 1 { 3 * a } else { chosen };
            let expected = [1 - a, a & b, a | b, a ^ b, chosen, vars, 1];
            lab.maps(0, &[(&[a, b], &expected)]);
        }
    }
    lab.rejects(&vec![f(2), f(0)]);
    lab.rejects(&vec![f(0), f(-1)]);

    let truth = super::Lab::new(|cs: &mut Builder| {
        let bit = Boolean::witness(cs, |v: &Values<'_, Fp, Vec<Fp>>| v.input()[0] == f(1));
        bit.not().assert_true(cs);
    });
    truth.accepts(&vec![f(0)]);
    truth.rejects(&vec![f(1)]);
}

#[test]
fn bits() {
    let lab = lab(1, |cs, x| cs.to_bits(x[0], 6).iter().map(Linear::from).collect());
    lab.maps(0, &[(&[0b10_1101], &[1, 0, 1, 1, 0, 1]), (&[0], &[0; 6]), (&[63], &[1; 6])]);
    lab.rejects(&vec![f(64)]);
    lab.rejects(&vec![f(-1)]);
}

#[test]
fn ranges() {
    for (bits, rows) in [(0, 0), (1, 2), (16, 1), (64, 4), (100, 14), (128, 8), (224, 14)] {
        let lab = lab(1, |cs, x| {
            cs.assert_bits(x[0], bits);
            vec![]
        });
        let gates = lab.circuit.gates().iter();
        assert_eq!(gates.filter(|gate| gate.kind == GateKind::EndoMulScalar).count(), rows);
        let bound = f(2).pow([bits as u64]);
        lab.accepts(&vec![f(0)]);
        lab.accepts(&vec![bound - f(1)]);
        for outside in
            [bound, bound + f(1), f(-1), bound.double(), f(2).pow([200]) + bound, f(1) / f(2)]
        {
            if bits < 200 || outside != f(2).pow([200]) + bound {
                lab.rejects(&vec![outside]);
            }
        }
        if bits == 100 {
            lab.forge(&vec![f(0x1234_5678_9abc)], 0, &[]);
        }
    }
}

/// Random programs: what the circuit computes is what the same operations on numbers give.
#[test]
fn random_programs() {
    let mut rng = rng(61);
    for seed in 0..20u64 {
        let mut native: Vec<Fp> = (0..4).map(|_| Fp::rand(&mut rng)).collect();
        let inputs = native.clone();
        let pick =
            |i: u64, len: usize| ((seed.wrapping_mul(0x9e37_79b9) + i * i * 7) as usize) % len;
        let lab = lab(4, |cs, x| {
            let mut vars: Vec<Linear<Fp>> = x.iter().map(|x| Linear::from(*x)).collect();
            for i in 0..12 {
                let (a, b) = (pick(i, vars.len()), pick(i + 1, vars.len()));
                let (x, y) = (vars[a].clone(), vars[b].clone());
                let (var, value) = match pick(i + 2, 4) {
                    0 => (x + y * f(3) - f(9), native[a] + native[b] * f(3) - f(9)),
                    1 => (cs.mul(x, y).into(), native[a] * native[b]),
                    2 => (cs.square(x - y).into(), (native[a] - native[b]).square()),
                    _ => (cs.reduce(-x + f(2)).into(), f(2) - native[a]),
                };
                vars.push(var);
                native.push(value);
            }
            vars
        });
        let witness = lab.accepts(&inputs);
        assert_eq!(witness[0][..native.len()], native, "seed {seed}");
        assert_eq!(lab.kernel_dimension(&inputs), 4, "seed {seed}");
    }
}

#[test]
fn constants_are_one_half_each() {
    let lab = lab(0, |cs, _| {
        let [a, b, c] = [5, 6, 5].map(|x| cs.constant(f(x)));
        assert_eq!(a, c);
        assert!(a != b);
        vec![a.into(), b.into()]
    });
    lab.maps(0, &[(&[], &[5, 6])]);
    assert_eq!(lab.halves(), 2);
}

#[test]
fn public_inputs_come_first_in_order() {
    let lab = Lab::<Fp, [Fp; 2]>::new(|cs| {
        let late = cs.witness(|v: &Values<'_, Fp, [Fp; 2]>| v.input()[1]);
        let product = cs.square(late);
        cs.public_input(|v| v.input()[0]);
        cs.expose(product);
        cs.expose(late);
        cs.expose(late);
    });
    let witness = lab.accepts(&[f(7), f(3)]);
    assert_eq!(witness[0][..4], [f(7), f(9), f(3), f(3)]);
    assert_eq!(lab.circuit.public_inputs(), 4);
    assert!(lab.circuit.gates()[..4].iter().all(|gate| gate.coefficients == [f(1)]));
    assert_eq!(lab.circuit.rows_in("public input"), 4);
}

#[test]
fn rows_are_counted_by_region() {
    let lab = Lab::<Fp, Fp>::new(|cs| {
        let x = cs.witness(|v: &Values<'_, Fp, Fp>| *v.input());
        cs.region("outer", |cs| {
            cs.square(x);
            for _ in 0..2 {
                cs.region("inner", |cs| cs.poseidon_permutation([x, x, x]));
            }
        });
        cs.region(format!("half {}", 2), |cs| cs.square(x));
        cs.square(x);
    });
    let report: Vec<(String, usize)> =
        lab.circuit.report().into_iter().map(|region| (region.path, region.rows)).collect();
    // The half of "half 2" shares the row of "outer".
    let expected = [("", 1), ("outer", 1), ("outer/inner", 24)];
    assert_eq!(report, expected.map(|(path, rows)| (path.to_owned(), rows)));
    assert_eq!(lab.circuit.rows_in("outer"), 25);
    assert_eq!(lab.circuit.rows_in("out"), 0);
    let inner = &lab.circuit.report()[2];
    assert_eq!(inner.by_kind[&GateKind::Poseidon], 22);
    assert!(inner.to_string().contains("Poseidon 22"));
    assert_eq!((lab.circuit.region(0, 0), lab.circuit.region(0, 1)), ("outer", "half 2"));
}

#[test]
fn errors_name_what_is_wrong() {
    let lab = Lab::<Fp, [Fp; 2]>::new(|cs| {
        let [a, b] = cs.witnesses(|v: &Values<'_, Fp, [Fp; 2]>| *v.input());
        cs.region("first", |cs| cs.assert_mul(a, a, f(9)));
        cs.region("second", |cs| cs.assert_mul(b, b, a + f(1)));
        let c = cs.witness(move |v| v[a] + f(1));
        cs.region("third", |cs| {
            cs.expose(c);
            cs.assert_equal(b, c);
        });
    });
    // Column 0 of row 0 is public; 3² = 9, but 5² is not 3 + 1, and 5 is wired to 4.
    let witness = lab.witness(&[f(3), f(5)]);
    let found = crate::builder::violations(&lab.circuit, &witness);
    let CheckError::Constraint {
        region,
        row: 1,
        kind: GateKind::Generic,
        constraint: 1,
        cells,
        value,
        ..
    } = &found[1]
    else {
        panic!("{found:#?}")
    };
    assert_eq!(region, "second");
    assert_eq!(*value, f(21));
    let values: Vec<(&str, Fp)> = cells.iter().map(|cell| (cell.name, cell.value)).collect();
    assert_eq!(values[3..], [("l2", f(5)), ("r2", f(5)), ("o2", f(3))]);
    let text = found[1].to_string();
    assert!(text.contains("l2 = 5, r2 = 5, o2 = 3"), "{text}");

    let CheckError::Wire { region, row: 0, column: 0, other_row: 1, other_column: 3, .. } =
        &found[0]
    else {
        panic!("{found:#?}")
    };
    assert_eq!(region, "public input");
    let text = found[0].to_string();
    assert!(
        text.contains("is 4, but it is wired to region \"second\", row 1, column 3, which is 5"),
        "{text}"
    );
}

#[test]
fn wrong_shapes_are_refused() {
    let lab = lab(1, |cs, x| vec![cs.square(x[0]).into()]);
    let mut witness = lab.accepts(&vec![f(2)]);
    witness[4].pop();
    let got = check(&lab.circuit, &witness);
    assert_eq!(got, Err(CheckError::Shape { column: 4, expected: 2, got: 1 }));
}

#[test]
fn inputs_that_lack_something() {
    let lab = Lab::<Fp, Vec<Fp>>::new(|cs| {
        cs.region("list", |cs| {
            cs.try_witnesses(3, |v| match v.input().as_slice() {
                [] => Err("the list is empty".to_owned()),
                list => Ok(list.to_vec()),
            })
        });
    });
    let region = "list".to_owned();
    let reason = "the list is empty".to_owned();
    let expected = WitnessError::Input { region: region.clone(), reason };
    assert_eq!(lab.generator.witness(&vec![]), Err(expected));
    for got in [1, 2, 4] {
        let expected = WitnessError::Count { region: region.clone(), expected: 3, got };
        assert_eq!(lab.generator.witness(&vec![f(1); got]), Err(expected));
    }
    assert!(lab.generator.witness(&vec![f(1); 3]).is_ok());
}

#[test]
fn equalities_that_no_cell_shows() {
    let lab = Lab::<Fp, Fp>::new(|cs| {
        let x = cs.region("input", |cs| cs.witness(|v: &Values<'_, Fp, Fp>| *v.input()));
        cs.assert_constant(x, f(5));
    });
    lab.accepts(&f(5));
    let region = "input".to_owned();
    assert_eq!(lab.generator.witness(&f(6)), Err(WitnessError::Unequal { region }));
}

#[test]
fn mistakes_in_circuits() {
    let mut cs = Builder::new();
    let a = cs.constant(f(3));
    cs.region("absurd", |cs| cs.assert_equal(a - a, f(4)));
    let region = "absurd".to_owned();
    assert_eq!(cs.finish().err(), Some(BuildError::Contradiction { region }));

    // A variable in a column without wires, and elsewhere.
    let mut cs = Builder::new();
    let x = cs.witness(|_| f(1));
    let mut cells = [None; COLUMNS];
    cells[9] = Some(x);
    cs.region("raw", |cs| cs.gate(GateKind::Zero, cells, vec![]));
    cs.square(x);
    let expected = BuildError::Unwireable { region: "raw".to_owned(), row: 0, column: 9 };
    assert_eq!(cs.finish().err(), Some(expected));
}
