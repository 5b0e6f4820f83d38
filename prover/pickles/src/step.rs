//! The step circuit: a rule, and incremental verification of the proofs that it rests on.
//!
//! Its public input is ours to choose, for nothing but our wrap circuit sees it:
//!
//! | elements | of | digits |
//! |---|---|---|
//! | 27 per proof of the program's width | what the wrap circuit is to finalize ([`UNFINALIZED`]) | |
//! | 1 | the hash of what the next step circuit needs | element |
//! | 1 per proof | the hash of what the last wrap circuit knew | element |

mod slot;

use std::sync::Arc;

use kimchi::builder::{BuildError, BuiltCircuit, Linear, SpongeVar, Var, WitnessGenerator};
use mina_curves::{Fp, PallasConfig};
use poly_commitment::Srs;

use crate::{
    constants::{STEP_ROUNDS, WRAP_ROUNDS, dummy},
    deferred::effective,
    public_input::dummy_wrap_messages_hash,
    rule::{Rule, RuleStatement, StepBuilder, StepInput, StepKey},
};

pub(crate) use slot::{KEY_POINTS, SIDE_LOADED_DOMAINS, layout};

/// Elements per proof: the high bits of five deferred values, the digest, `β, γ, α, ζ, ξ`, the
/// challenges of the opening, and flags.
pub(crate) const UNFINALIZED: usize = 5 + 1 + 5 + WRAP_ROUNDS + 1;

/// Bits of the flags: whether to finalize, the low bits of the five deferred values, and which of
/// the wrap domains.
pub(crate) const FLAG_BITS: usize = 1 + 5 + 2;

/// What fixes a step circuit besides its rule.
#[derive(Clone, Debug)]
pub(crate) struct StepParameters {
    /// How many proofs every proof of the program verifies, dummies included.
    pub(crate) width: usize,
    /// The base-2 logarithm of the program's wrap domain.
    pub(crate) wrap_domain: u32,
    /// The SRS of wrap proofs.
    pub(crate) srs: Arc<Srs<PallasConfig>>,
}

/// What a slot hands on, whether there is a proof or a dummy in it.
#[derive(Clone, Debug)]
pub(crate) struct SlotOutput {
    unfinalized: Vec<Linear<Fp>>,
    wrap_messages: Linear<Fp>,
    /// The coordinates of `sg`, and the effective challenges of the step proof.
    accumulator: Vec<Linear<Fp>>,
}

impl SlotOutput {
    /// Of a slot without a proof: dummies that belong together.
    pub(crate) fn dummy() -> Self {
        let zero = || Linear::from(Fp::from(0u64));
        let challenges = || dummy::wrap_challenges().iter().map(|c| Linear::from(c.raw::<Fp>()));
        let mut unfinalized: Vec<Linear<Fp>> = (0..6).map(|_| zero()).collect();
        // Any that are not zero do.
        unfinalized.extend(challenges().take(5));
        unfinalized.extend(challenges());
        unfinalized.push(zero());
        let sg = dummy::WRAP_SG;
        let mut accumulator = vec![Linear::from(sg.x), Linear::from(sg.y)];
        accumulator.extend(effective(dummy::step_challenges()).into_iter().map(Linear::from));
        Self { unfinalized, wrap_messages: dummy_wrap_messages_hash().into(), accumulator }
    }
}

/// The step circuit of a rule.
#[derive(Debug)]
pub(crate) struct StepCircuit<I> {
    pub(crate) circuit: BuiltCircuit<Fp>,
    pub(crate) generator: WitnessGenerator<Fp, StepInput<I>>,
    /// What it proves.
    pub(crate) app_state: Vec<Linear<Fp>>,
    /// How many earlier statements it names.
    pub(crate) previous: usize,
}

/// Builds the step circuit of a rule.
pub(crate) fn build<R: Rule>(
    rule: &R,
    parameters: &StepParameters,
) -> Result<StepCircuit<R::Input>, BuildError> {
    let cs = &mut StepBuilder::<R::Input>::new();
    cs.carry_previous(parameters.width);
    let slots = rule.previous();

    let own_key = cs.region("own key", slot::own_key);
    let keys: Vec<slot::SlotKey> = slots
        .iter()
        .enumerate()
        .map(|(i, kind)| cs.region(format!("key {i}"), |cs| slot::key(cs, i, kind, &own_key)))
        .collect();
    let visible: Vec<StepKey> = keys.iter().map(|key| StepKey { hash: key.hash }).collect();
    let statement = cs.region("rule", |cs| rule.constrain(cs, &visible));

    // Dummies stand in front.
    let missing = parameters.width.saturating_sub(slots.len());
    let mut outputs = vec![SlotOutput::dummy(); missing];
    for (i, (kind, key)) in slots.iter().zip(&keys).enumerate() {
        let Some(previous) = statement.previous.get(i) else { break };
        let output = cs.region(format!("proof {i}"), |cs| {
            slot::verify(cs, i, kind, key, previous, parameters)
        });
        outputs.push(output);
    }

    let messages = cs.region("messages", |cs| {
        let mut sponge = own_key.sponge.clone();
        absorb_all(cs, &mut sponge, &statement.app_state);
        for output in &outputs {
            absorb_all(cs, &mut sponge, &output.accumulator);
        }
        sponge.squeeze(cs)
    });
    for element in outputs.iter().flat_map(|output| &output.unfinalized) {
        cs.expose(element);
    }
    cs.expose(messages);
    for output in &outputs {
        cs.expose(&output.wrap_messages);
    }
    let (circuit, generator) = std::mem::take(cs).finish()?;
    let RuleStatement { app_state, previous } = statement;
    Ok(StepCircuit { circuit, generator, app_state, previous: previous.len() })
}

/// Absorbs values in order.
fn absorb_all<I>(cs: &mut StepBuilder<I>, sponge: &mut SpongeVar<Fp>, values: &[Linear<Fp>]) {
    for value in values {
        sponge.absorb(cs, value);
    }
}

/// The effective scalars of raw challenges.
fn effective_vars<I>(cs: &mut StepBuilder<I>, raw: &[Var<Fp>]) -> Vec<Linear<Fp>> {
    debug_assert_eq!(raw.len(), STEP_ROUNDS);
    raw.iter().map(|raw| Linear::from(cs.endo_scalar(*raw))).collect()
}
