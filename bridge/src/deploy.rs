//! Setting up the rollup account, and looking at one that is there.

use std::time::Duration;

use mina_curves::Fp;
use mina_ledger::{
    Domain,
    hash::TransactionHash,
    rollup::{
        Committee, Configuration, ContractEvent, ContractState, DeployFunds, Field, Hashed, Root,
        contract_permissions, deploy_updates,
    },
    signature::SignatureError,
    types::{
        Amount, AuthRequired, CallForest, Era, Length, Nonce, Permissions, PrivateKey, PublicKey,
        to_decimal,
    },
};

use crate::{
    client::{ArchivedEvent, L1Account, L1Client, L1Error},
    command::{Payer, sign, unsigned},
    prover::ContractProver,
    watcher::ranges,
};

/// How often to look whether the command is in a block.
const POLL: Duration = Duration::from_millis(500);

/// What to deploy.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The key of the rollup account, which signs nothing else: keep it offline.
    pub account: PrivateKey,
    /// Who pays.
    pub payer: PrivateKey,
    /// The fee of the command.
    pub fee: Amount,
    /// What creating an account costs on the L1.
    pub creation_fee: Amount,
    /// What the accounts of the L2's genesis hold: the rollup account begins with as much.
    pub vault: Amount,
    /// The state that the contract begins with.
    pub state: ContractState,
    /// The DA committee that the state has the hash of.
    pub committee: Committee,
}

/// Where a contract was deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// The hash of the command.
    pub hash: TransactionHash,
    /// The height of its block.
    pub height: Length,
}

/// Why a contract was not deployed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    /// The L1.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// Signing.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// There is such an account already.
    #[error("the L1 has an account {0} already")]
    Exists(String),
    /// Nobody to pay.
    #[error("the L1 has no account {0} to pay from")]
    NoPayer(String),
    /// More MINA than there is.
    #[error("creation fee and vault are more MINA than there is")]
    Funds,
    /// The committee is not that of the state.
    #[error("the state is that of another committee")]
    Committee,
    /// The command is in a block, but did nothing.
    #[error("the command {0} has failed")]
    Failed(String),
    /// The command is not in a block after all that time.
    #[error("the command {hash} was in no block after {seconds} seconds")]
    Timeout {
        /// Its hash.
        hash: String,
        /// How long.
        seconds: u64,
    },
}

/// Sets up the rollup account, and waits until the command is in a block.
///
/// # Errors
/// [`DeployError`].
pub async fn deploy(
    client: &L1Client,
    contract: &ContractProver,
    deployment: &Deployment,
    patience: Duration,
) -> Result<Deployed, DeployError> {
    let Deployment { account, payer, fee, creation_fee, vault, state, committee } = deployment;
    if committee.digest() != state.configuration.committee {
        return Err(DeployError::Committee);
    }
    let [key, payer_key] = [account, payer].map(PrivateKey::to_public_key);
    if client.account(&key).await?.is_some() {
        return Err(DeployError::Exists(key.to_base58()));
    }
    let paying = client.account(&payer_key).await?;
    let paying = paying.ok_or_else(|| DeployError::NoPayer(payer_key.to_base58()))?;
    let funds = DeployFunds { payer: payer_key, creation_fee: *creation_fee, vault: *vault };
    let (vk, parameters) = (contract.verification_key(), contract.parameters());
    let updates = deploy_updates(key, vk, state, committee, &funds, parameters);
    let updates = updates.ok_or(DeployError::Funds)?;
    let nonce: Nonce = paying.inferred_nonce;
    let by = Payer { key: payer_key, fee: *fee, nonce, valid_until: None };
    let mut command = unsigned(CallForest::flat(updates), by);
    let domain: &Domain = &parameters.domain;
    sign(&mut command, &[payer, account], domain)?;
    let hash = client.send(&command).await?;
    tracing::info!(hash = %hash.to_base58(), account = %key.to_base58(), "deploying");
    let wait = included(client, &payer_key, hash);
    match tokio::time::timeout(patience, wait).await {
        Ok(deployed) => deployed,
        Err(_) => {
            let seconds = patience.as_secs();
            Err(DeployError::Timeout { hash: hash.to_base58(), seconds })
        }
    }
}

