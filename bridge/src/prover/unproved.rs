//! The contract's updates with placeholders for proofs.

use mina_ledger::{
    rollup::{Commit, Deposit, Payout, RollupAccount, SettlementParameters},
    types::{AccountUpdate, Authorization, Body, CallForest, Proof, PublicKey, VerificationKey},
};
use zeko_circuits::contract::ContractError;

/// A contract that nobody has compiled.
pub(super) struct Unproved(pub(super) SettlementParameters);

impl Unproved {
    pub(super) fn verification_key() -> VerificationKey {
        let key = pickles::VerificationKey::placeholder();
        VerificationKey::new(key.to_bytes(), key.hash())
    }

    fn account(public_key: PublicKey) -> RollupAccount {
        RollupAccount { public_key, key_hash: Self::verification_key().hash() }
    }

    pub(super) fn deposit(
        &self,
        account: PublicKey,
        deposit: &Deposit,
    ) -> Result<AccountUpdate, ContractError> {
        Ok(update(deposit.body(&Self::account(account), &self.0)?))
    }

    pub(super) fn commit(
        &self,
        account: PublicKey,
        commit: &Commit,
    ) -> Result<AccountUpdate, ContractError> {
        Ok(update(commit.body(&Self::account(account), &self.0)?))
    }

    pub(super) fn payout(
        &self,
        account: PublicKey,
        payout: &Payout,
    ) -> Result<CallForest, ContractError> {
        let era = self.0.domain.era();
        let mut forest = CallForest::flat([update(payout.body(&Self::account(account), era)?)]);
        for child in payout.children(era)? {
            forest.push(child, 1)?;
        }
        Ok(forest)
    }
}

fn update(body: Body) -> AccountUpdate {
    let proof = pickles::account_update_proof_bytes(&pickles::Proof::placeholder());
    AccountUpdate { body, authorization: Authorization::Proof(Proof(proof.into())) }
}
