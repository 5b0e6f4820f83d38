//! A ledger of many accounts, and signed commands on it.

use std::{format, string::String, time::Instant, vec::Vec};

use ark_ec::{AffineRepr, CurveGroup};
use mina_curves::{Fp, Fq, Pallas};

use super::Options;
use crate::{
    Domain,
    hash::command_hashes_many,
    ledger::{FullLedger, Ledger},
    logic::Context,
    signature::{sign_fields, sign_payload, sign_zkapp_command},
    types::{
        Account, AccountId, AccountUpdate, Amount, Authorization, AuthorizationKind, Body,
        CallForest, Era, FeePayer, FeePayerBody, Memo, Nonce, PrivateKey, ProtocolStateView,
        PublicKey, Signature, SignedAmount, SignedCommand, SignedCommandBody, SignedCommandPayload,
        Slot, ZkappCommand,
    },
};

pub(super) struct Workload {
    pub(super) domain: Domain,
    pub(super) view: ProtocolStateView,
    pub(super) ledger: FullLedger,
    /// Seconds to build and hash the ledger.
    pub(super) build: f64,
    /// Resident memory of the ledger, where the system tells.
    pub(super) bytes_per_account: Option<f64>,
    keys: Vec<PrivateKey>,
    pub(super) payments: Vec<SignedCommand>,
    pub(super) transfers: Vec<ZkappCommand>,
}

pub(super) fn context(view: &ProtocolStateView) -> Context<'_> {
    Context {
        era: Era::Berkeley,
        account_creation_fee: Amount::new(1_000_000_000),
        slot: Slot::new(1),
        view,
        rule: None,
    }
}

/// Resident bytes of this process.
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

/// The public keys of the secrets 1, 2, 3, ….
fn public_keys(count: usize) -> Vec<PublicKey> {
    let generator = Pallas::generator();
    let mut point = generator.into_group();
    let mut points = Vec::with_capacity(count);
    for _ in 0..count {
        points.push(point);
        point += generator;
    }
    let affine = ark_ec::short_weierstrass::Projective::normalize_batch(&points);
    affine.iter().map(PublicKey::from_point).collect()
}

impl Workload {
    pub(super) fn new(options: &Options) -> Result<Self, String> {
        let publics = public_keys(options.accounts);
        let before = resident();
        let start = Instant::now();
        let accounts = publics.iter().map(|key| {
            Account::new(AccountId::of(*key), Amount::new(1_000_000_000_000), Era::Berkeley)
        });
        let error = |e: crate::ledger::LedgerError| format!("{e}");
        let mut ledger = FullLedger::from_accounts(accounts, Era::Berkeley).map_err(error)?;
        ledger.root().map_err(error)?;
        let build = start.elapsed().as_secs_f64();
        let grown = resident().zip(before).and_then(|(after, before)| after.checked_sub(before));
        let bytes_per_account = grown.map(|bytes| bytes as f64 / options.accounts as f64);
        let keys = (1..=options.commands.min(options.accounts) as u64)
            .map(|n| PrivateKey::new(Fq::from(n)).map_err(|e| format!("{e}")))
            .collect::<Result<Vec<_>, _>>()?;
        let mut workload = Self {
            domain: Domain::default(),
            view: ProtocolStateView::default(),
            ledger,
            build,
            bytes_per_account,
            keys,
            payments: Vec::new(),
            transfers: Vec::new(),
        };
        workload.sign_payments()?;
        Ok(workload)
    }

    /// Receivers all over the ledger.
    fn receiver(&self, index: usize) -> PublicKey {
        let accounts = self.ledger.accounts();
        let receiver = accounts.get(index * 7919 % accounts.len().max(1));
        receiver.map_or(PublicKey::EMPTY, |account| account.public_key)
    }

    /// Makes a payment of each key, for the nonces that the ledger has now.
    pub(super) fn sign_payments(&mut self) -> Result<(), String> {
        let sign = |(index, key): (usize, &PrivateKey)| {
            let payload = SignedCommandPayload {
                fee: Amount::new(1_000_000),
                fee_payer: key.to_public_key(),
                nonce: self.nonce(key),
                valid_until: Slot::MAX,
                memo: Memo::EMPTY,
                body: SignedCommandBody::Payment {
                    receiver: self.receiver(index),
                    amount: Amount::new(1_000),
                },
            };
            let signature = sign_payload(&payload, key, &self.domain);
            Ok(SignedCommand { payload, signature: signature.map_err(|e| format!("{e}"))? })
        };
        self.payments = self.keys.iter().enumerate().map(sign).collect::<Result<_, String>>()?;
        Ok(())
    }

    /// The nonce of an account.
    fn nonce(&self, key: &PrivateKey) -> Nonce {
        let id = AccountId::of(key.to_public_key());
        self.ledger.get(&id).ok().flatten().map_or(Nonce::ZERO, |account| account.nonce)
    }

    /// Makes a command of three updates of each key: the fee payer, the sender, the receiver.
    pub(super) fn sign_transfers(&mut self) -> Result<(), String> {
        let amount = Amount::new(1_000);
        let mut commands: Vec<ZkappCommand> = self
            .keys
            .iter()
            .enumerate()
            .map(|(index, key)| {
                let public_key = key.to_public_key();
                let mut sender = Body::new(AccountId::of(public_key), Era::Berkeley);
                sender.balance_change = SignedAmount::negative(amount);
                sender.use_full_commitment = true;
                sender.authorization_kind = AuthorizationKind::Signature;
                let mut paid = Body::new(AccountId::of(self.receiver(index)), Era::Berkeley);
                paid.balance_change = SignedAmount::positive(amount);
                let body = FeePayerBody {
                    public_key,
                    fee: Amount::new(1_000_000),
                    valid_until: None,
                    nonce: self.nonce(key),
                };
                let signature = Authorization::Signature(Signature::DUMMY);
                ZkappCommand {
                    fee_payer: FeePayer { body, authorization: Signature::DUMMY },
                    account_updates: CallForest::flat([
                        AccountUpdate { body: sender, authorization: signature },
                        AccountUpdate { body: paid, authorization: Authorization::None },
                    ]),
                    memo: Memo::EMPTY,
                }
            })
            .collect();
        let hashes = command_hashes_many(&commands.iter().collect::<Vec<_>>(), &self.domain);
        for ((command, hashes), key) in commands.iter_mut().zip(&hashes).zip(&self.keys) {
            sign_zkapp_command(command, hashes, key, &self.domain).map_err(|e| format!("{e}"))?;
        }
        self.transfers = commands;
        Ok(())
    }

    /// Signatures over one element each.
    pub(super) fn field_signatures(&self) -> Vec<(Signature, [Fp; 1], PublicKey)> {
        let sign = |(index, key): (usize, &PrivateKey)| {
            let message = [Fp::from(index as u64)];
            let signature = sign_fields(&message, key, &self.domain).ok()?;
            Some((signature, message, key.to_public_key()))
        };
        self.keys.iter().enumerate().filter_map(sign).collect()
    }
}
