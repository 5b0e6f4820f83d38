//! Following the L1.

use std::{sync::Arc, time::Duration};

use mina_curves::Fp;
use mina_ledger::{
    hash::constants::EMPTY_ACTION_STATE,
    rollup::{ContractEvent, Field, Hashed, PayoutState},
    types::{Length, PublicKey},
};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    client::{ArchivedActions, L1Block, L1Client, L1Error, L1Snapshot, L1Zkapp},
    pool::Requests,
    view::{L1View, Message, append_messages},
};

/// Blocks that can still be replaced: Mina's k.
const K: u32 = 290;

/// The most blocks that an archive is asked about at a time.
const RANGE: u32 = 10_000;

/// Answers of the archive in a row that do not fit, after which everything is asked for again.
const PATIENCE: u32 = 20;

/// What a watcher watches.
#[derive(Clone, Debug)]
pub struct WatcherConfig {
    /// The rollup account.
    pub account: PublicKey,
    /// How often to look.
    pub poll: Duration,
    /// The last blocks that are looked at: more than those after which a settlement is final.
    pub blocks: u32,
    /// The height below which nothing happened to the rollup account.
    pub first_block: u32,
    /// Messages that others have relayed, for when the archive does not have them.
    pub requests: Option<watch::Receiver<Requests>>,
}

impl WatcherConfig {
    /// Looks every two seconds at the last 40 blocks.
    pub fn new(account: PublicKey) -> Self {
        let poll = Duration::from_secs(2);
        Self { account, poll, blocks: 40, first_block: 0, requests: None }
    }
}

/// Why a watcher ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatcherError {
    /// Its task panicked.
    #[error("the L1 watcher died: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// A running watcher.
#[derive(Debug)]
pub struct L1Watcher {
    view: watch::Receiver<Arc<L1View>>,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

impl L1Watcher {
    /// Starts to watch. The view is not ready before the first answers.
    pub fn start(client: L1Client, config: WatcherConfig, parent: &CancellationToken) -> Self {
        let cancel = parent.child_token();
        let first = L1View { not_ready: Some("no answer yet".into()), ..L1View::default() };
        let (told, view) = watch::channel(Arc::new(first));
        let stop = cancel.clone();
        let complete_below = config.first_block;
        let worker = Worker { client, config, told, complete_below, misses: 0 };
        let task = tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = worker.run() => {}
            }
        });
        Self { view, cancel, task }
    }

    /// The L1, always as it was seen last.
    pub fn view(&self) -> watch::Receiver<Arc<L1View>> {
        self.view.clone()
    }

    /// Asks it to end.
    pub fn stop(&self) {
        self.cancel.cancel();
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// [`WatcherError::Task`].
    pub async fn join(self) -> Result<(), WatcherError> {
        Ok(self.task.await?)
    }
}

struct Worker {
    client: L1Client,
    config: WatcherConfig,
    told: watch::Sender<Arc<L1View>>,
    /// The messages of blocks below this height are known for good.
    complete_below: u32,
    misses: u32,
}

impl Worker {
    async fn run(mut self) {
        let mut ticks = tokio::time::interval(self.config.poll.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.look().await {
                metrics::counter!("zeko_bridge_l1_errors_total").increment(1);
                tracing::warn!(%error, "the L1 has no answer");
                self.tell(|view| view.not_ready = Some(error.to_string()));
            }
        }
    }

    fn tell(&self, change: impl FnOnce(&mut L1View)) {
        self.told.send_if_modified(|view| {
            let mut new = L1View::clone(view);
            change(&mut new);
            let changed = new.blocks != view.blocks
                || new.account != view.account
                || new.payout != view.payout
                || new.not_ready != view.not_ready
                || new.inbox != view.inbox;
            if changed {
                *view = Arc::new(new);
            }
            changed
        });
    }

