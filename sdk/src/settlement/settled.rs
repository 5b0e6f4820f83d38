//! What the L1 has settled, compared with the sequencer's chain before settlement starts.
//!
//! A sequencer that was built again from the DA layer does not know how far its batches have come. The
//! contract's state and the archive's events say it.

use mina_ledger::{
    rollup::{Field, Hashed, Root},
    types::{Account, Length, PublicKey, Slot, from_decimal, to_decimal},
};
use zeko_bridge::{L1Client, L1Zkapp, last_root};
use zeko_circuits::accounts::AccountSet;
use zeko_sequencer::{
    BatchRecord, SequencerHandle, Stage,
    graphql::{BlockSelector, MinaNode},
};

use super::SettlementError;
use crate::publisher::read_data;

/// Batches that may have been settled since one that is deep enough.
const LAST: usize = 290;

/// The two that are compared.
pub(super) struct Settled<'a> {
    pub(super) sequencer: &'a SequencerHandle,
    pub(super) client: &'a L1Client,
    /// The rollup account.
    pub(super) account: PublicKey,
    /// Blocks on top of a settlement that make it final.
    pub(super) finality: u32,
}

impl Settled<'_> {
    /// Compares the last settled batch with the contract's state, unless it is known to be settled. If it
    /// is the same, those that are deep enough on the L1 are noted as final. `first_block`: a height
    /// below which nothing happened to the account.
    ///
    /// # Errors
    /// [`SettlementError::Missing`], [`SettlementError::Settled`] if the L1 has settled another chain.
    pub(super) async fn compare(&self, first_block: u32) -> Result<(), SettlementError> {
        let snapshot = self.client.snapshot(&self.account, 1).await?;
        let contract = snapshot.account.and_then(|account| account.zkapp);
        let contract = contract.ok_or(SettlementError::NoContract)?;
        let settled = contract.progress().ok_or(SettlementError::NoContract)?.batch;
        let Some(number) = settled.checked_sub(1) else { return Ok(()) };
        let Some(record) = self.sequencer.batch(number) else {
            let last = self.sequencer.last_batch(Stage::Included, u64::MAX)?;
            let got = last.map_or(0, |last| last.number.saturating_add(1));
            return Err(SettlementError::Missing { settled, got });
        };
        if record.stage >= Stage::Committed {
            return Ok(());
        }
        let (sequencer, batch) = (self.sequencer.clone(), record.clone());
        let compared = tokio::task::spawn_blocking(move || compare(&sequencer, &batch, &contract));
        compared.await??;
        let tip = snapshot.blocks.last().map_or(0, |tip| tip.height.get());
        let Some(deep) = tip.checked_sub(self.finality) else { return Ok(()) };
        let root = last_root(self.client, &self.account, first_block, deep).await?;
        let is_final = root.and_then(|root| self.settled_with(root, settled));
        match is_final {
            Some(last) => {
                self.sequencer.finalize(&last)?;
                tracing::warn!(settled, last = last.number, "final batches were found on the L1");
            }
            None => tracing::warn!(settled, "no final batch was found on the L1"),
        }
        Ok(())
    }

    /// The batch that leads to a root, of those before `end`.
    fn settled_with(&self, root: Root, end: u64) -> Option<BatchRecord> {
        let ledger = to_decimal(root.ledger);
        let last = self.sequencer.batches(end.saturating_sub(LAST as u64), LAST);
        let is_it = |record: &BatchRecord| record.number < end && record.target_ledger == ledger;
        last.into_iter().rev().find(is_it)
    }
}

/// Whether a batch is what the contract says of the last one.
fn compare(
    sequencer: &SequencerHandle,
    record: &BatchRecord,
    contract: &L1Zkapp,
) -> Result<(), SettlementError> {
    let batch = record.number;
    let blocks = Length::new(record.last_height.saturating_add(1));
    let block = sequencer.block(BlockSelector::Height(blocks));
    let slot = block.map_or(Slot::ZERO, |block| block.slot);
    // What the accounts say is bound by the data, too: it is looked at if it can be had.
    let accounts = sequencer.accounts_behind(record)?;
    let progress = contract.progress().ok_or(SettlementError::NoContract)?;
    let data = read_data(record).map_or_else(|| "none".into(), |data| to_decimal(data.field()));
    let outbox = record.outbox.clone();
    let field = |field| to_decimal(contract.field(field));
    let mut both = vec![
        ("blocks", progress.height.get().to_string(), blocks.get().to_string()),
        ("last slot", progress.last_slot.get().to_string(), slot.get().to_string()),
        ("data", field(Field::Data), data),
        ("outbox", field(Field::Outbox), outbox),
    ];
    if let Some(accounts) = accounts {
        let ids: Vec<_> = accounts.iter().map(Account::id).collect();
        let ledger = from_decimal(&record.target_ledger)?;
        let root = Root { ledger, accounts: AccountSet::new(&ids)?.root() };
        both.push(("root", field(Field::Root), to_decimal(root.digest())));
        let bridge = accounts.first().and_then(|account| account.zkapp.as_deref());
        let inbox = bridge.and_then(|zkapp| zkapp.app_state.first().copied());
        let inbox = to_decimal(inbox.unwrap_or_default());
        both.push(("consumed inbox", field(Field::Inbox), inbox));
    }
    match both.into_iter().find(|(_, expected, got)| expected != got) {
        Some((what, expected, got)) => Err(SettlementError::Settled { batch, what, expected, got }),
        None => Ok(()),
    }
}
