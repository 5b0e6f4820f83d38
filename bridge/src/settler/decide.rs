//! What to do next: plain functions of what is there.

use mina_curves::Fp;
use mina_ledger::{
    hash::actions_hash,
    rollup::{MAX_PAYOUTS, OutboxEntry, Payout, PayoutState},
    types::{Slot, SlotSpan},
};

/// Commands that failed in the last blocks, after which what they were for is left alone until those
/// blocks are forgotten.
const MAX_FAILURES: usize = 2;

/// What commands cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    /// Of a new command, in nanomina.
    pub first: u64,
    /// The most.
    pub most: u64,
    /// Blocks that a command waits before it is sent again with a fee that is half as much higher.
    pub patience: u32,
}

impl Default for Fees {
    /// 0.1 MINA, up to 5, and three blocks.
    fn default() -> Self {
        Self { first: 100_000_000, most: 5_000_000_000, patience: 3 }
    }
}

impl Fees {
    /// The fee after one that was too low, if there may be one.
    fn raise(&self, fee: u64) -> Option<u64> {
        let raised = fee.saturating_add(fee / 2).max(fee.saturating_add(1)).min(self.most);
        (raised > fee).then_some(raised)
    }
}

/// What a command is for. Two commands for the same do the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Commit { batch: u64, generation: u32, action_state: Fp },
    Payout { before: Fp, after: Fp },
}

impl Item {
    /// Whether it settles this batch.
    fn settles(&self, number: u64) -> bool {
        matches!(self, Self::Commit { batch, .. } if *batch == number)
    }
}

/// A command that was sent, and whose nonce has not been used on the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) item: Item,
    pub(crate) nonce: u32,
    pub(crate) fee: u64,
    /// The height of the L1 when it was sent.
    pub(crate) sent_at: u32,
    /// Whether the node has it in its pool.
    pub(crate) is_pending: bool,
    /// Whether the node has refused it for its fee.
    pub(crate) is_under_priced: bool,
}

/// The commit of the next batch, with its proof.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommitOffer {
    pub(crate) item: Item,
    pub(crate) batch: u64,
    pub(crate) window: Window,
    /// Commands for it that failed in the last blocks.
    pub(crate) failures: usize,
}

/// When a batch may be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) first: Slot,
    pub(crate) last: Slot,
}

impl Window {
    /// Whether a command that is sent now is in time.
    fn is_open(&self, now: Slot, margin: SlotSpan) -> bool {
        self.first <= now && !self.is_over(now, margin)
    }

    /// Whether it is too late to send a command now, or without a margin, for one to be in a block.
    pub(crate) fn is_over(&self, now: Slot, margin: SlotSpan) -> bool {
        now.get().saturating_add(margin.get()) > self.last.get()
    }
}

/// The next payout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PayoutOffer {
    pub(crate) item: Item,
    /// Whether it rests on the outbox as it is, which a commit changes.
    pub(crate) takes_snapshot: bool,
    /// Whether its proof is there; else it is being made.
    pub(crate) is_made: bool,
    pub(crate) failures: usize,
}

/// What there is to do, and what has been done for it.
#[derive(Clone, Debug)]
pub(crate) struct Situation {
    pub(crate) height: u32,
    pub(crate) slot: Slot,
    pub(crate) margin: SlotSpan,
    /// The next nonce of the payer on the chain.
    pub(crate) nonce: u32,
    pub(crate) live: Vec<Live>,
    pub(crate) commit: Option<CommitOffer>,
    pub(crate) payout: Option<PayoutOffer>,
    pub(crate) fees: Fees,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing.
    Wait,
    /// Sign a new command and send it. If there is one with this nonce, it takes its place.
    Send { item: Item, nonce: u32, fee: u64 },
    /// Send the very command again.
    Resend { nonce: u32, fee: u64 },
}

impl Situation {
    /// What should be in a block next, in order.
    fn wanted(&self) -> Vec<Item> {
        let is_pending = |commit: &CommitOffer| {
            self.live.iter().any(|live| live.is_pending && live.item.settles(commit.batch))
        };
        let commit = self.commit.filter(|commit| {
            let in_time = commit.window.is_open(self.slot, self.margin) || is_pending(commit);
            commit.failures < MAX_FAILURES && in_time
        });
        let snapshots = |payout: &PayoutOffer| payout.takes_snapshot && payout.failures == 0;
        // It would change what the payout rests on, and with a steady flow of batches, nobody would
        // ever be paid: so the payout goes first, as soon as its proof is there.
        let held = |commit: &CommitOffer| {
            !is_pending(commit) && self.payout.as_ref().is_some_and(snapshots)
        };
        let payout = self.payout.filter(|payout| {
            let undone = payout.takes_snapshot && self.commit.as_ref().is_some_and(is_pending);
            payout.is_made && payout.failures < MAX_FAILURES && !undone
        });
        match (commit, payout) {
            (Some(commit), None) if held(&commit) => vec![],
            (Some(commit), Some(payout)) if held(&commit) => vec![payout.item, commit.item],
            (commit, payout) => {
                let [commit, payout] = [commit.map(|one| one.item), payout.map(|one| one.item)];
                commit.into_iter().chain(payout).collect()
            }
        }
    }

