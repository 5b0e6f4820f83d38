//! A small L2 and batches on it.

use mina_curves::{Fp, Fq};
use mina_ledger::{
    Domain,
    hash::{command_hashes, push_actions},
    ledger::{FullLedger, Ledger},
    logic::NoProofs,
    rollup::{
        BridgeParameters, ChainId, DataCommitment, DepositAction, Message, OutboxEntry,
        bridge_account, bridge_id,
    },
    signature::{sign_payload, sign_zkapp_command},
    types::{
        Account, AccountId, AccountUpdate, Amount, Authorization, AuthorizationKind, Body,
        CallForest, Era, FeePayer, FeePayerBody, Memo, Nonce, PrivateKey, PublicKey, Sign,
        Signature, SignedAmount, SignedCommand, SignedCommandBody, SignedCommandPayload, Slot,
        ZkappCommand,
    },
};
use zeko_derive::{
    Batch, BatchBuilder, ChainParameters, ChainState, Command, EntryKind, Envelope, ExecuteError,
    execute_batch,
};

pub(crate) const MINA: u64 = 1_000_000_000;
pub(crate) const GENESIS_INBOX: u64 = 77;

pub(crate) fn secret(index: u64) -> PrivateKey {
    PrivateKey::new(Fq::from(1000 + index)).unwrap()
}

pub(crate) fn user(index: u64) -> PublicKey {
    secret(index).to_public_key()
}

pub(crate) fn chain() -> ChainId {
    ChainId::new("da-test").unwrap()
}

pub(crate) fn parameters() -> ChainParameters {
    ChainParameters {
        l1_network: ChainId::new("testnet").unwrap(),
        rollup_account: user(900),
        chain: ChainId::new("zeko-test").unwrap(),
        domain: Domain::default(),
        account_creation_fee: Amount::new(MINA / 10),
        minimum_fee: Amount::new(1_000_000),
        bridge: BridgeParameters {
            minimum_withdrawal: Amount::new(MINA),
            deposit_fee: Amount::new(1000),
        },
        message_quota: 32,
        sequencers: vec![user(800)],
    }
}

/// Users 0 to 9 with 1000 MINA each behind the bridge account; 9 receives fees.
pub(crate) fn genesis() -> (FullLedger, ChainState) {
    let mut accounts = vec![bridge_account(Fp::from(GENESIS_INBOX), Era::Berkeley)];
    accounts
        .extend((0..10).map(|i| {
            Account::new(AccountId::of(user(i)), Amount::new(1000 * MINA), Era::Berkeley)
        }));
    let mut ledger = FullLedger::from_accounts(accounts, Era::Berkeley).unwrap();
    let state = ChainState::genesis(&mut ledger).unwrap();
    (ledger, state)
}

pub(crate) fn payment(from: u64, to: u64, amount: u64, nonce: u32) -> Command {
    let payload = SignedCommandPayload {
        fee: Amount::new(MINA / 100),
        fee_payer: user(from),
        nonce: Nonce::new(nonce),
        valid_until: Slot::MAX,
        memo: Memo::EMPTY,
        body: SignedCommandBody::Payment { receiver: user(to), amount: Amount::new(amount) },
    };
    let signature = sign_payload(&payload, &secret(from), &Domain::default()).unwrap();
    Command::Signed(SignedCommand { payload, signature })
}

fn update(id: AccountId, change: i64) -> Body {
    let mut body = Body::new(id, Era::Berkeley);
    let sign = if change < 0 { Sign::Negative } else { Sign::Positive };
    body.balance_change = SignedAmount { magnitude: Amount::new(change.unsigned_abs()), sign };
    body
}

pub(crate) fn zkapp(from: u64, nonce: u32, updates: Vec<Body>) -> Command {
    let mut forest = CallForest::new();
    for body in updates {
        let authorization = match body.authorization_kind {
            AuthorizationKind::Signature => Authorization::Signature(Signature::DUMMY),
            _ => Authorization::None,
        };
        forest.push(AccountUpdate { body, authorization }, 0).unwrap();
    }
    let mut command = ZkappCommand {
        fee_payer: FeePayer {
            body: FeePayerBody {
                public_key: user(from),
                fee: Amount::new(MINA / 100),
                valid_until: None,
                nonce: Nonce::new(nonce),
            },
            authorization: Signature::DUMMY,
        },
        account_updates: forest,
        memo: Memo::EMPTY,
    };
    let hashes = command_hashes(&command, &Domain::default());
    sign_zkapp_command(&mut command, &hashes, &secret(from), &Domain::default()).unwrap();
    Command::Zkapp(command)
}

