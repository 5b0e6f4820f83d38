//! `commit`: settles a batch.

use ark_ff::AdditiveGroup;
use mina_curves::Fp;
use mina_ledger::{
    Domain,
    rollup::{
        Attestation, BatchStatement, Commit, CommitOrder, Configuration, ContractEvent, Field,
        Hashed, Progress, RollupAccount, SETTLEMENT_VERSION, Sequencer, SettlementParameters, Side,
        SignedStatement,
    },
    types::{Bounds, Era, Length, PublicKey, Signature, Slot, TypeError},
};
use pickles::{
    PreviousStatement, Rule, RuleStatement, Slot as ProofSlot, StepBuilder, StepInput, StepKey,
    VerificationKey,
};

use super::account::{ANY_ACCOUNT, RollupAccountVar, body_hash, one_event, require, write};
use crate::{
    Boolean, Cs, Linear,
    alloc::{Allocate, Cells, witness},
    fold::CertifiedVar,
    input::{InputVar, hash, salted},
    key::PublicKeyVar,
    number::{NumberValue, U32Var, UIntVar, power},
    program::{BatchStatementVar, RootVar, SideVar},
    schnorr::{SignatureWitness, assert_signed},
};

/// A number of batches or bytes.
type U64Var = UIntVar<64>;

/// Everything that is said in one place only.
#[derive(Clone, Debug)]
struct CommitVar {
    source: SideVar,
    target: SideVar,
    first_slot: U32Var,
    last_slot: U32Var,
    generation: U32Var,
    first_block: Linear,
    last_height: U32Var,
    fee_recipient: PublicKeyVar,
    previous_data: Linear,
    data: Linear,
    byte_length: U64Var,
    committee: Linear,
    epoch: U32Var,
    governance: PublicKeyVar,
    pending: Linear,
    batch: U64Var,
    height: U32Var,
    settled_slot: U32Var,
    action_state: Linear,
    earliest: U32Var,
    is_full: Boolean,
    sequencer: PublicKeyVar,
}

impl Allocate for CommitVar {
    type Native = Commit;

    fn values(native: &Commit, era: Era, out: &mut Vec<Fp>) {
        let Commit { batch, attestation, configuration, progress, .. } = native;
        SideVar::values(&batch.source, era, out);
        SideVar::values(&batch.target, era, out);
        out.extend([
            batch.first_slot.value(),
            batch.last_slot.value(),
            Fp::from(attestation.generation),
            attestation.first_block,
            attestation.last_height.value(),
        ]);
        PublicKeyVar::values(&attestation.fee_recipient, era, out);
        out.extend([
            attestation.previous_data.field(),
            attestation.data.field(),
            Fp::from(attestation.byte_length),
            configuration.committee,
            Fp::from(configuration.epoch),
        ]);
        PublicKeyVar::values(&configuration.governance, era, out);
        out.extend([
            configuration.pending,
            Fp::from(progress.batch),
            progress.height.value(),
            progress.last_slot.value(),
            native.action_state,
            native.earliest.value(),
            Fp::from(native.is_full),
        ]);
        PublicKeyVar::values(&native.sequencer.key, era, out);
    }

    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self {
            source: SideVar::assign(cs, cells),
            target: SideVar::assign(cs, cells),
            first_slot: cells.uint(cs),
            last_slot: cells.uint(cs),
            generation: cells.uint(cs),
            first_block: cells.field(),
            last_height: cells.uint(cs),
            fee_recipient: PublicKeyVar::assign(cs, cells),
            previous_data: cells.field(),
            data: cells.field(),
            byte_length: cells.uint(cs),
            committee: cells.field(),
            epoch: cells.uint(cs),
            governance: PublicKeyVar::assign(cs, cells),
            pending: cells.field(),
            batch: cells.uint(cs),
            height: cells.uint(cs),
            settled_slot: cells.uint(cs),
            action_state: cells.field(),
            earliest: cells.uint(cs),
            is_full: cells.bit(cs),
            sequencer: PublicKeyVar::assign(cs, cells),
        }
    }
}

impl CommitVar {
    /// The hash of the [`BatchStatement`].
    fn batch_statement<I>(&self, cs: &mut Cs<I>, parameters: &SettlementParameters) -> Linear {
        let statement = BatchStatementVar {
            chain: parameters.chain.field().into(),
            source: self.source.clone(),
            target: self.target.clone(),
            first_slot: self.first_slot.clone(),
            last_slot: self.last_slot.clone(),
        };
        statement.digest(cs)
    }

