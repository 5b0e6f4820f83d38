//! Field arithmetic in double generic gates.
//!
//! Costs are in halves of a generic row. A linear combination of `n > 1` variables costs `n − 1`
//! halves to become a variable (one if a single variable has a factor or a constant beside it,
//! none if it is just a variable), which comes on top where an operand is one.

use super::{
    cs::{CircuitBuilder, Half},
    field::CircuitField,
    linear::{Linear, Var},
};

/// `scale·var + constant`, or a constant.
#[derive(Clone, Copy)]
enum Affine<F> {
    Constant(F),
    Var { scale: F, var: Var<F>, constant: F },
}

impl<F: CircuitField, I> CircuitBuilder<F, I> {
    /// A variable equal to a linear combination.
    pub fn reduce(&mut self, x: impl Into<Linear<F>>) -> Var<F> {
        let x = x.into().normalized();
        match (x.terms(), x.constant()) {
            ([], constant) => self.constant(constant),
            ([(var, factor)], constant) if *factor == F::ONE && constant == F::ZERO => *var,
            ([(var, factor)], constant) => {
                self.sum((*factor, Some(*var)), (F::ZERO, None), constant)
            }
            ([first, second, rest @ ..], constant) => {
                let start =
                    self.sum((first.1, Some(first.0)), (second.1, Some(second.0)), constant);
                rest.iter().fold(start, |acc, (var, factor)| {
                    self.sum((F::ONE, Some(acc)), (*factor, Some(*var)), F::ZERO)
                })
            }
        }
    }

    /// Asserts that two values are equal: by a wire, without cost, if both are variables or one is
    /// and the other is a constant, else as [`assert_zero`](Self::assert_zero) of the difference.
    pub fn assert_equal(&mut self, a: impl Into<Linear<F>>, b: impl Into<Linear<F>>) {
        self.assert_zero(a.into() - b);
    }

    /// Asserts that a value is `constant`.
    pub fn assert_constant(&mut self, x: impl Into<Linear<F>>, constant: F) {
        self.assert_zero(x.into() - constant);
    }

    /// Asserts that a linear combination is zero: no half for a variable that is to be a constant
    /// or another variable, one for three variables, and another for each further variable.
    pub fn assert_zero(&mut self, x: impl Into<Linear<F>>) {
        let x = x.into().normalized();
        match (x.terms(), x.constant()) {
            ([], constant) if constant == F::ZERO => {}
            ([], _) => self.contradiction(),
            ([(var, factor)], constant) => {
                // Normalized factors are not zero.
                let value = -constant * factor.inverse().unwrap_or(F::ZERO);
                let constant = self.constant(value);
                self.wire(*var, constant);
            }
            ([(a, factor), (b, other)], constant) if constant == F::ZERO && *factor == -*other => {
                self.wire(*a, *b);
            }
            (terms, constant) => {
                let split = terms.len().saturating_sub(2);
                let (head, tail) = terms.split_at(split);
                let head = if head.is_empty() {
                    None
                } else {
                    let sum = Linear::sum(head.iter().map(|(var, factor)| *var * *factor));
                    // A single term keeps its factor for the last half.
                    Some(match head {
                        [(var, factor)] => (*factor, *var),
                        _ => (F::ONE, self.reduce(sum)),
                    })
                };
                let part = |i: usize| tail.get(i).map(|(var, factor)| (*factor, *var));
                let terms = [part(0), part(1), head];
                let factor = |i: usize| terms[i].map_or(F::ZERO, |(factor, _)| factor);
                self.half(Half {
                    vars: terms.map(|term| term.map(|(_, var)| var)),
                    coefficients: [factor(0), factor(1), factor(2), F::ZERO, constant],
                });
            }
        }
    }

    /// `a·b`: one half, also where `a` or `b` is a variable with a factor and a constant.
    pub fn mul(&mut self, a: impl Into<Linear<F>>, b: impl Into<Linear<F>>) -> Var<F> {
        let (a, b) = (a.into(), b.into());
        let product = {
            let (a, b) = (a.clone(), b.clone());
            self.witness(move |v| v.evaluate(&a) * v.evaluate(&b))
        };
        self.assert_mul(a, b, product);
        product
    }

