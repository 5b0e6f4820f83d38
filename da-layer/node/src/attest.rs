//! Attestations: making ours, checking and counting those of others. All of it happens on a thread
//! of its own, off the path of consensus.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, mpsc},
};

use mina_ledger::rollup::SignedStatement;
use mina_ledger::{
    rollup::{Attestation, BlobStatement, ChainId, Committee},
    signature::{BatchItem, verify_batch},
    types::{Era, PublicKey},
};
use zeko_derive::{Batch, Certificate, CertificateStatement, EntryKind, Wire};

use crate::{
    block::{SignedAttestation, power_of},
    context::Height,
    crash,
    error::DaError,
    events::{DaEvent, Events},
    evidence::{AttestationEvidence, attested_place},
    keys::ValidatorKeys,
    metrics::Metrics,
    store::{ReadError, Store},
};

/// What the thread is asked to do.
#[derive(Debug)]
pub(crate) enum AttestJob {
    /// A block was decided and stored.
    Decided,
    /// Attestations came with votes.
    Received(Vec<SignedAttestation>),
    /// A batch was executed, and is what it claims to be.
    Executed(Box<Attestation>),
}

type Key = (Vec<u8>, Vec<u8>);

fn key_of(attestation: &SignedAttestation) -> Key {
    (attestation.commitment.to_bytes(), attestation.key.to_bytes())
}

/// Attestations that no block carries yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending(Arc<Mutex<BTreeMap<Key, (SignedAttestation, bool)>>>);

