//! JSON-RPC over HTTP and WebSocket.
//!
//! | method | parameters | result |
//! |---|---|---|
//! | `zeko_sendZkapp` | zkApp command, o1js' JSON | hash |
//! | `zeko_sendPayment`, `zeko_sendDelegation` | `{data, signature}`, mina-signer's JSON | hash |
//! | `zeko_sendMany` | list of `{zkapp}`, `{payment}` or `{delegation}` | list of `{hash}` or `{error}` |
//! | `zeko_status` | hash | `{status, …}` |
//! | `zeko_preConfirmation` | hash | statement and signature, or null |
//! | `zeko_account` | public key, token id (optional) | account or null |
//! | `zeko_block` | height, or nothing for the newest | block or null |
//! | `zeko_batches` | first number, most (optional) | list of batches |
//! | `zeko_prepareDeposit` | `{sender, recipient, amount, fee, nonce?}` | zkApp command for the L1 that the sender has to sign |
//! | `zeko_checkSettlement` | zkApp command for the L1 | `{accepted: true, rule}`, or an error with the number of the reason |
//! | `zeko_deposits` | recipient | its deposits and what has become of them, newest first |
//! | `zeko_fee` | weight | the smallest fee now |
//! | `zeko_subscribeBlocks` | | blocks, without their commands |
//! | `zeko_subscribePreConfirmations` | | lists of pre-confirmations |
//! | `zeko_subscribeStatus` | hash | its status whenever that changes, until it is in a closed block |

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request, http::StatusCode, response::IntoResponse};
use jsonrpsee::{
    Methods, RpcModule,
    core::{RegisterMethodError, SubscriptionResult, server::SubscriptionMessage},
    server::{
        BatchRequestConfig, PendingSubscriptionSink, PingConfig, Server, ServerConfig,
        ServerHandle, SubscriptionSink, stop_channel, ws,
    },
    types::{ErrorObjectOwned, Params},
};
use mina_ledger::{
    hash::TransactionHash,
    rollup::{DepositAction, Message},
    types::{
        AccountId, DelegationJson, PaymentJson, PublicKey, SignatureJson, SignedCommand, TokenId,
        ZkappCommand, ledger_hash_to_base58, state_hash_to_base58,
    },
};
use serde::Deserialize;
use serde_json::{Value as Json, json, value::RawValue};
use tokio::sync::broadcast::error::RecvError;
use tower::Service;
use tower_http::cors::CorsLayer;
use zeko_http::{BodyLimits, with_whole_bodies};

use crate::{
    bridge::{Consumed, DepositRequest, SettlementRefused, message_json, receipt_name},
    command::Command,
    config::RpcConfig,
    graphql::{Block, BlockSelector, MinaNode, NodeEvent, SubmitError},
    handle::{CommandStatus, DepositStatus, SequencerHandle, SignedConfirmation},
    store::BatchRecord,
};

/// A command was refused; the message says why in the words of Mina's daemon.
const REFUSED: i32 = -32000;
const INVALID_PARAMS: i32 = -32602;

/// Why a subscription ends that its subscriber does not keep up with.
const TOO_SLOW: &str = "some were missed: subscribe again";

/// Messages that wait for a slow subscriber; then nothing more is signed for it.
const BUFFERED: u32 = 16;

/// Most pre-confirmations of a message.
const CONFIRMATIONS: usize = 100;

/// A WebSocket that does not answer pings for this long is closed.
const PING: Duration = Duration::from_secs(30);

