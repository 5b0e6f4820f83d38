//! Whether the contract takes a command: what the L1 will say, before anybody pays a fee for it.
//!
//! A command is compared with what its rule makes of the contract's state and of the batch that comes
//! next, from what is cheap to the proof. Each reason to refuse it has a number that does not change.
//! Whoever pays for the command is for the L1 to look at.

mod body;
mod refusal;

use std::sync::Arc;

use mina_curves::Fp;
use mina_ledger::{
    hash::command_hashes,
    rollup::{
        Attestation, Commit, Committee, Configuration, Deposit, DepositAction, Field, Hashed,
        MAX_PAYOUTS, Payout, RollupAccount, Sequencer, SettlementError, SettlementParameters,
        SignedStatement,
    },
    types::{
        AccountId, Authorization, AuthorizationKind, Body, Bounds, ForestNode, PublicKey,
        Signature, Slot, ZkappCommand,
    },
};

use crate::{
    client::L1Zkapp,
    inbox::{Blocked, CommitInbox},
    settler::CertifiedBatch,
    view::{Message, behind, unpack_progress},
};

pub use refusal::{ContractRule, Refusal};

/// The chain as a command finds it.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The contract on the L1.
    pub contract: L1Zkapp,
    /// The slot of the L1's newest block.
    pub slot: Slot,
    /// The inbox as of the contract's newest action state; `None` if it is not known.
    pub inbox: Option<Arc<Vec<Message>>>,
    /// The batch that the contract waits for, if it is there.
    pub batch: Option<CertifiedBatch>,
    /// The longest payout that comes next, if there is one; or why it is not known.
    pub payout: Result<Option<Payout>, String>,
}

/// Checks commands for a rollup's contract.
#[derive(Clone, Debug)]
pub struct Checker {
    account: RollupAccount,
    parameters: SettlementParameters,
    committee: Committee,
    configuration: Configuration,
    /// `None`: proofs are not looked at.
    key: Option<Arc<pickles::VerificationKey>>,
}

/// The update of the rollup account in a command.
struct Update<'a> {
    rule: ContractRule,
    command: &'a ZkappCommand,
    place: usize,
    body: &'a Body,
    /// What is below it.
    below: &'a [ForestNode],
    /// Whether there is something beside it.
    is_alone: bool,
}

impl Update<'_> {
    fn written(&self, field: Field) -> Option<Fp> {
        self.body.update.app_state.get(field.index()).copied().flatten()
    }

    fn asked(&self, field: Field) -> Option<Fp> {
        self.body.preconditions.account.state.get(field.index()).copied().flatten()
    }

    fn differs(&self, what: &'static str) -> Refusal {
        Refusal::Body { rule: self.rule, what }
    }

    fn invalid(&self, error: &SettlementError) -> Refusal {
        self.differs(match error {
            SettlementError::TooSmall { .. } => "the smallest amount",
            SettlementError::Entries { .. } => "the number of payments",
            SettlementError::Overflow { what } | SettlementError::Differs { what } => what,
            _ => "what it rests on",
        })
    }
}

impl Checker {
    /// For the contract of `account` under `key`; without a key, proofs are not looked at: **never for
    /// real funds.**
    pub fn new(
        account: RollupAccount,
        key: Option<pickles::VerificationKey>,
        parameters: SettlementParameters,
        committee: Committee,
        configuration: Configuration,
    ) -> Self {
        Self { account, parameters, committee, configuration, key: key.map(Arc::new) }
    }

    /// What the command does, if the contract takes it in the next block. With a proof to look at, this
    /// takes a good part of a second of the caller's thread.
    ///
    /// # Errors
    /// [`Refusal`], the first that there is.
    pub fn check(
        &self,
        command: &ZkappCommand,
        standing: &Standing,
    ) -> Result<ContractRule, Refusal> {
        let update = self.update(command)?;
        let is_named =
            update.body.authorization_kind == AuthorizationKind::Proof(self.account.key_hash);
        if !is_named || standing.contract.key_hash != Some(self.account.key_hash) {
            return Err(Refusal::Key);
        }
        match update.rule {
            ContractRule::Deposit => self.deposit(&update)?,
            ContractRule::Commit => self.commit(&update, standing)?,
            ContractRule::Payout => self.payout(&update, standing)?,
        }
        let fields = update.body.preconditions.account.state.iter().zip(standing.contract.state);
        let differs = |(asked, got): (&Option<Fp>, Fp)| asked.is_some_and(|asked| asked != got);
        for (differs, what) in fields.map(differs).zip(FIELDS) {
            if differs {
                return Err(Refusal::State { what });
            }
        }
        in_time(command, update.body, standing.slot)?;
        self.proof(&update)
    }

