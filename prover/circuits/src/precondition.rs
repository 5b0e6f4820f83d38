//! Preconditions of account updates.

use mina_curves::Fp;
use mina_ledger::{
    hash::constants::EMPTY_ACTION_STATE,
    types::{
        AccountPrecondition, Amount, Bounds, EpochDataPrecondition, Era, Length,
        NetworkPrecondition, Nonce, PublicKey, Slot,
    },
};

use crate::{
    Boolean, Cs, Linear,
    account::AccountVar,
    alloc::{Allocate, Cells, OptionVar},
    input::{InputVar, ToInputVar},
    key::PublicKeyVar,
    number::{BoundsVar, NumberValue, U32Var, UIntVar},
    update::{EpochViewVar, ViewVar},
};

const ANY_AMOUNT: Bounds<Amount> = Bounds { lower: Amount::ZERO, upper: Amount::MAX };
const ANY_LENGTH: Bounds<Length> = Bounds { lower: Length::ZERO, upper: Length::MAX };
const ANY_NONCE: Bounds<Nonce> = Bounds { lower: Nonce::ZERO, upper: Nonce::MAX };
const ANY_SLOT: Bounds<Slot> = Bounds { lower: Slot::ZERO, upper: Slot::MAX };

/// An interval, if there is one.
pub type OptionBounds<const BITS: usize> = OptionVar<BoundsVar<BITS>>;

impl<const BITS: usize> OptionBounds<BITS> {
    fn bounds_values<T: NumberValue<BITS>>(
        native: Option<&Bounds<T>>,
        any: &Bounds<T>,
        out: &mut Vec<Fp>,
    ) {
        out.push(Fp::from(native.is_some()));
        BoundsVar::values(native.unwrap_or(any), out);
    }

    fn assign_bounds<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self { is_some: cells.bit(cs), value: BoundsVar::assign(cs, cells) }
    }

    /// Whether `x` is within, in one bit for each end.
    fn holds<I>(&self, cs: &mut Cs<I>, x: &UIntVar<BITS>) -> [Boolean; 2] {
        self.value.contain(cs, x).map(|end| implies(cs, &self.is_some, &end))
    }
}

/// The slots that a command is valid in.
impl OptionBounds<32> {
    pub(crate) fn slot_values(native: Option<&Bounds<Slot>>, out: &mut Vec<Fp>) {
        Self::bounds_values(native, &ANY_SLOT, out);
    }

    pub(crate) fn assign_slots<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self::assign_bounds(cs, cells)
    }

    /// Whether `slot` is within.
    pub(crate) fn check_slot<I>(&self, cs: &mut Cs<I>, slot: &U32Var, checks: &mut Vec<Boolean>) {
        checks.extend(self.holds(cs, slot));
    }
}

/// Whether `b` or not `a`; one half.
pub(crate) fn implies<I>(cs: &mut Cs<I>, a: &Boolean, b: &Boolean) -> Boolean {
    a.and(cs, &b.not()).not()
}

/// Whether there is no value or it is `x`; three halves.
fn equals<I>(cs: &mut Cs<I>, expected: &OptionVar<Linear>, x: &Linear) -> Boolean {
    let difference = cs.mul(&expected.is_some, expected.value.clone() - x);
    cs.is_zero(difference)
}

/// What is asked of an epoch.
#[derive(Clone, Debug)]
pub struct EpochPreconditionVar {
    ledger: OptionVar<Linear>,
    total_currency: OptionBounds<64>,
    seed: OptionVar<Linear>,
    start_checkpoint: OptionVar<Linear>,
    lock_checkpoint: OptionVar<Linear>,
    epoch_length: OptionBounds<32>,
}

impl Allocate for EpochPreconditionVar {
    type Native = EpochDataPrecondition;

    fn values(native: &EpochDataPrecondition, era: Era, out: &mut Vec<Fp>) {
        let zero = Fp::default();
        OptionVar::<Linear>::values(native.ledger.hash.as_ref(), &zero, era, out);
        OptionBounds::bounds_values(native.ledger.total_currency.as_ref(), &ANY_AMOUNT, out);
        OptionVar::<Linear>::values(native.seed.as_ref(), &zero, era, out);
        OptionVar::<Linear>::values(native.start_checkpoint.as_ref(), &zero, era, out);
        OptionVar::<Linear>::values(native.lock_checkpoint.as_ref(), &zero, era, out);
        OptionBounds::bounds_values(native.epoch_length.as_ref(), &ANY_LENGTH, out);
    }

    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self {
            ledger: OptionVar::assign(cs, cells),
            total_currency: OptionBounds::assign_bounds(cs, cells),
            seed: OptionVar::assign(cs, cells),
            start_checkpoint: OptionVar::assign(cs, cells),
            lock_checkpoint: OptionVar::assign(cs, cells),
            epoch_length: OptionBounds::assign_bounds(cs, cells),
        }
    }
}

