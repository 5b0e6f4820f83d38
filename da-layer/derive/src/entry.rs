//! Entries of the DA chain.

use alloc::vec::Vec;

use mina_curves::Fp;
use mina_ledger::{
    hash::{Input, TransactionHash},
    rollup::{ChainId, DataCommitment, DepositAction, Hashed, SignedStatement},
    signature::{BatchItem, SignatureError, verify_batch},
    types::{PrivateKey, PublicKey, Signature},
};

use crate::codec::{DecodeError, Reader, Wire, Writer};

/// The version of envelopes and of what is in them.
pub const ENTRY_VERSION: u8 = 1;

/// Most bytes of data in an entry: a block of the DA chain with one such entry fits into one
/// message of its synchronisation protocol.
pub const MAX_DATA_BYTES: usize = 6 << 20;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// A [`Batch`](crate::Batch) of a rollup.
    Batch,
    /// A [`BridgeRequest`]: a hint.
    BridgeRequest,
    /// Anybody's bytes.
    Blob,
}

impl Wire for EntryKind {
    fn write(&self, w: &mut Writer) {
        let code: u8 = match self {
            Self::Batch => 1,
            Self::BridgeRequest => 2,
            Self::Blob => 3,
        };
        w.put(&code);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match r.get::<u8>()? {
            1 => Ok(Self::Batch),
            2 => Ok(Self::BridgeRequest),
            3 => Ok(Self::Blob),
            _ => Err(DecodeError::Value { what: "kind of entry" }),
        }
    }
}

/// What the sender of an entry signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryStatement {
    /// The DA chain.
    pub chain: ChainId,
    /// What it is.
    pub kind: EntryKind,
    /// Whose it is.
    pub namespace: Fp,
    /// The commitment to the data.
    pub commitment: DataCommitment,
    /// The length of the data.
    pub length: u64,
}

impl Hashed for EntryStatement {
    const PREFIX: &'static str = "ZekoDaEntry";

    fn append(&self, input: &mut Input) {
        let kind = match self.kind {
            EntryKind::Batch => 1,
            EntryKind::BridgeRequest => 2,
            EntryKind::Blob => 3,
        };
        input
            .field(self.chain.field())
            .bits(kind, 8)
            .field(self.namespace)
            .field(self.commitment.field())
            .bits(self.length, 64);
    }
}

impl SignedStatement for EntryStatement {
    const DOMAIN: &'static str = "zeko-da-entry";
}

/// Why an envelope is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Not the bytes of one.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// More data than fit.
    #[error("data: expected at most {expected} bytes, got {got}")]
    TooLarge {
        /// The limit.
        expected: usize,
        /// The length.
        got: usize,
    },
    /// No data.
    #[error("an entry without data")]
    Empty,
    /// The sender did not sign it, or for another chain.
    #[error("the sender's signature: {0}")]
    Signature(#[from] SignatureError),
}

/// An entry with its sender's signature. The data are opaque to the consensus of the DA chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// What it is.
    pub kind: EntryKind,
    /// Whose it is: a chain id's field element for batches and bridge requests, anything for blobs.
    pub namespace: Fp,
    /// Who sends it, and whose quota it counts against.
    pub sender: PublicKey,
    /// The sender's signature of the [`EntryStatement`].
    pub signature: Signature,
    /// The data, at most [`MAX_DATA_BYTES`].
    pub data: Vec<u8>,
}

impl Envelope {
    /// Signs `data` for the DA chain `chain`.
    ///
    /// # Errors
    /// [`EntryError`] for data of a wrong length.
    pub fn sign(
        chain: ChainId,
        kind: EntryKind,
        namespace: Fp,
        data: Vec<u8>,
        key: &PrivateKey,
    ) -> Result<Self, EntryError> {
        let sender = key.to_public_key();
        let mut envelope = Self { kind, namespace, sender, signature: Signature::DUMMY, data };
        envelope.check_length()?;
        envelope.signature = envelope.statement(chain).sign(key)?;
        Ok(envelope)
    }

