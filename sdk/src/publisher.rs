//! Closed batches of a sequencer on their way to the DA layer.
//!
//! The publisher follows the sequencer's blocks on a ledger of its own, with the code that validators
//! re-execute batches by: what is sent is what they will accept. The sequencer's store says which
//! batches were sent, certified and settled, and has the accounts behind them; after a restart or a
//! rollback the publisher goes on from there.

mod follower;

use std::time::Duration;

use mina_ledger::{
    ledger::LedgerError,
    logic::ApplyError,
    rollup::DataCommitment,
    types::{AccountId, PrivateKey, PublicKey},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zeko_circuits::accounts::AccountSetError;
use zeko_da::{ClientError, RollupConfig};
use zeko_derive::{Batch, BatchError, Certificate, ExecuteError, Expectation, Wire};
use zeko_sequencer::{
    BatchRecord, GenesisConfig, SequencerError, SequencerHandle, Stage, StoreError,
    graphql::MinaNode,
};
use zeko_worker::{PlanError, TraceError};

use self::follower::{Closed, Follower, Next, Settling};
pub(crate) use self::follower::{is_there, read_data, same_blocks};
use crate::{
    local_da::DaLinks,
    settlement::{Certified, Settlement, SettlementError, SettlementHandle},
};

/// How long a node may take to certify a batch before another one is asked.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait when no node can be reached.
const RETRY: Duration = Duration::from_millis(500);
/// How often to look for batches when no event tells of them.
const POLL: Duration = Duration::from_secs(1);

/// What a publisher needs to know.
#[derive(Clone, Debug)]
pub struct PublisherConfig {
    /// The nodes of the DA layer and its committee.
    pub da: DaLinks,
    /// How often the committee has changed.
    pub committee_epoch: u32,
    /// The rollup, as validators know it.
    pub rollup: RollupConfig,
}

/// Why a publisher has to end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublisherError {
    /// The rollup's settings.
    #[error(transparent)]
    Config(#[from] zeko_da::DaError),
    /// The genesis of the sequencer.
    #[error(transparent)]
    Genesis(#[from] SequencerError),
    /// The sequencer's store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Fees can be credited to accounts that exist only.
    #[error("the fee recipient {0} has no account: batches cannot be closed")]
    FeeRecipient(String),
    /// A block is not in the store.
    #[error("block {height} of batch {batch} is missing")]
    Missing {
        /// The batch.
        batch: u64,
        /// The number of blocks before it.
        height: u32,
    },
    /// A batch that was certified, of which the store does not say what was sent.
    #[error("what was sent of batch {batch} is not known")]
    Data {
        /// The batch.
        batch: u64,
    },
    /// Validators would not come to the sequencer's result. Blocks of two generations in one batch,
    /// as after a rollback into the middle of one, are such a case.
    #[error("batch {batch}: {what}: the sequencer has {expected}, validators would have {got}")]
    Differs {
        /// The batch.
        batch: u64,
        /// What differs.
        what: &'static str,
        /// The sequencer's.
        expected: String,
        /// Ours.
        got: String,
    },
    /// A command of a block that cannot be executed.
    #[error("batch {batch}: {error}")]
    Apply {
        /// The batch.
        batch: u64,
        /// Why.
        error: ApplyError,
    },
    /// Closing a batch.
    #[error("batch {batch}: {error}")]
    Execute {
        /// The batch.
        batch: u64,
        /// Why.
        error: ExecuteError,
    },
    /// A batch that has no encoding, or is too long for the DA layer.
    #[error("batch {batch}: {error}")]
    Encode {
        /// The batch.
        batch: u64,
        /// Why.
        error: BatchError,
    },
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The validators do not accept a batch.
    #[error("batch {batch} was refused: {reason}")]
    Refused {
        /// The batch.
        batch: u64,
        /// Why.
        reason: String,
    },
    /// A batch that the circuits do not prove.
    #[error("batch {batch}: {error}")]
    Trace {
        /// The batch.
        batch: u64,
        /// Why.
        error: TraceError,
    },
    /// A batch without a plan for its proof.
    #[error("batch {batch}: {error}")]
    Plan {
        /// The batch.
        batch: u64,
        /// Why.
        error: PlanError,
    },
    /// The set of accounts.
    #[error(transparent)]
    Accounts(#[from] AccountSetError),
    /// Settling a batch.
    #[error(transparent)]
    Settlement(#[from] SettlementError),
    /// A task panicked.
    #[error("a task died: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl PublisherError {
    /// Whether it is the sequencer's own data that is not what it was, so that it has to stop. All else
    /// stops publishing and settlement only.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Store(_) | Self::Missing { .. } | Self::Data { .. } => true,
            Self::Settlement(error) => error.is_fatal(),
            _ => false,
        }
    }
}

/// The rollup of a sequencer, for the validators of its DA layer. `genesis_accounts`: a file with
/// [`GenesisConfig::ledger`] as JSON.
pub fn rollup_config(
    genesis: &GenesisConfig,
    rollup_account: PublicKey,
    sequencer: PublicKey,
    genesis_accounts: std::path::PathBuf,
) -> RollupConfig {
    RollupConfig {
        chain: genesis.chain_id.clone(),
        network: genesis.network_id.clone(),
        l1_network: genesis.l1_network_id.clone(),
        rollup_account,
        account_creation_fee: genesis.account_creation_fee.get(),
        minimum_fee: mina_ledger::logic::MINIMUM_FEE.get(),
        minimum_withdrawal: genesis.minimum_withdrawal.get(),
        deposit_fee: genesis.deposit_fee.get(),
        message_quota: genesis.message_quota,
        sequencers: vec![sequencer],
        genesis_accounts,
        inbox: None,
    }
}

/// A running publisher.
#[derive(Debug)]
pub struct Publisher {
    cancel: CancellationToken,
    task: JoinHandle<Result<(), PublisherError>>,
}

impl Publisher {
    /// Starts to publish what `sequencer` closes, with entries signed by `key`, and hands what is
    /// certified on to `settlement`.
    ///
    /// # Errors
    /// [`PublisherError`].
    pub fn start(
        config: PublisherConfig,
        sequencer: SequencerHandle,
        key: PrivateKey,
        settlement: Option<&Settlement>,
        parent: &CancellationToken,
    ) -> Result<Self, PublisherError> {
        let parameters = config.rollup.parameters()?;
        let recipient = sequencer.fee_recipient();
        if sequencer.account(&AccountId::of(recipient)).is_none() {
            return Err(PublisherError::FeeRecipient(recipient.to_base58()));
        }
        sequencer.keep_batches_whole();
        let cancel = parent.child_token();
        let settlement = settlement.map(Settlement::handle);
        let sizes = settlement.as_ref().map(SettlementHandle::sizes);
        let follower = Follower::new(parameters, sequencer.clone(), sizes)?;
        let worker = Worker { config, sequencer, key, settlement, node: 0 };
        let stop = cancel.clone();
        let task = tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => Ok(()),
                result = worker.run(follower) => result,
            }
        });
        Ok(Self { cancel, task })
    }

    /// Asks it to end.
    pub fn stop(&self) {
        self.cancel.cancel();
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// [`PublisherError`]: why it ended by itself.
    pub async fn join(self) -> Result<(), PublisherError> {
        self.task.await?
    }
}

