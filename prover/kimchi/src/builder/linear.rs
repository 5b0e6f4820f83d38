//! Variables and linear combinations of them.

use core::{
    marker::PhantomData,
    ops::{Add, Mul, Neg, Sub},
};

use super::field::CircuitField;

/// A value that a circuit computes with, known only when a witness is made.
///
/// Variables come from a [`CircuitBuilder`](super::CircuitBuilder) and belong to it. They can be
/// added, subtracted and scaled by constants without cost: the result is a [`Linear`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Var<F> {
    index: u32,
    field: PhantomData<F>,
}

impl<F> Var<F> {
    pub(super) fn new(index: usize) -> Self {
        // A circuit with 2^32 variables would not fit a domain of the field by far.
        let index = u32::try_from(index).expect("fewer than 2^32 variables");
        Self { index, field: PhantomData }
    }

    pub(super) fn index(self) -> usize {
        self.index as usize
    }
}

/// `Σ cᵢ·vᵢ + k` for constants `cᵢ`, `k` and variables `vᵢ`.
///
/// Nothing is constrained until the combination is used: whatever takes an `impl Into<Linear<F>>`
/// turns it into as few generic gates as it can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linear<F> {
    terms: Vec<(Var<F>, F)>,
    constant: F,
}

impl<F: CircuitField> Linear<F> {
    /// The sum of many combinations.
    pub fn sum(items: impl IntoIterator<Item = impl Into<Self>>) -> Self {
        items.into_iter().fold(Self::from(F::ZERO), |acc, item| acc + item)
    }

    /// `Σ 2ⁱ·itemsᵢ`: the number with these digits, lowest first, if each is a bit.
    pub fn from_bits(items: impl IntoIterator<Item = impl Into<Self>>) -> Self {
        let mut power = F::ONE;
        let mut sum = Self::from(F::ZERO);
        for item in items {
            sum = sum + item.into() * power;
            power.double_in_place();
        }
        sum
    }

    pub(super) fn constant(&self) -> F {
        self.constant
    }

    pub(super) fn terms(&self) -> &[(Var<F>, F)] {
        &self.terms
    }

    /// Each variable once, in order of allocation, none with the factor zero.
    pub(super) fn normalized(mut self) -> Self {
        self.terms.sort_unstable_by_key(|(var, _)| *var);
        self.terms.dedup_by(|(var, factor), (kept, sum)| {
            let same = var == kept;
            if same {
                *sum += *factor;
            }
            same
        });
        self.terms.retain(|(_, factor)| *factor != F::ZERO);
        self
    }
}

impl<F: CircuitField> From<Var<F>> for Linear<F> {
    fn from(var: Var<F>) -> Self {
        Self { terms: vec![(var, F::ONE)], constant: F::ZERO }
    }
}

impl<F: CircuitField> From<&Self> for Linear<F> {
    fn from(linear: &Self) -> Self {
        linear.clone()
    }
}

impl<F: CircuitField> From<F> for Linear<F> {
    fn from(constant: F) -> Self {
        Self { terms: Vec::new(), constant }
    }
}

impl<F: CircuitField, R: Into<Self>> Add<R> for Linear<F> {
    type Output = Self;

    fn add(mut self, other: R) -> Self {
        let other = other.into();
        self.terms.extend(other.terms);
        self.constant += other.constant;
        self
    }
}

impl<F: CircuitField> Neg for Linear<F> {
    type Output = Self;

    fn neg(self) -> Self {
        self * -F::ONE
    }
}

impl<F: CircuitField, R: Into<Self>> Sub<R> for Linear<F> {
    type Output = Self;

    fn sub(self, other: R) -> Self {
        self + -other.into()
    }
}

impl<F: CircuitField> Mul<F> for Linear<F> {
    type Output = Self;

    fn mul(mut self, factor: F) -> Self {
        for (_, coefficient) in &mut self.terms {
            *coefficient *= factor;
        }
        self.constant *= factor;
        self
    }
}

impl<F: CircuitField, R: Into<Linear<F>>> Add<R> for Var<F> {
    type Output = Linear<F>;

    fn add(self, other: R) -> Linear<F> {
        Linear::from(self) + other
    }
}

impl<F: CircuitField, R: Into<Linear<F>>> Sub<R> for Var<F> {
    type Output = Linear<F>;

    fn sub(self, other: R) -> Linear<F> {
        Linear::from(self) - other
    }
}

impl<F: CircuitField> Neg for Var<F> {
    type Output = Linear<F>;

    fn neg(self) -> Linear<F> {
        -Linear::from(self)
    }
}

impl<F: CircuitField> Mul<F> for Var<F> {
    type Output = Linear<F>;

    fn mul(self, factor: F) -> Linear<F> {
        Linear::from(self) * factor
    }
}

#[cfg(test)]
mod tests {
    use ark_ff::{AdditiveGroup, Field};
    use mina_curves::Fp;

    use super::*;

    #[test]
    fn equal_variables_merge_and_vanish() {
        let [a, b]: [Var<Fp>; 2] = [Var::new(0), Var::new(1)];
        let two = Fp::from(2u64);
        let linear = ((b + a * two) - b + a - Fp::ONE + two).normalized();
        assert_eq!(linear.terms(), [(a, Fp::from(3u64))]);
        assert_eq!(linear.constant(), Fp::ONE);
        assert_eq!((a - a).normalized(), Linear::from(Fp::ZERO));
    }

    #[test]
    fn bits_weigh_powers_of_two() {
        let vars: Vec<Var<Fp>> = (0..3).map(Var::new).collect();
        let factors: Vec<Fp> = Linear::from_bits(vars)
            .normalized()
            .terms()
            .iter()
            .map(|(_, factor)| *factor)
            .collect();
        assert_eq!(factors, [1u64, 2, 4].map(Fp::from));
    }
}
