//! `zeko deploy` and `zeko verify-deployment`.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use clap::Args;
use mina_ledger::{
    rollup::{Committee, Configuration, ContractState},
    types::{Amount, PrivateKey, PublicKey, Slot, to_decimal},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use zeko_bridge::{
    ContractProver, Deployment, ExpectedDeployment, Fees, L1Client, L1Config, SettlerConfig,
    deploy, first_root, verify_deployment,
};
use zeko_da::Genesis;
use zeko_sdk::{
    config::{Section, Span, load},
    local_da::DaLinks,
    settlement::{
        Programs, SETTLER_MARGIN, Settlement, SettlementConfig, SettlementSettings, configuration,
        genesis_funds, genesis_root,
    },
    supervisor::Failure,
};
use zeko_sequencer::{GenesisConfig, SequencerConfig, SequencerHandle};
use zeko_worker::EmbeddedConfig;

use crate::account::{Password, unlock};

/// Settings of the bridge.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BridgeSettings {
    graphql: String,
    archive: String,
    da_genesis: PathBuf,
    sequencer: String,
    governance: String,
    first_block: u32,
    fee: Amount,
    creation_fee: Amount,
    patience: Span,
    payer: PathBuf,
    data_dir: PathBuf,
    depth: u32,
    finality: u32,
    poll: Span,
    ahead: u64,
    most_fee: Amount,
    stuck_blocks: u32,
}

impl Default for BridgeSettings {
    fn default() -> Self {
        Self {
            graphql: "http://127.0.0.1:3085/graphql".into(),
            archive: "http://127.0.0.1:8282".into(),
            da_genesis: "genesis.json".into(),
            sequencer: String::new(),
            governance: String::new(),
            first_block: 0,
            fee: Amount::new(100_000_000),
            creation_fee: Amount::new(1_000_000_000),
            patience: Span(Duration::from_secs(3600)),
            payer: PathBuf::new(),
            data_dir: "zeko-bridge".into(),
            depth: 5,
            finality: 15,
            poll: Span(Duration::from_secs(2)),
            ahead: 2,
            most_fee: Amount::new(10_000_000_000),
            stuck_blocks: 5,
        }
    }
}

impl Section for BridgeSettings {
    const NAME: &'static str = "bridge";
}

/// The rollup that a sequencer settles.
pub(crate) struct Rollup<'a> {
    /// Its account on the L1.
    pub(crate) account: PublicKey,
    /// The sequencer's key.
    pub(crate) key: &'a PrivateKey,
    /// The genesis of the DA layer.
    pub(crate) da: &'a Genesis,
    /// Its nodes.
    pub(crate) links: &'a DaLinks,
    /// The genesis of the chain.
    pub(crate) genesis: &'a GenesisConfig,
}

impl BridgeSettings {
    /// Whether a sequencer settles its batches.
    pub(crate) fn settles(&self) -> bool {
        !self.payer.as_os_str().is_empty()
    }

    /// How a sequencer settles its batches; nothing without a payer.
    pub(crate) fn settling(
        &self,
        file: Option<&Path>,
        password: &Password,
        rollup: &Rollup<'_>,
    ) -> anyhow::Result<Option<Settling>> {
        if !self.settles() {
            return Ok(None);
        }
        let Rollup { account, key, da, links, genesis } = *rollup;
        let payer = unlock(&self.payer, password)?.private;
        let settings: SettlementSettings = load(file, std::env::vars(), &toml::Table::new())?;
        let committee = da.committee()?;
        let governance = PublicKey::from_base58(&self.governance).context("[bridge] governance")?;
        let sequencer = key.to_public_key();
        let configuration = configuration(sequencer, &committee, da.committee_epoch, governance);
        let config = SettlementConfig {
            l1: L1Config::new(&self.graphql, &self.archive),
            da: links.clone(),
            settler: SettlerConfig {
                data_dir: self.data_dir.clone(),
                account,
                sequencer: key.clone(),
                payer,
                committee,
                configuration,
                fees: Fees {
                    first: self.fee.get(),
                    most: self.most_fee.get(),
                    patience: self.stuck_blocks,
                },
                finality: self.finality,
                margin: SETTLER_MARGIN,
                retry: self.poll.0,
            },
            first_block: self.first_block,
            depth: self.depth,
            ahead: self.ahead,
            proving: EmbeddedConfig::default(),
        };
        let genesis = genesis.clone();
        Ok(Some(Settling { config, settings, genesis, programs: OnceCell::new() }))
    }
}

/// How a sequencer settles its batches.
pub(crate) struct Settling {
    config: SettlementConfig,
    settings: SettlementSettings,
    genesis: GenesisConfig,
    /// Compiled once the L1 has answered.
    programs: OnceCell<Programs>,
}

impl Settling {
    /// What the sequencer must not exceed, also while nothing is settled yet.
    pub(crate) fn limit(&self, sequencer: &SequencerHandle) {
        sequencer.limit_uncommitted(self.config.ahead.max(1));
    }

    /// Starts to settle, once the contract on the L1 has been looked at.
    pub(crate) async fn start(
        &self,
        sequencer: &SequencerHandle,
        cancel: &CancellationToken,
    ) -> Result<Settlement, Failure> {
        let programs = self.programs().await.map_err(Failure::passing)?;
        let (config, sequencer) = (self.config.clone(), sequencer.clone());
        Ok(Settlement::start(config, programs, sequencer, cancel).await?)
    }

