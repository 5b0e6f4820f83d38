//! The settler's task.

mod batches;
mod checks;
mod jobs;
mod tell;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use mina_ledger::{
    hash::TransactionHash,
    rollup::{ContractState, Field, Hashed, Payout, PayoutState, Progress},
    types::{Amount, CallForest, Length, Nonce, Slot},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{
    Request, SettlerConfig, SettlerError, SettlerStatus, Stage,
    decide::{Action, CommitOffer, Item, Live, PayoutOffer, Situation, Window, plan_payout},
    store::{Sent, Store, is_old},
};
use crate::{
    check::Checker,
    client::{L1Account, L1Block, L1Client, L1Error, L1Zkapp},
    command::{Payer, sign, unsigned},
    prover::{ContractProver, ProverError},
    view::L1View,
};

use batches::{Batches, Known};
use tell::TOLD;

/// Blocks beyond those that make a settlement final that are looked at.
const SPARE_BLOCKS: u32 = 10;

/// How long to leave alone what could not be proved.
const PROOF_RETRY: Duration = Duration::from_secs(30);

/// Actions in one look: a commit, a payout, and again.
const ACTIONS: usize = 4;

/// The L1 as of one block.
#[derive(Debug)]
struct Observed {
    blocks: Vec<L1Block>,
    height: Length,
    slot: Slot,
    payer: L1Account,
    contract: L1Zkapp,
    progress: Progress,
    pending: Vec<TransactionHash>,
}

impl Observed {
    fn field(&self, field: Field) -> mina_curves::Fp {
        self.contract.field(field)
    }

    /// The slot of the block with so many on top, if it is among those that were looked at.
    fn slot_below(&self, depth: u32) -> Option<Slot> {
        let height = self.height.get().checked_sub(depth)?;
        self.blocks.iter().find(|block| block.height.get() == height).map(|block| block.slot)
    }

    /// The height of the block with a command, and whether it failed there.
    fn find(&self, hash: &TransactionHash) -> Option<(Length, bool)> {
        self.blocks.iter().rev().find_map(|block| {
            let command = block.commands.iter().find(|command| command.hash == *hash)?;
            Some((block.height, command.failed))
        })
    }
}

type Proving = JoinHandle<Result<CallForest, ProverError>>;

pub(super) struct Run {
    config: SettlerConfig,
    client: L1Client,
    view: watch::Receiver<Arc<L1View>>,
    prover: ContractProver,
    checker: Checker,
    store: Store,
    told: watch::Sender<Arc<SettlerStatus>>,
    batches: Batches,
    /// All that no rollback is too short for.
    sent: Vec<Sent>,
    proved: Vec<Item>,
    proving: Option<(Item, Proving)>,
    /// What could not be proved, and when to try again.
    unprovable: Option<(Item, Instant)>,
    under_priced: Vec<TransactionHash>,
    /// The slot since which all that was sent is known.
    since: Option<Slot>,
    /// The heights at which batches were first seen to be settled.
    seen: BTreeMap<u64, Length>,
    observed: Option<Observed>,
    reasons: Vec<String>,
}

impl Run {
    pub(super) fn new(
        config: SettlerConfig,
        client: L1Client,
        view: watch::Receiver<Arc<L1View>>,
        prover: ContractProver,
        store: Store,
        told: watch::Sender<Arc<SettlerStatus>>,
    ) -> Result<Self, SettlerError> {
        let (sent, proved) = (store.all_sent()?, store.proved()?);
        let (committee, configuration) = (config.committee.clone(), config.configuration);
        Ok(Self {
            checker: prover.checker(config.account, committee, configuration),
            batches: Batches::new(config.committee.clone()),
            config,
            client,
            view,
            prover,
            store,
            told,
            sent,
            proved,
            proving: None,
            unprovable: None,
            under_priced: Vec::new(),
            since: None,
            seen: BTreeMap::new(),
            observed: None,
            reasons: vec!["the L1 has not been looked at yet".into()],
        })
    }

    pub(super) async fn run(
        mut self,
        mut requests: mpsc::Receiver<Request>,
        stop: CancellationToken,
    ) -> Result<(), SettlerError> {
        let mut ticks = tokio::time::interval(self.config.retry.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut has_view = true;
        loop {
            let look = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                request = requests.recv() => match request {
                    Some(request) => {
                        self.take(request);
                        false
                    }
                    None => return Ok(()),
                },
                made = finished(&mut self.proving) => {
                    self.keep(made).await?;
                    true
                }
                changed = self.view.changed(), if has_view => {
                    // Without a watcher there is still the clock.
                    has_view = changed.is_ok();
                    has_view
                }
                _ = ticks.tick() => true,
            };
            if look {
                let looked = tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    looked = self.look() => looked,
                };
                looked?;
            } else {
                self.prove()?;
                self.tell();
            }
        }
    }

