//! Blocks of the DA chain.

use std::collections::{BTreeMap, BTreeSet};

use blake2::{Blake2b, Digest, digest::consts::U32};
use mina_curves::Fp;
use mina_ledger::{
    rollup::{ChainId, Committee, DataCommitment},
    types::{PublicKey, Signature},
};
use zeko_derive::{
    DecodeError, ENTRY_VERSION, EntryError, EntryKind, Envelope, Reader, Wire, Writer,
};

use crate::{
    MAX_BLOCK_BYTES,
    context::{Address, BlockId, Height},
};

/// Most entries of a block.
pub(crate) const MAX_ENTRIES: usize = 4096;
/// Most attestations of a block.
pub(crate) const MAX_ATTESTATIONS: usize = 2048;
/// Most bridge requests of one sender in a block.
pub(crate) const MAX_BRIDGE_REQUESTS: usize = 64;

/// A validator's signature of the statement about some data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SignedAttestation {
    /// The data.
    pub(crate) commitment: DataCommitment,
    /// The committee.
    pub(crate) epoch: u32,
    /// Its member.
    pub(crate) key: PublicKey,
    /// The signature.
    pub(crate) signature: Signature,
}

impl SignedAttestation {
    /// Bytes of one.
    pub(crate) const LEN: usize = 32 + 4 + 33 + 64;
}

impl Wire for SignedAttestation {
    fn write(&self, w: &mut Writer) {
        w.put(&self.commitment).put(&self.epoch).put(&self.key).put(&self.signature);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { commitment: r.get()?, epoch: r.get()?, key: r.get()?, signature: r.get()? })
    }
}

/// A block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Its height.
    pub(crate) height: Height,
    /// Who proposed it.
    pub(crate) proposer: Address,
    /// Attestations of entries of earlier blocks.
    pub(crate) attestations: Vec<SignedAttestation>,
    /// What it carries.
    pub(crate) entries: Vec<Envelope>,
}

/// Why a block is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum BlockError {
    /// Not the bytes of one.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// It is of another height.
    #[error("height: expected {expected}, got {got}")]
    Height {
        /// Of the proposal.
        expected: Height,
        /// Of the block.
        got: Height,
    },
    /// It is longer than blocks may be.
    #[error("expected at most {expected} bytes, got {got}")]
    TooLarge {
        /// The limit.
        expected: usize,
        /// The length.
        got: usize,
    },
    /// An entry that its sender did not sign, or of a wrong length.
    #[error("entry {index}: {error}")]
    Entry {
        /// Its place.
        index: usize,
        /// Why.
        error: EntryError,
    },
    /// An entry that is in it twice, or in an earlier block.
    #[error("entry {index} is in the chain already")]
    Repeated {
        /// Its place.
        index: usize,
    },
    /// A sender has more in it than its share.
    #[error("{} has {got} bytes or requests in it, of {expected}", sender.to_base58())]
    Quota {
        /// The sender.
        sender: PublicKey,
        /// Its share.
        expected: usize,
        /// What it has.
        got: usize,
    },
}

/// The hash of a block's bytes.
pub(crate) fn block_id(bytes: &[u8]) -> BlockId {
    BlockId(Blake2b::<U32>::digest(bytes).into())
}

impl Block {
    /// Checks everything that consensus asks of a block by itself, and gives what tells its entries
    /// apart: nothing of it depends on what entries mean.
    ///
    /// # Errors
    /// [`BlockError`].
    pub(crate) fn check(
        &self,
        height: Height,
        chain: ChainId,
        sender_quota: u32,
    ) -> Result<Vec<EntryKey>, BlockError> {
        if self.height != height {
            return Err(BlockError::Height { expected: height, got: self.height });
        }
        let mut usage = Usage::default();
        for entry in &self.entries {
            usage.add(entry, sender_quota)?;
        }
        let commitments = Envelope::verify_many(&self.entries, chain)
            .map_err(|(index, error)| BlockError::Entry { index, error })?;
        let (mut keys, mut seen) = (Vec::new(), BTreeSet::new());
        for (index, (entry, commitment)) in self.entries.iter().zip(&commitments).enumerate() {
            let key = key_of(entry, commitment);
            if !seen.insert(key) {
                return Err(BlockError::Repeated { index });
            }
            keys.push(key);
        }
        Ok(keys)
    }

