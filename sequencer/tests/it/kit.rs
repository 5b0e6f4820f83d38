//! Keys with funds, commands of theirs, and sequencers in directories that go away.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use mina_curves::Fq;
use mina_ledger::{
    Domain,
    hash::{TransactionHash, command_hashes},
    signature::{sign_payload, sign_zkapp_command},
    types::{
        AccountId, AccountUpdate, Amount, Authorization, AuthorizationKind, Body, CallForest, Era,
        FeePayer, FeePayerBody, Memo, Nonce, PrivateKey, PublicKey, Signature, SignedAmount,
        SignedCommand, SignedCommandBody, SignedCommandPayload, Slot, ZkappCommand,
    },
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;
use zeko_sequencer::{
    AdminConfig, BatchConfig, Command, CommandStatus, GenesisAccount, GenesisConfig, Sequencer,
    SequencerConfig, SequencerError, SequencerHandle,
};

pub(crate) const FEE: u64 = 10_000_000;
pub(crate) const FUNDS: u64 = 1_000_000_000_000;
pub(crate) const TOKEN: &str = "a token of some length";

pub(crate) fn key(n: u64) -> PrivateKey {
    PrivateKey::new(Fq::from(1000 + n)).unwrap()
}

pub(crate) fn public(n: u64) -> PublicKey {
    key(n).to_public_key()
}

pub(crate) fn id(n: u64) -> AccountId {
    AccountId::of(public(n))
}

pub(crate) fn domain() -> Domain {
    Domain::default()
}

/// A directory that is removed at the end.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        let name = format!("zeko-sequencer-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Users 0 to 9 with funds, the sequencer is user 9.
pub(crate) fn config(dir: &Path) -> SequencerConfig {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let mut config = SequencerConfig {
        data_dir: dir.to_owned(),
        genesis: GenesisConfig {
            accounts: (0..10)
                .map(|n| GenesisAccount { public_key: public(n), balance: Amount::new(FUNDS) })
                .collect(),
            timestamp_ms: 1_700_000_000_000,
            ..GenesisConfig::default()
        },
        block_ms: 100,
        tick_ms: 5,
        batch: BatchConfig { max_blocks: 4, max_age_ms: 60_000, ..BatchConfig::default() },
        graphql_listen: any,
        health_listen: any,
        admin: Some(AdminConfig { listen: any, token: TOKEN.into() }),
        ..SequencerConfig::default()
    };
    config.rpc.listen = any;
    config
}

pub(crate) async fn start(config: SequencerConfig) -> Result<Sequencer, SequencerError> {
    Sequencer::start(config, key(9), &CancellationToken::new()).await
}

pub(crate) async fn stop(sequencer: Sequencer) {
    sequencer.stop();
    sequencer.join().await.unwrap();
}

pub(crate) fn payment_of(from: u64, nonce: u32, amount: u64, fee: u64) -> SignedCommand {
    let payload = SignedCommandPayload {
        fee: Amount::new(fee),
        fee_payer: public(from),
        nonce: Nonce::new(nonce),
        valid_until: Slot::MAX,
        memo: Memo::EMPTY,
        body: SignedCommandBody::Payment {
            receiver: public((from + 1) % 10),
            amount: Amount::new(amount),
        },
    };
    sign(payload, from)
}

pub(crate) fn sign(payload: SignedCommandPayload, by: u64) -> SignedCommand {
    let signature = sign_payload(&payload, &key(by), &domain()).unwrap();
    SignedCommand { payload, signature }
}

pub(crate) fn payment(from: u64, nonce: u32) -> Command {
    Command::Signed(payment_of(from, nonce, 1000, FEE))
}

/// A zkApp command that moves `amount` and, if `unbalanced`, fails for it.
pub(crate) fn transfer(from: u64, nonce: u32, amount: u64, unbalanced: bool) -> ZkappCommand {
    let mut sender = Body::new(id(from), Era::Berkeley);
    sender.balance_change = SignedAmount::negative(Amount::new(amount));
    sender.use_full_commitment = true;
    sender.authorization_kind = AuthorizationKind::Signature;
    let mut receiver = Body::new(id((from + 1) % 10), Era::Berkeley);
    let received = if unbalanced { amount + 1 } else { amount };
    receiver.balance_change = SignedAmount::positive(Amount::new(received));
    let body = FeePayerBody {
        public_key: public(from),
        fee: Amount::new(FEE),
        valid_until: None,
        nonce: Nonce::new(nonce),
    };
    let mut command = ZkappCommand {
        fee_payer: FeePayer { body, authorization: Signature::DUMMY },
        account_updates: CallForest::flat([
            AccountUpdate {
                body: sender,
                authorization: Authorization::Signature(Signature::DUMMY),
            },
            AccountUpdate { body: receiver, authorization: Authorization::None },
        ]),
        memo: Memo::EMPTY,
    };
    sign_zkapp(&mut command, from);
    command
}

pub(crate) fn sign_zkapp(command: &mut ZkappCommand, by: u64) {
    let hashes = command_hashes(command, &domain());
    sign_zkapp_command(command, &hashes, &key(by), &domain()).unwrap();
}

/// mina-signer's JSON of a payment.
pub(crate) fn payment_json(command: &SignedCommand) -> Value {
    let SignedCommand { payload, signature } = command;
    let SignedCommandBody::Payment { receiver, amount } = payload.body else {
        panic!("not a payment")
    };
    json!({
        "data": {
            "to": receiver, "from": payload.fee_payer, "fee": payload.fee, "amount": amount,
            "nonce": payload.nonce, "memo": "", "validUntil": payload.valid_until,
        },
        "signature": {
            "field": mina_ledger::types::to_decimal(signature.r),
            "scalar": mina_ledger::types::to_decimal(signature.s),
        },
    })
}

/// Waits until a command is in a closed block, or is refused for good.
pub(crate) async fn settled(handle: &SequencerHandle, hash: &TransactionHash) -> CommandStatus {
    use zeko_sequencer::graphql::MinaNode;
    for _ in 0..3000 {
        let status = handle.status(hash);
        let done = match &status {
            CommandStatus::Included { height, .. } => *height <= handle.tip().height.get(),
            CommandStatus::Rejected { .. } => true,
            _ => false,
        };
        if done {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{hash} is {:?}", handle.status(hash))
}

/// Sends bytes, reads until the server closes.
pub(crate) async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may answer and close before it has read all.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(120), stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

pub(crate) fn http(method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{headers}\
         connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

pub(crate) fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

pub(crate) fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// The JSON in an answer.
pub(crate) fn json_of(answer: &str) -> Value {
    serde_json::from_str(body(answer)).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

pub(crate) async fn rpc(address: SocketAddr, method: &str, params: Value) -> Value {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    json_of(&exchange(address, &http("POST", "/", "", &request.to_string())).await)
}

pub(crate) async fn graphql(address: SocketAddr, query: &str, variables: Value) -> Value {
    let request = json!({ "query": query, "variables": variables });
    json_of(&exchange(address, &http("POST", "/graphql", "", &request.to_string())).await)
}
