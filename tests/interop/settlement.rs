//! A batch settled before o1js: deploy, deposit, commit, payout on a `LocalBlockchain` with proofs on,
//! the batch proved by the worker; and everything that must be refused there, and by the bridge before.

mod checks;
mod layer2;
mod mutations;

use ark_ff::UniformRand;
use mina_curves::{Fp, Fq};
use mina_ledger::{
    Domain,
    hash::command_hashes,
    rollup::{
        Attestation, ChainId, Commit, CommitOrder, Committee, CommitteeMember, Configuration,
        ContractState, DeployFunds, Deposit, DepositAction, Field, Hashed, OutboxEntry, Payout,
        Sequencer, SettlementParameters, SignedStatement, Waiting, bridge_public_key,
        deploy_updates,
    },
    signature::sign_zkapp_command,
    types::{
        AccountId, AccountUpdate, Amount, Authorization, AuthorizationKind, Body, CallForest,
        FeePayer, FeePayerBody, Memo, PrivateKey, PublicKey, Signature, SignedAmount, Slot,
        SlotSpan, ZkappCommand,
    },
};
use pickles::ProvedStatement;
use rand::rngs::OsRng;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use serde_json::{Value, json};
use zeko_bridge::{CertifiedBatch, ContractRule, Standing};
use zeko_circuits::{
    contract::{Contract, ContractKeys},
    fold::{CertifiedInbox, FoldError, FoldProgram, FoldSizes},
};
use zeko_tests::o1js;

use checks::Checks;
use layer2::{FIRST, Layer2, Proved};
use mutations::{Mutation, every_field};

const MINA: u64 = 1_000_000_000;

/// What the accounts of the L2's genesis hold: see [`Layer2::new`].
const VAULT: Amount = Amount::new(20 * MINA);

/// The most messages of a batch.
const QUOTA: u32 = 4;

/// What creating an account costs on a `LocalBlockchain`.
const CREATION_FEE: Amount = Amount::new(MINA);

fn secret(seed: u64) -> PrivateKey {
    PrivateKey::new(Fq::rand(&mut ChaCha20Rng::seed_from_u64(seed))).unwrap()
}

fn user(seed: u64) -> PublicKey {
    secret(seed).to_public_key()
}

/// The `LocalBlockchain`, and who pays for commands there.
struct Layer1 {
    payer: PrivateKey,
    slot: u32,
}

/// What the chain knows of an account.
struct Known {
    nonce: u32,
    balance: u64,
    state: Vec<Fp>,
    action_state: Fp,
}

impl Layer1 {
    fn new() -> Self {
        let payer = o1js::pickles("payer", &Value::Null).unwrap();
        Self { payer: PrivateKey::from_base58(payer.as_str().unwrap()).unwrap(), slot: 10 }
    }

    fn account(&self, key: PublicKey) -> Known {
        let known = o1js::pickles("account", &key.to_base58().into()).unwrap();
        let field = |value: &Value| value.as_str().unwrap().parse::<Fp>().unwrap_or_default();
        Known {
            nonce: known["nonce"].as_u64().unwrap() as u32,
            balance: known["balance"].as_str().unwrap().parse().unwrap(),
            state: known["state"].as_array().unwrap().iter().map(field).collect(),
            action_state: field(&known["actionState"]),
        }
    }

    /// Signs and sends a command of these updates; why it is refused.
    fn send(&self, account_updates: CallForest, signers: &[&PrivateKey]) -> Result<(), String> {
        let public_key = self.payer.to_public_key();
        let nonce = self.account(public_key).nonce.into();
        let body = FeePayerBody { public_key, fee: (MINA / 10).into(), valid_until: None, nonce };
        let mut command = ZkappCommand {
            fee_payer: FeePayer { body, authorization: Signature::DUMMY },
            account_updates,
            memo: Memo::EMPTY,
        };
        let domain = Domain::default();
        let hashes = command_hashes(&command, &domain);
        for key in [&self.payer].into_iter().chain(signers.iter().copied()) {
            sign_zkapp_command(&mut command, &hashes, key, &domain).unwrap();
        }
        let sent = o1js::pickles("sendCommand", &json!({ "command": command, "slot": self.slot }))?;
        match sent["status"].as_str() {
            Some("pending") => Ok(()),
            _ => Err(sent.to_string()),
        }
    }