    /// `x²`, at the cost of [`mul`](Self::mul).
    pub fn square(&mut self, x: impl Into<Linear<F>>) -> Var<F> {
        let x = self.affine(x.into());
        let x = linear(x);
        self.mul(x.clone(), x)
    }

    /// Asserts that `a·b = c`: one half, also where each is a variable with a factor and a constant.
    pub fn assert_mul(
        &mut self,
        a: impl Into<Linear<F>>,
        b: impl Into<Linear<F>>,
        c: impl Into<Linear<F>>,
    ) {
        let (a, b, c) = (self.affine(a.into()), self.affine(b.into()), c.into());
        let (a, b) = match (a, b) {
            (Affine::Constant(k), other) | (other, Affine::Constant(k)) => {
                return self.assert_equal(linear(other) * k, c);
            }
            (
                Affine::Var { scale: a, var: x, constant: a0 },
                Affine::Var { scale: b, var: y, constant: b0 },
            ) => ((a, x, a0), (b, y, b0)),
        };
        // (a·x + a0)·(b·y + b0) − (s·o + c0) = 0
        let (scale, out, c0) = match self.affine(c) {
            Affine::Constant(constant) => (F::ZERO, None, constant),
            Affine::Var { scale, var, constant } => (scale, Some(var), constant),
        };
        self.half(Half {
            vars: [Some(a.1), Some(b.1), out],
            coefficients: [a.0 * b.2, b.0 * a.2, -scale, a.0 * b.0, a.2 * b.2 - c0],
        });
    }

    /// `1/x`, which asserts that `x` is not zero; one half.
    pub fn inverse(&mut self, x: impl Into<Linear<F>>) -> Var<F> {
        self.div(F::ONE, x)
    }

    /// `a/b`, which asserts that `b` is not zero; one half if `a` is a constant other than zero,
    /// else two.
    pub fn div(&mut self, a: impl Into<Linear<F>>, b: impl Into<Linear<F>>) -> Var<F> {
        let (a, b) = (a.into().normalized(), b.into());
        if !a.terms().is_empty() || a.constant() == F::ZERO {
            // a = q·b alone would hold for any q where both are zero.
            let inverse = self.inverse(b);
            return self.mul(a, inverse);
        }
        let quotient = {
            let (a, b) = (a.clone(), b.clone());
            self.witness(move |v| v.evaluate(&a) * v.evaluate(&b).inverse().unwrap_or(F::ZERO))
        };
        self.assert_mul(quotient, b, a);
        quotient
    }

    /// Asserts that `x` is not zero; one half.
    pub fn assert_non_zero(&mut self, x: impl Into<Linear<F>>) {
        self.inverse(x);
    }

    /// `a·x + b·y + constant` as a new variable, in one half.
    fn sum(
        &mut self,
        (a, x): (F, Option<Var<F>>),
        (b, y): (F, Option<Var<F>>),
        constant: F,
    ) -> Var<F> {
        let value = move |var: Option<Var<F>>, v: &super::Values<'_, F, I>| match var {
            Some(var) => v[var],
            None => F::ZERO,
        };
        let out = self.witness(move |v| a * value(x, v) + b * value(y, v) + constant);
        let coefficients = [a, b, -F::ONE, F::ZERO, constant];
        self.half(Half { vars: [x, y, Some(out)], coefficients });
        out
    }

    /// A combination of at most one variable that is equal to `x`.
    fn affine(&mut self, x: Linear<F>) -> Affine<F> {
        let x = x.normalized();
        match x.terms() {
            [] => Affine::Constant(x.constant()),
            [(var, scale)] => Affine::Var { scale: *scale, var: *var, constant: x.constant() },
            _ => Affine::Var { scale: F::ONE, var: self.reduce(x), constant: F::ZERO },
        }
    }
}

fn linear<F: CircuitField>(x: Affine<F>) -> Linear<F> {
    match x {
        Affine::Constant(constant) => Linear::from(constant),
        Affine::Var { scale, var, constant } => var * scale + constant,
    }
}
