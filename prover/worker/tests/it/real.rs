//! Batches that are proved for real.

use std::sync::{Arc, LazyLock};

use kimchi::builder::Linear;
use mina_curves::Fp;
use mina_ledger::{
    hash::command_hashes,
    ledger::Ledger,
    logic::{ProofClaim, ProofVerifier},
    rollup::{Hashed, Message},
    types::{
        AccountId, Authorization, AuthorizationKind, CallForest, Proof, SignedAmount,
        VerificationKey,
    },
};
use pickles::{
    Program, ProofsVerified, RuleHandle, RuleStatement, StepBuilder, StepKey,
    account_update_proof_bytes, decode_account_update_proof, verify,
};
use rand::rngs::OsRng;
use tempfile::tempdir;
use tokio_util::sync::CancellationToken;
use zeko_circuits::program::Rollup;
use zeko_derive::{Command, ExecuteError};
use zeko_worker::{
    Backend, BackendError, Embedded, EmbeddedConfig, EmbeddedError, Job, JobInput, Rule, Stage,
    TraceError, Worker,
};

use crate::kit::{
    FEE, Happens, MINA, SIZES, authorised, build, change, command_of, config, deploy, deposit,
    genesis, mixed, parameters, payment, plan_of, record_with, rules, sample_proof, transfer, user,
};

/// The program, which takes a while.
static ROLLUP: LazyLock<Arc<Rollup>> =
    LazyLock::new(|| Arc::new(Rollup::compile(&rules(), SIZES, None).unwrap()));

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_proved_on_this_machine() {
    let rollup = Arc::clone(&ROLLUP);
    let backend = Arc::new(Embedded::new(Arc::clone(&rollup), EmbeddedConfig::default()).unwrap());
    let error = Embedded::new(
        Arc::clone(&rollup),
        EmbeddedConfig { threads: Some(0), ..EmbeddedConfig::default() },
    );
    assert!(matches!(error, Err(EmbeddedError::Zero { what: "threads" })));

    // A deposit to a new account, one that does not cover the fee for one, an empty block, a transfer
    // that fails, and a payment to the new account.
    let message = |to, amount| Happens::Message(Message::Deposit(deposit(to, amount)));
    let blocks = vec![
        (5, vec![message(70, 3 * MINA), message(71, 1)]),
        (6, vec![]),
        (
            7,
            vec![
                Happens::Command(transfer(1, 0, 2, 1_000 * MINA)),
                Happens::Command(payment(1, 1, 70, MINA)),
            ],
        ),
        (8, vec![]),
    ];
    let (batch, trace) = mixed(blocks);
    let plan = plan_of(&trace);
    // Three segments and two merges; two entries of the list; the end.
    assert_eq!(plan.jobs().len(), 8);

    let dir = tempdir().unwrap();
    let stop = CancellationToken::new();
    let worker = Worker::start(config(dir.path()), backend.clone(), &stop).await.unwrap();
    let handle = worker.handle().submit(plan.clone()).await.unwrap();
    let proof = handle.proof().await.unwrap();
    assert_eq!(plan.statement().target.root.ledger, batch.header.target_ledger);
    assert_eq!(proof.app_state, [plan.statement().digest()]);
    let key = rollup.program.verification_key();
    verify(key, &proof.app_state, &proof.proof, &mut OsRng).unwrap();
    worker.stop();
    worker.join().await.unwrap();

    // It is the same after a restart, and nothing is proved for it.
    let worker = Worker::start(config(dir.path()), backend.clone(), &stop).await.unwrap();
    let handle = worker.handle().submit(plan.clone()).await.unwrap();
    assert_eq!(handle.proof().await.unwrap(), proof);
    let progress = handle.progress();
    assert_eq!((progress.stage, progress.restored), (Stage::Proved, 1));
    worker.stop();
    worker.join().await.unwrap();

    // It is no proof of anything else.
    let part = &plan.jobs()[1];
    let error = backend.verify(part.statement, &proof).unwrap_err();
    assert!(matches!(error, BackendError::Transient { .. }), "{error}");
    let mut forged = proof.as_ref().clone();
    forged.app_state = vec![part.statement.0];
    let error = backend.verify(part.statement, &forged).unwrap_err();
    assert!(error.to_string().contains("does not verify"), "{error}");

    // A job that does not hold fails for good.
    let mut wrong = Job::clone(part);
    let JobInput::Commands { updates, .. } = &mut wrong.input else { panic!("{}", wrong.rule()) };
    updates.swap(0, 1);
    let error = backend.prove(Arc::new(wrong), vec![]).await.unwrap_err();
    let BackendError::Failed { reason } = error else { panic!("{error}") };
    assert!(reason.contains(Rule::Commands.name()), "{reason}");

    // Nor does one that was planned for circuits of other sizes.
    let part = plan.jobs().iter().find(|job| job.rule() == Rule::Accounts).unwrap();
    let mut wrong = Job::clone(part);
    let JobInput::Accounts(input) = &mut wrong.input else { panic!("{}", wrong.rule()) };
    input.places.clear();
    let error = backend.prove(Arc::new(wrong), vec![]).await.unwrap_err();
    let BackendError::Failed { reason } = error else { panic!("{error}") };
    assert_eq!(reason, "expected 1 places for new accounts, got 0");
}

/// A zkApp that approves of whatever is done by someone who knows a square root of 9.
#[derive(Debug)]
struct Square;

impl pickles::Rule for Square {
    /// The hash of the update, that of its calls, and the root.
    type Input = [Fp; 3];

