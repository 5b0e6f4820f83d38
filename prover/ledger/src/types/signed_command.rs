//! Signed commands (payments and delegations) and the transactions that only blocks contain.

use mina_curves::Fq;
use serde::{Deserialize, Serialize};

use super::{AccountId, Amount, Memo, Nonce, PublicKey, Signature, Slot, TypeError};

/// What a signed command does besides paying a fee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignedCommandBody {
    /// Sends MINA.
    Payment {
        /// Who is paid.
        receiver: PublicKey,
        /// How much.
        amount: Amount,
    },
    /// Delegates the stake of the fee payer.
    Delegation {
        /// To whom.
        new_delegate: PublicKey,
    },
}

/// What is signed of a payment or delegation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SignedCommandPayload {
    /// The fee.
    pub fee: Amount,
    /// Who pays, sends and signs.
    pub fee_payer: PublicKey,
    /// The nonce of the fee payer.
    pub nonce: Nonce,
    /// The last slot in which the command is valid.
    pub valid_until: Slot,
    /// A remark.
    pub memo: Memo,
    /// What it does.
    pub body: SignedCommandBody,
}

impl SignedCommandPayload {
    /// The other party: receiver or new delegate.
    pub fn receiver(&self) -> PublicKey {
        match self.body {
            SignedCommandBody::Payment { receiver, .. } => receiver,
            SignedCommandBody::Delegation { new_delegate } => new_delegate,
        }
    }
}

/// A payment or a delegation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SignedCommand {
    /// What is signed.
    pub payload: SignedCommandPayload,
    /// The signature of the fee payer.
    pub signature: Signature,
}

/// A fee paid out to a block producer or prover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FeeTransfer {
    /// Who is paid.
    pub receiver: PublicKey,
    /// How much.
    pub fee: Amount,
}

impl FeeTransfer {
    /// The account that is paid.
    pub fn account_id(&self) -> AccountId {
        AccountId::of(self.receiver)
    }
}

/// One or two fee transfers, as a block groups them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FeeTransfers {
    /// One.
    One(FeeTransfer),
    /// Two.
    Two(FeeTransfer, FeeTransfer),
}

/// The reward of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Coinbase {
    /// Who is rewarded.
    pub receiver: PublicKey,
    /// The reward, the part that goes to a prover included.
    pub amount: Amount,
    /// A fee paid out of the reward.
    pub fee_transfer: Option<FeeTransfer>,
}

/// mina-signer's JSON of a payment's data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentJson {
    /// The receiver.
    pub to: PublicKey,
    /// The sender and fee payer.
    pub from: PublicKey,
    /// The fee.
    pub fee: Amount,
    /// The amount.
    pub amount: Amount,
    /// The nonce of the sender.
    pub nonce: Nonce,
    /// The text of the memo.
    #[serde(default)]
    pub memo: alloc::string::String,
    /// The last slot in which the command is valid.
    #[serde(default = "never")]
    pub valid_until: Slot,
}

/// mina-signer's JSON of a delegation's data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DelegationJson {
    /// The new delegate.
    pub to: PublicKey,
    /// The delegator and fee payer.
    pub from: PublicKey,
    /// The fee.
    pub fee: Amount,
    /// The nonce of the delegator.
    pub nonce: Nonce,
    /// The text of the memo.
    #[serde(default)]
    pub memo: alloc::string::String,
    /// The last slot in which the command is valid.
    #[serde(default = "never")]
    pub valid_until: Slot,
}

fn never() -> Slot {
    Slot::MAX
}

impl PaymentJson {
    /// The payload.
    ///
    /// # Errors
    /// [`TypeError::Length`] if the memo is longer than 32 bytes.
    pub fn to_payload(&self) -> Result<SignedCommandPayload, TypeError> {
        Ok(SignedCommandPayload {
            fee: self.fee,
            fee_payer: self.from,
            nonce: self.nonce,
            valid_until: self.valid_until,
            memo: Memo::from_text(&self.memo)?,
            body: SignedCommandBody::Payment { receiver: self.to, amount: self.amount },
        })
    }
}

impl DelegationJson {
    /// The payload.
    ///
    /// # Errors
    /// [`TypeError::Length`] if the memo is longer than 32 bytes.
    pub fn to_payload(&self) -> Result<SignedCommandPayload, TypeError> {
        Ok(SignedCommandPayload {
            fee: self.fee,
            fee_payer: self.from,
            nonce: self.nonce,
            valid_until: self.valid_until,
            memo: Memo::from_text(&self.memo)?,
            body: SignedCommandBody::Delegation { new_delegate: self.to },
        })
    }
}

/// mina-signer's JSON of a legacy signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureJson {
    /// x-coordinate of the nonce point.
    #[serde(with = "super::field::decimal")]
    pub field: mina_curves::Fp,
    /// The response.
    #[serde(with = "super::field::decimal")]
    pub scalar: Fq,
}

impl From<Signature> for SignatureJson {
    fn from(signature: Signature) -> Self {
        Self { field: signature.r, scalar: signature.s }
    }
}

impl From<SignatureJson> for Signature {
    fn from(json: SignatureJson) -> Self {
        Self { r: json.field, s: json.scalar }
    }
}
