//! The L1, for the sequencer.

use std::sync::Arc;

use futures_util::{FutureExt, future::BoxFuture};
use mina_curves::Fp;
use mina_ledger::{
    rollup::{DepositAction, Message},
    types::{SlotSpan, ZkappCommand},
};
use tokio::sync::watch;
use zeko_bridge::{Deposits, L1View, SettlerHandle, behind};
use zeko_sequencer::{Bridge, DepositRequest, SettlementRefused};

/// What the sequencer asks of the L1.
#[derive(Debug)]
pub(super) struct L1Bridge {
    pub(super) view: watch::Receiver<Arc<L1View>>,
    /// Blocks on top of a message's before it is consumed.
    pub(super) depth: u32,
    pub(super) deposits: Deposits,
    pub(super) settler: SettlerHandle,
    /// For how long a deposit's command may wait for a block.
    pub(super) longest: SlotSpan,
}

impl Bridge for L1Bridge {
    fn messages(&self, prefix: Fp) -> Vec<Message> {
        let inbox = self.view.borrow().confirmed(self.depth);
        let message = |message: &zeko_bridge::Message| {
            message.deposit.map_or(Message::Unopened(message.action_hash), Message::Deposit)
        };
        behind(inbox.messages(), prefix).unwrap_or_default().iter().map(message).collect()
    }

    fn waiting(&self, prefix: Fp) -> Vec<DepositAction> {
        let view = self.view.borrow();
        behind(view.inbox(), prefix)
            .unwrap_or_default()
            .iter()
            .filter_map(|message| message.deposit)
            .collect()
    }

    fn prepare_deposit(
        &self,
        request: DepositRequest,
    ) -> BoxFuture<'_, Result<ZkappCommand, String>> {
        let DepositRequest { sender, recipient, amount, fee, nonce } = request;
        let valid_for = self.longest;
        let request =
            zeko_bridge::DepositRequest { sender, recipient, amount, fee, nonce, valid_for };
        async move { self.deposits.prepare(&request).await.map_err(|error| error.to_string()) }
            .boxed()
    }

    fn check_settlement(
        &self,
        command: ZkappCommand,
    ) -> BoxFuture<'_, Result<&'static str, SettlementRefused>> {
        async move {
            let checked = self.settler.check(command).await;
            checked.map(|rule| rule.name()).map_err(|refusal| SettlementRefused {
                code: refusal.code(),
                reason: refusal.to_string(),
            })
        }
        .boxed()
    }
}