    /// The hash of the [`Attestation`], field by field in its order.
    fn attestation<I>(
        &self,
        cs: &mut Cs<I>,
        account: &RollupAccountVar,
        parameters: &SettlementParameters,
    ) -> Linear {
        let mut input = InputVar::new();
        input
            .add(&U32Var::constant(SETTLEMENT_VERSION.into()))
            .field(parameters.l1_network.field())
            .add(&account.public_key)
            .field(parameters.chain.field())
            .add(&self.epoch)
            .add(&self.generation)
            .add(&self.batch)
            .field(&self.source.root.ledger)
            .field(&self.target.root.ledger)
            .field(&self.source.inbox)
            .field(&self.target.inbox)
            .field(&self.source.outbox)
            .field(&self.target.outbox)
            .add(&self.height)
            .field(&self.first_block)
            .add(&self.last_height)
            .field(&self.target.block)
            .add(&self.first_slot)
            .add(&self.last_slot)
            .add(&self.fee_recipient)
            .field(&self.previous_data)
            .field(&self.data)
            .add(&self.byte_length);
        hash(cs, &salted(Attestation::PREFIX), &input.into_fields()).into()
    }

    /// The hash of the [`Configuration`].
    fn configuration<I>(&self, cs: &mut Cs<I>) -> Linear {
        let mut key = InputVar::new();
        key.add(&self.sequencer);
        let sequencer = hash(cs, &salted(Sequencer::PREFIX), &key.into_fields());
        let mut input = InputVar::new();
        input
            .field(sequencer)
            .field(&self.committee)
            .add(&self.epoch)
            .add(&self.governance)
            .field(&self.pending);
        hash(cs, &salted(Configuration::PREFIX), &input.into_fields()).into()
    }

    /// Field 6 before and after.
    fn progress<I>(&self, cs: &mut Cs<I>) -> [Linear; 2] {
        let pack = |batch: &U64Var, height: &U32Var, slot: &U32Var| {
            batch.linear().clone() * power(64) + height.linear().clone() * power(32) + slot.linear()
        };
        let one = Fp::from(1u64);
        let batch = U64Var::assert(cs, self.batch.linear().clone() + one);
        let height = U32Var::assert(cs, self.last_height.linear().clone() + one);
        [
            pack(&self.batch, &self.height, &self.settled_slot),
            pack(&batch, &height, &self.last_slot),
        ]
    }
}

/// What a prover of [`CommitRule`] knows.
#[derive(Clone, Debug)]
pub struct CommitInput {
    account: RollupAccount,
    commit: Commit,
    order: SignatureWitness,
}

impl CommitInput {
    /// The input for an account; `None` if the sequencer's key is not on the curve.
    pub fn new(account: RollupAccount, commit: Commit) -> Option<Self> {
        let order = SignatureWitness::new(&commit.sequencer.key, commit.order)?;
        Some(Self { account, commit, order })
    }
}

/// An update of the rollup account that replaces ledger, inbox, outbox, progress and data by those
/// behind a batch, if the sequencer and the committee have signed for it, there is a proof of it, and no
/// deposit behind it is past its timeout at its last slot, unless it has consumed a full quota of
/// messages. It has no children. Rows: 969, and those of the two proofs.
#[derive(Clone, Debug)]
pub struct CommitRule {
    parameters: SettlementParameters,
    batch: VerificationKey,
    fold: VerificationKey,
    order: Domain,
}

/// An update of the rollup account, and what it rests on.
#[derive(Clone, Debug)]
pub struct SettledVar {
    /// The hash of the update and that of its calls.
    pub update: [Linear; 2],
    /// The hash of the [`BatchStatement`].
    pub batch: Linear,
    /// What the committee has signed.
    pub certified: CertifiedVar,
}

impl CommitRule {
    /// The rule of a rollup, with the keys of the program that proves its batches and of the fold
    /// program.
    ///
    /// # Errors
    /// [`TypeError::NetworkName`] if the domain of orders had no valid name.
    pub fn new(
        parameters: SettlementParameters,
        batch: VerificationKey,
        fold: VerificationKey,
    ) -> Result<Self, TypeError> {
        Ok(Self { parameters, batch, fold, order: CommitOrder::domain()? })
    }

