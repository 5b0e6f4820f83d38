//! A small L2 with batches on it, and a back end that counts instead of proving.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use mina_curves::{Fp, Fq};
use mina_ledger::{
    Domain,
    hash::command_hashes,
    ledger::FullLedger,
    logic::{NoProofs, ProofClaim, ProofVerifier},
    rollup::{
        BridgeParameters, ChainId, DataCommitment, DepositAction, Message, OutboxEntry,
        bridge_account, bridge_id,
    },
    signature::{sign_payload, sign_zkapp_command},
    types::{
        Account, AccountId, AccountUpdate, Amount, AuthRequired, Authorization, AuthorizationKind,
        Body, CallForest, Era, FeePayer, FeePayerBody, Memo, Nonce, Permissions, PrivateKey,
        PublicKey, Signature, SignedAmount, SignedCommand, SignedCommandBody, SignedCommandPayload,
        Slot, VerificationKey, ZkappCommand,
    },
};
use pickles::{Proof, ProofFile, ProvedStatement};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use zeko_circuits::{accounts::AccountSet, program::Sizes, update::Rules};
use zeko_derive::{Batch, BatchBuilder, ChainParameters, ChainState, Command};
use zeko_worker::{
    Backend, BackendError, Job, Limits, Plan, Rule, StatementHash, Trace, TraceError, Worker,
    WorkerConfig,
};

pub(crate) const MINA: u64 = 1_000_000_000;

/// Updates of a proof.
pub(crate) const ROOM: usize = 4;

/// Updates of a proof that rests on one of theirs.
pub(crate) const PROVED: usize = 5;

pub(crate) const SIZES: Sizes =
    Sizes { updates: ROOM, proved: PROVED, messages: 2, accounts: 1, payments: 2 };

pub(crate) const ERA: Era = Era::Berkeley;

fn secret(index: u64) -> PrivateKey {
    PrivateKey::new(Fq::from(500 + index)).unwrap()
}

pub(crate) fn user(index: u64) -> PublicKey {
    secret(index).to_public_key()
}

pub(crate) fn parameters() -> ChainParameters {
    ChainParameters {
        l1_network: ChainId::new("testnet").unwrap(),
        rollup_account: user(90),
        chain: ChainId::new("worker-test").unwrap(),
        domain: Domain::default(),
        account_creation_fee: Amount::new(MINA / 10),
        minimum_fee: Amount::ZERO,
        bridge: BridgeParameters {
            minimum_withdrawal: Amount::new(MINA),
            deposit_fee: Amount::ZERO,
        },
        message_quota: 8,
        sequencers: vec![],
    }
}

/// What the circuits of that chain are made for.
pub(crate) fn rules() -> Rules {
    let ChainParameters { domain, account_creation_fee, bridge, .. } = parameters();
    Rules { domain, account_creation_fee, bridge: Some(bridge) }
}

/// The bridge account and five users with 100 MINA each; the last one receives fees.
pub(crate) fn genesis() -> (FullLedger, ChainState) {
    let mut accounts = vec![bridge_account(Fp::from(3u64), ERA)];
    let account = |index| Account::new(AccountId::of(user(index)), Amount::new(100 * MINA), ERA);
    accounts.extend((0..5).map(account));
    let mut ledger = FullLedger::from_accounts(accounts, ERA).unwrap();
    let state = ChainState::genesis(&mut ledger).unwrap();
    (ledger, state)
}

pub(crate) fn change(id: AccountId, amount: SignedAmount) -> Body {
    let mut body = Body::new(id, ERA);
    body.balance_change = amount;
    if amount.is_negative() {
        body.authorization_kind = AuthorizationKind::Signature;
        body.use_full_commitment = true;
    }
    body
}

/// A command of user `from` with a fee of `fee`.
pub(crate) fn command(from: u64, nonce: u32, fee: u64, updates: Vec<Body>) -> Command {
    command_with(from, nonce, fee, updates, &Authorization::None)
}

