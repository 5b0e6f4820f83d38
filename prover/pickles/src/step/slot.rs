//! One proof that a rule rests on.

use ark_ff::{AdditiveGroup, Field};
use kimchi::{
    COLUMNS, FeatureFlags, PERMUTED_COLUMNS,
    builder::{Boolean, ChallengeVar, Linear, PointVar, SpongeVar, Values, Var},
};
use mina_curves::Fp;
use mina_poseidon::{Kimchi, Sponge, salted};

use super::{FLAG_BITS, SlotOutput, StepParameters, UNFINALIZED, absorb_all, effective_vars};
use crate::{
    circuit::{
        evaluations::EvaluationsVar,
        features::{ALL, FeaturesVar},
        finalize::{Carried, Claims, DomainVar, all, finalize, suffix_choice},
        incremental::{Deferred, KeyVar, ProofVar, Verified, points_witness, verify_incrementally},
        one_hot::OneHot,
        public::{Bases, Public, public_commitment},
        shifted::{ShiftedVar, from_halved},
    },
    constants::{MAX_PROOFS_VERIFIED, STEP_ROUNDS, WRAP_ROUNDS, dummy},
    key::VerificationKey,
    rule::{PreviousStatement, Slot, StepBuilder, StepInput},
};

/// Points of a verification key.
pub(crate) const KEY_POINTS: usize = PERMUTED_COLUMNS + COLUMNS + 6;

/// Logarithms of the step domains that a verified proof may have.
pub(crate) const STEP_DOMAINS: core::ops::RangeInclusive<u32> = 2..=STEP_ROUNDS as u32;

/// Logarithms of the wrap domains of keys.
pub(crate) const SIDE_LOADED_DOMAINS: [u32; 3] = [13, 14, 15];

/// A key in the circuit.
#[derive(Clone, Debug)]
pub(crate) struct SlotKey {
    key: KeyVar<Fp>,
    /// A sponge that has absorbed the key.
    pub(crate) sponge: SpongeVar<Fp>,
    /// What hashing the key alone gives, which is its digest too.
    digest: Linear<Fp>,
    /// Which wrap domain, where the key is side-loaded.
    domain: Option<OneHot<Fp>>,
    /// The key's own hash, where it is side-loaded.
    pub(crate) hash: Option<Var<Fp>>,
}

/// The program's own key. Nothing here says that it is: every proof's messages contain it, and
/// whoever verifies a proof compares them with the true one.
pub(crate) fn own_key<I: Send + Sync + 'static>(cs: &mut StepBuilder<I>) -> SlotKey {
    let points = points_witness(cs, KEY_POINTS, |v| v.input().own_key.clone());
    witnessed(cs, points)
}

fn witnessed<I>(cs: &mut StepBuilder<I>, points: Vec<PointVar<Fp>>) -> SlotKey {
    let mut sponge = SpongeVar::new();
    for point in &points {
        sponge.absorb(cs, point.x());
        sponge.absorb(cs, point.y());
    }
    let digest = Linear::from(sponge.clone().squeeze(cs));
    let key = KeyVar { points, digest: digest.clone() };
    SlotKey { key, sponge, digest, domain: None, hash: None }
}

/// The key of the slot `index`.
pub(crate) fn key<I: Send + Sync + 'static>(
    cs: &mut StepBuilder<I>,
    index: usize,
    kind: &Slot,
    own: &SlotKey,
) -> SlotKey {
    match kind {
        Slot::Own => own.clone(),
        Slot::Program(key) => constant(cs, key),
        Slot::SideLoaded => side_loaded(cs, index),
    }
}

fn constant<I>(cs: &mut StepBuilder<I>, key: &VerificationKey) -> SlotKey {
    let points = key.points().map(|point| PointVar::constant(cs, point)).collect();
    let mut sponge = Sponge::<Fp>::new();
    sponge.absorb_all(&key.coordinates());
    let digest = Linear::from(sponge.squeeze());
    SlotKey {
        key: KeyVar { points, digest: digest.clone() },
        sponge: SpongeVar::from_state(sponge.state()),
        digest,
        domain: None,
        hash: None,
    }
}