    /// The programs of the contract that is on the L1.
    async fn programs(&self) -> anyhow::Result<Programs> {
        let Self { config, settings, genesis, programs } = self;
        let client = L1Client::new(config.l1.clone())?;
        let account = config.settler.account;
        let deployed = client.account(&account).await?.context("the rollup has no account")?;
        let compile = || async {
            tracing::info!("compiling the rollup's programs: minutes the first time");
            let (genesis, settings) = (genesis.clone(), settings.clone());
            let compiled =
                tokio::task::spawn_blocking(move || Programs::compile(&genesis, &settings));
            anyhow::Ok(compiled.await??)
        };
        let programs = programs.get_or_try_init(compile).await?;
        let contract = &programs.contract;
        let configuration = config.settler.configuration;
        let expected = ExpectedDeployment::of(contract, configuration, genesis_root(genesis)?);
        let first = first_root(&client, &account, config.first_block).await?;
        if let Some(difference) = verify_deployment(&deployed, first, &expected).first() {
            bail!("the contract of {} is another: {difference}", account.to_base58());
        }
        Ok(programs.clone())
    }
}

/// What both commands ask for.
#[derive(Debug, Args, Serialize)]
struct BridgeFlags {
    /// The L1's GraphQL.
    #[arg(long)]
    graphql: Option<String>,
    /// The L1's archive API.
    #[arg(long)]
    archive: Option<String>,
    /// The genesis file of the DA layer, which has the committee.
    #[arg(long)]
    da_genesis: Option<PathBuf>,
    /// The sequencer's public key.
    #[arg(long)]
    sequencer: Option<String>,
    /// The governance's public key.
    #[arg(long)]
    governance: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Deploy {
    /// The key file of the rollup account, which nothing else is signed with.
    #[arg(long)]
    account: PathBuf,
    /// The key file of an account of the L1 that pays.
    #[arg(long)]
    payer: PathBuf,
    #[command(flatten)]
    password: Password,
    #[command(flatten)]
    flags: BridgeFlags,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyDeployment {
    /// The rollup account.
    #[arg(long)]
    account: String,
    #[command(flatten)]
    flags: BridgeFlags,
}

/// A chain and its contract, compiled.
struct Chain {
    settings: BridgeSettings,
    genesis: GenesisConfig,
    client: L1Client,
    prover: ContractProver,
    committee: Committee,
    configuration: Configuration,
}

impl Chain {
    fn new(file: Option<&Path>, flags: &BridgeFlags) -> anyhow::Result<Self> {
        let none = toml::Table::new();
        let settings: BridgeSettings = load(file, std::env::vars(), flags)?;
        let genesis = load::<SequencerConfig>(file, std::env::vars(), &none)?.genesis;
        let settlement: SettlementSettings = load(file, std::env::vars(), &none)?;
        let path = || settings.da_genesis.display().to_string();
        let da = std::fs::read(&settings.da_genesis).with_context(path)?;
        let da: Genesis = serde_json::from_slice(&da).with_context(path)?;
        let committee = da.committee()?;
        let sequencer = PublicKey::from_base58(&settings.sequencer).context("--sequencer")?;
        let governance = PublicKey::from_base58(&settings.governance).context("--governance")?;
        let configuration = configuration(sequencer, &committee, da.committee_epoch, governance);
        let client = L1Client::new(L1Config::new(&settings.graphql, &settings.archive))?;
        let prover = Programs::compile(&genesis, &settlement)?.contract;
        Ok(Self { settings, genesis, client, prover, committee, configuration })
    }
}

#[allow(clippy::print_stdout, reason = "the command's output")]
pub(crate) async fn deploy_contract(file: Option<&Path>, command: &Deploy) -> anyhow::Result<()> {
    let account = unlock(&command.account, &command.password)?;
    let payer = unlock(&command.payer, &command.password)?;
    let chain = Chain::new(file, &command.flags)?;
    let root = genesis_root(&chain.genesis)?;
    let deployment = Deployment {
        account: account.private,
        payer: payer.private,
        fee: chain.settings.fee,
        creation_fee: chain.settings.creation_fee,
        vault: genesis_funds(&chain.genesis),
        state: ContractState::genesis(root, chain.configuration, Slot::ZERO),
        committee: chain.committee,
    };
    let contract = &chain.prover;
    let patience = chain.settings.patience.0;
    let deployed = deploy(&chain.client, contract, &deployment, patience).await?;
    let info = json!({
        "account": account.public,
        "hash": deployed.hash.to_base58(),
        "height": deployed.height,
        "verificationKeyHash": to_decimal(contract.verification_key().hash()),
    });
    println!("{info}");
    Ok(())
}

#[allow(clippy::print_stdout, reason = "the command's output")]
pub(crate) async fn verify(file: Option<&Path>, command: &VerifyDeployment) -> anyhow::Result<()> {
    let key = PublicKey::from_base58(&command.account).context("--account")?;
    let chain = Chain::new(file, &command.flags)?;
    let root = genesis_root(&chain.genesis)?;
    let expected = ExpectedDeployment::of(&chain.prover, chain.configuration, root);
    let account = chain.client.account(&key).await?.context("the L1 has no such account")?;
    let first = first_root(&chain.client, &key, chain.settings.first_block).await?;
    let differences = verify_deployment(&account, first, &expected);
    for difference in &differences {
        println!("{difference}");
    }
    if !differences.is_empty() {
        bail!("the contract differs in {} places", differences.len());
    }
    println!("the contract is as expected");
    Ok(())
}
