//! What the proof of a batch says to the L1.

use mina_curves::Fp;
use mina_ledger::{
    rollup::{BatchStatement, Hashed, Side},
    types::Era,
};

use crate::{
    Cs, Linear,
    alloc::{Allocate, Cells},
    input::{InputVar, hash, salted},
    number::{AmountVar, U32Var},
};

/// The twin of [`Side`] at the ends of a batch, where no command is under way and no fees are left to
/// be credited.
#[derive(Clone, Debug)]
pub(crate) struct SideVar {
    /// The root of the ledger.
    pub(crate) ledger: Linear,
    /// The prefix of the inbox that has been consumed.
    pub(crate) inbox: Linear,
    /// The outbox.
    pub(crate) outbox: Linear,
    /// The hash of the last block.
    pub(crate) block: Linear,
}

impl Allocate for SideVar {
    type Native = Side;

    fn values(native: &Side, _: Era, out: &mut Vec<Fp>) {
        out.extend([native.ledger, native.inbox, native.outbox, native.block]);
    }

    fn assign<I>(_: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self {
            ledger: cells.field(),
            inbox: cells.field(),
            outbox: cells.field(),
            block: cells.field(),
        }
    }
}

impl SideVar {
    fn append(&self, input: &mut InputVar) {
        input
            .field(&self.ledger)
            .field(Fp::default())
            .field(&self.inbox)
            .field(&self.outbox)
            .field(&self.block)
            .add(&AmountVar::constant(0));
    }
}

/// The twin of [`BatchStatement`].
#[derive(Clone, Debug)]
pub(crate) struct BatchStatementVar {
    /// The chain.
    pub(crate) chain: Linear,
    /// Where it starts.
    pub(crate) source: SideVar,
    /// Where it leads.
    pub(crate) target: SideVar,
    /// The slot of the first block.
    pub(crate) first_slot: U32Var,
    /// The slot of the last block.
    pub(crate) last_slot: U32Var,
}

impl BatchStatementVar {
    /// The hash; 72 rows and those of packing.
    pub(crate) fn digest<I>(&self, cs: &mut Cs<I>) -> Linear {
        let mut input = InputVar::new();
        input.field(&self.chain);
        self.source.append(&mut input);
        self.target.append(&mut input);
        input.add(&self.first_slot).add(&self.last_slot);
        hash(cs, &salted(BatchStatement::PREFIX), &input.into_fields()).into()
    }
}