impl Pending {
    fn with<T>(&self, f: impl FnOnce(&mut BTreeMap<Key, (SignedAttestation, bool)>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether there are any.
    pub(crate) fn is_empty(&self) -> bool {
        self.with(|pending| pending.is_empty())
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.with(|pending| pending.len())
    }

    /// Ours, for a vote extension.
    pub(crate) fn own(&self, max: usize) -> Vec<SignedAttestation> {
        self.with(|pending| {
            let own = pending.values().filter(|(_, own)| *own);
            own.map(|(attestation, _)| *attestation).take(max).collect()
        })
    }

    /// All, for a block.
    pub(crate) fn all(&self, max: usize) -> Vec<SignedAttestation> {
        self.with(|pending| {
            pending.values().map(|(attestation, _)| *attestation).take(max).collect()
        })
    }

    fn add(&self, attestation: SignedAttestation, own: bool) {
        self.with(|pending| pending.insert(key_of(&attestation), (attestation, own)));
    }

    fn remove(&self, attestation: &SignedAttestation) {
        self.with(|pending| pending.remove(&key_of(attestation)));
    }
}

/// Why a statement is not signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignOnceError {
    /// Another statement was signed under the same number, generation and epoch.
    #[error("another statement was signed for batch {batch} of generation {generation}")]
    Conflict { batch: u64, generation: u32 },
    #[error(transparent)]
    Da(#[from] DaError),
    #[error("signing: {0}")]
    Signature(#[from] mina_ledger::signature::SignatureError),
}

/// The thread's state.
pub(crate) struct Attestor {
    pub(crate) store: Store,
    pub(crate) chain: ChainId,
    pub(crate) epoch: u32,
    pub(crate) committee: Committee,
    /// `None` on a node that does not validate.
    pub(crate) keys: Option<ValidatorKeys>,
    pub(crate) pending: Pending,
    pub(crate) events: Events,
    pub(crate) metrics: Metrics,
    /// Told whenever something may have become possible.
    pub(crate) wake: Arc<dyn Fn() + Send + Sync>,
}

impl Attestor {
    /// Takes up what a stop interrupted, then works until the channel closes.
    ///
    /// # Errors
    /// [`DaError`]: the node has to stop.
    pub(crate) fn run(mut self, jobs: &mpsc::Receiver<AttestJob>) -> Result<(), DaError> {
        self.recover()?;
        while let Ok(job) = jobs.recv() {
            match job {
                AttestJob::Decided => self.catch_up()?,
                AttestJob::Received(attestations) => self.received(&attestations)?,
                AttestJob::Executed(attestation) => self.executed(*attestation)?,
            }
            (self.wake)();
        }
        Ok(())
    }

    fn own(&self) -> Option<PublicKey> {
        let key = self.keys.as_ref()?.public();
        (power_of(&self.committee, &key) > 0).then_some(key)
    }

    /// Attestations that were made but not recorded, and blocks that were not looked at.
    fn recover(&mut self) -> Result<(), DaError> {
        let own = self.own();
        for attestation in self.store.unrecorded()? {
            if attestation.epoch == self.epoch {
                self.pending.add(attestation, Some(attestation.key) == own);
            }
        }
        self.catch_up()?;
        (self.wake)();
        Ok(())
    }

    /// Looks at every block that has been decided and not looked at: after a crash, those that this
    /// thread had not come to.
    fn catch_up(&mut self) -> Result<(), DaError> {
        let mut seen = self.store.attested()?;
        while seen < self.store.tip()? {
            seen = Height(seen.0.max(self.store.base()?.0.saturating_sub(1)) + 1);
            self.decided(seen)?;
            self.store.put_attested(seen)?;
        }
        Ok(())
    }

    /// A block: what is to be signed of its entries, and the attestations that it carries.
    fn decided(&mut self, height: Height) -> Result<(), DaError> {
        let Some(stored) = self.store.stored(height)? else { return Ok(()) };
        self.received(&stored.attestations)?;
        for attestation in &stored.attestations {
            if self.store.has_attestation(attestation)? {
                self.store.put_recorded(attestation, height)?;
                self.pending.remove(attestation);
            }
        }
        for (meta, index) in stored.entries.iter().zip(0u32..) {
            let statement = match meta.kind {
                EntryKind::Blob => Some(CertificateStatement::Blob(BlobStatement {
                    chain: self.chain,
                    namespace: meta.namespace,
                    commitment: meta.commitment,
                    length: meta.length,
                })),
                EntryKind::Batch => self.batch_statement(height, index)?,
                EntryKind::BridgeRequest => None,
            };
            let Some(statement) = statement else { continue };
            if self.store.statement(&meta.commitment)?.is_none() {
                self.store.put_statement(&statement)?;
            }
            if meta.kind == EntryKind::Blob {
                self.sign_blob(&statement)?;
            }
        }
        Ok(())
    }

    /// What a batch says of itself; `None` if it cannot be read, so that nobody attests it.
    fn batch_statement(
        &self,
        height: Height,
        index: u32,
    ) -> Result<Option<CertificateStatement>, DaError> {
        let entry = match self.store.entry(height, index) {
            Ok(Some(entry)) => entry,
            Ok(None) | Err(ReadError::Chunk { .. }) => return Ok(None),
            Err(ReadError::Da(error)) => return Err(error),
        };
        let length = entry.data.len() as u64;
        Ok(Batch::decode(&entry.data, Era::Berkeley).ok().map(|batch| {
            CertificateStatement::Batch(batch.attestation(entry.commitment(), length, self.epoch))
        }))
    }

    fn sign_blob(&mut self, statement: &CertificateStatement) -> Result<(), DaError> {
        let (Some(key), Some(keys)) = (self.own(), &self.keys) else { return Ok(()) };
        let commitment = statement.commitment();
        // There is one statement about a blob only, so signing it twice does no harm.
        let Ok(signature) = statement.sign(keys.attest()) else { return Ok(()) };
        self.add_own(SignedAttestation { commitment, epoch: self.epoch, key, signature })
    }

    fn executed(&mut self, attestation: Attestation) -> Result<(), DaError> {
        let attestation = Attestation { committee_epoch: self.epoch, ..attestation };
        let statement = CertificateStatement::Batch(attestation);
        self.store.put_statement(&statement)?;
        let (Some(key), Some(keys)) = (self.own(), self.keys.clone()) else { return Ok(()) };
        let signature = match sign_once(&self.store, &attestation, &keys) {
            Ok(signature) => signature,
            Err(SignOnceError::Da(error)) => return Err(error),
            Err(error) => {
                tracing::error!(%error, "not attested");
                return Ok(());
            }
        };
        let commitment = statement.commitment();
        self.add_own(SignedAttestation { commitment, epoch: self.epoch, key, signature })
    }

    fn add_own(&mut self, attestation: SignedAttestation) -> Result<(), DaError> {
        if self.store.is_recorded(&attestation)? {
            return Ok(());
        }
        self.store.put_attestation(&attestation)?;
        self.pending.add(attestation, true);
        self.certified(&attestation)
    }

    /// Keeps those attestations that verify.
    fn received(&mut self, attestations: &[SignedAttestation]) -> Result<(), DaError> {
        let mut new = Vec::new();
        for attestation in attestations {
            let known = attestation.epoch == self.epoch
                && power_of(&self.committee, &attestation.key) > 0
                && !self.store.has_attestation(attestation)?;
            if !known {
                continue;
            }
            if let Some(statement) = self.store.statement(&attestation.commitment)? {
                new.push((*attestation, statement));
            }
        }
        for attestation in verified(&new) {
            self.look_for_another(&attestation)?;
            if self.store.put_attestation(&attestation)? {
                self.pending.add(attestation, false);
                self.certified(&attestation)?;
            }
        }
        Ok(())
    }

    /// Keeps evidence if the validator has attested another batch with the same number.
    fn look_for_another(&self, new: &SignedAttestation) -> Result<(), DaError> {
        let statement = self.store.statement(&new.commitment)?;
        let Some(statement @ CertificateStatement::Batch(attestation)) = statement else {
            return Ok(());
        };
        let earlier =
            self.store.put_attested_by(&attested_place(&attestation), &new.key, &new.commitment)?;
        let Some(earlier) = earlier.filter(|earlier| *earlier != new.commitment) else {
            return Ok(());
        };
        let signatures = self.store.attestations(&earlier, new.epoch)?;
        let signature = signatures.iter().find(|(key, _)| *key == new.key).map(|(_, s)| *s);
        let (Some(signature), Some(other)) = (signature, self.store.statement(&earlier)?) else {
            return Ok(());
        };
        let signed = [(other, signature), (statement, new.signature)];
        let evidence = AttestationEvidence { key: new.key, signed };
        if self.store.put_evidence(&evidence.encode())? {
            tracing::warn!(validator = new.key.to_base58(), "two batches with one number attested");
            self.metrics.evidence.inc();
        }
        Ok(())
    }

    /// Tells of a certificate that this attestation completes.
    fn certified(&self, last: &SignedAttestation) -> Result<(), DaError> {
        let signatures = self.store.attestations(&last.commitment, self.epoch)?;
        let power: u64 = signatures.iter().map(|(key, _)| power_of(&self.committee, key)).sum();
        let total = self.committee.total_power();
        let before = power - power_of(&self.committee, &last.key);
        if 3 * power > 2 * total && 3 * before <= 2 * total {
            self.events.send(DaEvent::Certified { commitment: last.commitment });
        }
        Ok(())
    }
}

/// The attestations that verify: all at once, or one by one if one does not.
fn verified(candidates: &[(SignedAttestation, CertificateStatement)]) -> Vec<SignedAttestation> {
    let domains = [Attestation::domain(), BlobStatement::domain()];
    let is_batch = |s: &CertificateStatement| matches!(s, CertificateStatement::Batch(_));
    let mut verified = Vec::new();
    for (domain, batches) in domains.into_iter().zip([true, false]) {
        let Ok(domain) = domain else { continue };
        let some: Vec<_> = candidates.iter().filter(|(_, s)| is_batch(s) == batches).collect();
        let item = |(a, s): &&(SignedAttestation, CertificateStatement)| {
            BatchItem::fields(a.signature, [s.digest()].into(), a.key)
        };
        let items: Vec<_> = some.iter().map(item).collect();
        if verify_batch(&items, &domain).is_ok() {
            verified.extend(some.iter().map(|(attestation, _)| *attestation));
        } else {
            let each = some.iter().filter(|(a, s)| s.verify(&a.signature, &a.key).is_ok());
            verified.extend(each.map(|(attestation, _)| *attestation));
        }
    }
    verified
}

/// Signs the statement about a batch, unless another one was signed for the same rollup, epoch,
/// generation and number. The record is on disk before the signature leaves this function.
pub(crate) fn sign_once(
    store: &Store,
    attestation: &Attestation,
    keys: &ValidatorKeys,
) -> Result<mina_ledger::types::Signature, SignOnceError> {
    let statement = CertificateStatement::Batch(*attestation);
    let place = attested_place(attestation);
    let digest = statement.digest().to_bytes();
    let damaged = |error| DaError::damaged("record of signatures", error);
    if let Some(record) = store.signed.get(&place).map_err(DaError::from)? {
        let (signed, signature) = record.split_at_checked(32).unwrap_or_default();
        if signed != digest {
            let Attestation { batch, generation, .. } = *attestation;
            return Err(SignOnceError::Conflict { batch, generation });
        }
        return Ok(Wire::from_bytes(signature).map_err(damaged)?);
    }
    crash::point("attest.before_record");
    let signature = statement.sign(keys.attest())?;
    let record = [digest, signature.to_bytes()].concat();
    store.signed.insert(place, record).map_err(DaError::from)?;
    store.flush()?;
    crash::point("attest.recorded");
    Ok(signature)
}

/// The certificate of some data, if there is one.
pub(crate) fn certificate(
    store: &Store,
    committee: &Committee,
    epoch: u32,
    commitment: &mina_ledger::rollup::DataCommitment,
) -> Result<Option<Certificate>, DaError> {
    let Some(statement) = store.statement(commitment)? else { return Ok(None) };
    let signatures = store.attestations(commitment, epoch)?;
    let certificate = Certificate { statement, signatures };
    Ok(certificate.verify_signatures(committee).is_ok().then_some(certificate))
}

#[cfg(test)]
mod tests;