/// A command; updates that proofs authorise have `proof`.
pub(crate) fn command_with(
    from: u64,
    nonce: u32,
    fee: u64,
    updates: Vec<Body>,
    proof: &Authorization,
) -> Command {
    let updates = updates.into_iter().map(|body| authorised(body, proof));
    command_of(from, nonce, fee, CallForest::flat(updates))
}

/// An update; if a proof authorises it, it has `proof`.
pub(crate) fn authorised(body: Body, proof: &Authorization) -> AccountUpdate {
    let authorization = match body.authorization_kind {
        AuthorizationKind::Signature => Authorization::Signature(Signature::DUMMY),
        AuthorizationKind::Proof(_) => proof.clone(),
        AuthorizationKind::None => Authorization::None,
    };
    AccountUpdate { body, authorization }
}

/// A command of a forest.
pub(crate) fn command_of(from: u64, nonce: u32, fee: u64, updates: CallForest) -> Command {
    let body = FeePayerBody {
        public_key: user(from),
        fee: Amount::new(fee),
        valid_until: None,
        nonce: Nonce::new(nonce),
    };
    let mut command = ZkappCommand {
        fee_payer: FeePayer { body, authorization: Signature::DUMMY },
        account_updates: updates,
        memo: Memo::EMPTY,
    };
    let domain = Domain::default();
    let hashes = command_hashes(&command, &domain);
    sign_zkapp_command(&mut command, &hashes, &secret(from), &domain).unwrap();
    Command::Zkapp(command)
}

pub(crate) const FEE: u64 = MINA / 100;

/// One update: that of the fee payer.
pub(crate) fn nothing(from: u64, nonce: u32) -> Command {
    command(from, nonce, FEE, vec![])
}

/// Three updates; without so much MINA, two of which the second fails.
pub(crate) fn transfer(from: u64, nonce: u32, to: u64, amount: u64) -> Command {
    let sender = change(AccountId::of(user(from)), SignedAmount::negative(amount.into()));
    let receiver = change(AccountId::of(user(to)), SignedAmount::positive(amount.into()));
    command(from, nonce, FEE, vec![sender, receiver])
}

/// A payment or delegation of user `from`.
pub(crate) fn signed(from: u64, nonce: u32, body: SignedCommandBody) -> Command {
    let payload = SignedCommandPayload {
        fee: Amount::new(FEE),
        fee_payer: user(from),
        nonce: Nonce::new(nonce),
        valid_until: Slot::MAX,
        memo: Memo::EMPTY,
        body,
    };
    let signature = sign_payload(&payload, &secret(from), &Domain::default()).unwrap();
    Command::Signed(SignedCommand { payload, signature })
}

pub(crate) fn payment(from: u64, nonce: u32, to: u64, amount: u64) -> Command {
    let body = SignedCommandBody::Payment { receiver: user(to), amount: amount.into() };
    signed(from, nonce, body)
}

pub(crate) fn delegation(from: u64, nonce: u32, to: u64) -> Command {
    signed(from, nonce, SignedCommandBody::Delegation { new_delegate: user(to) })
}

/// Three updates, the last one the bridge account's.
pub(crate) fn withdrawal(from: u64, nonce: u32, amount: u64) -> Command {
    let entry = OutboxEntry::Withdrawal { recipient: user(from), amount: amount.into() };
    let sender = change(AccountId::of(user(from)), SignedAmount::negative(amount.into()));
    let mut bridge = change(bridge_id(), SignedAmount::positive(amount.into()));
    bridge.actions = entry.to_actions();
    command(from, nonce, FEE, vec![sender, bridge])
}

