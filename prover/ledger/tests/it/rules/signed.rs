//! Payments, delegations, fee transfers and coinbase. o1js cannot apply them: the rules are those of
//! o1-labs/mina-rust `transaction_partially_applied.rs`, the archives of `archive.rs` the data.

use mina_ledger::{
    hash::signed_command_receipt,
    ledger::Ledger,
    logic::{
        ApplyError, Context, InternalApplied, RejectReason, SignedCommandApplied,
        TransactionFailure as F, apply_coinbase, apply_fee_transfer, apply_signed_command,
    },
    types::{
        Amount, AuthRequired, Coinbase, FeeTransfer, FeeTransfers, Memo, Nonce, SignedAmount,
        SignedCommandBody, SignedCommandPayload, Slot, Timing,
    },
};

use super::kit::{CREATION_FEE, MINA, World, id, user};

fn payload(from: u64, body: SignedCommandBody) -> SignedCommandPayload {
    SignedCommandPayload {
        fee: 10.into(),
        fee_payer: user(from),
        nonce: Nonce::ZERO,
        valid_until: Slot::MAX,
        memo: Memo::EMPTY,
        body,
    }
}

fn payment(from: u64, to: u64, amount: u64) -> SignedCommandPayload {
    payload(from, SignedCommandBody::Payment { receiver: user(to), amount: amount.into() })
}

fn delegation(from: u64, to: u64) -> SignedCommandPayload {
    payload(from, SignedCommandBody::Delegation { new_delegate: user(to) })
}

impl World {
    fn sign(&mut self, payload: &SignedCommandPayload) -> Result<SignedCommandApplied, ApplyError> {
        let (view, context) = (self.view, self.context());
        let context = Context { view: &view, ..context };
        let mut ledger = self.ledger.clone();
        let result = apply_signed_command(&mut ledger, payload, &context);
        self.ledger = ledger;
        result
    }

    fn reject(&mut self, payload: &SignedCommandPayload) -> RejectReason {
        let root = self.ledger.root().unwrap();
        let error = self.sign(payload).unwrap_err();
        assert_eq!(self.ledger.root().unwrap(), root);
        match error {
            ApplyError::Rejected(reason) => reason,
            other => panic!("{other}"),
        }
    }

    /// Applies a command that only pays its fee.
    fn fail_signed(&mut self, payload: &SignedCommandPayload) -> F {
        let before = self.account(id(1)).clone();
        let applied = self.sign(payload).unwrap();
        let payer = self.account(id(1)).clone();
        assert_eq!(payer.balance, before.balance.checked_sub(payload.fee).unwrap());
        assert_eq!(payer.nonce, before.nonce.successor());
        assert_eq!(payer.delegate, before.delegate);
        assert_eq!((applied.created.len(), applied.supply_increase), (0, SignedAmount::ZERO));
        match applied.failures.as_deref() {
            Some([bucket]) if bucket.len() == 1 => bucket[0],
            other => panic!("{other:?}"),
        }
    }

    fn internal(
        &mut self,
        apply: impl FnOnce(
            &mut mina_ledger::ledger::FullLedger,
            &Context<'_>,
        ) -> Result<InternalApplied, ApplyError>,
    ) -> Result<InternalApplied, ApplyError> {
        let (view, context) = (self.view, self.context());
        let context = Context { view: &view, ..context };
        let mut ledger = self.ledger.clone();
        let result = apply(&mut ledger, &context);
        self.ledger = ledger;
        result
    }

    fn fee_transfer(&mut self, transfers: FeeTransfers) -> Result<InternalApplied, ApplyError> {
        self.internal(|ledger, context| apply_fee_transfer(ledger, &transfers, context))
    }

    fn coinbase(&mut self, coinbase: Coinbase) -> Result<InternalApplied, ApplyError> {
        self.internal(|ledger, context| apply_coinbase(ledger, &coinbase, context))
    }
}

