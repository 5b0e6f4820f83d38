//! One account update of a zkApp command: the twin of
//! [`apply_zkapp_command`](mina_ledger::logic::apply_zkapp_command), update by update.
//!
//! A [`StateVar`] is what is carried from one update to the next, [`constrain`] leads from one to the
//! next. Its parts follow the transaction logic:
//!
//! | part | what it says |
//! |---|---|
//! | `stack` | which update is next, whose token it may use, and what follows it |
//! | `signature` | the signature of its key, if it has one |
//! | `account` | the account is a leaf of the ledger, or new |
//! | `checks` | what must hold for the command to succeed: no check is an assertion |
//! | `changes` | the account afterwards |
//! | `write` | the ledger afterwards |
//! | `settle` | the excess, the list of new accounts, and what is left when the command ends |
//!
//! Where the circuit goes another way than the logic, with the same result:
//!
//! - A command ends with the first update that fails: its ledger is thrown away whatever comes next.
//!   So the state knows no failure, and the signatures of the updates behind it are not looked at.
//! - The bridge account's updates have no actions or one of an outbox entry's length: whether that
//!   is a withdrawal is a check like others.
//! - The first update has the form of a fee payer's. It must succeed, and its account exist: commands
//!   whose does not have no proof, as they have no place in a block.

mod bridge;
mod changes;
mod checks;
mod created;
mod credit;
mod record;
mod settle;
mod stack;
mod state;
mod view;

use mina_curves::Fp;
use mina_ledger::{
    Domain,
    hash::account_hash,
    ledger::MerklePath,
    rollup::BridgeParameters,
    types::{Account, Amount, Body, Era},
};

pub use created::NewAccount;
pub(crate) use created::NewAccountVar;
pub use credit::CreditWitness;
pub(crate) use credit::{Credit, credit};
pub use record::{RecordedCommand, RecordedUpdate, Recorder};
pub use stack::StackWitness;
pub use state::{State, StateVar};
pub use view::{BlockVar, EpochViewVar, ViewVar};

use crate::{
    Boolean, Cs, Linear,
    account::AccountVar,
    alloc::{Allocate, witness},
    body::BodyVar,
    key::AccountIdVar,
    merkle::MerklePathVar,
    schnorr::{SignatureWitness, assert_signed},
};

/// What is the same for every update that a circuit is made for.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The network and era.
    pub domain: Domain,
    /// The fee for creating an account.
    pub account_creation_fee: Amount,
    /// The bridge account's rule, where there is one.
    pub bridge: Option<BridgeParameters>,
}

/// What a prover knows of an update.
#[derive(Clone, Debug)]
pub struct UpdateWitness {
    /// What the update does; of the first of a command, what the fee payer stands for.
    pub body: Body,
    /// Its signature.
    pub signature: SignatureWitness,
    /// The account before; a new one as it starts out.
    pub account: Account,
    /// Whether the account is new.
    pub is_new: bool,
    /// The account's path in the ledger before.
    pub path: MerklePath,
    /// What is on the stacks.
    pub stack: StackWitness,
    /// Of an update of the bridge account with an action: the fields of the action.
    pub action: [Fp; 3],
}

/// The update under way.
struct Step<'a> {
    rules: &'a Rules,
    block: &'a BlockVar,
    before: &'a StateVar,
    body: &'a BodyVar,
    /// Whether there is an update at all.
    is_active: &'a Boolean,
    is_start: Boolean,
    is_new: Boolean,
    is_default_token: Boolean,
    /// What must hold for the command to succeed.
    checks: Vec<Boolean>,
}

/// An update that has been added.
#[derive(Clone, Debug)]
#[must_use]
pub struct Updated {
    /// The state after it, which means nothing where the update is not active.
    pub state: StateVar,
    /// Whether a proof authorises it, which nothing here verifies: whoever adds the update must, or
    /// assert that there is none.
    pub is_proved: Boolean,
    /// What that proof must show: the hash of the update, and that of its children.
    pub statement: [Linear; 2],
    /// The hash of the key that the update says the proof is under. If the command goes on, it is
    /// that of the account.
    pub key_hash: Linear,
}