impl ToInputVar for EpochPreconditionVar {
    fn append(&self, input: &mut InputVar) {
        input
            .add(&self.ledger)
            .add(&self.total_currency)
            .add(&self.seed)
            .add(&self.start_checkpoint)
            .add(&self.lock_checkpoint)
            .add(&self.epoch_length);
    }
}

impl EpochPreconditionVar {
    /// The seed is not looked at, as in Mina.
    fn check<I>(&self, cs: &mut Cs<I>, view: &EpochViewVar, checks: &mut Vec<Boolean>) {
        checks.push(equals(cs, &self.ledger, &view.ledger));
        checks.extend(self.total_currency.holds(cs, &view.total_currency));
        checks.push(equals(cs, &self.start_checkpoint, &view.start_checkpoint));
        checks.push(equals(cs, &self.lock_checkpoint, &view.lock_checkpoint));
        checks.extend(self.epoch_length.holds(cs, &view.epoch_length));
    }
}

/// What is asked of the protocol state.
#[derive(Clone, Debug)]
pub struct NetworkPreconditionVar {
    snarked_ledger_hash: OptionVar<Linear>,
    blockchain_length: OptionBounds<32>,
    min_window_density: OptionBounds<32>,
    total_currency: OptionBounds<64>,
    global_slot: OptionBounds<32>,
    staking_epoch: EpochPreconditionVar,
    next_epoch: EpochPreconditionVar,
}

impl Allocate for NetworkPreconditionVar {
    type Native = NetworkPrecondition;

    fn values(native: &NetworkPrecondition, era: Era, out: &mut Vec<Fp>) {
        let hash = native.snarked_ledger_hash.as_ref();
        OptionVar::<Linear>::values(hash, &Fp::default(), era, out);
        OptionBounds::bounds_values(native.blockchain_length.as_ref(), &ANY_LENGTH, out);
        OptionBounds::bounds_values(native.min_window_density.as_ref(), &ANY_LENGTH, out);
        OptionBounds::bounds_values(native.total_currency.as_ref(), &ANY_AMOUNT, out);
        OptionBounds::bounds_values(native.global_slot_since_genesis.as_ref(), &ANY_SLOT, out);
        EpochPreconditionVar::values(&native.staking_epoch_data, era, out);
        EpochPreconditionVar::values(&native.next_epoch_data, era, out);
    }

    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self {
            snarked_ledger_hash: OptionVar::assign(cs, cells),
            blockchain_length: OptionBounds::assign_bounds(cs, cells),
            min_window_density: OptionBounds::assign_bounds(cs, cells),
            total_currency: OptionBounds::assign_bounds(cs, cells),
            global_slot: OptionBounds::assign_bounds(cs, cells),
            staking_epoch: EpochPreconditionVar::assign(cs, cells),
            next_epoch: EpochPreconditionVar::assign(cs, cells),
        }
    }
}

impl ToInputVar for NetworkPreconditionVar {
    fn append(&self, input: &mut InputVar) {
        input
            .add(&self.snarked_ledger_hash)
            .add(&self.blockchain_length)
            .add(&self.min_window_density)
            .add(&self.total_currency)
            .add(&self.global_slot)
            .add(&self.staking_epoch)
            .add(&self.next_epoch);
    }
}

impl NetworkPreconditionVar {
    /// The last slot of the other.
    pub(crate) fn take_last_slot(&mut self, other: &Self) {
        self.global_slot.value.upper = other.global_slot.value.upper.clone();
    }

    /// Checks everything that is asked.
    pub fn check<I>(&self, cs: &mut Cs<I>, view: &ViewVar, checks: &mut Vec<Boolean>) {
        checks.push(equals(cs, &self.snarked_ledger_hash, &view.snarked_ledger_hash));
        checks.extend(self.blockchain_length.holds(cs, &view.blockchain_length));
        checks.extend(self.min_window_density.holds(cs, &view.min_window_density));
        checks.extend(self.total_currency.holds(cs, &view.total_currency));
        checks.extend(self.global_slot.holds(cs, &view.global_slot));
        self.staking_epoch.check(cs, &view.staking_epoch, checks);
        self.next_epoch.check(cs, &view.next_epoch, checks);
    }
}