    /// What pays `amount` out of the payer's account.
    fn pays(&self, amount: Amount) -> AccountUpdate {
        let id = AccountId::of(self.payer.to_public_key());
        let mut body = Body::new(id, Domain::default().era());
        body.balance_change = SignedAmount::negative(amount);
        body.authorization_kind = AuthorizationKind::Signature;
        body.use_full_commitment = true;
        AccountUpdate { body, authorization: Authorization::Signature(Signature::DUMMY) }
    }
}

/// A rollup, whose validators are trusted to have looked at what they sign.
struct Rollup {
    layer1: Layer1,
    layer2: Layer2,
    folds: FoldProgram,
    contract: Contract,
    committee: Committee,
    validators: Vec<PrivateKey>,
    account: PublicKey,
    state: ContractState,
    checks: Checks,
}

impl Rollup {
    fn compile() -> Self {
        let account = user(1);
        let layer2 = Layer2::new(account);
        let sizes = FoldSizes { actions: 4, waiting: 2, members: 4 };
        let folds = FoldProgram::compile(sizes, QUOTA as usize, None).unwrap();
        let keys = ContractKeys {
            batch: layer2.program.program.verification_key().clone(),
            fold: folds.program().verification_key().clone(),
        };
        let parameters = SettlementParameters {
            domain: Domain::default(),
            l1_network: ChainId::new("testnet").unwrap(),
            chain: ChainId::new("settled").unwrap(),
            minimum_deposit: MINA.into(),
            deposit_timeout: SlotSpan::new(40),
            window: SlotSpan::new(20),
            message_quota: QUOTA,
        };
        let contract = Contract::compile(parameters, &keys, None).unwrap();
        let validators: Vec<_> = (10..14).map(secret).collect();
        let member = |key: &PrivateKey| CommitteeMember { key: key.to_public_key(), power: 1 };
        let committee = Committee::new(validators.iter().map(member).collect()).unwrap();
        let configuration = Configuration {
            sequencer: Sequencer { key: user(5) }.digest(),
            committee: committee.digest(),
            epoch: 0,
            governance: user(6),
            pending: Fp::default(),
        };
        let state = ContractState::genesis(layer2.root(), configuration, Slot::new(10));
        let layer1 = Layer1::new();
        let checks = Checks::new(&contract, account, committee.clone(), configuration);
        Self { layer1, layer2, folds, contract, committee, validators, account, state, checks }
    }

    /// Sets up the account.
    fn deploy(&self) {
        let payer = self.layer1.payer.to_public_key();
        let funds = DeployFunds { payer, creation_fee: CREATION_FEE, vault: VAULT };
        let Self { account, contract, state, committee, .. } = self;
        let (key, parameters) = (contract.verification_key(), contract.parameters());
        let updates = deploy_updates(*account, key, state, committee, &funds, parameters).unwrap();
        self.layer1.send(CallForest::flat(updates), &[&secret(1)]).unwrap();
        self.check();
    }

    /// The account on the chain has the expected state.
    fn check(&self) {
        assert_eq!(self.layer1.account(self.account).state, self.state.to_fields());
    }

    /// The bridge takes a command.
    fn accepts(&self, forest: &CallForest) {
        self.checks.accept(forest, &self.standing());
    }

    /// What the bridge compares commands with.
    fn standing(&self) -> Standing {
        let known = self.layer1.account(self.account);
        let key = self.contract.verification_key().hash();
        self.checks.standing(&known, key, self.layer1.slot)
    }