/// What a sequencer makes of blocks, each a slot and its commands, after `state`.
pub(crate) fn build(
    ledger: &mut FullLedger,
    state: ChainState,
    blocks: &[(u32, Vec<Command>)],
) -> (Batch, ChainState) {
    let parameters = parameters();
    let mut builder = BatchBuilder::new(&parameters, state, 0, user(4));
    for (slot, commands) in blocks {
        let mut block = builder.block(&mut *ledger, Slot::new(*slot));
        for command in commands {
            block.command(command.clone()).unwrap();
        }
        block.close().unwrap();
    }
    let (batch, mut state) = builder.close(ledger).unwrap();
    state.data = data(&batch);
    (batch, state)
}

pub(crate) fn data(batch: &Batch) -> DataCommitment {
    DataCommitment::new(&batch.encode().unwrap())
}

/// What happens in a block.
pub(crate) enum Happens {
    Command(Command),
    Message(Message),
}

/// A batch of blocks in which commands are carried out and messages consumed.
pub(crate) fn mixed(blocks: Vec<(u32, Vec<Happens>)>) -> (Batch, Trace) {
    let (mut ledger, state) = genesis();
    let parameters = parameters();
    let mut builder = BatchBuilder::new(&parameters, state, 0, user(4));
    for (slot, items) in blocks {
        let mut block = builder.block(&mut ledger, Slot::new(slot));
        for item in items {
            match item {
                Happens::Command(command) => block.command(command).map(|_| ()).unwrap(),
                Happens::Message(message) => block.message(message).unwrap(),
            }
        }
        block.close().unwrap();
    }
    let (batch, _) = builder.close(&mut ledger).unwrap();
    let trace = record(&batch).unwrap();
    (batch, trace)
}

/// A deposit for user `to`.
pub(crate) fn deposit(to: u64, amount: u64) -> DepositAction {
    let (recipient, refund_to) = (user(to), user(0));
    DepositAction { recipient, amount: amount.into(), timeout: Slot::MAX, refund_to }
}

/// The inbox of the L1: to a new account, to another that cannot pay for it, and to one that exists.
pub(crate) fn deposits() -> Vec<Fp> {
    [deposit(70, 3 * MINA), deposit(71, 1), deposit(1, MINA)].map(|d| d.action_hash()).into()
}

/// What a batch after genesis did.
pub(crate) fn record(batch: &Batch) -> Result<Trace, TraceError> {
    record_with(batch, &NoProofs)
}

/// The same of a batch with proofs.
pub(crate) fn record_with(batch: &Batch, proofs: &dyn ProofVerifier) -> Result<Trace, TraceError> {
    let (mut ledger, state) = genesis();
    let inbox = (state.inbox, deposits());
    let traced = Trace::record(
        &mut ledger,
        &state,
        batch,
        data(batch),
        &parameters(),
        &inbox,
        proofs,
        SIZES,
    );
    traced.map(|(trace, _)| trace)
}

/// The first batch of the chain.
pub(crate) fn first(blocks: &[(u32, Vec<Command>)]) -> (Batch, Trace) {
    let (mut ledger, state) = genesis();
    let (batch, _) = build(&mut ledger, state, blocks);
    let trace = record(&batch).unwrap();
    (batch, trace)
}

/// A plan with `segments` segments, one less merges, and a `close`; `salt` makes it another batch.
pub(crate) fn plan(segments: usize, salt: u64) -> Plan {
    let count = (segments * ROOM) as u32;
    let mut commands = vec![command(0, 0, FEE + salt, vec![])];
    commands.extend((1..count).map(|nonce| nothing(0, nonce)));
    let (_, trace) = first(&[(5, commands)]);
    plan_of(&trace)
}

/// The set of accounts at genesis.
pub(crate) fn accounts() -> AccountSet {
    let ids: Vec<_> = genesis().0.accounts().iter().map(Account::id).collect();
    AccountSet::new(&ids).unwrap()
}

/// The plan of the first batch.
pub(crate) fn plan_of(trace: &Trace) -> Plan {
    Plan::new(trace, &mut accounts()).unwrap()
}

/// A proof of something else, as bytes of the right shape.
static SAMPLE: LazyLock<(pickles::VerificationKey, Vec<Fp>, Proof)> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/pickles");
    let json = std::fs::read(path.join("n2_leaf1.json")).unwrap();
    ProofFile::parse(&json).unwrap().decode().unwrap()
});

