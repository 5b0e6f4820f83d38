//! What a node keeps.
//!
//! Blocks are files, written and synced once, before anybody hears of them; an index in `sled` says
//! where entries are and what each 256 KiB of a block hash to, so that damage is found when it is
//! read and mended from a peer. The index is flushed before a decision is acknowledged.
//!
//! | tree | key | value |
//! |---|---|---|
//! | `heights` | height | [`Stored`] |
//! | `commits` | height | commit certificate with extensions |
//! | `entries` | commitment, height, place | |
//! | `known` | what tells entries apart | the height where the entry is |
//! | `spaces` | namespace, height, place | |
//! | `statements` | commitment | what validators sign of it |
//! | `attestations` | commitment, epoch, key | signature |
//! | `recorded` | commitment, epoch, key | the height that carries the attestation |
//! | `signed` | what may be signed once | digest, signature |
//! | `refusals` | commitment, height, place | why a batch was refused |
//! | `waiting` | commitment | what a batch waits for |
//! | `attested` | what is attested once, key | commitment |
//! | `evidence` | hash | two messages that contradict each other |
//! | `progress` | `attested` | up to which height blocks have been looked at |

mod signed;

use std::{
    fs,
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use blake2::{Blake2b, Digest, digest::consts::U32};
use mina_curves::Fp;
use mina_ledger::{
    rollup::DataCommitment,
    types::{PublicKey, Signature},
};
use zeko_derive::{DecodeError, EntryKind, Envelope, Reader, Wire, Writer};

use crate::{
    CHUNK_BYTES,
    block::{Block, EntryKey, SignedAttestation, block_id, entry_key, entry_offsets},
    context::{BlockId, Height},
    crash,
    error::DaError,
};

type Result<T> = std::result::Result<T, DaError>;

/// An entry of a stored block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntryMeta {
    /// What it is.
    pub(crate) kind: EntryKind,
    /// Whose it is.
    pub(crate) namespace: Fp,
    /// Who sent it.
    pub(crate) sender: PublicKey,
    /// The sender's signature.
    pub(crate) signature: Signature,
    /// The commitment to its data.
    pub(crate) commitment: DataCommitment,
    /// Where its data start in the block.
    pub(crate) offset: u64,
    /// How long they are.
    pub(crate) length: u64,
}

impl EntryMeta {
    /// What tells it apart.
    pub(crate) fn key(&self) -> EntryKey {
        entry_key(self.kind, self.namespace, &self.sender, &self.commitment)
    }
}

impl Wire for EntryMeta {
    fn write(&self, w: &mut Writer) {
        w.put(&self.kind).put(&self.namespace).put(&self.sender).put(&self.signature);
        w.put(&self.commitment).put(&self.offset).put(&self.length);
    }

    fn read(r: &mut Reader<'_>) -> std::result::Result<Self, DecodeError> {
        Ok(Self {
            kind: r.get()?,
            namespace: r.get()?,
            sender: r.get()?,
            signature: r.get()?,
            commitment: r.get()?,
            offset: r.get()?,
            length: r.get()?,
        })
    }
}

/// What the index has of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Its hash.
    pub(crate) id: BlockId,
    /// Its length in bytes.
    pub(crate) length: u64,
    /// The hash of each chunk.
    pub(crate) chunks: Vec<[u8; 32]>,
    /// Its attestations.
    pub(crate) attestations: Vec<SignedAttestation>,
    /// Its entries.
    pub(crate) entries: Vec<EntryMeta>,
}

impl Wire for Stored {
    fn write(&self, w: &mut Writer) {
        w.put(&self.id).put(&self.length).list(&self.chunks);
        w.list(&self.attestations).list(&self.entries);
    }

    fn read(r: &mut Reader<'_>) -> std::result::Result<Self, DecodeError> {
        let all = usize::MAX;
        Ok(Self {
            id: r.get()?,
            length: r.get()?,
            chunks: r.list(all, "chunks")?,
            attestations: r.list(all, "attestations")?,
            entries: r.list(all, "entries")?,
        })
    }
}

