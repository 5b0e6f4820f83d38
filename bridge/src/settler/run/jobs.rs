//! Which proofs to make.

use mina_curves::Fp;
use mina_ledger::{
    rollup::{Commit, CommitOrder, Hashed, Payout, Progress, Sequencer, SignedStatement},
    types::CallForest,
};

use super::{Item, Observed, PayoutWork, Run, SettlerError, batches::Known};

/// A proof to make.
enum Job {
    Commit { item: Item, commit: Box<Commit>, batch: u64, waiting: Vec<Fp> },
    Payout { item: Item, payout: Payout, left: Vec<Fp> },
}

impl Run {
    /// Starts a proof if none is being made and one is wanted.
    pub(super) fn prove(&mut self) -> Result<(), SettlerError> {
        let Some(observed) = &self.observed else { return Ok(()) };
        if self.proving.is_some() || self.divergence(observed).is_some() {
            return Ok(());
        }
        let Some(job) = self.job(observed)? else { return Ok(()) };
        let (prover, account) = (self.prover.clone(), self.config.account);
        let (item, task) = match job {
            Job::Commit { item, commit, batch, waiting } => {
                let Some(known) = self.batches.get(batch) else { return Ok(()) };
                let Some(proof) = known.proof.clone() else { return Ok(()) };
                let signatures = known.batch.signatures.clone();
                let certificate = (self.config.committee.clone(), signatures);
                let task = tokio::spawn(async move {
                    let made = prover.commit(account, *commit, proof, certificate, waiting).await;
                    made.map(|update| CallForest::flat([update]))
                });
                (item, task)
            }
            Job::Payout { item, payout, left } => {
                let task = tokio::spawn(async move { prover.payout(account, payout, left).await });
                (item, task)
            }
        };
        tracing::info!(?item, "proving");
        self.proving = Some((item, task));
        Ok(())
    }

    /// The next proof to make: of the batch that the contract waits for, of a payout, and of the batch
    /// behind.
    fn job(&self, observed: &Observed) -> Result<Option<Job>, SettlerError> {
        let progress = observed.progress;
        if let Some((known, window)) = self.next(observed) {
            let is_late = window.is_over(observed.slot, self.config.margin);
            if self.proved_commit(observed, known).is_none()
                && !is_late
                && let Some(job) = self.commit_job(observed, known, progress)?
            {
                return Ok(Some(job));
            }
        }
        if let Ok(Some(PayoutWork { item, payout, left })) = self.payout(observed)
            && !self.proved.contains(&item)
            && self.is_provable(item)
        {
            return Ok(Some(Job::Payout { item, payout, left }));
        }
        let Some((known, _)) = self.next(observed) else { return Ok(None) };
        let Some(behind) = self.batches.get(progress.batch.saturating_add(1)) else {
            return Ok(None);
        };
        let is_first_done = self.proved_commit(observed, known).is_some();
        if !is_first_done || self.proved_commit(observed, behind).is_some() {
            return Ok(None);
        }
        let progress = Progress {
            batch: behind.number(),
            height: behind.batch.attestation.first_height,
            last_slot: known.batch.statement.last_slot,
        };
        self.commit_job(observed, behind, progress)
    }

    fn commit_job(
        &self,
        observed: &Observed,
        known: &Known,
        progress: Progress,
    ) -> Result<Option<Job>, SettlerError> {
        let (attestation, batch) = (known.batch.attestation, known.batch.statement);
        let Some((action_state, waiting)) = self.action_state(observed, batch.target.inbox) else {
            return Ok(None);
        };
        let (number, generation) = (known.number(), attestation.generation);
        let item = Item::Commit { batch: number, generation, action_state };
        if known.proof.is_none() || !self.is_provable(item) {
            return Ok(None);
        }
        let order = CommitOrder { attestation: attestation.digest() };
        let order = order.sign(&self.config.sequencer)?;
        let sequencer = Sequencer { key: self.config.sequencer.to_public_key() };
        let configuration = self.config.configuration;
        let commit =
            Commit { batch, attestation, configuration, progress, action_state, sequencer, order };
        let commit = Box::new(commit);
        Ok(Some(Job::Commit { item, commit, batch: number, waiting }))
    }

    /// An action state that the contract has, and the messages that lead there from a prefix: the
    /// newest, because it lasts longest. The prefix itself needs no messages.
    fn action_state(&self, observed: &Observed, inbox: Fp) -> Option<(Fp, Vec<Fp>)> {
        let [newest, ..] = observed.contract.action_states;
        let view = self.view.borrow();
        let is_same = view.contract().is_some_and(|seen| seen.action_states[0] == newest);
        let waiting = if is_same { view.behind(inbox) } else { None };
        let here = observed.contract.action_states.contains(&inbox);
        waiting.map(|waiting| (newest, waiting)).or(here.then(|| (inbox, Vec::new())))
    }
}
