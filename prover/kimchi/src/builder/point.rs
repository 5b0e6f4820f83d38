//! Points of the curve whose coordinates are in the circuit's field.

use ark_ec::AffineRepr;
use ark_ff::AdditiveGroup;
use mina_curves::{PastaCurve, Point};

use crate::gate::{COLUMNS, GateKind};

use super::{
    boolean::Boolean, cs::CircuitBuilder, field::CircuitField, linear::Var, witness::Values,
};

/// A finite point of [`CircuitField::Curve`]; its coordinates are constrained to satisfy the curve
/// equation, unless it was made by [`PointVar::new_unchecked`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PointVar<F> {
    x: Var<F>,
    y: Var<F>,
}

impl<F: CircuitField> PointVar<F> {
    /// The point with coordinates that other constraints keep on the curve.
    pub fn new_unchecked(x: Var<F>, y: Var<F>) -> Self {
        Self { x, y }
    }

    /// A private point, on the curve; 3 halves. There is no valid witness where the closure gives
    /// the point at infinity.
    pub fn witness<I>(
        cs: &mut CircuitBuilder<F, I>,
        compute: impl Fn(&Values<'_, F, I>) -> Point<F::Curve> + Send + Sync + 'static,
    ) -> Self {
        let [x, y] = cs.witnesses(move |v| coordinates(&compute(v)));
        let point = Self { x, y };
        point.assert_on_curve(cs);
        point
    }

    /// A constant point.
    ///
    /// # Panics
    /// If it is the point at infinity.
    pub fn constant<I>(cs: &mut CircuitBuilder<F, I>, point: &Point<F::Curve>) -> Self {
        assert!(!point.is_zero(), "the point at infinity has no coordinates");
        let [x, y] = coordinates(point).map(|c| cs.constant(c));
        Self { x, y }
    }

    /// The abscissa.
    pub fn x(&self) -> Var<F> {
        self.x
    }

    /// The ordinate.
    pub fn y(&self) -> Var<F> {
        self.y
    }

    /// Asserts `y² = x³ + 5`; 3 halves.
    pub fn assert_on_curve<I>(&self, cs: &mut CircuitBuilder<F, I>) {
        let x_squared = cs.square(self.x);
        let y_squared = cs.square(self.y);
        cs.assert_mul(
            x_squared,
            self.x,
            y_squared - <F::Curve as ark_ec::short_weierstrass::SWCurveConfig>::COEFF_B,
        );
    }

    /// Asserts that two points are equal; free.
    pub fn assert_equal<I>(&self, cs: &mut CircuitBuilder<F, I>, other: &Self) {
        cs.assert_equal(self.x, other.x);
        cs.assert_equal(self.y, other.y);
    }

    /// `−self`; one half.
    pub fn negate<I>(&self, cs: &mut CircuitBuilder<F, I>) -> Self {
        Self { x: self.x, y: cs.reduce(-self.y) }
    }

    /// The image `(ξ·x, y)` under the endomorphism; one half.
    pub fn endomorphism<I>(&self, cs: &mut CircuitBuilder<F, I>) -> Self {
        Self { x: cs.reduce(self.x * F::endo_base()), y: self.y }
    }

    /// `then` if the bit is 1, else `otherwise`; 6 halves.
    pub fn select<I>(
        cs: &mut CircuitBuilder<F, I>,
        bit: &Boolean<F>,
        then: &Self,
        otherwise: &Self,
    ) -> Self {
        Self { x: bit.select(cs, then.x, otherwise.x), y: bit.select(cs, then.y, otherwise.y) }
    }

    /// `self + other`, asserting that it is not infinity; one row of [`GateKind::CompleteAdd`].
    pub fn add<I>(&self, cs: &mut CircuitBuilder<F, I>, other: &Self) -> Self {
        let (sum, infinite) = self.add_complete(cs, other);
        cs.assert_zero(infinite);
        sum
    }

    /// `self + other`, and whether it is infinity, in which case the coordinates mean nothing; one
    /// row of [`GateKind::CompleteAdd`].
    pub fn add_complete<I>(
        &self,
        cs: &mut CircuitBuilder<F, I>,
        other: &Self,
    ) -> (Self, Boolean<F>) {
        let inputs = [self.x, self.y, other.x, other.y];
        let outputs = cs.witnesses(move |v| complete_add(inputs.map(|var| v[var])));
        let mut cells = [None; COLUMNS];
        for (cell, var) in cells.iter_mut().zip(inputs.into_iter().chain(outputs)) {
            *cell = Some(var);
        }
        cs.gate(GateKind::CompleteAdd, cells, vec![]);
        let [x, y, infinite, ..] = outputs;
        (Self { x, y }, Boolean::assume(infinite))
    }

    /// `2·self`; one row.
    pub fn double<I>(&self, cs: &mut CircuitBuilder<F, I>) -> Self {
        self.add(cs, self)
    }
}

impl<F: CircuitField, I> Values<'_, F, I> {
    /// The value of a point. It is on the curve only if the prover put it there.
    pub fn point(&self, point: &PointVar<F>) -> Point<F::Curve> {
        Point::<F::Curve>::new_unchecked(self[point.x], self[point.y])
    }
}

pub(super) fn coordinates<C: PastaCurve>(point: &Point<C>) -> [C::BaseField; 2] {
    let (x, y) = point.xy().unwrap_or((C::BaseField::ZERO, C::BaseField::ZERO));
    [x, y]
}

/// Columns 4 to 10 of the row that adds `(x1, y1)` and `(x2, y2)`.
fn complete_add<F: CircuitField>([x1, y1, x2, y2]: [F; 4]) -> [F; 7] {
    let inverse = |x: F| x.inverse().unwrap_or(F::ZERO);
    let (x21, y21) = (x2 - x1, y2 - y1);
    let same_x = x21 == F::ZERO;
    let infinite = same_x && y21 != F::ZERO;
    let slope = if same_x {
        let x1_squared = x1.square();
        (x1_squared.double() + x1_squared) * inverse(y1.double())
    } else {
        y21 * inverse(x21)
    };
    let x3 = slope.square() - x1 - x2;
    let y3 = slope * (x1 - x3) - y1;
    let inf_z = if same_x { inverse(y21) } else { F::ZERO };
    [x3, y3, F::from(infinite), F::from(same_x), slope, inf_z, inverse(x21)]
}
