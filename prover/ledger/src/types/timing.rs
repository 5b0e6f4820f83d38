//! Vesting.

use serde::{Deserialize, Serialize};

use super::{Amount, Slot, SlotSpan};

/// The vesting schedule of a timed account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    /// What may not be spent before the cliff.
    pub initial_minimum_balance: Amount,
    /// The slot of the cliff.
    pub cliff_time: Slot,
    /// What vests at the cliff.
    pub cliff_amount: Amount,
    /// Slots between two increments; never zero in a ledger.
    pub vesting_period: SlotSpan,
    /// What vests every period after the cliff.
    pub vesting_increment: Amount,
}

impl Timing {
    /// The values that stand for "untimed" in the hash of an account.
    pub const UNTIMED: Self = Self {
        initial_minimum_balance: Amount::ZERO,
        cliff_time: Slot::ZERO,
        cliff_amount: Amount::ZERO,
        vesting_period: SlotSpan::new(1),
        vesting_increment: Amount::ZERO,
    };

    /// The values that stand for "keep" in the hash of an update.
    pub const DUMMY: Self = Self { vesting_period: SlotSpan::ZERO, ..Self::UNTIMED };

    /// The smallest balance allowed at `slot`. Source: Mina `account.ml`, `min_balance_at_slot`.
    pub fn minimum_balance(&self, slot: Slot) -> Amount {
        let Some(elapsed) = slot.get().checked_sub(self.cliff_time.get()) else {
            return self.initial_minimum_balance;
        };
        let Some(periods) = elapsed.checked_div(self.vesting_period.get()) else {
            // Everything vests at the cliff.
            return Amount::ZERO;
        };
        let vested = u64::from(periods).saturating_mul(self.vesting_increment.get());
        let left = self.initial_minimum_balance.get().saturating_sub(self.cliff_amount.get());
        Amount::new(left.saturating_sub(vested))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minimum_balance_over_time() {
        let timing = Timing {
            initial_minimum_balance: 100.into(),
            cliff_time: 10.into(),
            cliff_amount: 20.into(),
            vesting_period: 5.into(),
            vesting_increment: 30.into(),
        };
        let at = |slot: u32| timing.minimum_balance(slot.into()).get();
        assert_eq!([at(0), at(9)], [100, 100]);
        assert_eq!([at(10), at(14), at(15), at(20), at(24)], [80, 80, 50, 20, 20]);
        assert_eq!([at(25), at(u32::MAX)], [0, 0]);
        let huge = Timing { vesting_increment: Amount::MAX, ..timing };
        assert_eq!(huge.minimum_balance(Slot::MAX), Amount::ZERO);
        let at_once = Timing { vesting_period: SlotSpan::ZERO, ..timing };
        assert_eq!(at_once.minimum_balance(10.into()), Amount::ZERO);
    }
}
