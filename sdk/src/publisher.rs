//! Closed batches of a sequencer on their way to the DA layer.
//!
//! The publisher follows the sequencer's blocks on a ledger of its own, with the code that validators
//! re-execute batches by: what is sent is what they will accept. The sequencer's store says which
//! batches were sent and certified; after a restart the publisher goes on from there.

use std::time::Duration;

use mina_ledger::{
    ledger::{FullLedger, LedgerError},
    logic::ApplyError,
    rollup::{DataCommitment, Message},
    types::{AccountId, Era, Length, PrivateKey, PublicKey, to_decimal},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zeko_da::{ClientError, RollupConfig};
use zeko_derive::{
    Batch, BatchBuilder, BatchError, ChainParameters, ChainState, Command, ExecuteError,
    Expectation, Wire,
};
use zeko_sequencer::{
    BatchRecord, GenesisConfig, SequencerError, SequencerHandle, Stage, StoreError,
    graphql::{BlockSelector, MinaNode},
};

use crate::local_da::DaLinks;

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
    /// A task panicked.
    #[error("a task died: {0}")]
    Task(#[from] tokio::task::JoinError),
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
    /// Starts to publish what `sequencer` closes, with entries signed by `key`.
    ///
    /// # Errors
    /// [`PublisherError`].
    pub fn start(
        config: PublisherConfig,
        sequencer: SequencerHandle,
        key: PrivateKey,
        parent: &CancellationToken,
    ) -> Result<Self, PublisherError> {
        let parameters = config.rollup.parameters()?;
        let recipient = sequencer.fee_recipient();
        if sequencer.account(&AccountId::of(recipient)).is_none() {
            return Err(PublisherError::FeeRecipient(recipient.to_base58()));
        }
        let cancel = parent.child_token();
        let follower = Follower::new(parameters, sequencer.clone())?;
        let worker = Worker { config, sequencer, key, node: 0 };
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

/// The sequencer's chain as validators derive it.
struct Follower {
    parameters: ChainParameters,
    sequencer: SequencerHandle,
    ledger: FullLedger,
    state: ChainState,
    /// The batch that the state is behind.
    last: Option<BatchRecord>,
}

/// Whether two records are of the same blocks.
fn same_blocks(one: &BatchRecord, other: &BatchRecord) -> bool {
    (one.generation, one.last_height, &one.target_ledger)
        == (other.generation, other.last_height, &other.target_ledger)
}

impl Follower {
    fn new(
        parameters: ChainParameters,
        sequencer: SequencerHandle,
    ) -> Result<Self, PublisherError> {
        let accounts = sequencer.config().genesis.ledger()?;
        let mut ledger = FullLedger::from_accounts(accounts, Era::Berkeley)?;
        let state = ChainState::genesis(&mut ledger)?;
        Ok(Self { parameters, sequencer, ledger, state, last: None })
    }

    /// The next closed batch, if there is one. After a rollback behind the last one, that is the
    /// first again.
    fn next(&mut self) -> Result<Option<(BatchRecord, Batch, Vec<u8>)>, PublisherError> {
        if let Some(last) = &self.last {
            let now = self.sequencer.batches(last.number, 1).into_iter().next();
            if !now.is_some_and(|now| same_blocks(&now, last)) {
                tracing::warn!(batch = last.number, "rolled back: following from the start");
                *self = Self::new(self.parameters.clone(), self.sequencer.clone())?;
            }
        }
        let next = self.sequencer.batches(self.state.batches, 1).into_iter().next();
        let Some(record) = next.filter(|record| record.number == self.state.batches) else {
            return Ok(None);
        };
        let (batch, bytes) = self.build(&record)?;
        self.last = Some(record.clone());
        Ok(Some((record, batch, bytes)))
    }

    fn build(&mut self, record: &BatchRecord) -> Result<(Batch, Vec<u8>), PublisherError> {
        let number = record.number;
        let recipient = self.sequencer.fee_recipient();
        let mut builder =
            BatchBuilder::new(&self.parameters, self.state, record.generation, recipient);
        for height in record.first_height..=record.last_height {
            let selector = BlockSelector::Height(Length::new(height.saturating_add(1)));
            let missing = PublisherError::Missing { batch: number, height };
            let block = self.sequencer.block(selector).ok_or(missing)?;
            let mut next = builder.block(&mut self.ledger, block.slot);
            for consumed in &block.messages {
                next.message(match consumed.message {
                    Message::Deposit(deposit) => Ok(deposit),
                    Message::Unopened(hash) => Err(hash),
                })?;
            }
            for included in &block.commands {
                let command = match included.command.as_ref() {
                    zeko_sequencer::Command::Zkapp(command) => Command::Zkapp((**command).clone()),
                    zeko_sequencer::Command::Signed(command) => Command::Signed(*command),
                };
                next.command(command)
                    .map_err(|error| PublisherError::Apply { batch: number, error })?;
            }
            let hash = next.close()?;
            differs(number, "hash of a block", to_decimal(block.state_hash), to_decimal(hash))?;
        }
        let (batch, state) = builder
            .close(&mut self.ledger)
            .map_err(|error| PublisherError::Execute { batch: number, error })?;
        let expected = record.target_ledger.clone();
        differs(number, "ledger", expected, to_decimal(state.ledger))?;
        let bytes =
            batch.encode().map_err(|error| PublisherError::Encode { batch: number, error })?;
        self.state = ChainState { data: DataCommitment::new(&bytes), ..state };
        Ok((batch, bytes))
    }
}

fn differs(
    batch: u64,
    what: &'static str,
    expected: String,
    got: String,
) -> Result<(), PublisherError> {
    if expected == got {
        return Ok(());
    }
    Err(PublisherError::Differs { batch, what, expected, got })
}

fn hex(commitment: &DataCommitment) -> String {
    commitment.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sends batches, one after the other.
struct Worker {
    config: PublisherConfig,
    sequencer: SequencerHandle,
    key: PrivateKey,
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
                Some((record, batch, bytes)) => self.publish(record, &batch, &bytes).await?,
                // Whatever it is, or if some were missed: look again.
                None => drop(tokio::time::timeout(POLL, events.recv()).await),
            }
        }
    }

    /// Sends a batch until it is certified.
    async fn publish(
        &mut self,
        record: BatchRecord,
        batch: &Batch,
        bytes: &[u8],
    ) -> Result<(), PublisherError> {
        let commitment = DataCommitment::new(bytes);
        let data = Some(hex(&commitment));
        if record.stage >= Stage::DaCertified && record.data == data {
            return Ok(());
        }
        // On disk before anybody hears of it.
        let sent = BatchRecord { data, stage: Stage::Included, ..record.clone() };
        if sent != record && !self.sequencer.replace_batch(&record, &sent)? {
            return Ok(());
        }
        while let Err(error) = self.certify(batch, commitment).await {
            if let ClientError::Refused { reason } = error {
                return Err(PublisherError::Refused { batch: record.number, reason });
            }
            tracing::warn!(batch = record.number, %error, "not certified yet");
            metrics::counter!("zeko_da_retries_total").increment(1);
            self.node = self.node.wrapping_add(1);
            tokio::time::sleep(RETRY).await;
        }
        let certified = BatchRecord { stage: Stage::DaCertified, ..sent.clone() };
        if self.sequencer.replace_batch(&sent, &certified)? {
            tracing::info!(batch = record.number, bytes = bytes.len(), "DA-certified");
            metrics::gauge!("zeko_da_certified_batches").set((record.number + 1) as f64);
        }
        Ok(())
    }

    async fn certify(&self, batch: &Batch, commitment: DataCommitment) -> Result<(), ClientError> {
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
            da.light().batch(&node, &expected, commitment).await.map(drop)
        };
        let late = |_| ClientError::Answer("no certificate in time".into());
        tokio::time::timeout(PATIENCE, certify).await.map_err(late)?
    }
}
