//! What the fields of the rollup account on the L1 are hashes of.

use alloc::vec::Vec;

use mina_curves::Fp;

use super::Hashed;
use crate::{
    hash::Input,
    types::{Length, PublicKey, Slot},
};

/// A member of the DA committee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CommitteeMember {
    /// The key that attests.
    pub key: PublicKey,
    /// How much its word counts.
    pub power: u32,
}

/// The DA committee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committee {
    members: Vec<CommitteeMember>,
}

impl Committee {
    /// Most members.
    pub const MAX_MEMBERS: usize = 16;

    /// A committee of 1 to 16 different keys with some power each.
    pub fn new(members: Vec<CommitteeMember>) -> Option<Self> {
        let sized = (1..=Self::MAX_MEMBERS).contains(&members.len());
        let powered = members.iter().all(|member| member.power > 0);
        let distinct = members.iter().enumerate().all(|(index, member)| {
            members.iter().skip(index + 1).all(|other| other.key != member.key)
        });
        (sized && powered && distinct).then_some(Self { members })
    }

    /// The members in order.
    pub fn members(&self) -> &[CommitteeMember] {
        &self.members
    }

    /// The power of all members.
    pub fn total_power(&self) -> u64 {
        self.members.iter().map(|member| u64::from(member.power)).sum()
    }

    /// Whether `signers` have more than two thirds of the power; each key counts once, others not
    /// at all.
    pub fn has_quorum(&self, signers: &[PublicKey]) -> bool {
        let signed = self.members.iter().filter(|member| signers.contains(&member.key));
        let power: u64 = signed.map(|member| u64::from(member.power)).sum();
        3 * power > 2 * self.total_power()
    }
}

impl Hashed for Committee {
    const PREFIX: &'static str = "ZekoCommittee";

    /// Sixteen members always: those that are missing have the empty key and no power.
    fn append(&self, input: &mut Input) {
        let none = CommitteeMember { key: PublicKey::EMPTY, power: 0 };
        let padding = core::iter::repeat(&none);
        for member in self.members.iter().chain(padding).take(Self::MAX_MEMBERS) {
            input.add(&member.key).bits(member.power.into(), 32);
        }
    }
}

/// Field 3: how far the outbox has been paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayoutState {
    /// The outbox that payouts work through.
    pub snapshot: Fp,
    /// The prefix of it that has been paid.
    pub paid: Fp,
    /// The root of the entries that could not be paid.
    pub parked: Fp,
}

impl Hashed for PayoutState {
    const PREFIX: &'static str = "ZekoPayout";

    fn append(&self, input: &mut Input) {
        input.field(self.snapshot).field(self.paid).field(self.parked);
    }
}

/// Field 4: who may do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// The sequencer, or the state of the auction for it.
    pub sequencer: Fp,
    /// The hash of the [`Committee`].
    pub committee: Fp,
    /// How often the committee has changed.
    pub epoch: u32,
    /// The governance key.
    pub governance: PublicKey,
    /// The hash of a change that waits for its delay; zero if there is none.
    pub pending: Fp,
}

impl Hashed for Configuration {
    const PREFIX: &'static str = "ZekoConfiguration";

    fn append(&self, input: &mut Input) {
        input
            .field(self.sequencer)
            .field(self.committee)
            .bits(self.epoch.into(), 32)
            .add(&self.governance)
            .field(self.pending);
    }
}

/// Field 6: how far the chain has been settled, packed into one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Batches so far.
    pub batch: u64,
    /// Blocks so far.
    pub height: Length,
    /// The slot of the last block.
    pub last_slot: Slot,
}

impl Progress {
    /// `batch·2^64 + height·2^32 + last slot`.
    pub fn to_field(self) -> Fp {
        let low = u64::from(self.height.get()) << 32 | u64::from(self.last_slot.get());
        Fp::from(u128::from(self.batch) << 64 | u128::from(low))
    }
}