    fn take(&mut self, request: Request) {
        // Whoever does not wait for the answer does not want it.
        let _ = match request {
            Request::Begin { beginning, reply } => {
                self.batches.begin(*beginning);
                reply.send(Ok(()))
            }
            Request::Withdraw { batch, reply } => {
                self.withdraw(batch);
                reply.send(Ok(()))
            }
            Request::Earlier { from, entries, reply } => {
                reply.send(self.batches.earlier(from, &entries))
            }
            Request::Certified { batch, reply } => reply.send(self.batches.certified(*batch)),
            Request::Proved { proof, reply } => reply.send(self.batches.proved(*proof)),
            Request::Check { command, reply } => {
                self.answer(command, reply);
                Ok(())
            }
        };
    }

    /// Forgets batches that are no more, and what is being proved for them.
    fn withdraw(&mut self, number: u64) {
        self.batches.withdraw(number);
        let is_of_one =
            |item: &Item| matches!(item, Item::Commit { batch, .. } if *batch >= number);
        if let Some((item, task)) = self.proving.take_if(|(item, _)| is_of_one(item)) {
            tracing::info!(?item, "withdrawn");
            // If it is not in line any more, it comes to its end, and nobody hears of it.
            task.abort();
        }
    }

    /// Keeps a proof that was made.
    async fn keep(
        &mut self,
        (item, made): (Item, Result<CallForest, ProverError>),
    ) -> Result<(), SettlerError> {
        match made {
            Ok(forest) => {
                let height = self.observed.as_ref().map_or(0, |observed| observed.height.get());
                let nobody = Payer {
                    key: self.config.payer.to_public_key(),
                    fee: Amount::ZERO,
                    nonce: Nonce::ZERO,
                    valid_until: None,
                };
                self.store.put_proof(item, height, unsigned(forest, nobody)).await?;
                self.proved.push(item);
                self.unprovable = None;
            }
            Err(error) => {
                metrics::counter!("zeko_bridge_proofs_failed_total").increment(1);
                tracing::error!(%error, ?item, "no proof");
                self.unprovable = Some((item, Instant::now() + PROOF_RETRY));
            }
        }
        Ok(())
    }

    /// Looks at the L1, and does what there is to do.
    async fn look(&mut self) -> Result<(), SettlerError> {
        match self.observe().await {
            Ok(observed) => {
                if self.since.is_none() {
                    self.since = Some(self.store.since(observed.slot).await?);
                }
                self.note(&observed)?;
                self.observed = Some(observed);
                self.reasons = Vec::new();
                self.act().await?;
            }
            Err(reason) => {
                tracing::warn!(reason, "the L1 has no answer");
                self.reasons = vec![reason];
            }
        }
        self.prove()?;
        self.tell();
        let is_final = |stage: Stage| stage == Stage::Final;
        let told = Arc::clone(&self.told.borrow());
        let last = told.batches.iter().rev().find(|(_, batch)| is_final(batch.stage));
        if let Some((last, _)) = last {
            self.batches.forget_proofs(*last);
        }
        Ok(())
    }

    async fn observe(&self) -> Result<Observed, String> {
        let text = |error: L1Error| error.to_string();
        let payer = self.config.payer.to_public_key();
        let keys = [&payer, &self.config.account];
        let blocks = self.config.finality.saturating_add(SPARE_BLOCKS);
        let (blocks, [payer, account]) =
            self.client.consistent(keys, blocks).await.map_err(text)?;
        let tip = blocks.last().ok_or("the L1 has no blocks")?;
        let (height, slot) = (tip.height, tip.slot);
        let payer = payer.ok_or("the payer has no account on the L1")?;
        let contract = account.and_then(|account| account.zkapp);
        let contract = contract.ok_or("there is no rollup account on the L1")?;
        let progress = contract.progress().ok_or("the rollup account is no rollup's")?;
        let open = self.sent.iter().filter(|sent| sent.nonce() >= payer.nonce.get());
        let hashes: Vec<_> = open.map(|sent| sent.hash).collect();
        let pending = self.client.pending(&hashes).await.map_err(text)?;
        Ok(Observed { blocks, height, slot, payer, contract, progress, pending })
    }

