//! What a proof is about.

use mina_curves::Fp;
use mina_ledger::{
    hash::Input,
    rollup::{ChainId, Hashed},
    types::{Amount, Era, Length, Slot},
};

use crate::{
    Cs, Linear,
    alloc::{Allocate, Cells, witness},
    input::{InputVar, hash, salted},
    number::{AmountVar, NumberValue, U32Var},
    update::{State, StateVar},
};

/// Where the chain stands between two account updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// The root of the ledger, with all commands before the one under way and its fee payer.
    pub ledger: Fp,
    /// The list of new accounts.
    pub accounts: Fp,
    /// The hash of what is carried inside the command under way.
    pub local: Fp,
    /// Fees collected and not yet credited.
    pub fees: Amount,
    /// The height of the block.
    pub height: Length,
    /// The slot of the block.
    pub slot: Slot,
}

/// The prefix of the hash of what is carried inside a command.
const LOCAL_PREFIX: &str = "ZekoLocalState";

impl Point {
    /// The point with this state in a block. Fees are those of a chain, so they fit.
    pub fn new(state: &State, fees: Amount, height: Length, slot: Slot) -> Self {
        let State { ledger, accounts, .. } = *state;
        let local = mina_ledger::hash::hash_one(&salted(LOCAL_PREFIX), &state.local_fields());
        Self { ledger, accounts, local, fees, height, slot }
    }

    /// The hash of what is carried between two commands: nothing.
    pub(super) fn local_between_commands() -> Fp {
        mina_ledger::hash::hash_one(&salted(LOCAL_PREFIX), &State::default().local_fields())
    }

    fn append(&self, input: &mut Input) {
        input
            .field(self.ledger)
            .field(self.accounts)
            .field(self.local)
            .add(&self.fees)
            .add(&self.height)
            .add(&self.slot);
    }
}

/// From where a proof leads where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The chain.
    pub chain: ChainId,
    /// Where it starts.
    pub source: Point,
    /// Where it leads.
    pub target: Point,
}

impl Hashed for Segment {
    const PREFIX: &'static str = "ZekoSegment";

    fn append(&self, input: &mut Input) {
        input.field(self.chain.field());
        self.source.append(input);
        self.target.append(input);
    }
}

/// The twin of [`Point`].
#[derive(Clone, Debug)]
pub struct PointVar {
    /// The root of the ledger.
    pub ledger: Linear,
    /// The list of new accounts.
    pub accounts: Linear,
    /// The hash of what is carried inside the command under way.
    pub local: Linear,
    /// Fees collected and not yet credited.
    pub fees: AmountVar,
    /// The height of the block.
    pub height: U32Var,
    /// The slot of the block.
    pub slot: U32Var,
}

impl Allocate for PointVar {
    type Native = Point;

    fn values(native: &Point, _: Era, out: &mut Vec<Fp>) {
        out.extend([
            native.ledger,
            native.accounts,
            native.local,
            native.fees.value(),
            native.height.value(),
            native.slot.value(),
        ]);
    }

    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self {
            ledger: cells.field(),
            accounts: cells.field(),
            local: cells.field(),
            fees: cells.uint(cs),
            height: cells.uint(cs),
            slot: cells.uint(cs),
        }
    }
}

impl PointVar {
    /// The point with this state in a block, asserting that the fees are in range; 76 rows.
    pub fn of_state<I>(cs: &mut Cs<I>, state: &StateVar, height: &U32Var, slot: &U32Var) -> Self {
        Self {
            ledger: state.ledger.clone(),
            accounts: state.accounts.clone(),
            local: hash(cs, &salted(LOCAL_PREFIX), &state.local_fields()).into(),
            fees: AmountVar::assert(cs, &state.fees),
            height: height.clone(),
            slot: slot.clone(),
        }
    }

    fn append(&self, input: &mut InputVar) {
        input
            .field(&self.ledger)
            .field(&self.accounts)
            .field(&self.local)
            .add(&self.fees)
            .add(&self.height)
            .add(&self.slot);
    }

    /// Asserts that `next` is the same point or, between two commands, the same state in a later block;
    /// 12 rows.
    pub fn assert_followed<I>(&self, cs: &mut Cs<I>, next: &Self) {
        cs.assert_equal(self.ledger.clone(), &next.ledger);
        cs.assert_equal(self.accounts.clone(), &next.accounts);
        cs.assert_equal(self.local.clone(), &next.local);
        cs.assert_equal(self.fees.linear().clone(), next.fees.linear());
        let [blocks, slots] = [(&self.height, &next.height), (&self.slot, &next.slot)]
            .map(|(now, next)| U32Var::assert(cs, &(next.linear().clone() - now.linear())));
        let same_block = cs.is_zero(blocks.linear());
        cs.assert_mul(&same_block, slots.linear(), Fp::default());
        let inside = self.local.clone() - Point::local_between_commands();
        cs.assert_mul(same_block.not(), inside, Fp::default());
    }
}

/// The twin of [`Segment`].
#[derive(Clone, Debug)]
pub struct SegmentVar {
    /// The chain.
    pub chain: Linear,
    /// Where it starts.
    pub source: PointVar,
    /// Where it leads.
    pub target: PointVar,
}

impl SegmentVar {
    /// A private segment; 16 rows.
    pub fn witness<I: 'static>(
        cs: &mut Cs<I>,
        source: impl Fn(&I) -> &Segment + Clone + Send + Sync + 'static,
    ) -> Self {
        // Points look the same in every era.
        let (era, sample) = (Era::default(), Point::default());
        let chain = {
            let source = source.clone();
            cs.witness(move |v| source(v.input()).chain.field())
        };
        let start = source.clone();
        Self {
            chain: chain.into(),
            source: witness(cs, era, &sample, move |input| &start(input).source),
            target: witness(cs, era, &sample, move |input| &source(input).target),
        }
    }

    /// The hash; 60 rows and those of packing.
    pub fn digest<I>(&self, cs: &mut Cs<I>) -> Linear {
        let mut input = InputVar::new();
        input.field(&self.chain);
        self.source.append(&mut input);
        self.target.append(&mut input);
        hash(cs, &salted(Segment::PREFIX), &input.into_fields()).into()
    }
}
