//! Programs: proofs that rest on proofs, of all kinds.

use std::sync::OnceLock;

use ark_ec::AffineRepr;
use ark_ff::Field;
use kimchi::builder::{Boolean, Linear};
use mina_curves::Fp;
use pickles::{
    CompileError, KeyCache, PreviousStatement, Program, ProofFile, ProofsVerified, ProveError,
    ProvedStatement, Rule, RuleHandle, RuleStatement, Slot, StepBuilder, StepKey, VerificationKey,
    VerifyError,
    example::{Increment, Leaf, Merge, Sums},
    verify,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use crate::vectors::files;

/// Rests on a proof of a known program of o1js, and on one of any program, whose key's hash it shows.
struct Foreign {
    known: VerificationKey,
    /// Elements of the statement of any program.
    any: usize,
}

impl Rule for Foreign {
    type Input = ();

    fn name(&self) -> &'static str {
        "foreign"
    }

    fn previous(&self) -> Vec<Slot> {
        vec![Slot::Program(Box::new(self.known.clone())), Slot::SideLoaded]
    }

    fn constrain(&self, cs: &mut StepBuilder<()>, keys: &[StepKey]) -> RuleStatement {
        let mut app_state = Vec::new();
        let mut previous = Vec::new();
        for slot in 0..2 {
            // The known program has one input and one output.
            let elements = [2, self.any][slot];
            let statement: Vec<Linear<Fp>> = (0..elements)
                .map(|i| {
                    let at = move |statement: &[Fp]| statement.get(i).copied().unwrap_or_default();
                    Linear::from(cs.witness(move |v| at(v.input().previous(slot))))
                })
                .collect();
            app_state.extend(statement.clone());
            let must_verify = Boolean::constant(true);
            previous.push(PreviousStatement { app_state: statement, must_verify });
        }
        app_state.extend(keys.iter().filter_map(|key| key.hash).map(Linear::from));
        RuleStatement { app_state, previous }
    }
}

struct Programs {
    program: Program,
    leaf: RuleHandle<Leaf>,
    increment: RuleHandle<Increment>,
    merge: RuleHandle<Merge>,
    foreign: RuleHandle<Foreign>,
    gadgets: RuleHandle<Foreign>,
}

/// One program for all tests: compiling takes seconds.
fn programs() -> &'static Programs {
    static PROGRAMS: OnceLock<Programs> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let (known, ..) = file("n0_hash").decode().unwrap();
        let mut builder = Program::builder(ProofsVerified::N2);
        let leaf = builder.rule(Leaf);
        let increment = builder.rule(Increment);
        let merge = builder.rule(Merge);
        let foreign = builder.rule(Foreign { known: known.clone(), any: 2 });
        let gadgets = builder.rule(Foreign { known, any: 1 });
        let program = builder.compile().unwrap();
        Programs { program, leaf, increment, merge, foreign, gadgets }
    })
}

fn file(name: &str) -> ProofFile {
    files().into_iter().find(|(file, _)| file == name).unwrap().1
}

/// A proof of o1js, with its key.
fn o1js(name: &str) -> ProvedStatement {
    let (key, app_state, proof) = file(name).decode().unwrap();
    ProvedStatement { app_state, proof, key: Some(Box::new(key)) }
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(17)
}

fn assert_valid(proved: &ProvedStatement) {
    let key = programs().program.verification_key();
    verify(key, &proved.app_state, &proved.proof, &mut rng()).unwrap();
    // And not for another statement.
    let mut other = proved.app_state.clone();
    other[0] += Fp::ONE;
    let error = verify(key, &other, &proved.proof, &mut rng()).unwrap_err();
    assert!(matches!(error, VerifyError::Wrap(_)), "{error}");
}

fn leaf(root: u64) -> ProvedStatement {
    let Programs { program, leaf, .. } = programs();
    program.prove(*leaf, Fp::from(root), &[], &mut rng()).unwrap()
}

