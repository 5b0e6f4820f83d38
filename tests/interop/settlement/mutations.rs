//! Changes of an update that must be refused.

use mina_curves::Fp;
use mina_ledger::types::{
    AccountUpdate, Amount, Authorization, Body, Bounds, CallForest, Era, MayUseToken, Permissions,
    PublicKey, SignedAmount, Slot, SlotSpan, Timing, TokenSymbol, VerificationKey, ZkappUri,
};

use super::user;

/// Updates with their depths.
type Nodes = Vec<(AccountUpdate, u32)>;

/// What changes a command, given the place of the update that is proved.
type Edit = Box<dyn Fn(&mut Nodes, usize)>;

/// A named change of a command.
pub(super) struct Mutation {
    name: String,
    edit: Edit,
}

impl Mutation {
    /// Its name, and the changed command.
    pub(super) fn apply(self, forest: &CallForest, place: usize) -> (String, CallForest) {
        let Self { name, edit } = self;
        let mut nodes: Nodes =
            forest.nodes().iter().map(|node| (node.update.clone(), node.depth())).collect();
        edit(&mut nodes, place);
        let mut changed = CallForest::new();
        for (update, depth) in nodes {
            changed.push(update, depth).unwrap();
        }
        assert_ne!(changed, *forest, "{name} changes nothing");
        (name, changed)
    }
}

fn mutation(name: impl Into<String>, edit: impl Fn(&mut Nodes, usize) + 'static) -> Mutation {
    Mutation { name: name.into(), edit: Box::new(edit) }
}

fn body(name: impl Into<String>, edit: impl Fn(&mut Body) + 'static) -> Mutation {
    mutation(name, move |nodes, place| edit(&mut nodes[place].0.body))
}

fn toggle<T>(value: &mut Option<T>, other: T) {
    *value = if value.is_some() { None } else { Some(other) };
}

fn one() -> Fp {
    Fp::from(1u64)
}

/// A key that no account has.
fn other_key() -> VerificationKey {
    VerificationKey::new(vec![0; VerificationKey::LEN], one())
}

/// Every field of the body but the account itself, which decides who verifies.
pub(super) fn every_field() -> Vec<Mutation> {
    let mut all = sets();
    all.extend(asks());
    all.extend([
        body("balance change", |b| b.balance_change.magnitude = Amount::new(1)),
        body("sign of the balance change", |b| {
            b.balance_change.sign = match b.balance_change.is_negative() {
                true => SignedAmount::ZERO.sign,
                false => SignedAmount::negative(Amount::new(1)).sign,
            };
        }),
        body("increment nonce", |b| b.increment_nonce = true),
        body("another event", |b| b.events.push(vec![one()])),
        body("another action", |b| b.actions.push(vec![one()])),
        body("an action's field", |b| match b.actions.first_mut() {
            Some(action) => action[2] += one(),
            None => b.actions = vec![vec![]],
        }),
        body("call data", |b| b.call_data = one()),
        body("full commitment", |b| b.use_full_commitment = true),
        body("creation fee", |b| b.implicit_account_creation_fee = true),
        body("parent's token", |b| b.may_use_token = MayUseToken::ParentsOwnToken),
        body("inherited token", |b| b.may_use_token = MayUseToken::InheritFromParent),
        mutation("a child", |nodes, place| {
            let body = Body::new(nodes[0].0.body.account_id(), Era::default());
            let child = AccountUpdate { body, authorization: Authorization::None };
            nodes.insert(place + 1, (child, nodes[place].1 + 1));
        }),
    ]);
    all
}

/// Another proof.
pub(super) fn proof() -> Mutation {
    mutation("the proof", |nodes, place| {
        let Authorization::Proof(proof) = &nodes[place].0.authorization else { panic!() };
        nodes[place].0.authorization = Authorization::Proof(another_proof(proof));
    })
}

/// What a commit is about.
pub(super) fn of_a_commit() -> Vec<Mutation> {
    vec![
        body("ledger", |b| b.update.app_state[0] = Some(one())),
        body("inbox", |b| b.update.app_state[1] = Some(one())),
        body("outbox", |b| b.update.app_state[2] = Some(one())),
        body("payout", |b| b.update.app_state[3] = Some(one())),
        body("configuration", |b| b.update.app_state[4] = Some(one())),
        body("progress", |b| b.update.app_state[6] = Some(one())),
        body("data", |b| b.update.app_state[7] = Some(one())),
        body("any ledger", |b| b.preconditions.account.state[0] = None),
        body("any status", |b| b.preconditions.account.state[5] = None),
        body("any inbox", |b| b.preconditions.account.action_state = None),
        body("any slot", |b| b.preconditions.valid_while = None),
        body("taking", |b| b.balance_change = SignedAmount::negative(Amount::new(1))),
        proof(),
    ]
}

/// The proof with another evaluation: one digit of it.
fn another_proof(proof: &mina_ledger::types::Proof) -> mina_ledger::types::Proof {
    let mut bytes = proof.0.to_vec();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let start = text.find("(ft_eval1 0x").unwrap() + "(ft_eval1 0x".len();
    let digit = &mut bytes[start + 40];
    *digit = if *digit == b'1' { b'2' } else { b'1' };
    mina_ledger::types::Proof(bytes.into())
}

