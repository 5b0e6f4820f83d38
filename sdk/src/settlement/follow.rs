//! What the L1 means for the sequencer: how far its batches have come, and which blocks have to be
//! undone.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use mina_curves::Fp;
use mina_ledger::{hash::constants::EMPTY_ACTION_STATE, types::Length};
use pickles::ProvedStatement;
use tokio::sync::{broadcast::error::RecvError, mpsc, watch};
use zeko_bridge::{
    HandInError, L1Account, L1View, MissingOutbox, SettlerHandle, SettlerStatus, Stage as Settling,
    behind,
};
use zeko_sequencer::{
    BatchRecord, SequencerHandle, Stage, StoreError,
    graphql::{BlockSelector, MinaNode, NodeEvent},
};
use zeko_worker::{BatchError, BatchHandle, WorkerHandle};

use super::{SettlementError, UnderWay, balance::Balance, outbox, withdraw};
use crate::publisher::{is_there, same_blocks};

pub(super) struct Follow {
    pub(super) sequencer: SequencerHandle,
    pub(super) settler: SettlerHandle,
    pub(super) worker: WorkerHandle,
    pub(super) view: watch::Receiver<Arc<L1View>>,
    pub(super) batches: Arc<Mutex<BTreeMap<u64, UnderWay>>>,
    /// The last entries of the outbox that were looked for.
    pub(super) looked_for: Option<MissingOutbox>,
    /// Where reasons go to.
    pub(super) told: watch::Sender<Vec<String>>,
    /// What the contract holds and owes, and its account, when that was last known.
    pub(super) balance: Option<(Balance, L1Account)>,
}

type Proof = (BatchRecord, Result<Arc<ProvedStatement>, BatchError>);

