//! The wrap circuit: verifies a step proof of any rule of the program incrementally, finalizes the
//! wrap proofs that the step proof verified, and hands on the statement in Mina's format.

use std::sync::Arc;

use ark_ff::AdditiveGroup;
use kimchi::{
    FeatureFlags, Proof,
    builder::{
        BuildError, BuiltCircuit, ChallengeVar, CircuitBuilder, Linear, PointVar, SpongeVar, Var,
        WitnessGenerator,
    },
};
use mina_curves::{Fp, Fq, PastaField, Vesta, VestaConfig};
use poly_commitment::Srs;

use crate::{
    circuit::{
        evaluations::EvaluationsVar,
        finalize::{Carried, Claims, DomainVar, finalize},
        incremental::{Deferred, KeyVar, ProofVar, points_witness, verify_incrementally},
        one_hot::OneHot,
        public::{Bases, Public, public_commitment},
        shifted::{ShiftedVar, from_split},
    },
    constants::{MAX_PROOFS_VERIFIED, STEP_ROUNDS, WRAP_PUBLIC_INPUTS, WRAP_ROUNDS, dummy},
    proof::ProofsVerified,
    public_input::wrap_scalar,
    rule::DeferredScalars,
    step::{FLAG_BITS, SIDE_LOADED_DOMAINS, UNFINALIZED},
};

/// A step circuit, as the wrap circuit knows it.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    /// Its commitments, in the key's order.
    pub(crate) points: Vec<Vesta>,
    /// Its verifier index' digest.
    pub(crate) digest: Fq,
    /// The base-2 logarithm of its domain.
    pub(crate) domain_log2: u8,
}

/// What fixes a wrap circuit.
#[derive(Clone, Debug)]
pub(crate) struct WrapParameters {
    /// How many proofs every step proof verified.
    pub(crate) width: ProofsVerified,
    /// The program's step circuits.
    pub(crate) branches: Vec<Branch>,
    /// The SRS of step proofs.
    pub(crate) srs: Arc<Srs<VestaConfig>>,
}

/// What a wrap witness is made from.
#[derive(Debug)]
pub(crate) struct WrapInput {
    pub(crate) branch: usize,
    /// The step proof.
    pub(crate) proof: Proof<VestaConfig>,
    /// Its public input.
    pub(crate) public: Vec<Fp>,
    pub(crate) deferred: DeferredScalars<Fp>,
    pub(crate) xi: Fq,
    pub(crate) slots: Vec<WrapSlotInput>,
}

/// What the wrap circuit learns about a wrap proof that the step proof verified.
#[derive(Clone, Debug)]
pub(crate) struct WrapSlotInput {
    /// The evaluations of the wrap proof, in the order in which they are absorbed.
    pub(crate) evaluations: Vec<Fq>,
    /// The effective challenges of the two accumulators that it carries.
    pub(crate) challenges: [[Fq; WRAP_ROUNDS]; MAX_PROOFS_VERIFIED],
    /// `sg` of the step proof that it wraps.
    pub(crate) commitment: Vesta,
}

type WrapBuilder = CircuitBuilder<Fq, WrapInput>;

/// The wrap circuit of a program.
pub(crate) type WrapCircuit = (BuiltCircuit<Fq>, WitnessGenerator<Fq, WrapInput>);

