//! Entries that wait to be proposed. An entry is on disk before its submission is acknowledged.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use mina_ledger::{
    rollup::{ChainId, DataCommitment},
    types::PublicKey,
};
use zeko_derive::{EntryError, EntryKind, Envelope, Wire};

use crate::{
    block::{EntryKey as Key, MAX_ENTRIES, Usage, key_of},
    config::Limits,
    context::Height,
    crash,
    error::DaError,
    store::{Store, is_partial, write_synced},
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

/// An entry with what is computed from its data, once.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) envelope: Arc<Envelope>,
    pub(crate) commitment: DataCommitment,
    pub(crate) key: Key,
}

impl Entry {
    /// Checks what consensus asks of an entry by itself.
    ///
    /// # Errors
    /// [`EntryError`].
    pub(crate) fn verify(envelope: Envelope, chain: ChainId) -> Result<Self, EntryError> {
        let commitment = envelope.verify(chain)?;
        Ok(Self::new(envelope, commitment))
    }

    fn new(envelope: Envelope, commitment: DataCommitment) -> Self {
        let key = key_of(&envelope, &commitment);
        Self { envelope: Arc::new(envelope), commitment, key }
    }

    fn length(&self) -> u64 {
        self.envelope.data.len() as u64
    }
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
    sender_quota: u32,
    limits: Limits,
    entries: HashMap<Key, Entry>,
    order: VecDeque<Key>,
    bytes: u64,
    rates: Rates,
    /// Entries that another validator has too, or is being sent.
    forwarded: BTreeSet<Key>,
}

impl Mempool {
    pub(crate) fn open(
        dir: &Path,
        sender_quota: u32,
        limits: Limits,
        store: &Store,
    ) -> Result<Self, DaError> {
        let dir = dir.join("pending");
        fs::create_dir_all(&dir).map_err(DaError::io(&dir))?;
        let mut pool = Self {
            dir,
            sender_quota,
            limits,
            entries: HashMap::new(),
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
            let envelope = Envelope::from_bytes(&bytes).ok().filter(|_| !is_partial(&path));
            let entry = envelope.map(|envelope| {
                let commitment = envelope.commitment();
                Entry::new(envelope, commitment)
            });
            match entry {
                Some(entry) if !store.contains(&entry.key)? => pool.insert(entry),
                // It was decided when a crash came, or never acknowledged. If it stays, so be it.
                _ => drop(fs::remove_file(&path)),
            }
        }
        Ok(pool)
    }

    fn insert(&mut self, entry: Entry) {
        self.bytes += entry.length();
        self.order.push_back(entry.key);
        self.entries.insert(entry.key, entry);
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether some data wait.
    pub(crate) fn contains(&self, commitment: &DataCommitment) -> bool {
        self.entries.values().any(|waiting| waiting.commitment == *commitment)
    }

    /// Checks what needs no disk: whether the entry is to be written.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub(crate) fn admit(&mut self, entry: &Entry, limited: bool) -> Result<bool, SubmitError> {
        let (expected, got) = (self.sender_quota as usize, entry.envelope.data.len());
        if got > expected {
            return Err(SubmitError::Quota { expected, got });
        }
        if self.entries.contains_key(&entry.key) {
            return Ok(false);
        }
        if self.entries.len() >= self.limits.pending_entries {
            return Err(SubmitError::Full("too many entries wait"));
        }
        if self.bytes.saturating_add(entry.length()) > self.limits.pending_bytes {
            return Err(SubmitError::Full("too many bytes wait"));
        }
        if limited {
            self.rates.take(&entry.envelope, &self.limits, Instant::now())?;
        }
        Ok(true)
    }

    /// Where an entry is written before [`Self::add`].
    pub(crate) fn path(&self, key: &Key) -> PathBuf {
        self.dir.join(crate::keys::hex(key))
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

    /// Adds an entry that has been written; `false` if it has been decided meanwhile.
    ///
    /// Writing takes its time, and others may have had the entry too: its decision may have come
    /// before it was here to be forgotten, and then it must not wait any more. A decision is stored
    /// before [`Self::remove`] is called for it, and the pool is borrowed here: either the decision
    /// is seen, or the entry is forgotten afterwards.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn add(&mut self, entry: Entry, store: &Store) -> Result<bool, DaError> {
        if store.contains(&entry.key)? {
            // If the file stays, the entry is recognised as decided at the next start.
            let _ = fs::remove_file(self.path(&entry.key));
            return Ok(false);
        }
        if !self.entries.contains_key(&entry.key) {
            self.insert(entry);
        }
        Ok(true)
    }

