//! Where everything stands.

use std::sync::Arc;

use mina_ledger::{rollup::Field, types::SlotSpan};

use super::{
    super::{
        BatchStatus, MissingOutbox, SettlerStatus, Stage,
        decide::{Window, unpaid},
    },
    Item, Observed, Run,
    batches::Known,
};

/// Final batches whose status is told.
pub(super) const TOLD: usize = 100;

impl Run {
    /// Tells where everything stands.
    pub(super) fn tell(&self) {
        let mut status = SettlerStatus { reasons: self.reasons.clone(), ..Default::default() };
        status.reasons.dedup();
        if let Some(observed) = &self.observed {
            let settled = observed.progress.batch;
            status.settled = Some(settled);
            if let Some(payout) = self.payout_state(observed) {
                let outbox = observed.field(Field::Outbox);
                let known = self.batches.outbox();
                status.unpaid = unpaid(payout, outbox, known);
                status.missing = (!known.has(payout.paid)).then_some(MissingOutbox {
                    from: payout.paid,
                    to: known.before,
                    batch: self.batches.first(),
                });
            }
            let first = settled.saturating_sub(TOLD as u64);
            let mut is_final = false;
            for known in self.batches.from(first).iter().rev() {
                let mut stage = self.stage(observed, known);
                // Those before a final one are final.
                is_final |= stage == Stage::Final;
                if is_final {
                    stage = Stage::Final;
                }
                let generation = known.batch.attestation.generation;
                status.batches.insert(known.number(), BatchStatus { generation, stage });
            }
        }
        metrics::gauge!("zeko_bridge_unpaid_entries").set(status.unpaid as f64);
        metrics::gauge!("zeko_bridge_not_settling").set(f64::from(!status.reasons.is_empty()));
        self.told.send_if_modified(|told| {
            let changed = **told != status;
            if changed {
                *told = Arc::new(status);
            }
            changed
        });
    }

    fn stage(&self, observed: &Observed, known: &Known) -> Stage {
        let number = known.number();
        let generation = known.batch.attestation.generation;
        let is_its = |item: &Item| match item {
            Item::Commit { batch, generation: other, .. } => {
                (*batch, *other) == (number, generation)
            }
            Item::Payout { .. } => false,
        };
        let sent = || self.sent.iter().filter(|sent| is_its(&sent.item));
        if number < observed.progress.batch {
            let applied = sent().find_map(|sent| match observed.find(&sent.hash) {
                Some((height, false)) => Some(height),
                _ => None,
            });
            // A command of ours that was sent before the last blocks is in an earlier one.
            let first = observed.blocks.first().map_or(0, |block| block.height.get());
            let is_earlier = sent().any(|sent| sent.height.saturating_add(1) < first);
            let seen = self.seen.range(number..).next().map(|(_, height)| *height);
            let height = match (applied, is_earlier, seen) {
                (Some(height), ..) => height,
                (None, false, Some(height)) => height,
                (None, true, _) | (None, _, None) => return Stage::Final,
            };
            let depth = observed.height.get().saturating_sub(height.get());
            return match depth >= self.config.finality {
                true => Stage::Final,
                false => Stage::Included { height },
            };
        }
        let nonce = observed.payer.nonce.get();
        let live = sent().rfind(|sent| sent.nonce() >= nonce);
        // Before the store was new, commands may have been sent that it does not know.
        let is_known = self.since.is_some_and(|since| since < known.batch.statement.last_slot);
        let is_missed = |window: Window| match is_known && sent().next().is_none() {
            // It may be in a block of another fork, until the end of the window is too deep for that.
            false => observed
                .slot_below(self.config.finality)
                .is_some_and(|slot| window.is_over(slot, SlotSpan::new(0))),
            true => window.is_over(observed.slot, self.config.margin),
        };
        if let Some((next, window)) = self.next(observed)
            && next.number() == number
            && is_missed(window)
        {
            return Stage::Missed;
        }
        match (live, &self.proving) {
            (Some(sent), _) => Stage::Submitted { hash: sent.hash },
            (None, Some((item, _))) if is_its(item) => Stage::Proving,
            _ => Stage::Waiting,
        }
    }
}
