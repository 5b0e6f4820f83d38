//! A ledger with some accounts on it, and short ways to put commands together.

use mina_curves::{Fp, Fq};
use mina_ledger::{
    Domain,
    hash::command_hashes,
    ledger::{FullLedger, Ledger},
    logic::{
        ApplyError, Context, FailureTable, TransactionFailure, ZkappApplied, apply_zkapp_command,
    },
    types::{
        Account, AccountId, AccountUpdate, Amount, AuthKind, Authorization, AuthorizationKind,
        Body, CallForest, Era, FeePayer, FeePayerBody, Memo, PrivateKey, Proof, ProtocolStateView,
        PublicKey, Sign, Signature, SignedAmount, Slot, TokenId, VerificationKey, ZkappCommand,
    },
};

pub(crate) const MINA: u64 = 1_000_000_000;
pub(crate) const CREATION_FEE: u64 = MINA;

/// The key of user `index`.
pub(crate) fn secret(index: u64) -> PrivateKey {
    PrivateKey::new(Fq::from(1000 + index)).unwrap()
}

pub(crate) fn user(index: u64) -> PublicKey {
    secret(index).to_public_key()
}

pub(crate) fn id(index: u64) -> AccountId {
    AccountId::of(user(index))
}

pub(crate) fn plus(amount: u64) -> SignedAmount {
    SignedAmount::positive(amount.into())
}

pub(crate) fn minus(amount: u64) -> SignedAmount {
    SignedAmount { magnitude: amount.into(), sign: Sign::Negative }
}

/// A key that any proof fits: which one does not matter to the logic, only its hash.
pub(crate) fn key(index: u64) -> VerificationKey {
    VerificationKey::new([], Fp::from(7000 + index))
}

pub(crate) fn body(id: AccountId) -> Body {
    Body::new(id, Era::Berkeley)
}

/// Authorises a body; signatures and proofs are taken as checked by the logic.
pub(crate) fn authorized(mut body: Body, kind: AuthKind) -> AccountUpdate {
    let authorization = match kind {
        AuthKind::None => Authorization::None,
        AuthKind::Signature => {
            body.authorization_kind = AuthorizationKind::Signature;
            body.use_full_commitment = true;
            Authorization::Signature(Signature::DUMMY)
        }
        AuthKind::Proof => {
            body.authorization_kind = AuthorizationKind::Proof(key(0).hash());
            Authorization::Proof(Proof([].into()))
        }
    };
    AccountUpdate { body, authorization }
}

pub(crate) fn signed(body: Body) -> AccountUpdate {
    authorized(body, AuthKind::Signature)
}

pub(crate) fn proved(body: Body) -> AccountUpdate {
    authorized(body, AuthKind::Proof)
}

pub(crate) fn plain(body: Body) -> AccountUpdate {
    authorized(body, AuthKind::None)
}

/// A body that only changes the balance.
pub(crate) fn transfer(id: AccountId, change: SignedAmount) -> Body {
    Body { balance_change: change, ..body(id) }
}

pub(crate) struct World {
    pub(crate) ledger: FullLedger,
    pub(crate) view: ProtocolStateView,
    pub(crate) slot: Slot,
    pub(crate) fee: Amount,
    pub(crate) era: Era,
}

impl World {
    /// Users 0 to 4 with 1000 MINA each; user 0 pays fees.
    pub(crate) fn new() -> Self {
        let accounts =
            (0..5).map(|index| Account::new(id(index), (1000 * MINA).into(), Era::Berkeley));
        Self {
            ledger: FullLedger::from_accounts(accounts, Era::Berkeley).unwrap(),
            view: ProtocolStateView::default(),
            slot: 100.into(),
            fee: 1_000_000.into(),
            era: Era::Berkeley,
        }
    }

    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            era: self.era,
            account_creation_fee: CREATION_FEE.into(),
            slot: self.slot,
            view: &self.view,
            rule: None,
        }
    }

    pub(crate) fn account(&self, id: AccountId) -> &Account {
        self.ledger.get(&id).unwrap().unwrap()
    }

    pub(crate) fn exists(&self, id: AccountId) -> bool {
        self.ledger.get(&id).unwrap().is_some()
    }

    /// Changes an account directly.
    pub(crate) fn edit(&mut self, id: AccountId, edit: impl FnOnce(&mut Account)) {
        let existing = self.ledger.get(&id).unwrap().cloned();
        let mut account = existing.unwrap_or_else(|| Account::new(id, Amount::ZERO, Era::Berkeley));
        edit(&mut account);
        self.ledger.set(account).unwrap();
    }

    pub(crate) fn command(&self, updates: Vec<(u32, AccountUpdate)>) -> ZkappCommand {
        let mut account_updates = CallForest::new();
        for (depth, update) in updates {
            account_updates.push(update, depth).unwrap();
        }
        let nonce = self.ledger.get(&id(0)).unwrap().map_or(0.into(), |payer| payer.nonce);
        ZkappCommand {
            fee_payer: FeePayer {
                body: FeePayerBody { public_key: user(0), fee: self.fee, valid_until: None, nonce },
                authorization: Signature::DUMMY,
            },
            account_updates,
            memo: Memo::EMPTY,
        }
    }

    pub(crate) fn apply(&mut self, command: &ZkappCommand) -> Result<ZkappApplied, ApplyError> {
        let hashes = command_hashes(command, &Domain::default());
        let view = self.view;
        let context = Context { view: &view, ..self.context() };
        let mut ledger = self.ledger.clone();
        let result = apply_zkapp_command(&mut ledger, command, &hashes, &context, &mut ());
        self.ledger = ledger;
        result
    }

    /// Applies a command of updates at the given depths.
    pub(crate) fn run(&mut self, updates: Vec<(u32, AccountUpdate)>) -> ZkappApplied {
        let command = self.command(updates);
        self.apply(&command).unwrap()
    }

    /// Applies a command of updates without children; it has to succeed.
    pub(crate) fn succeed(&mut self, updates: impl IntoIterator<Item = AccountUpdate>) {
        let applied = self.run(updates.into_iter().map(|update| (0, update)).collect());
        assert_eq!(applied.failures, None);
    }

    /// Applies a command of updates without children; it has to fail.
    pub(crate) fn fail(
        &mut self,
        updates: impl IntoIterator<Item = AccountUpdate>,
    ) -> FailureTable {
        let applied = self.run(updates.into_iter().map(|update| (0, update)).collect());
        applied.failures.expect("the command succeeds")
    }

    /// The failures of a command of one update; none if it succeeds.
    pub(crate) fn outcome(&mut self, update: AccountUpdate) -> Vec<TransactionFailure> {
        let applied = self.run(vec![(0, update)]);
        applied.failures.map_or(Vec::new(), |table| table[1].clone())
    }

    /// Makes user `owner` own a token and gives `amount` of it to `holder`.
    pub(crate) fn mint(&mut self, owner: AccountId, holder: AccountId, amount: u64) -> TokenId {
        let token = mina_ledger::hash::derive_token_id(&owner);
        let holding = AccountId::new(holder.public_key, token);
        self.edit(holding, |account| account.balance = amount.into());
        token
    }
}
