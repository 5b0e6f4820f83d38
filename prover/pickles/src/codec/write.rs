//! From proofs to S-expressions.

use std::fmt::Write;

use kimchi::{AtPoints, Evaluations};
use mina_curves::{PastaCurve, PastaField, Point, ScalarChallenge};

use super::sexp::write_char;
use crate::proof::{Proof, ProofState, StepFlags, StepMessages};

pub(super) fn proof(proof: &Proof) -> String {
    let statement = record(&[
        ("proof_state", state(&proof.state)),
        ("messages_for_next_step_proof", step_messages(&proof.step_messages)),
    ]);
    let step = &proof.step_evaluations;
    let public_input = list([field(step.public.zeta), field(step.public.zeta_omega)]);
    let evals = record(&[("public_input", public_input), ("evals", step_columns(&step.columns))]);
    let prev_evals = record(&[("evals", evals), ("ft_eval1", field(step.ft_zeta_omega))]);
    let wrap = wrap_proof(&proof.wrap);
    record(&[("statement", statement), ("prev_evals", prev_evals), ("proof", wrap)])
}

/// A record; values that are lists stand next to the name, as upstream writes them.
fn record(fields: &[(&str, String)]) -> String {
    list(fields.iter().map(|(name, value)| {
        let space = if value.starts_with('(') || value.starts_with('"') { "" } else { " " };
        format!("({name}{space}{value})")
    }))
}

/// Items in parentheses, a space between two atoms only.
fn list(items: impl IntoIterator<Item = String>) -> String {
    let mut text = String::from("(");
    for item in items {
        if !text.ends_with(['(', ')']) && !item.starts_with('(') {
            text.push(' ');
        }
        text.push_str(&item);
    }
    text.push(')');
    text
}

fn field<F: PastaField>(x: F) -> String {
    let [a, b, c, d] = x.to_limbs();
    format!("0x{d:016X}{c:016X}{b:016X}{a:016X}")
}

fn limbs(limbs: &[u64]) -> String {
    list(limbs.iter().map(|limb| {
        let mut text = String::with_capacity(16);
        // Writing to a string does not fail.
        let _ = write!(text, "{limb:016x}");
        text
    }))
}

fn scalar_challenge(challenge: &ScalarChallenge) -> String {
    record(&[("inner", limbs(&challenge.0))])
}

fn bulletproof_challenges(challenges: &[ScalarChallenge]) -> String {
    list(challenges.iter().map(|c| record(&[("prechallenge", scalar_challenge(c))])))
}

fn point<C: PastaCurve>(point: &Point<C>) -> String {
    list([field(point.x), field(point.y)])
}

fn state(state: &ProofState) -> String {
    let flags: Vec<_> = StepFlags::NAMES
        .into_iter()
        .zip(state.plonk.flags.to_array())
        .map(|(name, flag)| (name, flag.to_string()))
        .collect();
    let plonk = record(&[
        ("alpha", scalar_challenge(&state.plonk.alpha)),
        ("beta", limbs(&state.plonk.beta.0)),
        ("gamma", limbs(&state.plonk.gamma.0)),
        ("zeta", scalar_challenge(&state.plonk.zeta)),
        ("joint_combiner", list(state.plonk.joint_combiner.iter().map(scalar_challenge))),
        ("feature_flags", record(&flags)),
    ]);
    let branch_data = record(&[
        ("proofs_verified", format!("{:?}", state.branch_data.proofs_verified)),
        ("domain_log2", write_char(state.branch_data.domain_log2)),
    ]);
    let deferred_values = record(&[
        ("plonk", plonk),
        ("bulletproof_challenges", bulletproof_challenges(&state.bulletproof_challenges)),
        ("branch_data", branch_data),
    ]);
    let messages = &state.wrap_messages;
    let old = messages.old_bulletproof_challenges.iter();
    let wrap_messages = record(&[
        ("challenge_polynomial_commitment", point(&messages.challenge_polynomial_commitment)),
        ("old_bulletproof_challenges", list(old.map(|c| bulletproof_challenges(c)))),
    ]);
    record(&[
        ("deferred_values", deferred_values),
        ("sponge_digest_before_evaluations", limbs(&state.sponge_digest.to_limbs())),
        ("messages_for_next_wrap_proof", wrap_messages),
    ])
}

