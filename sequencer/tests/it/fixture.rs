//! A node that stands still: two accounts, one block, and it takes every command.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use mina_curves::{Fp, Fq};
use mina_ledger::{
    hash::TransactionHash,
    ledger::{FullLedger, Ledger, Location, MerklePath},
    logic::TransactionFailure,
    types::{
        Account, AccountId, Amount, Era, Length, Memo, NetworkId, Nonce, PrivateKey,
        ProtocolStateView, PublicKey, Signature, SignedCommand, SignedCommandBody,
        SignedCommandPayload, Slot, TokenId, VerificationKey, ZkappAccount,
    },
};
use tokio::sync::broadcast;
use zeko_sequencer::{
    Command,
    graphql::{
        AccountRecord, Block, BlockSelector, HistoryEntry, HistoryQuery, Included, MinaNode,
        NodeEvent, NodeInfo, PoolFilter, SubmitError, SyncStatus, TransactionStatus,
    },
};

/// The key in the recorded requests.
pub(crate) const RECORDED: &str = "B62qrKpP3NBbF97cx2aAdCmaSuVqaiGgvs9fMARxASPmVFgugoQekjr";

pub(crate) fn recorded_key() -> PublicKey {
    PublicKey::from_base58(RECORDED).unwrap()
}

pub(crate) fn other_key() -> PublicKey {
    PrivateKey::new(Fq::from(77u64)).unwrap().to_public_key()
}

pub(crate) fn payment(nonce: u32) -> Command {
    let payload = SignedCommandPayload {
        fee: Amount::new(1_000_000),
        fee_payer: recorded_key(),
        nonce: Nonce::new(nonce),
        valid_until: Slot::MAX,
        memo: Memo::from_text("hello").unwrap(),
        body: SignedCommandBody::Payment { receiver: other_key(), amount: Amount::new(5) },
    };
    Command::Signed(SignedCommand { payload, signature: Signature::DUMMY })
}

pub(crate) struct StillNode {
    info: NodeInfo,
    ledger: Mutex<FullLedger>,
    tip: Arc<Block>,
    pub(crate) taken: Mutex<Vec<Arc<Command>>>,
    pub(crate) events: broadcast::Sender<NodeEvent>,
}

impl StillNode {
    pub(crate) fn new() -> Arc<Self> {
        let era = Era::Berkeley;
        let mut first =
            Account::new(AccountId::of(recorded_key()), Amount::new(1_000_000_000_000), era);
        first.zkapp = Some(Box::new(ZkappAccount {
            verification_key: Some(VerificationKey::new([1, 2, 3], Fp::from(9u64))),
            ..ZkappAccount::new(era)
        }));
        let second = Account::new(AccountId::of(other_key()), Amount::new(7), era);
        let mut ledger = FullLedger::from_accounts([first, second], era).unwrap();
        let failed = payment(1);
        let block = Block {
            state_hash: Fp::from(5u64),
            parent: Fp::from(4u64),
            height: Length::new(2),
            slot: Slot::new(7141),
            timestamp_ms: 1_717_545_600_123,
            producer: other_key(),
            ledger_hash: ledger.root().unwrap(),
            view: ProtocolStateView::default(),
            messages: Vec::new(),
            commands: vec![
                included(payment(0), None),
                included(failed, Some(vec![vec![TransactionFailure::Overflow]])),
            ],
            coinbase: Amount::ZERO,
            coinbase_receiver: None,
            fee_transfers: Vec::new(),
        };
        Arc::new(Self {
            info: NodeInfo {
                network: NetworkId::Testnet,
                network_name: "mina:testnet".into(),
                chain_id: "still".into(),
                era,
                account_creation_fee: Amount::new(1_000_000_000),
                coinbase: Amount::ZERO,
                genesis_timestamp_ms: 1_717_545_600_000,
                slot_ms: 180_000,
                slots_per_epoch: 7140,
                k: 290,
                started: Instant::now(),
            },
            ledger: Mutex::new(ledger),
            tip: Arc::new(block),
            taken: Mutex::default(),
            events: broadcast::channel(16).0,
        })
    }
}

