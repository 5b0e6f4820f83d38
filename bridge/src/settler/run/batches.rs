//! The batches that were handed in.

use mina_curves::Fp;
use mina_ledger::{
    hash::constants::EMPTY_ACTION_STATE,
    rollup::{Committee, DataCommitment, Hashed, OutboxEntry, Side, SignedStatement},
};
use pickles::ProvedStatement;

use super::super::{
    Beginning, CertifiedBatch, HandInError,
    decide::{Outbox, Owed, owed},
};

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

/// Batches from some number on, and the outbox as far as it may have to be paid.
#[derive(Debug)]
pub(super) struct Batches {
    committee: Committee,
    /// `None`: from genesis on, of which no more is known.
    beginning: Option<Beginning>,
    known: Vec<Known>,
    outbox: Outbox,
}

impl Batches {
    pub(super) fn new(committee: Committee) -> Self {
        let outbox = Outbox::new(EMPTY_ACTION_STATE);
        Self { committee, beginning: None, known: Vec::new(), outbox }
    }

    /// The number of the first that is handed in.
    pub(super) fn first(&self) -> u64 {
        self.beginning.map_or(0, |beginning| beginning.batch)
    }

    /// The number behind the last.
    pub(super) fn end(&self) -> u64 {
        self.first().saturating_add(self.known.len() as u64)
    }