impl Follow {
    pub(super) async fn run(
        mut self,
        mut under_way: mpsc::UnboundedReceiver<(BatchRecord, BatchHandle)>,
    ) -> Result<(), SettlementError> {
        let mut proofs = FuturesUnordered::new();
        let mut status = self.settler.status();
        let mut events = self.sequencer.subscribe();
        loop {
            tokio::select! {
                batch = under_way.recv() => {
                    let Some((record, proof)) = batch else { return Ok(()) };
                    proofs.push(async move { (record, proof.proof().await) });
                }
                Some(proof) = proofs.next() => self.proved(proof).await?,
                changed = status.changed() => {
                    // The settler says why when it is joined.
                    if changed.is_err() {
                        return Ok(());
                    }
                    let now = Arc::clone(&status.borrow_and_update());
                    self.tell();
                    self.note(&now).await?;
                    match now.missing {
                        // Else what has been paid may be of a batch that is still to be handed in.
                        Some(missing) if has_settled(&now, missing) => {
                            self.hand_in_earlier(missing).await?;
                        }
                        Some(_) => {}
                        None => self.looked_for = None,
                    }
                }
                event = events.recv() => match event {
                    // Of those that were missed, one may have been a rollback.
                    Ok(NodeEvent::Reorganization) | Err(RecvError::Lagged(_)) => {
                        self.withdraw().await?;
                    }
                    Ok(_) => {}
                    // The sequencer says why when it is joined.
                    Err(RecvError::Closed) => return Ok(()),
                },
                changed = self.view.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    self.follow_inbox().await?;
                    self.check_balance().await?;
                }
            }
        }
    }

    fn batches(&self) -> MutexGuard<'_, BTreeMap<u64, UnderWay>> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The record of a batch, if it is still of this generation.
    fn record(&self, number: u64, generation: u32) -> Option<BatchRecord> {
        self.sequencer.batch(number).filter(|record| record.generation == generation)
    }

    async fn proved(&self, (record, proof): Proof) -> Result<(), SettlementError> {
        let batch = record.number;
        let proof = match proof {
            Ok(proof) => proof,
            // It has been replaced; or the worker says why when it is joined.
            Err(BatchError::Cancelled | BatchError::Stopped) => return Ok(()),
            Err(error) => return Err(SettlementError::Proof { batch, error }),
        };
        if let Some(now) = self.record(batch, record.generation)
            && same_blocks(&now, &record)
            && now.stage < Stage::Proved
        {
            let proved = BatchRecord { stage: Stage::Proved, ..now.clone() };
            self.sequencer.replace_batch(&now, &proved)?;
            tracing::info!(batch, "proved");
        }
        match self.settler.proved(ProvedStatement::clone(&proof)).await {
            // Replaced in the meantime.
            Ok(()) | Err(HandInError::Unknown) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Notes where batches are, and undoes those that can no longer be committed.
    async fn note(&self, status: &SettlerStatus) -> Result<(), SettlementError> {
        let mut unsettled = 0;
        for (number, batch) in &status.batches {
            let (stage, hash) = match batch.stage {
                Settling::Included { .. } => (Some(Stage::Committed), None),
                Settling::Final => (Some(Stage::Final), None),
                Settling::Submitted { hash } => (None, Some(hash.to_base58())),
                _ => (None, None),
            };
            // Of another generation, it is about to be replaced.
            let Some(record) = self.record(*number, batch.generation) else { continue };
            unsettled += usize::from(stage.is_none());
            // After a restart, the settler cannot tell how deep the last one is.
            let is_deep = record.stage == Stage::Final && stage == Some(Stage::Committed);
            let stage = if is_deep { Some(Stage::Final) } else { stage };
            if batch.stage == Settling::Missed {
                tracing::warn!(batch = number, "missed its slots: it is built again, smaller");
                self.sequencer.batch_missed()?;
                self.roll_back(record.first_height).await?;
                return Ok(());
            }
            // A rollback of the L1 can undo a commit, not the proof.
            let stage = stage.unwrap_or(record.stage.min(Stage::Proved));
            let settled_by = hash.or_else(|| record.settled_by.clone());
            let noted = BatchRecord { stage, settled_by, ..record.clone() };
            if noted != record && self.replace(&record, &noted)? {
                tracing::info!(batch = number, ?stage, "settlement");
                if record.stage < Stage::Committed && stage >= Stage::Committed {
                    self.sequencer.batch_settled()?;
                }
            }
            if stage == Stage::Final {
                let done = self.batches().get_mut(number).and_then(|batch| batch.proof.take());
                if let Some(proof) = done {
                    self.worker.forget(proof.statement()).await?;
                }
            }
        }
        metrics::gauge!("zeko_unsettled_batches").set(unsettled as f64);
        Ok(())
    }

    /// Replaces the record of a batch. Those before a final one are final, also where the settler no
    /// longer tells of them.
    fn replace(&self, old: &BatchRecord, new: &BatchRecord) -> Result<bool, StoreError> {
        let is_replaced = self.sequencer.replace_batch(old, new)?;
        match is_replaced && new.stage == Stage::Final {
            true => self.sequencer.finalize(new),
            false => Ok(is_replaced),
        }
    }

    /// Looks whether the contract holds what it owes, at every state of it.
    async fn check_balance(&mut self) -> Result<(), SettlementError> {
        let view = Arc::clone(&self.view.borrow());
        let Some(account) = view.account().cloned() else { return Ok(()) };
        if self.balance.as_ref().is_some_and(|(_, last)| *last == account) {
            return Ok(());
        }
        let sequencer = self.sequencer.clone();
        let found = tokio::task::spawn_blocking(move || Balance::of(&sequencer, &view)).await??;
        let Some(balance) = found else { return Ok(()) };
        metrics::gauge!("zeko_bridge_imbalance_nanomina").set(balance.imbalance() as f64);
        if let Some(reason) = balance.reason() {
            tracing::error!(reason, "funds do not add up");
        }
        self.balance = Some((balance, account));
        self.tell();
        Ok(())
    }

    /// Tells why settlement does not go on, and whether funds are missing.
    fn tell(&self) {
        let mut reasons = self.settler.reasons();
        reasons.extend(self.balance.as_ref().and_then(|(balance, _)| balance.reason()));
        self.told.send_if_modified(|told| {
            let changed = *told != reasons;
            *told = reasons;
            changed
        });
    }

    /// Takes back batches that have been rolled back.
    async fn withdraw(&self) -> Result<(), SettlementError> {
        let is_gone = |batch: &&UnderWay| !is_there(&self.sequencer, &batch.record);
        let first = self.batches().values().find(is_gone).map(|batch| batch.record.number);
        match first {
            Some(first) => withdraw(&self.batches, &self.settler, first).await,
            None => Ok(()),
        }
    }

    /// Hands in entries of the outbox of batches that were final already.
    async fn hand_in_earlier(&mut self, missing: MissingOutbox) -> Result<(), SettlementError> {
        if self.looked_for == Some(missing) {
            return Ok(());
        }
        self.looked_for = Some(missing);
        let sequencer = self.sequencer.clone();
        let found = tokio::task::spawn_blocking(move || outbox::between(&sequencer, missing));
        let Some(entries) = found.await? else {
            tracing::error!("the L1 has paid an outbox that is none of this chain's");
            return Ok(());
        };
        match self.settler.earlier(missing.from, entries).await {
            // It has begun somewhere else meanwhile, and will say what it needs.
            Ok(()) | Err(HandInError::Outbox) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Undoes blocks with messages that the L1 no longer has.
    async fn follow_inbox(&self) -> Result<(), SettlementError> {
        let view = Arc::clone(&self.view.borrow());
        let consumed = self.sequencer.consumed_inbox();
        if view.not_ready().is_some() || behind(view.inbox(), consumed).is_some() {
            return Ok(());
        }
        let Some(height) = self.first_undone(&view)? else { return Ok(()) };
        tracing::warn!(height, "the L1 has undone messages that were consumed");
        self.roll_back(height).await
    }

    /// The first block that consumes a message which the L1 does not have.
    fn first_undone(&self, view: &L1View) -> Result<Option<u32>, StoreError> {
        let (first, mut inbox) = self.last_consumed(view)?;
        // What is behind the prefix, in order.
        let mut known = behind(view.inbox(), inbox).unwrap_or_default().iter();
        for height in first..self.sequencer.tip().height.get() {
            let selector = BlockSelector::Height(Length::new(height.saturating_add(1)));
            let Some(block) = self.sequencer.block(selector) else { return Ok(None) };
            for consumed in &block.messages {
                inbox = consumed.message.append_to(inbox);
                if known.next().is_none_or(|message| message.after != inbox) {
                    return Ok(Some(height));
                }
            }
        }
        Ok(None)
    }

    /// The blocks up to the last closed batch of which the L1 has all messages, and the last of those.
    fn last_consumed(&self, view: &L1View) -> Result<(u32, Fp), StoreError> {
        let mut most = u64::MAX;
        while let Some(batch) = self.sequencer.last_batch(Stage::Included, most)? {
            let blocks = batch.last_height.saturating_add(1);
            // If it can no longer be said, all blocks are read.
            let Some(inbox) = self.sequencer.consumed_inbox_behind(blocks)? else { break };
            if behind(view.inbox(), inbox).is_some() {
                return Ok((blocks, inbox));
            }
            let Some(before) = batch.number.checked_sub(1) else { break };
            most = before;
        }
        Ok((0, EMPTY_ACTION_STATE))
    }

    async fn roll_back(&self, height: u32) -> Result<(), SettlementError> {
        let undone = self.sequencer.roll_back(height).await;
        let undone = undone.map_err(|reason| SettlementError::RollBack { height, reason })?;
        tracing::warn!(height, commands = undone, "rolled back");
        Ok(())
    }
}

/// Whether all batches that are settled have been handed in.
fn has_settled(status: &SettlerStatus, missing: MissingOutbox) -> bool {
    let last = status.batches.last_key_value().map(|(number, _)| number.saturating_add(1));
    status.settled.is_some_and(|settled| settled <= last.unwrap_or(missing.batch))
}
