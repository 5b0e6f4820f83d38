//! The indexer of a sequencer that rolls blocks back.

use std::{net::SocketAddr, time::Duration};

use mina_ledger::{
    Domain,
    signature::sign_payload,
    types::{
        Amount, Era, Memo, NetworkId, Nonce, SignedCommand, SignedCommandBody,
        SignedCommandPayload, Slot,
    },
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use zeko_sdk::keys::development_key;
use zeko_sequencer::{
    AdminConfig, Command, GenesisAccount, GenesisConfig, Sequencer, SequencerConfig,
    graphql::MinaNode,
};

use crate::kit::index;

const SLOT_MS: u64 = 100;
const TOKEN: &str = "sixteen bytes at least";

fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

fn payment(from: u32, valid_until: Slot) -> Command {
    let key = development_key("l2-test", from);
    let receiver = development_key("l2-test", 2).public;
    let payload = SignedCommandPayload {
        fee: Amount::new(10_000_000),
        fee_payer: key.public,
        nonce: Nonce::ZERO,
        valid_until,
        memo: Memo::EMPTY,
        body: SignedCommandBody::Payment { receiver, amount: Amount::new(1_000_000_000) },
    };
    let domain = Domain::new(NetworkId::Testnet, Era::Berkeley);
    let signature = sign_payload(&payload, &key.private, &domain).unwrap();
    Command::Signed(SignedCommand { payload, signature })
}

async fn start(data_dir: &std::path::Path, genesis_ms: u64) -> Sequencer {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let balance = Amount::new(100_000_000_000);
    let account = |n| GenesisAccount { public_key: development_key("l2-test", n).public, balance };
    let mut config = SequencerConfig {
        data_dir: data_dir.into(),
        genesis: GenesisConfig {
            timestamp_ms: genesis_ms,
            slot_ms: SLOT_MS,
            accounts: (0..3).map(account).collect(),
            ..GenesisConfig::default()
        },
        block_ms: 50,
        tick_ms: 5,
        graphql_listen: any,
        health_listen: any,
        admin: Some(AdminConfig { listen: any, token: TOKEN.into() }),
        ..SequencerConfig::default()
    };
    config.rpc.listen = any;
    let key = development_key("l2-test", 9).private;
    Sequencer::start(config, key, &CancellationToken::new()).await.unwrap()
}

async fn post(url: &str, body: &Value) -> Value {
    let request = reqwest::Client::new().post(url).bearer_auth(TOKEN).json(body);
    request.send().await.unwrap().json().await.unwrap()
}

async fn query(url: &str, query: &str) -> Value {
    let answer = post(url, &json!({ "query": query })).await;
    assert!(answer.get("errors").is_none(), "{query}: {answer}");
    answer["data"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_follows_rollbacks_of_the_l2() {
    let folder = tempfile::tempdir().unwrap();
    let genesis_ms = now_ms();
    let sequencer = start(folder.path(), genesis_ms).await;
    let graphql = format!("http://{}/graphql", sequencer.addresses().graphql);

    // Genesis is found by its hash, as any block.
    let genesis = query(&graphql, "{ genesisBlock { stateHash } }").await["genesisBlock"].take();
    let hash = genesis["stateHash"].as_str().unwrap();
    let fields = "stateHash protocolState { consensusState { blockHeight } }";
    let found =
        query(&graphql, &format!(r#"{{ block(stateHash: "{hash}") {{ {fields} }} }}"#)).await;
    assert_eq!(found["block"]["stateHash"], hash);
    assert_eq!(found["block"]["protocolState"]["consensusState"]["blockHeight"], "0");

    let indexer =
        index(&graphql, Duration::from_millis(10), 100_000, &CancellationToken::new()).await;
    let archive = format!("http://{}/graphql", indexer.address());
    let follows = async |hash: &str, state: &str| {
        let ask = format!(r#"{{ commandStatus(hash: "{hash}") {{ state }} }}"#);
        while query(&archive, &ask).await["commandStatus"]["state"] != state {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };

    // One command is valid for six seconds, the other for ever.
    let kept = sequencer.handle().tip().height.get();
    let until = Slot::new(((now_ms() - genesis_ms) / SLOT_MS) as u32 + 60);
    let mortal = sequencer.handle().submit(payment(0, until)).await.unwrap().to_base58();
    let immortal = sequencer.handle().submit(payment(1, Slot::MAX)).await.unwrap().to_base58();
    follows(&mortal, "INCLUDED").await;
    follows(&immortal, "INCLUDED").await;
    while sequencer.handle().tip().slot <= until {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let admin = format!("http://{}/rollback", sequencer.addresses().admin.unwrap());
    assert_eq!(post(&admin, &json!({ "height": kept })).await, json!({ "commands": 2 }));
    follows(&mortal, "ROLLED_BACK").await;
    follows(&immortal, "INCLUDED").await;
    let receiver = development_key("l2-test", 2).public.to_base58();
    let account = format!(r#"{{ account(publicKey: "{receiver}") {{ balance {{ total }} }} }}"#);
    let balance = query(&graphql, &account).await["account"]["balance"]["total"].take();
    assert_eq!(balance, "101000000000");
    indexer.stop();
    indexer.join().await.unwrap();
    sequencer.stop();
    sequencer.join().await.unwrap();
}
