//! What network preconditions are checked against.

use mina_curves::Fp;
use mina_ledger::types::{EpochDataView, Era, ProtocolStateView};

use crate::{
    Cs, Linear,
    alloc::{Allocate, Cells, constant},
    number::{AmountVar, NumberValue, U32Var},
};

/// An epoch. Its seed is not looked at, as in Mina.
#[derive(Clone, Debug)]
pub struct EpochViewVar {
    /// The root of the ledger.
    pub ledger: Linear,
    /// Its total currency.
    pub total_currency: AmountVar,
    /// The first block.
    pub start_checkpoint: Linear,
    /// The block that fixes the seed.
    pub lock_checkpoint: Linear,
    /// The number of blocks.
    pub epoch_length: U32Var,
}

/// A protocol state.
#[derive(Clone, Debug)]
pub struct ViewVar {
    /// The root of the last proved ledger.
    pub snarked_ledger_hash: Linear,
    /// The height.
    pub blockchain_length: U32Var,
    /// The smallest window density.
    pub min_window_density: U32Var,
    /// The total currency.
    pub total_currency: AmountVar,
    /// The slot.
    pub global_slot: U32Var,
    /// The epoch whose stake counts now.
    pub staking_epoch: EpochViewVar,
    /// The epoch after it.
    pub next_epoch: EpochViewVar,
}

impl Allocate for EpochViewVar {
    type Native = EpochDataView;

    fn values(native: &EpochDataView, _: Era, out: &mut Vec<Fp>) {
        out.extend([
            native.ledger.hash,
            native.ledger.total_currency.value(),
            native.start_checkpoint,
            native.lock_checkpoint,
            native.epoch_length.value(),
        ]);
    }

    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self {
            ledger: cells.field(),
            total_currency: cells.uint(cs),
            start_checkpoint: cells.field(),
            lock_checkpoint: cells.field(),
            epoch_length: cells.uint(cs),
        }
    }
}

impl Allocate for ViewVar {
    type Native = ProtocolStateView;

    fn values(native: &ProtocolStateView, era: Era, out: &mut Vec<Fp>) {
        out.extend([
            native.snarked_ledger_hash,
            native.blockchain_length.value(),
            native.min_window_density.value(),
            native.total_currency.value(),
            native.global_slot_since_genesis.value(),
        ]);
        EpochViewVar::values(&native.staking_epoch_data, era, out);
        EpochViewVar::values(&native.next_epoch_data, era, out);
    }

    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self {
            snarked_ledger_hash: cells.field(),
            blockchain_length: cells.uint(cs),
            min_window_density: cells.uint(cs),
            total_currency: cells.uint(cs),
            global_slot: cells.uint(cs),
            staking_epoch: EpochViewVar::assign(cs, cells),
            next_epoch: EpochViewVar::assign(cs, cells),
        }
    }
}

/// What an update sees of its block.
#[derive(Clone, Debug)]
pub struct BlockVar {
    /// The slot.
    pub slot: U32Var,
    /// What network preconditions are checked against.
    pub view: ViewVar,
}

impl BlockVar {
    /// A block of the chain, whose view has height and slot, and nothing else; free.
    pub fn new<I>(cs: &mut Cs<I>, height: &U32Var, slot: &U32Var, era: Era) -> Self {
        let view: ViewVar = constant(cs, era, &ProtocolStateView::default());
        let view = ViewVar { blockchain_length: height.clone(), global_slot: slot.clone(), ..view };
        Self { slot: slot.clone(), view }
    }
}
