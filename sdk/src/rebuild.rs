//! A sequencer's chain from what it has published.
//!
//! Every entry of the DA layer is signed by its sender, so that nodes can only keep batches back:
//! all that can be reached are asked.

use std::collections::BTreeSet;

use mina_ledger::{
    rollup::{ChainId, Message},
    types::{Era, PrivateKey, PublicKey, TypeError, to_decimal},
};
use tokio::sync::{mpsc, oneshot};
use zeko_da::{ClientError, DaClient, api::EntryInfo};
use zeko_derive::{Batch, Command, EntryKind, Envelope, Item};
use zeko_sequencer::{
    GenesisConfig, PublishedBatch, PublishedBlock, Rebuild, Rebuilt, SequencerConfig,
    SequencerError,
};

use crate::{local_da::DaLinks, namespace::NamespaceReader};

/// Why a chain was not built again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// The sequencer's directory, or a batch that it does not come to.
    #[error(transparent)]
    Sequencer(#[from] SequencerError),
    /// The name of the chain.
    #[error("genesis.chain_id: {0}")]
    Chain(#[from] TypeError),
    /// Too few nodes have shown all that they have.
    #[error(
        "{read} of {of} nodes of the DA layer could be read to the end: more than two thirds have to"
    )]
    Unreachable {
        /// Nodes that were read.
        read: usize,
        /// Nodes that are known.
        of: usize,
    },
    /// A batch is missing before another one.
    #[error("batch {missing} is missing, and the DA layer has batch {got}")]
    Incomplete {
        /// The next one.
        missing: u64,
        /// A later one.
        got: u64,
    },
    /// A task panicked.
    #[error("a task died: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// Builds the chain of `key` in a new data directory from what the nodes of the DA layer have. A
/// directory that has a chain of its own is left alone.
///
/// # Errors
/// [`RebuildError`]; the next time goes on behind what has been built.
pub async fn rebuild(
    config: &SequencerConfig,
    key: &PrivateKey,
    da: &DaLinks,
) -> Result<(), RebuildError> {
    let chain = ChainId::new(&config.genesis.chain_id)?;
    let (settings, private) = (config.clone(), key.clone());
    let opened = tokio::task::spawn_blocking(move || Rebuild::open(settings, private));
    let Some(rebuild) = opened.await?? else {
        tracing::info!("the data directory has a chain: nothing to rebuild");
        return Ok(());
    };
    let (batches, next) = mpsc::channel(1);
    let building = tokio::task::spawn_blocking(move || build(rebuild, next));
    let reader = Reader { chain, sender: key.to_public_key() };
    let (mut seen, mut read) = (BTreeSet::new(), 0);
    for url in &da.urls {
        match reader.read(url, da.chain, &batches, &mut seen).await {
            Ok(()) => read += 1,
            Err(error) => tracing::warn!(url, %error, "not all that this node has was read"),
        }
    }
    drop(batches);
    let rebuild = building.await??;
    enough(read, da)?;
    let finished = tokio::task::spawn_blocking(move || rebuild.finish()).await??;
    let Rebuilt { batches, blocks, ledger } = finished;
    let ledger = to_decimal(ledger);
    tracing::warn!(batches, blocks, ledger, nodes = read, of = da.urls.len(), "rebuilt");
    Ok(())
}

/// One node can keep back what it likes, or be behind.
fn enough(read: usize, da: &DaLinks) -> Result<(), RebuildError> {
    let of = da.urls.len();
    if 3 * read > 2 * of { Ok(()) } else { Err(RebuildError::Unreachable { read, of }) }
}

/// A batch, and where to say that nobody need show it again.
type Asked = (PublishedBatch, oneshot::Sender<()>);

