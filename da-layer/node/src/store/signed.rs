//! What validators sign, and what they make of entries: statements, attestations, refusals, evidence.

use mina_ledger::{
    rollup::DataCommitment,
    types::{PublicKey, Signature},
};
use zeko_derive::{CertificateStatement, Wire, Writer};

use super::{Result, Store, chunk_hash, height_of, place_key};
use crate::{block::SignedAttestation, context::Height, error::DaError};

fn attestation_key(commitment: &DataCommitment, epoch: u32, key: &PublicKey) -> Vec<u8> {
    let mut w = Writer::new();
    w.put(commitment).put(&epoch).put(key);
    w.into_bytes()
}

impl Store {
    /// Keeps what validators sign of some data.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn put_statement(&self, statement: &CertificateStatement) -> Result<()> {
        self.statements.insert(statement.commitment().to_bytes(), statement.to_bytes())?;
        Ok(())
    }

    /// What validators sign of some data.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn statement(
        &self,
        commitment: &DataCommitment,
    ) -> Result<Option<CertificateStatement>> {
        let Some(bytes) = self.statements.get(commitment.to_bytes())? else { return Ok(None) };
        let statement = CertificateStatement::from_bytes(&bytes);
        statement.map(Some).map_err(|error| DaError::damaged("statement", error))
    }

    /// Keeps an attestation that has been verified; whether it is new.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn put_attestation(&self, attestation: &SignedAttestation) -> Result<bool> {
        let SignedAttestation { commitment, epoch, key, signature } = attestation;
        let at = attestation_key(commitment, *epoch, key);
        Ok(self.attestations.insert(at, signature.to_bytes())?.is_none())
    }

    /// Whether an attestation is kept.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn has_attestation(&self, attestation: &SignedAttestation) -> Result<bool> {
        let SignedAttestation { commitment, epoch, key, .. } = attestation;
        Ok(self.attestations.contains_key(attestation_key(commitment, *epoch, key))?)
    }

    /// Notes that a block carries an attestation.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn put_recorded(&self, attestation: &SignedAttestation, at: Height) -> Result<()> {
        let SignedAttestation { commitment, epoch, key, .. } = attestation;
        let key = attestation_key(commitment, *epoch, key);
        self.recorded.insert(key, &at.0.to_be_bytes())?;
        Ok(())
    }

    /// Whether a block carries an attestation.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn is_recorded(&self, attestation: &SignedAttestation) -> Result<bool> {
        let SignedAttestation { commitment, epoch, key, .. } = attestation;
        Ok(self.recorded.contains_key(attestation_key(commitment, *epoch, key))?)
    }

    /// The attestations of some data by the committee of an epoch.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn attestations(
        &self,
        commitment: &DataCommitment,
        epoch: u32,
    ) -> Result<Vec<(PublicKey, Signature)>> {
        let mut prefix = Writer::new();
        prefix.put(commitment).put(&epoch);
        let mut attestations = Vec::new();
        for item in self.attestations.scan_prefix(prefix.into_bytes()) {
            let (key, signature) = item?;
            let error = |error| DaError::damaged("attestation", error);
            let key = PublicKey::from_bytes(key.get(36..).unwrap_or_default()).map_err(error)?;
            attestations.push((key, Signature::from_bytes(&signature).map_err(error)?));
        }
        Ok(attestations)
    }

    /// Attestations that no block carries yet.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn unrecorded(&self) -> Result<Vec<SignedAttestation>> {
        let mut found = Vec::new();
        for item in self.attestations.iter() {
            let (key, signature) = item?;
            if self.recorded.contains_key(&key)? {
                continue;
            }
            let bytes = [&key[..], &signature].concat();
            let attestation = SignedAttestation::from_bytes(&bytes);
            found.push(attestation.map_err(|error| DaError::damaged("attestation", error))?);
        }
        Ok(found)
    }

    /// Keeps why a batch was refused.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn put_refusal(
        &self,
        commitment: &DataCommitment,
        (height, index): (Height, u32),
        reason: &str,
    ) -> Result<()> {
        self.refusals.insert(place_key(commitment, height, index), reason)?;
        Ok(())
    }

    /// Why the batch at a place was refused, if it was.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn refusal(
        &self,
        commitment: &DataCommitment,
        (height, index): (Height, u32),
    ) -> Result<Option<String>> {
        let reason = self.refusals.get(place_key(commitment, height, index))?;
        Ok(reason.map(|reason| String::from_utf8_lossy(&reason).into_owned()))
    }

    /// Keeps what a batch waits for, or that it waits no longer.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn put_waiting(
        &self,
        commitment: &DataCommitment,
        reason: Option<&str>,
    ) -> Result<()> {
        match reason {
            Some(reason) => self.waiting.insert(commitment.to_bytes(), reason)?,
            None => self.waiting.remove(commitment.to_bytes())?,
        };
        Ok(())
    }

    /// What a batch waits for, if it waits.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn waiting(&self, commitment: &DataCommitment) -> Result<Option<String>> {
        let reason = self.waiting.get(commitment.to_bytes())?;
        Ok(reason.map(|reason| String::from_utf8_lossy(&reason).into_owned()))
    }

    /// Up to which height the attestor has looked at blocks.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn attested(&self) -> Result<Height> {
        Ok(self.progress.get("attested")?.map_or(Height(0), |height| height_of(&height)))
    }

    /// Keeps up to which height the attestor has looked at blocks.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn put_attested(&self, height: Height) -> Result<()> {
        self.progress.insert("attested", &height.0.to_be_bytes())?;
        Ok(())
    }

    /// Keeps which batch of a place a validator has attested first; that batch, if it is known.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn put_attested_by(
        &self,
        place: &[u8],
        key: &PublicKey,
        commitment: &DataCommitment,
    ) -> Result<Option<DataCommitment>> {
        let at = [place, &key.to_bytes()].concat();
        if let Some(earlier) = self.attested.get(&at)? {
            let earlier = DataCommitment::from_bytes(&earlier);
            return earlier.map(Some).map_err(|error| DaError::damaged("attested", error));
        }
        self.attested.insert(at, commitment.to_bytes())?;
        Ok(None)
    }

    /// Keeps evidence, once.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn put_evidence(&self, evidence: &[u8]) -> Result<bool> {
        let new = self.evidence.insert(chunk_hash(evidence), evidence)?.is_none();
        self.database.flush()?;
        Ok(new)
    }

    /// All evidence.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) fn evidence(&self) -> Result<Vec<Vec<u8>>> {
        self.evidence.iter().values().map(|value| Ok(value?.to_vec())).collect()
    }
}