/// The hash of a chunk.
pub(crate) fn chunk_hash(bytes: &[u8]) -> [u8; 32] {
    Blake2b::<U32>::digest(bytes).into()
}

/// Why stored bytes were not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// A chunk is missing or damaged: fetch it from a peer.
    #[error("chunk {chunk} of block {height} is missing or damaged")]
    Chunk { height: Height, chunk: u32 },
    #[error(transparent)]
    Da(#[from] DaError),
}

/// Where blocks and their index are.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    blocks: PathBuf,
    undecided: PathBuf,
    /// Of all blocks.
    bytes: Arc<AtomicU64>,
    pub(crate) database: sled::Db,
    heights: sled::Tree,
    commits: sled::Tree,
    entries: sled::Tree,
    known: sled::Tree,
    spaces: sled::Tree,
    statements: sled::Tree,
    attestations: sled::Tree,
    recorded: sled::Tree,
    pub(crate) signed: sled::Tree,
    refusals: sled::Tree,
    waiting: sled::Tree,
    attested: sled::Tree,
    evidence: sled::Tree,
    progress: sled::Tree,
}

/// How the names of files end that are being written.
const PARTIAL: &str = "partial";

/// Whether a file was left behind by a crash while it was being written.
pub(crate) fn is_partial(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == PARTIAL)
}

/// Makes a file durable before it has its name.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    // Its own for every writer: two may write the same thing at once.
    static WRITERS: AtomicU64 = AtomicU64::new(0);
    let writer = WRITERS.fetch_add(1, Ordering::Relaxed);
    let partial = path.with_extension(format!("{writer}.{PARTIAL}"));
    let mut file = fs::File::create(&partial).map_err(DaError::io(&partial))?;
    file.write_all(bytes).map_err(DaError::io(&partial))?;
    file.sync_data().map_err(DaError::io(&partial))?;
    fs::rename(&partial, path).map_err(DaError::io(path))?;
    sync_dir(path)
}

/// Makes the names in a file's folder durable.
fn sync_dir(path: &Path) -> Result<()> {
    let Some(dir) = path.parent() else { return Ok(()) };
    fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(DaError::io(dir))
}

fn place_key(commitment: &DataCommitment, height: Height, index: u32) -> Vec<u8> {
    let mut key = commitment.to_bytes();
    key.extend_from_slice(&height.0.to_be_bytes());
    key.extend_from_slice(&index.to_be_bytes());
    key
}

fn space_key(namespace: Fp, height: Height, index: u32) -> Vec<u8> {
    let mut key = namespace.to_bytes();
    key.extend_from_slice(&height.0.to_be_bytes());
    key.extend_from_slice(&index.to_be_bytes());
    key
}

