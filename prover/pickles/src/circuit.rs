//! What step and wrap circuits share: verifying a proof over one curve in a circuit over its base
//! field, up to arithmetic in its scalar field, and that arithmetic in a circuit over the other.
//!
//! A step circuit (over [`Fp`]) verifies wrap proofs (over Pallas) *incrementally*: it does the
//! curve operations ([`incremental`]) and hands on the *unfinalized* values that are arithmetic in
//! [`Fq`]. The wrap circuit (over [`Fq`]) finalizes those ([`finalize`]) and verifies the step proof
//! incrementally, whose deferred values the next step circuit, or the verifier, finalizes.
//!
//! Everything is written once, for both fields. Points are only ever multiplied through
//! [`GateKind::VarBaseMul`](kimchi::GateKind): what `EndoMul` shows on Mina's network does not
//! suffice.

pub(crate) mod challenge;
pub(crate) mod evaluations;
pub(crate) mod features;
pub(crate) mod finalize;
pub(crate) mod group_map;
pub(crate) mod incremental;
pub(crate) mod one_hot;
pub(crate) mod public;
pub(crate) mod shifted;

use ark_ec::CurveConfig;
use ark_ff::PrimeField;
use kimchi::{CircuitCurve, builder::CircuitField};
use mina_curves::{Fp, Fq};

/// The scalars of the proofs that a circuit over `F` verifies.
pub(crate) type Scalar<F> = <<F as CircuitField>::Curve as CurveConfig>::ScalarField;

/// The field of one of the two circuits.
pub(crate) trait CycleField: CircuitField<Curve: CircuitCurve> {
    /// Rounds of the openings of proofs whose scalars are in this field.
    const ROUNDS: usize;

    /// Whether the scalars of the proofs that circuits over this field verify are the smaller field.
    fn scalars_are_smaller() -> bool {
        Scalar::<Self>::MODULUS.0.iter().rev().lt(Self::MODULUS.0.iter().rev())
    }
}

impl CycleField for Fp {
    const ROUNDS: usize = crate::constants::STEP_ROUNDS;
}

impl CycleField for Fq {
    const ROUNDS: usize = crate::constants::WRAP_ROUNDS;
}