    /// The commitment to the data.
    pub fn commitment(&self) -> DataCommitment {
        DataCommitment::new(&self.data)
    }

    /// What the sender signs.
    pub fn statement(&self, chain: ChainId) -> EntryStatement {
        self.statement_about(chain, self.commitment())
    }

    /// [`Self::statement`], when the data have been hashed.
    fn statement_about(&self, chain: ChainId, commitment: DataCommitment) -> EntryStatement {
        let length = self.data.len() as u64;
        EntryStatement { chain, kind: self.kind, namespace: self.namespace, commitment, length }
    }

    fn check_length(&self) -> Result<(), EntryError> {
        match self.data.len() {
            0 => Err(EntryError::Empty),
            got if got > MAX_DATA_BYTES => {
                Err(EntryError::TooLarge { expected: MAX_DATA_BYTES, got })
            }
            _ => Ok(()),
        }
    }

    /// Checks everything that consensus asks of an entry by itself; the commitment to its data.
    ///
    /// # Errors
    /// [`EntryError`].
    pub fn verify(&self, chain: ChainId) -> Result<DataCommitment, EntryError> {
        self.check_length()?;
        let statement = self.statement(chain);
        statement.verify(&self.signature, &self.sender)?;
        Ok(statement.commitment)
    }

    /// [`Self::verify`] for many entries at once.
    ///
    /// # Errors
    /// The index of the first that is refused, and why.
    pub fn verify_many(
        entries: &[Self],
        chain: ChainId,
    ) -> Result<Vec<DataCommitment>, (usize, EntryError)> {
        let mut items = Vec::with_capacity(entries.len());
        let mut commitments = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            entry.check_length().map_err(|error| (index, error))?;
            let commitment = entry.commitment();
            let digest = entry.statement_about(chain, commitment).digest();
            items.push(BatchItem::fields(entry.signature, [digest].into(), entry.sender));
            commitments.push(commitment);
        }
        let Ok(domain) = EntryStatement::domain() else {
            return Err((0, SignatureError::Invalid.into()));
        };
        verify_batch(&items, &domain).map_err(|(index, error)| (index, error.into()))?;
        Ok(commitments)
    }
}

impl Wire for Envelope {
    fn write(&self, w: &mut Writer) {
        w.put(&ENTRY_VERSION).put(&self.kind).put(&self.namespace).put(&self.sender);
        w.put(&self.signature).string(&self.data);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        expect_version(r)?;
        Ok(Self {
            kind: r.get()?,
            namespace: r.get()?,
            sender: r.get()?,
            signature: r.get()?,
            data: r.string(MAX_DATA_BYTES, "data")?.to_vec(),
        })
    }
}

pub(crate) fn expect_version(r: &mut Reader<'_>) -> Result<(), DecodeError> {
    match r.get()? {
        ENTRY_VERSION => Ok(()),
        got => Err(DecodeError::Version { expected: ENTRY_VERSION, got }),
    }
}

/// The plaintext of a message from the L1: a hint, which every reader checks against its own view
/// of the L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BridgeRequest {
    /// The rollup account on the L1.
    pub rollup_account: PublicKey,
    /// The L1 transaction that made the deposit, as whoever sends this says: nothing depends on it.
    pub transaction: TransactionHash,
    /// The account's action state before it.
    pub before: Fp,
    /// What was deposited.
    pub deposit: DepositAction,
}

impl Wire for BridgeRequest {
    fn write(&self, w: &mut Writer) {
        w.put(&ENTRY_VERSION).put(&self.rollup_account).put(&self.transaction);
        w.put(&self.before).put(&self.deposit);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        expect_version(r)?;
        Ok(Self {
            rollup_account: r.get()?,
            transaction: r.get()?,
            before: r.get()?,
            deposit: r.get()?,
        })
    }
}
