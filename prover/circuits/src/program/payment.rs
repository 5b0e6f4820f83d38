//! Payments and delegations, as wallets sign them.
//!
//! | part | what it says |
//! |---|---|
//! | `command` | nobody names the bridge account, and the slot is not past the last valid one |
//! | `signature` | the fee payer's, over the payload |
//! | `payer` | the fee payer is in the ledger: nonce, balance, vesting and permissions allow the command |
//! | `receiver` | the other account is in the ledger behind the payer, or new |
//! | `outcome` | whether the command is applied, or costs its fee and nothing else |
//! | `payer after`, `receiver after` | the two writes |
//! | `new account` | the list of new accounts, also of commands that fail |
//!
//! What the logic rejects outright are assertions here, and what costs the fee are bits.
//!
//! The receiver is opened in the ledger that the payer has been written to. Whoever sends to itself is
//! opened there a second time, without what it sends; whether that goes through does not depend on
//! what it has, so that there is one answer.

mod payload;
mod record;

use ark_ff::AdditiveGroup;
use kimchi::builder::Boolean;
use mina_curves::Fp;
use mina_ledger::{
    hash::salt,
    rollup::{ChainId, bridge_public_key},
    types::{
        Account, Length, Memo, PublicKey, SignedCommandBody, SignedCommandPayload, Slot, Timing,
        TokenId,
    },
};
use pickles::{Rule, RuleStatement, StepBuilder, StepInput, StepKey};

use self::payload::PayloadVar;
pub use self::record::{PaymentRecorder, RecordedPayments};
use super::{CommandsError, Opening, Point, PointVar, SegmentVar};
use crate::{
    Cs, Linear,
    account::AccountVar,
    alloc::{constant, witness},
    key::{AccountIdVar, PublicKeyVar, select_bit},
    legacy::{self, LegacyInputVar},
    merkle::MerklePathVar,
    number::{AmountVar, NumberValue, U32Var},
    permissions::{AuthRequiredVar, AuthVar},
    schnorr::SignatureWitness,
    timing::TimingVar,
    update::{CreditWitness, NewAccountVar, Opened, OpenedVar, Rules, State, open},
};

/// What a prover knows of a payment or delegation.
#[derive(Clone, Debug)]
pub struct PaymentWitness {
    /// What is signed.
    pub payload: SignedCommandPayload,
    /// The fee payer's signature.
    pub signature: SignatureWitness,
    /// The fee payer before.
    pub payer: Opening,
    /// The receiver or new delegate in the ledger behind the payer: of a new account, as it starts out;
    /// of the payer itself, what it is without what it sends.
    pub receiver: CreditWitness,
}

/// Up to so many payments and delegations of one block.
#[derive(Clone, Debug)]
pub struct Payment {
    rules: Rules,
    payments: usize,
}

/// What a proof of [`Payment`] is made from.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // named as in `RecordedPayments`
pub struct PaymentInput {
    chain: ChainId,
    height: Length,
    slot: Slot,
    pub before: State,
    /// As many as the circuit has room for, each with whether it counts.
    pub payments: Vec<(bool, PaymentWitness)>,
}

impl Payment {
    /// The rule for up to `payments` commands.
    pub fn new(rules: Rules, payments: usize) -> Self {
        Self { rules, payments }
    }
}

impl PaymentInput {
    /// The input of a circuit with room for `room` commands.
    ///
    /// # Errors
    /// [`CommandsError::Count`].
    pub fn new(
        chain: ChainId,
        height: Length,
        slot: Slot,
        recorded: RecordedPayments,
        room: usize,
    ) -> Result<Self, CommandsError> {
        let RecordedPayments { before, payments, .. } = recorded;
        let got = payments.len();
        let error = CommandsError::Count { what: "payments", expected: room, got };
        let Some(first) = payments.first().filter(|_| got <= room) else { return Err(error) };
        // What stands in a place that is left out satisfies the circuit if it does elsewhere.
        let spare = first.clone();
        let mut payments: Vec<_> = payments.into_iter().map(|payment| (true, payment)).collect();
        payments.resize(room, (false, spare));
        Ok(Self { chain, height, slot, before, payments })
    }
}

