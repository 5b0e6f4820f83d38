//! Pickles proofs: ours before o1js, and o1js' before us.

use ark_ff::{Field, PrimeField};
use kimchi::builder::{Boolean, Linear};
use mina_curves::{Fp, Fq};
use pickles::{
    PreviousStatement, Program, ProofFile, ProofsVerified, ProvedStatement, Rule, RuleHandle,
    RuleStatement, Slot, StepBuilder, StepKey, VerificationKey, encode_account_update_proof,
    example::{Increment, Leaf, Merge},
    verify,
};
use rand::rngs::OsRng;
use serde_json::{Value, json};
use zeko_tests::o1js;

/// Two numbers of the prover's choice: whatever an account update and its calls hash to.
struct Anything;

impl Rule for Anything {
    type Input = [Fp; 2];

    fn name(&self) -> &'static str {
        "anything"
    }

    fn constrain(&self, cs: &mut StepBuilder<[Fp; 2]>, _: &[StepKey]) -> RuleStatement {
        let hashes = cs.witnesses(|v| *v.input().rule());
        RuleStatement { app_state: hashes.map(Linear::from).to_vec(), previous: vec![] }
    }
}

/// The output of a proof of a known program, plus the input of one under the key whose hash is shown.
struct Mixed {
    known: VerificationKey,
}

impl Rule for Mixed {
    type Input = ();

    fn name(&self) -> &'static str {
        "mixed"
    }

    fn previous(&self) -> Vec<Slot> {
        vec![Slot::Program(Box::new(self.known.clone())), Slot::SideLoaded]
    }

    fn constrain(&self, cs: &mut StepBuilder<()>, keys: &[StepKey]) -> RuleStatement {
        let mut statement = |slot: usize, length: usize| -> Vec<Linear<Fp>> {
            let at = |statement: &[Fp], i: usize| statement.get(i).copied().unwrap_or_default();
            (0..length)
                .map(|i| Linear::from(cs.witness(move |v| at(v.input().previous(slot), i))))
                .collect()
        };
        let statements = [statement(0, 2), statement(1, 1)];
        let sum = statements[0][1].clone() + &statements[1][0];
        let previous = statements
            .map(|app_state| PreviousStatement { app_state, must_verify: Boolean::constant(true) });
        let mut app_state = vec![sum];
        app_state.extend(keys[1].hash.map(Linear::from));
        RuleStatement { app_state, previous: previous.into() }
    }
}

fn json_of(key: &VerificationKey, proved: &ProvedStatement) -> Value {
    serde_json::to_value(ProofFile::new(key, proved, 0)).unwrap()
}

/// Both verifiers accept.
fn assert_accepted(program: &Program, proved: &ProvedStatement) {
    let key = program.verification_key();
    assert_eq!(verify(key, &proved.app_state, &proved.proof, &mut OsRng), Ok(()));
    assert_eq!(o1js::pickles("verify", &json_of(key, proved)), Ok(Value::Bool(true)));
}

/// Both verifiers refuse.
fn assert_refused(key: &VerificationKey, proved: &ProvedStatement, what: &str) {
    assert!(verify(key, &proved.app_state, &proved.proof, &mut OsRng).is_err(), "{what}");
    let answer = o1js::pickles("verify", &json_of(key, proved));
    assert!(!matches!(answer, Ok(Value::Bool(true))), "{what}: {answer:?}");
}

/// A file of o1js that we accept.
fn accepted(file: Value, what: &str) -> ProvedStatement {
    let file: ProofFile = serde_json::from_value(file).unwrap();
    let (key, app_state, proof) = file.decode().unwrap();
    assert_eq!(verify(&key, &app_state, &proof, &mut OsRng), Ok(()), "{what}");
    ProvedStatement { app_state, proof, key: Some(Box::new(key)) }
}

