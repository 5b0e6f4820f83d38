use mina_curves::Fq;
use mina_ledger::{
    hash::{constants::EMPTY_ACTION_STATE, push_actions},
    rollup::{
        BatchStatement, ChainId, CommitteeMember, ContractState, DataCommitment, OutboxEntry,
        PayoutState, Progress, Root, Side,
    },
    types::{
        AccountUpdate, Amount, CallForest, Length, Nonce, PrivateKey, Proof, SignedAmount, SlotSpan,
    },
};

use super::*;
use crate::{
    command::{Payer, paying, unsigned},
    prover::ContractProver,
};

fn key(n: u64) -> PrivateKey {
    PrivateKey::new(Fq::from(n)).unwrap()
}

fn public(n: u64) -> PublicKey {
    key(n).to_public_key()
}

fn deposit(n: u64, timeout: u32) -> DepositAction {
    DepositAction {
        recipient: public(n),
        amount: Amount::new(5),
        timeout: Slot::new(timeout),
        refund_to: public(n),
    }
}

fn message(before: Fp, n: u64) -> Message {
    message_of(before, deposit(n, 70))
}

fn message_of(before: Fp, deposit: DepositAction) -> Message {
    let action_hash = deposit.action_hash();
    let after = push_actions(before, action_hash);
    Message {
        before,
        after,
        action_hash,
        deposit: Some(deposit),
        transaction: None,
        height: Length::new(3),
    }
}

fn entries() -> Vec<OutboxEntry> {
    let withdrawal =
        |n| OutboxEntry::Withdrawal { recipient: public(n), amount: Amount::new(n + 100) };
    (1..=3).map(withdrawal).collect()
}

/// A rollup that has settled five batches, and waits for the sixth; without proofs.
struct World {
    contract: ContractProver,
    checker: Checker,
    standing: Standing,
    commit: Commit,
    payout: Payout,
}

impl World {
    fn new() -> Self {
        let (chain, l1_network) = (ChainId::new("checked").unwrap(), ChainId::new("l1").unwrap());
        let parameters = SettlementParameters {
            domain: mina_ledger::Domain::default(),
            l1_network,
            chain,
            minimum_deposit: Amount::new(4),
            deposit_timeout: SlotSpan::new(40),
            window: SlotSpan::new(20),
            message_quota: 2,
        };
        let member = |n| CommitteeMember { key: public(n), power: 1 };
        let committee = Committee::new((1..=4).map(member).collect()).unwrap();
        let sequencer = Sequencer { key: public(5) };
        let configuration = Configuration {
            sequencer: sequencer.digest(),
            committee: committee.digest(),
            epoch: 0,
            governance: public(6),
            pending: Fp::from(0u64),
        };
        let first = message(EMPTY_ACTION_STATE, 20);
        let second = message(first.after, 21);
        let third = message(second.after, 22);
        let paid = OutboxEntry::Unopened { action_hash: Fp::from(1u64) };
        let paid = paid.append_to(EMPTY_ACTION_STATE);
        let before = entries().iter().take(2).fold(paid, |outbox, one| one.append_to(outbox));
        let new = entries().split_off(2);
        let outbox = new.iter().fold(before, |outbox, one| one.append_to(outbox));
        let root = |n: u64| Root { ledger: Fp::from(n), accounts: Fp::from(n) };
        let (from, to) = ((root(1), first.after, before), (root(2), second.after, outbox));
        let [source, target] = [from, to].map(|(root, inbox, outbox)| Side {
            root,
            inbox,
            outbox,
            block: Fp::from(9u64),
        });
        let (first_slot, last_slot) = (Slot::new(31), Slot::new(32));
        let batch = BatchStatement { chain, source, target, first_slot, last_slot };
        let progress = Progress { batch: 5, height: Length::new(50), last_slot: Slot::new(30) };
        let (previous_data, data) = (DataCommitment::new(b"five"), DataCommitment::new(b"six"));
        let attestation = Attestation {
            protocol_version: mina_ledger::rollup::SETTLEMENT_VERSION,
            l1_network,
            rollup_account: public(9),
            chain,
            committee_epoch: 0,
            generation: 0,
            batch: 5,
            source_ledger: source.root.ledger,
            target_ledger: target.root.ledger,
            inbox_before: source.inbox,
            inbox_after: target.inbox,
            outbox_before: source.outbox,
            outbox_after: target.outbox,
            first_height: progress.height,
            first_block: Fp::from(8u64),
            last_height: Length::new(60),
            last_block: target.block,
            first_slot,
            last_slot,
            fee_recipient: public(7),
            previous_data,
            data,
            byte_length: 3,
        };
        let order = mina_ledger::rollup::CommitOrder { attestation: attestation.digest() };
        let order = order.sign(&key(5)).unwrap();
        let action_state = third.after;
        let commit = Commit {
            batch,
            attestation,
            configuration,
            progress,
            action_state,
            earliest: Slot::new(70),
            is_full: false,
            sequencer,
            order,
        };
        let paid = PayoutState { snapshot: paid, paid, parked: Fp::from(0u64) };
        let payout =
            Payout { before: paid, outbox: before, entries: entries().drain(..2).collect() };
        let state = ContractState {
            root: source.root,
            inbox: source.inbox,
            outbox: source.outbox,
            payout: paid,
            configuration,
            status: ContractState::RUNNING,
            progress,
            data: previous_data,
        };
        let contract = ContractProver::unsafe_no_proofs(parameters);
        let checker = contract.checker(public(9), committee, configuration);
        let signatures = (1..=4).map(|n| Some(attestation.sign(&key(n)).unwrap())).collect();
        let standing = Standing {
            contract: L1Zkapp {
                state: state.to_fields(),
                action_states: [third.after; 5],
                key_hash: Some(contract.verification_key().hash()),
            },
            slot: Slot::new(40),
            inbox: Some(Arc::new(vec![first, second, third])),
            batch: Some(CertifiedBatch { attestation, signatures, statement: batch, outbox: new }),
            payout: Ok(Some(payout.clone())),
        };
        Self { contract, checker, standing, commit, payout }
    }

