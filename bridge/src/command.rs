//! Commands for the L1.

use mina_ledger::{
    Domain,
    hash::command_hashes,
    signature::{SignatureError, sign_zkapp_command},
    types::{
        AccountId, AccountUpdate, Amount, Authorization, AuthorizationKind, Body, CallForest, Era,
        FeePayer, FeePayerBody, Memo, Nonce, PrivateKey, PublicKey, Signature, SignedAmount, Slot,
        ZkappCommand,
    },
};

/// Who pays for a command, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payer {
    /// Who.
    pub key: PublicKey,
    /// How much.
    pub fee: Amount,
    /// The nonce of the payer's account.
    pub nonce: Nonce,
    /// The last slot in which it may be in a block.
    pub valid_until: Option<Slot>,
}

/// The update that takes `amount` out of an account, by a signature that is still missing.
pub fn paying(from: PublicKey, amount: Amount, era: Era) -> AccountUpdate {
    let mut body = Body::new(AccountId::of(from), era);
    body.balance_change = SignedAmount::negative(amount);
    body.authorization_kind = AuthorizationKind::Signature;
    body.use_full_commitment = true;
    AccountUpdate { body, authorization: Authorization::Signature(Signature::DUMMY) }
}

/// The command, without signatures.
pub fn unsigned(account_updates: CallForest, payer: Payer) -> ZkappCommand {
    let Payer { key: public_key, fee, nonce, valid_until } = payer;
    let body = FeePayerBody { public_key, fee, valid_until, nonce };
    let fee_payer = FeePayer { body, authorization: Signature::DUMMY };
    ZkappCommand { fee_payer, account_updates, memo: Memo::EMPTY }
}

/// Puts in the signatures of these keys wherever they are asked for.
///
/// # Errors
/// [`SignatureError`].
pub fn sign(
    command: &mut ZkappCommand,
    keys: &[&PrivateKey],
    domain: &Domain,
) -> Result<(), SignatureError> {
    let hashes = command_hashes(command, domain);
    for key in keys {
        sign_zkapp_command(command, &hashes, key, domain)?;
    }
    Ok(())
}