/// JSON-RPC for [`zeko_http::HttpServer`]. WebSockets end when the handle that is returned is
/// stopped or dropped; requests and WebSockets do not take each other's places.
pub(crate) fn router(
    node: SequencerHandle,
    config: RpcConfig,
) -> Result<(Router, ServerHandle), RegisterMethodError> {
    let methods: Methods = module(node, config)?.into();
    let (stop, handle) = stop_channel();
    let limits = || {
        let commands = u32::try_from(config.max_commands).unwrap_or(u32::MAX);
        ServerConfig::builder()
            .max_request_body_size(config.max_body_bytes)
            .max_subscriptions_per_connection(config.max_subscriptions)
            .set_message_buffer_capacity(BUFFERED)
            .set_batch_request_config(BatchRequestConfig::Limit(commands))
    };
    let requests = limits().http_only().max_connections(config.max_requests);
    let ping = PingConfig::new().ping_interval(PING).inactive_limit(2 * PING).max_failures(1);
    let sockets = limits().ws_only().max_connections(config.max_connections).enable_ws_ping(ping);
    let service = |limits: ServerConfig| Server::builder().set_config(limits).to_service_builder();
    let (requests, sockets) = (service(requests.build()), service(sockets.build()));
    let answer = move |request: Request| {
        let builder = if ws::is_upgrade_request(&request) { &sockets } else { &requests };
        let mut service = builder.clone().build(methods.clone(), stop.clone());
        async move {
            match service.call(request).await {
                Ok(response) => response.map(Body::new),
                Err(error) => {
                    tracing::warn!(%error, "JSON-RPC");
                    StatusCode::INTERNAL_SERVER_ERROR.into_response()
                }
            }
        }
    };
    let bodies = BodyLimits { bytes: config.max_body_bytes as usize, ..BodyLimits::default() };
    let router = with_whole_bodies(Router::new().fallback(answer), bodies);
    Ok((router.layer(CorsLayer::permissive()), handle))
}

type Answer<T> = Result<T, ErrorObjectOwned>;

fn refused(error: &SubmitError) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(REFUSED, error.to_string(), Some(error.label()))
}

fn invalid(error: impl std::fmt::Display) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(INVALID_PARAMS, error.to_string(), None::<()>)
}

/// A payment or delegation, as mina-signer writes it.
#[derive(Deserialize)]
struct Signed<T> {
    data: T,
    signature: SignatureJson,
}

/// A command of `zeko_sendMany`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum AnyCommand {
    Zkapp(Box<ZkappCommand>),
    Payment(Signed<PaymentJson>),
    Delegation(Signed<DelegationJson>),
}

fn payment(Signed { data, signature }: &Signed<PaymentJson>) -> Answer<Command> {
    let payload = data.to_payload().map_err(invalid)?;
    let signature = (*signature).into();
    Ok(Command::Signed(SignedCommand { payload, signature }))
}

fn delegation(Signed { data, signature }: &Signed<DelegationJson>) -> Answer<Command> {
    let payload = data.to_payload().map_err(invalid)?;
    let signature = (*signature).into();
    Ok(Command::Signed(SignedCommand { payload, signature }))
}

impl AnyCommand {
    fn into_command(self) -> Answer<Command> {
        match self {
            Self::Zkapp(command) => Ok(Command::Zkapp(Arc::new(*command))),
            Self::Payment(signed) => payment(&signed),
            Self::Delegation(signed) => delegation(&signed),
        }
    }
}

/// The only parameter, or the first of a list.
fn first<'a, T: Deserialize<'a>>(params: &'a Params<'_>) -> Answer<T> {
    params.one().map_err(invalid)
}

struct Context {
    node: SequencerHandle,
    config: RpcConfig,
}

impl Context {
    async fn send(&self, command: Answer<Command>) -> Answer<Json> {
        let hash = self.node.submit(command?).await.map_err(|error| refused(&error))?;
        Ok(json!(hash.to_base58()))
    }

    async fn send_many(&self, commands: Vec<Box<RawValue>>) -> Answer<Json> {
        if commands.len() > self.config.max_commands {
            return Err(invalid(format!("more than {} commands", self.config.max_commands)));
        }
        let read = |raw: &RawValue| -> Answer<Command> {
            serde_json::from_str::<AnyCommand>(raw.get()).map_err(invalid)?.into_command()
        };
        let sent = commands.iter().map(async |raw| match self.send(read(raw)).await {
            Ok(hash) => json!({ "hash": hash }),
            Err(error) => json!({ "error": error.message() }),
        });
        Ok(Json::Array(futures_util::future::join_all(sent).await))
    }

