//! How long the proof of a batch takes, counted while it is filled.
//!
//! A bound from above of what the worker plans: within a block, what follows each other of one kind is
//! cut into segments; segments are merged in pairs; new accounts join their list in proofs one behind the
//! other.

use std::collections::HashSet;

use mina_ledger::{
    ledger::{Ledger, LedgerError},
    types::{AccountId, Authorization},
};
use serde::{Deserialize, Serialize};

use crate::command::Command;

/// How much a batch may be to prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProvingConfig {
    /// Seconds that its proofs may take, one after another.
    pub most_seconds: u64,
    /// Accounts that it may open: their proofs cannot be made side by side.
    pub most_accounts: u64,
    /// Seconds for a proof of updates, payments or messages.
    pub segment_seconds: u64,
    /// Seconds for one with a user's proof.
    pub proved_seconds: u64,
    /// Seconds to merge two.
    pub merge_seconds: u64,
    /// Seconds for a proof of new accounts, and for the last proof.
    pub accounts_seconds: u64,
    /// What fits into a proof, if batches are to be proved at all. The settings of settlement say it.
    #[serde(skip)]
    pub sizes: Option<ProofSizes>,
}

impl Default for ProvingConfig {
    /// Two cores without AVX-512 (`docs/src/benchmarks.md`), and a window of an hour: a third of it is
    /// left for the commit, and two batches may be closed at once.
    fn default() -> Self {
        Self {
            most_seconds: 1200,
            most_accounts: 480,
            segment_seconds: 8,
            proved_seconds: 10,
            merge_seconds: 6,
            accounts_seconds: 6,
            sizes: None,
        }
    }
}

/// What fits into one proof; nothing counts as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProofSizes {
    /// Account updates.
    pub updates: u64,
    /// Account updates with a user's proof among them.
    pub proved: u64,
    /// Messages of the L1.
    pub messages: u64,
    /// New accounts.
    pub accounts: u64,
    /// Payments and delegations.
    pub payments: u64,
}

/// What can be in one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Updates,
    Payments,
    Messages,
}

/// Some of a kind that follow each other in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) kind: Kind,
    pub(crate) items: u64,
    /// Updates that a user's proof authorises.
    pub(crate) proofs: u64,
}

impl Run {
    /// What a command is.
    pub(crate) fn of(command: &Command) -> Self {
        match command {
            Command::Signed(_) => Self { kind: Kind::Payments, items: 1, proofs: 0 },
            Command::Zkapp(command) => {
                let is_proof = |authorization: &Authorization| {
                    matches!(authorization, Authorization::Proof(_))
                };
                let updates = || command.account_updates.updates();
                let proofs = updates().filter(|update| is_proof(&update.authorization)).count();
                // The fee payer is one more.
                let items = updates().count() as u64 + 1;
                Self { kind: Kind::Updates, items, proofs: proofs as u64 }
            }
        }
    }

    /// How many segments it takes at most: without a user's proof in them, and with one.
    fn segments(&self, sizes: &ProofSizes) -> (u64, u64) {
        let full = |size: u64| self.items.div_ceil(size.max(1));
        match self.kind {
            Kind::Payments => (full(sizes.payments), 0),
            Kind::Messages => (full(sizes.messages), 0),
            Kind::Updates if self.proofs == 0 => (full(sizes.updates), 0),
            // A segment ends where it is full or where the next proof would be its second.
            Kind::Updates => (full(sizes.updates.min(sizes.proved)), self.proofs),
        }
    }
}

/// The proofs of a batch so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Work {
    segments: u64,
    proved: u64,
    pub(crate) accounts: u64,
    /// What the open block goes on with.
    #[serde(skip)]
    run: Option<Run>,
}

impl Work {
    /// With more at the end of the open block.
    pub(crate) fn add(&mut self, more: Run, sizes: &ProofSizes) {
        match &mut self.run {
            Some(run) if run.kind == more.kind => {
                run.items += more.items;
                run.proofs += more.proofs;
            }
            _ => {
                self.end_block(sizes);
                self.run = Some(more);
            }
        }
    }

