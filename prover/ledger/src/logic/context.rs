//! What applying a command depends on besides the ledger.

use super::TransactionFailure;
use crate::types::{AccountId, Amount, Body, Era, ProtocolStateView, Slot};

/// A rule for some accounts on top of Mina's: how a layer above reserves accounts for itself.
pub trait AccountRule {
    /// Whether an update is allowed. Asked for every account update of a zkApp command, the fee
    /// payer included.
    ///
    /// # Errors
    /// The failure to record.
    fn check_update(&self, body: &Body, has_children: bool) -> Result<(), TransactionFailure>;

    /// Whether payments, delegations, fee transfers and coinbase may name the account.
    fn allows_signed_commands(&self, account: &AccountId) -> bool;
}

/// What applying a command depends on besides the ledger.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The era.
    pub era: Era,
    /// The fee for creating an account, burned.
    pub account_creation_fee: Amount,
    /// The slot that `validWhile`, vesting and action states go by.
    pub slot: Slot,
    /// What network preconditions are checked against.
    pub view: &'a ProtocolStateView,
    /// Rules on top of Mina's.
    pub rule: Option<&'a dyn AccountRule>,
}

impl core::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Context")
            .field("era", &self.era)
            .field("account_creation_fee", &self.account_creation_fee)
            .field("slot", &self.slot)
            .field("view", &self.view)
            .field("rule", &self.rule.is_some())
            .finish()
    }
}
