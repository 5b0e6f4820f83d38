//! Finalizing a proof: the part of its verification that is arithmetic in its scalar field.
//!
//! The twin of what [`kimchi::PartialVerification`] computes after the transcript.

#[cfg(test)]
mod tests;

use kimchi::{
    AtPoints, Challenges, Column, DomainAtZeta, Evaluations, FeatureFlags, Parameters, Revision,
    ZK_ROWS,
    builder::{
        Arena, Boolean, ChallengeVar, CircuitBuilder, CircuitField, Element, Linear, SpongeVar,
    },
    ft_zeta, lookups_at_zeta, opened_columns, permutation_scalar,
};

use super::{
    CycleField,
    challenge::{challenge_polynomial, squeeze_challenge},
    evaluations::EvaluationsVar,
    features::FeaturesVar,
    one_hot::OneHot,
};

/// The domains that a proof may be over, and which of them it is.
#[derive(Clone, Debug)]
pub(crate) struct DomainVar<F> {
    /// Base-2 logarithms of the sizes.
    pub(crate) logs: Vec<u32>,
    /// Which of them.
    pub(crate) chosen: OneHot<F>,
}

impl<F: CycleField> DomainVar<F> {
    /// `ω^row`.
    fn element(&self, row: i64) -> Linear<F> {
        self.chosen.choose(self.logs.iter().map(|log| {
            kimchi::Domain::<F>::new(1 << log).map_or(F::ZERO, |domain| domain.element(row))
        }))
    }

    /// The base-2 logarithm of the size.
    pub(crate) fn log_size(&self) -> Linear<F> {
        self.chosen.choose(self.logs.iter().map(|log| F::from(u64::from(*log))))
    }
}

/// The accumulators that a proof carries on, as far as finalizing needs them: the challenges of each,
/// and whether it is there. Those that are not stand before those that are.
#[derive(Clone, Debug)]
pub(crate) struct Carried<F> {
    /// Effective challenges.
    pub(crate) challenges: Vec<Linear<F>>,
    /// Whether the proof carries it.
    pub(crate) present: Boolean<F>,
}

impl<F: CycleField> Carried<F> {
    /// One that is surely there.
    pub(crate) fn present(challenges: &[Linear<F>]) -> Self {
        Self { challenges: challenges.to_vec(), present: Boolean::constant(true) }
    }
}

/// What a proof's transcript gave, and the values that are claimed to follow.
#[derive(Clone, Debug)]
pub(crate) struct Claims<F> {
    /// The digest of the transcript.
    pub(crate) digest: Linear<F>,
    /// `β` and `γ`.
    pub(crate) beta: Linear<F>,
    /// See `beta`.
    pub(crate) gamma: Linear<F>,
    /// `α` and `ζ`.
    pub(crate) alpha: ChallengeVar<F>,
    /// See `alpha`.
    pub(crate) zeta: ChallengeVar<F>,
    /// `ξ`, claimed.
    pub(crate) xi: ChallengeVar<F>,
    /// The challenges of the opening, effective.
    pub(crate) rounds: Vec<Linear<F>>,
    /// Claimed: all evaluations combined.
    pub(crate) combined_inner_product: Linear<F>,
    /// Claimed: the challenge polynomial, combined.
    pub(crate) b: Linear<F>,
    /// Claimed: `ζ` to the size of the SRS.
    pub(crate) zeta_to_srs_length: Linear<F>,
    /// Claimed: `ζ` to the size of the domain.
    pub(crate) zeta_to_domain_size: Linear<F>,
    /// Claimed: the factor of the last permutation polynomial.
    pub(crate) perm: Linear<F>,
}

