//! Variables that are 0 or 1.

use super::{
    cs::CircuitBuilder,
    field::CircuitField,
    linear::{Linear, Var},
    witness::Values,
};

/// A variable, or a combination of one, that is constrained to be 0 or 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boolean<F>(Linear<F>);

impl<F: CircuitField> Boolean<F> {
    /// A constant.
    pub fn constant(value: bool) -> Self {
        Self(Linear::from(F::from(value)))
    }

    /// A private bit; one half.
    pub fn witness<I>(
        cs: &mut CircuitBuilder<F, I>,
        compute: impl Fn(&Values<'_, F, I>) -> bool + Send + Sync + 'static,
    ) -> Self {
        let bit = cs.witness(move |v| F::from(compute(v)));
        Self::assert(cs, bit)
    }

    /// Asserts that a variable is 0 or 1; one half.
    pub fn assert<I>(cs: &mut CircuitBuilder<F, I>, x: Var<F>) -> Self {
        cs.assert_mul(x, x, x);
        Self::assume(x)
    }

    /// A variable that other constraints keep at 0 or 1.
    pub(super) fn assume(x: impl Into<Linear<F>>) -> Self {
        Self(x.into())
    }

    /// The value, if it is a constant.
    pub fn as_constant(&self) -> Option<bool> {
        let normalized = self.0.clone().normalized();
        normalized.terms().is_empty().then(|| normalized.constant() == F::ONE)
    }

    /// `1 − self`; free.
    pub fn not(&self) -> Self {
        Self(Linear::from(F::ONE) - &self.0)
    }

    /// Both; one half.
    pub fn and<I>(&self, cs: &mut CircuitBuilder<F, I>, other: &Self) -> Self {
        Self(cs.mul(&self.0, &other.0).into())
    }

    /// Either or both; one half.
    pub fn or<I>(&self, cs: &mut CircuitBuilder<F, I>, other: &Self) -> Self {
        self.not().and(cs, &other.not()).not()
    }

    /// Not both and not neither; two halves.
    pub fn xor<I>(&self, cs: &mut CircuitBuilder<F, I>, other: &Self) -> Self {
        // a + b − 2ab
        let both = cs.mul(&self.0, &other.0);
        let sum = self.0.clone() + &other.0 - both * F::ONE.double();
        Self(cs.reduce(sum).into())
    }

    /// `then` if the bit is 1, else `otherwise`; one half, and those of both operands and their
    /// difference.
    pub fn select<I>(
        &self,
        cs: &mut CircuitBuilder<F, I>,
        then: impl Into<Linear<F>>,
        otherwise: impl Into<Linear<F>>,
    ) -> Var<F> {
        let (then, otherwise) = (then.into(), otherwise.into());
        let result = {
            let (bit, then, otherwise) = (self.0.clone(), then.clone(), otherwise.clone());
            cs.witness(move |v| {
                if v.evaluate(&bit) == F::ZERO { v.evaluate(&otherwise) } else { v.evaluate(&then) }
            })
        };
        cs.assert_mul(&self.0, then - &otherwise, result - otherwise);
        result
    }

    /// Asserts that the bit is 1.
    pub fn assert_true<I>(&self, cs: &mut CircuitBuilder<F, I>) {
        cs.assert_constant(&self.0, F::ONE);
    }
}

impl<F: CircuitField, I> CircuitBuilder<F, I> {
    /// Whether a value is zero; two halves. If it is, one hidden variable is free.
    pub fn is_zero(&mut self, x: impl Into<Linear<F>>) -> Boolean<F> {
        let x = self.reduce(x);
        let [inverse, is_zero] = self.witnesses(move |v| {
            let inverse = v[x].inverse();
            [inverse.unwrap_or(F::ZERO), F::from(inverse.is_none())]
        });
        // The second makes is_zero 0 where x is not; the first makes it 1 where x is.
        self.assert_mul(x, inverse, Linear::from(F::ONE) - is_zero);
        self.assert_mul(x, is_zero, F::ZERO);
        Boolean::assume(is_zero)
    }

    /// Whether two values are equal: [`is_zero`](Self::is_zero) of their difference.
    pub fn is_equal(&mut self, a: impl Into<Linear<F>>, b: impl Into<Linear<F>>) -> Boolean<F> {
        self.is_zero(a.into() - b)
    }
}

impl<F: CircuitField> From<Boolean<F>> for Linear<F> {
    fn from(bit: Boolean<F>) -> Self {
        bit.0
    }
}

impl<F: CircuitField> From<&Boolean<F>> for Linear<F> {
    fn from(bit: &Boolean<F>) -> Self {
        bit.0.clone()
    }
}