/// A key that an account may have.
pub(crate) fn verification_key() -> VerificationKey {
    VerificationKey::from_bytes(&SAMPLE.0.to_bytes()).unwrap()
}

/// A proof as an update has it.
pub(crate) fn sample_proof() -> mina_ledger::types::Proof {
    mina_ledger::types::Proof(pickles::account_update_proof_bytes(&SAMPLE.2).into())
}

/// Takes every proof for good.
pub(crate) struct Anything;

impl ProofVerifier for Anything {
    fn verify(&self, _: &[ProofClaim<'_>]) -> Result<(), usize> {
        Ok(())
    }
}

/// Two updates: the fee payer's, and one that gives its account a key and leaves the state to proofs.
pub(crate) fn deploy(from: u64, nonce: u32, key: VerificationKey) -> Command {
    let mut sets = change(AccountId::of(user(from)), SignedAmount::ZERO);
    sets.authorization_kind = AuthorizationKind::Signature;
    sets.use_full_commitment = true;
    sets.update.verification_key = Some(key);
    let permissions = Permissions::user_default(ERA);
    sets.update.permissions = Some(Permissions { edit_state: AuthRequired::Proof, ..permissions });
    command(from, nonce, FEE, vec![sets])
}

/// Bytes of memory that a proof takes here.
pub(crate) fn memory(rule: Rule) -> u64 {
    match rule {
        Rule::Commands => 40,
        Rule::Proved => 30,
        Rule::Merge | Rule::Close | Rule::Inbox | Rule::Accounts | Rule::Payment => 15,
    }
}

/// What happens to a job instead of what should.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    Error(BackendError),
    /// A proof that does not verify.
    WrongProof,
    Panic,
}

/// Gives a fixed proof for whatever it is asked for, and notes that.
pub(crate) struct Counting {
    limits: Limits,
    /// A proof ends when it gets one.
    permits: Semaphore,
    /// How long a proof takes at least.
    time: Duration,
    file: Option<PathBuf>,
    pub(crate) proved: Mutex<Vec<(StatementHash, Rule)>>,
    pub(crate) faults: Mutex<BTreeMap<StatementHash, Vec<Fault>>>,
    running: AtomicUsize,
    reserved: AtomicU64,
    /// The most at once.
    pub(crate) most: Mutex<(usize, u64)>,
}

impl Counting {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            permits: Semaphore::new(Semaphore::MAX_PERMITS),
            time: Duration::ZERO,
            file: None,
            proved: Mutex::default(),
            faults: Mutex::default(),
            running: AtomicUsize::new(0),
            reserved: AtomicU64::new(0),
            most: Mutex::default(),
        }
    }

    /// Without limits that matter.
    pub(crate) fn free() -> Self {
        Self::new(Limits { memory: 10_000, proofs: 100 })
    }

    /// One proof at a time, each noted in a file.
    pub(crate) fn noting(file: PathBuf) -> Self {
        let limits = Limits { memory: 10_000, proofs: 1 };
        Self { file: Some(file), ..Self::new(limits) }
    }

    /// So many proofs end, and no more before [`Self::allow`].
    pub(crate) fn only(self, permits: usize) -> Self {
        Self { permits: Semaphore::new(permits), ..self }
    }

    pub(crate) fn taking(self, time: Duration) -> Self {
        Self { time, ..self }
    }

    pub(crate) fn allow(&self, permits: usize) {
        self.permits.add_permits(permits);
    }

    pub(crate) fn fail(&self, statement: StatementHash, faults: &[Fault]) {
        self.faults.lock().unwrap().insert(statement, faults.to_vec());
    }

    pub(crate) fn count(&self) -> usize {
        self.proved.lock().unwrap().len()
    }

    /// How often each was proved.
    pub(crate) fn counts(&self) -> BTreeMap<StatementHash, usize> {
        let mut counts = BTreeMap::new();
        for (statement, _) in self.proved.lock().unwrap().iter() {
            *counts.entry(*statement).or_default() += 1;
        }
        counts
    }

    fn note(&self, job: &Job) {
        self.proved.lock().unwrap().push((job.statement, job.rule()));
        if let Some(path) = &self.file {
            let mut file =
                std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
            writeln!(file, "{}", job.statement).unwrap();
        }
    }
}