/// Where the chain stands between two commands.
struct Progress {
    ledger: Linear,
    accounts: Linear,
    fees: Linear,
}

impl Rule for Payment {
    type Input = PaymentInput;

    fn name(&self) -> &'static str {
        "payment"
    }

    fn constrain(&self, cs: &mut StepBuilder<PaymentInput>, _: &[StepKey]) -> RuleStatement {
        let segment = self.segment(cs, StepInput::<PaymentInput>::rule);
        RuleStatement { app_state: vec![segment.digest(cs)], previous: vec![] }
    }
}

impl Payment {
    /// The constraints; what is shown.
    pub fn segment<I: 'static>(
        &self,
        cs: &mut Cs<I>,
        source: impl Fn(&I) -> &PaymentInput + Clone + Send + Sync + 'static,
    ) -> SegmentVar {
        let given = source.clone();
        let [chain, height, slot, ledger, accounts, fees] = cs.witnesses(move |v| {
            let PaymentInput { chain, height, slot, before, .. } = given(v.input());
            let State { ledger, accounts, fees, .. } = *before;
            [chain.field(), height.value(), slot.value(), ledger, accounts, fees]
        });
        let [height, slot] = [height, slot].map(|x| U32Var::assert(cs, x));
        let point = |cs: &mut Cs<I>, progress: &Progress| PointVar {
            ledger: progress.ledger.clone(),
            accounts: progress.accounts.clone(),
            local: Point::local_between_commands().into(),
            fees: AmountVar::assert(cs, &progress.fees),
            height: height.clone(),
            slot: slot.clone(),
        };
        let [ledger, accounts, fees] = [ledger, accounts, fees].map(Linear::from);
        let mut progress = Progress { ledger, accounts, fees };
        let start = point(cs, &progress);
        for index in 0..self.payments {
            let given = source.clone();
            progress = cs.region("payment", |cs| {
                self.apply(cs, &slot, progress, move |input| &given(input).payments[index])
            });
        }
        let target = point(cs, &progress);
        SegmentVar { chain: chain.into(), source: start, target }
    }

    /// Applies a command, if there is one. Where there is none, a command stands here all the same,
    /// which holds in some ledger.
    fn apply<I: 'static>(
        &self,
        cs: &mut Cs<I>,
        slot: &U32Var,
        before: Progress,
        source: impl Fn(&I) -> &(bool, PaymentWitness) + Clone + Send + Sync + 'static,
    ) -> Progress {
        let era = self.rules.domain.era();
        let given = source.clone();
        let counts = Boolean::witness(cs, move |v| given(v.input()).0);
        let given = source.clone();
        let payload: PayloadVar = witness(cs, era, &sample(), move |input| &given(input).1.payload);
        cs.region("command", |cs| self.check_command(cs, &payload, slot));
        let message = payload.to_input().shared(cs);
        let given = source.clone();
        cs.region("signature", |cs| {
            let key = &payload.fee_payer;
            let domain = &self.rules.domain;
            legacy::assert_signed(cs, domain, key, &message, move |input| {
                &given(input).1.signature
            });
        });

        let given = source.clone();
        let Payer { account: payer, path, may_delegate } = cs.region("payer", |cs| {
            let (account, path, root) =
                self.open_payer(cs, &payload, move |input| &given(input).1.payer);
            cs.assert_mul(&counts, root - &before.ledger, Fp::ZERO);
            self.charge(cs, &payload, slot, &message, account, path)
        });
        let id = default_id(&payload.receiver);
        let receiver = cs.region("receiver", |cs| {
            let always = Boolean::constant(true);
            open(cs, era, &id, &always, &always, move |input| {
                let CreditWitness { account, is_new, path } = &source(input).1.receiver;
                Opened { account, is_new: *is_new, path }
            })
        });
        let outcome =
            cs.region("outcome", |cs| self.decide(cs, &payload, &receiver, &may_delegate));
        let Outcome { applied, moves, balance } = outcome;
        let OpenedVar { mut account, is_new, path: place, root } = receiver;

        let middle = cs.region("payer after", |cs| {
            let leaf = pay(cs, payer, &payload, &applied, &moves).hash(cs);
            let middle = path.root(cs, &leaf);
            cs.assert_equal(root, &middle);
            middle
        });
        let ledger = cs.region("receiver after", |cs| {
            account.balance = balance;
            let leaf = account.hash(cs);
            let written = place.root(cs, &leaf);
            moves.select(cs, written, middle)
        });
        let list = cs.region("new account", |cs| {
            let entry = NewAccountVar {
                others: before.accounts.clone(),
                owned_token: id.derive_token_id(cs),
                place: place.index(),
                is_new: Boolean::constant(true),
                is_first: Boolean::constant(true),
                reverts: applied.not(),
            };
            let longer = entry.digest(cs);
            is_new.select(cs, longer, &before.accounts)
        });
        let created = moves.and(cs, &is_new);
        let creation_fee = Fp::from(self.rules.account_creation_fee.get());
        let kept = payload.fee.linear().clone() + Linear::from(created) * creation_fee;
        let fees = before.fees.clone() + cs.mul(&counts, kept);
        Progress {
            ledger: counts.select(cs, ledger, before.ledger).into(),
            accounts: counts.select(cs, list, before.accounts).into(),
            fees: cs.reduce(fees).into(),
        }
    }

    /// What the logic asks for before it looks at the ledger.
    fn check_command<I>(&self, cs: &mut Cs<I>, payload: &PayloadVar, slot: &U32Var) {
        if self.rules.bridge.is_some() {
            let bridge: PublicKeyVar = constant(cs, self.rules.domain.era(), &bridge_public_key());
            for key in [&payload.fee_payer, &payload.receiver] {
                let is_bridge = key.is_equal(cs, &bridge);
                is_bridge.not().assert_true(cs);
            }
        }
        U32Var::assert(cs, payload.valid_until.linear().clone() - slot.linear());
    }

    /// The fee payer, its path, and the root of the ledger that it is in.
    fn open_payer<I>(
        &self,
        cs: &mut Cs<I>,
        payload: &PayloadVar,
        source: impl Fn(&I) -> &Opening + Clone + Send + Sync + 'static,
    ) -> (AccountVar, MerklePathVar, Linear) {
        let era = self.rules.domain.era();
        let given = source.clone();
        let empty = Account::empty(era);
        let account: AccountVar = witness(cs, era, &empty, move |input| &given(input).account);
        account.id.assert_equal(cs, &default_id(&payload.fee_payer));
        let leaf = account.hash(cs);
        AccountVar::assert_exists_if(cs, Fp::from(1u64), &leaf, era);
        let path = MerklePathVar::witness(cs, move |input| &source(input).path);
        let root = path.root(cs, &leaf);
        (account, path, root)
    }

    /// Asserts that the payer can cover the command and may send it; the payer with everything that
    /// changes whether or not the command is applied, but for the fee.
    fn charge<I>(
        &self,
        cs: &mut Cs<I>,
        payload: &PayloadVar,
        slot: &U32Var,
        message: &LegacyInputVar,
        mut account: AccountVar,
        path: MerklePathVar,
    ) -> Payer {
        cs.region("vesting", |cs| {
            let minimum = account.timing.minimum_balance(cs, slot);
            let spent = payload.fee.linear().clone() + payload.amount.linear();
            let left = account.balance.linear().clone() - spent;
            // Nothing on the left is negative as numbers, so neither is what is left.
            AmountVar::assert(cs, left - minimum.linear());
            let vested = cs.is_zero(minimum.linear());
            let untimed = constant(cs, self.rules.domain.era(), &Timing::UNTIMED);
            account.timing = TimingVar::select(cs, &vested, &untimed, &account.timing);
            account.is_timed = account.is_timed.and(cs, &vested.not());
        });
        let may_delegate = cs.region("permissions", |cs| {
            let permissions = &account.permissions;
            let access = by_signature(cs, &permissions.access);
            for permission in [&permissions.send, &permissions.increment_nonce] {
                let permitted = by_signature(cs, permission);
                access.and(cs, &permitted).assert_true(cs);
            }
            by_signature(cs, &permissions.set_delegate)
        });
        cs.region("nonce", |cs| {
            cs.assert_equal(account.nonce.linear().clone(), payload.nonce.linear());
            let (nonce, _) = U32Var::wrap(cs, account.nonce.linear().clone() + Fp::from(1u64));
            account.nonce = nonce;
        });
        cs.region("receipt", |cs| {
            let mut input = message.clone();
            input.field(&account.receipt_chain_hash);
            let receipt = legacy::hash(cs, salt::legacy_receipt(), &input.into_fields());
            account.receipt_chain_hash = receipt.into();
        });
        Payer { account, path, may_delegate }
    }

    /// Whether a command that has its fee is applied.
    fn decide<I>(
        &self,
        cs: &mut Cs<I>,
        payload: &PayloadVar,
        receiver: &OpenedVar,
        may_delegate: &Boolean<Fp>,
    ) -> Outcome {
        let OpenedVar { account, is_new, .. } = receiver;
        let fee = Fp::from(self.rules.account_creation_fee.get());
        let received = payload.amount.linear().clone() - Linear::from(is_new) * fee;
        let (received, covers_fee) = AmountVar::wrap(cs, received);
        let sum = account.balance.linear().clone() + received.linear();
        let (balance, fits) = AmountVar::wrap(cs, sum);
        // What comes from itself fits, whether or not it has been taken out.
        let to_self = payload.receiver.is_equal(cs, &payload.fee_payer);
        let fits = fits.or(cs, &to_self);
        let nobody =
            AuthVar { is_signed: Boolean::constant(false), is_proved: Boolean::constant(false) };
        let access = account.permissions.access.permits(cs, &nobody);
        let receives = account.permissions.receive.permits(cs, &nobody);
        let pays = access.and(cs, &receives);
        let pays = pays.and(cs, &covers_fee);
        let pays = pays.and(cs, &fits);
        let delegates = may_delegate.and(cs, &is_new.not());
        let applied = select_bit(cs, &payload.is_delegation, &delegates, &pays);
        let moves = applied.and(cs, &payload.is_delegation.not());
        Outcome { applied, moves, balance }
    }
}

