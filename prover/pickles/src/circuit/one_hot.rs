//! Choosing one of several constants.

use kimchi::builder::{Boolean, CircuitBuilder, Linear, Values};

use super::CycleField;

/// One of several options, known when a witness is made: bits of which exactly one is set.
#[derive(Clone, Debug)]
pub(crate) struct OneHot<F>(Vec<Boolean<F>>);

impl<F: CycleField> OneHot<F> {
    /// One of `count` options. A single option costs nothing.
    pub(crate) fn witness<I>(
        cs: &mut CircuitBuilder<F, I>,
        count: usize,
        compute: impl Fn(&Values<'_, F, I>) -> usize + Clone + Send + Sync + 'static,
    ) -> Self {
        if count == 1 {
            return Self(vec![Boolean::constant(true)]);
        }
        let bits: Vec<Boolean<F>> = (0..count)
            .map(|i| {
                let compute = compute.clone();
                Boolean::witness(cs, move |v| compute(v) == i)
            })
            .collect();
        cs.assert_constant(Linear::sum(&bits), F::ONE);
        Self(bits)
    }

    /// The option with this number, asserting that it is below `count`.
    pub(crate) fn of_number<I>(
        cs: &mut CircuitBuilder<F, I>,
        number: Linear<F>,
        count: usize,
    ) -> Self {
        let of = number.clone();
        let one_hot = Self::witness(cs, count, move |v| {
            let value = v.evaluate(&of);
            (0..count).find(|i| F::from(*i as u64) == value).unwrap_or(count)
        });
        let chosen = one_hot.choose((0..count).map(|i| F::from(i as u64)));
        cs.assert_equal(chosen, number);
        one_hot
    }

    /// The constant that belongs to the option; free.
    pub(crate) fn choose(&self, constants: impl IntoIterator<Item = F>) -> Linear<F> {
        Linear::sum(self.0.iter().zip(constants).map(|(bit, value)| Linear::from(bit) * value))
    }

    /// The value that belongs to the option; two halves each.
    pub(crate) fn select<I>(
        &self,
        cs: &mut CircuitBuilder<F, I>,
        values: impl IntoIterator<Item = Linear<F>>,
    ) -> Linear<F> {
        let chosen = self.0.iter().zip(values).map(|(bit, value)| match self.0.len() {
            1 => value,
            _ => Linear::from(cs.mul(bit, value)),
        });
        Linear::sum(chosen.collect::<Vec<_>>())
    }
}