    /// The chain refuses a command in which the update of the rollup account, or what follows it, was
    /// changed after it was proved; and so does the bridge.
    fn refuses(&self, rule: ContractRule, forest: &CallForest, mutations: Vec<Mutation>) {
        // A deposit follows the payment.
        let place = usize::from(rule == ContractRule::Deposit);
        let standing = self.standing();
        for mutation in mutations {
            let (name, changed) = mutation.apply(forest, place);
            self.checks.refuse(rule, &name, &changed, &standing);
            let error = self.layer1.send(changed, &[]).expect_err(&name);
            let by_proof = error.contains("Invalid proof for account update");
            let first = error.contains("permission") || error.contains("mayUseToken");
            assert!(by_proof || first, "{name}: {error}");
        }
        self.check();
    }

    /// What three of four validators sign.
    fn signatures(&self, attestation: &Attestation) -> Vec<Option<Signature>> {
        let keys = self.validators.iter().enumerate();
        keys.map(|(index, key)| (index != 1).then(|| attestation.sign(key).unwrap())).collect()
    }

    /// The proof of a fold.
    fn fold(&self, from: Fp, actions: &[Fp]) -> Option<ProvedStatement> {
        self.folds.fold(from, actions, &mut OsRng).unwrap()
    }
}

/// The statement that Mina makes of the update at a place: its hash and that of its calls.
fn statement(forest: &CallForest, place: usize) -> [Fp; 2] {
    let body =
        FeePayerBody { public_key: user(0), fee: 1.into(), valid_until: None, nonce: 0.into() };
    let command = ZkappCommand {
        fee_payer: FeePayer { body, authorization: Signature::DUMMY },
        account_updates: forest.clone(),
        memo: Memo::EMPTY,
    };
    let hashes = command_hashes(&command, &Domain::default()).forest;
    let end = forest.subtree_ends()[place];
    [hashes.bodies[place], hashes.forest(place + 1, end)]
}

/// Every field of the update is in the statement of its proof.
fn binds_every_field(forest: &CallForest, place: usize) {
    let honest = statement(forest, place);
    for mutation in every_field() {
        let (name, changed) = mutation.apply(forest, place);
        assert_ne!(statement(&changed, place), honest, "{name}");
    }
}

/// To a new account on the L2, to one that cannot be credited, and one that waits.
fn deposits_to() -> [Deposit; 3] {
    [user(7), bridge_public_key(), user(8)].map(|recipient| Deposit {
        recipient,
        amount: (5 * MINA).into(),
        refund_to: user(22),
        valid_until: Slot::new(30),
    })
}

#[test]
fn deposit_commit_and_payout() {
    let mut rollup = Rollup::compile();
    let (_, rows) = rollup.contract.program().rows();
    assert_eq!(rows, [("deposit", 1072), ("commit", 24413), ("payout", 15471)]);
    rollup.deploy();
    let messages = deposits(&mut rollup);
    let entries = commits(&mut rollup, &messages);
    payouts(&mut rollup, &entries);
}

/// Makes the deposits; what they leave in the inbox.
fn deposits(rollup: &mut Rollup) -> Vec<DepositAction> {
    let before = rollup.layer1.account(rollup.account);
    let mut inbox = before.action_state;
    let mut actions = Vec::new();
    for deposit in deposits_to() {
        let update = rollup.contract.deposit(rollup.account, &deposit, &mut OsRng).unwrap();
        let forest = CallForest::flat([rollup.layer1.pays(deposit.amount), update]);
        rollup.accepts(&forest);
        if actions.is_empty() {
            binds_every_field(&forest, 1);
            rollup.refuses(ContractRule::Deposit, &forest, every_field());
            rollup.refuses(ContractRule::Deposit, &forest, vec![mutations::proof()]);
            // Mina's part of the bargain: another slot, and nobody who pays.
            let late = Layer1 { slot: 31, payer: rollup.layer1.payer.clone() };
            let error = late.send(forest.clone(), &[]).unwrap_err();
            assert!(error.contains("Valid_while"), "{error}");
            let standing = Standing { slot: Slot::new(31), ..rollup.standing() };
            rollup.checks.refuse_with(1009, "late", &forest, &standing);
            let alone = CallForest::flat(forest.updates().skip(1).cloned());
            let error = rollup.layer1.send(alone, &[]).unwrap_err();
            assert!(error.contains("xcess"), "{error}");
        }
        rollup.layer1.send(forest, &[]).unwrap();
        let action = deposit.action(rollup.contract.parameters()).unwrap();
        inbox = mina_ledger::rollup::append_action(inbox, &action.to_fields());
        actions.push(action);
        rollup.checks.deposited(&action);
        assert_eq!(rollup.layer1.account(rollup.account).action_state, inbox);
    }
    assert_eq!(rollup.layer1.account(rollup.account).balance, before.balance + 15 * MINA);
    rollup.check();
    actions
}