/// Whether all claims about a proof follow from its evaluations.
///
/// `features` says which of the optional parts there are that the evaluations have places for; without
/// it, there are none.
pub(crate) fn finalize<F: CycleField, I>(
    cs: &mut CircuitBuilder<F, I>,
    claims: &Claims<F>,
    evaluations: &EvaluationsVar<F>,
    domain: &DomainVar<F>,
    carried: &[Carried<F>],
    features: Option<&FeaturesVar<F>>,
) -> Boolean<F> {
    if let Some(features) = features {
        cs.region("optional columns", |cs| features.assert_absent_are_zero(cs, evaluations));
    }
    let (xi, r) = cs.region("evaluations' sponge", |cs| {
        opening_challenges(cs, &claims.digest, evaluations, carried, features)
    });
    let xi_raw = xi.raw();
    let [xi, r, zeta] =
        [xi, r, claims.zeta].map(|challenge| Linear::from(cs.reduce(challenge.effective())));

    let (powers, powers_omega) = cs.region("powers of ζ", |cs| {
        let omega = domain.element(1);
        let zeta_omega = cs.mul(zeta.clone(), omega);
        (squares(cs, zeta.clone()), squares(cs, zeta_omega.into()))
    });
    let by_size = domain.logs.iter().map(|log| powers[*log as usize].clone());
    let zeta_to_domain_size = domain.chosen.select(cs, by_size);

    let columns = evaluations.columns();
    let (ft, perm) = cs.region("linearization", |cs| {
        let zeta = [&zeta, &zeta_to_domain_size];
        linearization(cs, claims, evaluations, &columns, domain, zeta, features)
    });

    let (mut sum, carried_values) = cs.region("combined inner product", |cs| {
        let values = carried.iter().map(|carried| {
            let challenges = &carried.challenges;
            let at = AtPoints {
                zeta: challenge_polynomial(cs, challenges, &powers),
                zeta_omega: challenge_polynomial(cs, challenges, &powers_omega),
            };
            (at, carried.present.clone())
        });
        let carried_values: Vec<_> = values.collect();
        let sum = combined_inner_product(cs, evaluations, &columns, ft, [&xi, &r], features);
        (sum, carried_values)
    });
    for (at, present) in carried_values.into_iter().rev() {
        sum = horner_step_if(cs, &present, sum, &xi, &r, at);
    }

    let b = cs.region("b", |cs| {
        let at_zeta = challenge_polynomial(cs, &claims.rounds, &powers);
        let at_zeta_omega = challenge_polynomial(cs, &claims.rounds, &powers_omega);
        at_zeta + cs.mul(r, at_zeta_omega)
    });

    let equal = [
        (Linear::from(xi_raw), Linear::from(claims.xi.raw())),
        (sum, claims.combined_inner_product.clone()),
        (b, claims.b.clone()),
        (powers[F::ROUNDS].clone(), claims.zeta_to_srs_length.clone()),
        (zeta_to_domain_size, claims.zeta_to_domain_size.clone()),
        (perm, claims.perm.clone()),
    ]
    .map(|(computed, claimed)| cs.is_equal(computed, claimed));
    all(cs, &equal)
}

/// Whether all bits are set.
pub(crate) fn all<F: CycleField, I>(
    cs: &mut CircuitBuilder<F, I>,
    bits: &[Boolean<F>],
) -> Boolean<F> {
    // As many of them as there are.
    let count = F::from(bits.len() as u64);
    cs.is_zero(Linear::sum(bits) - count)
}

/// `x, x², x⁴ …` up to the size of the SRS.
fn squares<F: CycleField, I>(cs: &mut CircuitBuilder<F, I>, x: Linear<F>) -> Vec<Linear<F>> {
    let mut powers = vec![x];
    for i in 0..F::ROUNDS {
        let square = cs.square(powers[i].clone());
        powers.push(square.into());
    }
    powers
}

/// `ξ` and `r`.
fn opening_challenges<F: CycleField, I>(
    cs: &mut CircuitBuilder<F, I>,
    digest: &Linear<F>,
    evaluations: &EvaluationsVar<F>,
    carried: &[Carried<F>],
    features: Option<&FeaturesVar<F>>,
) -> (ChallengeVar<F>, ChallengeVar<F>) {
    let carried_digest = carried_digest(cs, carried);
    let mut sponge = SpongeVar::new();
    sponge.absorb(cs, digest);
    sponge.absorb(cs, carried_digest);
    let AtPoints { zeta, zeta_omega } = evaluations.public();
    for value in [evaluations.ft_zeta_omega(), zeta, zeta_omega] {
        sponge.absorb(cs, value);
    }
    for (column, pair) in evaluations.absorbed_columns() {
        match features.and_then(|features| features.presence(column)) {
            Some(present) => sponge.absorb_pair_if(cs, present, pair),
            None => pair.into_iter().for_each(|value| sponge.absorb(cs, value)),
        }
    }
    (squeeze_challenge(cs, &mut sponge), squeeze_challenge(cs, &mut sponge))
}

