//! Commands on their way through a sequencer.

use std::time::Duration;

use mina_ledger::{
    logic::TransactionFailure,
    rollup::SignedStatement,
    types::{Amount, Nonce, Slot},
};
use serde_json::{Value, json};
use zeko_sequencer::{
    Command, CommandStatus, SequencerError,
    graphql::{MinaNode, SubmitError},
};

use crate::kit::{
    Directory, FEE, FUNDS, TOKEN, body, config, exchange, graphql, http, id, json_of, payment,
    payment_json, payment_of, public, rpc, settled, sign, sign_zkapp, start, status, stop,
    transfer,
};

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_executed_confirmed_and_kept() {
    let dir = Directory::new();
    let sequencer = start(config(&dir.0)).await.unwrap();
    let handle = sequencer.handle().clone();
    let mut hashes = Vec::new();
    for nonce in 0..3 {
        hashes.push(handle.submit(payment(0, nonce)).await.unwrap());
    }
    let good = Command::Zkapp(transfer(2, 0, 5000, false).into());
    let bad = Command::Zkapp(transfer(3, 0, 5000, true).into());
    hashes.push(handle.submit(good).await.unwrap());
    hashes.push(handle.submit(bad).await.unwrap());
    let mut before = Vec::new();
    for hash in &hashes {
        let status = settled(&handle, hash).await;
        assert!(matches!(status, CommandStatus::Included { .. }), "{status:?}");
        let confirmation = handle.confirmation(hash).unwrap();
        confirmation.statement.verify(&confirmation.signature, &confirmation.signer).unwrap();
        assert_eq!(confirmation.signer, public(9));
        before.push((status, confirmation));
    }
    let CommandStatus::Included { failures: Some(failures), .. } = &before[4].0 else {
        panic!("{:?}", before[4])
    };
    assert!(failures.iter().flatten().any(|one| *one == TransactionFailure::InvalidFeeExcess));
    assert!(!before[4].1.statement.applied);
    let balance = |n: u64| handle.account(&id(n)).unwrap().account.balance.get();
    assert_eq!(balance(0), FUNDS - 3 * (FEE + 1000));
    assert_eq!(balance(1), FUNDS + 3 * 1000);
    assert_eq!(balance(2), FUNDS - FEE - 5000);
    assert_eq!(balance(3), FUNDS - FEE + 5000);
    // The batch closes after some blocks, and the fees are the sequencer's.
    while handle.batches(0, 10).is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let batch = handle.batches(0, 10)[0].clone();
    assert_eq!((batch.number, batch.first_height), (0, 0));
    while handle.batches(0, 10).iter().map(|batch| batch.commands).sum::<u64>() < 5 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((0..10).map(balance).sum::<u64>(), 10 * FUNDS);
    let tip = handle.tip();
    // It keeps the store open.
    drop(handle);
    stop(sequencer).await;

    // Everything is as it was after a restart.
    let sequencer = start(config(&dir.0)).await.unwrap();
    let handle = sequencer.handle();
    assert!(handle.tip().height >= tip.height);
    for (hash, (status, confirmation)) in hashes.iter().zip(&before) {
        assert_eq!(handle.status(hash), *status);
        assert_eq!(handle.confirmation(hash).unwrap(), *confirmation);
    }
    let history = graphql(
        sequencer.addresses().graphql,
        "query($k: String) { fullTransactions(query: {publicKey: $k}) { kind nonce } }",
        json!({ "k": public(2).to_base58() }),
    )
    .await;
    // User 2 sent a zkApp command and received none of the payments.
    assert_eq!(history["data"]["fullTransactions"], json!([{ "kind": "ZKAPP", "nonce": 0 }]));
    stop(sequencer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_and_two_chains_do_not_share_a_directory() {
    let dir = Directory::new();
    let sequencer = start(config(&dir.0)).await.unwrap();
    let second = start(config(&dir.0)).await;
    assert!(matches!(second, Err(SequencerError::InUse { .. })), "{second:?}");
    stop(sequencer).await;
    let mut other = config(&dir.0);
    other.genesis.chain_id = "another".into();
    let second = start(other).await;
    assert!(matches!(second, Err(SequencerError::OtherChain { .. })), "{second:?}");
    // And it was not harmed.
    stop(start(config(&dir.0)).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_rpc_and_graphql_agree() {
    let dir = Directory::new();
    let sequencer = start(config(&dir.0)).await.unwrap();
    let addresses = sequencer.addresses();
    let sent =
        rpc(addresses.rpc, "zeko_sendPayment", json!([payment_json(&payment_of(0, 0, 7, FEE))]));
    let first = sent.await["result"].as_str().unwrap().to_owned();
    let many = json!([[
        { "payment": payment_json(&payment_of(0, 1, 7, FEE)) },
        { "zkapp": transfer(1, 0, 9, false) },
        { "payment": payment_json(&payment_of(0, 9, 7, FEE)) },
        { "nothing": 1 },
    ]]);
    let answer = rpc(addresses.rpc, "zeko_sendMany", many).await;
    let results = answer["result"].as_array().unwrap_or_else(|| panic!("{answer}"));
    assert!(results[0]["hash"].is_string() && results[1]["hash"].is_string(), "{answer}");
    assert!(results[2]["error"].as_str().unwrap().contains("Invalid_nonce"), "{answer}");
    assert!(results[3]["error"].is_string(), "{answer}");
    for sent in [first.as_str(), results[1]["hash"].as_str().unwrap()] {
        let hash = mina_ledger::hash::TransactionHash::from_base58(sent).unwrap();
        settled(sequencer.handle(), &hash).await;
    }
    let status = rpc(addresses.rpc, "zeko_status", json!([first])).await;
    assert_eq!(status["result"]["status"], "included");
    assert_eq!(status["result"]["applied"], true);
    let confirmation = rpc(addresses.rpc, "zeko_preConfirmation", json!([first])).await;
    assert_eq!(confirmation["result"]["command"], first.as_str());
    assert_eq!(confirmation["result"]["signer"], public(9).to_base58());
    let height = status["result"]["height"].as_u64().unwrap();
    let block = rpc(addresses.rpc, "zeko_block", json!([height])).await;
    let query = "query($h: Int) { block(height: $h) { stateHash
        transactions { userCommands { hash failureReason } } } }";
    let same = graphql(addresses.graphql, query, json!({ "h": height })).await;
    assert_eq!(block["result"]["stateHash"], same["data"]["block"]["stateHash"], "{same}");
    let hashes = same["data"]["block"]["transactions"]["userCommands"].as_array().unwrap();
    assert!(hashes.iter().any(|one| one["hash"] == first.as_str()));
    let account = rpc(addresses.rpc, "zeko_account", json!([public(1).to_base58()])).await;
    assert_eq!(account["result"]["nonce"], "1");
    for (method, params) in [
        ("zeko_status", json!(["5J"])),
        ("zeko_status", json!([])),
        ("zeko_account", json!(["B62"])),
        ("zeko_sendPayment", json!([{ "data": 1 }])),
        ("zeko_sendZkapp", json!(["x"])),
        ("zeko_nothing", json!([])),
    ] {
        let answer = rpc(addresses.rpc, method, params).await;
        assert!(answer["error"]["message"].is_string(), "{method}: {answer}");
    }
    let oversized = exchange(addresses.rpc, &http("POST", "/", "", &"x".repeat(5 << 20))).await;
    assert_eq!(crate::kit::status(&oversized), "413");
    stop(sequencer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_commands_are_refused_for_their_reason() {
    let dir = Directory::new();
    let mut config = config(&dir.0);
    config.pool.max_per_account = 3;
    let sequencer = start(config).await.unwrap();
    let handle = sequencer.handle();
    let send = async |command: Command| handle.submit(command).await.unwrap_err();
    let signed = |change: &dyn Fn(&mut mina_ledger::types::SignedCommandPayload)| {
        let mut payload = payment_of(0, 0, 1000, FEE).payload;
        change(&mut payload);
        Command::Signed(sign(payload, 0))
    };
    let mut forged = payment_of(0, 0, 1000, FEE);
    forged.payload.fee = Amount::new(FEE + 1);
    let error = send(Command::Signed(forged)).await;
    assert!(matches!(error, SubmitError::InvalidSignature { .. }), "{error}");
    let error = send(signed(&|p| p.nonce = Nonce::new(1))).await;
    let expected = Nonce::ZERO;
    assert_eq!(error, SubmitError::InvalidNonce { expected, got: Nonce::new(1) });
    let error = send(signed(&|p| p.fee = Amount::new(1))).await;
    assert!(matches!(error, SubmitError::Malformed { .. }), "{error}");
    let error = send(signed(&|p| p.valid_until = Slot::ZERO)).await;
    assert_eq!(error, SubmitError::Expired);
    let error = send(signed(&|p| p.fee = Amount::new(FUNDS))).await;
    assert!(matches!(error, SubmitError::InsufficientFunds { .. }), "{error}");
    let mut stranger = payment_of(0, 0, 1000, FEE).payload;
    stranger.fee_payer = public(77);
    let error = send(Command::Signed(sign(stranger, 77))).await;
    assert_eq!(error, SubmitError::FeePayerNotFound);
    let bridge = mina_ledger::rollup::bridge_public_key();
    let to_bridge =
        mina_ledger::types::SignedCommandBody::Payment { receiver: bridge, amount: Amount::new(1) };
    let error = send(signed(&|p| p.body = to_bridge)).await;
    assert_eq!(error, SubmitError::Reserved);
    // What the circuits do not open.
    let mut withdrawal = transfer(4, 0, 5_000_000_000, false);
    for update in withdrawal.account_updates.updates_mut().skip(1) {
        update.body.public_key = bridge;
        update.body.actions = vec![vec![mina_curves::Fp::from(1u64); 2]];
    }
    sign_zkapp(&mut withdrawal, 4);
    let error = send(Command::Zkapp(withdrawal.into())).await;
    assert!(matches!(error, SubmitError::Malformed { .. }), "{error}");
    // Signed for another network.
    let mainnet =
        mina_ledger::Domain::new(mina_ledger::types::NetworkId::Mainnet, Default::default());
    let payload = payment_of(0, 0, 1000, FEE).payload;
    let signature =
        mina_ledger::signature::sign_payload(&payload, &crate::kit::key(0), &mainnet).unwrap();
    let error =
        send(Command::Signed(mina_ledger::types::SignedCommand { payload, signature })).await;
    assert!(matches!(error, SubmitError::InvalidSignature { .. }), "{error}");
    // A proof that is none, of an account without a key.
    let mut proved = transfer(4, 0, 1, false);
    for update in proved.account_updates.updates_mut().skip(1) {
        update.body.authorization_kind =
            mina_ledger::types::AuthorizationKind::Proof(mina_curves::Fp::from(1u64));
        let proof = mina_ledger::types::Proof(b"(nonsense)".as_slice().into());
        update.authorization = mina_ledger::types::Authorization::Proof(proof);
    }
    sign_zkapp(&mut proved, 4);
    let error = send(Command::Zkapp(proved.into())).await;
    assert!(matches!(error, SubmitError::InvalidProof { .. }), "{error}");
    // One bad signature does not harm the others of a batch.
    let mut wrong = payment_of(5, 0, 1000, FEE);
    wrong.signature.s += mina_curves::Fq::from(1u64);
    let (good, bad) =
        tokio::join!(handle.submit(payment(6, 0)), handle.submit(Command::Signed(wrong)));
    assert!(good.is_ok() && bad.is_err(), "{good:?} {bad:?}");
    // The same again is refused, in the mempool and in a block.
    let error = send(payment(6, 0)).await;
    assert!(matches!(error, SubmitError::Duplicate | SubmitError::InvalidNonce { .. }), "{error}");
    settled(handle, &good.unwrap()).await;
    let error = send(payment(6, 0)).await;
    assert!(matches!(error, SubmitError::Duplicate | SubmitError::InvalidNonce { .. }), "{error}");
    stop(sequencer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_metrics_and_admin() {
    let dir = Directory::new();
    let sequencer = start(config(&dir.0)).await.unwrap();
    let addresses = sequencer.addresses();
    let get = async |path: &str| exchange(addresses.health, &http("GET", path, "", "")).await;
    assert_eq!(status(&get("/livez").await), "200");
    assert_eq!(status(&get("/readyz").await), "200");
    let hash = sequencer.handle().submit(payment(0, 0)).await.unwrap();
    settled(sequencer.handle(), &hash).await;
    let metrics = get("/metrics").await;
    for name in ["zeko_commands_accepted_total", "zeko_blocks_total", "zeko_mempool_commands"] {
        assert!(metrics.contains(name), "{name}: {metrics}");
    }
    let admin = addresses.admin.unwrap();
    let ask = async |headers: &str, path: &str, text: &str| {
        exchange(admin, &http("POST", path, headers, text)).await
    };
    let token = format!("authorization: Bearer {TOKEN}\r\n");
    assert_eq!(status(&ask("", "/stop", "").await), "401");
    assert_eq!(status(&ask("authorization: Bearer wrong\r\n", "/stop", "").await), "401");
    assert_eq!(status(&ask(&token, "/rollback", "{\"height\": 4000000000}").await), "409");
    assert_eq!(status(&ask(&token, "/rollback", "{\"height\": -1}").await), "422");
    assert_eq!(status(&ask(&token, "/stop", "").await), "202");
    sequencer.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_are_rolled_back_and_their_commands_come_again() {
    let dir = Directory::new();
    let sequencer = start(config(&dir.0)).await.unwrap();
    let handle = sequencer.handle().clone();
    let mut hashes = vec![handle.submit(payment(0, 0)).await.unwrap()];
    settled(&handle, &hashes[0]).await;
    let kept = handle.tip();
    for nonce in 0..4 {
        let hash = handle.submit(payment(1, nonce)).await.unwrap();
        settled(&handle, &hash).await;
        hashes.push(hash);
    }
    let old = handle.confirmation(&hashes[2]).unwrap();
    let order = |hashes: &[mina_ledger::hash::TransactionHash]| {
        let place = |hash| match handle.status(hash) {
            CommandStatus::Included { height, index, .. } => (height, index),
            other => panic!("{other:?}"),
        };
        hashes.iter().map(place).collect::<Vec<_>>()
    };
    assert!(order(&hashes).is_sorted());
    let token = format!("authorization: Bearer {TOKEN}\r\n");
    let request = json!({ "height": kept.height.get() }).to_string();
    let admin = sequencer.addresses().admin.unwrap();
    let answer = exchange(admin, &http("POST", "/rollback", &token, &request)).await;
    assert_eq!(json_of(&answer), json!({ "commands": 4 }), "{answer}");
    for hash in &hashes {
        settled(&handle, hash).await;
    }
    assert!(order(&hashes).is_sorted());
    let new = handle.confirmation(&hashes[2]).unwrap();
    assert_eq!(new.statement.generation, old.statement.generation + 1);
    assert_eq!(handle.account(&id(1)).unwrap().account.nonce, Nonce::new(4));
    let again = order(&hashes);
    let balances: Vec<Amount> =
        (0..10).map(|n| handle.account(&id(n)).unwrap().account.balance).collect();
    drop(handle);
    stop(sequencer).await;
    // Also after a restart, with the rollback in the log.
    let sequencer = start(config(&dir.0)).await.unwrap();
    let handle = sequencer.handle();
    for (hash, place) in hashes.iter().zip(again) {
        let CommandStatus::Included { height, index, .. } = handle.status(hash) else {
            panic!("{:?}", handle.status(hash))
        };
        assert_eq!((height, index), place);
    }
    let after = |n: u64| handle.account(&id(n)).unwrap().account.balance;
    // Fees may have been credited in the meantime.
    assert_eq!((0..9).map(after).collect::<Vec<_>>(), balances[..9]);
    stop(sequencer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_rewritten() {
    let dir = Directory::new();
    let mut config = config(&dir.0);
    config.log_rewrite_bytes = 2000;
    let sequencer = start(config.clone()).await.unwrap();
    let mut hashes = Vec::new();
    for nonce in 0..20 {
        hashes.push(sequencer.handle().submit(payment(0, nonce)).await.unwrap());
        if nonce % 5 == 0 {
            settled(sequencer.handle(), hashes.last().unwrap()).await;
        }
    }
    settled(sequencer.handle(), hashes.last().unwrap()).await;
    while std::fs::metadata(dir.0.join("log")).unwrap().len() > 2500 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop(sequencer).await;
    let sequencer = start(config).await.unwrap();
    for hash in &hashes {
        assert!(matches!(sequencer.handle().status(hash), CommandStatus::Included { .. }));
    }
    assert_eq!(sequencer.handle().account(&id(0)).unwrap().account.nonce, Nonce::new(20));
    stop(sequencer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_are_refused_and_leave_room_for_better_fees() {
    let dir = Directory::new();
    let mut config = config(&dir.0);
    config.block_ms = 60_000;
    config.tick_ms = 60_000;
    config.pool.max_commands = 10;
    config.fees.max_multiplier = 1;
    let sequencer = start(config).await.unwrap();
    let handle = sequencer.handle();
    // The builder looks once, then it sleeps: most probably now, at the latest while this fills.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut low = Vec::new();
    for nonce in 0.. {
        let Ok(hash) = handle.submit(payment(0, nonce)).await else { break };
        low.push((nonce, hash));
    }
    low.retain(|(_, hash)| handle.status(hash) == CommandStatus::Pending);
    assert_eq!(low.len(), 10);
    let full = handle.submit(payment(1, 0)).await.unwrap_err();
    assert!(matches!(full, SubmitError::Overloaded { .. }), "{full}");
    let health = exchange(sequencer.addresses().health, &http("GET", "/readyz", "", "")).await;
    assert_eq!(status(&health), "503");
    assert!(body(&health).contains("the mempool is full"), "{health}");
    let better = Command::Signed(payment_of(2, 0, 1000, 2 * FEE));
    handle.submit(better).await.unwrap();
    let evicted = handle.status(&low.last().unwrap().1);
    let reason = "evicted by a higher fee".to_owned();
    assert_eq!(evicted, CommandStatus::Rejected { reason });
    assert_eq!(handle.status(&low[0].1), CommandStatus::Pending);
    // A higher fee replaces, a slightly higher one does not.
    let bump = |fee| Command::Signed(payment_of(0, low[3].0, 1000, fee));
    let error = handle.submit(bump(FEE + 1)).await.unwrap_err();
    assert!(matches!(error, SubmitError::InsufficientReplaceFee { .. }), "{error}");
    let error = handle.submit(bump(2 * FEE)).await;
    assert!(error.is_err() || handle.status(&low[3].1) != CommandStatus::Pending, "{error:?}");
    stop(sequencer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graphql_client_sends_and_sees_its_command() {
    let dir = Directory::new();
    let sequencer = start(config(&dir.0)).await.unwrap();
    let address = sequencer.addresses().graphql;
    let send = "mutation($c: ZkappCommandInput!) {
        sendZkapp(input: { zkappCommand: $c }) { zkapp { hash id failureReason { index } } } }";
    let sent = graphql(address, send, json!({ "c": transfer(0, 0, 5, true) })).await;
    let zkapp = &sent["data"]["sendZkapp"]["zkapp"];
    let (hash, id) = (zkapp["hash"].clone(), zkapp["id"].clone());
    assert!(hash.is_string(), "{sent}");
    // What o1js asks until it finds the hash.
    let chain = "{ bestChain(maxLength: 20) { transactions { zkappCommands { hash
        failureReason { failures index } } }
        stateHash protocolState { consensusState { blockHeight } previousStateHash } } }";
    let found = loop {
        let answer = graphql(address, chain, json!({})).await;
        let blocks = answer["data"]["bestChain"].as_array().unwrap().clone();
        let heights: Vec<u32> = blocks
            .iter()
            .map(|block| {
                let height = &block["protocolState"]["consensusState"]["blockHeight"];
                height.as_str().unwrap().parse().unwrap()
            })
            .collect();
        assert!(heights.windows(2).all(|pair| pair[0] == pair[1] + 1), "newest first: {heights:?}");
        for pair in blocks.windows(2) {
            assert_eq!(pair[0]["protocolState"]["previousStateHash"], pair[1]["stateHash"]);
        }
        let mut commands = blocks
            .iter()
            .flat_map(|block| block["transactions"]["zkappCommands"].as_array().unwrap());
        if let Some(one) = commands.find(|one| one["hash"] == hash) {
            break one.clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let buckets = found["failureReason"].as_array().unwrap();
    assert_eq!(buckets[0]["index"], "2");
    assert!(
        buckets.iter().any(|one| one["failures"] == json!(["Invalid_fee_excess"])),
        "{buckets:?}"
    );
    let status = graphql(
        address,
        "query($i: ID) { transactionStatus(zkappTransaction: $i) }",
        json!({ "i": id }),
    );
    assert_eq!(status.await["data"]["transactionStatus"], "INCLUDED");
    let wrong = graphql(address, send, json!({ "c": transfer(0, 0, 6, false) })).await;
    assert_eq!(wrong["data"], Value::Null);
    let message = wrong["errors"][0]["message"].as_str().unwrap();
    assert!(
        message.starts_with("Couldn't send zkApp command:") && message.contains("Invalid_nonce"),
        "{message}"
    );
    stop(sequencer).await;
}

/// A WebSocket of JSON-RPC that asks for every pre-confirmation and reads none of them.
async fn lazy_subscriber(address: std::net::SocketAddr) -> tokio::net::TcpStream {
    use tokio::io::AsyncWriteExt;
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let upgrade = "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    let request = json!({
        "jsonrpc": "2.0", "id": 1, "method": "zeko_subscribePreConfirmations", "params": [],
    });
    stream.write_all(&crate::server::frame(&request.to_string())).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_and_slow_subscribers_are_in_nobodys_way() {
    let dir = Directory::new();
    let mut config = config(&dir.0);
    config.rpc.max_connections = 2;
    let sequencer = start(config).await.unwrap();
    let address = sequencer.addresses().rpc;
    let mut lazy = lazy_subscriber(address).await;
    crate::server::read_until(&mut lazy, "101 Switching").await;
    let mut another = lazy_subscriber(address).await;
    crate::server::read_until(&mut another, "101 Switching").await;
    // No more WebSockets, and as many requests as before.
    let mut third = lazy_subscriber(address).await;
    crate::server::read_until(&mut third, "HTTP/1.1 429").await;
    for nonce in 0..60 {
        let payment = payment_json(&payment_of(0, nonce, 7, FEE));
        let sent = rpc(address, "zeko_sendPayment", json!([payment])).await;
        assert!(sent["result"].is_string(), "{sent}");
    }
    let last = Command::Signed(payment_of(0, 59, 7, FEE)).hash();
    settled(sequencer.handle(), &last).await;
    // All of it is there, once somebody reads.
    crate::server::read_until(&mut lazy, &last.to_base58()).await;
    stop(sequencer).await;
}

/// More than the mempool holds, from everybody at the same time.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_fills_the_mempool_and_no_more() {
    let dir = Directory::new();
    let mut config = config(&dir.0);
    // Nothing is executed in the meantime.
    config.block_ms = 3_600_000;
    config.tick_ms = 3_600_000;
    config.pool.max_commands = 50;
    let sequencer = start(config).await.unwrap();
    let address = sequencer.addresses().rpc;
    let payments = |from: u64, fee: u64| {
        let one = |nonce| json!({ "payment": payment_json(&payment_of(from, nonce, 1, fee)) });
        json!([(0..20).map(one).collect::<Vec<_>>()])
    };
    let flood = (0..9).map(|from| rpc(address, "zeko_sendMany", payments(from, 1_000_000_000)));
    let answers = futures_util::future::join_all(flood).await;
    let results: Vec<&Value> =
        answers.iter().flat_map(|a| a["result"].as_array().unwrap()).collect();
    let taken = results.iter().filter(|one| one["hash"].is_string()).count();
    let reasons: Vec<&str> = results.iter().filter_map(|one| one["error"].as_str()).collect();
    assert_eq!((taken, taken + reasons.len()), (50, 180));
    let expected = ["mempool is full", "Invalid_nonce", "Insufficient_fee"];
    for reason in reasons {
        assert!(expected.iter().any(|expected| reason.contains(expected)), "{reason}");
    }
    // Whoever pays more has a place, and the number stays.
    let better = rpc(address, "zeko_sendMany", payments(9, 5_000_000_000)).await;
    let better = better["result"].as_array().unwrap();
    assert!(better.iter().all(|one| one["hash"].is_string()), "{better:?}");
    let token = format!("authorization: Bearer {TOKEN}\r\n");
    let admin = sequencer.addresses().admin.unwrap();
    let state = json_of(&exchange(admin, &http("GET", "/status", &token, "")).await);
    assert_eq!(state["mempool"]["commands"], 50, "{state}");
    stop(sequencer).await;
}