    /// Remembers when batches were settled, and forgets what cannot matter any more.
    fn note(&mut self, observed: &Observed) -> Result<(), SettlerError> {
        let settled = observed.progress.batch;
        // Those of a rollback.
        drop(self.seen.split_off(&settled));
        if let Some(last) = settled.checked_sub(1) {
            self.seen.entry(last).or_insert(observed.height);
        }
        while self.seen.len() > TOLD {
            self.seen.pop_first();
        }
        let (height, nonce) = (observed.height.get(), observed.payer.nonce.get());
        let is_over = |sent: &Sent| is_old(sent.height, height) && sent.nonce() < nonce;
        for sent in self.sent.iter().filter(|sent| is_over(sent)) {
            self.store.forget_sent(sent)?;
        }
        self.sent.retain(|sent| !is_over(sent));
        let sent = &self.sent;
        self.under_priced.retain(|hash| sent.iter().any(|sent| sent.hash == *hash));
        if height.is_multiple_of(100) {
            let old = self.store.forget_old_proofs(height)?;
            self.proved.retain(|item| !old.contains(item));
        }
        metrics::gauge!("zeko_bridge_settled_batches").set(settled as f64);
        Ok(())
    }

    /// Commands that failed in the last blocks for the same.
    fn failures(&self, observed: &Observed, same: impl Fn(&Item) -> bool) -> usize {
        let failed = |sent: &&Sent| observed.find(&sent.hash).is_some_and(|(_, failed)| failed);
        self.sent.iter().filter(|sent| same(&sent.item)).filter(failed).count()
    }

    /// Why the contract's state is not one that these batches lead to; nothing if it is.
    fn divergence(&self, observed: &Observed) -> Option<String> {
        if observed.field(Field::Status) != ContractState::RUNNING {
            return Some("the contract does not run".into());
        }
        if observed.field(Field::Configuration) != self.config.configuration.digest() {
            return Some("the contract has another configuration".into());
        }
        let (settled, first, end) =
            (observed.progress.batch, self.batches.first(), self.batches.end());
        if settled < first {
            return Some(format!(
                "the L1 has settled {settled} batches, and {first} were final: it lags behind, or has \
                 rolled back deeper than `finality`, which nothing here can mend"
            ));
        }
        if settled > end {
            return Some(format!("{settled} batches are settled, and {end} were handed in"));
        }
        let (root, data) = (observed.field(Field::Root), observed.field(Field::Data));
        let differs = self.batches.behind(settled).is_some_and(|(state, commitment)| {
            state.root.digest() != root || commitment.field() != data
        });
        if differs {
            return Some(format!("batch {} is settled as another", settled.saturating_sub(1)));
        }
        let next = self.batches.get(settled);
        let follows = next.is_none_or(|next| next.batch.statement.source.root.digest() == root);
        (!follows).then(|| format!("batch {settled} does not follow the contract's state"))
    }

    /// The batch that the contract waits for.
    fn next(&self, observed: &Observed) -> Option<(&Known, Window)> {
        let known = self.batches.get(observed.progress.batch)?;
        let first = known.batch.statement.last_slot;
        let span = Slot::new(self.prover.parameters().window.get());
        let last = first.checked_add(span).unwrap_or(Slot::MAX);
        Some((known, Window { first, last }))
    }

    /// The proved commit of a batch that rests on an action state which the contract still has.
    fn proved_commit(&self, observed: &Observed, known: &Known) -> Option<Item> {
        let (number, wanted) = (known.number(), known.batch.attestation.generation);
        let fits = |item: &&Item| match item {
            Item::Commit { batch, generation, action_state } => {
                let states = &observed.contract.action_states;
                (*batch, *generation) == (number, wanted) && states.contains(action_state)
            }
            Item::Payout { .. } => false,
        };
        // The newest lasts longest.
        self.proved.iter().rev().find(fits).copied()
    }

    fn is_provable(&self, item: Item) -> bool {
        let now = Instant::now();
        self.unprovable.as_ref().is_none_or(|(other, until)| *other != item || *until <= now)
    }

    /// How far the outbox has been paid, if that is known of the state that was observed.
    fn payout_state(&self, observed: &Observed) -> Option<PayoutState> {
        let payout = self.view.borrow().payout();
        payout.filter(|payout| payout.digest() == observed.field(Field::Payout))
    }

    /// The next payout with what is left behind it.
    fn payout(&self, observed: &Observed) -> Result<Option<PayoutWork>, String> {
        let Some(before) = self.payout_state(observed) else {
            return Err("how far the outbox is paid is not known".into());
        };
        let outbox = observed.field(Field::Outbox);
        let planned = plan_payout(before, outbox, self.batches.outbox());
        let Some((payout, left)) = planned.map_err(|blocked| blocked.to_string())? else {
            return Ok(None);
        };
        let item = Item::Payout { before: before.digest(), after: payout.after().digest() };
        Ok(Some(PayoutWork { item, payout, left }))
    }

