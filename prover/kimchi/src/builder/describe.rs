//! Names of columns and equations of gates, for messages.

use crate::gate::GateKind;

/// Names of the cells of a row and of the row after it, by column; empty where a gate does not look.
pub(super) struct Names {
    pub(super) row: &'static [&'static str],
    pub(super) next: &'static [&'static str],
}

const WITNESS: [&str; 15] =
    ["w0", "w1", "w2", "w3", "w4", "w5", "w6", "w7", "w8", "w9", "w10", "w11", "w12", "w13", "w14"];

/// The cells that the constraints of a gate look at.
pub(super) const fn cells(kind: GateKind) -> Names {
    let (row, next): (&[&str], &[&str]) = match kind {
        GateKind::Zero => (&[], &[]),
        GateKind::Generic => (&["l1", "r1", "o1", "l2", "r2", "o2"], &[]),
        GateKind::Poseidon => (
            &[
                "s0[0]", "s0[1]", "s0[2]", "s4[0]", "s4[1]", "s4[2]", "s1[0]", "s1[1]", "s1[2]",
                "s2[0]", "s2[1]", "s2[2]", "s3[0]", "s3[1]", "s3[2]",
            ],
            &["s5[0]", "s5[1]", "s5[2]"],
        ),
        GateKind::CompleteAdd => {
            (&["x1", "y1", "x2", "y2", "x3", "y3", "inf", "same_x", "s", "inf_z", "x21_inv"], &[])
        }
        GateKind::VarBaseMul => (
            &[
                "xT", "yT", "x0", "y0", "n", "n'", "", "x1", "y1", "x2", "y2", "x3", "y3", "x4",
                "y4",
            ],
            &["x5", "y5", "b0", "b1", "b2", "b3", "b4", "s0", "s1", "s2", "s3", "s4"],
        ),
        GateKind::EndoMul => (
            &[
                "xT", "yT", "inv", "", "xP", "yP", "n", "xR", "yR", "s1", "s3", "b1", "b2", "b3",
                "b4",
            ],
            &["", "", "", "", "xS", "yS", "n'"],
        ),
        GateKind::EndoMulScalar => (
            &["n0", "n8", "a0", "b0", "a8", "b8", "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"],
            &[],
        ),
        _ => (&WITNESS, &WITNESS),
    };
    Names { row, next }
}

/// What constraint number `constraint` of a gate says.
pub(super) fn equation(kind: GateKind, constraint: usize) -> String {
    match kind {
        GateKind::Generic => generic(constraint),
        GateKind::Poseidon => poseidon(constraint),
        GateKind::CompleteAdd => complete_add(constraint).to_owned(),
        GateKind::VarBaseMul => var_base_mul(constraint),
        GateKind::EndoMul => endo_mul(constraint).to_owned(),
        GateKind::EndoMulScalar => endo_mul_scalar(constraint),
        _ => format!("constraint {constraint} of {kind:?}"),
    }
}

fn generic(constraint: usize) -> String {
    let half = constraint + 1;
    format!("cl·l{half} + cr·r{half} + co·o{half} + cm·l{half}·r{half} + cc = 0")
}

fn poseidon(constraint: usize) -> String {
    let (round, element) = (constraint / 3, constraint % 3);
    format!("s{}[{element}] = (MDS·s{round}⁷ + constants)[{element}]", round + 1)
}

const fn complete_add(constraint: usize) -> &'static str {
    match constraint {
        0 => "x21_inv·(x2 − x1) = 1 − same_x",
        1 => "same_x·(x2 − x1) = 0",
        2 => "s is the slope: 2·s·y1 = 3·x1² if same_x, else (x2 − x1)·s = y2 − y1",
        3 => "s² = x1 + x2 + x3",
        4 => "y3 = s·(x1 − x3) − y1",
        5 => "(y2 − y1)·(same_x − inf) = 0",
        _ => "(y2 − y1)·inf_z = inf",
    }
}

fn var_base_mul(constraint: usize) -> String {
    let Some(constraint) = constraint.checked_sub(1) else {
        return "n' = 32·n + 16·b0 + 8·b1 + 4·b2 + 2·b3 + b4".to_owned();
    };
    let (i, next) = (constraint / 4, constraint / 4 + 1);
    match constraint % 4 {
        0 => format!("b{i} is 0 or 1"),
        1 => format!("(x{i} − xT)·s{i} = y{i} − (2·b{i} − 1)·yT"),
        2 => format!("u² = t²·(x{next} − xT + s{i}²)"),
        _ => format!("(y{next} + y{i})·t = (x{i} − x{next})·u"),
    }
}

const fn endo_mul(constraint: usize) -> &'static str {
    match constraint {
        0 => "b1 is 0 or 1",
        1 => "b2 is 0 or 1",
        2 => "b3 is 0 or 1",
        3 => "b4 is 0 or 1",
        4 => "(xQ1 − xP)·s1 = yQ1 − yP",
        5 => "(2·xP − s1² + xQ1)·((xP − xR)·s1 + yR + yP) = (xP − xR)·2·yP",
        6 => "(yR + yP)² = (xP − xR)²·(s1² − xQ1 + xR)",
        7 => "(xQ2 − xR)·s3 = yQ2 − yR",
        8 => "(2·xR − s3² + xQ2)·((xR − xS)·s3 + yS + yR) = (xR − xS)·2·yR",
        9 => "(yS + yR)² = (xR − xS)²·(s3² − xQ2 + xS)",
        10 => "n' = 16·n + 8·b1 + 4·b2 + 2·b3 + b4",
        _ => "(xP − xR)·(xR − xS)·inv = 1",
    }
}

fn endo_mul_scalar(constraint: usize) -> String {
    match constraint {
        0 => "n8 = the crumbs appended to n0".to_owned(),
        1 => "a8 = a0 folded with the crumbs".to_owned(),
        2 => "b8 = b0 folded with the crumbs".to_owned(),
        i => format!("c{} is 0, 1, 2 or 3", i - 3),
    }
}