    fn status(&self, hash: &TransactionHash) -> Json {
        status_json(&self.node.status(hash))
    }
}

/// What has become of a command, in the words of `zeko_status`.
pub(crate) fn status_json(status: &CommandStatus) -> Json {
    match status {
        CommandStatus::Pending => json!({ "status": "pending" }),
        CommandStatus::Included { height, index, failures, stage } => json!({
            "status": stage,
            "height": height,
            "index": index,
            "applied": failures.is_none(),
            "failures": failures,
        }),
        CommandStatus::Rejected { reason } => json!({ "status": "rejected", "reason": reason }),
        CommandStatus::Unknown => json!({ "status": "unknown" }),
    }
}

/// A batch, as GraphQL has it: with the heights of its blocks as they are everywhere there.
pub(crate) fn batch_json(batch: &BatchRecord) -> Json {
    json!({
        "number": batch.number,
        "generation": batch.generation,
        "firstHeight": batch.first_height.saturating_add(1),
        "lastHeight": batch.last_height.saturating_add(1),
        "commands": batch.commands,
        "messages": batch.messages,
        "fees": batch.fees,
        "stage": batch.stage,
        "data": batch.data,
        "settledBy": batch.settled_by,
    })
}

fn confirmation_json(confirmation: &SignedConfirmation) -> Json {
    let SignedConfirmation { statement, signature, signer } = confirmation;
    json!({
        "chain": mina_ledger::types::to_decimal(statement.chain.field()),
        "generation": statement.generation,
        // As it is signed: the number of blocks before.
        "height": statement.height.get(),
        "parent": state_hash_to_base58(statement.parent),
        "index": statement.index,
        "command": statement.command.to_base58(),
        "applied": statement.applied,
        "signature": signature,
        "signer": signer,
    })
}

fn block_json(block: &Block, with_commands: bool) -> Json {
    let commands = block.commands.iter().map(
        |included| json!({ "hash": included.hash.to_base58(), "failures": included.failures }),
    );
    json!({
        "height": block.height.get(),
        "stateHash": state_hash_to_base58(block.state_hash),
        "parent": state_hash_to_base58(block.parent),
        "slot": block.slot.get(),
        "timestamp": block.timestamp_ms.to_string(),
        "ledgerHash": ledger_hash_to_base58(block.ledger_hash),
        "commandCount": block.commands.len(),
        "messages": block.messages.iter().map(consumed_json).collect::<Vec<_>>(),
        "commands": if with_commands { Some(commands.collect::<Vec<_>>()) } else { None },
    })
}

fn deposit_json(deposit: &DepositAction, status: DepositStatus) -> Json {
    let mut json = message_json(&Message::Deposit(*deposit));
    let status = match status {
        DepositStatus::Relayed => json!({ "status": "relayed" }),
        DepositStatus::Consumed { receipt, height, stage } => {
            json!({ "status": stage, "receipt": receipt_name(receipt), "height": height })
        }
    };
    if let (Json::Object(json), Json::Object(status)) = (&mut json, status) {
        json.extend(status);
    }
    json
}

fn consumed_json(consumed: &Consumed) -> Json {
    let mut json = message_json(&consumed.message);
    json["receipt"] = receipt_name(consumed.receipt).into();
    json
}

fn read_hash(text: &str) -> Answer<TransactionHash> {
    TransactionHash::from_base58(text).map_err(invalid)
}

fn module(
    node: SequencerHandle,
    config: RpcConfig,
) -> Result<RpcModule<Context>, RegisterMethodError> {
    let mut module = RpcModule::new(Context { node, config });
    register_sending(&mut module)?;
    register_queries(&mut module)?;
    register_subscriptions(&mut module)?;
    Ok(module)
}

type Registered = Result<(), RegisterMethodError>;

