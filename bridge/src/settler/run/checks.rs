//! Commands, checked before they are sent, and for others.

use std::{sync::Arc, time::Instant};

use mina_ledger::types::ZkappCommand;
use tokio::sync::oneshot;

use super::{super::store::Sent, Observed, PROOF_RETRY, Run, SettlerError};
use crate::check::{ContractRule, Refusal, Standing};

impl Run {
    /// The chain as a command finds it now.
    fn standing(&self, observed: &Observed) -> Standing {
        let [newest, ..] = observed.contract.action_states;
        let view = self.view.borrow();
        let is_same = view.contract().is_some_and(|seen| seen.action_states[0] == newest);
        let inbox = (is_same && view.not_ready.is_none()).then(|| Arc::clone(&view.inbox));
        drop(view);
        let payout = self.payout(observed).map(|work| work.map(|work| work.payout));
        Standing {
            contract: observed.contract,
            slot: observed.slot,
            inbox,
            batch: self.batches.get(observed.progress.batch).map(|known| known.batch.clone()),
            payout,
        }
    }

    /// Checks a command for somebody.
    pub(super) fn answer(
        &self,
        command: Box<ZkappCommand>,
        reply: oneshot::Sender<Result<ContractRule, Refusal>>,
    ) {
        let Some(observed) = &self.observed else {
            let reason = "the L1 has not been looked at yet".into();
            // Whoever does not wait for the answer does not want it.
            let _ = reply.send(Err(Refusal::NotReady { reason }));
            return;
        };
        let (checker, standing) = (self.checker.clone(), self.standing(observed));
        tokio::task::spawn_blocking(move || reply.send(checker.check(&command, &standing)));
    }

    /// Whether the contract takes a command that is about to be sent. If not, no fee is paid for it; a
    /// proof that is of no use is made again.
    pub(super) async fn is_accepted(&mut self, sent: &Sent) -> Result<bool, SettlerError> {
        let Some(observed) = &self.observed else { return Ok(false) };
        let (checker, standing) = (self.checker.clone(), self.standing(observed));
        let command = sent.command.clone();
        let checked = tokio::task::spawn_blocking(move || checker.check(&command, &standing));
        let refusal = match checked.await? {
            // Nobody can tell: the L1 can.
            Ok(_) | Err(Refusal::NotReady { .. }) => return Ok(true),
            Err(refusal) => refusal,
        };
        let (code, item) = (refusal.code(), sent.item);
        tracing::warn!(%refusal, code, ?item, "not sent");
        metrics::counter!("zeko_bridge_commands_refused_total").increment(1);
        self.reasons.push(refusal.to_string());
        // Whatever else it is may be another thing in the next block.
        if matches!(refusal, Refusal::Body { .. } | Refusal::Key | Refusal::Proof) {
            self.proved.retain(|other| *other != item);
            self.unprovable = Some((item, Instant::now() + PROOF_RETRY));
        }
        Ok(false)
    }
}
