//! The committee's word.

use alloc::vec::Vec;

use mina_ledger::{
    rollup::{
        Attestation, BlobStatement, ChainId, Committee, DataCommitment, Hashed, SignedStatement,
    },
    signature::SignatureError,
    types::{PublicKey, Signature},
};

use crate::codec::{DecodeError, Reader, Wire, Writer};

/// What a certificate is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // batches are the rule
pub enum CertificateStatement {
    /// A batch that has been stored and executed.
    Batch(Attestation),
    /// A blob that has been stored.
    Blob(BlobStatement),
}

impl CertificateStatement {
    /// The commitment to the data.
    pub fn commitment(&self) -> DataCommitment {
        match self {
            Self::Batch(attestation) => attestation.data,
            Self::Blob(blob) => blob.commitment,
        }
    }

    /// Signs it.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn sign(&self, key: &mina_ledger::types::PrivateKey) -> Result<Signature, SignatureError> {
        match self {
            Self::Batch(attestation) => attestation.sign(key),
            Self::Blob(blob) => blob.sign(key),
        }
    }

    /// Verifies one signature.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(&self, signature: &Signature, key: &PublicKey) -> Result<(), SignatureError> {
        match self {
            Self::Batch(attestation) => attestation.verify(signature, key),
            Self::Blob(blob) => blob.verify(signature, key),
        }
    }

    /// The hash that is signed.
    pub fn digest(&self) -> mina_curves::Fp {
        match self {
            Self::Batch(attestation) => attestation.digest(),
            Self::Blob(blob) => blob.digest(),
        }
    }
}

/// What the reader of a certificate of a batch knows by itself: a certificate of anything else is a
/// replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // named as in `Attestation`
pub struct Expectation {
    pub protocol_version: u32,
    pub l1_network: ChainId,
    pub rollup_account: PublicKey,
    pub chain: ChainId,
    pub committee_epoch: u32,
    pub generation: u32,
}

/// Why a certificate is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// It is of another protocol version.
    #[error("protocol version: expected {expected}, got {got}")]
    ProtocolVersion {
        /// The reader's.
        expected: u32,
        /// The certificate's.
        got: u32,
    },
    /// It is of another network, rollup or chain.
    #[error("the certificate is of another {what}")]
    Other {
        /// Of what.
        what: &'static str,
    },
    /// It is of another committee.
    #[error("committee epoch: expected {expected}, got {got}")]
    Epoch {
        /// The reader's.
        expected: u32,
        /// The certificate's.
        got: u32,
    },
    /// It is of a chain that has been rebuilt since, or not yet.
    #[error("generation: expected {expected}, got {got}")]
    Generation {
        /// The reader's.
        expected: u32,
        /// The certificate's.
        got: u32,
    },
    /// A signature by a key that is not in the committee.
    #[error("{} is not in the committee", key.to_base58())]
    UnknownSigner {
        /// The key.
        key: PublicKey,
    },
    /// Two signatures by one key.
    #[error("{} signs twice", key.to_base58())]
    DuplicateSigner {
        /// The key.
        key: PublicKey,
    },
    /// A signature that does not verify.
    #[error("signature by {}: {error}", key.to_base58())]
    Signature {
        /// The key.
        key: PublicKey,
        /// Why.
        error: SignatureError,
    },
    /// Not more than two thirds.
    #[error("power: expected more than two thirds of {expected}, got {got}")]
    Power {
        /// The power of the committee.
        expected: u64,
        /// What has signed.
        got: u64,
    },
}

/// Attestations of one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// What is attested.
    pub statement: CertificateStatement,
    /// Who attests it, each once.
    pub signatures: Vec<(PublicKey, Signature)>,
}

impl Certificate {
    /// Verifies a certificate of a batch.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn verify_batch(
        &self,
        expected: &Expectation,
        committee: &Committee,
    ) -> Result<&Attestation, CertificateError> {
        let CertificateStatement::Batch(attestation) = &self.statement else {
            return Err(CertificateError::Other { what: "kind" });
        };
        check_expected(attestation, expected)?;
        self.verify_signatures(committee)?;
        Ok(attestation)
    }

    /// Verifies a certificate of a blob on the DA chain `chain`.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn verify_blob(
        &self,
        chain: ChainId,
        committee: &Committee,
    ) -> Result<&BlobStatement, CertificateError> {
        match &self.statement {
            CertificateStatement::Blob(blob) if blob.chain == chain => {
                self.verify_signatures(committee)?;
                Ok(blob)
            }
            CertificateStatement::Blob(_) => Err(CertificateError::Other { what: "DA chain" }),
            CertificateStatement::Batch(_) => Err(CertificateError::Other { what: "kind" }),
        }
    }

    /// Verifies that more than two thirds of the committee's power have signed the statement,
    /// whatever it says.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn verify_signatures(&self, committee: &Committee) -> Result<(), CertificateError> {
        let mut power = 0;
        for (index, (key, signature)) in self.signatures.iter().enumerate() {
            let member = committee.members().iter().find(|member| member.key == *key);
            let member = member.ok_or(CertificateError::UnknownSigner { key: *key })?;
            if self.signatures.iter().take(index).any(|(other, _)| other == key) {
                return Err(CertificateError::DuplicateSigner { key: *key });
            }
            self.statement
                .verify(signature, key)
                .map_err(|error| CertificateError::Signature { key: *key, error })?;
            power += u64::from(member.power);
        }
        let expected = committee.total_power();
        // At most 16 powers of 32 bits: nothing overflows.
        if 3 * power > 2 * expected {
            Ok(())
        } else {
            Err(CertificateError::Power { expected, got: power })
        }
    }
}

