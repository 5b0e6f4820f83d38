//! What network preconditions are checked against.

use mina_curves::Fp;
use mina_ledger::types::{EpochDataView, ProtocolStateView};

use crate::{
    Cs, Linear,
    alloc::{Allocate, Cells},
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

    fn values(native: &EpochDataView, out: &mut Vec<Fp>) {
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
            epoch_length: U32Var::assign(cs, cells),
        }
    }
}

impl Allocate for ViewVar {
    type Native = ProtocolStateView;

    fn values(native: &ProtocolStateView, out: &mut Vec<Fp>) {
        out.extend([
            native.snarked_ledger_hash,
            native.blockchain_length.value(),
            native.min_window_density.value(),
            native.total_currency.value(),
            native.global_slot_since_genesis.value(),
        ]);
        EpochViewVar::values(&native.staking_epoch_data, out);
        EpochViewVar::values(&native.next_epoch_data, out);
    }

    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self {
            snarked_ledger_hash: cells.field(),
            blockchain_length: U32Var::assign(cs, cells),
            min_window_density: U32Var::assign(cs, cells),
            total_currency: cells.uint(cs),
            global_slot: U32Var::assign(cs, cells),
            staking_epoch: EpochViewVar::assign(cs, cells),
            next_epoch: EpochViewVar::assign(cs, cells),
        }
    }
}

impl EpochViewVar {
    fn constant(view: &EpochDataView) -> Self {
        Self {
            ledger: Linear::from(view.ledger.hash),
            total_currency: AmountVar::constant(view.ledger.total_currency.get()),
            start_checkpoint: Linear::from(view.start_checkpoint),
            lock_checkpoint: Linear::from(view.lock_checkpoint),
            epoch_length: U32Var::constant(view.epoch_length.get().into()),
        }
    }
}

impl ViewVar {
    /// A constant.
    pub fn constant(view: &ProtocolStateView) -> Self {
        Self {
            snarked_ledger_hash: Linear::from(view.snarked_ledger_hash),
            blockchain_length: U32Var::constant(view.blockchain_length.get().into()),
            min_window_density: U32Var::constant(view.min_window_density.get().into()),
            total_currency: AmountVar::constant(view.total_currency.get()),
            global_slot: U32Var::constant(view.global_slot_since_genesis.get().into()),
            staking_epoch: EpochViewVar::constant(&view.staking_epoch_data),
            next_epoch: EpochViewVar::constant(&view.next_epoch_data),
        }
    }
}