    fn situation(&self, observed: &Observed) -> Situation {
        let nonce = observed.payer.nonce.get();
        let live = self.sent.iter().filter(|sent| sent.nonce() >= nonce).map(|sent| Live {
            item: sent.item,
            nonce: sent.nonce(),
            fee: sent.fee(),
            sent_at: sent.height,
            is_pending: observed.pending.contains(&sent.hash),
            is_under_priced: self.under_priced.contains(&sent.hash),
        });
        let commit = self.next(observed).and_then(|(known, window)| {
            let (item, batch) = (self.proved_commit(observed, known)?, known.number());
            let failures = self.failures(
                observed,
                |item| matches!(item, Item::Commit { batch: other, .. } if *other == batch),
            );
            Some(CommitOffer { item, batch, window, failures })
        });
        let payout = self.payout(observed).ok().flatten().and_then(|work| {
            let item = work.item;
            let is_made = self.proved.contains(&item);
            let failures = self.failures(observed, |other| *other == item);
            let takes_snapshot = work.payout.takes_snapshot();
            (is_made || self.is_provable(item)).then_some(PayoutOffer {
                item,
                takes_snapshot,
                is_made,
                failures,
            })
        });
        Situation {
            height: observed.height.get(),
            slot: observed.slot,
            margin: self.config.margin,
            nonce,
            live: live.collect(),
            commit,
            payout,
            fees: self.config.fees,
        }
    }

    /// Sends what there is to send.
    async fn act(&mut self) -> Result<(), SettlerError> {
        for _ in 0..ACTIONS {
            let Some(observed) = &self.observed else { return Ok(()) };
            if let Some(reason) = self.divergence(observed) {
                self.reasons.push(reason);
                return Ok(());
            }
            if let Err(reason) = self.payout(observed) {
                self.reasons.push(reason);
            }
            self.reasons.extend(self.blocked(observed));
            let situation = self.situation(observed);
            self.reasons.extend(situation.reasons());
            let sent = match situation.next_action() {
                Action::Wait => return Ok(()),
                Action::Send { item, nonce, fee } => self.command(item, nonce, fee).await?,
                Action::Resend { nonce, fee } => {
                    let is_it = |sent: &&Sent| (sent.nonce(), sent.fee()) == (nonce, fee);
                    self.sent.iter().find(is_it).cloned()
                }
            };
            let Some(sent) = sent else { return Ok(()) };
            if !self.send(&sent).await {
                return Ok(());
            }
            self.reasons.clear();
        }
        Ok(())
    }

    /// A new command, on disk.
    async fn command(
        &mut self,
        item: Item,
        nonce: u32,
        fee: u64,
    ) -> Result<Option<Sent>, SettlerError> {
        let Some(observed) = &self.observed else { return Ok(None) };
        let Some(forest) = self.store.proof(item)? else {
            // Somebody else has removed it: it is made again.
            self.proved.retain(|other| *other != item);
            return Ok(None);
        };
        // A commit that comes too late is dropped by the L1, and its fee is not paid.
        let window = self.next(observed).map(|(_, window)| window.last);
        let valid_until = window.filter(|_| matches!(item, Item::Commit { .. }));
        let (key, fee) = (self.config.payer.to_public_key(), Amount::new(fee));
        let payer = Payer { key, fee, nonce: Nonce::new(nonce), valid_until };
        let mut command = unsigned(forest, payer);
        sign(&mut command, &[&self.config.payer], &self.prover.parameters().domain)?;
        let sent = Sent::new(item, observed.height.get(), command);
        if !self.is_accepted(&sent).await? {
            return Ok(None);
        }
        self.store.put_sent(&sent).await?;
        self.sent.retain(|other| (other.nonce(), other.fee()) != (sent.nonce(), sent.fee()));
        self.sent.push(sent.clone());
        Ok(Some(sent))
    }

    /// Sends a command; whether it was taken.
    async fn send(&mut self, sent: &Sent) -> bool {
        let (hash, fee) = (sent.hash.to_base58(), sent.fee());
        match self.client.send(&sent.command).await {
            Ok(_) => {
                tracing::info!(hash, fee, item = ?sent.item, "sent");
                metrics::counter!("zeko_bridge_commands_sent_total").increment(1);
                if let Some(observed) = &mut self.observed {
                    observed.pending.push(sent.hash);
                }
                true
            }
            Err(error) => {
                tracing::warn!(hash, fee, item = ?sent.item, %error, "not taken");
                metrics::counter!("zeko_bridge_commands_refused_total").increment(1);
                if error.is_fee_too_low() {
                    self.under_priced.push(sent.hash);
                }
                self.reasons.push(error.to_string());
                false
            }
        }
    }
}

/// A payout with what is left behind it.
struct PayoutWork {
    item: Item,
    payout: Payout,
    left: Vec<mina_curves::Fp>,
}

/// The proof that is being made, when it is there; never if there is none.
async fn finished(
    proving: &mut Option<(Item, Proving)>,
) -> (Item, Result<CallForest, ProverError>) {
    match proving {
        Some((item, task)) => {
            let (item, made) = (*item, task.await);
            *proving = None;
            (item, made.unwrap_or_else(|error| Err(error.into())))
        }
        None => std::future::pending().await,
    }
}