    /// The block with these bytes.
    ///
    /// # Errors
    /// [`BlockError`].
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, BlockError> {
        if bytes.len() > MAX_BLOCK_BYTES {
            return Err(BlockError::TooLarge { expected: MAX_BLOCK_BYTES, got: bytes.len() });
        }
        Ok(Self::from_bytes(bytes)?)
    }
}

/// What senders have in a block.
#[derive(Debug, Default)]
pub(crate) struct Usage(BTreeMap<[u8; 33], (usize, usize)>);

impl Usage {
    /// Counts an entry in, unless it is too much.
    pub(crate) fn add(&mut self, entry: &Envelope, sender_quota: u32) -> Result<(), BlockError> {
        let mut key = [0; 33];
        for (byte, value) in key.iter_mut().zip(entry.sender.to_bytes()) {
            *byte = value;
        }
        let (bytes, requests) = self.0.get(&key).copied().unwrap_or_default();
        let bytes = bytes.saturating_add(entry.data.len());
        let requests = requests + usize::from(entry.kind == EntryKind::BridgeRequest);
        for (got, expected) in [(bytes, sender_quota as usize), (requests, MAX_BRIDGE_REQUESTS)] {
            if got > expected {
                return Err(BlockError::Quota { sender: entry.sender, expected, got });
            }
        }
        self.0.insert(key, (bytes, requests));
        Ok(())
    }
}

impl Wire for Block {
    fn write(&self, w: &mut Writer) {
        w.put(&ENTRY_VERSION).put(&self.height).put(&self.proposer);
        w.list(&self.attestations).list(&self.entries);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match r.get()? {
            ENTRY_VERSION => {}
            got => return Err(DecodeError::Version { expected: ENTRY_VERSION, got }),
        }
        Ok(Self {
            height: r.get()?,
            proposer: r.get()?,
            attestations: r.list(MAX_ATTESTATIONS, "attestations")?,
            entries: r.list(MAX_ENTRIES, "entries")?,
        })
    }
}

/// The data of an entry within a block's bytes: how a reader finds it without decoding the block.
pub(crate) fn entry_offsets(block: &Block) -> Vec<u64> {
    // Version, height, proposer, count and attestations, count.
    let mut at = 1 + 8 + 32 + 4 + block.attestations.len() * SignedAttestation::LEN + 4;
    let mut offsets = Vec::with_capacity(block.entries.len());
    for entry in &block.entries {
        // Version, kind, namespace, sender, signature, count.
        at += 1 + 1 + 32 + 33 + 64 + 4;
        offsets.push(at as u64);
        at += entry.data.len();
    }
    offsets
}

/// What tells entries apart.
pub(crate) type EntryKey = [u8; 32];

/// What tells entries apart: the same data of another sender are another entry, so that nobody can
/// take a sender's place by sending its data first.
pub(crate) fn entry_key(
    kind: EntryKind,
    namespace: Fp,
    sender: &PublicKey,
    commitment: &DataCommitment,
) -> EntryKey {
    let mut w = Writer::new();
    w.put(&kind).put(&namespace).put(sender).put(commitment);
    Blake2b::<U32>::digest(w.into_bytes()).into()
}

/// [`entry_key`] of an entry, when its data have been hashed.
pub(crate) fn key_of(entry: &Envelope, commitment: &DataCommitment) -> EntryKey {
    entry_key(entry.kind, entry.namespace, &entry.sender, commitment)
}

/// The power of a key; none if it is not in the committee.
pub(crate) fn power_of(committee: &Committee, key: &PublicKey) -> u64 {
    let member = committee.members().iter().find(|member| member.key == *key);
    member.map_or(0, |member| member.power.into())
}
