//! Deposits, prepared for a wallet that only signs.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use mina_ledger::{
    rollup::{Deposit, SettlementError},
    types::{Amount, CallForest, Nonce, PublicKey, Slot, SlotSpan, ZkappCommand},
};
use tokio::sync::Semaphore;

use crate::{
    client::{L1Client, L1Error},
    command::{Payer, paying, unsigned},
    prover::{ContractProver, ProverError},
};

/// A deposit that somebody wants to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepositRequest {
    /// Who pays on the L1, signs, and is paid back if the recipient is not credited.
    pub sender: PublicKey,
    /// Who is credited on the L2.
    pub recipient: PublicKey,
    /// How much.
    pub amount: Amount,
    /// The fee of the L1's command.
    pub fee: Amount,
    /// The sender's nonce; the next one if absent.
    pub nonce: Option<Nonce>,
    /// For how long the command may wait for a block.
    pub valid_for: SlotSpan,
}

/// How deposits are prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepositsConfig {
    /// The rollup account.
    pub account: PublicKey,
    /// The most that are prepared or wait at a time.
    pub at_once: usize,
    /// The longest that a command may wait for a block.
    pub longest: SlotSpan,
}

/// Why a deposit was not prepared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DepositError {
    /// Too many others. Try again.
    #[error("{at_once} deposits are being prepared already")]
    Busy {
        /// How many.
        at_once: usize,
    },
    /// Another of the same sender. Try again when it is there.
    #[error("a deposit of this sender is being prepared already: one at a time")]
    SenderBusy,
    /// What is asked for cannot be.
    #[error(transparent)]
    Invalid(#[from] SettlementError),
    /// A key that nobody can have.
    #[error("there is no such key as the {who}'s")]
    Key {
        /// Whose.
        who: &'static str,
    },
    /// No time to sign it, or too much.
    #[error("valid for {got} slots, expected 1 to {expected}")]
    Span {
        /// The most.
        expected: SlotSpan,
        /// What was asked for.
        got: SlotSpan,
    },
    /// Nobody to pay.
    #[error("the sender has no account on the L1")]
    NoSender,
    /// The sender cannot pay that much.
    #[error("the sender has {got}, and needs {expected}")]
    Balance {
        /// Amount and fee.
        expected: Amount,
        /// What is there.
        got: Amount,
    },
    /// The L1.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// The proof.
    #[error(transparent)]
    Prover(#[from] ProverError),
}

impl DepositError {
    /// Whether the same may go well later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Busy { .. } | Self::SenderBusy => true,
            Self::L1(error) => error.is_transient(),
            _ => false,
        }
    }
}

/// Prepares deposits.
#[derive(Debug)]
pub struct Deposits {
    config: DepositsConfig,
    client: L1Client,
    prover: ContractProver,
    places: Semaphore,
    /// Whose deposits are being prepared.
    senders: Mutex<HashSet<PublicKey>>,
}

/// A sender's only place, until it is dropped.
struct Sender<'a> {
    senders: &'a Mutex<HashSet<PublicKey>>,
    key: PublicKey,
}

impl<'a> Sender<'a> {
    fn enter(senders: &'a Mutex<HashSet<PublicKey>>, key: PublicKey) -> Result<Self, DepositError> {
        let is_first = senders.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        // Nothing that frees the place of another when it is dropped.
        is_first.then(|| Self { senders, key }).ok_or(DepositError::SenderBusy)
    }
}

impl Drop for Sender<'_> {
    fn drop(&mut self) {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl Deposits {
    /// Deposits into the account of `config`.
    pub fn new(config: DepositsConfig, client: L1Client, prover: ContractProver) -> Self {
        let places = Semaphore::new(config.at_once.min(Semaphore::MAX_PERMITS));
        Self { config, client, prover, places, senders: Mutex::default() }
    }

    /// A command that makes the deposit, complete but for the sender's signatures.
    ///
    /// # Errors
    /// [`DepositError`].
    pub async fn prepare(&self, request: &DepositRequest) -> Result<ZkappCommand, DepositError> {
        let at_once = self.config.at_once;
        let _place = self.places.try_acquire().map_err(|_| DepositError::Busy { at_once })?;
        let DepositRequest { sender, recipient, amount, fee, nonce, valid_for } = *request;
        let _only = Sender::enter(&self.senders, sender)?;
        for (who, key) in [("sender", sender), ("recipient", recipient)] {
            let _ = key.to_point().ok_or(DepositError::Key { who })?;
        }
        let (expected, got) = (self.config.longest, valid_for);
        if got < SlotSpan::new(1) || expected < got {
            return Err(DepositError::Span { expected, got });
        }
        let snapshot = self.client.snapshot(&sender, 1).await?;
        let account = snapshot.account.ok_or(DepositError::NoSender)?;
        let overflow = |what| SettlementError::Overflow { what };
        let expected = amount.checked_add(fee).ok_or(overflow("amount and fee"))?;
        let got = account.balance;
        if got < expected {
            return Err(DepositError::Balance { expected, got });
        }
        let now = snapshot.blocks.last().map_or(Slot::ZERO, |tip| tip.slot);
        let until = now.checked_add(Slot::new(valid_for.get())).ok_or(overflow("the last slot"))?;
        let deposit = Deposit { recipient, amount, refund_to: sender, valid_until: until };
        // Before a proof is made of it.
        deposit.action(self.prover.parameters())?;
        let update = self.prover.deposit(self.config.account, deposit).await?;
        let era = self.prover.parameters().domain.era();
        let nonce = nonce.unwrap_or(account.inferred_nonce);
        let payer = Payer { key: sender, fee, nonce, valid_until: Some(until) };
        metrics::counter!("zeko_bridge_deposits_prepared_total").increment(1);
        Ok(unsigned(CallForest::flat([paying(sender, amount, era), update]), payer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_has_one_place() {
        let senders = Mutex::default();
        let key = |x: u64| PublicKey { x: x.into(), is_odd: false };
        let enter = |x| Sender::enter(&senders, key(x));
        let first = enter(1).unwrap();
        assert!(matches!(enter(1), Err(DepositError::SenderBusy)));
        let _other = enter(2).unwrap();
        drop(first);
        // The one that was refused has not made place for another.
        let _again = enter(1).unwrap();
        assert!(matches!(enter(1), Err(DepositError::SenderBusy)));
    }
}
