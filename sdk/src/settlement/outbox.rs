//! Entries of the outbox of batches that are final: blocks have them, and the records of batches say
//! where to look.

use mina_curves::Fp;
use mina_ledger::{
    hash::constants::EMPTY_ACTION_STATE,
    rollup::{CommandReceipt, Message, MessageReceipt, OutboxEntry},
    types::{Length, from_decimal},
};
use zeko_bridge::MissingOutbox;
use zeko_derive::{Command, Item};
use zeko_sequencer::{
    BatchRecord, SequencerHandle,
    graphql::{Block, BlockSelector, MinaNode},
};

/// The entries behind the outbox `from` up to `to`, of batches before `batch`; `None` if there is no such
/// outbox. Reads batches from the last one back, and blocks only of those with entries.
pub(super) fn between(
    sequencer: &SequencerHandle,
    missing: MissingOutbox,
) -> Option<Vec<OutboxEntry>> {
    let MissingOutbox { from, to, batch: mut number } = missing;
    let mut entries: Vec<OutboxEntry> = Vec::new();
    let (mut record, mut after) = (before(sequencer, number), to);
    while let Some(batch) = record {
        let earlier = before(sequencer, batch.number);
        let start = earlier.as_ref().map_or(Some(EMPTY_ACTION_STATE), outbox);
        let start = start.filter(|_| outbox(&batch) == Some(after))?;
        if start != after {
            let mut own = entries_of(sequencer, &batch);
            let place = place(start, &own, from);
            let rest = own.split_off(place.unwrap_or(0));
            entries.splice(..0, rest);
            if place.is_some() {
                return Some(entries);
            }
        }
        (record, after, number) = (earlier, start, batch.number);
    }
    (number == 0 && from == EMPTY_ACTION_STATE).then_some(entries)
}

/// The batch before the one with a number.
fn before(sequencer: &SequencerHandle, number: u64) -> Option<BatchRecord> {
    sequencer.batch(number.checked_sub(1)?)
}

fn outbox(batch: &BatchRecord) -> Option<Fp> {
    from_decimal(&batch.outbox).ok()
}

/// How many of the entries lead from one outbox to another.
fn place(start: Fp, entries: &[OutboxEntry], wanted: Fp) -> Option<usize> {
    let mut state = start;
    if state == wanted {
        return Some(0);
    }
    let place = entries.iter().position(|entry| {
        state = entry.append_to(state);
        state == wanted
    });
    place.map(|index| index + 1)
}

/// What a batch appends to the outbox.
fn entries_of(sequencer: &SequencerHandle, batch: &BatchRecord) -> Vec<OutboxEntry> {
    let heights = batch.first_height..=batch.last_height;
    let block =
        |height: u32| sequencer.block(BlockSelector::Height(Length::new(height.saturating_add(1))));
    heights.filter_map(block).flat_map(|block| entries_in(&block)).collect()
}

fn entries_in(block: &Block) -> Vec<OutboxEntry> {
    let message = |message: Message, receipt: MessageReceipt| match message {
        Message::Deposit(deposit) => Item::Message(deposit, receipt),
        Message::Unopened(hash) => Item::Unopened(hash),
    };
    let messages = block.messages.iter().map(|one| message(one.message, one.receipt));
    let commands = block.commands.iter().filter_map(|included| match included.command.as_ref() {
        zeko_sequencer::Command::Zkapp(command) => {
            let applied = included.failures.is_none();
            let receipt = CommandReceipt { applied, outbox: Fp::default() };
            Some(Item::Command(Command::Zkapp((**command).clone()), receipt))
        }
        zeko_sequencer::Command::Signed(_) => None,
    });
    messages.chain(commands).flat_map(|item| item.outbox_entries()).collect()
}

#[cfg(test)]
mod tests;