    async fn proved_commit(&self, commit: Commit) -> ZkappCommand {
        let batch = pickles::ProvedStatement {
            app_state: vec![],
            proof: pickles::Proof::placeholder(),
            key: None,
        };
        let committee = self.checker.committee.clone();
        let (certificate, none) = ((committee, vec![]), (vec![], vec![]));
        let update = self.contract.commit(public(9), commit, batch, certificate, none).await;
        command(CallForest::flat([update.unwrap()]))
    }

    async fn commit(&self) -> ZkappCommand {
        self.proved_commit(self.commit).await
    }

    async fn payout(&self) -> ZkappCommand {
        command(self.contract.payout(public(9), self.payout.clone(), vec![]).await.unwrap())
    }

    async fn deposit(&self) -> ZkappCommand {
        let deposit = Deposit {
            recipient: public(20),
            amount: Amount::new(7),
            refund_to: public(21),
            valid_until: Slot::new(45),
        };
        let update = self.contract.deposit(public(9), deposit).await.unwrap();
        let payer = paying(public(21), Amount::new(7), mina_ledger::Domain::default().era());
        command(CallForest::flat([payer, update]))
    }

    fn code(&self, command: &ZkappCommand) -> u16 {
        self.checker.check(command, &self.standing).map_or_else(|error| error.code(), |_| 0)
    }
}

fn command(forest: CallForest) -> ZkappCommand {
    let (fee, nonce) = (Amount::new(1), Nonce::ZERO);
    unsigned(forest, Payer { key: public(30), fee, nonce, valid_until: None })
}

/// The same command with another update at a place.
fn changed(
    command: &ZkappCommand,
    place: usize,
    edit: impl FnOnce(&mut AccountUpdate),
) -> ZkappCommand {
    let mut changed = command.clone();
    edit(changed.account_updates.updates_mut().nth(place).unwrap());
    changed
}