/// What the update sets.
fn sets() -> Vec<Mutation> {
    let mut all: Vec<Mutation> = (0..8)
        .map(|i| body(format!("state {i}"), move |b| toggle(&mut b.update.app_state[i], one())))
        .collect();
    let written = |b: &mut Body| match b.update.app_state.iter_mut().flatten().next() {
        Some(field) => *field += one(),
        None => b.update.app_state[7] = Some(one()),
    };
    let timing = Timing {
        initial_minimum_balance: Amount::new(1),
        cliff_time: Slot::new(1),
        cliff_amount: Amount::new(1),
        vesting_period: SlotSpan::new(1),
        vesting_increment: Amount::new(1),
    };
    all.extend([
        body("a written field", written),
        body("delegate", |b| b.update.delegate = Some(user(9))),
        body("key", |b| b.update.verification_key = Some(other_key())),
        body("permissions", |b| {
            b.update.permissions = Some(Permissions::user_default(Era::default()));
        }),
        body("URI", |b| b.update.zkapp_uri = Some(ZkappUri::new(*b"https://example.org").unwrap())),
        body("symbol", |b| b.update.token_symbol = Some(TokenSymbol::new(b"MINE").unwrap())),
        body("timing", move |b| b.update.timing = Some(timing)),
        body("vote", |b| b.update.voting_for = Some(one())),
    ]);
    all
}

/// What the update asks for.
fn asks() -> Vec<Mutation> {
    let amounts = Bounds { lower: Amount::ZERO, upper: Amount::new(u64::MAX - 1) };
    let slots = Bounds { lower: Slot::ZERO, upper: Slot::new(1 << 30) };
    let mut all: Vec<Mutation> = (0..8)
        .map(|i| {
            let edit =
                move |b: &mut Body| toggle(&mut b.preconditions.account.state[i], Fp::from(0u64));
            body(format!("precondition on state {i}"), edit)
        })
        .collect();
    all.extend([
        body("status", |b| b.preconditions.account.state[5] = Some(Fp::from(2u64))),
        body("balance", move |b| b.preconditions.account.balance = Some(amounts)),
        body("nonce", |b| {
            b.preconditions.account.nonce = Some(Bounds { lower: 0.into(), upper: 9.into() });
        }),
        body("receipt", |b| b.preconditions.account.receipt_chain_hash = Some(one())),
        body("delegate", |b| b.preconditions.account.delegate = Some(user(9))),
        body("action state", |b| toggle(&mut b.preconditions.account.action_state, one())),
        body("proved state", |b| b.preconditions.account.proved_state = Some(true)),
        body("new", |b| b.preconditions.account.is_new = Some(false)),
        body("any slot", move |b| toggle(&mut b.preconditions.valid_while, slots)),
        body("later", move |b| b.preconditions.valid_while = Some(slots)),
        body("snarked ledger", |b| b.preconditions.network.snarked_ledger_hash = Some(one())),
        body("height", |b| {
            let bounds = Bounds { lower: 0.into(), upper: 9.into() };
            b.preconditions.network.blockchain_length = Some(bounds);
        }),
        body("density", |b| {
            let bounds = Bounds { lower: 0.into(), upper: 9.into() };
            b.preconditions.network.min_window_density = Some(bounds);
        }),
        body("currency", move |b| b.preconditions.network.total_currency = Some(amounts)),
        body("global slot", move |b| {
            b.preconditions.network.global_slot_since_genesis = Some(slots);
        }),
        body("staking epoch", |b| {
            b.preconditions.network.staking_epoch_data.ledger.hash = Some(one());
        }),
        body("next epoch", |b| b.preconditions.network.next_epoch_data.seed = Some(one())),
    ]);
    all
}

/// What a payout is about: the sum, how far it goes, and the payments below it.
pub(super) fn of_a_payout() -> Vec<Mutation> {
    fn first(name: &'static str, edit: impl Fn(&mut Body) + 'static) -> Mutation {
        mutation(name, move |nodes, place| edit(&mut nodes[place + 1].0.body))
    }
    let thief: PublicKey = user(9);
    vec![
        body("sum", |b| b.balance_change = SignedAmount::negative(Amount::new(1))),
        body("how far it goes", |b| b.update.app_state[3] = Some(one())),
        body("how far it went", |b| b.preconditions.account.state[3] = None),
        body("any outbox", |b| b.preconditions.account.state[2] = None),
        first("another recipient", move |b| b.public_key = thief),
        first("another amount", |b| b.balance_change = SignedAmount::positive(Amount::new(1))),
        first("no creation fee", |b| b.implicit_account_creation_fee = false),
        mutation("payments in another order", |nodes, place| nodes.swap(place + 1, place + 2)),
        mutation("no second payment", |nodes, place| drop(nodes.remove(place + 2))),
        mutation("a payment twice", |nodes, place| {
            nodes.insert(place + 1, nodes[place + 1].clone());
        }),
        mutation("a payment beside it", |nodes, place| nodes[place + 2].1 = 0),
        mutation("a payment below the first", |nodes, place| nodes[place + 2].1 = 2),
    ]
}