/// A key of the prover's choice, with the hash that names it.
fn side_loaded<I: Send + Sync + 'static>(cs: &mut StepBuilder<I>, index: usize) -> SlotKey {
    let points = points_witness(cs, KEY_POINTS, move |v| {
        v.input().slots.get(index).map_or(Vec::new(), |slot| slot.key.points().copied().collect())
    });
    let size = |cs: &mut StepBuilder<I>, of: fn(&VerificationKey) -> usize| {
        OneHot::witness(cs, 3, move |v| v.input().slots.get(index).map_or(0, |s| of(&s.key)))
    };
    let max_proofs = size(cs, |key| key.max_proofs_verified.count());
    let domain = size(cs, |key| key.wrap_domain.count());
    let mut sponge = SpongeVar::from_state(salted::<Fp, Kimchi>("MinaSideLoadedVk"));
    for point in &points {
        sponge.absorb(cs, point.x());
        sponge.absorb(cs, point.y());
    }
    // Two one-hots of three bits, the first bit the most significant.
    let weights = |shift: u32| [4u64, 2, 1].map(|weight| Fp::from(weight << shift));
    sponge.absorb(cs, max_proofs.choose(weights(3)) + domain.choose(weights(0)));
    let hash = sponge.squeeze(cs);
    SlotKey { domain: Some(domain), hash: Some(hash), ..witnessed(cs, points) }
}

/// The part of an earlier proof's statement that is private to the circuit.
struct Statement {
    /// The first 29 elements of the wrap proof's public input but the hash of step messages.
    public: Vec<Var<Fp>>,
    domain: DomainVar<Fp>,
    /// Whether each of two accumulators is there.
    present: Vec<Boolean<Fp>>,
    /// `sg` of each.
    commitments: Vec<PointVar<Fp>>,
    /// Challenges of each.
    challenges: Vec<Vec<Linear<Fp>>>,
    /// The optional parts of its circuit; none in programs of ours and known ones.
    features: Option<FeaturesVar<Fp>>,
}

/// The optional parts that a slot's proof may have.
pub(crate) fn layout(kind: &Slot) -> FeatureFlags {
    match kind {
        Slot::SideLoaded => ALL,
        Slot::Own | Slot::Program(_) => FeatureFlags::default(),
    }
}

/// Places in the wrap proof's public input.
mod place {
    pub(super) const BETA: usize = 5;
    pub(super) const GAMMA: usize = 6;
    pub(super) const ALPHA: usize = 7;
    pub(super) const ZETA: usize = 8;
    pub(super) const XI: usize = 9;
    pub(super) const DIGEST: usize = 10;
    pub(super) const WRAP_MESSAGES: usize = 11;
    pub(super) const STEP_MESSAGES: usize = 12;
    pub(super) const ROUNDS: usize = 13;
    pub(super) const BRANCH: usize = 29;
    pub(super) const FLAGS: usize = 30;
    pub(super) const JOINT_COMBINER: usize = 39;
}

