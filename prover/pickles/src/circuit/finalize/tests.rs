//! Finalizing proofs with every combination of optional parts, against [`DeferredValues::derive`].

use ark_ff::{AdditiveGroup, UniformRand};
use kimchi::{
    Domain, Evaluations, FeatureFlags, LOOKUP_PATTERNS, MANDATORY_GATES, OPTIONAL_GATES,
    absorbed_columns,
    builder::{BuiltCircuit, Values, WitnessGenerator, check},
};
use mina_curves::{Fp, ScalarChallenge, Vesta};
use rand::RngCore;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use super::*;
use crate::{
    circuit::{
        evaluations::{absorbed, count},
        features::ALL,
    },
    constants::{STEP_ROUNDS, dummy},
    deferred::{DeferredValues, effective},
    proof::{
        BranchData, Plonk, ProofState, ProofsVerified, StepEvaluations, StepFlags, WrapMessages,
    },
};

const LOG_SIZE: u32 = 13;

/// Places in [`Input::scalars`].
const DIGEST: usize = 0;
const FIRST_CLAIM: usize = 4;
const JOINT_COMBINER: usize = 9;

/// What the circuit is given.
#[derive(Clone)]
struct Input {
    flags: [bool; 8],
    /// The digest, `β`, `γ`, `ξ`, five claims, the joint combiner, `α`, `ζ`.
    scalars: Vec<Fp>,
    /// The challenges of the opening, and those of what is carried on.
    rounds: [Vec<Fp>; 2],
    evaluations: Vec<Fp>,
}

fn challenge(rng: &mut ChaCha20Rng) -> ScalarChallenge {
    ScalarChallenge::from_low_bits(Fp::rand(rng))
}

/// A made-up proof with these flags, and what follows from it.
fn honest(flags: [bool; 8], rng: &mut ChaCha20Rng) -> Input {
    let flags_of_step = StepFlags::from_array(flags);
    let features = flags_of_step.features();
    let mut column = |column: Column| {
        let is_there = absorbed_columns(&features).contains(&column);
        let at = AtPoints { zeta: vec![Fp::rand(rng)], zeta_omega: vec![Fp::rand(rng)] };
        is_there.then_some(at)
    };
    let mut get = |name| column(name).unwrap();
    let mut columns = Evaluations {
        public: None,
        witness: core::array::from_fn(|i| get(Column::Witness(i))),
        permutation: get(Column::Permutation),
        sigma: core::array::from_fn(|i| get(Column::Sigma(i))),
        coefficients: core::array::from_fn(|i| get(Column::Coefficient(i))),
        selectors: MANDATORY_GATES.map(|gate| get(Column::Selector(gate))),
        optional_selectors: [const { None }; 6],
        lookup_aggregation: None,
        lookup_table: None,
        lookup_sorted: [const { None }; kimchi::MAX_SORTED],
        runtime_table: None,
        runtime_table_selector: None,
        lookup_selectors: [const { None }; 4],
    };
    columns.optional_selectors = OPTIONAL_GATES.map(|gate| column(Column::Selector(gate)));
    columns.lookup_aggregation = column(Column::LookupAggregation);
    columns.lookup_table = column(Column::LookupTable);
    columns.lookup_sorted = core::array::from_fn(|i| column(Column::LookupSorted(i)));
    columns.runtime_table = column(Column::RuntimeTable);
    columns.runtime_table_selector = column(Column::RuntimeTableSelector);
    columns.lookup_selectors =
        LOOKUP_PATTERNS.map(|pattern| column(Column::LookupSelector(pattern)));

    let joint_combiner = flags_of_step.uses_lookups().then(|| challenge(rng));
    let state = ProofState {
        plonk: Plonk {
            alpha: challenge(rng),
            beta: challenge(rng),
            gamma: challenge(rng),
            zeta: challenge(rng),
            joint_combiner,
            flags: flags_of_step,
        },
        bulletproof_challenges: *dummy::step_challenges(),
        branch_data: BranchData {
            proofs_verified: ProofsVerified::N1,
            domain_log2: LOG_SIZE as u8,
        },
        sponge_digest: Fp::rand(rng),
        wrap_messages: WrapMessages {
            challenge_polynomial_commitment: Vesta::default(),
            old_bulletproof_challenges: vec![],
        },
    };
    let carried: [ScalarChallenge; STEP_ROUNDS] = core::array::from_fn(|_| challenge(rng));
    let step = StepEvaluations {
        public: AtPoints { zeta: Fp::rand(rng), zeta_omega: Fp::rand(rng) },
        columns,
        ft_zeta_omega: Fp::rand(rng),
    };
    let domain = Domain::new(1 << LOG_SIZE).unwrap();
    let derived = DeferredValues::derive(&state, &domain, &[carried], &step);
    let Plonk { alpha, beta, gamma, zeta, .. } = state.plonk;
    Input {
        flags,
        scalars: vec![
            state.sponge_digest,
            beta.raw(),
            gamma.raw(),
            derived.xi.raw(),
            derived.combined_inner_product,
            derived.b,
            derived.zeta_to_srs_length,
            derived.zeta_to_domain_size,
            derived.perm,
            joint_combiner.map_or(Fp::ZERO, |challenge| challenge.raw()),
            alpha.raw(),
            zeta.raw(),
        ],
        rounds: [effective(&state.bulletproof_challenges), effective(&carried)],
        evaluations: absorbed(&ALL, step.ft_zeta_omega, step.public, &step.columns).unwrap(),
    }
}

