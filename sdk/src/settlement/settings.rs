//! A sequencer's chain as its contract on the L1 knows it: parameters, keys, genesis.

use std::path::PathBuf;

use mina_ledger::{
    Domain,
    ledger::{FullLedger, Ledger},
    rollup::{
        BridgeParameters, ChainId, Committee, Configuration, Hashed, Root, Sequencer,
        SettlementParameters,
    },
    types::{Account, Amount, Era, NetworkId, PublicKey, SlotSpan},
};
use pickles::KeyCache;
use serde::{Deserialize, Serialize};
use zeko_bridge::{ContractProver, FoldSizes};
use zeko_circuits::{
    accounts::AccountSet,
    program::{Rollup, Sizes},
    update::Rules,
};
use zeko_sequencer::{GenesisConfig, ProofSizes};

use super::SettlementError;
use crate::config::Section;

/// How a chain is settled. The contract's verification key depends on all of it, but for the folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SettlementSettings {
    /// The smallest deposit, in nanomina.
    pub minimum_deposit: Amount,
    /// Slots behind the last one in which a deposit could be made, in which it may still be credited.
    pub deposit_timeout: u32,
    /// Slots behind its last one in which a batch may be committed.
    pub window: u32,
    /// Account updates of a proof.
    pub updates: usize,
    /// Account updates of a proof that rests on one of theirs.
    pub proved: usize,
    /// Messages of a proof.
    pub messages: usize,
    /// New accounts of a proof.
    pub accounts: usize,
    /// Payments and delegations of a proof.
    pub payments: usize,
    /// Actions of a fold.
    pub fold_actions: usize,
    /// Deposits of a proof of what waits behind a batch.
    pub fold_deposits: usize,
    /// Places in the DA committee.
    pub committee: usize,
    /// Where compiled keys are kept; empty for the user's cache.
    pub keys: PathBuf,
    /// Proves nothing, for development on an L1 that does not look at proofs.
    pub unsafe_no_proofs: bool,
}

impl Default for SettlementSettings {
    fn default() -> Self {
        let (sizes, folds) = (Sizes::MAX, FoldSizes::default());
        Self {
            minimum_deposit: Amount::new(1_000_000_000),
            deposit_timeout: 40,
            window: 20,
            updates: sizes.updates,
            proved: sizes.proved,
            messages: sizes.messages,
            accounts: sizes.accounts,
            payments: sizes.payments,
            fold_actions: folds.actions,
            fold_deposits: folds.waiting,
            committee: folds.members,
            keys: PathBuf::new(),
            unsafe_no_proofs: false,
        }
    }
}

impl Section for SettlementSettings {
    const NAME: &'static str = "settlement";
}

impl SettlementSettings {
    fn cache(&self) -> Option<KeyCache> {
        match self.keys.as_os_str().is_empty() {
            true => KeyCache::of_user(),
            false => Some(KeyCache::new(&self.keys)),
        }
    }

    /// How much a proof of each rule has room for.
    pub(super) fn sizes(&self) -> Sizes {
        let Self { updates, proved, messages, accounts, payments, .. } = *self;
        Sizes { updates, proved, messages, accounts, payments }
    }

    /// The same, for the sequencer to count by.
    pub fn proof_sizes(&self) -> ProofSizes {
        let Self { updates, proved, messages, accounts, payments, .. } = *self;
        let [updates, proved, messages, accounts, payments] =
            [updates, proved, messages, accounts, payments].map(|size| size as u64);
        ProofSizes { updates, proved, messages, accounts, payments }
    }

    /// The contract's parameters for a chain.
    ///
    /// # Errors
    /// [`SettlementError::Config`].
    pub fn parameters(
        &self,
        genesis: &GenesisConfig,
    ) -> Result<SettlementParameters, SettlementError> {
        let network = NetworkId::from_name(&genesis.l1_network_id)?;
        Ok(SettlementParameters {
            domain: Domain::new(network, Era::Berkeley),
            l1_network: ChainId::new(&genesis.l1_network_id)?,
            chain: ChainId::new(&genesis.chain_id)?,
            minimum_deposit: self.minimum_deposit,
            deposit_timeout: SlotSpan::new(self.deposit_timeout),
            window: SlotSpan::new(self.window),
            message_quota: genesis.message_quota,
        })
    }

    /// Compiles the program that proves a chain's batches.
    ///
    /// # Errors
    /// [`SettlementError::Config`], [`SettlementError::Compile`].
    pub fn rollup(&self, genesis: &GenesisConfig) -> Result<Rollup, SettlementError> {
        let network = NetworkId::from_name(&genesis.network_id)?;
        let rules = Rules {
            domain: Domain::new(network, Era::Berkeley),
            account_creation_fee: genesis.account_creation_fee,
            bridge: Some(BridgeParameters {
                minimum_withdrawal: genesis.minimum_withdrawal,
                deposit_fee: genesis.deposit_fee,
            }),
        };
        Ok(Rollup::compile(&rules, self.sizes(), self.cache())?)
    }

    /// Compiles the contract of a chain whose batches are proved under the key of `rollup`.
    ///
    /// # Errors
    /// [`SettlementError::Config`], [`SettlementError::Contract`].
    pub fn contract(
        &self,
        genesis: &GenesisConfig,
        rollup: &Rollup,
    ) -> Result<ContractProver, SettlementError> {
        let sizes = FoldSizes {
            actions: self.fold_actions,
            waiting: self.fold_deposits,
            members: self.committee,
        };
        let batch = rollup.program.verification_key().clone();
        Ok(ContractProver::compile(self.parameters(genesis)?, batch, sizes, self.cache())?)
    }
}

/// The root of a chain's genesis: its ledger and the set of its accounts.
///
/// # Errors
/// [`SettlementError`].
pub fn genesis_root(genesis: &GenesisConfig) -> Result<Root, SettlementError> {
    let accounts = genesis.ledger()?;
    let ids: Vec<_> = accounts.iter().map(Account::id).collect();
    let ledger = FullLedger::from_accounts(accounts, Era::Berkeley)?.root()?;
    Ok(Root { ledger, accounts: AccountSet::new(&ids)?.root() })
}

/// What the accounts of a chain's genesis hold: what the contract begins with, so that all of it can be
/// withdrawn.
pub fn genesis_funds(genesis: &GenesisConfig) -> Amount {
    let balances = genesis.accounts.iter().map(|account| account.balance);
    let sum = |sum: Amount, balance| sum.checked_add(balance).unwrap_or(Amount::MAX);
    balances.fold(Amount::ZERO, sum)
}

/// What a contract's field 4 is the hash of, when it is deployed.
pub fn configuration(
    sequencer: PublicKey,
    committee: &Committee,
    epoch: u32,
    governance: PublicKey,
) -> Configuration {
    Configuration {
        sequencer: Sequencer { key: sequencer }.digest(),
        committee: committee.digest(),
        epoch,
        governance,
        pending: mina_curves::Fp::default(),
    }
}
