//! The end of a batch.

use kimchi::builder::{Boolean, Var};
use mina_curves::Fp;
use mina_ledger::{
    ledger::MerklePath,
    rollup::{BatchStatement, Root, Side, bridge_id},
    types::{Account, Era, Slot, ZkappAccount},
};
use pickles::{
    PreviousStatement, Rule, RuleStatement, Slot as ProofSlot, StepBuilder, StepInput, StepKey,
};

use super::{
    Creations, Point, Segment, SegmentVar,
    accounts::CreationsVar,
    statement::{BatchStatementVar, RootVar, SideVar},
};
use crate::{
    Cs, Linear,
    account::AccountVar,
    alloc::{constant, witness},
    key::AccountIdVar,
    merkle::MerklePathVar,
    number::{AmountVar, NumberValue, U32Var},
};

/// The closing step: no command is under way, the new accounts are new, the collected fees go to an
/// account that exists, and the bridge account's state, before and after, says what became of inbox and outbox.
///
/// The hashes of the last blocks are taken as they come: they are the DA committee's to vouch for.
#[derive(Clone, Copy, Debug)]
pub struct Close {
    era: Era,
}

/// An account with its path in a ledger.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The account.
    pub account: Account,
    /// Its path.
    pub path: MerklePath,
}

/// What a proof of [`Close`] is made from.
#[derive(Clone, Debug)]
pub struct CloseInput {
    /// What the batch's commands and messages have been proved to do.
    pub segment: Segment,
    /// The bridge account in the ledger before the batch.
    pub bridge_before: Opening,
    /// The bridge account in the ledger after its commands and messages.
    pub bridge_after: Opening,
    /// The account that fees go to, there; any account if there are no fees.
    pub fee_account: Opening,
    /// The hashes of the last block before the batch and of its own last block.
    pub blocks: [Fp; 2],
    /// The slots of its first and of its last block. The segment's ends are the first and the last
    /// block with commands, so the one is not behind, the other not before.
    pub slots: [Slot; 2],
    /// What has been proved of the batch's list of new accounts.
    pub creations: Creations,
}

/// Inbox and outbox, as a bridge account has them.
fn messages(bridge: &Account, era: Era) -> [Fp; 2] {
    let new = ZkappAccount::new(era);
    let zkapp = bridge.zkapp.as_deref().unwrap_or(&new);
    [zkapp.app_state.first().copied().unwrap_or_default(), zkapp.action_state[0]]
}

impl Close {
    pub(super) fn new(era: Era) -> Self {
        Self { era }
    }
}

impl CloseInput {
    /// What a proof from this says, if there is one; `ledger` is the root after the fees have been
    /// credited.
    pub fn statement(&self, ledger: Fp, era: Era) -> BatchStatement {
        let Self { segment, bridge_before, bridge_after, blocks, slots, creations, .. } = self;
        let side = |bridge: &Opening, ledger: Fp, accounts: Fp, block: Fp| {
            let [inbox, outbox] = messages(&bridge.account, era);
            Side { root: Root { ledger, accounts }, inbox, outbox, block }
        };
        BatchStatement {
            chain: segment.chain,
            source: side(bridge_before, segment.source.ledger, creations.from, blocks[0]),
            target: side(bridge_after, ledger, creations.to, blocks[1]),
            first_slot: slots[0],
            last_slot: slots[1],
        }
    }
}

type Builder = StepBuilder<CloseInput>;
type Input = StepInput<CloseInput>;

impl Rule for Close {
    type Input = CloseInput;