/// Builds the wrap circuit of a program.
pub(crate) fn build(parameters: &WrapParameters) -> Result<WrapCircuit, BuildError> {
    let cs = &mut WrapBuilder::new();
    cs.carry_previous(MAX_PROOFS_VERIFIED);
    let width = parameters.width.count();
    let branch = cs.region("branch", |cs| {
        OneHot::witness(cs, parameters.branches.len(), |v| v.input().branch)
    });
    let step_public = cs.region("step statement", |cs| {
        let count = width * UNFINALIZED + 1 + width;
        cs.try_witnesses(count, |v| Ok(v.input().public.iter().map(|x| lift(*x)).collect()))
    });
    let (unfinalized, messages) = step_public.split_at(width * UNFINALIZED);
    let (step_messages, wrap_messages) = (messages[0], &messages[1..]);

    let slots: Vec<Slot> = unfinalized
        .chunks_exact(UNFINALIZED)
        .zip(wrap_messages)
        .enumerate()
        .map(|(i, (unfinalized, messages))| {
            cs.region(format!("proof {i}"), |cs| finalize_slot(cs, i, unfinalized, *messages))
        })
        .collect();

    let public = cs.region("public input", |cs| {
        let public = step_public_input(width, &step_public);
        let mut sizes: Vec<usize> =
            parameters.branches.iter().map(|branch| 1 << branch.domain_log2).collect();
        if sizes.windows(2).all(|pair| pair[0] == pair[1]) {
            sizes.truncate(1);
        }
        let bases = Bases::new(&parameters.srs, &sizes, branch.clone());
        public_commitment(cs, &public, &bases)
    });
    let key = cs.region("key", |cs| chosen_key(cs, &branch, &parameters.branches));
    let proof = cs
        .region("proof", |cs| ProofVar::witness(cs, STEP_ROUNDS, |input: &WrapInput| &input.proof));
    let deferred = cs.region("deferred", deferred);
    let carried: Vec<PointVar<Fq>> = slots.iter().map(|slot| slot.commitment).collect();
    let h = parameters.srs.h();
    let verified = cs.region("incremental", |cs| {
        verify_incrementally(cs, &key, &carried, public, &proof, &deferred, &h)
    });
    let [left, right] = verified.sides;
    left.assert_equal(cs, &right);

    let new_messages = cs.region("messages", |cs| {
        let dummies = MAX_PROOFS_VERIFIED - width;
        let mut challenges: Vec<Linear<Fq>> = Vec::new();
        for _ in 0..dummies {
            challenges.extend(dummy::wrap_challenges().map(|c| Linear::from(wrap_scalar(c))));
        }
        challenges.extend(slots.iter().flat_map(|slot| slot.challenges.clone()));
        wrap_messages_hash(cs, &challenges, &proof.sg)
    });

    let values = [
        &deferred.combined_inner_product,
        &deferred.b,
        &deferred.zeta_to_srs_length,
        &deferred.zeta_to_domain_size,
        &deferred.perm,
    ];
    for value in values {
        // Scalars of step proofs are the smaller field.
        if let ShiftedVar::Halved(t) = value {
            cs.expose(t);
        }
    }
    for var in [verified.beta, verified.gamma, verified.alpha, verified.zeta] {
        cs.expose(var);
    }
    for var in [deferred.xi.raw(), verified.digest, new_messages, step_messages] {
        cs.expose(var);
    }
    for round in &verified.rounds {
        cs.expose(*round);
    }
    let branch_data = parameters
        .branches
        .iter()
        .map(|branch| Fq::from(4 * u64::from(branch.domain_log2) + parameters.width.mask()));
    cs.expose(branch.choose(branch_data));
    // No optional parts, no lookups.
    for _ in 0..10 {
        cs.expose(Fq::ZERO);
    }
    debug_assert_eq!(5 + 8 + STEP_ROUNDS + 1 + 10, WRAP_PUBLIC_INPUTS);
    std::mem::take(cs).finish()
}

/// The element of the larger field with the same number.
pub(crate) fn lift(x: Fp) -> Fq {
    Fq::from_limbs(x.to_limbs()).unwrap_or(Fq::ZERO)
}

/// What is left of a proof that the step proof verified.
struct Slot {
    /// `sg` of the step proof that it wraps, which the new step proof carries on.
    commitment: PointVar<Fq>,
    /// The challenges of its opening, effective.
    challenges: Vec<Linear<Fq>>,
}