/// Asserts that everything claimed follows.
fn circuit() -> (BuiltCircuit<Fp>, WitnessGenerator<Fp, Input>) {
    let mut builder = CircuitBuilder::<Fp, Input>::new();
    let cs = &mut builder;
    let scalars = cs.try_witnesses(12, |v| Ok(v.input().scalars.clone()));
    let at = |i: usize| Linear::from(scalars[i]);
    let rounds = [0, 1].map(|i| -> Vec<Linear<Fp>> {
        let vars = cs.try_witnesses(STEP_ROUNDS, move |v: &Values<'_, Fp, Input>| {
            Ok(v.input().rounds[i].clone())
        });
        vars.into_iter().map(Linear::from).collect()
    });
    let flags = core::array::from_fn(|i| Boolean::witness(cs, move |v| v.input().flags[i]));
    let features = FeaturesVar::new(cs, flags, scalars[JOINT_COMBINER]);
    let evaluations = EvaluationsVar::witness(cs, ALL, |v| Ok(v.input().evaluations.clone()));
    let [xi, alpha, zeta] = [3, 10, 11].map(|i| ChallengeVar::new(cs, at(i)));
    let claims = Claims {
        digest: at(DIGEST),
        beta: at(1),
        gamma: at(2),
        alpha,
        zeta,
        xi,
        rounds: rounds[0].clone(),
        combined_inner_product: at(FIRST_CLAIM),
        b: at(5),
        zeta_to_srs_length: at(6),
        zeta_to_domain_size: at(7),
        perm: at(8),
    };
    let domain = DomainVar { logs: vec![LOG_SIZE], chosen: OneHot::witness(cs, 1, |_| 0) };
    let carried = [Carried::present(&rounds[1])];
    let holds = finalize(cs, &claims, &evaluations, &domain, &carried, Some(&features));
    holds.assert_true(cs);
    builder.finish().unwrap()
}

#[test]
fn every_combination_of_optional_parts() {
    let (circuit, generator) = circuit();
    let holds = |input: &Input| check(&circuit, &generator.witness(input).unwrap()).is_ok();
    let mut rng = ChaCha20Rng::seed_from_u64(48);
    let optional = count(&FeatureFlags::default())..count(&ALL);
    for combination in 0..1u32 << 8 {
        let flags = core::array::from_fn(|i| combination >> i & 1 == 1);
        let honest = honest(flags, &mut rng);
        assert!(holds(&honest), "{flags:?}");
        // A column more, or one that is another.
        let mut forged = honest.clone();
        let place = optional.start + rng.next_u32() as usize % optional.len();
        forged.evaluations[place] += Fp::from(1u64);
        assert!(!holds(&forged), "{flags:?}, {place}");
        // Another flag.
        let mut forged = honest.clone();
        let flag = rng.next_u32() as usize % 8;
        forged.flags[flag] ^= true;
        // Tables of the prover's choice are none where nothing is looked up.
        let is_same = flag == 7 && !StepFlags::from_array(flags).uses_lookups();
        assert_eq!(holds(&forged), is_same, "{flags:?}, {flag}");
        let mut forged = honest.clone();
        forged.scalars[JOINT_COMBINER] += Fp::from(1u64);
        assert!(!holds(&forged), "{flags:?}, joint combiner");
        let mut forged = honest;
        forged.scalars[FIRST_CLAIM] += Fp::from(1u64);
        assert!(!holds(&forged), "{flags:?}, a claim");
    }
}
