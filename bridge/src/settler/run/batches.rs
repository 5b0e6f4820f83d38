//! The batches that were handed in.

use mina_ledger::{
    hash::constants::EMPTY_ACTION_STATE,
    rollup::{Committee, Hashed, SignedStatement},
};
use pickles::ProvedStatement;

use super::super::{CertifiedBatch, HandInError, decide::Owed};

/// A batch, and its proof when there is one.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) batch: CertifiedBatch,
    pub(super) proof: Option<ProvedStatement>,
    /// Entries of the outbox before its own.
    owed_before: usize,
}

impl Known {
    pub(super) fn number(&self) -> u64 {
        self.batch.attestation.batch
    }
}

/// All batches from the first one on, and what they have appended to the outbox.
#[derive(Debug)]
pub(super) struct Batches {
    committee: Committee,
    known: Vec<Known>,
    owed: Vec<Owed>,
}

impl Batches {
    pub(super) fn new(committee: Committee) -> Self {
        Self { committee, known: Vec::new(), owed: Vec::new() }
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.known.len() as u64
    }

    pub(super) fn get(&self, number: u64) -> Option<&Known> {
        self.known.get(usize::try_from(number).ok()?)
    }

    /// Those from a number on.
    pub(super) fn from(&self, first: u64) -> &[Known] {
        let first = usize::try_from(first).unwrap_or(usize::MAX);
        self.known.get(first..).unwrap_or_default()
    }

    /// The outbox.
    pub(super) fn owed(&self) -> &[Owed] {
        &self.owed
    }

    /// Takes a batch.
    pub(super) fn certified(&mut self, batch: CertifiedBatch) -> Result<(), HandInError> {
        let (expected, got) = (self.len(), batch.attestation.batch);
        if got > expected {
            return Err(HandInError::Order { expected, got });
        }
        if let Some(known) = self.get(got) {
            if known.batch.attestation == batch.attestation {
                return Ok(());
            }
            let (expected, got) =
                (known.batch.attestation.generation, batch.attestation.generation);
            if got <= expected {
                let batch = known.number();
                return Err(HandInError::Generation { batch, expected, got });
            }
        }
        let owed = self.check(&batch)?;
        // What stood on the batch that is replaced falls with it.
        let index = usize::try_from(got).unwrap_or(usize::MAX);
        if let Some(replaced) = self.known.get(index) {
            self.owed.truncate(replaced.owed_before);
            self.known.truncate(index);
        }
        let owed_before = self.owed.len();
        self.owed.extend(owed);
        self.known.push(Known { batch, proof: None, owed_before });
        Ok(())
    }

    /// Whether what is said of a batch fits together; its entries of the outbox.
    fn check(&self, given: &CertifiedBatch) -> Result<Vec<Owed>, HandInError> {
        let CertifiedBatch { attestation, signatures, statement, outbox } = given;
        let batch = attestation.batch;
        let before = batch.checked_sub(1).and_then(|before| self.get(before));
        let follows = match before {
            Some(known) => {
                let last = &known.batch.statement.target;
                (last.root, last.inbox, last.outbox)
                    == (statement.source.root, statement.source.inbox, statement.source.outbox)
            }
            None => statement.source.outbox == EMPTY_ACTION_STATE,
        };
        let mut after = statement.source.outbox;
        let owed: Vec<Owed> = outbox
            .iter()
            .map(|entry| {
                after = entry.append_to(after);
                Owed { entry: *entry, after }
            })
            .collect();
        let same = [
            ("where it starts", follows),
            ("the outbox", after == statement.target.outbox),
            ("the source ledger", attestation.source_ledger == statement.source.root.ledger),
            ("the target ledger", attestation.target_ledger == statement.target.root.ledger),
            ("the inbox", attestation.inbox_after == statement.target.inbox),
            ("the outbox after", attestation.outbox_after == statement.target.outbox),
            ("the last block", attestation.last_block == statement.target.block),
            ("the last slot", attestation.last_slot == statement.last_slot),
        ];
        if let Some((what, _)) = same.into_iter().find(|(_, same)| !same) {
            return Err(HandInError::Differs { batch, what });
        }
        let members = self.committee.members();
        let mut signers = Vec::new();
        for (member, signature) in members.iter().zip(signatures) {
            let Some(signature) = signature else { continue };
            attestation
                .verify(signature, &member.key)
                .map_err(|_| HandInError::Certificate { batch })?;
            signers.push(member.key);
        }
        let is_certified = signatures.len() <= members.len() && self.committee.has_quorum(&signers);
        is_certified.then_some(owed).ok_or(HandInError::Certificate { batch })
    }

    /// Takes the proof of a batch.
    pub(super) fn proved(&mut self, proof: ProvedStatement) -> Result<(), HandInError> {
        let is_its = |known: &&mut Known| proof.app_state == [known.batch.statement.digest()];
        let known = self.known.iter_mut().rev().find(is_its).ok_or(HandInError::Unknown)?;
        known.proof = Some(proof);
        Ok(())
    }
}
