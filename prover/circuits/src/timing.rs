//! Vesting schedules.

use ark_ff::{BigInteger, PrimeField};
use mina_curves::Fp;
use mina_ledger::types::{Era, Timing};

use crate::{
    Boolean, Cs, Linear,
    alloc::{Allocate, Cells},
    input::{InputVar, ToInputVar},
    number::{AmountVar, NumberValue, U32Var, UIntVar},
};

/// A vesting schedule.
#[derive(Clone, Debug)]
pub struct TimingVar {
    /// What may not be spent before the cliff.
    pub initial_minimum_balance: AmountVar,
    /// The slot of the cliff.
    pub cliff_time: U32Var,
    /// What vests at the cliff.
    pub cliff_amount: AmountVar,
    /// Slots between two increments.
    pub vesting_period: U32Var,
    /// What vests every period after the cliff.
    pub vesting_increment: AmountVar,
}

impl Allocate for TimingVar {
    type Native = Timing;

    fn values(native: &Timing, _: Era, out: &mut Vec<Fp>) {
        out.extend([
            native.initial_minimum_balance.value(),
            native.cliff_time.value(),
            native.cliff_amount.value(),
            native.vesting_period.value(),
            native.vesting_increment.value(),
        ]);
    }

    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self {
            initial_minimum_balance: cells.uint(cs),
            cliff_time: cells.uint(cs),
            cliff_amount: cells.uint(cs),
            vesting_period: cells.uint(cs),
            vesting_increment: cells.uint(cs),
        }
    }
}

impl ToInputVar for TimingVar {
    fn append(&self, input: &mut InputVar) {
        input
            .add(&self.initial_minimum_balance)
            .add(&self.cliff_time)
            .add(&self.cliff_amount)
            .add(&self.vesting_period)
            .add(&self.vesting_increment);
    }
}

impl TimingVar {
    /// `then` if the bit is 1, else `otherwise`.
    pub fn select<I>(cs: &mut Cs<I>, bit: &Boolean, then: &Self, otherwise: &Self) -> Self {
        Self {
            initial_minimum_balance: UIntVar::select(
                cs,
                bit,
                &then.initial_minimum_balance,
                &otherwise.initial_minimum_balance,
            ),
            cliff_time: UIntVar::select(cs, bit, &then.cliff_time, &otherwise.cliff_time),
            cliff_amount: UIntVar::select(cs, bit, &then.cliff_amount, &otherwise.cliff_amount),
            vesting_period: UIntVar::select(
                cs,
                bit,
                &then.vesting_period,
                &otherwise.vesting_period,
            ),
            vesting_increment: UIntVar::select(
                cs,
                bit,
                &then.vesting_increment,
                &otherwise.vesting_increment,
            ),
        }
    }

    /// The smallest balance allowed at `slot`; about 40 rows.
    pub fn minimum_balance<I>(&self, cs: &mut Cs<I>, slot: &U32Var) -> AmountVar {
        let past_cliff = self.cliff_time.at_most(cs, slot);
        let elapsed = cs.mul(&past_cliff, slot.linear().clone() - self.cliff_time.linear());

        // Without a period everything vests at the cliff.
        let at_once = cs.is_zero(self.vesting_period.linear());
        let period = cs.reduce(self.vesting_period.linear().clone() + Linear::from(&at_once));
        let periods = cs.witness(move |v| divide(v[elapsed], v[period]));
        let periods = U32Var::assert(cs, periods);
        let product = cs.mul(periods.linear(), period);
        let rest = U32Var::assert(cs, elapsed - product);
        // The rest is below the period.
        U32Var::assert(cs, period - rest.linear() - Fp::from(1u64));
        let vested = cs.mul(periods.linear(), self.vesting_increment.linear());

        let vests_less = self.cliff_amount.at_most(cs, &self.initial_minimum_balance);
        let left = self.initial_minimum_balance.linear().clone() - self.cliff_amount.linear();
        let left = cs.mul(&vests_less, left);
        let vested_wide = UIntVar::<96>::assume(vested);
        let remains = vested_wide.at_most(cs, &UIntVar::assume(left));
        let after = cs.mul(&remains, left - vested);
        let after = cs.mul(at_once.not(), after);
        let minimum = past_cliff.select(cs, after, self.initial_minimum_balance.linear());
        AmountVar::assume(minimum)
    }
}

/// The quotient of two numbers below `2^32`; zero where there is none.
fn divide(a: Fp, b: Fp) -> Fp {
    let number =
        |x: Fp| u64::from_le_bytes(core::array::from_fn(|i| x.into_bigint().to_bytes_le()[i]));
    Fp::from(number(a).checked_div(number(b)).unwrap_or(0))
}