fn register_sending(module: &mut RpcModule<Context>) -> Registered {
    module.register_async_method("zeko_sendZkapp", async |params, context, _| {
        let command = first::<ZkappCommand>(&params);
        context.send(command.map(|command| Command::Zkapp(command.into()))).await
    })?;
    module.register_async_method("zeko_sendPayment", async |params, context, _| {
        let signed = first::<Signed<PaymentJson>>(&params);
        context.send(signed.and_then(|signed| payment(&signed))).await
    })?;
    module.register_async_method("zeko_sendDelegation", async |params, context, _| {
        let signed = first::<Signed<DelegationJson>>(&params);
        context.send(signed.and_then(|signed| delegation(&signed))).await
    })?;
    module.register_async_method("zeko_sendMany", async |params, context, _| {
        context.send_many(first(&params)?).await
    })?;
    Ok(())
}

fn register_queries(module: &mut RpcModule<Context>) -> Registered {
    module.register_method("zeko_status", |params, context, _| {
        let hash: String = first(&params)?;
        Ok::<_, ErrorObjectOwned>(context.status(&read_hash(&hash)?))
    })?;
    module.register_blocking_method("zeko_preConfirmation", |params, context, _| {
        let hash: String = first(&params)?;
        let found = context.node.confirmation(&read_hash(&hash)?);
        Ok::<_, ErrorObjectOwned>(json!(found.as_ref().map(confirmation_json)))
    })?;
    module.register_method("zeko_account", |params, context, _| {
        let mut params = params.sequence();
        let key: String = params.next()?;
        let token: Option<String> = params.optional_next()?;
        let public_key = PublicKey::from_base58(&key).map_err(invalid)?;
        let token = token.map(|token| TokenId::from_base58(&token)).transpose().map_err(invalid)?;
        let id = AccountId::new(public_key, token.unwrap_or_default());
        Ok::<_, ErrorObjectOwned>(json!(context.node.account(&id).map(|record| record.account)))
    })?;
    module.register_method("zeko_block", |params, context, _| {
        let height: Option<u32> = params.sequence().optional_next()?;
        let block = match height {
            Some(height) => context.node.block(BlockSelector::Height(height.into())),
            None => Some(context.node.tip()),
        };
        Ok::<_, ErrorObjectOwned>(json!(block.map(|block| block_json(&block, true))))
    })?;
    module.register_method("zeko_batches", |params, context, _| {
        let mut params = params.sequence();
        let from: u64 = params.next()?;
        let limit: Option<usize> = params.optional_next()?;
        Ok::<_, ErrorObjectOwned>(json!(context.node.batches(from, limit.unwrap_or(100))))
    })?;
    module.register_async_method("zeko_prepareDeposit", async |params, context, _| {
        let request: DepositRequest = first(&params)?;
        let prepared = context.node.prepare_deposit(request).await;
        let refused = |reason| ErrorObjectOwned::owned(REFUSED, reason, None::<()>);
        Ok::<_, ErrorObjectOwned>(json!(prepared.map_err(refused)?))
    })?;
    module.register_async_method("zeko_checkSettlement", async |params, context, _| {
        let command: ZkappCommand = first(&params)?;
        let refused = |code: i32, reason: String| ErrorObjectOwned::owned(code, reason, None::<()>);
        match context.node.check_settlement(command).await {
            Some(Ok(rule)) => Ok(json!({ "accepted": true, "rule": rule })),
            Some(Err(SettlementRefused { code, reason })) => Err(refused(code.into(), reason)),
            None => Err(refused(REFUSED, "the bridge is not ready".into())),
        }
    })?;
    module.register_method("zeko_deposits", |params, context, _| {
        let recipient: String = first(&params)?;
        let recipient = PublicKey::from_base58(&recipient).map_err(invalid)?;
        let deposits = context.node.deposits(&recipient);
        let deposits = deposits.iter().map(|(deposit, status)| deposit_json(deposit, *status));
        Ok::<_, ErrorObjectOwned>(Json::Array(deposits.collect()))
    })?;
    module.register_method("zeko_fee", |params, context, _| {
        Ok::<_, ErrorObjectOwned>(json!(context.node.fee_for_weight(first(&params)?)))
    })?;
    Ok(())
}

