//! Scalars of the other field, in the forms by which points are multiplied.

use kimchi::builder::{Boolean, CircuitBuilder, Linear, PointVar, SpongeVar, Values};
use mina_curves::PastaField;
use poly_commitment::shift_scalar;

use super::{CycleField, Scalar};

/// A scalar `s` of [`CircuitField::Curve`](kimchi::builder::CircuitField::Curve), as Mina shifts it.
#[derive(Clone, Debug)]
pub(crate) enum ShiftedVar<F> {
    /// `t = (s - 2^255 - 1)/2`, where scalars are the smaller field (mina's `Type1`).
    Halved(Linear<F>),
    /// `s - 2^255 = 2·high + low`, where they are the larger (mina's `Type2`). That `high` has 254
    /// bits is asserted by [`ShiftedVar::scale`]. Shifted values below `2^255` less the modulus have
    /// two forms, which multiply alike and are one number in the scalars' field.
    Split {
        /// All bits but the lowest.
        high: Linear<F>,
        /// The lowest bit.
        low: Boolean<F>,
    },
}

/// The coordinates of a shifted scalar: its halved form, or its high bits and lowest bit.
pub(crate) fn shifted_parts<F: CycleField>(s: Scalar<F>) -> (F, bool) {
    let [l0, l1, l2, l3] = shift_scalar::<F::Curve>(s).to_limbs();
    if F::scalars_are_smaller() {
        return (F::from_limbs([l0, l1, l2, l3]).unwrap_or(F::ZERO), false);
    }
    let high = [l0 >> 1 | l1 << 63, l1 >> 1 | l2 << 63, l2 >> 1 | l3 << 63, l3 >> 1];
    (F::from_limbs(high).unwrap_or(F::ZERO), l0 & 1 == 1)
}

impl<F: CycleField> ShiftedVar<F> {
    /// A private scalar.
    pub(crate) fn witness<I>(
        cs: &mut CircuitBuilder<F, I>,
        compute: impl Fn(&Values<'_, F, I>) -> Scalar<F> + Send + Sync + 'static,
    ) -> Self {
        let [high, low] = cs.witnesses(move |v| {
            let (high, low) = shifted_parts::<F>(compute(v));
            [high, F::from(low)]
        });
        if F::scalars_are_smaller() {
            cs.assert_zero(low);
            return Self::Halved(high.into());
        }
        Self::Split { high: high.into(), low: Boolean::assert(cs, low) }
    }

    /// `s·point`; 114 rows, or 106.
    pub(crate) fn scale<I>(
        &self,
        cs: &mut CircuitBuilder<F, I>,
        point: &PointVar<F>,
    ) -> PointVar<F> {
        match self {
            Self::Halved(t) => point.scale_shifted(cs, t, 255),
            Self::Split { high, low } => {
                // (2·high + 1 + 2^255)·P is one P too many if the bit is not set.
                let scaled = point.scale_shifted_254(cs, high);
                let negated = point.negate(cs);
                let less = scaled.add(cs, &negated);
                PointVar::select(cs, low, &scaled, &less)
            }
        }
    }

    /// Absorbs the scalar as transcripts do: what does not fit an element, as two.
    pub(crate) fn absorb<I>(&self, cs: &mut CircuitBuilder<F, I>, sponge: &mut SpongeVar<F>) {
        match self {
            Self::Halved(t) => sponge.absorb(cs, t),
            Self::Split { high, low } => {
                sponge.absorb(cs, high);
                sponge.absorb(cs, low);
            }
        }
    }
}

/// The scalar of a [`ShiftedVar::Halved`], in a circuit over the scalars' field; free.
pub(crate) fn from_halved<F: CycleField>(t: impl Into<Linear<F>>) -> Linear<F> {
    t.into() * F::ONE.double() + power_255::<F>() + F::ONE
}

/// The scalar of a [`ShiftedVar::Split`], in a circuit over the scalars' field; free.
pub(crate) fn from_split<F: CycleField>(
    high: impl Into<Linear<F>>,
    low: impl Into<Linear<F>>,
) -> Linear<F> {
    high.into() * F::ONE.double() + low.into() + power_255::<F>()
}

fn power_255<F: CycleField>() -> F {
    F::ONE.double().pow([255u64])
}
