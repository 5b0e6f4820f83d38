//! The chain as Mina's GraphQL sees it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use futures_util::{FutureExt, future::BoxFuture};
use mina_ledger::{
    hash::{TransactionHash, command_hashes, derive_token_id},
    ledger::{FullLedger, Ledger, Location, MerklePath},
    logic::{
        AuthorizationError, MINIMUM_FEE, ProofClaim, ProofVerifier, check_authorizations,
        check_signature, check_signed_command, check_zkapp_command,
    },
    types::{Account, AccountId, Amount, Nonce, PublicKey, Slot, TokenId},
};
use tokio::sync::{Semaphore, broadcast};
use zeko_sequencer::{
    Command, PicklesVerifier,
    graphql::{
        AccountRecord, Block, BlockSelector, HistoryEntry, HistoryQuery, MinaNode, NodeEvent,
        NodeInfo, PoolFilter, SubmitError, SyncStatus, TransactionStatus,
    },
};

use super::{Chain, ChainError, chain::K};

/// Mina's epoch.
const SLOTS_PER_EPOCH: u32 = 7140;

/// Events that a slow subscriber may miss no more than.
const EVENTS: usize = 256;

/// Commands that are being checked at a time; more wait.
const CHECKS: usize = 2;

/// A node of the local L1.
pub struct Node {
    info: NodeInfo,
    chain: Mutex<Chain>,
    events: broadcast::Sender<NodeEvent>,
    checks: Semaphore,
    proofs: Arc<dyn ProofVerifier + Send + Sync>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("info", &self.info).finish_non_exhaustive()
    }
}

impl Node {
    /// A node with a chain.
    pub fn new(chain: Chain) -> Self {
        let genesis = chain.genesis();
        let network = genesis.domain.network().clone();
        let info = NodeInfo {
            network_name: format!("mina:{}", network.name()),
            network,
            chain_id: format!("local-l1-{}", genesis.timestamp_ms),
            era: genesis.domain.era(),
            account_creation_fee: genesis.account_creation_fee,
            coinbase: genesis.coinbase,
            genesis_timestamp_ms: genesis.timestamp_ms,
            slot_ms: genesis.slot_ms,
            slots_per_epoch: SLOTS_PER_EPOCH,
            k: K,
            started: Instant::now(),
        };
        let (events, _) = broadcast::channel(EVENTS);
        let checks = Semaphore::new(CHECKS);
        let proofs = Arc::new(PicklesVerifier::default());
        Self { info, chain: Mutex::new(chain), events, checks, proofs }
    }

    /// Takes commands without looking at their proofs from now on.
    #[must_use]
    pub fn unsafe_no_proofs(self) -> Self {
        tracing::warn!("unsafe_no_proofs: this L1 does NOT look at proofs");
        Self { proofs: Arc::new(AnyProof), ..self }
    }

    fn chain(&self) -> MutexGuard<'_, Chain> {
        // A panic in the chain's own code leaves it between blocks, not in the middle of one.
        self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time of slot 0, in milliseconds since 1970.
    pub fn genesis_timestamp_ms(&self) -> u64 {
        self.info.genesis_timestamp_ms
    }

    /// The slot by the clock.
    pub fn slot_now(&self) -> Slot {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let since = now.saturating_sub(u128::from(self.info.genesis_timestamp_ms));
        let slot = since / u128::from(self.info.slot_ms.max(1));
        Slot::new(u32::try_from(slot).unwrap_or(u32::MAX))
    }

    /// The slot that commands which come now would be in.
    fn next_slot(&self, chain: &Chain) -> Slot {
        self.slot_now().max(Slot::new(chain.tip().slot.get().saturating_add(1)))
    }

    /// Makes the block of the slot by the clock, unless there is one.
    ///
    /// # Errors
    /// [`ChainError`].
    pub fn tick(&self) -> Result<Option<Arc<Block>>, ChainError> {
        let slot = self.slot_now();
        let mut chain = self.chain();
        if slot <= chain.tip().slot {
            return Ok(None);
        }
        let block = chain.produce(slot)?;
        drop(chain);
        self.announce(&block);
        Ok(Some(block))
    }

