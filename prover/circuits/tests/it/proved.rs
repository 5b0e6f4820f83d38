//! Updates with proofs: the constraints around the proof for every vector that has one, forged
//! inputs, and real proofs.

use std::sync::atomic::{AtomicUsize, Ordering};

use ark_ff::{AdditiveGroup, Field, UniformRand};
use kimchi::{
    ZK_ROWS,
    builder::{
        Values,
        testing::{self, rng},
    },
};
use mina_curves::{Fp, PastaField};
use mina_ledger::{
    Domain,
    hash::{body_hash, constants::DUMMY_VERIFICATION_KEY_HASH},
    replay::Case,
    rollup::{ChainId, Hashed},
    types::{
        AccountId, AccountUpdate, AuthRequired, Authorization, AuthorizationKind, Body, Era,
        Permissions, Proof, ProtocolStateView, Signature, VerificationKey,
    },
};
use pickles::{
    Program, ProofsVerified, ProveError, ProvedStatement, RuleHandle, RuleStatement, StepBuilder,
    StepKey, account_update_proof_bytes, verify,
};
use rand::rngs::OsRng;
use rayon::prelude::*;
use zeko_circuits::{
    Boolean, Linear,
    alloc::constant,
    example::Transfers,
    program::{CommandsError, CommandsInput, Point, Segment, Sizes, UpdatesVar, one_proof},
    update::{RecordedUpdate, Rules, State, StateVar, Updated},
};

use crate::{
    forge::forge,
    program::ROLLUP,
    update::{CASES, record_in},
};

/// Updates of a segment.
const ROOM: usize = 4;

/// What the rule is given, and the hash of the key that its proof is under.
struct Input {
    updates: CommandsInput,
    key: Fp,
}

impl Input {
    fn updates(&self) -> &CommandsInput {
        &self.updates
    }
}