    /// The entries for the block at `height`, oldest first, without those of earlier blocks.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn select(
        &self,
        height: Height,
        store: &Store,
        max_bytes: usize,
    ) -> Result<Vec<Envelope>, DaError> {
        let mut usage = Usage::default();
        let mut left = max_bytes;
        let mut selected = Vec::new();
        for Entry { envelope, key, .. } in self.order.iter().filter_map(|k| self.entries.get(k)) {
            let size = envelope.data.len() + 256;
            if selected.len() >= MAX_ENTRIES {
                break;
            }
            let fits = size <= left && !store.is_before(key, height)?;
            if fits && usage.add(envelope, self.sender_quota).is_ok() {
                left -= size;
                selected.push(Envelope::clone(envelope));
            }
        }
        Ok(selected)
    }

    /// Forgets entries that have been decided.
    pub(crate) fn remove(&mut self, keys: impl Iterator<Item = Key>) {
        for key in keys {
            if let Some(entry) = self.entries.remove(&key) {
                self.bytes = self.bytes.saturating_sub(entry.length());
                self.forwarded.remove(&key);
                // If the file stays, the entry is recognised as decided at the next start.
                let _ = fs::remove_file(self.path(&key));
            }
        }
        self.order.retain(|key| self.entries.contains_key(key));
    }

    /// The entries that nobody else has, to be sent to another validator: they are given once, unless
    /// it is said that they [were not sent](Self::not_forwarded).
    pub(crate) fn take_unsent(&mut self) -> Vec<Entry> {
        let forwarded = &mut self.forwarded;
        let unsent = self.order.iter().filter(|key| forwarded.insert(**key));
        unsent.filter_map(|key| self.entries.get(key).cloned()).collect()
    }

    /// Notes that an entry did not reach another validator.
    pub(crate) fn not_forwarded(&mut self, key: &Key) {
        self.forwarded.remove(key);
    }
}

