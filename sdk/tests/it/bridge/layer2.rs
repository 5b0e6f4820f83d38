//! An L2 with one batch, and its proof.

use std::sync::Arc;

use mina_ledger::{
    Domain,
    hash::{command_hashes, constants::EMPTY_ACTION_STATE},
    ledger::FullLedger,
    logic::NoProofs,
    rollup::{
        Attestation, BatchStatement, BridgeParameters, ChainId, DataCommitment, Message,
        OutboxEntry, Root, bridge_account, bridge_id,
    },
    signature::sign_zkapp_command,
    types::{
        Account, AccountId, AccountUpdate, Amount, Authorization, AuthorizationKind, Body,
        CallForest, FeePayer, FeePayerBody, Memo, PublicKey, Signature, SignedAmount, Slot,
        ZkappCommand,
    },
};
use pickles::ProvedStatement;
use tokio_util::sync::CancellationToken;
use zeko_bridge::ConfirmedInbox;
use zeko_circuits::{
    accounts::AccountSet,
    program::{Rollup, Sizes},
    update::Rules,
};
use zeko_derive::{BatchBuilder, ChainParameters, ChainState, Command};
use zeko_sdk::keys::{KeyPair, development_key};
use zeko_worker::{Embedded, EmbeddedConfig, Plan, Trace, Worker, WorkerConfig};

use super::{CHAIN, MINA, NETWORK, domain};

/// Small circuits: what happens takes several of each.
const SIZES: Sizes = Sizes { updates: 4, proved: 1, messages: 1, accounts: 1, payments: 1 };

pub(super) struct Layer2 {
    parameters: ChainParameters,
    pub(super) program: Arc<Rollup>,
    ledger: FullLedger,
    accounts: AccountSet,
    state: ChainState,
    user: KeyPair,
}

/// A batch that waits for its proof.
pub(super) struct Recorded {
    pub(super) statement: BatchStatement,
    pub(super) attestation: Attestation,
    plan: Plan,
}

impl Layer2 {
    pub(super) fn new(rollup_account: PublicKey, sequencer: PublicKey) -> Self {
        let domain = domain();
        let era = domain.era();
        let bridge =
            BridgeParameters { minimum_withdrawal: MINA.into(), deposit_fee: Amount::new(1_000) };
        let parameters = ChainParameters {
            l1_network: ChainId::new(NETWORK).unwrap(),
            rollup_account,
            chain: ChainId::new(CHAIN).unwrap(),
            domain: domain.clone(),
            account_creation_fee: Amount::new(MINA / 10),
            minimum_fee: Amount::ZERO,
            bridge,
            message_quota: 32,
            sequencers: vec![],
        };
        let rules = Rules {
            domain,
            account_creation_fee: parameters.account_creation_fee,
            bridge: Some(bridge),
        };
        let program = Arc::new(Rollup::compile(&rules, SIZES, None).unwrap());
        let user = development_key("bridge-test", 9);
        let mut accounts = vec![bridge_account(EMPTY_ACTION_STATE, era)];
        let account = |key| Account::new(AccountId::of(key), (10 * MINA).into(), era);
        accounts.extend([sequencer, user.public].map(account));
        let ids: Vec<_> = accounts.iter().map(Account::id).collect();
        let mut ledger = FullLedger::from_accounts(accounts, era).unwrap();
        let state = ChainState::genesis(&mut ledger).unwrap();
        let accounts = AccountSet::new(&ids).unwrap();
        Self { parameters, program, ledger, accounts, state, user }
    }

    pub(super) fn root(&self) -> Root {
        Root { ledger: self.state.ledger, accounts: self.accounts.root() }
    }

    /// A block that consumes the first message of the inbox, in which a user withdraws.
    pub(super) fn batch(
        &mut self,
        inbox: &ConfirmedInbox,
        slot: Slot,
        sequencer: PublicKey,
        entry: &OutboxEntry,
    ) -> Recorded {
        let mut ledger = self.ledger.clone();
        let before = self.state;
        let mut builder = BatchBuilder::new(&self.parameters, before, 0, sequencer);
        let mut block = builder.block(&mut ledger, slot);
        let message = inbox.next_message(before.inbox).unwrap();
        block.message(Message::Deposit(message.deposit.unwrap())).unwrap();
        let withdrawal = Command::Zkapp(withdraw(&self.user, entry, &self.parameters.domain));
        assert!(block.command(withdrawal).unwrap());
        block.close().unwrap();
        let (batch, _) = builder.close(&mut ledger).unwrap();
        let bytes = batch.encode().unwrap();
        let data = DataCommitment::new(&bytes);
        let (trace, after) = Trace::record(
            &mut self.ledger,
            &before,
            &batch,
            data,
            &self.parameters,
            inbox,
            &NoProofs,
            SIZES,
        )
        .unwrap();
        self.state = after;
        let plan = Plan::new(&trace, &mut self.accounts).unwrap();
        let statement = *plan.statement();
        let attestation = batch.attestation(data, bytes.len() as u64, 0);
        Recorded { statement, attestation, plan }
    }

    pub(super) async fn prove(&self, recorded: Recorded) -> ProvedStatement {
        let backend = Embedded::new(Arc::clone(&self.program), EmbeddedConfig::default()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let config = WorkerConfig::new(dir.path());
        let worker = Worker::start(config, Arc::new(backend), &stop).await.unwrap();
        let batch = worker.handle().submit(recorded.plan).await.unwrap();
        let proof = batch.proof().await.unwrap();
        worker.stop();
        worker.join().await.unwrap();
        ProvedStatement::clone(&proof)
    }
}

/// Takes out of an account what the entry says.
fn withdraw(from: &KeyPair, entry: &OutboxEntry, domain: &Domain) -> ZkappCommand {
    let OutboxEntry::Withdrawal { amount, .. } = entry else { panic!("{entry:?}") };
    let era = domain.era();
    let mut sender = Body::new(AccountId::of(from.public), era);
    sender.balance_change = SignedAmount::negative(*amount);
    sender.authorization_kind = AuthorizationKind::Signature;
    sender.use_full_commitment = true;
    let mut bridge = Body::new(bridge_id(), era);
    bridge.balance_change = SignedAmount::positive(*amount);
    bridge.actions = entry.to_actions();
    let authorization = Authorization::Signature(Signature::DUMMY);
    let updates = [
        AccountUpdate { body: sender, authorization },
        AccountUpdate { body: bridge, authorization: Authorization::None },
    ];
    let fee = Amount::new(MINA / 100);
    let body = FeePayerBody { public_key: from.public, fee, valid_until: None, nonce: 0.into() };
    let mut command = ZkappCommand {
        fee_payer: FeePayer { body, authorization: Signature::DUMMY },
        account_updates: CallForest::flat(updates),
        memo: Memo::EMPTY,
    };
    let hashes = command_hashes(&command, domain);
    sign_zkapp_command(&mut command, &hashes, &from.private, domain).unwrap();
    command
}
