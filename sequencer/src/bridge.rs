//! The L1, as far as the sequencer needs it: where messages come from, and who prepares deposits.

use std::fmt;

use futures_util::future::BoxFuture;
use mina_curves::{Fp, PastaField};
use mina_ledger::{
    rollup::{DepositAction, Message, MessageReceipt, RefundReason},
    types::{Amount, Nonce, PublicKey, ZkappCommand, from_decimal, to_decimal},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

/// Who knows the rollup's account on the L1. See [`crate::SequencerHandle::connect`].
pub trait Bridge: Send + Sync + fmt::Debug {
    /// The messages that follow `prefix` in the inbox, so deep on the L1 that they may be
    /// consumed; none if the L1 has no such prefix. Called by the thread that makes blocks: it must
    /// not wait.
    fn messages(&self, prefix: Fp) -> Vec<Message>;

    /// Deposits that follow `prefix` in the inbox, deep or not.
    fn waiting(&self, prefix: Fp) -> Vec<DepositAction>;

    /// A command that makes a deposit, with its proof; only the sender's signatures are missing.
    fn prepare_deposit(
        &self,
        request: DepositRequest,
    ) -> BoxFuture<'_, Result<ZkappCommand, String>>;

    /// What a command does to the rollup account on the L1, if the contract there takes it in the next
    /// block: the name of the contract's rule.
    fn check_settlement(
        &self,
        command: ZkappCommand,
    ) -> BoxFuture<'_, Result<&'static str, SettlementRefused>>;
}

/// Why the contract on the L1 does not take a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SettlementRefused {
    /// The number of the reason, as the bridge has it.
    pub code: u16,
    /// The reason.
    pub reason: String,
}

/// What a user wants to deposit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DepositRequest {
    /// Who pays on the L1, fee included, and is paid back if the recipient cannot be credited.
    pub sender: PublicKey,
    /// Who is credited on the L2.
    pub recipient: PublicKey,
    /// How much, in nanomina.
    pub amount: Amount,
    /// The fee of the command on the L1, in nanomina.
    pub fee: Amount,
    /// The nonce of the sender there; the next one if absent.
    #[serde(default)]
    pub nonce: Option<Nonce>,
}

/// A message that a block has consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consumed {
    /// The message.
    pub message: Message,
    /// What became of it.
    pub receipt: MessageReceipt,
}

/// A message in the words of JSON-RPC: `{recipient, amount, timeout, refundTo}` or `{actionHash}`.
pub(crate) fn message_json(message: &Message) -> Json {
    match message {
        Message::Deposit(deposit) => json!({
            "recipient": deposit.recipient,
            "amount": deposit.amount,
            "timeout": deposit.timeout,
            "refundTo": deposit.refund_to,
        }),
        Message::Unopened(hash) => json!({ "actionHash": to_decimal(*hash) }),
    }
}

/// What became of messages, by the names that the store and JSON-RPC have for it.
const RECEIPTS: [(MessageReceipt, &str); 5] = [
    (MessageReceipt::Fulfilled, "fulfilled"),
    (MessageReceipt::Refunded(RefundReason::TimedOut), "refunded_timed_out"),
    (MessageReceipt::Refunded(RefundReason::BridgeAccount), "refunded_bridge_account"),
    (MessageReceipt::Refunded(RefundReason::NotCreditable), "refunded_not_creditable"),
    (MessageReceipt::Unopened, "unopened"),
];

pub(crate) fn receipt_name(receipt: MessageReceipt) -> &'static str {
    RECEIPTS.iter().find(|(known, _)| *known == receipt).map_or("", |(_, name)| name)
}

/// What the store keeps of a consumed message: the fields of a deposit's action, or the hash of one
/// that is not opened.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredMessage {
    fields: Vec<String>,
    receipt: String,
}

impl From<&Consumed> for StoredMessage {
    fn from(consumed: &Consumed) -> Self {
        let fields = message_fields(&consumed.message).into_iter().map(to_decimal).collect();
        Self { fields, receipt: receipt_name(consumed.receipt).to_owned() }
    }
}

