//! From a client's command to an acknowledged one: checks, the cheap ones first and the costly ones
//! many at a time, then the mempool and the log.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Instant,
};

use mina_ledger::{
    hash::{TransactionHash, command_hashes_many},
    logic::{AccountRule, ProofVerifier, check_signed_command_with, check_zkapp_command_with},
    signature::{BatchItem, verify_batch},
    types::{AccountId, PublicKey, ZkappCommand},
};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};

use crate::{
    command::Command,
    crash::crash_point,
    graphql::SubmitError,
    log::Record,
    pool::Checked,
    proofs::{Claim, PicklesVerifier, claims, has_proofs},
    shared::{Guard, Shared, now_ms},
    store::parties,
};

/// Commands that are checked together.
const BATCH: usize = 256;
/// Fewer with proofs: each takes as long as a hundred signatures.
const PROOF_BATCH: usize = 8;

type Answer = Result<TransactionHash, SubmitError>;

/// A command on its way in.
struct Submission {
    command: Command,
    answer: oneshot::Sender<Answer>,
}

/// The way in: one queue for commands with proofs, and one for all others, so that these do not
/// wait.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    plain: mpsc::Sender<Submission>,
    proved: mpsc::Sender<Submission>,
}

impl Admission {
    pub(crate) fn start(shared: &Arc<Shared>) -> std::io::Result<(Self, Vec<JoinHandle<()>>)> {
        let max = shared.config.pool.max_unchecked;
        let (plain, plain_queue) = mpsc::channel(max);
        let (proved, proved_queue) = mpsc::channel(max);
        let threads = [("admission", plain_queue, BATCH), ("proofs", proved_queue, PROOF_BATCH)]
            .into_iter()
            .map(|(name, queue, batch)| {
                let (shared, runtime) = (Arc::clone(shared), Handle::current());
                let run = move || {
                    let guard = Guard::new(&shared, name);
                    let verifier = PicklesVerifier::default();
                    Worker { shared, verifier, points: Mutex::default() }
                        .run(&runtime, queue, batch);
                    drop(guard);
                };
                std::thread::Builder::new().name(name.into()).spawn(run)
            })
            .collect::<Result<_, _>>()?;
        Ok((Self { plain, proved }, threads))
    }

    /// Hands a command in and waits until it is in the log or refused.
    pub(crate) async fn submit(&self, command: Command) -> Answer {
        let proved = matches!(&command, Command::Zkapp(command) if has_proofs(command));
        let queue = if proved { &self.proved } else { &self.plain };
        let (answer, answered) = oneshot::channel();
        queue.try_send(Submission { command, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                metrics::counter!("zeko_commands_refused_total", "reason" => "queue").increment(1);
                SubmitError::Overloaded { reason: "too many commands wait to be checked" }
            }
            mpsc::error::TrySendError::Closed(_) => stopping(),
        })?;
        answered.await.unwrap_or_else(|_| Err(stopping()))
    }
}

fn stopping() -> SubmitError {
    SubmitError::Unavailable { reason: "the sequencer is stopping".into() }
}

/// Keys that are remembered to be points; all are forgotten when there are more.
const MAX_POINTS: usize = 1 << 18;

struct Worker {
    shared: Arc<Shared>,
    verifier: PicklesVerifier,
    points: Mutex<HashSet<PublicKey>>,
}

/// A command under way, with whom to tell.
struct Candidate {
    checked: Checked,
    answer: oneshot::Sender<Answer>,
}