#[test]
fn rules_of_every_width_and_a_tree() {
    let Programs { program, leaf, increment, merge, .. } = programs();
    let nine = program.prove(*leaf, Fp::from(3u64), &[], &mut rng()).unwrap();
    assert_valid(&nine);
    let ten = program.prove(*increment, true, &[Some(nine)], &mut rng()).unwrap();
    assert_valid(&ten);
    let one = program.prove(*increment, false, &[None], &mut rng()).unwrap();
    assert_valid(&one);
    let eleven = program.prove(*merge, (), &[Some(ten), Some(one)], &mut rng()).unwrap();
    assert_valid(&eleven);
    assert_eq!(eleven.app_state, [Fp::from(11u64)]);
}

#[test]
fn a_tree_whose_levels_are_proved_at_once() {
    let sums = Sums::compile(ProofsVerified::N2, None).unwrap();
    let roots = [1u64, 2, 3].map(Fp::from);
    let tree = sums.prove_tree(&roots, &mut rng()).unwrap().unwrap();
    assert_eq!(tree.app_state, [Fp::from(14u64)]);
    let key = sums.program.verification_key();
    assert_eq!(verify(key, &tree.app_state, &tree.proof, &mut rng()), Ok(()));
    assert!(sums.prove_tree(&[], &mut rng()).unwrap().is_none());
}

#[test]
fn proofs_of_o1js_inside_ours() {
    let Programs { program, foreign, .. } = programs();
    let previous = [Some(o1js("n0_hash")), Some(o1js("n2_merge"))];
    let proved = program.prove(*foreign, (), &previous, &mut rng()).unwrap();
    assert_valid(&proved);
    let key = previous[1].as_ref().and_then(|p| p.key.as_ref()).unwrap();
    assert_eq!(proved.app_state[4], key.hash());
}

#[test]
fn proofs_of_o1js_with_optional_gates_inside_ours() {
    let Programs { program, foreign, gadgets, .. } = programs();
    let with = |gates: ProvedStatement| [Some(o1js("n0_hash")), Some(gates)];
    for name in ["feature_gates", "foreign_field"] {
        let gates = o1js(name);
        assert!(gates.proof.state.plonk.flags.uses_lookups());
        let proved = program.prove(*gadgets, (), &with(gates.clone()), &mut rng()).unwrap();
        assert_valid(&proved);
        assert_eq!(proved.app_state[2], gates.app_state[0]);
    }
    let gates = o1js("feature_gates");
    // Not with another statement, and not in the place of a known program.
    let mut other = gates.clone();
    other.app_state[0] += Fp::ONE;
    let error = program.prove_trusting(*gadgets, (), &with(other), &mut rng()).unwrap_err();
    assert!(matches!(error, ProveError::Unsatisfied { .. }), "{error}");
    let swapped = [Some(gates), Some(o1js("n2_merge"))];
    let error = program.prove_trusting(*foreign, (), &swapped, &mut rng()).unwrap_err();
    assert!(matches!(error, ProveError::Unsupported { index: 0, .. }), "{error}");
}