#[test]
fn item_16_receipts_of_signed_commands() {
    let mut world = World::new();
    let before = world.account(id(1)).receipt_chain_hash;
    let first = payment(1, 2, 5);
    world.sign(&first).unwrap();
    let second = SignedCommandPayload { nonce: 1.into(), ..delegation(1, 2) };
    world.sign(&second).unwrap();
    let expected = signed_command_receipt(signed_command_receipt(before, &first), &second);
    assert_eq!(world.account(id(1)).receipt_chain_hash, expected);
    assert_eq!(world.account(id(2)).receipt_chain_hash, before);
}

#[test]
fn item_18_payments() {
    let mut world = World::new();
    let applied = world.sign(&payment(1, 2, 7)).unwrap();
    assert_eq!(applied.failures, None);
    assert_eq!(applied.fee_excess, SignedAmount::positive(10.into()));
    assert_eq!(world.account(id(1)).balance.get(), 1000 * MINA - 17);
    assert_eq!(world.account(id(2)).balance.get(), 1000 * MINA + 7);
    // To oneself.
    world.sign(&SignedCommandPayload { nonce: 1.into(), ..payment(1, 1, 7) }).unwrap();
    assert_eq!(world.account(id(1)).balance.get(), 1000 * MINA - 27);
    // To a new account.
    let create = SignedCommandPayload { nonce: 2.into(), ..payment(1, 50, 3 * MINA) };
    let applied = world.sign(&create).unwrap();
    assert_eq!(applied.created, [id(50)]);
    assert_eq!(applied.supply_increase, SignedAmount::negative(CREATION_FEE.into()));
    assert_eq!(world.account(id(50)).balance.get(), 2 * MINA);
    // With exactly the creation fee, and with less.
    let mut world = World::new();
    world.sign(&payment(1, 51, CREATION_FEE)).unwrap();
    assert_eq!(world.account(id(51)).balance, Amount::ZERO);
    let less = SignedCommandPayload { nonce: 1.into(), ..payment(1, 52, CREATION_FEE - 1) };
    assert_eq!(world.fail_signed(&less), F::AmountInsufficientToCreateAccount);
    assert!(!world.exists(id(52)));
}

#[test]
fn item_18_failing_payments() {
    let mut world = World::new();
    world.edit(id(2), |account| account.balance = Amount::MAX);
    assert_eq!(world.fail_signed(&payment(1, 2, 1)), F::Overflow);
    let next = |nonce: u32, payload| SignedCommandPayload { nonce: nonce.into(), ..payload };
    world.edit(id(3), |account| account.permissions.receive = AuthRequired::Signature);
    assert_eq!(world.fail_signed(&next(1, payment(1, 3, 1))), F::UpdateNotPermittedBalance);
    world.edit(id(4), |account| account.permissions.access = AuthRequired::Either);
    assert_eq!(world.fail_signed(&next(2, payment(1, 4, 1))), F::UpdateNotPermittedBalance);
}

