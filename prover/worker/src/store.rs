//! Proofs on disk, by what they prove.
//!
//! Nothing else is kept: which proofs a batch needs follows from the batch, every time in the same way.
//! An entry is
//!
//! | bytes | |
//! |---|---|
//! | 1 | version of the format |
//! | 1 | rule |
//! | 8 | when it was written, in seconds since 1970, little-endian |
//! | 32 | Blake2b-256 of program, statement and everything else |
//! | rest | the proof, as [`pickles::encode_proof`] has it |
//!
//! under a letter, the program's key and the statement, 32 bytes each; `b` is for batches, `p` for parts of
//! them. Under `t`, the program's key and a rule is how long proofs of that rule take.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use blake2::{Blake2b, Digest, digest::consts::U32};
use mina_curves::Fp;
use pickles::{ProofsVerified, ProvedStatement, decode_proof, encode_proof};

use crate::{
    crash,
    plan::{Rule, StatementHash},
};

/// The version of the format.
const VERSION: u8 = 1;

/// Where the proof begins.
const HEADER: usize = 1 + 1 + 8 + 32;

/// Why the store does not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database, in most cases the disk below it.
    #[error("store of proofs: {0}")]
    Database(#[from] sled::Error),
}

/// What is found under a statement.
#[derive(Debug)]
pub(crate) enum Found {
    /// A proof, which has not been verified.
    Proof(Box<ProvedStatement>),
    /// Nothing.
    Nothing,
    /// Something that is not what was written.
    Damaged,
}

/// The proofs of one program.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    db: sled::Db,
    program: [u8; 32],
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl Store {
    pub(crate) fn open(dir: &Path, program: Fp) -> Result<Self, StoreError> {
        // Proofs are flushed one by one; the rest can wait.
        let config = sled::Config::new().path(dir).cache_capacity(16 << 20);
        let db = zeko_sled::open(&config.flush_every_ms(Some(1000)))?;
        Ok(Self { db, program: StatementHash(program).to_bytes() })
    }

    fn key(&self, kind: u8, rest: &[u8]) -> Vec<u8> {
        [&[kind], self.program.as_slice(), rest].concat()
    }

    fn proof_key(&self, statement: StatementHash, rule: Rule) -> Vec<u8> {
        let kind = if rule == Rule::Close { b'b' } else { b'p' };
        self.key(kind, &statement.to_bytes())
    }

    fn checksum(&self, statement: StatementHash, start: &[u8], proof: &[u8]) -> [u8; 32] {
        let mut hash = Blake2b::<U32>::new();
        hash.update(self.program);
        hash.update(statement.to_bytes());
        hash.update(start);
        hash.update(proof);
        hash.finalize().into()
    }

    /// Writes a proof; when this returns, it survives whatever happens to the process or the machine.
    pub(crate) fn put(
        &self,
        statement: StatementHash,
        rule: Rule,
        proof: &ProvedStatement,
    ) -> Result<(), StoreError> {
        let text = encode_proof(&proof.proof);
        let mut entry = vec![VERSION, rule as u8];
        entry.extend(now().to_le_bytes());
        let checksum = self.checksum(statement, &entry, text.as_bytes());
        entry.extend(checksum);
        entry.extend(text.as_bytes());
        self.db.insert(self.proof_key(statement, rule), entry)?;
        crash::point("proof/written");
        self.db.flush()?;
        crash::point("proof/synced");
        Ok(())
    }

    pub(crate) fn get(&self, statement: StatementHash, rule: Rule) -> Result<Found, StoreError> {
        let Some(entry) = self.db.get(self.proof_key(statement, rule))? else {
            return Ok(Found::Nothing);
        };
        let proof = self.decode(statement, rule, &entry);
        Ok(proof.map_or(Found::Damaged, |proof| Found::Proof(Box::new(proof))))
    }

    fn decode(
        &self,
        statement: StatementHash,
        rule: Rule,
        entry: &[u8],
    ) -> Option<ProvedStatement> {
        let (header, text) = entry.split_at_checked(HEADER)?;
        let (start, checksum) = header.split_at_checked(HEADER - 32)?;
        let is_known = start.starts_with(&[VERSION, rule as u8]);
        if !is_known || self.checksum(statement, start, text) != checksum {
            return None;
        }
        let proof = decode_proof(std::str::from_utf8(text).ok()?, ProofsVerified::N2).ok()?;
        Some(ProvedStatement { app_state: vec![statement.0], proof, key: None })
    }

    /// Removes proofs, some time soon for the disk.
    pub(crate) fn remove(
        &self,
        proofs: impl IntoIterator<Item = (StatementHash, Rule)>,
    ) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for (statement, rule) in proofs {
            batch.remove(self.proof_key(statement, rule));
        }
        Ok(self.db.apply_batch(batch)?)
    }

    /// Removes proofs of parts of batches that are older than `seconds`, and entries that are no such
    /// thing, unless they are wanted; how many.
    pub(crate) fn remove_unused(
        &self,
        seconds: u64,
        is_wanted: impl Fn(StatementHash) -> bool,
    ) -> Result<usize, StoreError> {
        let oldest = now().saturating_sub(seconds);
        let prefix = self.key(b'p', &[]);
        let mut batch = sled::Batch::default();
        let mut count = 0;
        for entry in self.db.scan_prefix(&prefix) {
            let (key, value) = entry?;
            let unused = match value.get(..10) {
                Some([_, _, time @ ..]) => time.try_into().map_or(0, u64::from_le_bytes) < oldest,
                _ => true,
            };
            let statement = key.get(prefix.len()..).and_then(StatementHash::from_bytes);
            if unused && !statement.is_some_and(&is_wanted) {
                batch.remove(key);
                count += 1;
            }
        }
        self.db.apply_batch(batch)?;
        Ok(count)
    }

    /// Seconds that a proof of a rule takes, as far as is known.
    pub(crate) fn seconds(&self, rule: Rule) -> Result<Option<f64>, StoreError> {
        let bytes = self.db.get(self.key(b't', &[rule as u8]))?;
        let seconds =
            bytes.and_then(|bytes| Some(f64::from_le_bytes(bytes.as_ref().try_into().ok()?)));
        Ok(seconds.filter(|seconds| seconds.is_finite() && *seconds >= 0.0))
    }

    pub(crate) fn put_seconds(&self, rule: Rule, seconds: f64) -> Result<(), StoreError> {
        self.db.insert(self.key(b't', &[rule as u8]), &seconds.to_le_bytes())?;
        Ok(())
    }

    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        self.db.flush()?;
        Ok(())
    }
}
