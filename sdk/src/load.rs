//! Commands for load: payments and transfers by zkApp commands, signed.

use anyhow::Result;
use mina_curves::Fq;
use mina_ledger::{
    Domain,
    hash::{TransactionHash, command_hashes},
    signature::{sign_payload, sign_zkapp_command},
    types::{
        AccountId, AccountUpdate, Amount, Authorization, AuthorizationKind, Body, CallForest, Era,
        FeePayer, FeePayerBody, Memo, Nonce, PrivateKey, PublicKey, Signature, SignatureJson,
        SignedAmount, SignedCommand, SignedCommandBody, SignedCommandPayload, Slot, ZkappCommand,
    },
};
use serde_json::{Value, json};
use zeko_sequencer::Command;

/// What every command pays.
const FEE: Amount = Amount::new(1_000_000);

/// What every command moves.
const AMOUNT: Amount = Amount::new(1000);

/// Somebody who sends.
#[derive(Clone, Debug)]
pub(crate) struct Payer {
    key: PrivateKey,
    pub(crate) public_key: PublicKey,
}

impl Payer {
    /// The payer of a number: the same every time.
    pub(crate) fn new(number: usize) -> Result<Self> {
        Ok(Self::with_key(PrivateKey::new(Fq::from(5000 + number as u64))?))
    }

    /// Somebody with a key of their own.
    pub(crate) fn with_key(key: PrivateKey) -> Self {
        let public_key = key.to_public_key();
        Self { key, public_key }
    }

    pub(crate) fn private_key(&self) -> &PrivateKey {
        &self.key
    }

    /// A payment.
    pub(crate) fn signed_payment(&self, to: PublicKey, nonce: u32) -> Result<SignedCommand> {
        let payload = SignedCommandPayload {
            fee: FEE,
            fee_payer: self.public_key,
            nonce: Nonce::new(nonce),
            valid_until: Slot::MAX,
            memo: Memo::EMPTY,
            body: SignedCommandBody::Payment { receiver: to, amount: AMOUNT },
        };
        let signature = sign_payload(&payload, &self.key, &Domain::default())?;
        Ok(SignedCommand { payload, signature })
    }

    /// A payment, as its hash and mina-signer's JSON.
    pub(crate) fn payment(&self, to: PublicKey, nonce: u32) -> Result<(TransactionHash, Value)> {
        let SignedCommand { payload, signature } = self.signed_payment(to, nonce)?;
        let json = json!({
            "data": {
                "to": to, "from": payload.fee_payer, "fee": payload.fee, "amount": AMOUNT,
                "nonce": payload.nonce, "memo": "", "validUntil": payload.valid_until,
            },
            "signature": SignatureJson::from(signature),
        });
        Ok((Command::Signed(SignedCommand { payload, signature }).hash(), json))
    }

    /// A transfer by a zkApp command with signatures.
    pub(crate) fn transfer(&self, to: PublicKey, nonce: u32) -> Result<ZkappCommand> {
        let Self { key, public_key } = self;
        let mut sender = Body::new(AccountId::of(*public_key), Era::Berkeley);
        sender.balance_change = SignedAmount::negative(AMOUNT);
        sender.use_full_commitment = true;
        sender.authorization_kind = AuthorizationKind::Signature;
        let mut paid = Body::new(AccountId::of(to), Era::Berkeley);
        paid.balance_change = SignedAmount::positive(AMOUNT);
        let nonce = Nonce::new(nonce);
        let body = FeePayerBody { public_key: *public_key, fee: FEE, valid_until: None, nonce };
        let sender = AccountUpdate {
            body: sender,
            authorization: Authorization::Signature(Signature::DUMMY),
        };
        let paid = AccountUpdate { body: paid, authorization: Authorization::None };
        let mut command = ZkappCommand {
            fee_payer: FeePayer { body, authorization: Signature::DUMMY },
            account_updates: CallForest::flat([sender, paid]),
            memo: Memo::EMPTY,
        };
        let hashes = command_hashes(&command, &Domain::default());
        sign_zkapp_command(&mut command, &hashes, key, &Domain::default())?;
        Ok(command)
    }
}
