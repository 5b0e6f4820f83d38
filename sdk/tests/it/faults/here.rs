//! The sequencer of the stack in this process, with a prover that the test takes away.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use mina_curves::Fp;
use pickles::ProvedStatement;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zeko_bridge::{Fees, L1Config, SettlerConfig};
use zeko_sdk::{
    local_da::DaLinks,
    publisher::{Publisher, PublisherConfig, rollup_config},
    settlement::{
        Programs, SETTLER_MARGIN, Settlement, SettlementConfig, SettlementSettings, configuration,
    },
    supervisor::{Failure, Running, Supervisor, Waits},
};
use zeko_sequencer::{BatchConfig, GenesisConfig, Sequencer, SequencerConfig, Stage};
use zeko_worker::{Backend, BackendError, Job, Limits, Rule, StatementHash, UnsafeNoProofs};

use super::{
    keys::{governance, operator, rollup_key, sequencer_key},
    stack::{DEPTH, FINALITY, Ready},
};

const WAITS: Waits = Waits { first: Duration::from_millis(500), longest: Duration::from_secs(1) };

/// How a prover is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// It makes what passes for proofs.
    Well,
    /// It says that it cannot.
    Fails,
    /// It says nothing.
    Hangs,
}

/// A prover that can be taken away.
struct Prover {
    health: watch::Receiver<Health>,
}

impl Backend for Prover {
    fn program(&self) -> Fp {
        UnsafeNoProofs.program()
    }

    fn limits(&self) -> Limits {
        UnsafeNoProofs.limits()
    }

    fn memory(&self, rule: Rule) -> u64 {
        UnsafeNoProofs.memory(rule)
    }

    fn prove(
        &self,
        job: Arc<Job>,
        previous: Vec<Arc<ProvedStatement>>,
    ) -> BoxFuture<'static, Result<ProvedStatement, BackendError>> {
        let mut health = self.health.clone();
        async move {
            let now = *health.wait_for(|health| *health != Health::Hangs).await.unwrap();
            match now {
                Health::Well => UnsafeNoProofs.prove(job, previous).await,
                _ => Err(BackendError::Transient { reason: "the prover is away".into() }),
            }
        }
        .boxed()
    }

    fn verify(
        &self,
        statement: StatementHash,
        proof: &ProvedStatement,
    ) -> Result<(), BackendError> {
        UnsafeNoProofs.verify(statement, proof)
    }
}

/// What a sequencer of this process is started with.
pub(crate) struct Site<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) genesis: &'a GenesisConfig,
    pub(crate) l1: L1Config,
    pub(crate) da: DaLinks,
    pub(crate) settings: SettlementSettings,
}

/// A sequencer of this process.
pub(crate) struct Here {
    pub(crate) info: Ready,
    pub(crate) health: watch::Sender<Health>,
    sequencer: Sequencer,
    supervisor: Supervisor,
    cancel: CancellationToken,
}

impl Here {
    pub(crate) async fn start(site: Site<'_>) -> Self {
        let Site { folder, genesis, l1, da, settings } = site;
        let cancel = CancellationToken::new();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut config = SequencerConfig {
            data_dir: folder.join("data"),
            genesis: genesis.clone(),
            block_ms: 200,
            batch: BatchConfig { max_age_ms: 400, ..BatchConfig::default() },
            graphql_listen: any,
            health_listen: any,
            ..SequencerConfig::default()
        };
        config.rpc.listen = any;
        config.proving.sizes = Some(settings.proof_sizes());
        let key = sequencer_key().private;
        let sequencer = Sequencer::start(config, key.clone(), &cancel).await.unwrap();
        let addresses = sequencer.addresses();
        let info = Ready {
            graphql: format!("http://{}/graphql", addresses.graphql),
            rpc: format!("http://{}", addresses.rpc),
            health: format!("http://{}", addresses.health),
        };
        let handle = sequencer.handle().clone();
        handle.keep_batches_whole();
        handle.limit_uncommitted(2);
        let (health, seen) = watch::channel(Health::Well);
        let backend: Arc<dyn Backend> = Arc::new(Prover { health: seen });
        let programs = Programs::compile(genesis, &settings).unwrap();
        let governance = governance().public;
        let [own, account] = [sequencer_key().public, rollup_key().public];
        let settler = SettlerConfig {
            data_dir: folder.join("bridge"),
            account,
            sequencer: key.clone(),
            payer: operator().private,
            committee: da.committee.clone(),
            configuration: configuration(own, &da.committee, 0, governance),
            fees: Fees { patience: 20, ..Fees::default() },
            finality: FINALITY,
            margin: SETTLER_MARGIN,
            retry: Duration::from_millis(100),
        };
        let settlement = SettlementConfig {
            l1,
            da: da.clone(),
            settler,
            first_block: 0,
            depth: DEPTH,
            ahead: 2,
            proving: Default::default(),
        };
        let publisher = PublisherConfig {
            rollup: rollup_config(genesis, account, own, PathBuf::new()),
            committee_epoch: 0,
            da,
        };
        let node = handle.clone();
        let attempt = move |cancel: CancellationToken| {
            let (settlement, publisher) = (settlement.clone(), publisher.clone());
            let (programs, backend) = (programs.clone(), Arc::clone(&backend));
            let (node, key) = (node.clone(), key.clone());
            async move {
                let settlement =
                    Settlement::start_with(settlement, programs, backend, node.clone(), &cancel)
                        .await
                        .map_err(Failure::from)?;
                let publisher = Publisher::start(publisher, node, key, Some(&settlement), &cancel)?;
                Ok(Running { publisher, settlement: Some(settlement) })
            }
            .boxed()
        };
        let supervisor = Supervisor::start(handle, WAITS, attempt, &cancel);
        Self { info, health, sequencer, supervisor, cancel }
    }

    pub(crate) fn generation(&self) -> u32 {
        let last = self.sequencer.handle().last_batch(Stage::Included, u64::MAX).unwrap();
        last.map_or(0, |batch| batch.generation)
    }

    pub(crate) async fn stop(self) {
        self.cancel.cancel();
        self.supervisor.join().await.unwrap();
        self.sequencer.join().await.unwrap();
    }
}