/// Verifies the proof of the slot `index`, if the rule says that it must.
pub(crate) fn verify<I: Send + Sync + 'static>(
    cs: &mut StepBuilder<I>,
    index: usize,
    kind: &Slot,
    key: &SlotKey,
    previous: &PreviousStatement,
    parameters: &StepParameters,
) -> SlotOutput {
    let statement = cs.region("statement", |cs| statement(cs, kind, parameters.width, index));
    let at = |place: usize| Linear::from(statement.public[place]);
    let rounds_raw = &statement.public[place::ROUNDS..place::BRANCH];
    let rounds = cs.region("challenges", |cs| effective_vars(cs, rounds_raw));

    let finalized = cs.region("finalize", |cs| {
        let evaluations = EvaluationsVar::witness(cs, layout(kind), move |v| {
            Ok(v.input().slot(index).evaluations.clone())
        });
        let [alpha, zeta, xi] = [place::ALPHA, place::ZETA, place::XI]
            .map(|place| ChallengeVar::new(cs, statement.public[place]));
        let deferred = |i: usize| from_halved(at(i));
        let claims = Claims {
            digest: at(place::DIGEST),
            beta: at(place::BETA),
            gamma: at(place::GAMMA),
            alpha,
            zeta,
            xi,
            rounds: rounds.clone(),
            combined_inner_product: deferred(0),
            b: deferred(1),
            zeta_to_srs_length: deferred(2),
            zeta_to_domain_size: deferred(3),
            perm: deferred(4),
        };
        let carried: Vec<Carried<Fp>> = statement
            .challenges
            .iter()
            .zip(&statement.present)
            .map(|(c, p)| Carried { challenges: c.clone(), present: p.clone() })
            .collect();
        let features = statement.features.as_ref();
        finalize(cs, &claims, &evaluations, &statement.domain, &carried, features)
    });

    let messages = cs.region("messages", |cs| step_messages(cs, key, previous, &statement));
    let public = cs.region("public input", |cs| {
        let public = wrap_public_input(cs, &statement, &messages);
        let bases = match &key.domain {
            Some(domain) => {
                let sizes = SIDE_LOADED_DOMAINS.map(|log| 1 << log);
                Bases::new(&parameters.srs, &sizes, domain.clone())
            }
            None => {
                let size = 1 << fixed_domain(kind, parameters);
                Bases::new(&parameters.srs, &[size], OneHot::witness(cs, 1, |_| 0))
            }
        };
        public_commitment(cs, &public, &bases)
    });

    let proof = cs.region("proof", |cs| {
        ProofVar::witness(cs, WRAP_ROUNDS, move |i: &StepInput<I>| &i.slot(index).wrap)
    });
    let deferred = cs.region("deferred", |cs| deferred(cs, index));
    let carried = cs.region("accumulators", |cs| carried_commitments(cs, &statement));
    let h = parameters.srs.h();
    let verified = cs.region("incremental", |cs| {
        verify_incrementally(cs, &key.key, &carried, public, &proof, &deferred, &h)
    });

    cs.region("result", |cs| {
        let [left, right] = verified.sides;
        let holds = [cs.is_equal(left.x(), right.x()), cs.is_equal(left.y(), right.y()), finalized];
        let holds = all(cs, &holds);
        // must_verify implies it.
        cs.assert_mul(&previous.must_verify, holds.not(), Fp::ZERO);
        let domain = match &key.domain {
            Some(domain) => domain.choose([0u64, 1, 2].map(Fp::from)),
            None => Linear::from(Fp::from(u64::from(fixed_domain(kind, parameters) - 13))),
        };
        let unfinalized = unfinalized(&verified, &deferred, &previous.must_verify, domain);
        let mut accumulator = vec![Linear::from(proof.sg.x()), Linear::from(proof.sg.y())];
        accumulator.extend(rounds);
        let real = SlotOutput { unfinalized, wrap_messages: at(place::WRAP_MESSAGES), accumulator };
        or_dummy(cs, &previous.must_verify, real)
    })
}

/// The wrap domain of a slot whose key is not side-loaded.
fn fixed_domain(kind: &Slot, parameters: &StepParameters) -> u32 {
    match kind {
        Slot::Program(key) => SIDE_LOADED_DOMAINS[key.wrap_domain.count()],
        _ => parameters.wrap_domain,
    }
}