impl Store {
    /// Opens what is in `dir`, or starts it.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        let (blocks, undecided) = (dir.join("blocks"), dir.join("undecided"));
        for dir in [&blocks, &undecided] {
            fs::create_dir_all(dir).map_err(DaError::io(dir))?;
        }
        let database = sled::Config::new()
            .path(dir.join("index"))
            .cache_capacity(64 << 20)
            .flush_every_ms(None)
            .open()?;
        let tree = |name: &str| database.open_tree(name);
        let files = fs::read_dir(&blocks).map_err(DaError::io(&blocks))?;
        let sizes = files.flatten().filter_map(|file| file.metadata().ok()).map(|meta| meta.len());
        Ok(Self {
            bytes: Arc::new(AtomicU64::new(sizes.sum())),
            blocks,
            undecided,
            heights: tree("heights")?,
            commits: tree("commits")?,
            entries: tree("entries")?,
            known: tree("known")?,
            spaces: tree("spaces")?,
            statements: tree("statements")?,
            attestations: tree("attestations")?,
            recorded: tree("recorded")?,
            signed: tree("signed")?,
            refusals: tree("refusals")?,
            waiting: tree("waiting")?,
            attested: tree("attested")?,
            evidence: tree("evidence")?,
            progress: tree("progress")?,
            database,
        })
    }

    /// The last decided height; zero at first.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn tip(&self) -> Result<Height> {
        Ok(self.heights.last()?.map_or(Height(0), |(key, _)| height_of(&key)))
    }

    /// The first height that is kept.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn base(&self) -> Result<Height> {
        Ok(self.heights.first()?.map_or(Height(1), |(key, _)| height_of(&key)))
    }

    fn block_path(&self, height: Height) -> PathBuf {
        self.blocks.join(format!("{:016}", height.0))
    }

    fn undecided_path(&self, height: Height, id: &BlockId) -> PathBuf {
        self.undecided.join(format!("{:016}-{id}", height.0))
    }

    /// Keeps a block that may be decided.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn put_undecided(&self, height: Height, id: &BlockId, bytes: &[u8]) -> Result<()> {
        let path = self.undecided_path(height, id);
        if !path.exists() {
            write_synced(&path, bytes)?;
        }
        crash::point("proposal.synced");
        Ok(())
    }

    /// A block that may be decided, if it is whole.
    pub(crate) fn undecided(&self, height: Height, id: &BlockId) -> Option<Vec<u8>> {
        fs::read(self.undecided_path(height, id)).ok().filter(|bytes| block_id(bytes) == *id)
    }

    /// Makes a block the one at its height.
    ///
    /// # Errors
    /// [`DaError`], also if its bytes are not there.
    pub(crate) fn decide(&self, height: Height, id: &BlockId, commit: &[u8]) -> Result<Stored> {
        let path = self.block_path(height);
        let bytes = match self.undecided(height, id) {
            Some(bytes) => bytes,
            // A crash came between the name and the index.
            None => {
                let bytes = fs::read(&path).map_err(DaError::io(&path))?;
                if block_id(&bytes) != *id {
                    return Err(DaError::damaged(
                        format!("block {height}"),
                        "its bytes are others",
                    ));
                }
                bytes
            }
        };
        let block = Block::decode(&bytes)
            .map_err(|error| DaError::damaged(format!("block {height}"), error))?;
        let undecided = self.undecided_path(height, id);
        if undecided.exists() {
            let replaced = length_of(&path);
            fs::rename(&undecided, &path).map_err(DaError::io(&path))?;
            self.count(replaced, bytes.len() as u64);
            sync_dir(&path)?;
        }
        crash::point("decided.synced");
        let stored = self.index(height, *id, &bytes, &block, commit)?;
        crash::point("decided.indexed");
        self.drop_undecided(height)?;
        Ok(stored)
    }

    fn index(
        &self,
        height: Height,
        id: BlockId,
        bytes: &[u8],
        block: &Block,
        commit: &[u8],
    ) -> Result<Stored> {
        let metas =
            block.entries.iter().zip(entry_offsets(block)).map(|(entry, offset)| EntryMeta {
                kind: entry.kind,
                namespace: entry.namespace,
                sender: entry.sender,
                signature: entry.signature,
                commitment: entry.commitment(),
                offset,
                length: entry.data.len() as u64,
            });
        let stored = Stored {
            id,
            length: bytes.len() as u64,
            chunks: bytes.chunks(CHUNK_BYTES).map(chunk_hash).collect(),
            attestations: block.attestations.clone(),
            entries: metas.collect(),
        };
        for (meta, index) in stored.entries.iter().zip(0u32..) {
            self.entries.insert(place_key(&meta.commitment, height, index), &[])?;
            // Where it is first: a block that is indexed again after a crash says the same.
            if !self.is_before(&meta.key(), height)? {
                self.known.insert(meta.key(), &height.0.to_be_bytes())?;
            }
            self.spaces.insert(space_key(meta.namespace, height, index), &[])?;
        }
        self.commits.insert(height.0.to_be_bytes(), commit)?;
        // The height itself last: it is what says that the rest is there.
        self.heights.insert(height.0.to_be_bytes(), stored.to_bytes())?;
        self.database.flush()?;
        Ok(stored)
    }

    /// Drops what can no longer be decided: not what has come early for the heights behind.
    fn drop_undecided(&self, decided: Height) -> Result<()> {
        let dir = &self.undecided;
        let behind = format!("{:016}", decided.0.saturating_add(1));
        for file in fs::read_dir(dir).map_err(DaError::io(dir))?.flatten() {
            if file.file_name().to_string_lossy().as_ref() < behind.as_str() {
                // What stays is removed the next time.
                let _ = fs::remove_file(file.path());
            }
        }
        Ok(())
    }

    /// Replaces a commit certificate by one with more signatures.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn put_commit(&self, height: Height, commit: &[u8]) -> Result<()> {
        self.commits.insert(height.0.to_be_bytes(), commit)?;
        Ok(())
    }

    /// The commit certificate of a height.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn commit(&self, height: Height) -> Result<Option<sled::IVec>> {
        Ok(self.commits.get(height.0.to_be_bytes())?)
    }

    /// What is known of a height.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn stored(&self, height: Height) -> Result<Option<Stored>> {
        let Some(bytes) = self.heights.get(height.0.to_be_bytes())? else { return Ok(None) };
        let stored = Stored::from_bytes(&bytes);
        stored.map(Some).map_err(|error| DaError::damaged(format!("index of {height}"), error))
    }

    /// Where some data are first.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn find(
        &self,
        commitment: &DataCommitment,
    ) -> Result<Option<(Height, u32, EntryMeta)>> {
        let places = self.places(commitment)?;
        let Some((height, index)) = places.first().copied() else { return Ok(None) };
        let entry =
            self.stored(height)?.and_then(|stored| stored.entries.get(index as usize).cloned());
        Ok(entry.map(|entry| (height, index, entry)))
    }

    /// Everywhere that some data are: several senders may have sent them.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn places(&self, commitment: &DataCommitment) -> Result<Vec<(Height, u32)>> {
        let keys = self.entries.scan_prefix(commitment.to_bytes()).keys().take(64);
        keys.map(|key| Ok(place_of(key?.get(32..).unwrap_or_default()))).collect()
    }

    /// Whether an entry is in the chain, by what tells it apart.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn contains(&self, key: &EntryKey) -> Result<bool> {
        Ok(self.known.contains_key(key)?)
    }

    /// Whether an entry is in a block below `height`, by what tells it apart. Every node whose tip is
    /// right below `height` gives the same answer.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn is_before(&self, key: &EntryKey, height: Height) -> Result<bool> {
        Ok(self.known.get(key)?.is_some_and(|at| height_of(&at) < height))
    }

    /// The first of these entries that is in a block below `height`.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn first_before(&self, keys: &[EntryKey], height: Height) -> Result<Option<usize>> {
        for (index, key) in keys.iter().enumerate() {
            if self.is_before(key, height)? {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// Places of a namespace's entries behind `after`, at most `limit`.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn namespace(
        &self,
        namespace: Fp,
        after: Option<(Height, u32)>,
        limit: usize,
    ) -> Result<Vec<(Height, u32)>> {
        let (height, index) = after.unwrap_or_default();
        let first = space_key(namespace, height, index);
        let skip = usize::from(after.is_some());
        let last = space_key(namespace, Height(u64::MAX), u32::MAX);
        let mut places = Vec::new();
        for key in self.spaces.range(first..=last).keys() {
            let key = key?;
            let place = place_of(key.get(32..).unwrap_or_default());
            if skip == 1 && Some(place) == after {
                continue;
            }
            places.push(place);
            if places.len() >= limit {
                break;
            }
        }
        Ok(places)
    }

    /// The bytes of a block from `offset` on, every chunk checked.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(crate) fn read(
        &self,
        height: Height,
        offset: u64,
        length: u64,
    ) -> std::result::Result<Option<Vec<u8>>, ReadError> {
        let Some(stored) = self.stored(height)? else { return Ok(None) };
        let end = offset.saturating_add(length).min(stored.length);
        let chunk_bytes = CHUNK_BYTES as u64;
        let first = offset / chunk_bytes;
        let path = self.block_path(height);
        let mut bytes = Vec::new();
        let mut file = fs::File::open(&path).ok();
        for chunk in first..end.div_ceil(chunk_bytes) {
            let size = (stored.length - chunk * chunk_bytes).min(chunk_bytes);
            let mut buffer = vec![0; size as usize];
            let damaged = ReadError::Chunk { height, chunk: chunk as u32 };
            let Some(file) = &mut file else { return Err(damaged) };
            let read = file
                .seek(SeekFrom::Start(chunk * chunk_bytes))
                .and_then(|_| file.read_exact(&mut buffer));
            let expected = stored.chunks.get(chunk as usize);
            if read.is_err() || Some(&chunk_hash(&buffer)) != expected {
                return Err(damaged);
            }
            bytes.extend_from_slice(&buffer);
        }
        let from = (offset - first * chunk_bytes) as usize;
        let to = from + end.saturating_sub(offset) as usize;
        Ok(Some(bytes.get(from..to).unwrap_or_default().to_vec()))
    }

    /// Writes a chunk that was damaged or missing; whether it is the right one.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn mend(&self, height: Height, chunk: u32, bytes: &[u8]) -> Result<bool> {
        let Some(stored) = self.stored(height)? else { return Ok(false) };
        if stored.chunks.get(chunk as usize) != Some(&chunk_hash(bytes)) {
            return Ok(false);
        }
        let path = self.block_path(height);
        let error = |error| DaError::io(&path)(error);
        let before = length_of(&path);
        let mut file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(error)?;
        let at = u64::from(chunk) * CHUNK_BYTES as u64;
        file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(bytes)).map_err(error)?;
        file.set_len(stored.length).and_then(|()| file.sync_all()).map_err(error)?;
        self.count(before, stored.length);
        sync_dir(&path)?;
        Ok(true)
    }

    /// The entry at a place.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(crate) fn entry(
        &self,
        height: Height,
        index: u32,
    ) -> std::result::Result<Option<Envelope>, ReadError> {
        let Some(stored) = self.stored(height)? else { return Ok(None) };
        let Some(meta) = stored.entries.get(index as usize) else { return Ok(None) };
        let Some(data) = self.read(height, meta.offset, meta.length)? else { return Ok(None) };
        let EntryMeta { kind, namespace, sender, signature, .. } = *meta;
        Ok(Some(Envelope { kind, namespace, sender, signature, data }))
    }

    /// Drops blocks without batches that are older than `keep` heights, oldest first, up to the
    /// first block that has to stay.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn prune(&self, keep: u64) -> Result<u64> {
        let tip = self.tip()?;
        let mut dropped = 0;
        while let Some((key, bytes)) = self.heights.first()? {
            let height = height_of(&key);
            let stored = Stored::from_bytes(&bytes)
                .map_err(|error| DaError::damaged(format!("index of {height}"), error))?;
            let stays = stored.entries.iter().any(|entry| entry.kind == EntryKind::Batch);
            if stays || height.0.saturating_add(keep) > tip.0 {
                break;
            }
            for (entry, index) in stored.entries.iter().zip(0u32..) {
                self.entries.remove(place_key(&entry.commitment, height, index))?;
                self.spaces.remove(space_key(entry.namespace, height, index))?;
            }
            self.commits.remove(&key)?;
            self.heights.remove(&key)?;
            let path = self.block_path(height);
            let length = length_of(&path);
            fs::remove_file(&path).map_err(DaError::io(&path))?;
            self.count(length, 0);
            dropped += 1;
        }
        Ok(dropped)
    }

    /// Bytes of all blocks.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Notes that a block's file has another length than before.
    fn count(&self, before: u64, after: u64) {
        let update = |bytes: u64| Some(bytes.saturating_sub(before).saturating_add(after));
        // It always is an update.
        let _ = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
    }

    /// Makes everything durable.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn flush(&self) -> Result<()> {
        self.database.flush()?;
        Ok(())
    }
}

/// The length of a file; zero if there is none.
fn length_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |meta| meta.len())
}

fn height_of(key: &[u8]) -> Height {
    Height(key.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes)))
}

fn place_of(key: &[u8]) -> (Height, u32) {
    let index = key.last_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    (height_of(key), index)
}