impl StoredMessage {
    pub(crate) fn read(&self) -> Option<Consumed> {
        let fields: Option<Vec<Fp>> =
            self.fields.iter().map(|field| from_decimal(field).ok()).collect();
        let message = message_of(&fields?)?;
        let (receipt, _) = RECEIPTS.iter().find(|(_, name)| *name == self.receipt)?;
        Some(Consumed { message, receipt: *receipt })
    }
}

fn message_fields(message: &Message) -> Vec<Fp> {
    match message {
        Message::Deposit(deposit) => deposit.to_fields(),
        Message::Unopened(hash) => vec![*hash],
    }
}

fn message_of(fields: &[Fp]) -> Option<Message> {
    match fields {
        [hash] => Some(Message::Unopened(*hash)),
        fields => DepositAction::from_fields(fields).map(Message::Deposit),
    }
}

/// Messages as the log has them: for each the number of its fields, and these in 32 bytes,
/// little-endian.
pub(crate) fn write_messages(messages: &[Message], out: &mut Vec<u8>) {
    for message in messages {
        let fields = message_fields(message);
        out.push(fields.len() as u8);
        let limbs = fields.iter().flat_map(|field| field.to_limbs());
        out.extend(limbs.flat_map(u64::to_le_bytes));
    }
}

pub(crate) fn read_messages(mut bytes: &[u8]) -> Option<Vec<Message>> {
    let mut messages = Vec::new();
    while let Some((count, rest)) = bytes.split_first() {
        let (fields, rest) = rest.split_at_checked(usize::from(*count) * 32)?;
        let (fields, _) = fields.as_chunks::<32>();
        let fields: Option<Vec<Fp>> = fields.iter().map(read_field).collect();
        messages.push(message_of(&fields?)?);
        bytes = rest;
    }
    Some(messages)
}

pub(crate) fn read_field(bytes: &[u8; 32]) -> Option<Fp> {
    let (limbs, _) = bytes.as_chunks::<8>();
    let mut value = [0; 4];
    value.iter_mut().zip(limbs).for_each(|(slot, limb)| *slot = u64::from_le_bytes(*limb));
    Fp::from_limbs(value)
}

#[cfg(test)]
mod tests {
    use mina_ledger::types::Slot;

    use super::*;

    fn messages() -> [Message; 3] {
        let key = |x: u64, is_odd| PublicKey { x: Fp::from(x), is_odd };
        let deposit = DepositAction {
            recipient: key(7, true),
            amount: Amount::new(u64::MAX),
            timeout: Slot::new(40),
            refund_to: key(8, false),
        };
        [Message::Deposit(deposit), Message::Unopened(Fp::from(5u64)), Message::Deposit(deposit)]
    }

    #[test]
    fn messages_survive_the_log() {
        let mut bytes = Vec::new();
        write_messages(&messages(), &mut bytes);
        assert_eq!(read_messages(&bytes).unwrap(), messages());
        assert_eq!(read_messages(&[]).unwrap(), []);
        for end in 1..bytes.len() {
            let whole = [97, 97 + 33].contains(&end);
            assert_eq!(read_messages(&bytes[..end]).is_some(), whole, "{end}");
        }
        bytes[0] = 2;
        assert_eq!(read_messages(&bytes), None);
    }

    #[test]
    fn messages_survive_the_store() {
        for ((receipt, _), message) in RECEIPTS.into_iter().zip(messages().into_iter().cycle()) {
            let consumed = Consumed { message, receipt };
            let json = serde_json::to_string(&StoredMessage::from(&consumed)).unwrap();
            let stored: StoredMessage = serde_json::from_str(&json).unwrap();
            assert_eq!(stored.read(), Some(consumed));
        }
        let unknown = StoredMessage { fields: vec!["5".into()], receipt: "lost".into() };
        assert_eq!(unknown.read(), None);
    }
}