    /// The constraints.
    pub fn update<I>(
        &self,
        cs: &mut Cs<I>,
        source: impl Fn(&I) -> &CommitInput + Clone + Send + Sync + 'static,
    ) -> SettledVar {
        let era = self.parameters.domain.era();
        let given = source.clone();
        let account: RollupAccountVar =
            witness(cs, era, &ANY_ACCOUNT, move |input| &given(input).account);
        let sample = self.sample();
        let given = source.clone();
        let commit: CommitVar = witness(cs, era, &sample, move |input| &given(input).commit);

        let batch = cs.region("batch", |cs| commit.batch_statement(cs, &self.parameters));
        let attestation =
            cs.region("attestation", |cs| commit.attestation(cs, &account, &self.parameters));
        let until = cs.region("order of slots and heights", |cs| {
            commit.settled_slot.at_most(cs, &commit.first_slot).assert_true(cs);
            commit.first_slot.at_most(cs, &commit.last_slot).assert_true(cs);
            commit.height.at_most(cs, &commit.last_height).assert_true(cs);
            let window = self.parameters.window.value();
            U32Var::assert(cs, commit.last_slot.linear().clone() + window)
        });
        cs.region("timeouts", |cs| {
            // A deposit is credited in the slot of its timeout, and refunded behind it.
            let in_time = commit.last_slot.at_most(cs, &commit.earliest);
            in_time.or(cs, &commit.is_full).assert_true(cs);
        });
        cs.region("sequencer", |cs| {
            let message =
                hash(cs, &salted(CommitOrder::PREFIX), core::slice::from_ref(&attestation)).into();
            let signed = Boolean::constant(true);
            assert_signed(cs, &self.order, &signed, &commit.sequencer, &message, move |input| {
                &source(input).order
            });
        });
        let body = cs.region("body", |cs| {
            let bounds = Bounds::exactly(Slot::ZERO);
            let sample = sample.body_of(&ANY_ACCOUNT, bounds, sample.progress, era);
            let mut body = account.body(cs, &sample, era);
            let configuration = commit.configuration(cs);
            let [before, after] = commit.progress(cs);
            let roots = [&commit.source, &commit.target].map(|side| side.root.digest(cs));
            let RootVar { ledger, accounts } = commit.target.root.clone();
            let kind = Linear::from(Fp::from(ContractEvent::ROOT));
            body.events = one_event(cs, &[kind, ledger, accounts]);
            require(&mut body, Field::Root, &roots[0]);
            require(&mut body, Field::Inbox, &commit.source.inbox);
            require(&mut body, Field::Outbox, &commit.source.outbox);
            require(&mut body, Field::Configuration, configuration);
            require(&mut body, Field::Progress, before);
            require(&mut body, Field::Data, &commit.previous_data);
            body.account.action_state.value = commit.action_state.clone();
            body.valid_while.value.lower = commit.last_slot.clone();
            body.valid_while.value.upper = until;
            write(&mut body, Field::Root, &roots[1]);
            write(&mut body, Field::Inbox, &commit.target.inbox);
            write(&mut body, Field::Outbox, &commit.target.outbox);
            write(&mut body, Field::Progress, after);
            write(&mut body, Field::Data, &commit.data);
            body_hash(cs, &body, &self.parameters.domain)
        });
        let certified = CertifiedVar {
            attestation,
            committee: commit.committee,
            inbox_before: commit.source.inbox,
            inbox_after: commit.target.inbox,
            action_state: commit.action_state,
            earliest: commit.earliest,
            is_full: commit.is_full,
        };
        SettledVar { update: [body, Fp::ZERO.into()], batch, certified }
    }

    /// A commit, of which only the shape counts.
    fn sample(&self) -> Commit {
        let (chain, key) = (self.parameters.chain, PublicKey::EMPTY);
        let [source, target] = [Side::default(); 2];
        let [first_slot, last_slot] = [Slot::ZERO; 2];
        let batch = BatchStatement { chain, source, target, first_slot, last_slot };
        let attestation = Attestation {
            protocol_version: SETTLEMENT_VERSION,
            l1_network: self.parameters.l1_network,
            rollup_account: key,
            chain,
            committee_epoch: 0,
            generation: 0,
            batch: 0,
            source_ledger: Fp::ZERO,
            target_ledger: Fp::ZERO,
            inbox_before: Fp::ZERO,
            inbox_after: Fp::ZERO,
            outbox_before: Fp::ZERO,
            outbox_after: Fp::ZERO,
            first_height: Length::ZERO,
            first_block: Fp::ZERO,
            last_height: Length::ZERO,
            last_block: Fp::ZERO,
            first_slot,
            last_slot,
            fee_recipient: key,
            previous_data: Default::default(),
            data: Default::default(),
            byte_length: 0,
        };
        Commit {
            batch,
            attestation,
            configuration: Configuration {
                sequencer: Fp::ZERO,
                committee: Fp::ZERO,
                epoch: 0,
                governance: key,
                pending: Fp::ZERO,
            },
            progress: Progress { batch: 0, height: Length::ZERO, last_slot },
            action_state: Fp::ZERO,
            earliest: Slot::ZERO,
            is_full: false,
            sequencer: Sequencer { key },
            order: Signature::DUMMY,
        }
    }
}

impl Rule for CommitRule {
    type Input = CommitInput;

    fn name(&self) -> &'static str {
        "commit"
    }

    /// The batch and the certificate.
    fn previous(&self) -> Vec<ProofSlot> {
        [&self.batch, &self.fold].map(|key| ProofSlot::Program(Box::new(key.clone()))).into()
    }

    fn constrain(&self, cs: &mut StepBuilder<CommitInput>, _: &[StepKey]) -> RuleStatement {
        let SettledVar { update, batch, certified } =
            self.update(cs, StepInput::<CommitInput>::rule);
        let certified = certified.digest(cs);
        let previous = [batch, certified].map(|statement| PreviousStatement {
            app_state: vec![statement],
            must_verify: Boolean::constant(true),
        });
        RuleStatement { app_state: update.to_vec(), previous: previous.into() }
    }
}
