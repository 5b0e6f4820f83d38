//! The values of a step proof that the wrap circuit takes on trust, because they are arithmetic in
//! the other field: the verifier derives them from the proof's evaluations.

use ark_ff::{AdditiveGroup, Field};
use kimchi::{
    AtPoints, Challenges, Domain, FeatureFlags, Parameters, Revision, ZK_ROWS, absorbed_columns,
    ft_zeta, opened_columns, permutation_scalar,
};
use mina_curves::{Fp, PallasConfig, PastaCurve, ScalarChallenge, VestaConfig};
use mina_poseidon::{FrSponge, Sponge};
use poly_commitment::{b_poly, combined_inner_product};

use crate::{
    constants::STEP_ROUNDS,
    proof::{Plonk, ProofState, StepEvaluations},
};

/// Values of a step proof that follow from its evaluations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeferredValues {
    /// All evaluations, combined by `ξ` and `r`.
    pub combined_inner_product: Fp,
    /// The challenge polynomial at `ζ` and `ζω`, combined by `r`.
    pub b: Fp,
    /// `ζ^(2^16)`.
    pub zeta_to_srs_length: Fp,
    /// `ζ^n`.
    pub zeta_to_domain_size: Fp,
    /// The factor of the last permutation polynomial in the linearization.
    pub perm: Fp,
    /// The challenge `ξ`.
    pub xi: ScalarChallenge,
}

impl DeferredValues {
    /// Derives the values; `domain` is the step circuit's, `old` the challenges of the step proofs
    /// that it carries on.
    pub fn derive(
        state: &ProofState,
        domain: &Domain<Fp>,
        old: &[[ScalarChallenge; STEP_ROUNDS]],
        step: &StepEvaluations,
    ) -> Self {
        let features = state.plonk.flags.features();
        let challenges = challenges(&state.plonk);
        let zeta = challenges.zeta;
        let zeta_omega = zeta * domain.generator();
        let old: Vec<Vec<Fp>> = old.iter().map(effective).collect();

        let (xi, r) = opening_challenges(state, &features, &old, step);
        let (polyscale, evalscale) = (scalar(xi), scalar(r));

        let one = Fp::ONE;
        let joined = step.columns.combine(AtPoints { zeta: one, zeta_omega: one });
        let parameters = Parameters {
            domain: (domain, zeta),
            zk_rows: ZK_ROWS,
            shifts: &domain.shifts(),
            endo: <PallasConfig as PastaCurve>::ENDO_BASE,
            revision: Revision::Berkeley,
            features: &features,
        };
        let ft = ft_zeta(&parameters, &joined, &challenges, step.public.zeta);

        let mut values: Vec<Vec<Vec<Fp>>> = Vec::new();
        let pair = |zeta: Fp, zeta_omega: Fp| vec![vec![zeta], vec![zeta_omega]];
        for challenges in &old {
            values.push(pair(b_poly(challenges, zeta), b_poly(challenges, zeta_omega)));
        }
        values.push(pair(step.public.zeta, step.public.zeta_omega));
        values.push(pair(ft, step.ft_zeta_omega));
        for column in opened_columns(&features) {
            let at = joined.get(column).copied().unwrap_or_default();
            values.push(pair(at.zeta, at.zeta_omega));
        }

        let bulletproof = effective(&state.bulletproof_challenges);
        Self {
            combined_inner_product: combined_inner_product(polyscale, evalscale, &values),
            b: b_poly(&bulletproof, zeta) + evalscale * b_poly(&bulletproof, zeta_omega),
            zeta_to_srs_length: zeta.pow([1 << STEP_ROUNDS]),
            zeta_to_domain_size: zeta.pow([domain.size() as u64]),
            perm: permutation_scalar(&parameters, &joined, &challenges),
            xi,
        }
    }
}

/// The effective scalar of a step proof's challenge.
pub(crate) fn scalar(challenge: ScalarChallenge) -> Fp {
    challenge.to_field(VestaConfig::ENDO_SCALAR)
}

/// The effective scalars of a step opening's challenges.
pub(crate) fn effective(challenges: &[ScalarChallenge; STEP_ROUNDS]) -> Vec<Fp> {
    challenges.iter().map(|challenge| scalar(*challenge)).collect()
}

fn challenges(plonk: &Plonk) -> Challenges<Fp> {
    Challenges {
        joint_combiner: plonk.joint_combiner.map_or(Fp::ZERO, scalar),
        beta: plonk.beta.raw(),
        gamma: plonk.gamma.raw(),
        alpha: scalar(plonk.alpha),
        zeta: scalar(plonk.zeta),
    }
}

/// `ξ` and `r`, as the step proof's Fr-sponge gives them.
fn opening_challenges(
    state: &ProofState,
    features: &FeatureFlags,
    old: &[Vec<Fp>],
    step: &StepEvaluations,
) -> (ScalarChallenge, ScalarChallenge) {
    let mut old_digest = Sponge::<Fp>::new();
    for challenges in old {
        old_digest.absorb_all(challenges);
    }
    let mut sponge = FrSponge::new();
    sponge.absorb(state.sponge_digest);
    sponge.absorb(old_digest.squeeze());
    sponge.absorb(step.ft_zeta_omega);
    sponge.absorb(step.public.zeta);
    sponge.absorb(step.public.zeta_omega);
    for column in absorbed_columns(features) {
        if let Some(at) = step.columns.get(column) {
            sponge.absorb_all(&at.zeta);
            sponge.absorb_all(&at.zeta_omega);
        }
    }
    (sponge.challenge(), sponge.challenge())
}
