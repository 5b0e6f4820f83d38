//! What the proofs of the fold program are about.

use mina_curves::Fp;

use super::Hashed;
use crate::hash::Input;

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

/// That a committee has signed an attestation, and that the inbox behind its batch is a prefix of an
/// action state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certified {
    /// The hash of the [`Attestation`](super::Attestation).
    pub attestation: Fp,
    /// The hash of the [`Committee`](super::Committee) of which more than two thirds have signed.
    pub committee: Fp,
    /// The prefix of the inbox.
    pub inbox: Fp,
    /// What it leads on to.
    pub action_state: Fp,
}

impl Hashed for Certified {
    const PREFIX: &'static str = "ZekoCertified";

    fn append(&self, input: &mut Input) {
        input
            .field(self.attestation)
            .field(self.committee)
            .field(self.inbox)
            .field(self.action_state);
    }
}
