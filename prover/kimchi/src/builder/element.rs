//! Circuit variables as values of an environment, so that what is written once for numbers
//! ([`crate::ft_zeta`], gates) also builds circuits.

use core::{
    cell::RefCell,
    fmt,
    ops::{Add, Mul, Neg, Sub},
};

use crate::env;

use super::{
    cs::CircuitBuilder,
    field::CircuitField,
    linear::{Linear, Var},
};

/// Holds the linear combinations behind [`Element`]s, which are copied about freely.
pub struct Arena<'c, F: CircuitField, I> {
    cs: RefCell<&'c mut CircuitBuilder<F, I>>,
    values: RefCell<Vec<Linear<F>>>,
}

impl<'c, F: CircuitField, I> Arena<'c, F, I> {
    /// An arena that adds its gates to `cs`.
    pub fn new(cs: &'c mut CircuitBuilder<F, I>) -> Self {
        Self { cs: RefCell::new(cs), values: RefCell::default() }
    }

    /// A value to compute with.
    pub fn element(&self, x: impl Into<Linear<F>>) -> Element<'_, 'c, F, I> {
        let mut values = self.values.borrow_mut();
        values.push(x.into());
        Element { arena: self, index: values.len() - 1 }
    }

    /// `a/b`, which asserts that `b` is not zero.
    pub fn div<'a>(
        &'a self,
        a: Element<'a, 'c, F, I>,
        b: Element<'a, 'c, F, I>,
    ) -> Element<'a, 'c, F, I> {
        let quotient = self.cs.borrow_mut().div(a.linear(), b.linear());
        self.element(quotient)
    }
}

impl<F: CircuitField, I> fmt::Debug for Arena<'_, F, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena").finish_non_exhaustive()
    }
}

/// A linear combination of variables in an [`Arena`]. Sums are free, a product costs one half, and
/// the halves that it takes to make its operands single variables, once each.
pub struct Element<'a, 'c, F: CircuitField, I> {
    arena: &'a Arena<'c, F, I>,
    index: usize,
}

impl<F: CircuitField, I> Clone for Element<'_, '_, F, I> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F: CircuitField, I> Copy for Element<'_, '_, F, I> {}

impl<F: CircuitField, I> fmt::Debug for Element<'_, '_, F, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Element").field(&self.linear()).finish()
    }
}

impl<'a, F: CircuitField, I> Element<'a, '_, F, I> {
    /// What it stands for.
    pub fn linear(&self) -> Linear<F> {
        self.arena.values.borrow()[self.index].clone()
    }

    /// As a variable, which later uses share.
    pub fn var(&self) -> Var<F> {
        let var = self.arena.cs.borrow_mut().reduce(self.linear());
        self.arena.values.borrow_mut()[self.index] = Linear::from(var);
        var
    }

    /// Something that a product takes without cost, shared by later uses.
    fn factor(&self) -> Linear<F> {
        let linear = self.linear().normalized();
        if linear.terms().len() > 1 { Linear::from(self.var()) } else { linear }
    }

    fn stored(&self, x: Linear<F>) -> Self {
        let mut values = self.arena.values.borrow_mut();
        values.push(x);
        Self { arena: self.arena, index: values.len() - 1 }
    }
}

impl<F: CircuitField, I> Add for Element<'_, '_, F, I> {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.stored((self.linear() + other.linear()).normalized())
    }
}

impl<F: CircuitField, I> Sub for Element<'_, '_, F, I> {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.stored((self.linear() - other.linear()).normalized())
    }
}

impl<F: CircuitField, I> Neg for Element<'_, '_, F, I> {
    type Output = Self;

    fn neg(self) -> Self {
        self.stored(-self.linear())
    }
}

impl<F: CircuitField, I> Mul for Element<'_, '_, F, I> {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let (a, b) = (self.factor(), other.factor());
        let product = match (a.terms(), b.terms()) {
            ([], _) => b.clone() * a.constant(),
            (_, []) => a.clone() * b.constant(),
            _ => Linear::from(self.arena.cs.borrow_mut().mul(a, b)),
        };
        self.stored(product)
    }
}

impl<F: CircuitField, I> env::Element<F> for Element<'_, '_, F, I> {
    fn double(self) -> Self {
        self.stored(self.linear() * F::ONE.double())
    }

    fn square(self) -> Self {
        self * self
    }

    fn scale(self, factor: F) -> Self {
        self.stored((self.linear() * factor).normalized())
    }

    fn add_constant(self, constant: F) -> Self {
        self.stored(self.linear() + constant)
    }
}