/// What is asked of the account.
#[derive(Clone, Debug)]
pub struct AccountPreconditionVar {
    balance: OptionBounds<64>,
    nonce: OptionBounds<32>,
    receipt_chain_hash: OptionVar<Linear>,
    delegate: OptionVar<PublicKeyVar>,
    pub(crate) state: Vec<OptionVar<Linear>>,
    pub(crate) action_state: OptionVar<Linear>,
    proved_state: OptionVar<Boolean>,
    is_new: OptionVar<Boolean>,
}

impl Allocate for AccountPreconditionVar {
    type Native = AccountPrecondition;

    fn values(native: &AccountPrecondition, era: Era, out: &mut Vec<Fp>) {
        let zero = Fp::default();
        OptionBounds::bounds_values(native.balance.as_ref(), &ANY_AMOUNT, out);
        OptionBounds::bounds_values(native.nonce.as_ref(), &ANY_NONCE, out);
        OptionVar::<Linear>::values(native.receipt_chain_hash.as_ref(), &zero, era, out);
        OptionVar::<PublicKeyVar>::values(native.delegate.as_ref(), &PublicKey::EMPTY, era, out);
        for state in &native.state {
            OptionVar::<Linear>::values(state.as_ref(), &zero, era, out);
        }
        OptionVar::<Linear>::values(native.action_state.as_ref(), &EMPTY_ACTION_STATE, era, out);
        OptionVar::<Boolean>::values(native.proved_state.as_ref(), &false, era, out);
        OptionVar::<Boolean>::values(native.is_new.as_ref(), &false, era, out);
    }

    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self {
            balance: OptionBounds::assign_bounds(cs, cells),
            nonce: OptionBounds::assign_bounds(cs, cells),
            receipt_chain_hash: OptionVar::assign(cs, cells),
            delegate: OptionVar::assign(cs, cells),
            state: (0..cells.era().app_state_len()).map(|_| OptionVar::assign(cs, cells)).collect(),
            action_state: OptionVar::assign(cs, cells),
            proved_state: OptionVar::assign(cs, cells),
            is_new: OptionVar::assign(cs, cells),
        }
    }
}

impl ToInputVar for AccountPreconditionVar {
    fn append(&self, input: &mut InputVar) {
        input.add(&self.balance).add(&self.nonce).add(&self.receipt_chain_hash).add(&self.delegate);
        for state in &self.state {
            input.add(state);
        }
        input.add(&self.action_state).add(&self.proved_state).add(&self.is_new);
    }
}

impl AccountPreconditionVar {
    /// Asks for the one nonce that the other asks for.
    pub(crate) fn take_nonce(&mut self, other: &Self) {
        let nonce = &other.nonce.value.lower;
        self.nonce.value = BoundsVar { lower: nonce.clone(), upper: nonce.clone() };
    }

    /// Checks everything that is asked, in Mina's order.
    pub fn check<I>(
        &self,
        cs: &mut Cs<I>,
        account: &AccountVar,
        is_new: &Boolean,
        checks: &mut Vec<Boolean>,
    ) {
        checks.extend(self.balance.holds(cs, &account.balance));
        checks.extend(self.nonce.holds(cs, &account.nonce));
        checks.push(equals(cs, &self.receipt_chain_hash, &account.receipt_chain_hash));
        let delegate = self.delegate.value.is_equal(cs, &account.delegate);
        checks.push(implies(cs, &self.delegate.is_some, &delegate));
        checks.push(self.check_action_state(cs, &account.zkapp.action_state));
        for (expected, state) in self.state.iter().zip(&account.zkapp.app_state) {
            checks.push(equals(cs, expected, state));
        }
        for (expected, actual) in
            [(&self.proved_state, &account.zkapp.proved_state), (&self.is_new, is_new)]
        {
            let differs = expected.value.xor(cs, actual);
            checks.push(implies(cs, &expected.is_some, &differs.not()));
        }
    }

    /// Any of the action states will do: one of the differences is zero if their product is.
    fn check_action_state<I>(&self, cs: &mut Cs<I>, states: &[Linear; 5]) -> Boolean {
        let expected = &self.action_state;
        let product = states.iter().fold(Linear::from(&expected.is_some), |product, state| {
            cs.mul(product, expected.value.clone() - state).into()
        });
        cs.is_zero(product)
    }

    /// Whether a single nonce is asked for.
    pub fn pins_nonce<I>(&self, cs: &mut Cs<I>) -> Boolean {
        let constant = self.nonce.value.is_constant(cs);
        self.nonce.is_some.and(cs, &constant)
    }
}
