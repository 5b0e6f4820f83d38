//! Watching a batch while it is executed: what provers record their witnesses with.

use mina_ledger::{
    hash::CommandHashes,
    ledger::{Ledger, LedgerError},
    logic::{Observer, SignedCommandApplied, ZkappApplied},
    rollup::{Message, MessageReceipt},
    types::{Amount, Length, SignedCommand, Slot, ZkappCommand},
};

/// Sees what a batch does, in order, on the ledger that it is done on. It cannot change anything: an
/// error of its own stops the batch.
pub trait BatchObserver {
    /// What sees the account updates of one command.
    type Command<'c>: Observer;

    /// A block begins.
    fn block(&mut self, height: Length, slot: Slot);

    /// A zkApp command is about to be applied.
    fn command<'c>(
        &mut self,
        command: &'c ZkappCommand,
        hashes: &'c CommandHashes,
    ) -> Self::Command<'c>;

    /// The command that was just seen has been applied, in full or but for its fee.
    ///
    /// # Errors
    /// [`LedgerError`] stops the batch.
    fn applied<L: Ledger>(
        &mut self,
        ledger: &mut L,
        seen: Self::Command<'_>,
        applied: &ZkappApplied,
    ) -> Result<(), LedgerError>;

    /// A payment or delegation is about to be applied.
    ///
    /// # Errors
    /// [`LedgerError`] stops the batch.
    fn payment<L: Ledger>(
        &mut self,
        ledger: &mut L,
        command: &SignedCommand,
    ) -> Result<(), LedgerError>;

    /// The payment or delegation that was just seen has been applied, in full or but for its fee.
    ///
    /// # Errors
    /// [`LedgerError`] stops the batch.
    fn paid<L: Ledger>(
        &mut self,
        ledger: &mut L,
        applied: &SignedCommandApplied,
    ) -> Result<(), LedgerError>;

    /// A message of the L1, or the hash of one that nobody has opened, is about to be consumed. What
    /// the observer does to the ledger it must undo.
    ///
    /// # Errors
    /// [`LedgerError`] stops the batch.
    fn message<L: Ledger>(&mut self, ledger: &mut L, message: &Message) -> Result<(), LedgerError>;

    /// The message that was just seen has been consumed, and has left these fees. What the observer does
    /// to the ledger it must undo.
    ///
    /// # Errors
    /// [`LedgerError`] stops the batch.
    fn consumed<L: Ledger>(
        &mut self,
        ledger: &mut L,
        receipt: MessageReceipt,
        fees: Amount,
    ) -> Result<(), LedgerError>;

    /// The blocks have been executed; the fees are credited next.
    ///
    /// # Errors
    /// [`LedgerError`] stops the batch.
    fn closing<L: Ledger>(&mut self, ledger: &mut L) -> Result<(), LedgerError>;
}

/// Sees nothing.
impl BatchObserver for () {
    type Command<'c> = ();

    fn block(&mut self, _: Length, _: Slot) {}

    fn command<'c>(&mut self, _: &'c ZkappCommand, _: &'c CommandHashes) {}

    fn applied<L: Ledger>(
        &mut self,
        _: &mut L,
        (): (),
        _: &ZkappApplied,
    ) -> Result<(), LedgerError> {
        Ok(())
    }

    fn payment<L: Ledger>(&mut self, _: &mut L, _: &SignedCommand) -> Result<(), LedgerError> {
        Ok(())
    }

    fn paid<L: Ledger>(&mut self, _: &mut L, _: &SignedCommandApplied) -> Result<(), LedgerError> {
        Ok(())
    }

    fn message<L: Ledger>(&mut self, _: &mut L, _: &Message) -> Result<(), LedgerError> {
        Ok(())
    }

    fn consumed<L: Ledger>(
        &mut self,
        _: &mut L,
        _: MessageReceipt,
        _: Amount,
    ) -> Result<(), LedgerError> {
        Ok(())
    }

    fn closing<L: Ledger>(&mut self, _: &mut L) -> Result<(), LedgerError> {
        Ok(())
    }
}