/// The fee payer, charged.
struct Payer {
    account: AccountVar,
    path: MerklePathVar,
    /// Whether its key may set the delegate.
    may_delegate: Boolean<Fp>,
}

/// What becomes of a command.
struct Outcome {
    /// Whether it is applied.
    applied: Boolean<Fp>,
    /// Whether it is a payment and applied.
    moves: Boolean<Fp>,
    /// The receiver's balance, if so.
    balance: AmountVar,
}

/// The payer afterwards.
fn pay<I>(
    cs: &mut Cs<I>,
    payer: AccountVar,
    payload: &PayloadVar,
    applied: &Boolean<Fp>,
    moves: &Boolean<Fp>,
) -> AccountVar {
    let sent = cs.mul(moves, payload.amount.linear());
    let balance = payer.balance.linear().clone() - payload.fee.linear() - sent;
    // At least what is left if the command is applied, and at most what there was.
    let balance = AmountVar::assume(cs.reduce(balance));
    let sets = applied.and(cs, &payload.is_delegation);
    let delegate = PublicKeyVar::select(cs, &sets, &payload.receiver, &payer.delegate);
    AccountVar { balance, delegate, ..payer }
}

/// The account of MINA of a key.
fn default_id(key: &PublicKeyVar) -> AccountIdVar {
    AccountIdVar { public_key: key.clone(), token_id: TokenId::DEFAULT.0.into() }
}

/// Whether a signature is enough.
fn by_signature<I>(cs: &mut Cs<I>, required: &AuthRequiredVar) -> Boolean<Fp> {
    let auth = AuthVar { is_signed: Boolean::constant(true), is_proved: Boolean::constant(false) };
    required.permits(cs, &auth)
}

fn sample() -> SignedCommandPayload {
    let (fee_payer, receiver) = (PublicKey::EMPTY, PublicKey::EMPTY);
    SignedCommandPayload {
        fee: Default::default(),
        fee_payer,
        nonce: Default::default(),
        valid_until: Slot::ZERO,
        memo: Memo::EMPTY,
        body: SignedCommandBody::Payment { receiver, amount: Default::default() },
    }
}