    /// Makes a block now; if there is one in this slot already, in the next.
    ///
    /// # Errors
    /// [`ChainError`].
    pub fn produce(&self) -> Result<Arc<Block>, ChainError> {
        let block = self.chain().produce(self.slot_now())?;
        self.announce(&block);
        Ok(block)
    }

    /// [`Chain::reorganise`].
    ///
    /// # Errors
    /// [`ChainError`].
    pub fn reorganise(
        &self,
        depth: usize,
        drop_commands: bool,
    ) -> Result<Vec<Arc<Block>>, ChainError> {
        let blocks = self.chain().reorganise(depth, drop_commands)?;
        tracing::warn!(depth, "reorganised on request");
        // Nobody may be listening.
        let _ = self.events.send(NodeEvent::Reorganization);
        blocks.iter().for_each(|block| self.announce(block));
        Ok(blocks)
    }

    fn announce(&self, block: &Arc<Block>) {
        metrics::gauge!("zeko_local_l1_height").set(block.height.get());
        metrics::counter!("zeko_local_l1_commands_total").increment(block.commands.len() as u64);
        let _ = self.events.send(NodeEvent::NewBlock(Arc::clone(block)));
    }

    async fn take(&self, command: Command) -> Result<TransactionHash, SubmitError> {
        let stopped = |_| SubmitError::Unavailable { reason: "the node stops".into() };
        let _slot = self.checks.acquire().await.map_err(stopped)?;
        let (ledger, domain) = {
            let chain = self.chain();
            chain.precheck(&command, self.next_slot(&chain))?;
            (chain.speculative(), chain.genesis().domain.clone())
        };
        let proofs = Arc::clone(&self.proofs);
        let check = move || check(&command, &ledger, &domain, &*proofs).map(|()| command);
        let checked = tokio::task::spawn_blocking(check).await;
        let crashed = |_| SubmitError::Unavailable { reason: "a check crashed".into() };
        let command = checked.map_err(crashed)??;
        let mut chain = self.chain();
        let slot = self.next_slot(&chain);
        chain.admit(command, slot)
    }
}

/// Takes every proof for good.
struct AnyProof;

impl ProofVerifier for AnyProof {
    fn verify(&self, _: &[ProofClaim<'_>]) -> Result<(), usize> {
        Ok(())
    }
}

/// Everything that needs no other command: form, signatures, proofs.
fn check(
    command: &Command,
    ledger: &FullLedger,
    domain: &mina_ledger::Domain,
    proofs: &dyn ProofVerifier,
) -> Result<(), SubmitError> {
    let malformed =
        |error: mina_ledger::logic::Malformed| SubmitError::Malformed { reason: error.to_string() };
    let unauthorized = |error: AuthorizationError| match error {
        AuthorizationError::Signature(_) => {
            SubmitError::InvalidSignature { reason: error.to_string() }
        }
        _ => SubmitError::InvalidProof { reason: error.to_string() },
    };
    if command.fee() < MINIMUM_FEE {
        let (expected, got) = (MINIMUM_FEE, command.fee());
        return Err(SubmitError::InsufficientFee { expected, got });
    }
    match command {
        Command::Signed(command) => {
            check_signed_command(command, MINIMUM_FEE).map_err(malformed)?;
            check_signature(command, domain).map_err(unauthorized)
        }
        Command::Zkapp(command) => {
            check_zkapp_command(command, domain.era(), MINIMUM_FEE).map_err(malformed)?;
            let hashes = command_hashes(command, domain);
            check_authorizations(command, &hashes, domain, ledger, proofs).map_err(unauthorized)
        }
    }
}

fn record(ledger: &FullLedger, id: &AccountId) -> Option<AccountRecord> {
    let location = ledger.location(id).ok()??;
    let account = ledger.account(location).ok()?.clone();
    Some(AccountRecord { account, index: location.index() })
}

fn records(ledger: &FullLedger, wanted: impl Fn(&Account) -> bool) -> Vec<AccountRecord> {
    let accounts = (0..).zip(ledger.accounts()).filter(|(_, account)| wanted(account));
    accounts.map(|(index, account)| AccountRecord { account: account.clone(), index }).collect()
}

/// Whether a key, or its account of a token, takes part in a command.
fn takes_part(command: &Command, key: &PublicKey, token: Option<TokenId>) -> bool {
    let is_wanted = |id: AccountId| id.public_key == *key && token.is_none_or(|t| t == id.token_id);
    match command {
        Command::Signed(command) => {
            let payload = &command.payload;
            [payload.fee_payer, payload.receiver()]
                .into_iter()
                .any(|key| is_wanted(AccountId::of(key)))
        }
        Command::Zkapp(command) => command.accounts().into_iter().any(is_wanted),
    }
}

impl MinaNode for Node {
    fn info(&self) -> &NodeInfo {
        &self.info
    }