/// What stands for a proof of a statement.
pub(crate) fn proof_of(statement: StatementHash) -> ProvedStatement {
    ProvedStatement { app_state: vec![statement.0], proof: SAMPLE.2.clone(), key: None }
}

/// A back end to share with a worker.
#[derive(Clone)]
pub(crate) struct Shared(pub(crate) Arc<Counting>);

impl Backend for Shared {
    fn program(&self) -> Fp {
        Fp::from(77u64)
    }

    fn limits(&self) -> Limits {
        self.0.limits
    }

    fn memory(&self, rule: Rule) -> u64 {
        memory(rule)
    }

    fn prove(
        &self,
        job: Arc<Job>,
        previous: Vec<Arc<ProvedStatement>>,
    ) -> BoxFuture<'static, Result<ProvedStatement, BackendError>> {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let given: Vec<_> = previous.iter().map(|proof| proof.app_state.clone()).collect();
            let expected: Vec<_> = job.previous.iter().map(|hash| vec![hash.0]).collect();
            assert_eq!(given, expected, "the proofs that the job rests on, in its order");
            let bytes = memory(job.rule());
            let running = shared.running.fetch_add(1, Ordering::SeqCst) + 1;
            let reserved = shared.reserved.fetch_add(bytes, Ordering::SeqCst) + bytes;
            {
                let mut most = shared.most.lock().unwrap();
                *most = (most.0.max(running), most.1.max(reserved));
            }
            tokio::time::sleep(shared.time).await;
            shared.permits.acquire().await.unwrap().forget();
            shared.note(&job);
            shared.running.fetch_sub(1, Ordering::SeqCst);
            shared.reserved.fetch_sub(bytes, Ordering::SeqCst);
            let mut faults = shared.faults.lock().unwrap();
            let fault = faults.get_mut(&job.statement).filter(|faults| !faults.is_empty());
            match fault.map(|faults| faults.remove(0)) {
                None => Ok(proof_of(job.statement)),
                Some(Fault::Error(error)) => Err(error),
                Some(Fault::WrongProof) => {
                    let mut proof = proof_of(job.statement);
                    proof.proof.state.sponge_digest = Default::default();
                    Ok(proof)
                }
                Some(Fault::Panic) => {
                    drop(faults);
                    panic!("a mistake of the back end")
                }
            }
        })
    }

    fn verify(
        &self,
        statement: StatementHash,
        proof: &ProvedStatement,
    ) -> Result<(), BackendError> {
        let reason = "no proof of this statement".to_owned();
        if *proof == proof_of(statement) { Ok(()) } else { Err(BackendError::Transient { reason }) }
    }
}

/// Settings under which nothing is waited for.
pub(crate) fn config(dir: &Path) -> WorkerConfig {
    WorkerConfig {
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(4),
        ..WorkerConfig::new(dir)
    }
}

/// A worker with its back end.
pub(crate) async fn start(dir: &Path, backend: Counting) -> (Worker, Arc<Counting>) {
    start_with(config(dir), backend).await
}

pub(crate) async fn start_with(config: WorkerConfig, backend: Counting) -> (Worker, Arc<Counting>) {
    let backend = Shared(Arc::new(backend));
    let counting = Arc::clone(&backend.0);
    let worker = Worker::start(config, Arc::new(backend), &CancellationToken::new()).await.unwrap();
    (worker, counting)
}

pub(crate) async fn stop(worker: Worker) {
    worker.stop();
    worker.join().await.unwrap();
}