    /// Nothing of the next block joins a segment of this one.
    pub(crate) fn end_block(&mut self, sizes: &ProofSizes) {
        if let Some(run) = self.run.take() {
            let (segments, proved) = run.segments(sizes);
            self.segments += segments;
            self.proved += proved;
        }
    }

    /// How long its proofs take, one after another.
    pub(crate) fn seconds(&self, config: &ProvingConfig, sizes: &ProofSizes) -> u64 {
        let mut whole = *self;
        whole.end_block(sizes);
        let merges = (whole.segments + whole.proved).saturating_sub(1);
        // The last proof is one more.
        let lists = whole.accounts.div_ceil(sizes.accounts.max(1)) + 1;
        [
            (whole.segments, config.segment_seconds),
            (whole.proved, config.proved_seconds),
            (merges, config.merge_seconds),
            (lists, config.accounts_seconds),
        ]
        .into_iter()
        .fold(0, |sum, (count, each)| sum + count.saturating_mul(each))
    }

    /// Whether it is no more than a batch may be.
    pub(crate) fn fits(&self, config: &ProvingConfig) -> bool {
        config.sizes.as_ref().is_none_or(|sizes| {
            self.accounts <= config.most_accounts
                && self.seconds(config, sizes) <= config.most_seconds
        })
    }
}

/// Batches that are settled before they may be twice as large again.
const TRUST: u32 = 16;

/// How much smaller batches are than they may be, since some have missed their slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Caution {
    /// How often the bounds are halved.
    halvings: u32,
    /// Batches that have been settled since that was last changed.
    settled: u32,
}

impl Caution {
    /// After a batch that has missed its slots: half as much, down to one command.
    pub(crate) fn missed(self, config: &ProvingConfig) -> Self {
        // With no seconds at all, a batch is one command or message.
        let most = u64::BITS - config.most_seconds.leading_zeros();
        Self { halvings: (self.halvings + 1).min(most), settled: 0 }
    }

    /// After a batch that is settled: now and then, twice as much.
    pub(crate) fn settled(self) -> Self {
        match self {
            Self { halvings: 0, .. } => Self::default(),
            Self { halvings, settled } if settled + 1 >= TRUST => {
                Self { halvings: halvings - 1, settled: 0 }
            }
            Self { halvings, settled } => Self { halvings, settled: settled + 1 },
        }
    }

    /// The bounds that hold now.
    pub(crate) fn bounds(self, config: &ProvingConfig) -> ProvingConfig {
        let halved = |most: u64| most.checked_shr(self.halvings).unwrap_or(0);
        ProvingConfig {
            most_seconds: halved(config.most_seconds),
            most_accounts: halved(config.most_accounts),
            ..*config
        }
    }
}