    fn sync_status(&self) -> SyncStatus {
        SyncStatus::Synced
    }

    fn tip(&self) -> Arc<Block> {
        self.chain().tip()
    }

    fn account_count(&self) -> u64 {
        self.chain().ledger().len()
    }

    fn account(&self, id: &AccountId) -> Option<AccountRecord> {
        record(&self.chain().ledger(), id)
    }

    fn accounts_of(&self, key: &PublicKey) -> Vec<AccountRecord> {
        records(&self.chain().ledger(), |account| account.public_key == *key)
    }

    fn token_owner(&self, token: &TokenId) -> Option<AccountRecord> {
        let ledger = self.chain().ledger();
        records(&ledger, |account| derive_token_id(&account.id()) == *token).pop()
    }

    fn token_accounts(&self, token: &TokenId) -> Vec<AccountRecord> {
        records(&self.chain().ledger(), |account| account.token_id == *token)
    }

    fn merkle_path(&self, index: u64) -> Option<MerklePath> {
        let mut ledger = FullLedger::clone(&self.chain().ledger());
        (index < ledger.len()).then(|| ledger.path(Location::new(index)).ok())?
    }

    fn inferred_nonce(&self, id: &AccountId) -> Option<Nonce> {
        let ledger = self.chain().speculative();
        ledger.get(id).ok()?.map(|account| account.nonce)
    }

    fn best_chain(&self, max_length: Option<usize>) -> Vec<Arc<Block>> {
        let max = max_length.unwrap_or(K as usize).min(K as usize);
        self.chain().blocks().take(max).cloned().collect()
    }

    fn block(&self, selector: BlockSelector) -> Option<Arc<Block>> {
        let chain = self.chain();
        match selector {
            BlockSelector::Genesis => chain.block_at(mina_ledger::types::Length::new(1)),
            BlockSelector::Height(height) => chain.block_at(height),
            BlockSelector::StateHash(hash) => chain.block(&hash),
        }
    }

    fn pool(&self, filter: &PoolFilter) -> Vec<Arc<Command>> {
        let chain = self.chain();
        let wanted = chain.pool().filter(|(hash, command)| {
            let payer = filter.fee_payer.is_none_or(|payer| payer == command.fee_payer());
            payer && filter.hashes.as_ref().is_none_or(|hashes| hashes.contains(hash))
        });
        wanted.map(|(_, command)| Arc::clone(command)).collect()
    }

    fn transaction_status(&self, hash: &TransactionHash) -> TransactionStatus {
        let chain = self.chain();
        match (chain.is_included(hash), chain.is_pending(hash)) {
            (true, _) => TransactionStatus::Included,
            (false, true) => TransactionStatus::Pending,
            (false, false) => TransactionStatus::Unknown,
        }
    }

    fn submit(&self, command: Command) -> BoxFuture<'_, Result<TransactionHash, SubmitError>> {
        self.take(command).boxed()
    }

    fn history(&self, query: &HistoryQuery) -> Vec<HistoryEntry> {
        let chain = self.chain();
        let entries = chain.blocks().flat_map(|block| {
            let wanted =
                block.commands.iter().rev().filter(|included| {
                    takes_part(&included.command, &query.public_key, query.token)
                });
            let timestamp_ms = block.timestamp_ms;
            wanted.map(move |included| HistoryEntry { included: included.clone(), timestamp_ms })
        });
        if query.newest_first {
            return entries.take(query.limit).collect();
        }
        let mut entries: Vec<_> = entries.collect();
        entries.reverse();
        entries.truncate(query.limit);
        entries
    }

    fn fee_for_weight(&self, _: u32) -> Amount {
        MINIMUM_FEE
    }

    fn subscribe(&self) -> broadcast::Receiver<NodeEvent> {
        self.events.subscribe()
    }
}