#[test]
fn what_does_not_hold_is_not_proved() {
    let Programs { program, increment, merge, foreign, .. } = programs();
    let mut rng = rng();
    let nine = leaf(3);
    let unsatisfied = |result: Result<ProvedStatement, ProveError>| match result {
        Err(ProveError::Unsatisfied { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };

    // Another statement than the proof's: verified, and seen by the circuit.
    let mut lie = nine.clone();
    lie.app_state[0] += Fp::ONE;
    let error = program.prove(*increment, true, &[Some(lie.clone())], &mut rng).unwrap_err();
    assert!(matches!(error, ProveError::Earlier { index: 0, .. }), "{error}");
    let reason = unsatisfied(program.prove_trusting(*increment, true, &[Some(lie)], &mut rng));
    assert!(reason.contains("proof 0"), "{reason}");
    // A proof where a base case was asked for, and the reverse.
    unsatisfied(program.prove_trusting(*increment, false, &[Some(nine.clone())], &mut rng));
    unsatisfied(program.prove_trusting(*increment, true, &[None], &mut rng));
    // A proof under another key.
    let foreign_proof = ProvedStatement { key: None, ..o1js("n2_merge") };
    let previous = [Some(nine.clone()), Some(foreign_proof)];
    unsatisfied(program.prove_trusting(*merge, (), &previous, &mut rng));
    // A proof with another accumulator.
    let mut accumulator = nine.clone();
    accumulator.proof.wrap.opening.sg = mina_curves::Pallas::generator();
    let error = program.prove(*increment, true, &[Some(accumulator)], &mut rng).unwrap_err();
    assert!(matches!(error, ProveError::Earlier { index: 0, .. }), "{error}");
    // A proof with another opening.
    let mut forged = nine.clone();
    forged.proof.wrap.opening.z1 += mina_curves::Fq::ONE;
    unsatisfied(program.prove_trusting(*increment, true, &[Some(forged)], &mut rng));

    let error = program.prove(*increment, true, &[], &mut rng).unwrap_err();
    assert!(matches!(error, ProveError::Previous { expected: 1, got: 0, .. }), "{error}");
    let previous = [Some(o1js("n0_hash")), Some(nine)];
    let error = program.prove(*foreign, (), &previous, &mut rng).unwrap_err();
    assert!(matches!(error, ProveError::MissingKey { index: 1 }), "{error}");
    // A proof that claims optional gates has no evaluations of them.
    let mut claims = o1js("n2_merge");
    claims.proof.state.plonk.flags.foreign_field_add = true;
    let previous = [Some(o1js("n0_hash")), Some(claims)];
    let error = program.prove_trusting(*foreign, (), &previous, &mut rng).unwrap_err();
    let is_flag =
        |error: &VerifyError| matches!(error, VerifyError::FeatureFlags { expected: true, .. });
    let claimed = |error: &ProveError| match error {
        ProveError::Earlier { index: 1, error } => is_flag(error),
        _ => false,
    };
    assert!(claimed(&error), "{error}");
}

#[test]
fn keys_are_kept() {
    let folder = std::env::temp_dir().join(format!("zeko-keys-{}", std::process::id()));
    let compile = || Sums::compile(ProofsVerified::N0, Some(KeyCache::new(&folder))).unwrap();
    let key = compile().program.verification_key().clone();
    let files = || std::fs::read_dir(&folder).unwrap().count();
    // Two circuits, and the bases of their domains.
    assert_eq!(files(), 4);
    let again = compile();
    assert_eq!(files(), 4);
    assert_eq!(*again.program.verification_key(), key);
    let proved = again.prove(&mut rng()).unwrap();
    assert_eq!(verify(&key, &proved.app_state, &proved.proof, &mut rng()), Ok(()));

    // What was damaged is made anew.
    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let place = bytes.len() / 2;
        bytes[place] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    assert_eq!(*compile().program.verification_key(), key);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn programs_that_cannot_be() {
    assert!(Program::builder(ProofsVerified::N1).compile().is_err());
    let mut builder = Program::builder(ProofsVerified::N1);
    builder.rule(Merge);
    let error = builder.compile().unwrap_err();
    assert!(error.to_string().contains("expected at most 1"), "{error}");

    // A handle of another program.
    let Programs { program, leaf, .. } = programs();
    let mut builder = Program::builder(ProofsVerified::N2);
    let other = builder.rule(Leaf);
    let error = program.prove(other, Fp::ONE, &[], &mut rng()).unwrap_err();
    assert!(matches!(error, ProveError::UnknownRule), "{error}");
    assert!(program.prove(*leaf, Fp::ONE, &[], &mut rng()).is_ok());

    // A key with a point at infinity.
    let (mut known, ..) = file("n0_hash").decode().unwrap();
    known.sigma[0] = mina_curves::Pallas::zero();
    let mut builder = Program::builder(ProofsVerified::N2);
    builder.rule(Foreign { known, any: 2 });
    let error = builder.compile().unwrap_err();
    assert!(matches!(error, CompileError::Degenerate { of: "foreign" }), "{error}");
}
