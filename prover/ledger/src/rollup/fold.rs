//! What the proofs of the fold program are about.

use mina_curves::Fp;

use super::{DepositAction, Hashed};
use crate::{
    hash::{Input, push_actions},
    types::Slot,
};

/// That an action state leads on to another by updates with one list of actions each: that the first
/// is a prefix of the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold {
    /// The prefix.
    pub from: Fp,
    /// What it leads on to.
    pub to: Fp,
}

impl Hashed for Fold {
    const PREFIX: &'static str = "ZekoFold";

    fn append(&self, input: &mut Input) {
        input.field(self.from).field(self.to);
    }
}

/// That an inbox leads on to another by deposits, and the earliest of their timeouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The prefix.
    pub from: Fp,
    /// What it leads on to.
    pub to: Fp,
    /// The earliest timeout; the largest slot if there are no deposits.
    pub earliest: Slot,
}

impl Waiting {
    /// Nothing waits behind an inbox.
    pub const fn none(inbox: Fp) -> Self {
        Self { from: inbox, to: inbox, earliest: Slot::MAX }
    }

    /// With one more deposit behind the others.
    pub fn with(self, deposit: &DepositAction) -> Self {
        let to = push_actions(self.to, deposit.action_hash());
        Self { to, earliest: self.earliest.min(deposit.timeout), ..self }
    }
}

impl Hashed for Waiting {
    const PREFIX: &'static str = "ZekoWaiting";

    fn append(&self, input: &mut Input) {
        input.field(self.from).field(self.to).add(&self.earliest);
    }
}

/// Whether a batch has consumed exactly `quota` messages, which are some, and these are their hashes.
pub fn is_full_quota(inbox_before: Fp, messages: &[Fp], inbox_after: Fp, quota: usize) -> bool {
    let end = messages.iter().fold(inbox_before, |inbox, hash| push_actions(inbox, *hash));
    quota > 0 && messages.len() == quota && end == inbox_after
}

/// That a committee has signed an attestation, that the inbox behind its batch is a prefix of an
/// action state, and what a commit has to know of the messages in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certified {
    /// The hash of the [`Attestation`](super::Attestation).
    pub attestation: Fp,
    /// The hash of the [`Committee`](super::Committee) of which more than two thirds have signed.
    pub committee: Fp,
    /// The inbox before the batch.
    pub inbox_before: Fp,
    /// The inbox behind the batch.
    pub inbox_after: Fp,
    /// What it leads on to.
    pub action_state: Fp,
    /// The earliest timeout of the deposits behind the batch: see [`Waiting::earliest`].
    pub earliest: Slot,
    /// Whether the batch is shown to have consumed a full quota: see [`is_full_quota`].
    pub is_full: bool,
}

impl Hashed for Certified {
    const PREFIX: &'static str = "ZekoCertified";

    fn append(&self, input: &mut Input) {
        input
            .field(self.attestation)
            .field(self.committee)
            .field(self.inbox_before)
            .field(self.inbox_after)
            .field(self.action_state)
            .add(&self.earliest)
            .add(&self.is_full);
    }
}