#[test]
fn item_18_rejected_payments() {
    let mut world = World::new();
    let all = 1000 * MINA;
    let edge = payment(1, 2, all - 10);
    assert_eq!(
        world.reject(&payment(1, 2, all - 9)),
        RejectReason::Timing(F::SourceInsufficientBalance)
    );
    let fee = |fee: u64| SignedCommandPayload { fee: fee.into(), ..payment(1, 2, 0) };
    assert_eq!(world.reject(&fee(all + 1)), RejectReason::InsufficientFunds);
    let nonce = SignedCommandPayload { nonce: 1.into(), ..payment(1, 2, 1) };
    let (expected, got) = (0.into(), 1.into());
    assert_eq!(world.reject(&nonce), RejectReason::Nonce { expected, got });
    assert!(RejectReason::Nonce { expected, got }.to_string().contains("Invalid_nonce"));
    let expired = SignedCommandPayload { valid_until: 99.into(), ..payment(1, 2, 1) };
    assert_eq!(world.reject(&expired), RejectReason::Expired);
    assert_eq!(world.reject(&payment(60, 2, 1)), RejectReason::NoFeePayer);
    for permission in [AuthRequired::Proof, AuthRequired::Impossible] {
        world.edit(id(3), |account| account.permissions.send = permission);
        let reason = RejectReason::Permission(F::UpdateNotPermittedBalance);
        assert_eq!(world.reject(&payment(3, 2, 1)), reason);
        world.edit(id(4), |account| account.permissions.increment_nonce = permission);
        let reason = RejectReason::Permission(F::UpdateNotPermittedNonce);
        assert_eq!(world.reject(&payment(4, 2, 1)), reason);
    }
    // The slot of the expiry is still in time; so is spending everything.
    world.sign(&SignedCommandPayload { valid_until: 100.into(), ..edge }).unwrap();
    assert_eq!(world.account(id(1)).balance, Amount::ZERO);
}

#[test]
fn item_18_timed_payments() {
    let timing = Timing {
        initial_minimum_balance: 50.into(),
        cliff_time: 200.into(),
        cliff_amount: 50.into(),
        vesting_period: 1.into(),
        vesting_increment: 0.into(),
    };
    let mut world = World::new();
    world.edit(id(1), |account| {
        account.balance = 100.into();
        account.timing = Some(timing);
    });
    let violation = RejectReason::Timing(F::SourceMinimumBalanceViolation);
    assert_eq!(world.reject(&payment(1, 2, 41)), violation);
    let fee = SignedCommandPayload { fee: 51.into(), ..payment(1, 2, 0) };
    assert_eq!(world.reject(&fee), violation);
    world.sign(&payment(1, 2, 40)).unwrap();
    assert_eq!(world.account(id(1)).timing, Some(timing));
    world.slot = 200.into();
    world.sign(&SignedCommandPayload { nonce: 1.into(), ..payment(1, 2, 40) }).unwrap();
    assert_eq!(world.account(id(1)).timing, None);
}

#[test]
fn item_19_delegations() {
    let mut world = World::new();
    assert_eq!(world.sign(&delegation(1, 2)).unwrap().failures, None);
    assert_eq!(world.account(id(1)).delegate, Some(user(2)));
    let next = |nonce: u32, payload| SignedCommandPayload { nonce: nonce.into(), ..payload };
    assert_eq!(world.fail_signed(&next(1, delegation(1, 70))), F::ReceiverNotPresent);
    world.edit(id(1), |account| account.permissions.set_delegate = AuthRequired::Proof);
    assert_eq!(world.fail_signed(&next(2, delegation(1, 3))), F::UpdateNotPermittedDelegate);
}