/// The rule but for the verification. Its public input is the segment, and what the proof must show.
fn lab(rules: &Rules, room: usize) -> testing::Lab<Fp, Input> {
    testing::Lab::new(|cs| {
        let UpdatesVar { segment, updates } =
            UpdatesVar::constrain(cs, rules, room, Input::updates);
        let key = cs.witness(|v: &Values<'_, Fp, Input>| v.input().key);
        let [update, calls] = one_proof(cs, &updates, key);
        let digest = segment.digest(cs);
        for element in [digest, update, calls] {
            cs.expose(element);
        }
    })
}

/// A segment around each update of a case that has a proof, with the state behind it.
fn segments(
    case: &Case,
    domain: &Domain,
    view: &ProtocolStateView,
) -> Vec<(Vec<RecordedUpdate>, State)> {
    let Some((updates, Some(end))) = record_in(case, domain, view) else { return Vec::new() };
    let proofs: Vec<usize> = (0..updates.len()).filter(|i| updates[*i].is_proved()).collect();
    let around = |(i, index): (usize, &usize)| {
        // As many neighbours as fit, but none with another proof.
        let first = i.checked_sub(1).map_or(0, |i| proofs[i] + 1).max(index.saturating_sub(2));
        let behind = proofs.get(i + 1).copied().unwrap_or(updates.len()).min(first + ROOM);
        let after = updates.get(behind).map_or(end, |next| next.before);
        (updates[first..behind].to_vec(), after)
    };
    proofs.iter().enumerate().map(around).collect()
}

#[test]
fn every_case_with_proofs_has_the_result_of_the_transaction_logic() {
    let (domain, by_fee) = &*CASES;
    let chain = ChainId::new("vectors").unwrap();
    let (ran, without_key) = (AtomicUsize::new(0), AtomicUsize::new(0));
    for (fee, cases) in by_fee {
        let rules = Rules { domain: domain.clone(), account_creation_fee: *fee, bridge: None };
        let lab = lab(&rules, ROOM);
        let check = |case: &Case| {
            // Blocks of a rollup have height and slot, and nothing else.
            let height = case.view().blockchain_length;
            let slot = case.view().global_slot_since_genesis;
            let view = ProtocolStateView {
                blockchain_length: height,
                global_slot_since_genesis: slot,
                ..ProtocolStateView::default()
            };
            for (updates, after) in segments(case, domain, &view) {
                let point = |state: &State| {
                    Point::new(state, state.fees.to_limbs()[0].into(), height, slot)
                };
                let (source, target) = (point(&updates[0].before), point(&after));
                let digest = Segment { chain, source, target }.digest();
                let proved = updates.iter().find(|update| update.is_proved()).unwrap();
                let body = &proved.witness.body;
                let statement = [body_hash(body, domain), proved.witness.stack.children];
                let key = body.authorization_kind.verification_key_hash();
                let updates = CommandsInput::new(chain, height, slot, updates, ROOM).unwrap();
                let input = Input { updates, key };
                if key == DUMMY_VERIFICATION_KEY_HASH {
                    let found = lab.rejects(&input);
                    assert!(found.iter().any(|path| path == "key of the proof"), "{found:?}");
                    without_key.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                assert_eq!(
                    lab.public(&input),
                    [digest, statement[0], statement[1]],
                    "{}",
                    case.name()
                );
                ran.fetch_add(1, Ordering::Relaxed);
            }
        };
        cases.par_iter().for_each(check);
    }
    assert_eq!([ran, without_key].map(AtomicUsize::into_inner), [34, 28]);
}

#[test]
fn as_many_updates_fit_as_the_sizes_say() {
    let rules = Transfers::new(1).unwrap().rules;
    let of_rule = |name| ROLLUP.program.rows().1.iter().find(|rule| rule.0 == name).unwrap().1;
    let rows = |room| lab(&rules, room).circuit.rows();
    // What is verified takes the same whatever there is beside it.
    let of_proof = of_rule("proved") - rows(ROOM);
    let fits = |room| of_proof + rows(room) + ZK_ROWS <= 1 << 16;
    assert_eq!(of_proof + rows(Sizes::MAX.proved), 64_889);
    assert!(fits(Sizes::MAX.proved) && !fits(Sizes::MAX.proved + 1));
}

/// Whether an update is there, whether it has a proof, what that must show, and its key.
type Claim = ([bool; 2], [Fp; 3]);

#[test]
fn the_proof_is_that_of_the_one_update_that_has_one() {
    let lab = testing::Lab::<Fp, [Claim; 3]>::new(|cs| {
        let updates: Vec<_> = (0..3)
            .map(|i| {
                let [is_active, is_proved] = [0, 1].map(|bit| {
                    Boolean::witness(cs, move |v: &Values<'_, Fp, [Claim; 3]>| v.input()[i].0[bit])
                });
                let [update, calls, key_hash] =
                    cs.witnesses(move |v| v.input()[i].1).map(Linear::from);
                let state: StateVar = constant(cs, Era::Berkeley, &State::default());
                (is_active, Updated { state, is_proved, statement: [update, calls], key_hash })
            })
            .collect();
        let key = cs.witness(|v| {
            let named = v.input().iter().find(|(bits, _)| *bits == [true; 2]);
            named.map_or(Fp::ZERO, |(_, [.., key])| *key)
        });
        for element in one_proof(cs, &updates, key) {
            cs.expose(element);
        }
    });
    let rng = &mut rng(8);
    let mut claim = |active, proved| ([active, proved], [0; 3].map(|_| Fp::rand(rng)));
    let input = [claim(true, false), claim(true, true), claim(false, true)];
    assert_eq!(lab.public(&input), input[1].1[..2]);
    // What each update says; the key of the proof is that of its update. Nothing else here uses what
    // those say that are not chosen.
    let unused = [
        ("key of the proof Generic 1", 2),
        ("statement of the proof Generic 1", 2),
        ("statement of the proof Generic 4", 2),
    ];
    forge(&lab, &input, 3, &unused);

    let refused = |region: &str, edit: &dyn Fn(&mut [Claim; 3])| {
        let mut forged = input;
        edit(&mut forged);
        let found = lab.rejects(&forged);
        assert!(found.iter().any(|path| path == region), "{region}: {found:?}");
    };
    refused("one proof", &|claims| claims[0].0 = [true; 2]);
    refused("one proof", &|claims| claims[2].0 = [true; 2]);
    refused("one proof", &|claims| claims[1].0 = [true, false]);
    refused("one proof", &|claims| claims[1].0 = [false, true]);
    refused("key of the proof", &|claims| claims[1].1[2] = DUMMY_VERIFICATION_KEY_HASH);
}

/// A program whose proofs approve of any account update.
#[derive(Debug)]
struct Approve;

impl pickles::Rule for Approve {
    type Input = [Fp; 2];

    fn name(&self) -> &'static str {
        "approve"
    }

    fn constrain(&self, cs: &mut StepBuilder<[Fp; 2]>, _: &[StepKey]) -> RuleStatement {
        let statement = cs.witnesses(|v| *v.input().rule());
        RuleStatement { app_state: statement.map(Linear::from).into(), previous: vec![] }
    }
}

/// A program of some width, as a zkApp's.
struct Zkapp {
    program: Program,
    approve: RuleHandle<Approve>,
    key: VerificationKey,
}

impl Zkapp {
    fn new(width: ProofsVerified) -> Self {
        let mut builder = Program::builder(width);
        let approve = builder.rule(Approve);
        let program = builder.compile().unwrap();
        let key = VerificationKey::from_bytes(&program.verification_key().to_bytes()).unwrap();
        Self { program, approve, key }
    }

    fn prove(&self, statement: [Fp; 2]) -> ProvedStatement {
        let proof = self.program.prove(self.approve, statement, &[], &mut OsRng).unwrap();
        let key = Some(self.program.verification_key().clone().into());
        ProvedStatement { key, ..proof }
    }
}

/// Updates of user 0: one by signature that gives its account a key and leaves the state to proofs, and
/// one by proof that sets it.
fn deploy_and_call(chain: &Transfers, zkapp: &Zkapp) -> [AccountUpdate; 2] {
    let (era, id) = (chain.rules.domain.era(), AccountId::of(chain.user(0)));
    let mut deploy = Body::new(id, era);
    deploy.authorization_kind = AuthorizationKind::Signature;
    deploy.use_full_commitment = true;
    deploy.update.verification_key = Some(zkapp.key.clone());
    let permissions = Permissions::user_default(era);
    deploy.update.permissions =
        Some(Permissions { edit_state: AuthRequired::Proof, ..permissions });
    let mut call = Body::new(id, era);
    call.authorization_kind = AuthorizationKind::Proof(zkapp.key.hash());
    call.update.app_state[0] = Some(Fp::from(5u64));
    let proof = zkapp.prove([body_hash(&call, &chain.rules.domain), Fp::ZERO]).proof;
    let proof = Proof(account_update_proof_bytes(&proof).into());
    [
        AccountUpdate { body: deploy, authorization: Authorization::Signature(Signature::DUMMY) },
        AccountUpdate { body: call, authorization: Authorization::Proof(proof) },
    ]
}

#[test]
fn a_call_is_proved_and_nothing_that_its_proof_does_not_show() {
    let mut chain = Transfers::new(2).unwrap();
    let start = *chain.state();
    // One that is padded: it could rest on a proof, and does not.
    let zkapp = Zkapp::new(ProofsVerified::N1);
    let updates = deploy_and_call(&chain, &zkapp);
    let updates = chain.run(0, updates).unwrap();
    let end = *chain.state();
    let id = AccountId::of(chain.user(0));
    let state = chain.opening(&id).unwrap().account.zkapp.unwrap().app_state[0];
    assert_eq!(state, Fp::from(5u64), "it succeeds");

    let given = |updates| ROLLUP.proved_input(chain.chain, chain.height, chain.slot, updates);
    let (input, honest) = given(updates.clone()).unwrap();
    let (program, rule) = (&ROLLUP.program, ROLLUP.proved);
    let proof = program.prove(rule, input.clone(), &[Some(honest.clone())], &mut OsRng).unwrap();
    assert_eq!(proof.app_state, [chain.segment(&start, &end).digest()]);
    verify(program.verification_key(), &proof.app_state, &proof.proof, &mut OsRng).unwrap();

    // Of another update, of other calls, and under another program's key.
    let refused = |forged: ProvedStatement| match program.prove_trusting(
        rule,
        input.clone(),
        &[Some(forged)],
        &mut OsRng,
    ) {
        Err(ProveError::Unsatisfied { reason, .. }) => reason,
        Err(error) => error.to_string(),
        Ok(_) => panic!("accepted"),
    };
    let [update, calls] = [honest.app_state[0], honest.app_state[1]];
    for statement in [[update + Fp::ONE, calls], [update, Fp::ONE]] {
        let reason = refused(zkapp.prove(statement));
        assert!(reason.contains("proof 0"), "{reason}");
    }
    let other = Zkapp::new(ProofsVerified::N0);
    let reason = refused(other.prove([update, calls]));
    assert!(reason.contains("key of the proof"), "{reason}");
    // Under the right key, but as if it were of the right statement.
    let mut wrong = zkapp.prove([update, Fp::ONE]);
    wrong.app_state = honest.app_state.clone();
    let result = program.prove(rule, input.clone(), &[Some(wrong)], &mut OsRng);
    assert!(matches!(result, Err(ProveError::Earlier { index: 0, .. })));

    // What is no segment of this rule.
    let error = |updates| given(updates).unwrap_err();
    assert_eq!(error(updates[..2].to_vec()), CommandsError::Proofs { got: 0 });
    let twice = [&updates[..], &updates[2..]].concat();
    assert_eq!(error(twice), CommandsError::Proofs { got: 2 });
    let mut keyless = updates.clone();
    keyless[2].witness.account.zkapp = None;
    assert_eq!(error(keyless), CommandsError::NoKey);
    let mut garbled = updates;
    garbled[2].proof = Some(Proof(b"()".as_slice().into()));
    assert!(matches!(error(garbled), CommandsError::Proof(_)));
}

#[test]
fn lies_about_the_update_with_the_proof() {
    let mut chain = Transfers::new(2).unwrap();
    let zkapp = Zkapp::new(ProofsVerified::N0);
    let updates = deploy_and_call(&chain, &zkapp);
    let updates = chain.run(0, updates).unwrap();
    let lab = lab(&chain.rules, ROOM);
    let input = |updates: Vec<RecordedUpdate>, key| Input {
        updates: CommandsInput::new(chain.chain, chain.height, chain.slot, updates, ROOM).unwrap(),
        key,
    };
    let key = zkapp.key.hash();
    let honest = input(updates.clone(), key);
    let call = &updates[2].witness;
    assert_eq!(lab.public(&honest)[1..], [body_hash(&call.body, &chain.rules.domain), Fp::ZERO]);
    let refused = |region: &str, edit: &dyn Fn(&mut Vec<RecordedUpdate>), key| {
        let mut updates = updates.clone();
        edit(&mut updates);
        let found = lab.rejects(&input(updates, key));
        assert!(found.iter().any(|path| path.contains(region)), "{region}: {found:?}");
    };
    let kind = |updates: &mut Vec<RecordedUpdate>, kind| {
        updates[2].witness.body.authorization_kind = kind;
    };
    refused("key of the proof", &|_| (), key + Fp::ONE);
    // The update names the other key too; then it is not the one that the command has.
    refused("stack", &|u| kind(u, AuthorizationKind::Proof(key + Fp::ONE)), key + Fp::ONE);
    // The bit that says that a proof authorises it, either way.
    refused("stack", &|u| kind(u, AuthorizationKind::None), key);
    refused("one proof", &|u| kind(u, AuthorizationKind::None), key);
    refused("one proof", &|u| u.truncate(2), key);
    refused("one proof", &|u| u.push(u[2].clone()), key);
    // Other children than the command has.
    refused("stack", &|u| u[2].witness.stack.children = Fp::ONE, key);
    // Another key than the account has: the account is not in the ledger.
    refused(
        "account",
        &|u| u[2].witness.account.zkapp.as_mut().unwrap().verification_key = None,
        key,
    );
}
