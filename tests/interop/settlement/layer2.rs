//! The L2 whose batch is settled: a ledger, and the worker that proves what happens on it.

use std::sync::Arc;

use mina_curves::Fp;
use mina_ledger::{
    Domain,
    hash::{command_hashes, constants::EMPTY_ACTION_STATE},
    ledger::FullLedger,
    logic::NoProofs,
    rollup::{
        Attestation, BatchStatement, BridgeParameters, ChainId, DataCommitment, DepositAction,
        Message, OutboxEntry, Root, bridge_account, bridge_id,
    },
    signature::sign_zkapp_command,
    types::{
        Account, AccountId, AccountUpdate, Amount, Authorization, AuthorizationKind, Body,
        CallForest, FeePayer, FeePayerBody, Memo, PrivateKey, PublicKey, Signature, SignedAmount,
        Slot, ZkappCommand,
    },
};
use pickles::ProvedStatement;
use tokio_util::sync::CancellationToken;
use zeko_circuits::{
    accounts::AccountSet,
    program::{Rollup, Sizes},
    update::Rules,
};
use zeko_derive::{BatchBuilder, ChainParameters, ChainState, Command};
use zeko_worker::{Embedded, EmbeddedConfig, Plan, Trace, Worker, WorkerConfig};

use super::{MINA, secret, user};

/// Small circuits: what happens takes several of each.
const SIZES: Sizes = Sizes { updates: 4, proved: 4, messages: 2, accounts: 1, payments: 1 };

/// The fee of every command.
const FEE: Amount = Amount::new(MINA / 100);

/// Who makes batches, and gets the fees.
const SEQUENCER: u64 = 4;

/// A user who is there from the beginning.
pub(super) const FIRST: u64 = 9;

pub(super) struct Layer2 {
    parameters: ChainParameters,
    pub(super) program: Arc<Rollup>,
    ledger: FullLedger,
    accounts: AccountSet,
    state: ChainState,
}

/// A batch with its proof.
pub(super) struct Proved {
    pub(super) statement: BatchStatement,
    pub(super) attestation: Attestation,
    pub(super) proof: ProvedStatement,
}

impl Layer2 {
    pub(super) fn new(rollup_account: PublicKey) -> Self {
        let domain = Domain::default();
        let era = domain.era();
        let bridge =
            BridgeParameters { minimum_withdrawal: MINA.into(), deposit_fee: Amount::new(1_000) };
        let parameters = ChainParameters {
            l1_network: ChainId::new("testnet").unwrap(),
            rollup_account,
            chain: ChainId::new("settled").unwrap(),
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
        let mut accounts = vec![bridge_account(EMPTY_ACTION_STATE, era)];
        let account = |seed| Account::new(AccountId::of(user(seed)), (10 * MINA).into(), era);
        accounts.extend([SEQUENCER, FIRST].map(account));
        let ids: Vec<_> = accounts.iter().map(Account::id).collect();
        let mut ledger = FullLedger::from_accounts(accounts, era).unwrap();
        let state = ChainState::genesis(&mut ledger).unwrap();
        let accounts = AccountSet::new(&ids).unwrap();
        Self { parameters, program, ledger, accounts, state }
    }

    pub(super) fn root(&self) -> Root {
        Root { ledger: self.state.ledger, accounts: self.accounts.root() }
    }

    /// Consumes messages in one block, makes withdrawals in the next, and proves both.
    pub(super) fn batch(
        &mut self,
        inbox: &[Fp],
        messages: &[DepositAction],
        withdrawals: &[(u64, OutboxEntry)],
    ) -> Proved {
        let mut ledger = self.ledger.clone();
        let before = self.state;
        let mut builder = BatchBuilder::new(&self.parameters, before, 0, user(SEQUENCER));
        let mut block = builder.block(&mut ledger, Slot::new(11));
        for message in messages {
            block.message(Message::Deposit(*message)).unwrap();
        }
        block.close().unwrap();
        let mut block = builder.block(&mut ledger, Slot::new(12));
        for (from, entry) in withdrawals {
            let command = withdraw(&secret(*from), entry, &self.parameters.domain);
            let applied = block.command(Command::Zkapp(command)).unwrap();
            assert!(applied, "{entry:?}");
        }
        block.close().unwrap();
        let (batch, _) = builder.close(&mut ledger).unwrap();

        let bytes = batch.encode().unwrap();
        let data = DataCommitment::new(&bytes);
        let view = (before.inbox, inbox.to_vec());
        let (trace, after) = Trace::record(
            &mut self.ledger,
            &before,
            &batch,
            data,
            &self.parameters,
            &view,
            &NoProofs,
            SIZES,
        )
        .unwrap();
        self.state = after;
        let plan = Plan::new(&trace, &mut self.accounts).unwrap();
        let statement = *plan.statement();
        assert_eq!(statement.target.root, self.root());
        let attestation = batch.attestation(data, bytes.len() as u64, 0);
        Proved { statement, attestation, proof: prove(&self.program, plan) }
    }
}

/// Takes out of an account what the entry says.
fn withdraw(key: &PrivateKey, entry: &OutboxEntry, domain: &Domain) -> ZkappCommand {
    let OutboxEntry::Withdrawal { amount, .. } = entry else { panic!("{entry:?}") };
    let era = domain.era();
    let public_key = key.to_public_key();
    let mut sender = Body::new(AccountId::of(public_key), era);
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
    let body = FeePayerBody { public_key, fee: FEE, valid_until: None, nonce: 0.into() };
    let mut command = ZkappCommand {
        fee_payer: FeePayer { body, authorization: Signature::DUMMY },
        account_updates: CallForest::flat(updates),
        memo: Memo::EMPTY,
    };
    let hashes = command_hashes(&command, domain);
    sign_zkapp_command(&mut command, &hashes, key, domain).unwrap();
    command
}

fn prove(program: &Arc<Rollup>, plan: Plan) -> ProvedStatement {
    let backend = Embedded::new(Arc::clone(program), EmbeddedConfig::default()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let config = WorkerConfig::new(dir.path());
        let worker = Worker::start(config, Arc::new(backend), &stop).await.unwrap();
        let batch = worker.handle().submit(plan).await.unwrap();
        let proof = batch.proof().await.unwrap();
        worker.stop();
        worker.join().await.unwrap();
        ProvedStatement::clone(&proof)
    })
}