fn included(command: Command, failures: Option<Vec<Vec<TransactionFailure>>>) -> Included {
    Included { hash: command.hash(), command: Arc::new(command), failures }
}

impl MinaNode for StillNode {
    fn info(&self) -> &NodeInfo {
        &self.info
    }

    fn sync_status(&self) -> SyncStatus {
        SyncStatus::Synced
    }

    fn tip(&self) -> Arc<Block> {
        Arc::clone(&self.tip)
    }

    fn account_count(&self) -> u64 {
        self.ledger.lock().unwrap().len()
    }

    fn account(&self, id: &AccountId) -> Option<AccountRecord> {
        let ledger = self.ledger.lock().unwrap();
        let location = ledger.location(id).unwrap()?;
        let account = ledger.account(location).unwrap().clone();
        Some(AccountRecord { account, index: location.index() })
    }

    fn accounts_of(&self, key: &PublicKey) -> Vec<AccountRecord> {
        self.account(&AccountId::of(*key)).into_iter().collect()
    }

    fn token_owner(&self, _: &TokenId) -> Option<AccountRecord> {
        self.account(&AccountId::of(recorded_key()))
    }

    fn token_accounts(&self, _: &TokenId) -> Vec<AccountRecord> {
        self.accounts_of(&other_key())
    }

    fn merkle_path(&self, index: u64) -> Option<MerklePath> {
        self.ledger.lock().unwrap().path(Location::new(index)).ok()
    }

    fn inferred_nonce(&self, id: &AccountId) -> Option<Nonce> {
        Some(self.account(id)?.account.nonce)
    }

    fn best_chain(&self, _: Option<usize>) -> Vec<Arc<Block>> {
        vec![self.tip()]
    }

    fn block(&self, selector: BlockSelector) -> Option<Arc<Block>> {
        let found = match selector {
            BlockSelector::Genesis => true,
            BlockSelector::Height(height) => height == self.tip.height,
            BlockSelector::StateHash(hash) => hash == self.tip.state_hash,
        };
        found.then(|| self.tip())
    }

    fn pool(&self, filter: &PoolFilter) -> Vec<Arc<Command>> {
        let taken = self.taken.lock().unwrap();
        let wanted = |command: &&Arc<Command>| {
            filter.fee_payer.is_none_or(|key| key == command.fee_payer())
                && filter.hashes.as_ref().is_none_or(|hashes| hashes.contains(&command.hash()))
        };
        taken.iter().filter(wanted).cloned().collect()
    }

    fn transaction_status(&self, hash: &TransactionHash) -> TransactionStatus {
        let known = self.tip.commands.iter().any(|included| included.hash == *hash);
        if known { TransactionStatus::Included } else { TransactionStatus::Unknown }
    }

    fn submit(
        &self,
        command: Command,
    ) -> futures_util::future::BoxFuture<'_, Result<TransactionHash, SubmitError>> {
        Box::pin(async move {
            if command.nonce() == Nonce::new(99) {
                let expected = Nonce::new(1);
                return Err(SubmitError::InvalidNonce { expected, got: command.nonce() });
            }
            let hash = command.hash();
            self.taken.lock().unwrap().push(Arc::new(command));
            Ok(hash)
        })
    }

    fn history(&self, query: &HistoryQuery) -> Vec<HistoryEntry> {
        let commands = self.tip.commands.iter().take(query.limit).cloned();
        commands.map(|included| HistoryEntry { included, timestamp_ms: 1 }).collect()
    }

    fn fee_for_weight(&self, weight: u32) -> Amount {
        Amount::new(u64::from(weight) * 1000)
    }

    fn subscribe(&self) -> broadcast::Receiver<NodeEvent> {
        self.events.subscribe()
    }
}
