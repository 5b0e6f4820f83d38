//! Deposits, prepared for a wallet that only signs.

use mina_ledger::{
    rollup::{Deposit, SettlementError},
    types::{
        AccountId, AccountUpdate, Amount, Authorization, AuthorizationKind, Body, CallForest,
        Nonce, PublicKey, Signature, SignedAmount, Slot, SlotSpan, ZkappCommand,
    },
};
use tokio::sync::Semaphore;

use crate::{
    client::{L1Client, L1Error},
    command::{Payer, unsigned},
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
            Self::Busy { .. } => true,
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
}

impl Deposits {
    /// Deposits into the account of `config`.
    pub fn new(config: DepositsConfig, client: L1Client, prover: ContractProver) -> Self {
        let places = Semaphore::new(config.at_once.min(Semaphore::MAX_PERMITS));
        Self { config, client, prover, places }
    }

    /// A command that makes the deposit, complete but for the sender's signatures.
    ///
    /// # Errors
    /// [`DepositError`].
    pub async fn prepare(&self, request: &DepositRequest) -> Result<ZkappCommand, DepositError> {
        let at_once = self.config.at_once;
        let _place = self.places.try_acquire().map_err(|_| DepositError::Busy { at_once })?;
        let DepositRequest { sender, recipient, amount, fee, nonce, valid_for } = *request;
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
        let nonce = nonce.unwrap_or(account.inferred_nonce);
        let payer = Payer { key: sender, fee, nonce, valid_until: Some(until) };
        metrics::counter!("zeko_bridge_deposits_prepared_total").increment(1);
        Ok(unsigned(CallForest::flat([self.paying(sender, amount), update]), payer))
    }

    /// The update that takes the amount out of the sender's account.
    fn paying(&self, sender: PublicKey, amount: Amount) -> AccountUpdate {
        let era = self.prover.parameters().domain.era();
        let mut body = Body::new(AccountId::of(sender), era);
        body.balance_change = SignedAmount::negative(amount);
        body.authorization_kind = AuthorizationKind::Signature;
        body.use_full_commitment = true;
        AccountUpdate { body, authorization: Authorization::Signature(Signature::DUMMY) }
    }
}
