//! An attack on batched openings.

use ark_ec::CurveGroup;
use ark_ff::Field;
use kimchi::{Instance, PartialVerification, Statement};
use mina_curves::{PastaCurve, Point, VestaConfig};
use poly_commitment::{b_poly, b_poly_coefficients, shift_scalar};

type C = VestaConfig;
type F = mina_curves::Fp;

/// The `sg` for which the sum, with equal weights, of the opening's two equations
/// `c·Q + δ = z1·(sg + b·U) + z2·H` and `⟨s, G⟩ = sg` holds, whatever the statement.
pub(crate) fn solve_for_sg(statement: &Statement<C>) -> Point<C> {
    let Statement { index, proof, public_input } = statement;
    let instance = Instance { index, proof, public_input };
    let claim = PartialVerification::run(&instance).expect("a well-formed proof").claim;
    let opening = claim.opening;
    let srs = &index.srs;

    let mut sponge = claim.sponge.clone();
    sponge.absorb_scalar(shift_scalar::<C>(claim.combined_inner_product));
    let (x, y) = C::group_map().to_group(sponge.squeeze_base());
    let u = Point::<C>::new(x, y);
    let folding = opening.challenges(&mut sponge);
    sponge.absorb_point(&opening.delta);
    let c: F = sponge.challenge().to_field(C::ENDO_SCALAR);

    let mut q = u * claim.combined_inner_product;
    let mut scale = F::ONE;
    for chunk in claim.evaluations.iter().flat_map(|e| &e.commitment.chunks) {
        q += *chunk * scale;
        scale *= claim.polyscale;
    }
    for ((l, r), (challenge, inverse)) in
        opening.lr.iter().zip(folding.challenges.iter().zip(&folding.inverses))
    {
        q += *l * inverse + *r * challenge;
    }
    let b = b_poly(&folding.challenges, claim.points[0])
        + claim.evalscale * b_poly(&folding.challenges, claim.points[1]);
    let s = b_poly_coefficients(&folding.challenges);
    let sum = q * c + opening.delta - u * (opening.z1 * b) - srs.h() * opening.z2
        + mina_curves::msm(srs.g(), &s);
    (sum * (opening.z1 + F::ONE).inverse().expect("z1 is not -1")).into_affine()
}