fn statement<I: Send + Sync + 'static>(
    cs: &mut StepBuilder<I>,
    kind: &Slot,
    width: usize,
    index: usize,
) -> Statement {
    let public = cs.try_witnesses(place::BRANCH, move |v| {
        Ok(v.input().slot(index).public.iter().take(place::BRANCH).copied().collect())
    });
    let domain = DomainVar {
        logs: STEP_DOMAINS.collect(),
        chosen: OneHot::witness(cs, STEP_DOMAINS.count(), move |v| {
            usize::from(v.input().slot(index).domain_log2) - *STEP_DOMAINS.start() as usize
        }),
    };
    // Proofs of this program always carry as many as the program is wide.
    let present: Vec<Boolean<Fp>> = match kind {
        Slot::Own => (0..MAX_PROOFS_VERIFIED)
            .map(|i| Boolean::constant(i + width >= MAX_PROOFS_VERIFIED))
            .collect(),
        _ => {
            let bit = |cs: &mut StepBuilder<I>, count: usize| {
                Boolean::witness(cs, move |v| v.input().slot(index).proofs_verified >= count)
            };
            let (two, some) = (bit(cs, 2), bit(cs, 1));
            cs.assert_mul(&two, some.not(), Fp::ZERO);
            vec![two, some]
        }
    };
    let commitments = points_witness(cs, MAX_PROOFS_VERIFIED, move |v| {
        v.input().slot(index).commitments.to_vec()
    });
    let challenges = (0..MAX_PROOFS_VERIFIED)
        .map(|i| {
            let vars = cs.try_witnesses(STEP_ROUNDS, move |v| {
                Ok(v.input().slot(index).challenges[i].to_vec())
            });
            vars.into_iter().map(Linear::from).collect()
        })
        .collect();
    let features = matches!(kind, Slot::SideLoaded).then(|| features(cs, index));
    Statement { public, domain, present, commitments, challenges, features }
}

fn features<I: Send + Sync + 'static>(cs: &mut StepBuilder<I>, index: usize) -> FeaturesVar<Fp> {
    let public = move |v: &Values<'_, Fp, StepInput<I>>, place: usize| {
        v.input().slot(index).public.get(place).copied().unwrap_or_default()
    };
    let flags = core::array::from_fn(|i| {
        Boolean::witness(cs, move |v| public(v, place::FLAGS + i) == Fp::ONE)
    });
    let joint_combiner = cs.witness(move |v| public(v, place::JOINT_COMBINER));
    FeaturesVar::new(cs, flags, joint_combiner)
}

/// The hash of the earlier proof's messages to this circuit: its key, what it proved, and the
/// accumulators that are there.
fn step_messages<I>(
    cs: &mut StepBuilder<I>,
    key: &SlotKey,
    previous: &PreviousStatement,
    statement: &Statement,
) -> Linear<Fp> {
    let mut sponge = key.sponge.clone();
    absorb_all(cs, &mut sponge, &previous.app_state);
    suffix_choice(cs, &statement.present, &mut |cs, first| {
        if previous.app_state.is_empty() && first == MAX_PROOFS_VERIFIED {
            return key.digest.clone();
        }
        let mut sponge = sponge.clone();
        let pairs = statement.commitments.iter().zip(&statement.challenges).skip(first);
        for (commitment, challenges) in pairs {
            sponge.absorb(cs, commitment.x());
            sponge.absorb(cs, commitment.y());
            absorb_all(cs, &mut sponge, challenges);
        }
        sponge.squeeze(cs).into()
    })
}

/// The 40 elements of the wrap proof's public input.
fn wrap_public_input<I>(
    cs: &mut StepBuilder<I>,
    statement: &Statement,
    messages: &Linear<Fp>,
) -> Vec<Public<Fp>> {
    let mut public: Vec<Public<Fp>> = (0..place::BRANCH)
        .map(|place| {
            let value = Linear::from(statement.public[place]);
            match place {
                place::STEP_MESSAGES => Public::Element(messages.clone()),
                place::BETA..=place::XI | place::ROUNDS.. => Public::Bits(value, 128),
                _ => Public::Element(value),
            }
        })
        .collect();
    let [two, some] = [0, 1].map(|i| Linear::from(&statement.present[i]));
    let branch = statement.domain.log_size() * Fp::from(4u64) + two + some * Fp::from(2u64);
    public.push(Public::Bits(cs.reduce(branch).into(), 10));
    match &statement.features {
        None => public.extend((0..10).map(|_| Public::Constant(0))),
        Some(features) => {
            let bits = features.flags().iter().chain([features.uses_lookups()]);
            public.extend(bits.map(|bit| Public::Bits(bit.into(), 1)));
            public.push(Public::Bits(features.joint_combiner().raw().into(), 128));
        }
    }
    public
}