#[tokio::test]
async fn what_the_contract_takes_is_accepted() {
    let world = World::new();
    let check = |command| world.checker.check(&command, &world.standing);
    assert_eq!(check(world.commit().await), Ok(ContractRule::Commit));
    assert_eq!(check(world.payout().await), Ok(ContractRule::Payout));
    assert_eq!(check(world.deposit().await), Ok(ContractRule::Deposit));
    // Fewer entries than could be paid.
    let one = Payout { entries: entries()[..1].to_vec(), ..world.payout.clone() };
    let forest = world.contract.payout(public(9), one, vec![]).await.unwrap();
    assert_eq!(check(command(forest)), Ok(ContractRule::Payout));
}

#[tokio::test]
async fn what_is_no_settlement_is_refused() {
    let world = World::new();
    let commit = world.commit().await;
    let code = |command| world.code(&command);
    assert_eq!(code(command(CallForest::new())), 1001);
    let unproved = |update: &mut AccountUpdate| {
        update.body.authorization_kind = AuthorizationKind::Signature;
    };
    assert_eq!(code(changed(&commit, 0, unproved)), 1001);
    let update = commit.account_updates.updates().next().unwrap();
    assert_eq!(code(command(CallForest::flat([update.clone(), update.clone()]))), 1001);
    let mut child = CallForest::new();
    let era = mina_ledger::Domain::default().era();
    child.push(paying(public(21), Amount::new(7), era), 0).unwrap();
    child.push(update.clone(), 1).unwrap();
    assert_eq!(code(command(child)), 1001);
}

#[tokio::test]
async fn other_keys_are_refused() {
    let mut world = World::new();
    let commit = world.commit().await;
    let other = |update: &mut AccountUpdate| {
        update.body.authorization_kind = AuthorizationKind::Proof(Fp::from(3u64));
    };
    assert_eq!(world.code(&changed(&commit, 0, other)), 1002);
    world.standing.contract.key_hash = Some(Fp::from(3u64));
    assert_eq!(world.code(&commit), 1002);
}

#[tokio::test]
async fn other_updates_are_refused() {
    let world = World::new();
    let (commit, payout, deposit) =
        (world.commit().await, world.payout().await, world.deposit().await);
    let nonce = |update: &mut AccountUpdate| update.body.increment_nonce = true;
    for (command, place) in [(&commit, 0), (&payout, 0), (&deposit, 1)] {
        assert_eq!(world.code(&changed(command, place, nonce)), 1003);
    }
    let less = |update: &mut AccountUpdate| {
        update.body.balance_change = SignedAmount::positive(Amount::new(3));
    };
    assert_eq!(world.code(&changed(&deposit, 1, less)), 1003);
    let root = |update: &mut AccountUpdate| update.body.update.app_state[0] = Some(Fp::from(1u64));
    assert_eq!(world.code(&changed(&commit, 0, root)), 1003);
    // Something beside it could fail.
    let era = mina_ledger::Domain::default().era();
    for command in [&commit, &payout] {
        let mut beside = command.clone();
        beside.account_updates.push(paying(public(21), Amount::new(7), era), 0).unwrap();
        assert_eq!(world.code(&beside), 1003);
    }
}

#[tokio::test]
async fn another_state_of_the_contract_is_refused() {
    let mut world = World::new();
    let (commit, payout, deposit) =
        (world.commit().await, world.payout().await, world.deposit().await);
    for field in [Field::Root, Field::Configuration, Field::Data, Field::Status] {
        let mut other = world.standing.clone();
        other.contract.state[field.index()] += Fp::from(1u64);
        let refusal = world.checker.check(&commit, &other).unwrap_err();
        assert_eq!(refusal.code(), 1004, "{refusal}");
    }
    // None of the five that are kept.
    world.standing.contract.action_states = [Fp::from(4u64); 5];
    assert_eq!(world.code(&commit), 1004);
    world.standing.contract.state[Field::Status.index()] += Fp::from(1u64);
    assert_eq!(world.code(&deposit), 1004);
    world.standing.contract.state[Field::Payout.index()] += Fp::from(1u64);
    assert_eq!(world.code(&payout), 1004);
}

