//! Entries that wait to be proposed. An entry is on disk before its submission is acknowledged.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use mina_ledger::{
    rollup::{ChainId, DataCommitment},
    types::PublicKey,
};
use zeko_derive::{EntryError, EntryKind, Envelope, Wire};

use crate::{
    block::{Usage, entry_key},
    config::Limits,
    crash,
    error::DaError,
    store::{Store, write_synced},
};

/// Why an entry is not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SubmitError {
    /// The entry itself is wrong.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// It is longer than the chain lets one sender have in a block.
    #[error("data: the quota of a sender is {expected} bytes a block, got {got}")]
    Quota {
        /// The quota.
        expected: usize,
        /// The length.
        got: usize,
    },
    /// Too much waits already: come back later.
    #[error("the node is full: {0}")]
    Full(&'static str),
    /// The sender sends too much: come back later.
    #[error("too much from this sender: wait {seconds} s")]
    Rate {
        /// How long to wait.
        seconds: u64,
    },
    /// The node fails.
    #[error(transparent)]
    Node(#[from] DaError),
}

type Key = [u8; 32];

pub(crate) fn key_of(envelope: &Envelope) -> Key {
    let Envelope { kind, namespace, sender, .. } = envelope;
    entry_key(*kind, *namespace, sender, &envelope.commitment())
}

/// What a sender may still send.
#[derive(Debug)]
struct Bucket {
    bytes: f64,
    requests: f64,
    at: Instant,
}

/// Rates of senders; those who have been quiet are forgotten.
#[derive(Debug, Default)]
struct Rates(BTreeMap<Vec<u8>, Bucket>);

impl Rates {
    const MAX_SENDERS: usize = 10_000;

    fn take(&mut self, entry: &Envelope, limits: &Limits, now: Instant) -> Result<(), SubmitError> {
        let per_second = limits.sender_bytes_per_second as f64;
        let requests = f64::from(limits.bridge_requests_per_minute) / 60.0;
        if self.0.len() >= Self::MAX_SENDERS {
            self.0.retain(|_, bucket| now.duration_since(bucket.at).as_secs() < 60);
        }
        let full = Bucket { bytes: per_second * 10.0, requests: requests * 60.0, at: now };
        let bucket = self.0.entry(entry.sender.to_bytes()).or_insert(full);
        let seconds = now.duration_since(bucket.at).as_secs_f64();
        bucket.bytes = (bucket.bytes + seconds * per_second).min(per_second * 10.0);
        bucket.requests = (bucket.requests + seconds * requests).min(requests * 60.0);
        bucket.at = now;
        let bytes = entry.data.len() as f64;
        let request = if entry.kind == EntryKind::BridgeRequest { 1.0 } else { 0.0 };
        let lacking = [(bytes - bucket.bytes) / per_second, (request - bucket.requests) / requests];
        let wait = lacking.into_iter().fold(0.0, f64::max);
        if wait > 0.0 && (request > 0.0 || bytes > bucket.bytes) {
            return Err(SubmitError::Rate { seconds: wait.ceil() as u64 });
        }
        bucket.bytes -= bytes;
        bucket.requests -= request;
        Ok(())
    }
}

/// Entries that wait.
#[derive(Debug)]
pub(crate) struct Mempool {
    dir: PathBuf,
    chain: ChainId,
    sender_quota: u32,
    limits: Limits,
    entries: HashMap<Key, Envelope>,
    commitments: HashMap<Key, DataCommitment>,
    order: VecDeque<Key>,
    bytes: u64,
    rates: Rates,
    /// Entries that the next proposer has too.
    forwarded: BTreeSet<Key>,
}

impl Mempool {
    pub(crate) fn open(
        dir: &Path,
        chain: ChainId,
        sender_quota: u32,
        limits: Limits,
        store: &Store,
    ) -> Result<Self, DaError> {
        let dir = dir.join("pending");
        fs::create_dir_all(&dir).map_err(DaError::io(&dir))?;
        let mut pool = Self {
            dir,
            chain,
            sender_quota,
            limits,
            entries: HashMap::new(),
            commitments: HashMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            rates: Rates::default(),
            forwarded: BTreeSet::new(),
        };
        let files = fs::read_dir(&pool.dir).map_err(DaError::io(&pool.dir))?;
        let mut paths: Vec<_> = files.flatten().map(|file| file.path()).collect();
        paths.sort();
        for path in paths {
            let bytes = fs::read(&path).map_err(DaError::io(&path))?;
            // What a crash left half-written was never acknowledged.
            let Ok(entry) = Envelope::from_bytes(&bytes) else { continue };
            if !store.contains(&key_of(&entry))? {
                pool.insert(entry);
            }
        }
        Ok(pool)
    }

    fn insert(&mut self, entry: Envelope) {
        let key = key_of(&entry);
        self.bytes += entry.data.len() as u64;
        self.commitments.insert(key, entry.commitment());
        self.order.push_back(key);
        self.entries.insert(key, entry);
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether some data wait.
    pub(crate) fn contains(&self, commitment: &DataCommitment) -> bool {
        self.commitments.values().any(|waiting| waiting == commitment)
    }

    /// Checks what needs no disk: whether the entry is to be written.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub(crate) fn admit(&mut self, entry: &Envelope, limited: bool) -> Result<bool, SubmitError> {
        entry.verify(self.chain)?;
        let (expected, got) = (self.sender_quota as usize, entry.data.len());
        if got > expected {
            return Err(SubmitError::Quota { expected, got });
        }
        if self.entries.contains_key(&key_of(entry)) {
            return Ok(false);
        }
        if self.entries.len() >= self.limits.pending_entries {
            return Err(SubmitError::Full("too many entries wait"));
        }
        if self.bytes.saturating_add(entry.data.len() as u64) > self.limits.pending_bytes {
            return Err(SubmitError::Full("too many bytes wait"));
        }
        if limited {
            self.rates.take(entry, &self.limits, Instant::now())?;
        }
        Ok(true)
    }

    /// Where an entry is written before [`Self::add`].
    pub(crate) fn path(&self, entry: &Envelope) -> PathBuf {
        self.dir.join(crate::keys::hex(&key_of(entry)))
    }

    /// Writes an entry.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn persist(path: &Path, entry: &Envelope) -> Result<(), DaError> {
        write_synced(path, &entry.to_bytes())?;
        crash::point("submit.synced");
        Ok(())
    }

    /// Adds an entry that has been written.
    pub(crate) fn add(&mut self, entry: Envelope) {
        if !self.entries.contains_key(&key_of(&entry)) {
            self.insert(entry);
        }
    }

    /// The entries for the next block, oldest first.
    pub(crate) fn select(&self, max_bytes: usize, max_entries: usize) -> Vec<Envelope> {
        let mut usage = Usage::default();
        let mut left = max_bytes;
        let mut selected = Vec::new();
        for entry in self.order.iter().filter_map(|key| self.entries.get(key)) {
            let size = entry.data.len() + 256;
            if selected.len() >= max_entries {
                break;
            }
            if size <= left && usage.add(entry, self.sender_quota).is_ok() {
                left -= size;
                selected.push(entry.clone());
            }
        }
        selected
    }

    /// Forgets entries that have been decided.
    pub(crate) fn remove(&mut self, keys: impl Iterator<Item = Key>) {
        for key in keys {
            if let Some(entry) = self.entries.remove(&key) {
                self.bytes = self.bytes.saturating_sub(entry.data.len() as u64);
                self.forwarded.remove(&key);
                self.commitments.remove(&key);
                // If the file stays, the entry is recognised as decided at the next start.
                let _ = fs::remove_file(self.dir.join(crate::keys::hex(&key)));
            }
        }
        self.order.retain(|key| self.entries.contains_key(key));
    }

    /// Entries that nobody else is known to have.
    pub(crate) fn to_forward(&self) -> Vec<Envelope> {
        let unsent = self.order.iter().filter(|key| !self.forwarded.contains(*key));
        unsent.filter_map(|key| self.entries.get(key).cloned()).collect()
    }

    /// Notes that the next proposer has an entry.
    pub(crate) fn mark_forwarded(&mut self, entry: &Envelope) {
        let key = key_of(entry);
        if self.entries.contains_key(&key) {
            self.forwarded.insert(key);
        }
    }
}

/// A sender's name for logs.
pub(crate) fn short(key: &PublicKey) -> String {
    key.to_base58().chars().take(12).collect()
}
