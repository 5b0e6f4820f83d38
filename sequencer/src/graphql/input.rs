//! Arguments of mutations as commands.

use async_graphql::Value;
use mina_curves::PastaField;
use mina_ledger::types::{
    Amount, Memo, Nonce, PublicKey, Signature, SignedCommand, SignedCommandBody,
    SignedCommandPayload, Slot, ZkappCommand, from_decimal,
};
use serde::Deserialize;

use super::{
    definition::{Definitions, base_name},
    node::SubmitError,
};

#[allow(clippy::needless_pass_by_value, reason = "it is passed to map_err")]
fn malformed(reason: impl ToString) -> SubmitError {
    SubmitError::Malformed { reason: reason.to_string() }
}

/// Adds `null` for every field that an input object lacks, and turns enum values into strings: old
/// versions of o1js write some without quotes.
fn normalize(value: &mut Value, ty: &str, definitions: &Definitions) {
    match value {
        Value::Enum(name) => *value = Value::String(name.to_string()),
        Value::List(items) => items.iter_mut().for_each(|item| normalize(item, ty, definitions)),
        Value::Object(fields) => {
            for field in definitions.input_fields(ty).into_iter().flatten() {
                let inner =
                    fields.entry(async_graphql::Name::new(&field.name)).or_insert(Value::Null);
                normalize(inner, base_name(&field.ty), definitions);
            }
        }
        _ => {}
    }
}

/// The command of `sendZkapp(input)`.
pub(super) fn zkapp_command(
    input: &Value,
    definitions: &Definitions,
) -> Result<ZkappCommand, SubmitError> {
    let Value::Object(input) = input else { return Err(malformed("input is no object")) };
    let mut command = input.get("zkappCommand").cloned().unwrap_or_default();
    normalize(&mut command, "ZkappCommandInput", definitions);
    ZkappCommand::deserialize(command).map_err(malformed)
}

/// What is written of payments and delegations.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignedInput {
    to: PublicKey,
    from: PublicKey,
    fee: Amount,
    #[serde(default)]
    amount: Amount,
    #[serde(default)]
    nonce: Option<Nonce>,
    #[serde(default)]
    memo: Option<String>,
    #[serde(default)]
    valid_until: Option<Slot>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignatureInput {
    #[serde(default)]
    raw_signature: Option<String>,
    #[serde(default)]
    field: Option<String>,
    #[serde(default)]
    scalar: Option<String>,
}

impl SignatureInput {
    fn decode(&self) -> Result<Signature, SubmitError> {
        let invalid = || SubmitError::InvalidSignature { reason: "not a signature".into() };
        if let Some(raw) = &self.raw_signature {
            let (r, s) = raw.split_at_checked(64).ok_or_else(invalid)?;
            let r = field_from_hex(r).ok_or_else(invalid)?;
            let s = field_from_hex(s).ok_or_else(invalid)?;
            return Ok(Signature { r, s });
        }
        let (Some(field), Some(scalar)) = (&self.field, &self.scalar) else {
            return Err(SubmitError::InvalidSignature {
                reason: "either rawSignature or field and scalar must be given".into(),
            });
        };
        Ok(Signature {
            r: from_decimal(field).map_err(|_| invalid())?,
            s: from_decimal(scalar).map_err(|_| invalid())?,
        })
    }
}

/// 32 little-endian bytes in hexadecimal.
fn field_from_hex<F: PastaField>(text: &str) -> Option<F> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut limbs = [0u64; 4];
    for (limb, digits) in limbs.iter_mut().zip(text.as_bytes().chunks(16)) {
        let digits = std::str::from_utf8(digits).ok()?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        *limb = u64::from_str_radix(digits, 16).ok()?.swap_bytes();
    }
    F::from_limbs(limbs)
}

/// The command of `sendPayment` or `sendDelegation`. `next_nonce` is asked if none is given.
pub(super) fn signed_command(
    input: &Value,
    signature: Option<&Value>,
    is_delegation: bool,
    next_nonce: impl FnOnce(&PublicKey) -> Option<Nonce>,
) -> Result<SignedCommand, SubmitError> {
    let input = SignedInput::deserialize(input.clone()).map_err(malformed)?;
    let signature = match signature {
        Some(signature) if *signature != Value::Null => {
            SignatureInput::deserialize(signature.clone()).map_err(malformed)?.decode()?
        }
        // A daemon would sign with a key of its own; there is none here.
        _ => return Err(SubmitError::InvalidSignature { reason: "no signature".into() }),
    };
    let SignedInput { to, from, fee, amount, nonce, memo, valid_until } = input;
    let nonce = nonce.or_else(|| next_nonce(&from)).ok_or(SubmitError::FeePayerNotFound)?;
    let memo = Memo::from_text(memo.as_deref().unwrap_or_default())
        .map_err(|_| malformed("memo longer than 32 bytes"))?;
    let body = if is_delegation {
        SignedCommandBody::Delegation { new_delegate: to }
    } else {
        SignedCommandBody::Payment { receiver: to, amount }
    };
    let valid_until = valid_until.unwrap_or(Slot::MAX);
    let payload = SignedCommandPayload { fee, fee_payer: from, nonce, valid_until, memo, body };
    Ok(SignedCommand { payload, signature })
}