fn check_expected(got: &Attestation, expected: &Expectation) -> Result<(), CertificateError> {
    if got.protocol_version != expected.protocol_version {
        let (expected, got) = (expected.protocol_version, got.protocol_version);
        return Err(CertificateError::ProtocolVersion { expected, got });
    }
    let same = [
        ("L1 network", got.l1_network == expected.l1_network),
        ("rollup account", got.rollup_account == expected.rollup_account),
        ("chain", got.chain == expected.chain),
    ];
    if let Some((what, _)) = same.into_iter().find(|(_, same)| !same) {
        return Err(CertificateError::Other { what });
    }
    if got.committee_epoch != expected.committee_epoch {
        let (expected, got) = (expected.committee_epoch, got.committee_epoch);
        return Err(CertificateError::Epoch { expected, got });
    }
    if got.generation != expected.generation {
        let (expected, got) = (expected.generation, got.generation);
        return Err(CertificateError::Generation { expected, got });
    }
    Ok(())
}

impl Wire for Attestation {
    fn write(&self, w: &mut Writer) {
        w.put(&self.protocol_version).put(&self.l1_network).put(&self.rollup_account);
        w.put(&self.chain).put(&self.committee_epoch).put(&self.generation).put(&self.batch);
        w.put(&self.source_ledger).put(&self.target_ledger);
        w.put(&self.inbox_before).put(&self.inbox_after);
        w.put(&self.outbox_before).put(&self.outbox_after);
        w.put(&self.first_height).put(&self.first_block);
        w.put(&self.last_height).put(&self.last_block);
        w.put(&self.first_slot).put(&self.last_slot).put(&self.fee_recipient);
        w.put(&self.previous_data).put(&self.data).put(&self.byte_length);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            protocol_version: r.get()?,
            l1_network: r.get()?,
            rollup_account: r.get()?,
            chain: r.get()?,
            committee_epoch: r.get()?,
            generation: r.get()?,
            batch: r.get()?,
            source_ledger: r.get()?,
            target_ledger: r.get()?,
            inbox_before: r.get()?,
            inbox_after: r.get()?,
            outbox_before: r.get()?,
            outbox_after: r.get()?,
            first_height: r.get()?,
            first_block: r.get()?,
            last_height: r.get()?,
            last_block: r.get()?,
            first_slot: r.get()?,
            last_slot: r.get()?,
            fee_recipient: r.get()?,
            previous_data: r.get()?,
            data: r.get()?,
            byte_length: r.get()?,
        })
    }
}

impl Wire for BlobStatement {
    fn write(&self, w: &mut Writer) {
        w.put(&self.chain).put(&self.namespace).put(&self.commitment).put(&self.length);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (chain, namespace) = (r.get()?, r.get()?);
        Ok(Self { chain, namespace, commitment: r.get()?, length: r.get()? })
    }
}

impl Wire for CertificateStatement {
    fn write(&self, w: &mut Writer) {
        match self {
            Self::Batch(attestation) => w.put(&1u8).put(attestation),
            Self::Blob(blob) => w.put(&2u8).put(blob),
        };
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match r.get::<u8>()? {
            1 => r.get().map(Self::Batch),
            2 => r.get().map(Self::Blob),
            _ => Err(DecodeError::Value { what: "statement" }),
        }
    }
}

impl Wire for (PublicKey, Signature) {
    fn write(&self, w: &mut Writer) {
        w.put(&self.0).put(&self.1);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok((r.get()?, r.get()?))
    }
}

impl Wire for Certificate {
    fn write(&self, w: &mut Writer) {
        w.put(&crate::ENTRY_VERSION).put(&self.statement).list(&self.signatures);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        crate::entry::expect_version(r)?;
        let statement = r.get()?;
        Ok(Self { statement, signatures: r.list(Committee::MAX_MEMBERS, "signatures")? })
    }
}