    /// The update of the rollup account.
    fn update<'a>(&self, command: &'a ZkappCommand) -> Result<Update<'a>, Refusal> {
        let not = |what| Refusal::NotASettlement { what };
        let id = AccountId::of(self.account.public_key);
        let nodes = command.account_updates.nodes();
        let is_ours = |node: &ForestNode| node.update.body.account_id() == id;
        let place = nodes.iter().position(is_ours).ok_or(not("no update of the rollup account"))?;
        let end = command.account_updates.subtree_ends().get(place).copied().unwrap_or(nodes.len());
        let below = nodes.get(place + 1..end).unwrap_or_default();
        let (Some(node), rest) = (nodes.get(place), nodes.get(place + 1..).unwrap_or_default())
        else {
            return Err(not("no update of the rollup account"));
        };
        if rest.iter().any(is_ours) {
            return Err(not("more than one update of the rollup account"));
        }
        if node.depth() != 0 {
            return Err(not("the update of the rollup account is somebody's child"));
        }
        let body = &node.update.body;
        if !matches!(body.authorization_kind, AuthorizationKind::Proof(_)) {
            return Err(not("the update of the rollup account has no proof"));
        }
        let rule = body::rule(body, !below.is_empty());
        let is_alone = place == 0 && end == nodes.len();
        Ok(Update { rule, command, place, body, below, is_alone })
    }

    fn deposit(&self, update: &Update<'_>) -> Result<(), Refusal> {
        let action = match update.body.actions.as_slice() {
            [fields] => DepositAction::from_fields(fields),
            _ => None,
        };
        let action = action.ok_or(update.differs("the action"))?;
        let slots = update.body.preconditions.valid_while.ok_or(update.differs("the slots"))?;
        let deposit = Deposit {
            recipient: action.recipient,
            amount: action.amount,
            refund_to: action.refund_to,
            valid_until: slots.upper,
        };
        let expected = deposit.body(&self.account, &self.parameters);
        let expected = expected.map_err(|error| update.invalid(&error))?;
        self.same(update, &expected)?;
        match update.below {
            [] => Ok(()),
            _ => Err(update.differs("what is below it")),
        }
    }

    fn commit(&self, update: &Update<'_>, standing: &Standing) -> Result<(), Refusal> {
        let differs = |what| update.differs(what);
        let not_ready = || Refusal::NotReady { reason: "the contract's progress is none".into() };
        let progress = standing.contract.progress().ok_or_else(not_ready)?;
        let asked = update.asked(Field::Progress).and_then(unpack_progress);
        let (got, settled) = (asked.ok_or(differs("the progress"))?.batch, progress.batch);
        if got < settled {
            let what = format!("batch {got} is settled, and the contract waits for {settled}");
            return Err(Refusal::Replayed { what });
        }
        let is_next =
            |batch: &&CertifiedBatch| batch.attestation.batch == settled && got == settled;
        let batch = standing.batch.as_ref().filter(is_next);
        let batch = batch.ok_or(Refusal::UnknownBatch { expected: settled, got })?;
        let CertifiedBatch { attestation, signatures, statement, outbox } = batch;
        self.certificate(attestation, signatures, update.written(Field::Data))?;
        let action_state = update.body.preconditions.account.action_state;
        let action_state = action_state.ok_or(differs("the action state"))?;
        for inbox in [update.written(Field::Inbox), Some(statement.target.inbox)] {
            deposits(standing, inbox.ok_or(differs("the inbox"))?, action_state)?;
        }
        let messages = standing.inbox.as_deref().map_or(&[][..], Vec::as_slice);
        let quota = self.parameters.message_quota;
        let inbox = CommitInbox::new(messages, statement, action_state, quota)?;
        let owed = outbox.iter().fold(statement.source.outbox, |state, one| one.append_to(state));
        let written = update.written(Field::Outbox).ok_or(differs("the outbox"))?;
        if owed != statement.target.outbox || written != owed {
            let what = "the outbox is not what the batch's withdrawals and refunds lead to";
            return Err(Refusal::MissingWithdrawal { what });
        }
        let commit = Commit {
            batch: *statement,
            attestation: *attestation,
            configuration: self.configuration,
            progress,
            action_state,
            earliest: inbox.waiting.earliest,
            is_full: inbox.is_full,
            // The update does not say these: its proof shows them.
            sequencer: Sequencer { key: PublicKey::EMPTY },
            order: Signature::DUMMY,
        };
        let after = commit.progress_after().map_err(|error| update.invalid(&error))?;
        let first = statement.last_slot;
        let last = first.checked_add(Slot::new(self.parameters.window.get()));
        let slots = Bounds { lower: first, upper: last.ok_or(differs("the slots"))? };
        let era = self.parameters.domain.era();
        self.same(update, &commit.body_of(&self.account, slots, after, era))?;
        if !update.below.is_empty() || !update.is_alone {
            return Err(differs("what is below or beside it"));
        }
        // One of the five that the account keeps.
        match standing.contract.action_states.contains(&action_state) {
            true => Ok(()),
            false => Err(Refusal::State { what: "action state" }),
        }
    }

    /// More than two thirds of the committee have signed the batch, and its data is what is settled.
    fn certificate(
        &self,
        attestation: &Attestation,
        signatures: &[Option<Signature>],
        data: Option<Fp>,
    ) -> Result<(), Refusal> {
        let refused = |what| Refusal::Certificate { batch: attestation.batch, what };
        if self.committee.digest() != self.configuration.committee {
            return Err(refused("the committee is not the contract's"));
        }
        let members = self.committee.members();
        if signatures.len() > members.len() {
            return Err(refused("more signatures than members of the committee"));
        }
        let mut signers = Vec::new();
        for (member, signature) in members.iter().zip(signatures) {
            let Some(signature) = signature else { continue };
            let verified = attestation.verify(signature, &member.key);
            verified.map_err(|_| refused("a signature is not the member's"))?;
            signers.push(member.key);
        }
        if !self.committee.has_quorum(&signers) {
            return Err(refused("two thirds of the committee or fewer have signed"));
        }
        match data == Some(attestation.data.field()) {
            true => Ok(()),
            false => Err(refused("the data is not what the committee has signed")),
        }
    }

    fn payout(&self, update: &Update<'_>, standing: &Standing) -> Result<(), Refusal> {
        let now = standing.contract.field(Field::Payout);
        let asked = update.asked(Field::Payout).ok_or(update.differs("how far it was paid"))?;
        if asked != now && update.written(Field::Payout) == Some(now) {
            return Err(Refusal::Replayed { what: "these payments have been made".into() });
        }
        if asked != now {
            return Err(Refusal::State { what: "payout" });
        }
        let not_ready = |reason: &String| Refusal::NotReady { reason: reason.clone() };
        let next = standing.payout.as_ref().map_err(not_ready)?;
        let missing = |what| Refusal::MissingWithdrawal { what };
        let next = next.as_ref().ok_or(missing("nothing is owed"))?;
        let count = update.below.len();
        if count == 0 || count > MAX_PAYOUTS {
            return Err(update.differs("the number of payments"));
        }
        let entries = next.entries.get(..count).ok_or(missing("more is paid than is owed"))?;
        let payout = Payout { entries: entries.to_vec(), ..next.clone() };
        let era = self.parameters.domain.era();
        let children = payout.children(era).map_err(|error| update.invalid(&error))?;
        let is_next = |(got, expected)| {
            let got: &ForestNode = got;
            got.depth() == 1 && got.update == expected
        };
        if !update.below.iter().zip(children).all(is_next) {
            return Err(missing("the payments are not the next entries of the outbox"));
        }
        if update.written(Field::Payout) != Some(payout.after().digest()) {
            return Err(missing("the payments do not lead to what would count as paid"));
        }
        let expected = payout.body(&self.account, era).map_err(|error| update.invalid(&error))?;
        self.same(update, &expected)?;
        match update.is_alone {
            true => Ok(()),
            false => Err(update.differs("what is beside it")),
        }
    }

    /// The update is the one that was expected.
    fn same(&self, update: &Update<'_>, expected: &Body) -> Result<(), Refusal> {
        let [asked, slots] = [&update.body, &expected].map(|body| body.preconditions.valid_while);
        if let (true, Some(slots)) = (asked != slots, slots) {
            let what = asked.map_or("any".into(), |got| format!("{} to {}", got.lower, got.upper));
            return Err(Refusal::Slot { first: slots.lower, last: slots.upper, what });
        }
        match body::difference(expected, update.body) {
            Some(what) => Err(update.differs(what)),
            None => Ok(()),
        }
    }

    fn proof(&self, update: &Update<'_>) -> Result<ContractRule, Refusal> {
        let Update { rule, command, place, .. } = *update;
        let Some(key) = &self.key else { return Ok(rule) };
        let node = command.account_updates.nodes().get(place).ok_or(Refusal::Proof)?;
        let Authorization::Proof(proof) = &node.update.authorization else {
            return Err(Refusal::Proof);
        };
        let proof = pickles::decode_account_update_proof(&proof.0).map_err(|_| Refusal::Proof)?;
        let hashes = command_hashes(command, &self.parameters.domain).forest;
        let body = *hashes.bodies.get(place).ok_or(Refusal::Proof)?;
        let calls = hashes.forest(place + 1, place + 1 + update.below.len());
        let instance = pickles::Instance { key, app_state: &[body, calls], proof: &proof };
        let verified = pickles::verify_batch(&[instance], &mut rand::rngs::OsRng);
        verified.map_err(|_| Refusal::Proof)?;
        Ok(rule)
    }
}