#[test]
fn proofs_of_a_program_without_earlier_proofs() {
    let mut builder = Program::builder(ProofsVerified::N0);
    let anything: RuleHandle<Anything> = builder.rule(Anything);
    let program = builder.compile().unwrap();
    let key = program.verification_key();

    // An account update that carries our proof, on an account with our key.
    let account_key = json!({ "data": key.to_base64(), "hash": key.hash().to_string() });
    let hashes = o1js::pickles("accountUpdate", &account_key).unwrap();
    let decimal = |value: &Value| value.as_str().unwrap().parse::<Fp>().unwrap();
    let hashes = [decimal(&hashes[0]), decimal(&hashes[1])];
    let proved = program.prove(anything, hashes, &[], &mut OsRng).unwrap();
    assert_accepted(&program, &proved);
    let proof = encode_account_update_proof(&proved.proof);
    let refused = o1js::pickles("send", &json!({ "proof": proof, "value": 43 })).unwrap_err();
    assert!(refused.contains("Invalid proof for account update"), "{refused}");
    let sent = o1js::pickles("send", &json!({ "proof": proof, "value": 42 })).unwrap();
    assert_eq!(sent["status"], "pending", "{sent}");

    // Forgeries.
    let mut other = proved.clone();
    other.app_state[0] += Fp::ONE;
    assert_refused(key, &other, "another statement");
    let mut other = proved.clone();
    other.proof.state.branch_data.domain_log2 += 1;
    assert_refused(key, &other, "another step domain");
    let mut other = proved.clone();
    other.proof.wrap.opening.z1 += Fq::ONE;
    assert_refused(key, &other, "another opening");
    let again = program.prove(anything, hashes, &[], &mut OsRng).unwrap();
    let mut other = proved.clone();
    other.proof.step_evaluations = again.proof.step_evaluations;
    assert_refused(key, &other, "evaluations of another proof");
    let mut other = proved;
    other.proof.state.wrap_messages = again.proof.state.wrap_messages;
    assert_refused(key, &other, "the accumulator of another proof");
}

#[test]
fn trees_of_our_proofs_and_theirs() {
    let mut files = o1js::pickles("programs", &Value::Null).unwrap();
    let [hash, leaf_o1js, increment_o1js, merge_o1js] =
        ["hash", "leaf", "increment", "merge"].map(|name| accepted(files[name].take(), name));
    assert_eq!(merge_o1js.app_state, [Fp::from(7u64)]);

    let mut builder = Program::builder(ProofsVerified::N2);
    let leaf = builder.rule(Leaf);
    let increment = builder.rule(Increment);
    let merge = builder.rule(Merge);
    let known = hash.key.clone().unwrap();
    let mixed = builder.rule(Mixed { known: *known });
    let program = builder.compile().unwrap();
    let rng = &mut OsRng;

    // Rules of every width, and a tree.
    let nine = program.prove(leaf, Fp::from(3u64), &[], rng).unwrap();
    assert_accepted(&program, &nine);
    let ten = program.prove(increment, true, &[Some(nine)], rng).unwrap();
    assert_accepted(&program, &ten);
    let one = program.prove(increment, false, &[None], rng).unwrap();
    assert_accepted(&program, &one);
    let eleven = program.prove(merge, (), &[Some(ten), Some(one.clone())], rng).unwrap();
    let twelve = program.prove(merge, (), &[Some(eleven), Some(one)], rng).unwrap();
    assert_eq!(twelve.app_state, [Fp::from(12u64)]);
    assert_accepted(&program, &twelve);

    // Theirs inside ours: a known program, and rules of every width under a side-loaded key.
    for side_loaded in [leaf_o1js, increment_o1js, merge_o1js] {
        let key = side_loaded.key.as_ref().unwrap().hash();
        let sum = hash.app_state[1] + side_loaded.app_state[0];
        let previous = [Some(hash.clone()), Some(side_loaded)];
        let proved = program.prove(mixed, (), &previous, rng).unwrap();
        assert_eq!(proved.app_state, [sum, key]);
        assert_accepted(&program, &proved);
    }

    // Ours inside theirs.
    let file = json_of(program.verification_key(), &twelve);
    let dynamic = accepted(o1js::pickles("dynamic", &file).unwrap(), "dynamic");
    assert_eq!(dynamic.app_state, twelve.app_state);
}

#[test]
fn a_contract_call_and_optional_gates() {
    let call = accepted(o1js::pickles("contract", &Value::Null).unwrap(), "contract");
    assert_eq!(call.app_state.len(), 2);
    let gates = accepted(o1js::pickles("gates", &Value::Null).unwrap(), "gates");
    let flags = gates.proof.state.plonk.flags;
    assert!(flags.xor && flags.rot && flags.range_check0, "{flags:?}");
    assert!(gates.app_state[0].into_bigint() < 256u64.into());
}