/// Finalizes a wrap proof, and opens the hash of what its circuit knew.
fn finalize_slot(
    cs: &mut WrapBuilder,
    index: usize,
    unfinalized: &[Var<Fq>],
    messages: Var<Fq>,
) -> Slot {
    let at = |i: usize| Linear::from(unfinalized[i]);
    let flags = cs.region("flags", |cs| cs.to_bits(unfinalized[UNFINALIZED - 1], FLAG_BITS));
    let deferred = |i: usize| from_split(at(i), Linear::from(&flags[1 + i]));
    let challenges: Vec<Linear<Fq>> = cs.region("challenges", |cs| {
        let raw = &unfinalized[11..11 + WRAP_ROUNDS];
        raw.iter().map(|raw| Linear::from(cs.endo_scalar(*raw))).collect()
    });
    let [alpha, zeta, xi] = [8, 9, 10].map(|i| ChallengeVar::new(cs, unfinalized[i]));
    let claims = Claims {
        digest: at(5),
        beta: at(6),
        gamma: at(7),
        alpha,
        zeta,
        xi,
        rounds: challenges.clone(),
        combined_inner_product: deferred(0),
        b: deferred(1),
        zeta_to_srs_length: deferred(2),
        zeta_to_domain_size: deferred(3),
        perm: deferred(4),
    };
    let domain = DomainVar {
        logs: SIDE_LOADED_DOMAINS.to_vec(),
        chosen: cs.region("domain", |cs| {
            let number = Linear::from_bits(&flags[FLAG_BITS - 2..]);
            OneHot::of_number(cs, number, SIDE_LOADED_DOMAINS.len())
        }),
    };
    let carried: Vec<Vec<Linear<Fq>>> = (0..MAX_PROOFS_VERIFIED)
        .map(|i| {
            let vars = cs.try_witnesses(WRAP_ROUNDS, move |v| {
                Ok(v.input().slots[index].challenges[i].to_vec())
            });
            vars.into_iter().map(Linear::from).collect()
        })
        .collect();
    let finalized = cs.region("finalize", |cs| {
        let evaluations = EvaluationsVar::witness(cs, FeatureFlags::default(), move |v| {
            Ok(v.input().slots[index].evaluations.clone())
        });
        let carried: Vec<Carried<Fq>> = carried.iter().map(|c| Carried::present(c)).collect();
        finalize(cs, &claims, &evaluations, &domain, &carried, None)
    });
    // To be finalized implies it.
    cs.assert_mul(&flags[0], finalized.not(), Fq::ZERO);

    let commitment = points_witness(cs, 1, move |v| vec![v.input().slots[index].commitment])[0];
    cs.region("messages", |cs| {
        let hash = wrap_messages_hash(cs, &carried.concat(), &commitment);
        cs.assert_equal(hash, messages);
    });
    Slot { commitment, challenges }
}

/// The hash of the challenges that a wrap proof carries on and of `sg` of its step proof.
fn wrap_messages_hash(
    cs: &mut WrapBuilder,
    challenges: &[Linear<Fq>],
    sg: &PointVar<Fq>,
) -> Var<Fq> {
    let mut sponge = SpongeVar::new();
    for challenge in challenges {
        sponge.absorb(cs, challenge);
    }
    sponge.absorb(cs, sg.x());
    sponge.absorb(cs, sg.y());
    sponge.squeeze(cs)
}

/// The step proof's public input with the digits of its elements, as the step circuit makes them.
fn step_public_input(width: usize, values: &[Var<Fq>]) -> Vec<Public<Fq>> {
    let (unfinalized, messages) = values.split_at(width * UNFINALIZED);
    let mut public: Vec<Public<Fq>> = unfinalized
        .iter()
        .enumerate()
        .map(|(i, var)| match i % UNFINALIZED {
            0..5 => Public::Bits254(Linear::from(*var)),
            5 => Public::Element(Linear::from(*var)),
            place if place + 1 == UNFINALIZED => Public::Bits(Linear::from(*var), FLAG_BITS),
            _ => Public::Bits(Linear::from(*var), 128),
        })
        .collect();
    public.extend(messages.iter().map(|var| Public::Element(Linear::from(*var))));
    public
}

/// The key of the branch.
fn chosen_key(cs: &mut WrapBuilder, branch: &OneHot<Fq>, branches: &[Branch]) -> KeyVar<Fq> {
    let count = branches.iter().map(|branch| branch.points.len()).min().unwrap_or(0);
    let points = (0..count)
        .map(|i| {
            let x = cs.reduce(branch.choose(branches.iter().map(|branch| branch.points[i].x)));
            let y = cs.reduce(branch.choose(branches.iter().map(|branch| branch.points[i].y)));
            // Each option is on the curve.
            PointVar::new_unchecked(x, y)
        })
        .collect();
    KeyVar { points, digest: branch.choose(branches.iter().map(|branch| branch.digest)) }
}

fn deferred(cs: &mut WrapBuilder) -> Deferred<Fq> {
    let xi = cs.witness(|v| v.input().xi);
    let mut scalar = |of: fn(&DeferredScalars<Fp>) -> Fp| {
        ShiftedVar::witness(cs, move |v| of(&v.input().deferred))
    };
    Deferred {
        combined_inner_product: scalar(|d| d.combined_inner_product),
        b: scalar(|d| d.b),
        zeta_to_srs_length: scalar(|d| d.zeta_to_srs_length),
        zeta_to_domain_size: scalar(|d| d.zeta_to_domain_size),
        perm: scalar(|d| d.perm),
        xi: ChallengeVar::new(cs, xi),
    }
}