impl Worker {
    fn run(self, runtime: &Handle, mut queue: mpsc::Receiver<Submission>, batch: usize) {
        let stop = self.shared.stop.clone();
        loop {
            // Handles may outlive the sequencer, so the queue does not end by itself.
            let first = runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => None,
                    first = queue.recv() => first,
                }
            });
            let Some(first) = first else { return };
            let mut submissions = vec![first];
            while submissions.len() < batch
                && let Ok(next) = queue.try_recv()
            {
                submissions.push(next);
            }
            let start = Instant::now();
            metrics::histogram!("zeko_admission_batch_commands").record(submissions.len() as f64);
            let candidates = self.check_cheaply(submissions);
            let candidates = self.check_signatures(candidates);
            let candidates = self.check_proofs(candidates);
            self.take_in(candidates);
            metrics::histogram!("zeko_admission_batch_seconds")
                .record(start.elapsed().as_secs_f64());
        }
    }

    /// Everything that costs little.
    fn check_cheaply(&self, submissions: Vec<Submission>) -> Vec<Candidate> {
        let fits = |Submission { command, answer }| {
            let checked = Checked::new(command, None);
            match self.cheap(&checked) {
                Ok(()) => Some(Candidate { checked, answer }),
                Err(error) => {
                    refuse(answer, error);
                    None
                }
            }
        };
        submissions.into_iter().filter_map(fits).collect()
    }

    fn cheap(&self, checked: &Checked) -> Result<(), SubmitError> {
        let Shared { config, domain, rule, view, .. } = self.shared.as_ref();
        let malformed =
            |error: &dyn std::fmt::Display| SubmitError::Malformed { reason: error.to_string() };
        if checked.bytes.len() > config.pool.max_command_bytes {
            let reason = format!("{} bytes are too many", checked.bytes.len());
            return Err(SubmitError::Malformed { reason });
        }
        // Having an account is not enough: a deposit can open one for a key that is no point.
        let known = |key: &PublicKey| self.points().contains(key);
        match checked.command.as_ref() {
            Command::Zkapp(command) => {
                check_zkapp_command_with(command, domain.era(), config.fees.minimum, &known)
                    .map_err(|error| malformed(&error))?;
                let mut updates = command.account_updates.updates();
                if !updates.all(|update| rule.is_provable(&update.body)) {
                    let reason = "the bridge account takes one action of three elements".into();
                    return Err(SubmitError::Malformed { reason });
                }
            }
            Command::Signed(command) => {
                check_signed_command_with(command, config.fees.minimum, &known)
                    .map_err(|error| malformed(&error))?;
                let named = [command.payload.fee_payer, command.payload.receiver()];
                let open = |key| rule.allows_signed_commands(&AccountId::of(key));
                if !named.into_iter().all(open) {
                    return Err(SubmitError::Reserved);
                }
            }
        }
        self.remember_points(&checked.command);
        let (expected, got) = (self.shared.minimum_fee(checked.weight), checked.command.fee());
        if got < expected {
            return Err(SubmitError::InsufficientFee { expected, got });
        }
        if checked.command.valid_until() < self.shared.slot_at(now_ms()) {
            return Err(SubmitError::Expired);
        }
        // The lock of the mempool is never asked for while that of the view is held.
        let (nonce, id) = {
            let view = view.read();
            let payer = view.latest(&checked.command.fee_payer_id());
            let payer = payer.ok_or(SubmitError::FeePayerNotFound)?;
            if !payer.may_send() || !payer.may_increment_nonce() {
                return Err(SubmitError::FeePayerNotPermitted);
            }
            if view.place(&checked.hash).is_some() {
                return Err(SubmitError::Duplicate);
            }
            (payer.nonce, payer.id())
        };
        // Commands of one batch may follow each other, which only the mempool can tell; what no
        // mempool would take is refused before its signature is looked at.
        if checked.command.nonce() < nonce {
            let expected = self.shared.pool().next_nonce(&id, nonce);
            return Err(SubmitError::InvalidNonce { expected, got: checked.command.nonce() });
        }
        Ok(())
    }

    fn points(&self) -> MutexGuard<'_, HashSet<PublicKey>> {
        self.points.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the keys of a command that is well-formed: all of them are points.
    fn remember_points(&self, command: &Command) {
        let mut points = self.points();
        if points.len() >= MAX_POINTS {
            points.clear();
        }
        points.extend(parties(command));
    }

    /// All signatures in one equation; if that does not hold, one command after the other.
    fn check_signatures(&self, mut candidates: Vec<Candidate>) -> Vec<Candidate> {
        let domain = &self.shared.domain;
        let zkapps: Vec<&ZkappCommand> = candidates.iter().filter_map(zkapp).collect();
        let mut hashes = command_hashes_many(&zkapps, domain).into_iter();
        for candidate in &mut candidates {
            if matches!(candidate.checked.command.as_ref(), Command::Zkapp(_)) {
                candidate.checked.hashes = hashes.next().map(Arc::new);
            }
        }
        let items: Vec<BatchItem> = candidates.iter().flat_map(signatures).collect();
        if verify_batch(&items, domain).is_ok() {
            return candidates;
        }
        use rayon::prelude::*;
        let results: Vec<Result<(), SubmitError>> = candidates
            .par_iter()
            .map(|candidate| {
                verify_batch(&signatures(candidate), domain).map_err(|(index, error)| {
                    let reason = format!("signature {index}: {error}");
                    SubmitError::InvalidSignature { reason }
                })
            })
            .collect();
        keep(candidates, results)
    }

    fn check_proofs(&self, candidates: Vec<Candidate>) -> Vec<Candidate> {
        if self.shared.config.unsafe_no_proofs {
            return candidates;
        }
        let found: Vec<Result<Vec<Claim>, SubmitError>> =
            candidates.iter().map(|candidate| self.claims(candidate)).collect();
        let all: Vec<_> = found.iter().flatten().flatten().map(Claim::borrow).collect();
        if all.is_empty() {
            return keep(candidates, found.into_iter().map(|claims| claims.map(drop)));
        }
        let start = Instant::now();
        let together = self.verifier.verify(&all).is_ok();
        let check = |claims: Vec<Claim>| {
            let borrowed: Vec<_> = claims.iter().map(Claim::borrow).collect();
            if together {
                return Ok(());
            }
            self.verifier.verify(&borrowed).map_err(|index| {
                let reason = || SubmitError::InvalidProof { reason: String::new() };
                claims.get(index).map_or_else(reason, Claim::rejected)
            })
        };
        metrics::counter!("zeko_proofs_checked_total").increment(all.len() as u64);
        let results: Vec<_> = found.iter().cloned().map(|claims| claims.and_then(check)).collect();
        metrics::histogram!("zeko_proof_check_seconds").record(start.elapsed().as_secs_f64());
        keep(candidates, results)
    }

    fn claims(&self, candidate: &Candidate) -> Result<Vec<Claim>, SubmitError> {
        let (Command::Zkapp(command), Some(hashes)) =
            (candidate.checked.command.as_ref(), &candidate.checked.hashes)
        else {
            return Ok(Vec::new());
        };
        let payer = candidate.checked.command.fee_payer_id();
        claims(command, hashes, |id| {
            let mut keys = self.shared.pool().pending_keys(&payer, id);
            let view = self.shared.view.read();
            let zkapp = view.latest(id).and_then(|account| account.zkapp.as_deref());
            keys.extend(zkapp.and_then(|zkapp| zkapp.verification_key.clone()));
            keys
        })
    }

    /// Into the mempool and the log, in the same order; answers come once the log is safe.
    fn take_in(&self, candidates: Vec<Candidate>) {
        crash_point("admission/checked");
        let mut accepted = Vec::new();
        let mut records = Vec::new();
        let mut dropped = Vec::new();
        let mut pool = self.shared.pool();
        {
            let view = self.shared.view.read();
            for Candidate { checked, answer } in candidates {
                let id = checked.command.fee_payer_id();
                let (hash, command) = (checked.hash, Arc::clone(&checked.bytes));
                let taken = match view.latest(&id) {
                    Some(payer) => pool.insert(checked, payer),
                    None => Err(SubmitError::FeePayerNotFound),
                };
                match taken {
                    Ok(removed) => {
                        records.push(Record::Accepted { command, first: false });
                        dropped.extend(removed);
                        accepted.push((hash, answer));
                    }
                    Err(error) => refuse(answer, error),
                }
            }
        }
        if accepted.is_empty() {
            return;
        }
        records.extend(
            dropped
                .iter()
                .map(|one| Record::Dropped { hash: one.hash, reason: one.reason.clone() }),
        );
        let count = accepted.len() as u64;
        let shared = Arc::clone(&self.shared);
        let tell = move |written: Result<(), String>| {
            if let Err(reason) = &written {
                shared.fail(reason.clone());
            }
            for (hash, answer) in accepted {
                let error = |reason: String| SubmitError::Unavailable { reason };
                // Nobody may be waiting any more.
                let _ = answer.send(written.clone().map(|()| hash).map_err(error));
            }
        };
        self.shared.log.append(&records, Some(Box::new(tell)));
        metrics::counter!("zeko_commands_accepted_total").increment(count);
        if !dropped.is_empty() {
            metrics::counter!("zeko_commands_dropped_total").increment(dropped.len() as u64);
            let mut view = self.shared.view.write();
            for one in dropped {
                view.dropped(one.hash, one.reason);
            }
        }
        // Whoever asks for a command finds it here or among the dropped.
        drop(pool);
    }
}

