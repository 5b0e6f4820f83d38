//! What wallets sign.

use alloc::vec;

use mina_curves::Fp;

use super::{SignatureError, schnorr::Message};
use crate::{
    domain::Domain,
    hash::{CommandHashes, LegacyInput, signed_command_input},
    types::{
        Authorization, NetworkId, PrivateKey, PublicKey, Signature, SignedCommandPayload,
        ZkappCommand,
    },
};

/// Signs field elements. (mina-signer's `signFields` always signs for the testnet.)
///
/// # Errors
/// [`SignatureError::ZeroNonce`].
pub fn sign_fields(
    fields: &[Fp],
    key: &PrivateKey,
    domain: &Domain,
) -> Result<Signature, SignatureError> {
    Message::Fields(fields.to_vec()).sign(key, domain)
}

/// Verifies a signature over field elements.
///
/// # Errors
/// [`SignatureError`].
pub fn verify_fields(
    signature: &Signature,
    fields: &[Fp],
    key: &PublicKey,
    domain: &Domain,
) -> Result<(), SignatureError> {
    Message::Fields(fields.to_vec()).verify(signature, key, domain)
}

/// Signs a payment or delegation.
///
/// # Errors
/// [`SignatureError::ZeroNonce`].
pub fn sign_payload(
    payload: &SignedCommandPayload,
    key: &PrivateKey,
    domain: &Domain,
) -> Result<Signature, SignatureError> {
    Message::Legacy(signed_command_input(payload)).sign(key, domain)
}

/// Verifies the signature of a payment or delegation.
///
/// # Errors
/// [`SignatureError`].
pub fn verify_payload(
    signature: &Signature,
    payload: &SignedCommandPayload,
    domain: &Domain,
) -> Result<(), SignatureError> {
    Message::Legacy(signed_command_input(payload)).verify(signature, &payload.fee_payer, domain)
}

/// The bits of each byte, most significant first.
fn text_input(text: &str) -> LegacyInput {
    let mut input = LegacyInput::new();
    for byte in text.bytes() {
        input.bits(byte.reverse_bits().into(), 8);
    }
    input
}

/// Signs a text.
///
/// # Errors
/// [`SignatureError::ZeroNonce`].
pub fn sign_message(
    text: &str,
    key: &PrivateKey,
    domain: &Domain,
) -> Result<Signature, SignatureError> {
    Message::Legacy(text_input(text)).sign(key, domain)
}

/// Verifies the signature of a text.
///
/// # Errors
/// [`SignatureError`].
pub fn verify_message(
    signature: &Signature,
    text: &str,
    key: &PublicKey,
    domain: &Domain,
) -> Result<(), SignatureError> {
    Message::Legacy(text_input(text)).verify(signature, key, domain)
}

/// Signs a zkApp command for `key`: as fee payer if it is, and wherever an update of its account
/// commits to a signature.
///
/// # Errors
/// [`SignatureError::ZeroNonce`].
pub fn sign_zkapp_command(
    command: &mut ZkappCommand,
    hashes: &CommandHashes,
    key: &PrivateKey,
    domain: &Domain,
) -> Result<(), SignatureError> {
    let public = key.to_public_key();
    let full = sign_fields(&[hashes.full_commitment], key, domain)?;
    let partial = sign_fields(&[hashes.commitment], key, domain)?;
    if command.fee_payer.body.public_key == public {
        command.fee_payer.authorization = full;
    }
    for update in command.account_updates.updates_mut() {
        let signed = update.body.authorization_kind == crate::types::AuthorizationKind::Signature;
        if signed && update.body.public_key == public {
            let signature = if update.body.use_full_commitment { full } else { partial };
            update.authorization = Authorization::Signature(signature);
        }
    }
    Ok(())
}

/// The signatures that a zkApp command carries, with their messages, fee payer first.
pub(super) fn command_signatures<'a>(
    command: &'a ZkappCommand,
    hashes: &'a CommandHashes,
) -> impl Iterator<Item = (Signature, Fp, PublicKey)> + 'a {
    let payer = &command.fee_payer;
    let first = (payer.authorization, hashes.full_commitment, payer.body.public_key);
    let rest = command.account_updates.updates().filter_map(|update| {
        let Authorization::Signature(signature) = update.authorization else { return None };
        let message = if update.body.use_full_commitment {
            hashes.full_commitment
        } else {
            hashes.commitment
        };
        Some((signature, message, update.body.public_key))
    });
    core::iter::once(first).chain(rest)
}

/// Verifies every signature of a zkApp command.
///
/// # Errors
/// The [`SignatureError`] of the first that does not verify.
pub fn verify_zkapp_command(
    command: &ZkappCommand,
    hashes: &CommandHashes,
    domain: &Domain,
) -> Result<(), SignatureError> {
    command_signatures(command, hashes).try_for_each(|(signature, message, key)| {
        Message::Fields(vec![message]).verify(&signature, &key, domain)
    })
}

impl Domain {
    /// The testnet's domain of the same era.
    pub fn testnet(&self) -> Self {
        Self::new(NetworkId::Testnet, self.era())
    }
}