/// The hash of the challenges that are carried on, for each number that may be there.
fn carried_digest<F: CycleField, I>(
    cs: &mut CircuitBuilder<F, I>,
    carried: &[Carried<F>],
) -> Linear<F> {
    let mut hash_from = |cs: &mut CircuitBuilder<F, I>, first: usize| -> Linear<F> {
        let mut sponge = SpongeVar::new();
        for challenge in carried[first..].iter().flat_map(|carried| &carried.challenges) {
            sponge.absorb(cs, challenge);
        }
        sponge.squeeze(cs).into()
    };
    let present: Vec<Boolean<F>> = carried.iter().map(|c| c.present.clone()).collect();
    suffix_choice(cs, &present, &mut hash_from)
}

/// The value of `of(first)` for the first entry that is present.
pub(crate) fn suffix_choice<F: CycleField, I>(
    cs: &mut CircuitBuilder<F, I>,
    present: &[Boolean<F>],
    of: &mut impl FnMut(&mut CircuitBuilder<F, I>, usize) -> Linear<F>,
) -> Linear<F> {
    let mut result = None;
    for first in (0..=present.len()).rev() {
        // `present[first]` says whether something from here on is there at all.
        let here = present.get(first).map_or(Some(true), Boolean::as_constant);
        if here == Some(false) {
            continue;
        }
        let covered = first > 0 && present[first - 1].as_constant() == Some(true);
        if covered {
            // An earlier entry is surely there.
            continue;
        }
        let value = of(cs, first);
        result = Some(match (result, present.get(first)) {
            (Some(other), Some(bit)) if here.is_none() => {
                Linear::from(bit.select(cs, value, other))
            }
            _ => value,
        });
    }
    result.unwrap_or_else(|| Linear::from(F::ZERO))
}

/// `ft(ζ)`, and the factor of the last permutation polynomial.
fn linearization<F: CycleField, I>(
    cs: &mut CircuitBuilder<F, I>,
    claims: &Claims<F>,
    evaluations: &EvaluationsVar<F>,
    columns: &Evaluations<kimchi::builder::Var<F>>,
    domain: &DomainVar<F>,
    [zeta, zeta_to_domain_size]: [&Linear<F>; 2],
    features: Option<&FeaturesVar<F>>,
) -> (Linear<F>, Linear<F>) {
    let joint_combiner = match features {
        Some(features) => cs.reduce(features.joint_combiner().effective()).into(),
        None => Linear::from(F::ZERO),
    };
    let alpha = cs.reduce(claims.alpha.effective());
    let arena = Arena::new(cs);
    let columns = columns.map(|var| arena.element(*var));
    let challenges = Challenges {
        joint_combiner: arena.element(joint_combiner),
        beta: arena.element(&claims.beta),
        gamma: arena.element(&claims.gamma),
        alpha: arena.element(alpha),
        zeta: arena.element(zeta),
    };
    let largest = domain.logs.iter().max().copied().unwrap_or(0);
    // Shifts are the same for every size: `compile` and the verifier's keys rest on it.
    let shifts = kimchi::Domain::<F>::new(1 << largest).map(|d| d.shifts()).unwrap_or_default();
    // Of gates that are not there, the selectors are zero.
    let gates = FeatureFlags {
        optional_gates: evaluations.layout().optional_gates,
        ..FeatureFlags::default()
    };
    let domain = DomainElements {
        arena: &arena,
        domain,
        zeta: challenges.zeta,
        vanishing: arena.element(zeta_to_domain_size.clone() - F::ONE),
    };
    let parameters = Parameters {
        domain: &domain,
        zk_rows: ZK_ROWS,
        shifts: &shifts,
        endo: <F as CircuitField>::endo_base(),
        revision: Revision::Berkeley,
        features: &gates,
    };
    let public = arena.element(evaluations.public().zeta);
    let mut ft = ft_zeta(&parameters, &columns, &challenges, public);
    for (shape, applies) in features.into_iter().flat_map(FeaturesVar::shapes) {
        let parameters = Parameters { features: &shape, ..parameters };
        let lookups = lookups_at_zeta(&parameters, &columns, &challenges);
        ft = ft - arena.element(applies) * lookups;
    }
    let perm = permutation_scalar(&parameters, &columns, &challenges);
    (ft.linear(), perm.linear())
}

