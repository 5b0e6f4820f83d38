//! What commands have to pay: by work, more under load, up to a cap.

use mina_ledger::{
    logic::{MINIMUM_FEE, segments},
    types::{Amount, Authorization},
};
use serde::{Deserialize, Serialize};

use crate::command::Command;

/// The fees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeeConfig {
    /// The smallest fee of any command.
    pub minimum: Amount,
    /// Nanomina for a unit of weight while the mempool is less than half full.
    pub per_weight: Amount,
    /// How many times that when the mempool is full.
    pub max_multiplier: u32,
}

impl Default for FeeConfig {
    /// Mina's smallest fee covers every command while there is little to do.
    fn default() -> Self {
        Self { minimum: MINIMUM_FEE, per_weight: Amount::new(1000), max_multiplier: 1000 }
    }
}

/// Weight of the parts of a command, in units of about 50 µs of one core.
mod weight {
    /// A command by itself: parsing, the fee payer, its place in log, store and batch.
    pub(super) const COMMAND: u32 = 10;
    /// A segment of the proof without a zkApp proof in it.
    pub(super) const SEGMENT: u32 = 10;
    /// A zkApp proof, checked here and in the batch's proof.
    pub(super) const PROOF: u32 = 100;
    /// Bytes for one unit, as data to make available.
    pub(super) const BYTES: usize = 200;
}

/// How much work a command is. `bytes`: its length.
pub fn command_weight(command: &Command, bytes: usize) -> u32 {
    let data = u32::try_from(bytes / weight::BYTES).unwrap_or(u32::MAX);
    let work = match command {
        Command::Signed(_) => weight::SEGMENT,
        Command::Zkapp(command) => {
            let (_, pairs, singles) = segments(command);
            let proofs = command
                .account_updates
                .updates()
                .filter(|update| matches!(update.authorization, Authorization::Proof(_)))
                .count();
            let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            (count(pairs + singles).saturating_mul(weight::SEGMENT))
                .saturating_add(count(proofs).saturating_mul(weight::PROOF))
        }
    };
    weight::COMMAND.saturating_add(work).saturating_add(data)
}

impl FeeConfig {
    /// The smallest fee for `weight` when the mempool is filled to `fill` thousandths.
    pub fn minimum_for(&self, weight: u32, fill: u32) -> Amount {
        let fee = u128::from(self.per_weight.get())
            * u128::from(weight)
            * u128::from(self.multiplier_thousandths(fill))
            / 1000;
        let fee = Amount::new(u64::try_from(fee).unwrap_or(u64::MAX));
        fee.max(self.minimum)
    }

    /// One up to half full, then quadratically up to the cap.
    fn multiplier_thousandths(&self, fill: u32) -> u64 {
        let over = u64::from(fill.clamp(500, 1000) - 500);
        1000 + u64::from(self.max_multiplier.saturating_sub(1)) * over * over / 250
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fees_rise_to_a_cap() {
        let fees = FeeConfig::default();
        assert_eq!(fees.minimum_for(20, 0), MINIMUM_FEE);
        assert_eq!(fees.minimum_for(1000, 500), MINIMUM_FEE);
        assert_eq!(fees.minimum_for(20, 1000), Amount::new(20 * 1000 * 1000));
        assert_eq!(fees.minimum_for(20, 1_000_000), fees.minimum_for(20, 1000));
        let rising: Vec<_> = (0..=1000).map(|fill| fees.minimum_for(20, fill)).collect();
        assert!(rising.is_sorted());
        let steep = FeeConfig { per_weight: Amount::MAX, ..fees };
        assert_eq!(steep.minimum_for(u32::MAX, 1000), Amount::MAX);
    }
}
