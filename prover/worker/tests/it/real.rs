//! One batch, proved for real.

use std::sync::Arc;

use mina_ledger::rollup::Hashed;
use pickles::verify;
use rand::rngs::OsRng;
use tempfile::tempdir;
use tokio_util::sync::CancellationToken;
use zeko_circuits::program::Rollup;
use zeko_worker::{
    Backend, BackendError, Embedded, EmbeddedConfig, EmbeddedError, Job, JobInput, Rule, Stage,
    Worker,
};

use crate::kit::{Happens, MINA, SIZES, config, deposit, mixed, payment, plan_of, rules, transfer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_proved_on_this_machine() {
    let rollup = Arc::new(Rollup::compile(&rules(), SIZES, None).unwrap());
    let backend = Arc::new(Embedded::new(Arc::clone(&rollup), EmbeddedConfig::default()).unwrap());
    let error = Embedded::new(
        Arc::clone(&rollup),
        EmbeddedConfig { threads: Some(0), ..EmbeddedConfig::default() },
    );
    assert!(matches!(error, Err(EmbeddedError::Zero { what: "threads" })));

    // A deposit to a new account, one that does not cover the fee for one, an empty block, a transfer
    // that fails, and a payment to the new account.
    let message = |to, amount| Happens::Message(Ok(deposit(to, amount)));
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