    /// What to do next. Nonce by nonce, from the first that the chain has not seen: what waits there
    /// is left alone unless it waits for too long; what got lost is sent again if it is still wanted;
    /// what is free is for what is wanted and not under way.
    pub(crate) fn next_action(&self) -> Action {
        let wanted = self.wanted();
        let mut under_way: Vec<Item> = Vec::new();
        for nonce in self.nonce.. {
            let here = || self.live.iter().filter(|live| live.nonce == nonce);
            let free = wanted.iter().find(|item| !under_way.contains(item));
            let Some(best) = here().max_by_key(|live| live.fee) else {
                let send = |item: &Item| Action::Send { item: *item, nonce, fee: self.fees.first };
                return free.map_or(Action::Wait, send);
            };
            if let Some(pending) = here().filter(|live| live.is_pending).max_by_key(|live| live.fee)
            {
                // Those behind it wait for it, not for their fee.
                let is_stuck = nonce == self.nonce
                    && self.height.saturating_sub(best.sent_at) >= self.fees.patience
                    && wanted.contains(&pending.item);
                if let (true, Some(fee)) = (is_stuck, self.fees.raise(best.fee)) {
                    return Action::Send { item: pending.item, nonce, fee };
                }
                under_way.push(pending.item);
                continue;
            }
            let is_wanted = wanted.contains(&best.item) && !under_way.contains(&best.item);
            return match (is_wanted, best.is_under_priced, free) {
                (true, false, _) => Action::Resend { nonce, fee: best.fee },
                (true, true, _) => match self.fees.raise(best.fee) {
                    Some(fee) => Action::Send { item: best.item, nonce, fee },
                    None => Action::Wait,
                },
                // The pool of another node may still have what was here.
                (false, _, Some(item)) => {
                    let fee = self.fees.raise(best.fee).unwrap_or(self.fees.most);
                    Action::Send { item: *item, nonce, fee }
                }
                (false, _, None) => Action::Wait,
            };
        }
        Action::Wait
    }

    /// Why the next batch or payout is left alone, if it is.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let failures = [
            self.commit.map(|commit| ("commits", commit.failures)),
            self.payout.map(|payout| ("payouts", payout.failures)),
        ];
        let failed = failures.into_iter().flatten().filter(|(_, count)| *count >= MAX_FAILURES);
        failed.map(|(what, count)| format!("{count} {what} have failed on the L1")).collect()
    }
}

/// An entry of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owed {
    pub(crate) entry: OutboxEntry,
    /// The outbox after it.
    pub(crate) after: Fp,
}

/// The outbox from some point on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outbox {
    /// What it is before the entries.
    pub(crate) before: Fp,
    /// The entries behind, in order.
    pub(crate) owed: Vec<Owed>,
}

impl Outbox {
    /// One without entries.
    pub(crate) fn new(before: Fp) -> Self {
        Self { before, owed: Vec::new() }
    }

    /// How many of the entries lead to a state.
    fn place(&self, state: Fp) -> Option<usize> {
        match self.owed.iter().rposition(|owed| owed.after == state) {
            Some(index) => Some(index + 1),
            None => (state == self.before).then_some(0),
        }
    }

    /// Whether this is a state of it.
    pub(crate) fn has(&self, state: Fp) -> bool {
        self.place(state).is_some()
    }
}

/// Entries with the outbox after each.
pub(crate) fn owed(before: Fp, entries: &[OutboxEntry]) -> Vec<Owed> {
    let mut after = before;
    let owed = entries.iter().map(|entry| {
        after = entry.append_to(after);
        Owed { entry: *entry, after }
    });
    owed.collect()
}

/// Why nothing can be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PayoutBlocked {
    #[error("the outbox of the contract is not that of the batches that were handed in")]
    Unknown,
    #[error(
        "the next entry of the outbox is a deposit that nobody has opened: payouts wait until it is \
         parked"
    )]
    Unopened,
}

/// The next payout with the hashes of what is left behind it; `None` if everything is paid.
pub(crate) fn plan_payout(
    before: PayoutState,
    outbox: Fp,
    known: &Outbox,
) -> Result<Option<(Payout, Vec<Fp>)>, PayoutBlocked> {
    let end = if before.paid == before.snapshot { outbox } else { before.snapshot };
    if before.paid == end {
        return Ok(None);
    }
    let places = known.place(before.paid).zip(known.place(end));
    let (start, end) = places.ok_or(PayoutBlocked::Unknown)?;
    let rest = known.owed.get(start..end).ok_or(PayoutBlocked::Unknown)?;
    let is_paid = |owed: &&Owed| !matches!(owed.entry, OutboxEntry::Unopened { .. });
    let entries: Vec<OutboxEntry> =
        rest.iter().take_while(is_paid).take(MAX_PAYOUTS).map(|owed| owed.entry).collect();
    if entries.is_empty() {
        return Err(PayoutBlocked::Unopened);
    }
    let left = rest.iter().skip(entries.len());
    let left = left.map(|owed| actions_hash(&owed.entry.to_actions())).collect();
    Ok(Some((Payout { before, outbox, entries }, left)))
}

/// The number of entries that are settled and not paid.
pub(crate) fn unpaid(before: PayoutState, outbox: Fp, known: &Outbox) -> usize {
    let place = |state: Fp| known.place(state).unwrap_or(0);
    place(outbox).saturating_sub(place(before.paid))
}

#[cfg(test)]
mod tests;