/// Waits until a command is in a block.
async fn included(
    client: &L1Client,
    payer: &PublicKey,
    hash: TransactionHash,
) -> Result<Deployed, DeployError> {
    /// Blocks that may come while nobody looks.
    const BLOCKS: u32 = 20;
    loop {
        match client.snapshot(payer, BLOCKS).await {
            Ok(snapshot) => {
                let commands = snapshot.blocks.iter().flat_map(|block| {
                    block.commands.iter().map(move |command| (block.height, command))
                });
                if let Some((height, command)) =
                    commands.into_iter().find(|(_, command)| command.hash == hash)
                {
                    return match command.failed {
                        true => Err(DeployError::Failed(hash.to_base58())),
                        false => Ok(Deployed { hash, height }),
                    };
                }
            }
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "waiting for the deployment");
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The root that the first event of a rollup account says: that of the L2's genesis. `first_block` is a
/// height below which nothing happened to the account.
///
/// # Errors
/// [`L1Error`].
pub async fn first_root(
    client: &L1Client,
    account: &PublicKey,
    first_block: u32,
) -> Result<Option<Root>, L1Error> {
    let tip = client.tip().await?.height.get();
    for (from, to) in ranges(first_block, tip) {
        let events = client.events(account, from, to).await?;
        let root = events.iter().find_map(root_of);
        if root.is_some() {
            return Ok(root);
        }
    }
    Ok(None)
}

/// The root that the last event of a rollup account says, in a block up to height `to`: that of a batch,
/// or of the L2's genesis. `first_block` is a height below which nothing happened to the account.
///
/// # Errors
/// [`L1Error`].
pub async fn last_root(
    client: &L1Client,
    account: &PublicKey,
    first_block: u32,
    to: u32,
) -> Result<Option<Root>, L1Error> {
    let all: Vec<_> = ranges(first_block, to).collect();
    for (from, to) in all.into_iter().rev() {
        let events = client.events(account, from, to).await?;
        let root = events.iter().rev().find_map(root_of);
        if root.is_some() {
            return Ok(root);
        }
    }
    Ok(None)
}

fn root_of(event: &ArchivedEvent) -> Option<Root> {
    match *event.fields {
        [kind, ledger, accounts] if kind == Fp::from(ContractEvent::ROOT) => {
            Some(Root { ledger, accounts })
        }
        _ => None,
    }
}

/// What a deployment should be.
#[derive(Clone, Debug)]
pub struct ExpectedDeployment {
    /// The hash of the contract's verification key.
    pub key_hash: Fp,
    /// What field 4 is the hash of.
    pub configuration: Configuration,
    /// The L2's genesis.
    pub genesis: Root,
    /// The rules of the L1.
    pub era: Era,
}

impl ExpectedDeployment {
    /// What `contract` would be deployed as.
    pub fn of(contract: &ContractProver, configuration: Configuration, genesis: Root) -> Self {
        Self {
            key_hash: contract.verification_key().hash(),
            configuration,
            genesis,
            era: contract.parameters().domain.era(),
        }
    }
}

/// Something in which a deployment is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What.
    pub what: String,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub got: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, expected, got } = self;
        write!(f, "{what}: expected {expected}, got {got}")
    }
}

/// Everything in which a rollup account is not what is expected; nothing if it is. `genesis_root` is
/// the root that its first event says, which counts where batches have been settled since, so that
/// field 0 is another by now.
pub fn verify_deployment(
    account: &L1Account,
    genesis_root: Option<Root>,
    expected: &ExpectedDeployment,
) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, expected: String, got: String| {
        if expected != got {
            differences.push(Difference { what: what.to_owned(), expected, got });
        }
    };
    let asked = permissions(&contract_permissions(expected.era));
    for ((what, expected), (_, got)) in asked.into_iter().zip(permissions(&account.permissions)) {
        compare(&format!("permission {what}"), expected, got);
    }
    let Some(zkapp) = account.zkapp else {
        compare("contract", "a zkApp".into(), "none".into());
        return differences;
    };
    let key = zkapp.key_hash.map_or_else(|| "none".into(), to_decimal);
    compare("verification key", to_decimal(expected.key_hash), key);
    let field = |field: Field| zkapp.field(field);
    compare("status", to_decimal(ContractState::RUNNING), to_decimal(field(Field::Status)));
    let configuration = expected.configuration.digest();
    compare("configuration", to_decimal(configuration), to_decimal(field(Field::Configuration)));
    let batches = zkapp.progress().map(|progress| progress.batch);
    let genesis = match (batches, genesis_root) {
        (Some(0), _) => to_decimal(field(Field::Root)),
        (Some(_), Some(root)) => to_decimal(root.digest()),
        (Some(_), None) => "an archive without the deployment's events".into(),
        (None, _) => "progress that is none".into(),
    };
    compare("genesis root", to_decimal(expected.genesis.digest()), genesis);
    differences
}

/// Names and values.
fn permissions(permissions: &Permissions) -> [(&'static str, String); 13] {
    let text = |auth: AuthRequired| format!("{auth:?}");
    let Permissions { set_verification_key: key, .. } = permissions;
    [
        ("editState", text(permissions.edit_state)),
        ("access", text(permissions.access)),
        ("send", text(permissions.send)),
        ("receive", text(permissions.receive)),
        ("setDelegate", text(permissions.set_delegate)),
        ("setPermissions", text(permissions.set_permissions)),
        ("setVerificationKey", format!("{:?} since version {}", key.auth, key.txn_version)),
        ("setZkappUri", text(permissions.set_zkapp_uri)),
        ("editActionState", text(permissions.edit_action_state)),
        ("setTokenSymbol", text(permissions.set_token_symbol)),
        ("incrementNonce", text(permissions.increment_nonce)),
        ("setVotingFor", text(permissions.set_voting_for)),
        ("setTiming", text(permissions.set_timing)),
    ]
}
