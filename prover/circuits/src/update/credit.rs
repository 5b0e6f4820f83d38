//! What the chain itself pays into an account.

use mina_curves::Fp;
use mina_ledger::{
    ledger::MerklePath,
    types::{Account, AccountId, Body, PublicKey, TokenId},
};

use super::{BlockVar, Opened, Rules, State, StateVar, Step, load, settle::all, stack::Popped};
use crate::{
    Boolean, Cs, Linear,
    alloc::constant,
    body::BodyVar,
    key::{AccountIdVar, PublicKeyVar},
    number::AmountVar,
};

/// What a prover knows of the account.
#[derive(Clone, Debug)]
pub struct CreditWitness {
    /// The account before; a new one as it starts out.
    pub account: Account,
    /// Whether the account is new.
    pub is_new: bool,
    /// The account's path in the ledger before.
    pub path: MerklePath,
}

/// An account that something has been paid into.
pub(crate) struct Credit {
    /// Whether that is possible.
    pub(crate) succeeds: Boolean,
    /// The root of the ledger afterwards, if it is.
    pub(crate) ledger: Linear,
    /// Whether the account was taken to be new.
    pub(crate) is_new: Boolean,
    /// The token that the account owns.
    pub(crate) owned_token: Linear,
    /// The index of the account's leaf.
    pub(crate) place: Linear,
}

/// Pays into an account of MINA, the fee for a new one out of the same amount: the twin of
/// [`apply_unauthorized_update`](mina_ledger::logic::apply_unauthorized_update) with a body that does
/// nothing else. Most of the 2,028 rows of a message; if the bit is 0, the account need not be in the ledger.
#[allow(clippy::too_many_arguments)] // all that an account is found by and paid with
pub(crate) fn credit<I>(
    cs: &mut Cs<I>,
    rules: &Rules,
    block: &BlockVar,
    ledger: &Linear,
    recipient: &PublicKeyVar,
    amount: &AmountVar,
    is_active: &Boolean,
    source: impl Fn(&I) -> &CreditWitness + Clone + Send + Sync + 'static,
) -> Credit {
    let era = rules.domain.era();
    let mut sample = Body::new(AccountId::of(PublicKey::EMPTY), era);
    sample.implicit_account_creation_fee = true;
    let mut body: BodyVar = constant(cs, era, &sample);
    let token_id = Linear::from(TokenId::DEFAULT.0);
    body.id = AccountIdVar { public_key: recipient.clone(), token_id };
    body.balance_change.magnitude = amount.clone();
    // The excess that the update leaves is what it is given.
    let index = Fp::from(1u64);
    let before: StateVar = constant(cs, era, &State { index, ..State::default() });
    let before = StateVar { excess: amount.linear().clone(), ..before };
    let is_default_token = Boolean::constant(true);

    let (account, is_new, path) = cs.region("account", |cs| {
        load(cs, era, ledger, &body.id, &is_default_token, is_active, move |input| {
            let CreditWitness { account, is_new, path } = source(input);
            Opened { account, is_new: *is_new, path }
        })
    });
    let stack = Popped::alone(body.id.derive_token_id(cs));
    let mut step = Step {
        rules,
        block,
        before: &before,
        body: &body,
        is_active,
        is_start: stack.is_start.clone(),
        is_new: is_new.clone(),
        is_default_token,
        checks: Vec::new(),
    };
    cs.region("checks", |cs| step.check(cs, &account, &stack));
    let (account, _) = cs.region("changes", |cs| step.change(cs, &account, &stack));
    let succeeds = all(cs, &step.checks);
    let ledger = cs.region("write", |cs| {
        let leaf = account.hash(cs);
        path.root(cs, &leaf)
    });
    Credit { succeeds, ledger, is_new, owned_token: stack.owned_token, place: path.index() }
}