fn register_subscriptions(module: &mut RpcModule<Context>) -> Registered {
    module.register_subscription(
        "zeko_subscribeBlocks",
        "zeko_blocks",
        "zeko_unsubscribeBlocks",
        async |_, pending, context, _| blocks(pending, &context.node).await,
    )?;
    module.register_subscription(
        "zeko_subscribePreConfirmations",
        "zeko_preConfirmations",
        "zeko_unsubscribePreConfirmations",
        async |_, pending, context, _| confirmations(pending, &context.node).await,
    )?;
    module.register_subscription(
        "zeko_subscribeStatus",
        "zeko_status",
        "zeko_unsubscribeStatus",
        async |params, pending, context, _| {
            let hash: String = match first(&params) {
                Ok(hash) => hash,
                Err(error) => return refuse(pending, error).await,
            };
            match read_hash(&hash) {
                Ok(hash) => statuses(pending, &context, hash).await,
                Err(error) => refuse(pending, error).await,
            }
        },
    )?;
    Ok(())
}

async fn refuse(pending: PendingSubscriptionSink, error: ErrorObjectOwned) -> SubscriptionResult {
    pending.reject(error).await;
    Ok(())
}

/// Whether the subscriber is still there.
async fn tell(sink: &SubscriptionSink, item: &Json) -> Result<bool, serde_json::Error> {
    let message = SubscriptionMessage::from(serde_json::value::to_raw_value(item)?);
    Ok(sink.send(message).await.is_ok())
}

async fn blocks(pending: PendingSubscriptionSink, node: &SequencerHandle) -> SubscriptionResult {
    let mut events = node.subscribe();
    let sink = pending.accept().await?;
    loop {
        let event = tokio::select! {
            () = sink.closed() => return Ok(()),
            event = events.recv() => event,
        };
        match event {
            Ok(NodeEvent::NewBlock(block)) => {
                if !tell(&sink, &block_json(&block, false)).await? {
                    return Ok(());
                }
            }
            Ok(_) => {}
            // A gap must not look like silence.
            Err(RecvError::Lagged(_)) => return Err(TOO_SLOW.into()),
            Err(RecvError::Closed) => return Ok(()),
        }
    }
}

async fn confirmations(
    pending: PendingSubscriptionSink,
    node: &SequencerHandle,
) -> SubscriptionResult {
    let mut all = node.confirmations();
    let sink = pending.accept().await?;
    loop {
        let confirmed = tokio::select! {
            () = sink.closed() => return Ok(()),
            confirmed = all.recv() => confirmed,
        };
        match confirmed {
            Ok(confirmed) => {
                let node = node.clone();
                let signed = tokio::task::spawn_blocking(move || {
                    confirmed.signed(&node).iter().map(confirmation_json).collect::<Vec<_>>()
                });
                for part in signed.await?.chunks(CONFIRMATIONS) {
                    if !tell(&sink, &json!(part)).await? {
                        return Ok(());
                    }
                }
            }
            // A gap must not look like silence.
            Err(RecvError::Lagged(_)) => return Err(TOO_SLOW.into()),
            Err(RecvError::Closed) => return Ok(()),
        }
    }
}

async fn statuses(
    pending: PendingSubscriptionSink,
    context: &Context,
    hash: TransactionHash,
) -> SubscriptionResult {
    let mut events = context.node.subscribe();
    let sink = pending.accept().await?;
    let mut last = Json::Null;
    loop {
        let status = context.node.status(&hash);
        let shown = status_json(&status);
        if shown != last && !tell(&sink, &shown).await? {
            return Ok(());
        }
        last = shown;
        let ended = match status {
            CommandStatus::Rejected { .. } => true,
            CommandStatus::Included { height, .. } => height <= context.node.tip().height.get(),
            _ => false,
        };
        if ended {
            return Ok(());
        }
        tokio::select! {
            () = sink.closed() => return Ok(()),
            event = events.recv() => if matches!(event, Err(RecvError::Closed)) { return Ok(()) },
        }
    }
}
