//! The map from field elements to points: the twin of [`mina_curves::GroupMap`].

use kimchi::builder::{Boolean, CircuitBuilder, Linear, PointVar};
use mina_curves::{PastaCurve, Point};

use super::CycleField;

/// The smallest number that is no square in `F`.
fn non_residue<F: CycleField>() -> F {
    let mut candidate = F::ONE.double();
    while candidate.legendre().is_qr() {
        candidate += F::ONE;
    }
    candidate
}

/// The point that `t` maps to: the first of three abscissas that is on the curve. Which of the two
/// points with that abscissa is free: the transcripts' own choice of square root is no function that
/// a circuit could afford.
pub(crate) fn group_map<F: CycleField, I>(
    cs: &mut CircuitBuilder<F, I>,
    t: impl Into<Linear<F>>,
) -> PointVar<F> {
    let t = cs.reduce(t);
    let map = F::Curve::group_map();
    // Constants of the map, as values of its candidates say them: x1 = c1 - t⁴·α·c2 and so on.
    let constants = map.constants();
    let t2 = cs.square(t);
    let t2_fu = t2 + constants.fu;
    let product = cs.mul(t2_fu.clone(), t2);
    let alpha = cs.inverse(product);
    let t4 = cs.square(t2);
    let t4_alpha = cs.mul(t4, alpha);
    let x1 = Linear::from(constants.c1) - t4_alpha * constants.c2;
    let x2 = -x1.clone() - constants.u;
    let square = cs.square(t2_fu.clone());
    let cube = cs.mul(square, t2_fu);
    let cube_alpha = cs.mul(cube, alpha);
    let x3 = Linear::from(constants.u) - cube_alpha * constants.c3;

    let first = is_abscissa(cs, x1.clone());
    let second = is_abscissa(cs, x2.clone());
    let later = second.select(cs, x2, x3);
    let x = first.select(cs, x1, later);
    let point = PointVar::witness(cs, move |v| {
        let (x, y) = map.to_group(v[t]);
        Point::<F::Curve>::new_unchecked(x, y)
    });
    cs.assert_equal(point.x(), x);
    point
}

/// Whether `x³ + 5` is a square: it or its product with a non-residue has a root, and is not zero,
/// as the curves have no points of order two.
fn is_abscissa<F: CycleField, I>(cs: &mut CircuitBuilder<F, I>, x: Linear<F>) -> Boolean<F> {
    let non_residue = non_residue::<F>();
    let square = cs.square(x.clone());
    let value = cs.mul(square, x) + F::from(5u64);
    let of = value.clone();
    let is_square = Boolean::witness(cs, move |v| v.evaluate(&of).legendre().is_qr());
    // value·(n + (1 - n)·is_square) = root²
    let factor = Linear::from(&is_square) * (F::ONE - non_residue) + non_residue;
    let multiple = cs.mul(value, factor);
    let root = cs.witness(move |v| v[multiple].sqrt().unwrap_or(F::ZERO));
    cs.assert_mul(root, root, multiple);
    is_square
}
