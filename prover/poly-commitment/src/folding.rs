//! Folding the bases of the inner-product argument.

use ark_ec::{AdditiveGroup, AffineRepr, CurveGroup};
use mina_curves::{PastaCurve, Point, ProjectivePoint, ScalarChallenge};
use rayon::prelude::*;

/// Points normalised by one inversion.
const BATCH: usize = 256;

/// `low + c·high` for the halves of `g`, where `c` is the effective scalar of `challenge`.
pub(crate) fn fold_bases<C: PastaCurve>(
    g: &[Point<C>],
    challenge: ScalarChallenge,
) -> Vec<Point<C>> {
    let (low, high) = g.split_at(g.len() / 2);
    low.par_chunks(BATCH)
        .zip(high.par_chunks(BATCH))
        .flat_map_iter(|(low, high)| {
            let sums: Vec<ProjectivePoint<C>> =
                low.iter().zip(high).map(|(l, h)| multiply(h, challenge) + l).collect();
            ProjectivePoint::<C>::normalize_batch(&sums)
        })
        .collect()
}

/// `c·point` for the effective scalar `c` of `challenge`, in 64 doublings and additions: the loop of
/// [`ScalarChallenge::to_field`] with `λ` for the point's image under the endomorphism.
fn multiply<C: PastaCurve>(point: &Point<C>, challenge: ScalarChallenge) -> ProjectivePoint<C> {
    let Some((x, y)) = point.xy() else { return ProjectivePoint::<C>::default() };
    let image = Point::<C>::new_unchecked(x * C::ENDO_BASE, y);
    let mut acc = (image + point).double();
    let bits = (u128::from(challenge.0[1]) << 64) | u128::from(challenge.0[0]);
    for i in (0..64).rev() {
        acc.double_in_place();
        let term = if (bits >> (2 * i + 1)) & 1 == 1 { image } else { *point };
        if (bits >> (2 * i)) & 1 == 1 {
            acc += term;
        } else {
            acc -= term;
        }
    }
    acc
}

#[cfg(test)]
mod tests {
    use mina_curves::{PallasConfig, VestaConfig};
    use mina_poseidon::KimchiCurve;

    use super::*;
    use crate::Srs;

    fn folds<C: KimchiCurve>() {
        let mut g = Srs::<C>::new(8).g().to_vec();
        g[6] = Point::<C>::zero();
        for limbs in [[0, 0], [u64::MAX, u64::MAX], [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210]]
        {
            let challenge = ScalarChallenge(limbs);
            let scalar: C::ScalarField = challenge.to_field(C::ENDO_SCALAR);
            let folded = fold_bases(&g, challenge);
            for i in 0..4 {
                assert_eq!(folded[i], (g[i + 4] * scalar + g[i]).into_affine());
            }
        }
    }

    #[test]
    fn folds_by_the_effective_scalar() {
        folds::<PallasConfig>();
        folds::<VestaConfig>();
    }
}
