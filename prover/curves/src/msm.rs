//! Multi-scalar multiplication.

use ark_ec::VariableBaseMSM;

use crate::curves::{PastaCurve, Point, ProjectivePoint};

/// `Σ scalars[i]·bases[i]` over the shorter of the two slices.
///
/// The time depends on the scalars: not for secrets that an observer may time.
pub fn msm<C: PastaCurve>(bases: &[Point<C>], scalars: &[C::ScalarField]) -> ProjectivePoint<C> {
    let len = bases.len().min(scalars.len());
    ProjectivePoint::<C>::msm_unchecked(&bases[..len], &scalars[..len])
}
