//! What the proof of a batch says to the L1.

use mina_curves::Fp;
use mina_ledger::{
    rollup::{BatchStatement, Hashed, Root, Side},
    types::Era,
};

use crate::{
    Cs, Linear,
    alloc::{Allocate, Cells},
    input::{InputVar, hash, salted},
    number::U32Var,
};

/// The twin of [`Root`].
#[derive(Clone, Debug)]
pub(crate) struct RootVar {
    /// The root of the ledger.
    pub(crate) ledger: Linear,
    /// The root of the set of its accounts.
    pub(crate) accounts: Linear,
}

impl RootVar {
    /// The hash; 12 rows.
    pub(crate) fn digest<I>(&self, cs: &mut Cs<I>) -> Linear {
        let Self { ledger, accounts } = self;
        hash(cs, &salted(Root::PREFIX), &[ledger.clone(), accounts.clone()]).into()
    }
}

/// The twin of [`Side`].
#[derive(Clone, Debug)]
pub(crate) struct SideVar {
    /// The ledger.
    pub(crate) root: RootVar,
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
        let Side { root: Root { ledger, accounts }, inbox, outbox, block } = *native;
        out.extend([ledger, accounts, inbox, outbox, block]);
    }

    fn assign<I>(_: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self {
            root: RootVar { ledger: cells.field(), accounts: cells.field() },
            inbox: cells.field(),
            outbox: cells.field(),
            block: cells.field(),
        }
    }
}

impl SideVar {
    fn append(&self, input: &mut InputVar) {
        input
            .field(&self.root.ledger)
            .field(&self.root.accounts)
            .field(&self.inbox)
            .field(&self.outbox)
            .field(&self.block);
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
