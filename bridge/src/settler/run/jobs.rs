//! Which proofs to make.

use std::sync::Arc;

use mina_curves::Fp;
use mina_ledger::{
    rollup::{Commit, CommitOrder, Hashed, Payout, Progress, Sequencer, SignedStatement},
    types::CallForest,
};

use super::{Item, Observed, PayoutWork, Run, SettlerError, batches::Known};
use crate::inbox::{Blocked, CommitInbox};

/// A proof to make.
enum Job {
    Commit { item: Item, commit: Box<Commit>, batch: u64, inbox: CommitInbox },
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
            Job::Commit { item, commit, batch, inbox } => {
                let Some(known) = self.batches.get(batch) else { return Ok(()) };
                let Some(proof) = known.proof.clone() else { return Ok(()) };
                let signatures = known.batch.signatures.clone();
                let certificate = (self.config.committee.clone(), signatures);
                let messages = (inbox.consumed, inbox.deposits);
                let task = tokio::spawn(async move {
                    let made = prover.commit(account, *commit, proof, certificate, messages).await;
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
        let Ok(inbox) = self.inbox(observed, known) else { return Ok(None) };
        let CommitInbox { waiting, is_full, .. } = inbox;
        let (action_state, earliest) = (waiting.to, waiting.earliest);
        let (number, generation) = (known.number(), attestation.generation);
        let item = Item::Commit { batch: number, generation, action_state };
        if known.proof.is_none() || !self.is_provable(item) {
            return Ok(None);
        }
        let order = CommitOrder { attestation: attestation.digest() };
        let order = order.sign(&self.config.sequencer)?;
        let sequencer = Sequencer { key: self.config.sequencer.to_public_key() };
        let configuration = self.config.configuration;
        let commit = Box::new(Commit {
            batch,
            attestation,
            configuration,
            progress,
            action_state,
            earliest,
            is_full,
            sequencer,
            order,
        });
        Ok(Some(Job::Commit { item, commit, batch: number, inbox }))
    }

    /// The inbox of a batch, up to the newest action state of the contract with which it can be
    /// committed.
    fn inbox(&self, observed: &Observed, known: &Known) -> Result<CommitInbox, Blocked> {
        let states = &observed.contract.action_states;
        let messages = {
            let view = self.view.borrow();
            let is_same = view.contract().is_some_and(|seen| seen.action_states[0] == states[0]);
            if is_same { Arc::clone(&view.inbox) } else { Arc::default() }
        };
        let quota = self.prover.parameters().message_quota;
        CommitInbox::newest(&messages, &known.batch.statement, states, quota)
    }

    /// Why the batch that the contract waits for cannot be committed, if it is for what waits behind
    /// it. When its window is over, it is built again, and consumes that.
    pub(super) fn blocked(&self, observed: &Observed) -> Option<String> {
        let (known, _) = self.next(observed)?;
        if self.proved_commit(observed, known).is_some() {
            return None;
        }
        match self.inbox(observed, known) {
            // That the view is not ready is said elsewhere.
            Ok(_) | Err(Blocked::Unknown) => None,
            Err(blocked) => Some(format!("batch {}: {blocked}", known.number())),
        }
    }
}