    fn name(&self) -> &'static str {
        "close"
    }

    fn previous(&self) -> Vec<ProofSlot> {
        vec![ProofSlot::Own, ProofSlot::Own]
    }

    fn constrain(&self, cs: &mut Builder, _: &[StepKey]) -> RuleStatement {
        let era = self.era;
        let segment = SegmentVar::witness(cs, |input: &Input| &input.rule().segment);
        let SegmentVar { chain, source, target } = &segment;
        cs.region("ends", |cs| {
            let none = Point::local_between_commands();
            for point in [source, target] {
                cs.assert_equal(point.local.clone(), none);
            }
            cs.assert_equal(source.fees.linear().clone(), Fp::default());
            cs.assert_equal(source.accounts.clone(), Fp::default());
        });
        let creations = CreationsVar::witness(cs, |input: &Input| &input.rule().creations);
        let shown = cs.region("new accounts", |cs| {
            cs.assert_equal(creations.list.clone(), &target.accounts);
            creations.to_previous(cs)
        });
        let CreationsVar { from: accounts_before, to: accounts_after, .. } = creations;
        let [first_slot, last_slot] =
            cs.witnesses(|v| v.input().rule().slots.map(|slot| slot.value()));
        let [first_slot, last_slot] = cs.region("slots", |cs| {
            let [first, last] = [first_slot, last_slot].map(|slot| U32Var::assert(cs, slot));
            for (earlier, later) in [(&first, &source.slot), (&target.slot, &last)] {
                U32Var::assert(cs, &(later.linear().clone() - earlier.linear()));
            }
            [first, last]
        });
        let [block_before, block_after] = cs.witnesses(|v| v.input().rule().blocks);
        let before = cs.region("bridge before", |cs| {
            open_messages(cs, era, &source.ledger, |input| &input.rule().bridge_before)
        });
        let after = cs.region("bridge after", |cs| {
            open_messages(cs, era, &target.ledger, |input| &input.rule().bridge_after)
        });
        let ledger = cs.region("fees", |cs| credit_fees(cs, era, &target.ledger, &target.fees));
        let previous = PreviousStatement {
            app_state: vec![segment.digest(cs)],
            must_verify: Boolean::<Fp>::constant(true),
        };
        let side = |ledger: Linear, accounts, [inbox, outbox]: [Linear; 2], block: Var<Fp>| {
            SideVar { root: RootVar { ledger, accounts }, inbox, outbox, block: block.into() }
        };
        let statement = BatchStatementVar {
            chain: chain.clone(),
            source: side(source.ledger.clone(), accounts_before, before, block_before),
            target: side(ledger, accounts_after, after, block_after),
            first_slot,
            last_slot,
        };
        RuleStatement { app_state: vec![statement.digest(cs)], previous: vec![previous, shown] }
    }
}

/// The bridge account, its hash, and the root of the ledger that it is in at leaf 0.
pub(super) fn open_bridge<I>(
    cs: &mut Cs<I>,
    era: Era,
    opening: impl Fn(&I) -> &Opening + Clone + Send + Sync + 'static,
) -> (AccountVar, Linear, Linear) {
    let sample = Account::empty(era);
    let given = opening.clone();
    let mut bridge: AccountVar = witness(cs, era, &sample, move |input| &given(input).account);
    let id: AccountIdVar = constant(cs, era, &bridge_id());
    bridge.id.assert_equal(cs, &id);
    bridge.id = id;
    let leaf = bridge.hash(cs);
    let path = MerklePathVar::first(cs, move |input| &opening(input).path);
    let root = path.root(cs, &leaf);
    (bridge, leaf, root)
}

/// Inbox and outbox, as the bridge account has them in `ledger`.
fn open_messages(
    cs: &mut Builder,
    era: Era,
    ledger: &Linear,
    opening: fn(&Input) -> &Opening,
) -> [Linear; 2] {
    let (bridge, _, root) = open_bridge(cs, era, opening);
    cs.assert_equal(root, ledger);
    let AccountVar { zkapp, .. } = bridge;
    let [outbox, ..] = zkapp.action_state;
    let inbox = zkapp.app_state.into_iter().next().expect("accounts have state in every era");
    [inbox, outbox]
}

/// The ledger after the credit of the fees to an account of MINA that exists and is not the bridge
/// account.
fn credit_fees(cs: &mut Builder, era: Era, ledger: &Linear, fees: &AmountVar) -> Linear {
    let sample = Account::empty(era);
    let mut account: AccountVar =
        witness(cs, era, &sample, |input: &Input| &input.rule().fee_account.account);
    let bridge: AccountIdVar = constant(cs, era, &bridge_id());
    cs.assert_equal(account.id.token_id.clone(), &bridge.token_id);
    let is_bridge = cs.is_equal(account.id.public_key.x.clone(), &bridge.public_key.x);
    cs.assert_equal(&is_bridge, Fp::default());
    let leaf = account.hash(cs);
    AccountVar::assert_exists_if(cs, Fp::from(1u64), &leaf, era);
    let path = MerklePathVar::witness(cs, |input: &Input| &input.rule().fee_account.path);
    let root = path.root(cs, &leaf);
    cs.assert_equal(root, ledger);
    let balance = account.balance.linear().clone() + fees.linear();
    account.balance = AmountVar::assert(cs, &balance);
    let leaf = account.hash(cs);
    path.root(cs, &leaf)
}
