//! The fields that circuits are written over.

use mina_curves::{Fp, Fq, PallasConfig, PastaCurve, VestaConfig};

use crate::env::ConstantField;

/// A field that circuits are written over, with the curve whose points they compute with.
pub trait CircuitField: ConstantField {
    /// The curve whose coordinates are in this field. Commitments to the circuit's polynomials are
    /// on the other curve of the cycle, the one whose scalars are in this field.
    type Curve: PastaCurve<BaseField = Self>;

    /// `ξ` of [`CircuitField::Curve`], with which [`GateKind::EndoMul`](crate::GateKind) applies the
    /// endomorphism to points.
    fn endo_base() -> Self {
        Self::Curve::ENDO_BASE
    }

    /// `λ` of the commitments' curve, which turns a challenge of a proof over this field into its
    /// effective scalar.
    fn endo_scalar() -> Self {
        <Self::Curve as PastaCurve>::Other::ENDO_SCALAR
    }
}

impl CircuitField for Fp {
    type Curve = PallasConfig;
}

impl CircuitField for Fq {
    type Curve = VestaConfig;
}
