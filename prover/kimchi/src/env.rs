//! The environment that constraints are written against.
//!
//! Every gate is written once, generic over [`Env`]: the prover runs it on rows of polynomial
//! evaluations, the verifier on the evaluations at `ζ`, the checker on rows of a witness, and a
//! circuit that verifies proofs on its own variables.

use core::fmt::Debug;
use core::ops::{Add, Mul, Neg, Sub};
use std::sync::OnceLock;

use ark_ff::{AdditiveGroup, Field};
use mina_curves::{Fp, Fq};
use mina_poseidon::PoseidonField;

use crate::gate::Revision;

/// A value that constraints compute with: a field element, a vector of them, a circuit variable.
pub trait Element<F>:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Neg<Output = Self>
{
    /// `2·self`.
    fn double(self) -> Self;

    /// `self²`.
    fn square(self) -> Self;

    /// `factor·self` for a constant.
    fn scale(self, factor: F) -> Self;

    /// `self + constant`.
    fn add_constant(self, constant: F) -> Self;
}

impl<F: PoseidonField> Element<F> for F {
    #[inline(always)]
    fn double(self) -> Self {
        AdditiveGroup::double(&self)
    }

    #[inline(always)]
    fn square(self) -> Self {
        Field::square(&self)
    }

    #[inline(always)]
    fn scale(self, factor: F) -> Self {
        self * factor
    }

    #[inline(always)]
    fn add_constant(self, constant: F) -> Self {
        self + constant
    }
}

/// One row, and the row after it, as constraints see them.
pub trait Env {
    /// The field of the circuit.
    type F: ConstantField;
    /// What cells hold.
    type V: Element<Self::F>;

    /// The cell of `column` on this row.
    fn witness(&self, column: usize) -> Self::V;

    /// The cell of `column` on the next row.
    fn witness_next(&self, column: usize) -> Self::V;

    /// The coefficient of `column` on this row.
    fn coefficient(&self, column: usize) -> Self::V;

    /// The coefficient `ξ` of the endomorphism that [`crate::GateKind::EndoMul`] uses.
    fn endo(&self) -> Self::F;

    /// Which version of the constraints applies.
    fn revision(&self) -> Revision;
}

/// Constants of constraints that are no small integers.
#[derive(Debug)]
pub struct GateConstants<F> {
    /// `2^i` for `i` up to 264.
    pub power_of_two: Vec<F>,
    /// `11/6, -5/2, 2/3`: the coefficients of `x, x², x³` in the polynomial that maps the crumbs
    /// `0, 1, 2, 3` to `0, 0, -1, 1`.
    pub crumb_to_a: [F; 3],
    /// The integers 0 to 11.
    pub small: [F; 12],
}

impl<F: PoseidonField> GateConstants<F> {
    fn new() -> Self {
        let mut power_of_two = vec![F::ONE];
        for i in 0..264 {
            power_of_two.push(AdditiveGroup::double(&power_of_two[i]));
        }
        let sixth = F::from(6u64).inverse().unwrap_or(F::ZERO);
        let small = core::array::from_fn(|i| F::from(i as u64));
        let crumb_to_a = [F::from(11u64) * sixth, -(F::from(15u64) * sixth), F::from(4u64) * sixth];
        Self { power_of_two, crumb_to_a, small }
    }
}

/// A Pasta field with the constants that gates need, computed once.
pub trait ConstantField: PoseidonField {
    /// The constants of this field.
    fn constants() -> &'static GateConstants<Self>;
}

macro_rules! constant_field {
    ($field:ty) => {
        impl ConstantField for $field {
            fn constants() -> &'static GateConstants<Self> {
                static CONSTANTS: OnceLock<GateConstants<$field>> = OnceLock::new();
                CONSTANTS.get_or_init(GateConstants::new)
            }
        }
    };
}

constant_field!(Fp);
constant_field!(Fq);

/// `x·(x - 1)·(x - 2)·(x - 3)`: zero if and only if `x` is a two-bit value.
#[inline(always)]
pub(crate) fn crumb<F: ConstantField, V: Element<F>>(x: V) -> V {
    // (x² - 3x)·(x² - 3x + 2)
    let t = x.square() - x.double() - x;
    t * t.add_constant(F::constants().small[2])
}

/// `x² - x`: zero if and only if `x` is a bit.
#[inline(always)]
pub(crate) fn boolean<F, V: Element<F>>(x: V) -> V {
    x.square() - x
}