#[tokio::test]
async fn batches_without_a_certificate_are_refused() {
    let mut world = World::new();
    let commit = world.commit().await;
    let honest = world.standing.batch.clone().unwrap();
    let refused = |world: &World, what: &str| {
        let refusal = world.checker.check(&commit, &world.standing).unwrap_err();
        assert_eq!(refusal.code(), 1005, "{what}: {refusal}");
    };
    let signed = |world: &mut World, edit: &dyn Fn(&mut Vec<Option<Signature>>)| {
        let mut batch = honest.clone();
        edit(&mut batch.signatures);
        world.standing.batch = Some(batch);
    };
    signed(&mut world, &|all| all[2] = None);
    assert_eq!(world.code(&commit), 0, "three of four");
    signed(&mut world, &|all| all.truncate(2));
    refused(&world, "two of four");
    signed(&mut world, &|all| all[1] = all[0]);
    refused(&world, "a signature of somebody else");
    signed(&mut world, &|all| all.push(all[0]));
    refused(&world, "five of four");
    // The data of a batch that nobody has signed.
    world.standing.batch = Some(honest);
    let data = |update: &mut AccountUpdate| update.body.update.app_state[7] = Some(Fp::from(1u64));
    assert_eq!(world.code(&changed(&commit, 0, data)), 1005);
    let member = CommitteeMember { key: public(1), power: 1 };
    world.checker.committee = Committee::new(vec![member]).unwrap();
    refused(&world, "another committee");
}

#[tokio::test]
async fn bad_proofs_are_refused() {
    let mut world = World::new();
    let commands = [world.commit().await, world.payout().await, world.deposit().await];
    // From here on proofs are looked at, and placeholders are none.
    world.checker.key = Some(Arc::new(pickles::VerificationKey::placeholder()));
    for (command, place) in commands.iter().zip([0, 0, 1]) {
        assert_eq!(world.code(command), 1006);
        let none = |update: &mut AccountUpdate| {
            update.authorization = Authorization::Proof(Proof(b"none".as_slice().into()));
        };
        assert_eq!(world.code(&changed(command, place, none)), 1006);
        let signed = |update: &mut AccountUpdate| {
            update.authorization = Authorization::Signature(Signature::DUMMY);
        };
        assert_eq!(world.code(&changed(command, place, signed)), 1006);
    }
}

#[tokio::test]
async fn unknown_deposits_are_refused() {
    let mut world = World::new();
    let commit = world.commit().await;
    let inbox = |update: &mut AccountUpdate| update.body.update.app_state[1] = Some(Fp::from(1u64));
    assert_eq!(world.code(&changed(&commit, 0, inbox)), 1007);
    let later = |update: &mut AccountUpdate| {
        update.body.preconditions.account.action_state = Some(Fp::from(1u64));
    };
    assert_eq!(world.code(&changed(&commit, 0, later)), 1007);
    // The L1 has undone the second deposit, and has another one there.
    let all = world.standing.inbox.clone().unwrap();
    let other = message(all[0].after, 23);
    world.standing.contract.action_states = [other.after; 5];
    world.standing.inbox = Some(Arc::new(vec![all[0].clone(), other]));
    assert_eq!(world.code(&commit), 1007);
    // An action state from before what the batch has consumed.
    world.standing.inbox = Some(Arc::clone(&all));
    let earlier = Commit { action_state: all[0].after, ..world.commit };
    assert_eq!(world.code(&world.proved_commit(earlier).await), 1007);
    // Nobody knows.
    world.standing.inbox = None;
    assert_eq!(world.code(&commit), 1012);
    // What the account has needs no archive.
    world.standing.contract.action_states = [all[1].after; 5];
    let exact = Commit { action_state: all[1].after, ..world.commit };
    assert_eq!(world.code(&world.proved_commit(exact).await), 0);
}