fn deferred<I: Send + Sync + 'static>(cs: &mut StepBuilder<I>, index: usize) -> Deferred<Fp> {
    let xi = cs.witness(move |v| v.input().slot(index).xi);
    Deferred {
        combined_inner_product: ShiftedVar::witness(cs, move |v| {
            v.input().slot(index).deferred.combined_inner_product
        }),
        b: ShiftedVar::witness(cs, move |v| v.input().slot(index).deferred.b),
        zeta_to_srs_length: ShiftedVar::witness(cs, move |v| {
            v.input().slot(index).deferred.zeta_to_srs_length
        }),
        zeta_to_domain_size: ShiftedVar::witness(cs, move |v| {
            v.input().slot(index).deferred.zeta_to_domain_size
        }),
        perm: ShiftedVar::witness(cs, move |v| v.input().slot(index).deferred.perm),
        xi: ChallengeVar::new(cs, xi),
    }
}

/// The accumulators that the wrap proof carries: dummies where there is none.
fn carried_commitments<I>(cs: &mut StepBuilder<I>, statement: &Statement) -> Vec<PointVar<Fp>> {
    let dummy = PointVar::constant(cs, &dummy::WRAP_SG);
    let pairs = statement.commitments.iter().zip(&statement.present);
    pairs
        .map(|(point, present)| match present.as_constant() {
            Some(true) => *point,
            Some(false) => dummy,
            None => PointVar::select(cs, present, point, &dummy),
        })
        .collect()
}

/// What the wrap circuit is to finalize, in the order of [`UNFINALIZED`].
fn unfinalized(
    verified: &Verified<Fp>,
    deferred: &Deferred<Fp>,
    must_verify: &Boolean<Fp>,
    domain: Linear<Fp>,
) -> Vec<Linear<Fp>> {
    let mut elements = Vec::with_capacity(UNFINALIZED);
    let mut flags = Linear::from(must_verify);
    let values = [
        &deferred.combined_inner_product,
        &deferred.b,
        &deferred.zeta_to_srs_length,
        &deferred.zeta_to_domain_size,
        &deferred.perm,
    ];
    for (i, value) in values.into_iter().enumerate() {
        // Scalars of wrap proofs are the larger field.
        if let ShiftedVar::Split { high, low } = value {
            elements.push(high.clone());
            flags = flags + Linear::from(low) * Fp::from(1u64 << (1 + i));
        }
    }
    elements.push(verified.digest.into());
    let challenges = [verified.beta, verified.gamma, verified.alpha, verified.zeta];
    elements.extend(challenges.map(Linear::from));
    elements.push(deferred.xi.raw().into());
    elements.extend(verified.rounds.iter().map(|round| Linear::from(*round)));
    elements.push(flags + domain * Fp::from(1u64 << (FLAG_BITS - 2)));
    elements
}

/// What must belong together, replaced by dummies where there need be no proof.
fn or_dummy<I>(cs: &mut StepBuilder<I>, must_verify: &Boolean<Fp>, real: SlotOutput) -> SlotOutput {
    if must_verify.as_constant() == Some(true) {
        return real;
    }
    let dummy = SlotOutput::dummy();
    let mut select = |real: Vec<Linear<Fp>>, dummy: Vec<Linear<Fp>>| -> Vec<Linear<Fp>> {
        let pairs = real.into_iter().zip(dummy);
        pairs.map(|(real, dummy)| must_verify.select(cs, real, dummy).into()).collect()
    };
    let mut wrap_messages = select(vec![real.wrap_messages], vec![dummy.wrap_messages]);
    SlotOutput {
        unfinalized: select(real.unfinalized, dummy.unfinalized),
        accumulator: select(real.accumulator, dummy.accumulator),
        wrap_messages: wrap_messages.swap_remove(0),
    }
}