/// A sender's name for logs.
pub(crate) fn short(key: &PublicKey) -> String {
    key.to_base58().chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use mina_curves::{Fp, Fq};
    use mina_ledger::types::PrivateKey;

    use super::*;
    use crate::{
        block::{Block, BlockError, block_id},
        context::Address,
    };

    const QUOTA: u32 = 1 << 20;

    fn chain() -> ChainId {
        ChainId::new("test").unwrap()
    }

    fn entry(data: &[u8]) -> Entry {
        let key = PrivateKey::new(Fq::from(9u64)).unwrap();
        let (kind, space) = (EntryKind::Blob, Fp::from(3u64));
        let envelope = Envelope::sign(chain(), kind, space, data.to_vec(), &key).unwrap();
        Entry::verify(envelope, chain()).unwrap()
    }

    fn envelopes(entries: &[&Entry]) -> Vec<Envelope> {
        entries.iter().map(|entry| Envelope::clone(&entry.envelope)).collect()
    }

    /// A folder with a store and a pool.
    struct Node {
        dir: PathBuf,
        store: Store,
        pool: Mempool,
    }

    impl Node {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("zeko-da-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&dir);
            let store = Store::open(&dir).unwrap();
            let pool = Self::pool(&dir, &store);
            Self { dir, store, pool }
        }

        fn pool(dir: &Path, store: &Store) -> Mempool {
            Mempool::open(dir, QUOTA, Limits::default(), store).unwrap()
        }

        fn write(&self, entry: &Entry) -> PathBuf {
            let path = self.pool.path(&entry.key);
            Mempool::persist(&path, &entry.envelope).unwrap();
            path
        }

        /// Stores the decision of a block; the pool is not told.
        fn decide(&self, height: u64, entry: &Entry) {
            let (height, proposer) = (Height(height), Address([1; 32]));
            let entries = envelopes(&[entry]);
            let bytes = Block { height, proposer, attestations: Vec::new(), entries }.to_bytes();
            self.store.put_undecided(height, &block_id(&bytes), &bytes).unwrap();
            self.store.decide(height, &block_id(&bytes), b"commit").unwrap();
        }

        fn selected(&self, height: u64) -> Vec<Envelope> {
            self.pool.select(Height(height), &self.store, 8 << 20).unwrap()
        }
    }

    impl Drop for Node {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }

    /// An entry was decided at two heights: while one validator wrote it to its disk, the others had
    /// it already and decided it, and the pool took it in after it should have forgotten it.
    #[test]
    fn what_is_decided_while_it_is_written_does_not_wait() {
        let mut node = Node::new("decided-while-written");
        let entry = entry(b"slow disk");
        assert!(node.pool.admit(&entry, true).unwrap());
        let path = node.write(&entry);
        node.decide(1, &entry);
        node.pool.remove([entry.key].into_iter());
        assert!(!node.pool.add(entry.clone(), &node.store).unwrap());
        assert!(node.pool.is_empty() && !path.exists());
        assert!(node.selected(2).is_empty());
    }

    #[test]
    fn what_an_earlier_block_has_is_not_proposed() {
        let mut node = Node::new("not-proposed");
        let [first, second] = [entry(b"first"), entry(b"second")];
        for entry in [&first, &second] {
            node.write(entry);
            assert!(node.pool.add(entry.clone(), &node.store).unwrap());
        }
        assert_eq!(node.selected(1), envelopes(&[&first, &second]));
        // The pool has not been told yet.
        node.decide(1, &first);
        assert_eq!(node.selected(2), envelopes(&[&second]));
        // A validator that indexed a block and was killed proposes at that height what it did before.
        assert_eq!(node.selected(1), envelopes(&[&first, &second]));
        let keys = [second.key, first.key];
        assert_eq!(node.store.first_before(&keys, Height(1)).unwrap(), None);
        assert_eq!(node.store.first_before(&keys, Height(2)).unwrap(), Some(1));
    }

    #[test]
    fn a_block_has_an_entry_once() {
        let [first, second] = [entry(b"first"), entry(b"second")];
        let block = |entries| Block {
            height: Height(1),
            proposer: Address([1; 32]),
            attestations: Vec::new(),
            entries,
        };
        let check = |entries| block(entries).check(Height(1), chain(), QUOTA);
        let keys = check(envelopes(&[&first, &second])).unwrap();
        assert_eq!(keys, [first.key, second.key]);
        let repeated = check(envelopes(&[&first, &second, &first])).unwrap_err();
        assert_eq!(repeated, BlockError::Repeated { index: 2 });
    }

    #[test]
    fn a_restart_finds_what_waits_and_clears_the_rest_away() {
        let mut node = Node::new("restart");
        let [waits, decided, torn] = [entry(b"waits"), entry(b"decided"), entry(b"torn")];
        let files = [&waits, &decided, &torn].map(|entry| node.write(entry));
        let partial = files[2].with_extension("7.partial");
        fs::rename(&files[2], &partial).unwrap();
        node.decide(1, &decided);
        node.pool = Node::pool(&node.dir, &node.store);
        assert_eq!(node.selected(2), envelopes(&[&waits]));
        assert!(files[0].exists() && !files[1].exists() && !partial.exists());
    }

    /// Two clients may send the same entry at once: their writers took each other's file away.
    #[test]
    fn many_write_the_same_entry() {
        let node = Node::new("same-entry");
        let entry = entry(&[5; 10_000]);
        std::thread::scope(|scope| {
            let write = || (0..20).for_each(|_| drop(node.write(&entry)));
            (0..4).for_each(|_| drop(scope.spawn(write)));
        });
        assert_eq!(fs::read(node.pool.path(&entry.key)).unwrap(), entry.envelope.to_bytes());
    }

    #[test]
    fn an_entry_is_forwarded_once_unless_that_fails() {
        let mut node = Node::new("forwarded");
        let [first, second] = [entry(b"first"), entry(b"second")];
        let keys = |entries: Vec<Entry>| entries.iter().map(|e| e.key).collect::<Vec<_>>();
        node.pool.add(first.clone(), &node.store).unwrap();
        assert_eq!(keys(node.pool.take_unsent()), [first.key]);
        node.pool.add(second.clone(), &node.store).unwrap();
        assert_eq!(keys(node.pool.take_unsent()), [second.key]);
        assert!(node.pool.take_unsent().is_empty());
        node.pool.not_forwarded(&first.key);
        assert_eq!(keys(node.pool.take_unsent()), [first.key]);
    }
}