/// Little-endian, as the DA layer writes it.
pub(crate) fn hex(commitment: &DataCommitment) -> String {
    commitment.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sends batches, one after the other.
struct Worker {
    config: PublisherConfig,
    sequencer: SequencerHandle,
    key: PrivateKey,
    settlement: Option<SettlementHandle>,
    /// The node that was reached last.
    node: usize,
}

impl Worker {
    async fn run(mut self, mut follower: Follower) -> Result<(), PublisherError> {
        let mut events = self.sequencer.subscribe();
        loop {
            let next = tokio::task::spawn_blocking(move || {
                let next = follower.next();
                (follower, next)
            });
            let next = {
                let (back, next) = next.await?;
                follower = back;
                next?
            };
            match next {
                Next::Begin(beginning) => {
                    if let Some(settlement) = &self.settlement {
                        settlement.begin(beginning).await?;
                    }
                }
                Next::Batch(closed) => self.publish(*closed).await?,
                // Whatever it is, or if some were missed: look again.
                Next::Nothing => drop(tokio::time::timeout(POLL, events.recv()).await),
            }
        }
    }

    /// Sends a batch until it is certified, and has it settled.
    async fn publish(&mut self, closed: Closed) -> Result<(), PublisherError> {
        let Closed { record, batch, bytes, settling } = closed;
        let commitment = DataCommitment::new(&bytes);
        let data = Some(hex(&commitment));
        let is_certified = record.stage >= Stage::DaCertified && record.data == data;
        if is_certified && self.settlement.is_none() {
            return Ok(());
        }
        // On disk before anybody hears of it.
        let sent = BatchRecord { data, stage: Stage::Included, ..record.clone() };
        if !is_certified && sent != record && !self.sequencer.replace_batch(&record, &sent)? {
            return Ok(());
        }
        let Some(certificate) = self.certificate(&record, &batch, commitment).await? else {
            return Ok(());
        };
        let certified = BatchRecord { stage: Stage::DaCertified, ..sent.clone() };
        if !is_certified {
            if !self.sequencer.replace_batch(&sent, &certified)? {
                return Ok(());
            }
            tracing::info!(batch = record.number, bytes = bytes.len(), "DA-certified");
            metrics::gauge!("zeko_da_certified_batches").set((record.number + 1) as f64);
        }
        let Some((settlement, settling)) = self.settlement.as_ref().zip(settling) else {
            return Ok(());
        };
        let Settling { statement, plan } = settling;
        let outbox = batch.outbox_entries();
        Ok(settlement.take(Certified { record, certificate, statement, outbox, plan }).await?)
    }

    /// The certificate of a batch, which is sent until there is one; `None` if its blocks have been
    /// rolled back in the meantime. What a node refuses is sent to the others: its word is not signed.
    async fn certificate(
        &mut self,
        record: &BatchRecord,
        batch: &Batch,
        commitment: DataCommitment,
    ) -> Result<Option<Certificate>, PublisherError> {
        let number = batch.header.batch;
        let mut refusals = 0;
        loop {
            match self.certify(batch, commitment).await {
                Ok(certificate) => return Ok(Some(certificate)),
                Err(ClientError::Refused { reason }) => {
                    tracing::error!(batch = number, reason, "a node refuses the batch");
                    refusals += 1;
                    if refusals >= self.config.da.urls.len() {
                        return Err(PublisherError::Refused { batch: number, reason });
                    }
                }
                Err(error) => {
                    tracing::warn!(batch = number, %error, "not certified yet");
                    refusals = 0;
                }
            }
            if !is_there(&self.sequencer, record) {
                return Ok(None);
            }
            metrics::counter!("zeko_da_retries_total").increment(1);
            self.node = self.node.wrapping_add(1);
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn certify(
        &self,
        batch: &Batch,
        commitment: DataCommitment,
    ) -> Result<Certificate, ClientError> {
        let PublisherConfig { da, committee_epoch, .. } = &self.config;
        let certify = async {
            let node = da.client(self.node.checked_rem(da.urls.len()).unwrap_or(0)).await?;
            node.submit_batch(batch, &self.key).await?;
            let header = &batch.header;
            let expected = Expectation {
                protocol_version: header.protocol_version,
                l1_network: header.l1_network,
                rollup_account: header.rollup_account,
                chain: header.chain,
                committee_epoch: *committee_epoch,
                generation: header.generation,
            };
            da.light().batch(&node, &expected, commitment).await
        };
        let late = |_| ClientError::Answer("no certificate in time".into());
        tokio::time::timeout(PATIENCE, certify).await.map_err(late)?
    }
}