/// A batch that consumes two of the deposits, credits one and refunds the other, and in which what was
/// credited is partly withdrawn. Returns what the L1 owes.
fn commits(rollup: &mut Rollup, messages: &[DepositAction]) -> Vec<OutboxEntry> {
    let withdrawal = |seed: u64, amount: u64| OutboxEntry::Withdrawal {
        recipient: user(seed),
        amount: (amount * MINA).into(),
    };
    let refund = OutboxEntry::Refund { recipient: user(22), amount: (5 * MINA).into() };
    let withdrawals = [(7, withdrawal(20, 2)), (FIRST, withdrawal(21, 3))];
    let entries = vec![refund, withdrawals[0].1, withdrawals[1].1];
    let inbox: Vec<Fp> = messages.iter().map(DepositAction::action_hash).collect();
    let state = rollup.state;
    let Proved { statement: batch, attestation, proof } =
        rollup.layer2.batch(&inbox, &messages[..2], &withdrawals);
    let target = batch.target;
    let outbox = entries.iter().fold(state.outbox, |outbox, entry| entry.append_to(outbox));
    assert_eq!(target.outbox, outbox);
    assert_eq!((batch.source.root, batch.source.inbox), (state.root, state.inbox));
    let order = CommitOrder { attestation: attestation.digest() };
    let commit = Commit {
        batch,
        attestation,
        configuration: state.configuration,
        progress: state.progress,
        action_state: mina_ledger::hash::push_actions(target.inbox, inbox[2]),
        earliest: messages[2].timeout,
        is_full: false,
        sequencer: Sequencer { key: user(5) },
        order: order.sign(&secret(5)).unwrap(),
    };
    let forest = prove_commit(rollup, &commit, &proof, messages);
    rollup.layer1.slot = 15;
    binds_every_field(&forest, 0);
    let signatures = rollup.signatures(&attestation);
    rollup.checks.batch =
        Some(CertifiedBatch { attestation, signatures, statement: batch, outbox: entries.clone() });
    rollup.accepts(&forest);
    let rule = ContractRule::Commit;
    rollup.refuses(rule, &forest, mutations::of_a_commit());
    rollup.checks.refuse_all(rule, &forest, every_field(), &rollup.standing());
    for (slot, reason) in [(11, "Valid_while"), (33, "Valid_while")] {
        rollup.layer1.slot = slot;
        let error = rollup.layer1.send(forest.clone(), &[]).unwrap_err();
        assert!(error.contains(reason), "{error}");
        rollup.checks.refuse_with(1009, reason, &forest, &rollup.standing());
    }
    rollup.layer1.slot = 32;
    rollup.accepts(&forest);
    rollup.layer1.send(forest.clone(), &[]).unwrap();
    rollup.state = ContractState {
        root: target.root,
        inbox: target.inbox,
        outbox: target.outbox,
        progress: commit.progress_after().unwrap(),
        data: attestation.data,
        ..state
    };
    rollup.check();
    rollup.checks.refuse_with(1010, "replayed", &forest, &rollup.standing());
    let error = rollup.layer1.send(forest, &[]).unwrap_err();
    assert!(error.contains("precondition"), "replayed: {error}");
    rollup.check();
    entries
}