/// Adds an update. `source` gives what the prover knows.
pub fn constrain<I>(
    cs: &mut Cs<I>,
    rules: &Rules,
    block: &BlockVar,
    before: &StateVar,
    is_active: &Boolean,
    source: impl Fn(&I) -> &UpdateWitness + Clone + Send + Sync + 'static,
) -> Updated {
    let era = rules.domain.era();
    let body = witness_of::<BodyVar, I>(cs, era, &sample_body(era), &source, |w| &w.body);
    let id_is_default = body.id.is_default_token(cs);

    let stack =
        cs.region("stack", |cs| stack::pop(cs, rules, before, &body, is_active, source.clone()));
    cs.region("signature", |cs| {
        let of_command =
            body.use_full_commitment.select(cs, &stack.full_commitment, &stack.commitment);
        let source = source.clone();
        let is_signed = body.auth.is_signed.and(cs, is_active);
        assert_signed(
            cs,
            &rules.domain,
            &is_signed,
            &body.id.public_key,
            &of_command.into(),
            move |input| &source(input).signature,
        );
    });

    let ledger = stack.is_start.select(cs, &before.ledger, &before.local_ledger).into();
    let (account, is_new, path) = cs.region("account", |cs| {
        let source = source.clone();
        load(cs, era, &ledger, &body.id, &id_is_default, is_active, move |input| {
            let UpdateWitness { account, is_new, path, .. } = source(input);
            Opened { account, is_new: *is_new, path }
        })
    });

    let mut step = Step {
        rules,
        block,
        before,
        body: &body,
        is_active,
        is_start: stack.is_start.clone(),
        is_new,
        is_default_token: id_is_default,
        checks: Vec::new(),
    };
    if let Some(parameters) = &rules.bridge {
        let source = source.clone();
        cs.region("bridge", |cs| {
            step.check_bridge(cs, parameters, &stack, move |input| &source(input).action)
        });
    }
    cs.region("checks", |cs| step.check(cs, &account, &stack));
    let (account, excess) = cs.region("changes", |cs| step.change(cs, &account, &stack));
    let ledger = cs.region("write", |cs| {
        let leaf = account.hash(cs);
        path.root(cs, &leaf)
    });
    let state = cs.region("settle", |cs| step.settle(cs, &stack, excess, [&ledger, &path.index()]));
    Updated {
        state,
        is_proved: body.auth.is_proved,
        statement: [stack.digest, stack.children],
        key_hash: body.key_hash,
    }
}

fn witness_of<T: Allocate, I>(
    cs: &mut Cs<I>,
    era: Era,
    sample: &T::Native,
    source: &(impl Fn(&I) -> &UpdateWitness + Clone + Send + Sync + 'static),
    part: fn(&UpdateWitness) -> &T::Native,
) -> T
where
    T::Native: 'static,
{
    let source = source.clone();
    witness(cs, era, sample, move |input| part(source(input)))
}

fn sample_body(era: Era) -> Body {
    Body::new(Account::empty(era).id(), era)
}

/// An account as a prover opens it; a new one as it starts out.
pub(crate) struct Opened<'a> {
    pub(crate) account: &'a Account,
    pub(crate) is_new: bool,
    pub(crate) path: &'a MerklePath,
}

/// An account that is in some ledger, or whose leaf there is empty.
pub(crate) struct OpenedVar {
    pub(crate) account: AccountVar,
    pub(crate) is_new: Boolean,
    pub(crate) path: MerklePathVar,
    /// The root of that ledger.
    pub(crate) root: Linear,
}

/// Opens an account in a ledger of the prover's: whoever asks must say which one it is.
pub(crate) fn open<I>(
    cs: &mut Cs<I>,
    era: Era,
    id: &AccountIdVar,
    is_default_token: &Boolean,
    is_active: &Boolean,
    source: impl Fn(&I) -> Opened<'_> + Clone + Send + Sync + 'static,
) -> OpenedVar {
    let empty = Account::empty(era);
    let given = source.clone();
    let account: AccountVar = witness(cs, era, &empty, move |input| given(input).account);
    let given = source.clone();
    let is_new = Boolean::witness(cs, move |v| given(v.input()).is_new);
    account.id.assert_equal(cs, id);
    let fresh = AccountVar::new(cs, &account.id, is_default_token, era);
    account.assert_equal_if(cs, &is_new, &fresh);

    let leaf = account.hash(cs);
    let exists = is_active.and(cs, &is_new.not());
    AccountVar::assert_exists_if(cs, &exists, &leaf, era);
    let leaf = is_new.select(cs, account_hash(&empty, era), leaf);
    let path = MerklePathVar::witness(cs, move |input| source(input).path);
    let root = path.root(cs, &leaf.into());
    OpenedVar { account, is_new, path, root }
}

/// An account that is in a ledger, or whose leaf there is empty.
fn load<I>(
    cs: &mut Cs<I>,
    era: Era,
    ledger: &Linear,
    id: &AccountIdVar,
    is_default_token: &Boolean,
    is_active: &Boolean,
    source: impl Fn(&I) -> Opened<'_> + Clone + Send + Sync + 'static,
) -> (AccountVar, Boolean, MerklePathVar) {
    let OpenedVar { account, is_new, path, root } =
        open(cs, era, id, is_default_token, is_active, source);
    cs.assert_mul(is_active, root - ledger, Fp::default());
    (account, is_new, path)
}

/// A state element as a variable, which later uses share.
fn shared<I>(cs: &mut Cs<I>, x: impl Into<Linear>) -> Linear {
    cs.reduce(x).into()
}