fn build(
    mut rebuild: Rebuild,
    mut batches: mpsc::Receiver<Asked>,
) -> Result<Rebuild, RebuildError> {
    let mut late: Option<(u64, u32)> = None;
    while let Some((batch, done)) = batches.blocking_recv() {
        let PublishedBatch { number, generation, .. } = batch;
        if rebuild.wants(number, generation) {
            if number > rebuild.next() {
                late = late.max(Some((number, generation)));
                continue;
            }
            match rebuild.take(&batch) {
                Ok(()) => tracing::info!(batch = number, generation, "rebuilt"),
                // As validators do, with one that is not what it claims to be.
                Err(error @ SequencerError::Rebuild { .. }) => {
                    tracing::error!(%error, "passed over");
                }
                Err(error) => return Err(error.into()),
            }
        }
        // Whoever asked may be gone.
        let _ = done.send(());
    }
    match late.filter(|(number, generation)| rebuild.wants(*number, *generation)) {
        Some((got, _)) => Err(RebuildError::Incomplete { missing: rebuild.next(), got }),
        None => Ok(rebuild),
    }
}

/// Whether a node of the DA layer has a batch of a chain by this sender.
///
/// # Errors
/// [`RebuildError::Unreachable`] if too few can say, [`RebuildError::Chain`].
pub async fn has_published(
    genesis: &GenesisConfig,
    sender: PublicKey,
    da: &DaLinks,
) -> Result<bool, RebuildError> {
    let reader = Reader { chain: ChainId::new(&genesis.chain_id)?, sender };
    let mut read = 0;
    for url in &da.urls {
        let found = async {
            let node = DaClient::connect(url, da.chain).await?;
            let mut entries = reader.entries();
            loop {
                let page = entries.page(&node).await?;
                if page.is_empty() || page.iter().any(|entry| reader.is_ours(entry)) {
                    return Ok::<_, ClientError>(!page.is_empty());
                }
            }
        };
        match found.await {
            Ok(true) => return Ok(true),
            Ok(false) => read += 1,
            Err(error) => tracing::warn!(url, %error, "this node does not say what it has"),
        }
    }
    enough(read, da).map(|()| false)
}

/// Reads what a sequencer has published.
struct Reader {
    chain: ChainId,
    sender: PublicKey,
}

impl Reader {
    fn is_ours(&self, entry: &EntryInfo) -> bool {
        entry.kind == "batch" && entry.sender == self.sender.to_base58()
    }

    fn entries(&self) -> NamespaceReader {
        NamespaceReader::new(self.chain.field())
    }

    /// Reads the batches that a node has, in the order of the DA layer, and passes on those that have
    /// not been `seen`.
    async fn read(
        &self,
        url: &str,
        da: ChainId,
        batches: &mpsc::Sender<Asked>,
        seen: &mut BTreeSet<String>,
    ) -> Result<(), ClientError> {
        let node = DaClient::connect(url, da).await?;
        let mut entries = self.entries();
        loop {
            let page = entries.page(&node).await?;
            if page.is_empty() {
                return Ok(());
            }
            for entry in page {
                if !self.is_ours(&entry) || seen.contains(&entry.commitment) {
                    continue;
                }
                let envelope = entries.envelope(&node, EntryKind::Batch, &entry).await?;
                let batch = published(&envelope, &entry)?;
                let (done, is_done) = oneshot::channel();
                if batches.send((batch, done)).await.is_err() {
                    // Whoever builds has an error to tell.
                    return Ok(());
                }
                if is_done.await.is_ok() {
                    seen.insert(entry.commitment);
                }
            }
        }
    }
}

fn published(envelope: &Envelope, entry: &EntryInfo) -> Result<PublishedBatch, ClientError> {
    let Batch { header, blocks } = Batch::decode(&envelope.data, Era::Berkeley)?;
    let blocks = blocks.into_iter().map(|block| {
        let (mut messages, mut commands) = (Vec::new(), Vec::new());
        for item in block.items {
            match item {
                Item::Command(Command::Zkapp(command), _) => {
                    commands.push(zeko_sequencer::Command::Zkapp(command.into()));
                }
                Item::Command(Command::Signed(command), _) => {
                    commands.push(zeko_sequencer::Command::Signed(command));
                }
                Item::Message(deposit, _) => messages.push(Message::Deposit(deposit)),
                Item::Unopened(hash) => messages.push(Message::Unopened(hash)),
            }
        }
        PublishedBlock { slot: block.slot, messages, commands }
    });
    Ok(PublishedBatch {
        number: header.batch,
        generation: header.generation,
        fee_recipient: header.fee_recipient,
        data: entry.commitment.clone(),
        blocks: blocks.collect(),
        last_block: header.last_block,
        target_ledger: header.target_ledger,
    })
}