/// The accounts that a command names and that are not there.
pub(crate) fn missing_accounts<L: Ledger>(
    ledger: &L,
    command: &Command,
) -> Result<Vec<AccountId>, LedgerError> {
    let named: HashSet<AccountId> = match command {
        Command::Signed(command) => [AccountId::of(command.payload.receiver())].into(),
        Command::Zkapp(command) => {
            command.account_updates.updates().map(|update| update.body.account_id()).collect()
        }
    };
    let mut missing = Vec::new();
    for id in named {
        if ledger.get(&id)?.is_none() {
            missing.push(id);
        }
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: ProofSizes =
        ProofSizes { updates: 5, proved: 3, messages: 4, accounts: 10, payments: 2 };

    fn updates(items: u64, proofs: u64) -> Run {
        Run { kind: Kind::Updates, items, proofs }
    }

    /// As the worker cuts them: without a proof and with one.
    fn cut(mut left: &[bool]) -> (u64, u64) {
        let (mut plain, mut proved) = (0, 0);
        while !left.is_empty() {
            let mut places = left.iter().enumerate().filter(|(_, is)| **is).map(|(place, _)| place);
            let first = places.next().unwrap_or(left.len());
            let second = places.next().unwrap_or(left.len());
            let count = if first < left.len().min(SIZES.proved as usize) {
                proved += 1;
                second.min(SIZES.proved as usize)
            } else {
                plain += 1;
                first.min(SIZES.updates as usize)
            };
            left = &left[count.max(1)..];
        }
        (plain, proved)
    }

    #[test]
    fn there_are_never_more_segments_than_counted() {
        for length in 1..=12u32 {
            for bits in 0..1u32 << length {
                let run: Vec<bool> = (0..length).map(|place| bits >> place & 1 == 1).collect();
                let (plain, proved) = cut(&run);
                let counted = updates(length.into(), bits.count_ones().into()).segments(&SIZES);
                assert!(plain <= counted.0 && proved <= counted.1, "{run:?}: {counted:?}");
                if bits == 0 {
                    assert_eq!((plain, proved), counted);
                }
            }
        }
    }

    #[test]
    fn work_is_counted_by_block_and_kind() {
        let config = ProvingConfig {
            segment_seconds: 100,
            proved_seconds: 1000,
            merge_seconds: 10,
            accounts_seconds: 1,
            ..ProvingConfig::default()
        };
        let mut work = Work::default();
        assert_eq!(work.seconds(&config, &SIZES), 1);
        work.add(updates(3, 0), &SIZES);
        assert_eq!(work.seconds(&config, &SIZES), 101);
        // In one segment with those before, and then no more.
        work.add(updates(2, 0), &SIZES);
        assert_eq!(work.seconds(&config, &SIZES), 101);
        work.add(updates(1, 0), &SIZES);
        assert_eq!(work.seconds(&config, &SIZES), 211);
        // Another kind, and another block, begin anew.
        work.add(Run { kind: Kind::Payments, items: 1, proofs: 0 }, &SIZES);
        assert_eq!(work.seconds(&config, &SIZES), 321);
        work.end_block(&SIZES);
        work.add(Run { kind: Kind::Payments, items: 2, proofs: 0 }, &SIZES);
        assert_eq!(work.seconds(&config, &SIZES), 431);
        work.accounts = 11;
        assert_eq!(work.seconds(&config, &SIZES), 433);
        work.end_block(&SIZES);
        work.add(updates(2, 1), &SIZES);
        assert_eq!(work.seconds(&config, &SIZES), 433 + 1110 + 10);
    }

    #[test]
    fn bounds_are_halved_and_grow_back_slowly() {
        let config = ProvingConfig { most_seconds: 1200, most_accounts: 480, ..Default::default() };
        let most = |caution: Caution| {
            let bounds = caution.bounds(&config);
            (bounds.most_seconds, bounds.most_accounts)
        };
        let mut caution = Caution::default();
        assert_eq!((most(caution), most(caution.settled())), ((1200, 480), (1200, 480)));
        caution = caution.missed(&config).missed(&config);
        assert_eq!(most(caution), (300, 120));
        for _ in 1..TRUST {
            caution = caution.settled();
        }
        // What is missed meanwhile begins the count anew.
        assert_eq!(most(caution.settled()), (600, 240));
        caution = caution.missed(&config).settled();
        assert_eq!(most(caution), (150, 60));
        for _ in 0..200 {
            caution = caution.missed(&config);
        }
        assert_eq!(most(caution), (0, 0));
        // As many doublings as it takes lead back, and no more.
        for _ in 0..11 * TRUST {
            caution = caution.settled();
        }
        assert_eq!((most(caution), caution), ((1200, 480), Caution::default()));
    }

    #[test]
    fn what_is_not_proved_has_no_bound() {
        let config = ProvingConfig::default();
        let mut work = Work::default();
        work.add(updates(1_000_000, 0), &SIZES);
        work.accounts = 1_000_000;
        assert!(work.fits(&config));
        work.accounts = 0;
        assert!(!work.fits(&ProvingConfig { sizes: Some(SIZES), ..config }));
    }
}