pub(crate) fn transfer(from: u64, to: u64, amount: i64, nonce: u32) -> Command {
    let mut sender = update(AccountId::of(user(from)), -amount);
    sender.authorization_kind = AuthorizationKind::Signature;
    sender.use_full_commitment = true;
    zkapp(from, nonce, vec![sender, update(AccountId::of(user(to)), amount)])
}

pub(crate) fn withdrawal(from: u64, amount: i64, nonce: u32) -> Command {
    let mut sender = update(AccountId::of(user(from)), -amount);
    sender.authorization_kind = AuthorizationKind::Signature;
    sender.use_full_commitment = true;
    let entry = OutboxEntry::Withdrawal {
        recipient: user(from),
        amount: Amount::new(amount.unsigned_abs()),
    };
    let mut bridge = update(bridge_id(), amount);
    bridge.actions = entry.to_actions();
    zkapp(from, nonce, vec![sender, bridge])
}

pub(crate) fn deposit(to: u64, amount: u64, timeout: u32) -> DepositAction {
    DepositAction {
        recipient: user(to),
        amount: Amount::new(amount),
        timeout: Slot::new(timeout),
        refund_to: user(to),
    }
}

/// The L1's inbox of some deposits.
pub(crate) fn inbox(deposits: &[DepositAction]) -> (Fp, Vec<Fp>) {
    let actions = deposits.iter().map(DepositAction::action_hash).collect();
    (Fp::from(GENESIS_INBOX), actions)
}

pub(crate) fn inbox_state(deposits: &[DepositAction]) -> Fp {
    let hashes = deposits.iter().map(DepositAction::action_hash);
    hashes.fold(Fp::from(GENESIS_INBOX), push_actions)
}

/// A block of a scenario.
#[derive(Clone, Default)]
pub(crate) struct Plan {
    pub(crate) slot: u32,
    pub(crate) messages: Vec<Message>,
    pub(crate) commands: Vec<Command>,
}

/// A sequencer's side of the story.
#[derive(Clone)]
pub(crate) struct Sequencer {
    pub(crate) parameters: ChainParameters,
    pub(crate) ledger: FullLedger,
    pub(crate) state: ChainState,
}

impl Sequencer {
    pub(crate) fn new() -> Self {
        let (ledger, state) = genesis();
        Self { parameters: parameters(), ledger, state }
    }

    pub(crate) fn batch(&mut self, generation: u32, plans: &[Plan]) -> Batch {
        let mut builder = BatchBuilder::new(&self.parameters, self.state, generation, user(9));
        for plan in plans {
            let mut block = builder.block(&mut self.ledger, Slot::new(plan.slot));
            for message in &plan.messages {
                block.message(*message).unwrap();
            }
            for command in &plan.commands {
                block.command(command.clone()).unwrap();
            }
            block.close().unwrap();
        }
        let (batch, state) = builder.close(&mut self.ledger).unwrap();
        self.state = state;
        self.state.data = DataCommitment::new(&batch.encode().unwrap());
        batch
    }
}

/// A batch with every kind of item, the inbox that it consumes, and the sequencer behind it.
pub(crate) fn rich_batch() -> (Batch, (Fp, Vec<Fp>), Sequencer) {
    let mut sequencer = Sequencer::new();
    let deposits = [deposit(3, 5 * MINA, 100), deposit(50, 2 * MINA, 100), deposit(4, MINA, 5)];
    let unopened = deposit(5, MINA, 100);
    let mut all = deposits.to_vec();
    all.push(unopened);
    let plans = [
        Plan {
            slot: 10,
            messages: deposits.into_iter().map(Message::Deposit).collect(),
            commands: vec![payment(0, 1, MINA, 0), transfer(1, 6, 3 * MINA as i64, 0)],
        },
        Plan {
            slot: 11,
            messages: vec![Message::Unopened(unopened.action_hash())],
            // The last one fails: its amount is more than there is.
            commands: vec![
                withdrawal(2, 4 * MINA as i64, 0),
                transfer(3, 4, 5000 * MINA as i64, 0),
            ],
        },
    ];
    let batch = sequencer.batch(0, &plans);
    (batch, inbox(&all), sequencer)
}

/// Executes on the genesis ledger.
pub(crate) fn run(batch: &Batch, inbox: &(Fp, Vec<Fp>)) -> Result<ChainState, ExecuteError> {
    let (mut ledger, state) = genesis();
    let data = DataCommitment::new(&batch.encode().unwrap());
    let before = ledger.root().unwrap();
    let result = execute_batch(&mut ledger, &state, batch, data, &parameters(), inbox, &NoProofs);
    if result.is_err() {
        assert_eq!(ledger.root().unwrap(), before, "a refused batch changes nothing");
    }
    result
}

pub(crate) fn envelope(kind: EntryKind, namespace: Fp, data: Vec<u8>) -> Envelope {
    Envelope::sign(chain(), kind, namespace, data, &secret(800)).unwrap()
}