    async fn look(&mut self) -> Result<(), L1Error> {
        let snapshot = self.client.snapshot(&self.config.account, self.config.blocks).await?;
        let L1Snapshot { blocks, account } = snapshot;
        let old = Arc::clone(&self.told.borrow());
        let is_known = old.tip() == blocks.last() && old.account == account;
        if is_known && old.not_ready.is_none() && old.payout.is_some() {
            return Ok(());
        }
        let tip = blocks.last().map_or(0, |tip| tip.height.get());
        metrics::gauge!("zeko_bridge_l1_height").set(tip);
        let Some(contract) = account.as_ref().and_then(|account| account.zkapp) else {
            self.tell(|view| {
                let not_ready = Some("there is no rollup account on the L1".into());
                *view = L1View { blocks, account, not_ready, ..L1View::default() };
            });
            return Ok(());
        };
        let (inbox, not_ready) = match self.inbox(&old.inbox, &blocks, tip, &contract).await {
            Ok(found) => found,
            Err(error) => (Vec::clone(&old.inbox), Some(error.to_string())),
        };
        let relayed = match &not_ready {
            Some(_) => self.relayed([undisturbed(&old, &blocks), &inbox], tip, &contract),
            None => None,
        };
        let (inbox, not_ready) = match relayed {
            Some(inbox) => (inbox, None),
            None => (inbox, not_ready),
        };
        let payout = self.payout(old.payout, tip, &contract).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the archive has no answer");
            None
        });
        metrics::gauge!("zeko_bridge_inbox_messages").set(inbox.len() as f64);
        self.tell(|view| {
            *view = L1View { blocks, account, inbox: Arc::new(inbox), payout, not_ready };
        });
        Ok(())
    }

    /// The messages that the archive has, and why they are not the account's, if so.
    async fn inbox(
        &mut self,
        known: &[Message],
        blocks: &[L1Block],
        tip: u32,
        contract: &L1Zkapp,
    ) -> Result<(Vec<Message>, Option<String>), L1Error> {
        if self.misses >= PATIENCE {
            self.complete_below = self.config.first_block;
            self.misses = 0;
        }
        let from = self.complete_below;
        let is_kept = |message: &&Message| message.height.get() < from;
        let mut messages = known.iter().take_while(is_kept).cloned().collect();
        let mut archived = Vec::new();
        for (from, to) in ranges(from, tip) {
            archived.extend(self.client.actions(&self.config.account, from, to).await?);
        }
        archived.retain(|update| is_on(blocks, update));
        append_messages(&mut messages, &archived);
        let got = messages.last().map_or(EMPTY_ACTION_STATE, |message| message.after);
        let [expected, ..] = contract.action_states;
        if got == expected {
            self.misses = 0;
            self.complete_below = from.max(tip.saturating_sub(K));
            return Ok((messages, None));
        }
        self.misses += 1;
        let count = messages.len();
        let reason = format!(
            "the {count} messages of the archive lead to another action state than the account's"
        );
        Ok((messages, Some(reason)))
    }

    /// The messages that are known, or that the archive has given, completed by those that were relayed.
    fn relayed(
        &self,
        known: [&[Message]; 2],
        tip: u32,
        contract: &L1Zkapp,
    ) -> Option<Vec<Message>> {
        let requests = self.config.requests.as_ref()?.borrow();
        let [state, ..] = contract.action_states;
        let found = known
            .into_iter()
            .find_map(|known| requests.complete(known, state, Length::new(tip)))?;
        tracing::debug!(messages = found.len(), "the inbox is known by relayed requests");
        Some(found)
    }

    /// What field 3 is the hash of.
    async fn payout(
        &self,
        known: Option<PayoutState>,
        tip: u32,
        contract: &L1Zkapp,
    ) -> Result<Option<PayoutState>, L1Error> {
        let digest = contract.state[Field::Payout.index()];
        let fits = |payout: &PayoutState| payout.digest() == digest;
        let first = PayoutState {
            snapshot: EMPTY_ACTION_STATE,
            paid: EMPTY_ACTION_STATE,
            parked: Fp::default(),
        };
        if let Some(payout) = known.into_iter().chain([first]).find(fits) {
            return Ok(Some(payout));
        }
        let mut all: Vec<_> = ranges(self.config.first_block, tip).collect();
        // Near the end, in most cases.
        all.push((tip.saturating_sub(K), tip.saturating_add(1)));
        for (from, to) in all.into_iter().rev() {
            let events = self.client.events(&self.config.account, from, to).await?;
            let payouts = events.iter().rev().filter_map(|event| payout_of(&event.fields));
            if let Some(payout) = payouts.into_iter().find(fits) {
                return Ok(Some(payout));
            }
        }
        Ok(None)
    }
}

/// The messages of a view that are in blocks below which nothing was replaced since: those behind may
/// be in other blocks by now.
fn undisturbed<'v>(old: &'v L1View, blocks: &[L1Block]) -> &'v [Message] {
    let kept = old.blocks.iter().rev().find(|block| blocks.contains(block));
    let height = kept.map_or(0, |block| block.height.get());
    let count = old.inbox.iter().take_while(|message| message.height.get() <= height).count();
    old.inbox.get(..count).unwrap_or_default()
}

/// Whether the archive's block is on the best chain, as far back as that is known.
fn is_on(blocks: &[L1Block], update: &ArchivedActions) -> bool {
    let Some(tip) = blocks.last() else { return false };
    match blocks.iter().find(|block| block.height == update.height) {
        Some(block) => block.state_hash == update.state_hash,
        None => update.height < tip.height,
    }
}

/// Ranges of heights that lead from `from` to the tip.
pub(crate) fn ranges(from: u32, tip: u32) -> impl Iterator<Item = (u32, u32)> {
    let end = tip.saturating_add(1);
    (from..end)
        .step_by(RANGE as usize)
        .map(move |start| (start, start.saturating_add(RANGE).min(end)))
}

fn payout_of(fields: &[Fp]) -> Option<PayoutState> {
    let [kind, snapshot, paid, parked] = *fields else { return None };
    let is_payout = kind == Fp::from(ContractEvent::PAYOUT);
    is_payout.then_some(PayoutState { snapshot, paid, parked })
}
