//! Preconditions of account updates. `None` means that anything will do.

use alloc::{vec, vec::Vec};

use mina_curves::Fp;
use serde::{Deserialize, Serialize};

use super::{Amount, Era, Length, Nonce, PublicKey, Slot, field::decimal};

/// A closed interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Bounds<T> {
    /// The smallest value that will do.
    pub lower: T,
    /// The largest value that will do.
    pub upper: T,
}

impl<T: Copy + PartialOrd> Bounds<T> {
    /// Only `value`.
    pub fn exactly(value: T) -> Self {
        Self { lower: value, upper: value }
    }

    /// Whether `value` lies within.
    pub fn contain(&self, value: T) -> bool {
        self.lower <= value && value <= self.upper
    }

    /// Whether a single value will do.
    pub fn is_constant(&self) -> bool {
        self.lower == self.upper
    }
}

/// What an update asks of its account before the update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountPrecondition {
    /// The balance.
    pub balance: Option<Bounds<Amount>>,
    /// The nonce.
    pub nonce: Option<Bounds<Nonce>>,
    /// The receipt chain hash.
    #[serde(with = "decimal")]
    pub receipt_chain_hash: Option<Fp>,
    /// The delegate; the empty key for none.
    pub delegate: Option<PublicKey>,
    /// The state: [`Era::app_state_len`] fields.
    #[serde(with = "decimal")]
    pub state: Vec<Option<Fp>>,
    /// Any of the five action states.
    #[serde(with = "decimal")]
    pub action_state: Option<Fp>,
    /// Whether the state was set by proofs.
    pub proved_state: Option<bool>,
    /// Whether the account did not exist.
    pub is_new: Option<bool>,
}

impl AccountPrecondition {
    /// Anything will do.
    pub fn none(era: Era) -> Self {
        Self {
            balance: None,
            nonce: None,
            receipt_chain_hash: None,
            delegate: None,
            state: vec![None; era.app_state_len()],
            action_state: None,
            proved_state: None,
            is_new: None,
        }
    }
}

/// What an update asks of a ledger snapshot of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EpochLedgerPrecondition {
    /// The root.
    #[serde(with = "decimal")]
    pub hash: Option<Fp>,
    /// The total currency.
    pub total_currency: Option<Bounds<Amount>>,
}

/// What an update asks of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EpochDataPrecondition {
    /// The ledger.
    pub ledger: EpochLedgerPrecondition,
    /// The seed, which is hashed but never checked, as in Mina.
    #[serde(with = "decimal")]
    pub seed: Option<Fp>,
    /// The first block of the epoch.
    #[serde(with = "decimal")]
    pub start_checkpoint: Option<Fp>,
    /// The block that the epoch's seed is fixed by.
    #[serde(with = "decimal")]
    pub lock_checkpoint: Option<Fp>,
    /// The number of blocks.
    pub epoch_length: Option<Bounds<Length>>,
}

/// What an update asks of the protocol state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPrecondition {
    /// The root of the last proved ledger.
    #[serde(with = "decimal")]
    pub snarked_ledger_hash: Option<Fp>,
    /// The height.
    pub blockchain_length: Option<Bounds<Length>>,
    /// The smallest window density.
    pub min_window_density: Option<Bounds<Length>>,
    /// The total currency.
    pub total_currency: Option<Bounds<Amount>>,
    /// The slot of the view.
    pub global_slot_since_genesis: Option<Bounds<Slot>>,
    /// The epoch whose stake counts now.
    pub staking_epoch_data: EpochDataPrecondition,
    /// The epoch after it.
    pub next_epoch_data: EpochDataPrecondition,
}

/// Everything that an update asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Preconditions {
    /// Of the protocol state.
    pub network: NetworkPrecondition,
    /// Of the account.
    pub account: AccountPrecondition,
    /// Of the slot that the command is applied in.
    pub valid_while: Option<Bounds<Slot>>,
}

impl Preconditions {
    /// Anything will do.
    pub fn none(era: Era) -> Self {
        Self {
            network: NetworkPrecondition::default(),
            account: AccountPrecondition::none(era),
            valid_while: None,
        }
    }
}

/// The ledger snapshot of an epoch, in a [`ProtocolStateView`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EpochLedgerView {
    /// The root.
    #[serde(with = "decimal")]
    pub hash: Fp,
    /// The total currency.
    pub total_currency: Amount,
}

/// An epoch, in a [`ProtocolStateView`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EpochDataView {
    /// The ledger.
    pub ledger: EpochLedgerView,
    /// The seed.
    #[serde(with = "decimal")]
    pub seed: Fp,
    /// The first block.
    #[serde(with = "decimal")]
    pub start_checkpoint: Fp,
    /// The block that fixes the seed.
    #[serde(with = "decimal")]
    pub lock_checkpoint: Fp,
    /// The number of blocks.
    pub epoch_length: Length,
}

/// What network preconditions are checked against. Its JSON is o1js' network state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProtocolStateView {
    /// The root of the last proved ledger.
    #[serde(with = "decimal")]
    pub snarked_ledger_hash: Fp,
    /// The height.
    pub blockchain_length: Length,
    /// The smallest window density.
    pub min_window_density: Length,
    /// The total currency.
    pub total_currency: Amount,
    /// The slot.
    pub global_slot_since_genesis: Slot,
    /// The epoch whose stake counts now.
    pub staking_epoch_data: EpochDataView,
    /// The epoch after it.
    pub next_epoch_data: EpochDataView,
}