    fn index(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first())?).ok()
    }

    pub(super) fn get(&self, number: u64) -> Option<&Known> {
        self.known.get(self.index(number)?)
    }

    /// Those from a number on.
    pub(super) fn from(&self, first: u64) -> &[Known] {
        self.index(first.max(self.first())).and_then(|at| self.known.get(at..)).unwrap_or_default()
    }

    /// The outbox.
    pub(super) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// State and data behind the first `count` batches of the chain, if they are known.
    pub(super) fn behind(&self, count: u64) -> Option<(Side, DataCommitment)> {
        if let Some(known) = count.checked_sub(1).and_then(|number| self.get(number)) {
            return Some((known.batch.statement.target, known.batch.attestation.data));
        }
        let beginning = self.beginning.filter(|beginning| beginning.batch == count)?;
        Some((beginning.state, beginning.data))
    }

    /// Begins somewhere, and forgets what does not lead there.
    pub(super) fn begin(&mut self, beginning: Beginning) {
        let is_known = self.behind(beginning.batch) == Some((beginning.state, beginning.data));
        if !is_known {
            self.known.clear();
            self.outbox = Outbox::new(beginning.state.outbox);
            self.beginning = Some(beginning);
        }
    }

    /// Forgets a batch and all behind it.
    pub(super) fn withdraw(&mut self, number: u64) {
        let index = self.index(number).unwrap_or(0);
        if let Some(first) = self.known.get(index) {
            self.outbox.owed.truncate(first.owed_before);
            self.known.truncate(index);
        }
    }

    /// Forgets the proofs of batches up to a number, which are final.
    pub(super) fn forget_proofs(&mut self, last: u64) {
        let count = self.index(last).map_or(0, |index| index.saturating_add(1));
        self.known.iter_mut().take(count).for_each(|known| known.proof = None);
    }

    /// Takes entries of the outbox that come before those that are there.
    pub(super) fn earlier(&mut self, from: Fp, entries: &[OutboxEntry]) -> Result<(), HandInError> {
        let mut earlier = owed(from, entries);
        if earlier.last().map_or(from, |last| last.after) != self.outbox.before {
            return Err(HandInError::Outbox);
        }
        for known in &mut self.known {
            known.owed_before += earlier.len();
        }
        earlier.append(&mut self.outbox.owed);
        self.outbox = Outbox { before: from, owed: earlier };
        Ok(())
    }

    /// Takes a batch.
    pub(super) fn certified(&mut self, batch: CertifiedBatch) -> Result<(), HandInError> {
        let (expected, got) = (self.end(), batch.attestation.batch);
        if got > expected || got < self.first() {
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
        self.withdraw(got);
        let owed_before = self.outbox.owed.len();
        self.outbox.owed.extend(owed);
        self.known.push(Known { batch, proof: None, owed_before });
        Ok(())
    }

    /// Whether what is said of a batch fits together; its entries of the outbox.
    fn check(&self, given: &CertifiedBatch) -> Result<Vec<Owed>, HandInError> {
        let CertifiedBatch { attestation, signatures, statement, outbox } = given;
        let batch = attestation.batch;
        let follows = match self.behind(batch) {
            Some((last, _)) => {
                (last.root, last.inbox, last.outbox)
                    == (statement.source.root, statement.source.inbox, statement.source.outbox)
            }
            None => statement.source.outbox == EMPTY_ACTION_STATE,
        };
        let owed = owed(statement.source.outbox, outbox);
        let after = owed.last().map_or(statement.source.outbox, |last| last.after);
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

#[cfg(test)]
mod tests {
    use mina_ledger::{
        rollup::{Attestation, BatchStatement, ChainId, CommitteeMember, Root},
        types::{Amount, Length, PrivateKey, PublicKey, Slot},
    };

    use super::*;

    fn key(n: u64) -> PrivateKey {
        PrivateKey::new(mina_curves::Fq::from(n)).unwrap()
    }

    fn committee() -> Committee {
        let member = |n| CommitteeMember { key: key(n).to_public_key(), power: 1 };
        Committee::new((1..=4).map(member).collect()).unwrap()
    }

    fn side(n: u64, outbox: Fp) -> Side {
        let root = Root { ledger: Fp::from(n), accounts: Fp::from(n) };
        Side { root, inbox: Fp::from(n), outbox, block: Fp::from(n) }
    }

    fn entry(amount: u64) -> OutboxEntry {
        let recipient = PublicKey { x: Fp::from(amount), is_odd: false };
        OutboxEntry::Withdrawal { recipient, amount: Amount::new(amount) }
    }

    fn data(n: u64) -> DataCommitment {
        DataCommitment::new(&n.to_le_bytes())
    }

    /// Batch `n` leads from side `n` to the next one, with one entry; `outbox`: before it.
    fn batch(n: u64, generation: u32, outbox: Fp) -> CertifiedBatch {
        let chain = ChainId::new("batches").unwrap();
        let (source, target) = (side(n, outbox), side(n + 1, entry(n).append_to(outbox)));
        let statement = BatchStatement {
            chain,
            source,
            target,
            first_slot: Slot::new(1),
            last_slot: Slot::new(2),
        };
        let attestation = Attestation {
            protocol_version: 1,
            l1_network: chain,
            rollup_account: key(9).to_public_key(),
            chain,
            committee_epoch: 0,
            generation,
            batch: n,
            source_ledger: source.root.ledger,
            target_ledger: target.root.ledger,
            inbox_before: source.inbox,
            inbox_after: target.inbox,
            outbox_before: source.outbox,
            outbox_after: target.outbox,
            first_height: Length::new(n as u32),
            first_block: target.block,
            last_height: Length::new(n as u32),
            last_block: target.block,
            first_slot: statement.first_slot,
            last_slot: statement.last_slot,
            fee_recipient: key(9).to_public_key(),
            previous_data: data(n),
            data: data(n + 1),
            byte_length: 1,
        };
        let signatures = (1..=4).map(|n| Some(attestation.sign(&key(n)).unwrap())).collect();
        CertifiedBatch { attestation, signatures, statement, outbox: vec![entry(n)] }
    }

    /// The outbox before batch `n`.
    fn outbox(n: u64) -> Fp {
        (0..n).fold(EMPTY_ACTION_STATE, |state, n| entry(n).append_to(state))
    }

    fn beginning(n: u64) -> Beginning {
        Beginning { batch: n, state: side(n, outbox(n)), data: data(n) }
    }

    #[test]
    fn batches_begin_behind_those_that_are_final() {
        let mut batches = Batches::new(committee());
        batches.begin(beginning(3));
        assert_eq!((batches.first(), batches.end()), (3, 3));
        let order = |expected, got| Err(HandInError::Order { expected, got });
        assert_eq!(batches.certified(batch(4, 0, outbox(4))), order(3, 4));
        assert_eq!(batches.certified(batch(2, 0, outbox(2))), order(3, 2));
        let differs = HandInError::Differs { batch: 3, what: "where it starts" };
        assert_eq!(batches.certified(batch(3, 0, outbox(2))), Err(differs));
        for n in 3..6 {
            batches.certified(batch(n, 0, outbox(n))).unwrap();
        }
        assert_eq!(batches.behind(3), Some((side(3, outbox(3)), data(3))));
        assert_eq!(batches.behind(5), Some((side(5, outbox(5)), data(5))));
        assert_eq!((batches.behind(2), batches.from(0).len()), (None, 3));

        // What was paid last is of a batch before: its entries come later.
        assert!(batches.outbox().has(outbox(3)) && !batches.outbox().has(outbox(1)));
        assert_eq!(batches.earlier(outbox(1), &[entry(1)]), Err(HandInError::Outbox));
        batches.earlier(outbox(1), &[entry(1), entry(2)]).unwrap();
        assert_eq!((batches.outbox().before, batches.outbox().owed.len()), (outbox(1), 5));

        // Withdrawn, and built again.
        batches.withdraw(4);
        assert_eq!((batches.end(), batches.outbox().owed.len()), (4, 3));
        assert!(batches.outbox().has(outbox(4)) && !batches.outbox().has(outbox(5)));
        batches.certified(batch(4, 1, outbox(4))).unwrap();

        // To begin with what is there changes nothing, also in the middle.
        batches.begin(beginning(4));
        batches.begin(beginning(5));
        assert_eq!((batches.first(), batches.end(), batches.outbox().owed.len()), (3, 5, 4));
        batches.begin(Beginning { data: data(77), ..beginning(4) });
        assert_eq!((batches.first(), batches.end(), batches.outbox().owed.len()), (4, 4, 0));
        batches.begin(beginning(1));
        assert_eq!((batches.first(), batches.end()), (1, 1));
        batches.withdraw(0);
        assert_eq!((batches.first(), batches.end()), (1, 1));
    }
}