fn step_messages(messages: &StepMessages) -> String {
    let commitments = messages.challenge_polynomial_commitments.iter();
    let old = messages.old_bulletproof_challenges.iter();
    record(&[
        ("app_state", "()".into()),
        ("challenge_polynomial_commitments", list(commitments.map(point))),
        ("old_bulletproof_challenges", list(old.map(|c| bulletproof_challenges(c)))),
    ])
}

type At<F> = AtPoints<Vec<F>>;

fn chunks<F: PastaField>(at: &At<F>) -> String {
    let part = |values: &[F]| list(values.iter().map(|x| field(*x)));
    list([part(&at.zeta), part(&at.zeta_omega)])
}

/// One value at each point, without lists of chunks.
fn single<F: PastaField>(at: &At<F>) -> String {
    list(at.zeta.iter().chain(&at.zeta_omega).map(|x| field(*x)))
}

fn columns<F: PastaField>(
    e: &Evaluations<Vec<F>>,
    write: impl Fn(&At<F>) -> String + Copy,
) -> Vec<(&'static str, String)> {
    let [generic, poseidon, complete_add, mul, emul, endomul_scalar] = &e.selectors;
    vec![
        ("w", list(e.witness.iter().map(write))),
        ("coefficients", list(e.coefficients.iter().map(write))),
        ("z", write(&e.permutation)),
        ("s", list(e.sigma.iter().map(write))),
        ("generic_selector", write(generic)),
        ("poseidon_selector", write(poseidon)),
        ("complete_add_selector", write(complete_add)),
        ("mul_selector", write(mul)),
        ("emul_selector", write(emul)),
        ("endomul_scalar_selector", write(endomul_scalar)),
    ]
}

fn step_columns<F: PastaField>(e: &Evaluations<Vec<F>>) -> String {
    let option = |at: &Option<At<F>>| list(at.iter().map(chunks));
    let [range_check0, range_check1, ff_add, ff_mul, xor, rot] = &e.optional_selectors;
    let [xor_lookup, lookup_gate, range_check, ff_mul_lookup] = &e.lookup_selectors;
    let mut fields = columns(e, chunks);
    fields.extend([
        ("range_check0_selector", option(range_check0)),
        ("range_check1_selector", option(range_check1)),
        ("foreign_field_add_selector", option(ff_add)),
        ("foreign_field_mul_selector", option(ff_mul)),
        ("xor_selector", option(xor)),
        ("rot_selector", option(rot)),
        ("lookup_aggregation", option(&e.lookup_aggregation)),
        ("lookup_table", option(&e.lookup_table)),
        ("lookup_sorted", list(e.lookup_sorted.iter().map(option))),
        ("runtime_lookup_table", option(&e.runtime_table)),
        ("runtime_lookup_table_selector", option(&e.runtime_table_selector)),
        ("xor_lookup_selector", option(xor_lookup)),
        ("lookup_gate_lookup_selector", option(lookup_gate)),
        ("range_check_lookup_selector", option(range_check)),
        ("foreign_field_mul_lookup_selector", option(ff_mul_lookup)),
    ]);
    record(&fields)
}

fn wrap_proof(proof: &kimchi::Proof<mina_curves::PallasConfig>) -> String {
    let commitments = &proof.commitments;
    let points = |chunks: &[mina_curves::Pallas]| list(chunks.iter().map(point));
    let single_point =
        |chunks: &[mina_curves::Pallas]| chunks.first().map(point).unwrap_or_default();
    let commitments = record(&[
        ("w_comm", list(commitments.witness.iter().map(|c| single_point(&c.chunks)))),
        ("z_comm", single_point(&commitments.permutation.chunks)),
        ("t_comm", points(&commitments.quotient.chunks)),
    ]);
    let opening = &proof.opening;
    let bulletproof = record(&[
        ("lr", list(opening.lr.iter().map(|(l, r)| list([point(l), point(r)])))),
        ("z_1", field(opening.z1)),
        ("z_2", field(opening.z2)),
        ("delta", point(&opening.delta)),
        ("challenge_polynomial_commitment", point(&opening.sg)),
    ]);
    record(&[
        ("commitments", commitments),
        ("evaluations", record(&columns(&proof.evaluations, single))),
        ("ft_eval1", field(proof.ft_zeta_omega)),
        ("bulletproof", bulletproof),
    ])
}
