//! `commit`: settles a batch.

use mina_curves::Fp;

use super::{
    ContractEvent, Field, RollupAccount, SETTLEMENT_VERSION, SettlementError, SettlementParameters,
    require, write,
};
use crate::{
    hash::Input,
    rollup::{
        Attestation, BatchStatement, Certified, Configuration, Hashed, Progress, SignedStatement,
    },
    types::{Body, Bounds, Era, Length, PublicKey, Signature, Slot},
};

/// Who may commit batches: what [`Configuration::sequencer`] is the hash of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequencer {
    /// Its key.
    pub key: PublicKey,
}

impl Hashed for Sequencer {
    const PREFIX: &'static str = "ZekoSequencer";

    fn append(&self, input: &mut Input) {
        input.add(&self.key);
    }
}

/// The sequencer's word that a batch is to be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitOrder {
    /// The hash of the batch's [`Attestation`].
    pub attestation: Fp,
}

impl Hashed for CommitOrder {
    const PREFIX: &'static str = "ZekoCommitOrder";

    fn append(&self, input: &mut Input) {
        input.field(self.attestation);
    }
}

impl SignedStatement for CommitOrder {
    const DOMAIN: &'static str = "zeko-commit";
}

/// What settles a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// What the proof of the batch shows.
    pub batch: BatchStatement,
    /// What the committee has signed.
    pub attestation: Attestation,
    /// Field 4.
    pub configuration: Configuration,
    /// Field 6 before.
    pub progress: Progress,
    /// An action state of the rollup account, which the batch's inbox is a prefix of.
    pub action_state: Fp,
    /// The earliest timeout of the deposits between the two; the largest slot if there are none.
    pub earliest: Slot,
    /// Whether the batch is shown to have consumed a full quota of messages.
    pub is_full: bool,
    /// The sequencer.
    pub sequencer: Sequencer,
    /// Its signature of the [`CommitOrder`].
    pub order: Signature,
}

impl Commit {
    /// What the proof of the certificate must show.
    pub fn certified(&self) -> Certified {
        Certified {
            attestation: self.attestation.digest(),
            committee: self.configuration.committee,
            inbox_before: self.batch.source.inbox,
            inbox_after: self.batch.target.inbox,
            action_state: self.action_state,
            earliest: self.earliest,
            is_full: self.is_full,
        }
    }

    /// Field 6 afterwards.
    ///
    /// # Errors
    /// [`SettlementError::Overflow`].
    pub fn progress_after(&self) -> Result<Progress, SettlementError> {
        let overflow = |what| SettlementError::Overflow { what };
        let batch = self.progress.batch.checked_add(1);
        let height = self.attestation.last_height.checked_add(Length::new(1));
        Ok(Progress {
            batch: batch.ok_or(overflow("the number of batches"))?,
            height: height.ok_or(overflow("the number of blocks"))?,
            last_slot: self.batch.last_slot,
        })
    }

    /// Whether everything fits, the two proofs apart.
    ///
    /// # Errors
    /// [`SettlementError`] says what does not.
    pub fn check(
        &self,
        account: &RollupAccount,
        parameters: &SettlementParameters,
    ) -> Result<(), SettlementError> {
        let Self { batch, attestation, configuration, progress, .. } = self;
        let (expected, got) = (progress.batch, attestation.batch);
        if expected != got {
            return Err(SettlementError::Batch { expected, got });
        }
        let same = [
            ("the chain of the batch", batch.chain == parameters.chain),
            ("the protocol version", attestation.protocol_version == SETTLEMENT_VERSION),
            ("the L1 network", attestation.l1_network == parameters.l1_network),
            ("the rollup account", attestation.rollup_account == account.public_key),
            ("the chain", attestation.chain == parameters.chain),
            ("the committee's epoch", attestation.committee_epoch == configuration.epoch),
            ("the source ledger", attestation.source_ledger == batch.source.root.ledger),
            ("the target ledger", attestation.target_ledger == batch.target.root.ledger),
            ("the inbox before", attestation.inbox_before == batch.source.inbox),
            ("the inbox after", attestation.inbox_after == batch.target.inbox),
            ("the outbox before", attestation.outbox_before == batch.source.outbox),
            ("the outbox after", attestation.outbox_after == batch.target.outbox),
            ("the first height", attestation.first_height == progress.height),
            ("the last block", attestation.last_block == batch.target.block),
            ("the first slot", attestation.first_slot == batch.first_slot),
            ("the last slot", attestation.last_slot == batch.last_slot),
            ("the sequencer", configuration.sequencer == self.sequencer.digest()),
        ];
        if let Some((what, _)) = same.into_iter().find(|(_, same)| !same) {
            return Err(SettlementError::Differs { what });
        }
        for (expected, got) in
            [(progress.last_slot, batch.first_slot), (batch.first_slot, batch.last_slot)]
        {
            if got < expected {
                return Err(SettlementError::Slot { expected, got });
            }
        }
        if attestation.last_height < attestation.first_height {
            return Err(SettlementError::Differs { what: "the last height" });
        }
        // A deposit is credited in the slot of its timeout, and refunded behind it.
        let (timeout, last_slot) = (self.earliest, batch.last_slot);
        if !self.is_full && timeout < last_slot {
            return Err(SettlementError::Overdue { timeout, last_slot });
        }
        let order = CommitOrder { attestation: attestation.digest() };
        order.verify(&self.order, &self.sequencer.key).map_err(|_| SettlementError::Unsigned)
    }

    /// The update of the rollup account, which has no children.
    ///
    /// # Errors
    /// [`SettlementError`].
    pub fn body(
        &self,
        account: &RollupAccount,
        parameters: &SettlementParameters,
    ) -> Result<Body, SettlementError> {
        self.check(account, parameters)?;
        let last = self.batch.last_slot;
        let until = last.checked_add(Slot::new(parameters.window.get()));
        let until = until.ok_or(SettlementError::Overflow { what: "the last slot" })?;
        let after = self.progress_after()?;
        Ok(self.body_of(
            account,
            Bounds { lower: last, upper: until },
            after,
            parameters.domain.era(),
        ))
    }

    /// The update, whether it may be made or not.
    pub fn body_of(
        &self,
        account: &RollupAccount,
        valid_while: Bounds<Slot>,
        after: Progress,
        era: Era,
    ) -> Body {
        let Self { batch, attestation, configuration, progress, action_state, .. } = self;
        let mut body = account.body(era);
        require(&mut body, Field::Root, batch.source.root.digest());
        require(&mut body, Field::Inbox, batch.source.inbox);
        require(&mut body, Field::Outbox, batch.source.outbox);
        require(&mut body, Field::Configuration, configuration.digest());
        require(&mut body, Field::Progress, progress.to_field());
        require(&mut body, Field::Data, attestation.previous_data.field());
        body.preconditions.account.action_state = Some(*action_state);
        body.preconditions.valid_while = Some(valid_while);
        write(&mut body, Field::Root, batch.target.root.digest());
        body.events = ContractEvent::Root(&batch.target.root).to_events();
        write(&mut body, Field::Inbox, batch.target.inbox);
        write(&mut body, Field::Outbox, batch.target.outbox);
        write(&mut body, Field::Progress, after.to_field());
        write(&mut body, Field::Data, attestation.data.field());
        body
    }
}
