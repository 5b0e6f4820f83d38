//! What is signed of a payment or delegation.

use ark_ff::AdditiveGroup;
use mina_curves::Fp;
use mina_ledger::types::{Era, Memo, SignedCommandBody, SignedCommandPayload};

use crate::{
    Boolean, Cs, Linear,
    alloc::{Allocate, Cells},
    key::PublicKeyVar,
    legacy::LegacyInputVar,
    number::{AmountVar, NumberValue, U32Var, power},
};

/// The id of MINA as signed commands have it: always 1.
const TOKEN: u64 = 1;

/// A memo, cut where the packing of a payload has the end of an element.
#[derive(Clone, Debug)]
struct MemoVar {
    low: Linear,
    high: Linear,
}

/// Lowest bits first, in parts whose range checks have no rest.
const LOW_PARTS: [usize; 3] = [46, 14, 1];
const HIGH_PARTS: [usize; 4] = [208, 1, 1, 1];

/// Bits of either part.
const LOW_BITS: usize = 61;
const HIGH_BITS: usize = 211;

/// The twin of [`SignedCommandPayload`].
#[derive(Clone, Debug)]
pub(super) struct PayloadVar {
    pub(super) fee: AmountVar,
    pub(super) fee_payer: PublicKeyVar,
    pub(super) nonce: U32Var,
    pub(super) valid_until: U32Var,
    memo: MemoVar,
    /// Whether it is a delegation; else it is a payment.
    pub(super) is_delegation: Boolean,
    /// Who is paid, or delegated to.
    pub(super) receiver: PublicKeyVar,
    /// The amount of a payment; zero in a delegation.
    pub(super) amount: AmountVar,
}

impl Allocate for MemoVar {
    type Native = Memo;

    fn values(native: &Memo, _: Era, out: &mut Vec<Fp>) {
        let bit = |i: usize| Fp::from(native.0[i / 8] >> (i % 8) & 1);
        let mut from = 0;
        for count in LOW_PARTS.into_iter().chain(HIGH_PARTS) {
            let bits = (from..from + count).rev();
            out.push(bits.fold(Fp::ZERO, |sum, i| sum.double() + bit(i)));
            from += count;
        }
    }

    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        let mut number = |parts: &[usize]| {
            let (mut sum, mut from) = (Linear::from(Fp::ZERO), 0);
            for bits in parts.iter().copied() {
                let part = if bits == 1 { cells.bit(cs).into() } else { ranged(cs, cells, bits) };
                sum = sum + part * power(from);
                from += bits;
            }
            sum
        };
        Self { low: number(&LOW_PARTS), high: number(&HIGH_PARTS) }
    }
}

fn ranged<I>(cs: &mut Cs<I>, cells: &mut Cells, bits: usize) -> Linear {
    let part = cells.field();
    cs.assert_bits(part.clone(), bits);
    part
}

impl Allocate for PayloadVar {
    type Native = SignedCommandPayload;

    fn values(native: &SignedCommandPayload, era: Era, out: &mut Vec<Fp>) {
        let (is_delegation, amount) = match native.body {
            SignedCommandBody::Payment { amount, .. } => (false, amount.value()),
            SignedCommandBody::Delegation { .. } => (true, Fp::ZERO),
        };
        out.push(native.fee.value());
        PublicKeyVar::values(&native.fee_payer, era, out);
        out.extend([native.nonce.value(), native.valid_until.value()]);
        MemoVar::values(&native.memo, era, out);
        out.push(Fp::from(is_delegation));
        PublicKeyVar::values(&native.receiver(), era, out);
        out.push(amount);
    }

    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        let payload = Self {
            fee: cells.uint(cs),
            fee_payer: PublicKeyVar::assign(cs, cells),
            nonce: cells.uint(cs),
            valid_until: cells.uint(cs),
            memo: MemoVar::assign(cs, cells),
            is_delegation: cells.bit(cs),
            receiver: PublicKeyVar::assign(cs, cells),
            amount: cells.uint(cs),
        };
        cs.assert_mul(&payload.is_delegation, payload.amount.linear(), Fp::ZERO);
        payload
    }
}

impl PayloadVar {
    /// What is signed and, with a receipt chain hash behind it, what the next one is the hash of: the
    /// twin of [`signed_command_input`](mina_ledger::hash::signed_command_input).
    pub(super) fn to_input(&self) -> LegacyInputVar {
        let token = Fp::from(TOKEN);
        let zero = Linear::from(Fp::ZERO);
        let mut input = LegacyInputVar::new();
        input
            .bits(self.fee.linear(), 64)
            .bits(token, 64)
            .key(&self.fee_payer)
            .bits(self.nonce.linear(), 32)
            .bits(self.valid_until.linear(), 32)
            .bits(&self.memo.low, LOW_BITS)
            .bits(&self.memo.high, HIGH_BITS)
            .bits(zero.clone(), 2)
            .bit(&self.is_delegation)
            .key(&self.fee_payer)
            .key(&self.receiver)
            // An element ends inside the token.
            .bits(token, 38)
            .bits(zero.clone(), 64 - 38)
            .bits(self.amount.linear(), 64)
            .bits(zero, 1);
        input
    }
}