#[test]
fn item_20_fee_transfers() {
    let transfer = |to, fee: u64| FeeTransfer { receiver: user(to), fee: fee.into() };
    let mut world = World::new();
    let applied = world.fee_transfer(FeeTransfers::One(transfer(1, 5))).unwrap();
    assert_eq!((applied.failures, applied.burned), (None, Amount::ZERO));
    assert_eq!(world.account(id(1)).balance.get(), 1000 * MINA + 5);
    // Two to the same receiver, who need not exist.
    let half = CREATION_FEE / 2;
    let both = FeeTransfers::Two(transfer(80, half), transfer(80, half + 3));
    let applied = world.fee_transfer(both).unwrap();
    assert_eq!(applied.created, [id(80)]);
    assert_eq!(applied.supply_increase, SignedAmount::negative(CREATION_FEE.into()));
    assert_eq!(world.account(id(80)).balance.get(), 3);
    // Too little for a new account: no such transaction.
    let little = FeeTransfers::Two(transfer(1, 5), transfer(81, CREATION_FEE - 1));
    let error = world.fee_transfer(little).unwrap_err();
    assert_eq!(error, ApplyError::Rejected(RejectReason::InsufficientFunds));
    assert_eq!(world.account(id(1)).balance.get(), 1000 * MINA + 5);
    // Who may not receive is not paid; access does not count.
    world.edit(id(2), |account| account.permissions.receive = AuthRequired::Proof);
    world.edit(id(3), |account| account.permissions.access = AuthRequired::Proof);
    let refused = vec![F::UpdateNotPermittedBalance];
    let applied = world.fee_transfer(FeeTransfers::One(transfer(2, 5))).unwrap();
    assert_eq!((applied.failures, applied.burned.get()), (Some(vec![refused.clone()]), 5));
    let two = FeeTransfers::Two(transfer(2, 5), transfer(3, 6));
    let applied = world.fee_transfer(two).unwrap();
    assert_eq!((applied.failures, applied.burned.get()), (Some(vec![refused.clone(), vec![]]), 5));
    let two = FeeTransfers::Two(transfer(3, 5), transfer(2, 6));
    let applied = world.fee_transfer(two).unwrap();
    assert_eq!((applied.failures, applied.burned.get()), (Some(vec![vec![], refused.clone()]), 6));
    let two = FeeTransfers::Two(transfer(2, 5), transfer(2, 6));
    let applied = world.fee_transfer(two).unwrap();
    assert_eq!(applied.failures, Some(vec![refused.clone(), refused]));
    assert_eq!(applied.burned.get(), 11);
    assert_eq!(world.account(id(2)).balance.get(), 1000 * MINA);
    assert_eq!(world.account(id(3)).balance.get(), 1000 * MINA + 11);
}

#[test]
fn item_20_coinbase() {
    let reward = 720 * MINA;
    let coinbase =
        |to, fee_transfer| Coinbase { receiver: user(to), amount: reward.into(), fee_transfer };
    let part = |to, fee: u64| Some(FeeTransfer { receiver: user(to), fee: fee.into() });
    let mut world = World::new();
    let applied = world.coinbase(coinbase(1, None)).unwrap();
    assert_eq!((applied.failures, applied.burned), (None, Amount::ZERO));
    assert_eq!(world.account(id(1)).balance.get(), 1720 * MINA);
    // With a fee in it, both receivers new: the prover comes first.
    let applied = world.coinbase(coinbase(90, part(91, 2 * MINA))).unwrap();
    assert_eq!(applied.created, [id(91), id(90)]);
    assert_eq!(world.account(id(91)).balance.get(), MINA);
    assert_eq!(world.account(id(90)).balance.get(), 717 * MINA);
    assert_eq!(applied.supply_increase, SignedAmount::negative((2 * CREATION_FEE).into()));
    // Who may not receive.
    world.edit(id(2), |account| account.permissions.receive = AuthRequired::Proof);
    let refused = vec![F::UpdateNotPermittedBalance];
    let applied = world.coinbase(coinbase(2, None)).unwrap();
    assert_eq!((applied.failures, applied.burned.get()), (Some(vec![refused.clone()]), reward));
    let applied = world.coinbase(coinbase(1, part(2, 5))).unwrap();
    assert_eq!((applied.failures, applied.burned.get()), (Some(vec![refused.clone(), vec![]]), 5));
    let applied = world.coinbase(coinbase(2, part(1, 5))).unwrap();
    assert_eq!(applied.failures, Some(vec![vec![], refused]));
    assert_eq!(applied.burned.get(), reward - 5);
    // No such transactions.
    let error = |reason| Err(ApplyError::Rejected(reason));
    assert_eq!(world.coinbase(coinbase(1, part(1, 5))), error(RejectReason::SameReceiver));
    let large = coinbase(1, part(3, reward + 1));
    assert_eq!(world.coinbase(large), error(RejectReason::InsufficientFunds));
    world.edit(id(1), |account| account.balance = Amount::MAX);
    assert_eq!(world.coinbase(coinbase(1, None)), error(RejectReason::Overflow));
}