/// The update of a commit of a batch that has consumed two of the messages: three of four validators
/// have signed.
fn prove_commit(
    rollup: &Rollup,
    commit: &Commit,
    batch: &ProvedStatement,
    messages: &[DepositAction],
) -> CallForest {
    let signatures = rollup.signatures(&commit.attestation);
    let (inbox, attestation) = (commit.batch.target.inbox, commit.attestation.digest());
    let (consumed, deposits) = messages.split_at(2);
    let waits = |deposits: &[DepositAction], known| {
        rollup.folds.waiting(inbox, deposits, known, &mut OsRng).unwrap()
    };
    let (waiting, proof) = waits(deposits, None);
    // The next proof continues it; of something else, it is of no use.
    let known = proof.clone().map(|proof| (waiting, proof));
    let (longer, _) = waits(&[deposits, consumed].concat(), known.clone());
    assert_eq!(longer, consumed.iter().fold(waiting, Waiting::with));
    assert_eq!(waits(consumed, known).0, consumed.iter().fold(Waiting::none(inbox), Waiting::with));
    let consumed = consumed.iter().map(DepositAction::action_hash).collect();
    let inbox = CertifiedInbox { before: commit.batch.source.inbox, consumed, waiting };
    let attest = |inbox: &CertifiedInbox, proof: &Option<ProvedStatement>| {
        let (committee, proof) = (&rollup.committee, proof.clone());
        rollup.folds.attest(committee, &signatures, attestation, inbox, proof, &mut OsRng)
    };
    // A proof of something else, or none, says nothing of this inbox.
    let mut later = inbox.clone();
    later.waiting.earliest = Slot::MAX;
    let none = CertifiedInbox { waiting: Waiting::none(inbox.waiting.from), ..inbox.clone() };
    for (inbox, proof) in [(&later, &proof), (&inbox, &None), (&none, &proof)] {
        assert!(matches!(attest(inbox, proof), Err(FoldError::Statement)));
    }
    let certificate = attest(&inbox, &proof).unwrap();
    let proofs = [batch.clone(), certificate];
    let update = rollup.contract.commit(rollup.account, commit, proofs, &mut OsRng).unwrap();
    CallForest::flat([update])
}

/// Two entries, and then the last one.
fn payouts(rollup: &mut Rollup, entries: &[OutboxEntry]) {
    let left: Vec<Fp> =
        entries[2..].iter().map(|e| mina_ledger::hash::actions_hash(&e.to_actions())).collect();
    let all = entries;
    for (entries, left) in [(&entries[..2], &left[..]), (&entries[2..], &[])] {
        let before = rollup.state.payout;
        let payout = Payout { before, outbox: rollup.state.outbox, entries: entries.to_vec() };
        let fold = rollup.fold(payout.fold().from, left);
        let forest = rollup.contract.payout(rollup.account, &payout, fold, &mut OsRng).unwrap();
        // What it could pay at most.
        let most = if left.is_empty() { payout.entries.clone() } else { all.to_vec() };
        rollup.checks.payout = Some(Payout { entries: most, ..payout.clone() });
        rollup.accepts(&forest);
        if !left.is_empty() {
            binds_every_field(&forest, 0);
            let rule = ContractRule::Payout;
            rollup.refuses(rule, &forest, mutations::of_a_payout());
            rollup.checks.refuse_all(rule, &forest, every_field(), &rollup.standing());
        }
        rollup.layer1.send(forest.clone(), &[]).unwrap();
        rollup.state.payout = payout.after();
        rollup.check();
        rollup.checks.refuse_with(1010, "replayed", &forest, &rollup.standing());
        let error = rollup.layer1.send(forest, &[]).unwrap_err();
        assert!(error.contains("precondition"), "replayed: {error}");
    }
    assert_eq!(rollup.state.payout.paid, rollup.state.outbox);
    // What creating their accounts costs is theirs to pay.
    for (recipient, amount) in [(20, 1), (22, 4), (21, 2)] {
        assert_eq!(rollup.layer1.account(user(recipient)).balance, amount * MINA);
    }
    let left = VAULT.get() + 5 * MINA;
    assert_eq!(rollup.layer1.account(rollup.account).balance, left);
    assert_eq!(rollup.layer1.account(rollup.account).state[Field::Status.index()], Fp::from(1u64));
}