/// A deposit waits that should have been consumed: the third, behind the batch that ends in slot 32.
#[tokio::test]
async fn overdue_deposits_are_refused() {
    let mut world = World::new();
    let commit = world.commit().await;
    let all = world.standing.inbox.clone().unwrap();
    for (timeout, code) in [(31, 1013), (32, 0), (33, 0)] {
        let mut late = Vec::clone(&all);
        let third = deposit(22, timeout);
        late[2] = message_of(all[1].after, third);
        world.standing.contract.action_states = [late[2].after; 5];
        world.standing.inbox = Some(Arc::new(late.clone()));
        let named = Commit { action_state: late[2].after, ..world.commit };
        assert_eq!(world.code(&world.proved_commit(named).await), code, "{timeout}");
        // With the state behind the batch itself, it is not behind the commit.
        world.standing.contract.action_states[4] = late[1].after;
        let earlier = Commit { action_state: late[1].after, ..world.commit };
        assert_eq!(world.code(&world.proved_commit(earlier).await), 0, "{timeout}");
        // The one message of the batch is a full quota.
        world.checker.parameters.message_quota = 1;
        assert_eq!(world.code(&world.proved_commit(named).await), 0, "{timeout}");
        world.checker.parameters.message_quota = 2;
    }
    // What nobody has opened: who knows.
    let mut unopened = Vec::clone(&all);
    unopened[2].deposit = None;
    world.standing.contract.action_states = [all[2].after; 5];
    world.standing.inbox = Some(Arc::new(unopened));
    assert_eq!(world.code(&commit), 1012);
}

#[tokio::test]
async fn missing_withdrawals_are_refused() {
    let mut world = World::new();
    let (commit, payout) = (world.commit().await, world.payout().await);
    let outbox =
        |update: &mut AccountUpdate| update.body.update.app_state[2] = Some(Fp::from(1u64));
    assert_eq!(world.code(&changed(&commit, 0, outbox)), 1008);
    let other = |update: &mut AccountUpdate| update.body.public_key = public(40);
    assert_eq!(world.code(&changed(&payout, 1, other)), 1008);
    let mut nodes = payout.account_updates.updates().cloned();
    let mut fewer = CallForest::new();
    fewer.push(nodes.next().unwrap(), 0).unwrap();
    fewer.push(nodes.next().unwrap(), 1).unwrap();
    assert_eq!(world.code(&command(fewer)), 1008);
    world.standing.payout = Ok(None);
    assert_eq!(world.code(&payout), 1008);
    world.standing.payout = Err("the archive is behind".into());
    assert_eq!(world.code(&payout), 1012);
    // A batch with a withdrawal that the L2 does not have.
    if let Some(batch) = &mut world.standing.batch {
        batch.outbox.clear();
    }
    assert_eq!(world.code(&commit), 1008);
}

#[tokio::test]
async fn wrong_slots_are_refused() {
    let mut world = World::new();
    let (commit, deposit) = (world.commit().await, world.deposit().await);
    for (slot, code) in [(31, 1009), (32, 0), (52, 0), (53, 1009)] {
        world.standing.slot = Slot::new(slot);
        assert_eq!(world.code(&commit), code, "{slot}");
    }
    for (slot, code) in [(45, 0), (46, 1009)] {
        world.standing.slot = Slot::new(slot);
        assert_eq!(world.code(&deposit), code, "{slot}");
    }
    world.standing.slot = Slot::new(40);
    let any = |update: &mut AccountUpdate| update.body.preconditions.valid_while = None;
    assert_eq!(world.code(&changed(&commit, 0, any)), 1009);
    let mut late = commit.clone();
    late.fee_payer.body.valid_until = Some(Slot::new(39));
    assert_eq!(world.code(&late), 1009);
}

#[tokio::test]
async fn what_was_settled_is_refused() {
    let mut world = World::new();
    let (commit, payout) = (world.commit().await, world.payout().await);
    let after = world.commit.progress_after().unwrap();
    world.standing.contract.state[Field::Progress.index()] = after.to_field();
    assert_eq!(world.code(&commit), 1010);
    world.standing.contract.state[Field::Payout.index()] = world.payout.after().digest();
    assert_eq!(world.code(&payout), 1010);
}

#[tokio::test]
async fn batches_that_are_not_next_are_refused() {
    let mut world = World::new();
    let commit = world.commit().await;
    let before = Progress { batch: 4, ..world.commit.progress };
    world.standing.contract.state[Field::Progress.index()] = before.to_field();
    assert_eq!(world.code(&commit), 1011);
    world.standing.contract.state[Field::Progress.index()] = world.commit.progress.to_field();
    world.standing.batch = None;
    assert_eq!(world.code(&commit), 1011);
}