fn zkapp(candidate: &Candidate) -> Option<&ZkappCommand> {
    match candidate.checked.command.as_ref() {
        Command::Zkapp(command) => Some(command),
        Command::Signed(_) => None,
    }
}

fn signatures(candidate: &Candidate) -> Vec<BatchItem> {
    match (candidate.checked.command.as_ref(), &candidate.checked.hashes) {
        (Command::Signed(command), _) => vec![BatchItem::signed_command(command)],
        (Command::Zkapp(command), Some(hashes)) => {
            BatchItem::zkapp_command(command, hashes).collect()
        }
        (Command::Zkapp(_), None) => Vec::new(),
    }
}

/// Goes on with those that hold; the others are told.
fn keep<E>(
    candidates: Vec<Candidate>,
    results: impl IntoIterator<Item = Result<(), E>>,
) -> Vec<Candidate>
where
    SubmitError: From<E>,
{
    let pass = |(candidate, result): (Candidate, Result<(), E>)| match result {
        Ok(()) => Some(candidate),
        Err(error) => {
            refuse(candidate.answer, error.into());
            None
        }
    };
    candidates.into_iter().zip(results).filter_map(pass).collect()
}

fn refuse(answer: oneshot::Sender<Answer>, error: SubmitError) {
    metrics::counter!("zeko_commands_refused_total", "reason" => error.label()).increment(1);
    // Nobody may be waiting any more.
    let _ = answer.send(Err(error));
}