    fn name(&self) -> &'static str {
        "square"
    }

    fn constrain(&self, cs: &mut StepBuilder<[Fp; 3]>, _: &[StepKey]) -> RuleStatement {
        let [update, calls, root] = cs.witnesses(|v| *v.input().rule());
        let square = cs.square(root);
        cs.assert_equal(square, Fp::from(9u64));
        RuleStatement { app_state: [update, calls].map(Linear::from).into(), previous: vec![] }
    }
}

/// Verifies proofs as nodes do.
struct Verifier;

impl ProofVerifier for Verifier {
    fn verify(&self, claims: &[ProofClaim<'_>]) -> Result<(), usize> {
        for (index, claim) in claims.iter().enumerate() {
            let key = pickles::VerificationKey::from_bytes(claim.verification_key.data());
            let proof = decode_account_update_proof(&claim.proof.0);
            let app_state = [claim.statement.account_update, claim.statement.calls];
            let result = verify(&key.unwrap(), &app_state, &proof.unwrap(), &mut OsRng);
            result.map_err(|_| index)?;
        }
        Ok(())
    }
}

/// A call with a proof, which has a child.
fn call(program: &Program, square: RuleHandle<Square>, key: &VerificationKey) -> Command {
    let mut called = change(AccountId::of(user(0)), SignedAmount::ZERO);
    called.authorization_kind = AuthorizationKind::Proof(key.hash());
    called.update.app_state[0] = Some(Fp::from(9u64));
    let child = change(AccountId::of(user(1)), SignedAmount::ZERO);
    let forest = |proof: &Authorization| {
        let mut forest = CallForest::new();
        forest.push(authorised(called.clone(), proof), 0).unwrap();
        forest.push(authorised(child.clone(), proof), 1).unwrap();
        command_of(0, 1, FEE, forest)
    };
    let Command::Zkapp(unproved) = forest(&Authorization::Proof(sample_proof())) else {
        panic!("a zkApp command")
    };
    let hashes = command_hashes(&unproved, &parameters().domain).forest;
    let calls = hashes.forest(1, 2);
    assert_ne!(calls, Fp::from(0u64));
    let input = [hashes.bodies[0], calls, -Fp::from(3u64)];
    let proof = program.prove(square, input, &[], &mut OsRng).unwrap().proof;
    forest(&Authorization::Proof(Proof(account_update_proof_bytes(&proof).into())))
}

/// A zkApp is deployed and called in one batch, with a real proof.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_of_a_zkapp_is_proved() {
    let mut builder = Program::builder(ProofsVerified::N0);
    let square = builder.rule(Square);
    let program = builder.compile().unwrap();
    let key = VerificationKey::from_bytes(&program.verification_key().to_bytes()).unwrap();

    let commands = vec![deploy(0, 0, key.clone()), call(&program, square, &key)];
    let (mut ledger, state) = genesis();
    let (batch, _) = build(&mut ledger, state, &[(5, commands)]);
    let account = ledger.get(&AccountId::of(user(0))).unwrap().unwrap();
    assert_eq!(account.zkapp.as_ref().unwrap().app_state[0], Fp::from(9u64));
    let trace = record_with(&batch, &Verifier).unwrap();
    let plan = plan_of(&trace);
    let rules: Vec<Rule> = plan.jobs().iter().map(|job| job.rule()).collect();
    assert_eq!(rules, [Rule::Proved, Rule::Close]);

    let rollup = Arc::clone(&ROLLUP);
    let backend = Arc::new(Embedded::new(Arc::clone(&rollup), EmbeddedConfig::default()).unwrap());
    let (dir, stop) = (tempdir().unwrap(), CancellationToken::new());
    let worker = Worker::start(config(dir.path()), backend.clone(), &stop).await.unwrap();
    let proof = worker.handle().submit(plan.clone()).await.unwrap().proof().await.unwrap();
    assert_eq!(plan.statement().target.root.ledger, batch.header.target_ledger);
    assert_eq!(proof.app_state, [plan.statement().digest()]);
    verify(rollup.program.verification_key(), &proof.app_state, &proof.proof, &mut OsRng).unwrap();
    worker.stop();
    worker.join().await.unwrap();

    // With another proof it is no batch, and no job.
    let mut wrong = Job::clone(&plan.jobs()[0]);
    let JobInput::Proved { updates, .. } = &mut wrong.input else { panic!("{}", wrong.rule()) };
    let update = updates.iter_mut().find(|update| update.is_proved()).unwrap();
    update.proof = Some(sample_proof());
    let error = backend.prove(Arc::new(wrong), vec![]).await.unwrap_err();
    let BackendError::Failed { reason } = error else { panic!("{error}") };
    assert!(reason.starts_with("earlier proof 0"), "{reason}");
    let Command::Zkapp(mut forged) = call(&program, square, &key) else { panic!("another proof") };
    let mut updates = CallForest::new();
    for (depth, update) in forged.account_updates.updates().enumerate() {
        let sample = Authorization::Proof(sample_proof());
        updates.push(authorised(update.body.clone(), &sample), depth as u32).unwrap();
    }
    forged.account_updates = updates;
    let commands = vec![deploy(0, 0, key), Command::Zkapp(forged)];
    let (batch, _) = build(&mut genesis().0, genesis().1, &[(5, commands)]);
    let error = record_with(&batch, &Verifier).unwrap_err();
    assert!(matches!(error, TraceError::Execute(ExecuteError::Authorization { .. })), "{error}");
}