/// [`DomainAtZeta`] of a circuit's variables.
struct DomainElements<'a, 'c, F: CycleField, I> {
    arena: &'a Arena<'c, F, I>,
    domain: &'a DomainVar<F>,
    zeta: Element<'a, 'c, F, I>,
    vanishing: Element<'a, 'c, F, I>,
}

impl<'a, 'c, F: CycleField, I> DomainAtZeta<Element<'a, 'c, F, I>>
    for &DomainElements<'a, 'c, F, I>
{
    fn vanishing_on_last(&self, rows: usize) -> Element<'a, 'c, F, I> {
        let factor = |row: i64| self.zeta - self.arena.element(self.domain.element(row));
        (2..=rows as i64).fold(factor(-1), |product, row| product * factor(-row))
    }

    fn unnormalized_lagrange(&self, row: i64) -> Element<'a, 'c, F, I> {
        let distance = self.zeta - self.arena.element(self.domain.element(row));
        self.arena.div(self.vanishing, distance)
    }
}

/// `Σ ξⁱ·(value at ζ + r·value at ζω)` of everything but what is carried on.
fn combined_inner_product<F: CycleField, I>(
    cs: &mut CircuitBuilder<F, I>,
    evaluations: &EvaluationsVar<F>,
    columns: &Evaluations<kimchi::builder::Var<F>>,
    ft: Linear<F>,
    [xi, r]: [&Linear<F>; 2],
    features: Option<&FeaturesVar<F>>,
) -> Linear<F> {
    let linear = |at: AtPoints<kimchi::builder::Var<F>>| AtPoints {
        zeta: Linear::from(at.zeta),
        zeta_omega: Linear::from(at.zeta_omega),
    };
    let ft = AtPoints { zeta: ft, zeta_omega: Linear::from(evaluations.ft_zeta_omega()) };
    let always = Boolean::constant(true);
    let presence =
        |column: Column| features.and_then(|features| features.presence(column)).unwrap_or(&always);
    let mut all = vec![(linear(evaluations.public()), &always), (ft, &always)];
    for column in opened_columns(evaluations.layout()) {
        all.extend(columns.get(column).map(|at| (linear(*at), presence(column))));
    }
    let mut sum = Linear::from(F::ZERO);
    for (at, present) in all.into_iter().rev() {
        sum = horner_step_if(cs, present, sum, xi, r, at);
    }
    sum
}

/// [`horner_step`] if the value is there.
fn horner_step_if<F: CycleField, I>(
    cs: &mut CircuitBuilder<F, I>,
    present: &Boolean<F>,
    sum: Linear<F>,
    xi: &Linear<F>,
    r: &Linear<F>,
    at: AtPoints<Linear<F>>,
) -> Linear<F> {
    if present.as_constant() == Some(false) {
        return sum;
    }
    let more = horner_step(cs, &sum, xi, r, at);
    match present.as_constant() {
        Some(_) => more,
        None => present.select(cs, more, sum).into(),
    }
}

/// `sum·ξ + value at ζ + r·value at ζω`.
fn horner_step<F: CycleField, I>(
    cs: &mut CircuitBuilder<F, I>,
    sum: &Linear<F>,
    xi: &Linear<F>,
    r: &Linear<F>,
    at: AtPoints<Linear<F>>,
) -> Linear<F> {
    let scaled = cs.mul(sum.clone(), xi.clone());
    let second = cs.mul(r.clone(), at.zeta_omega);
    Linear::from(cs.reduce(at.zeta + second + scaled))
}