/// The fields of the contract, by their names.
const FIELDS: [&str; 8] =
    ["root", "inbox", "outbox", "payout", "configuration", "status", "progress", "data"];

impl From<Blocked> for Refusal {
    fn from(blocked: Blocked) -> Self {
        match blocked {
            Blocked::Overdue { timeout, last_slot } => Self::Overdue { timeout, last_slot },
            Blocked::Unknown | Blocked::Unopened => Self::NotReady { reason: blocked.to_string() },
        }
    }
}

/// What is consumed is a prefix of the inbox, and so is the action state, no shorter one.
fn deposits(standing: &Standing, consumed: Fp, action_state: Fp) -> Result<(), Refusal> {
    // What the account itself has needs no archive.
    if consumed == action_state && standing.contract.action_states.contains(&consumed) {
        return Ok(());
    }
    let unknown = |what| Refusal::UnknownDeposit { what };
    let reason = || Refusal::NotReady { reason: "the L1's inbox".into() };
    let inbox = standing.inbox.as_ref().ok_or_else(reason)?;
    let left = |state, what| behind(inbox, state).map(<[Message]>::len).ok_or(unknown(what));
    let behind_batch = left(consumed, "what the batch has consumed")?;
    match left(action_state, "the action state")? <= behind_batch {
        true => Ok(()),
        false => Err(unknown("what lies behind the action state")),
    }
}

/// The command may be in a block now.
fn in_time(command: &ZkappCommand, body: &Body, now: Slot) -> Result<(), Refusal> {
    let until = command.fee_payer.body.valid_until.unwrap_or(Slot::MAX);
    let any = Bounds { lower: Slot::ZERO, upper: Slot::MAX };
    let slots = body.preconditions.valid_while.unwrap_or(any);
    let (first, last) = (slots.lower, slots.upper.min(until));
    match first <= now && now <= last {
        true => Ok(()),
        false => Err(Refusal::Slot { first, last, what: now.to_string() }),
    }
}

#[cfg(test)]
mod tests;
