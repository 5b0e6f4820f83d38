//! The schema and its resolvers.

use std::sync::Arc;

use async_graphql::{
    Error, Request, Response, ServerError, Value,
    dynamic::{
        Enum, Field as SchemaField, FieldFuture, FieldValue, InputObject, InputValue, Interface,
        InterfaceField, Object, ResolverContext, Scalar, Schema, Subscription, SubscriptionField,
        SubscriptionFieldFuture,
    },
};
use futures_util::stream::{self, BoxStream, StreamExt};
use mina_ledger::{
    hash::TransactionHash,
    types::{
        AccountId, Length, NetworkId, PublicKey, TokenId, ZkappCommand, state_hash_from_base58,
    },
};
use serde_json::{Value as Json, json};
use tokio::sync::broadcast::error::RecvError;

use super::{
    GraphqlError, account, block,
    definition::{Definition, Definitions, Field, base_name, type_ref},
    embedded::Embedded,
    input,
    node::{
        AccountRecord, Block, BlockSelector, HistoryEntry, HistoryQuery, Included, MinaNode,
        NodeEvent, PoolFilter,
    },
    request::Documents,
    transaction,
    update::{self, UpdateOf},
};
use crate::command::Command;

/// Most entries of a history.
const MAX_HISTORY: usize = 500;

/// Batches that an answer has at most.
const MAX_BATCHES: usize = 250;

/// What a request may ask for.
#[derive(Clone, Copy, Debug)]
pub struct ApiLimits {
    /// Nested selections.
    pub depth: usize,
    /// Selected fields.
    pub complexity: usize,
}

impl Default for ApiLimits {
    /// More than any known wallet or an introspection needs.
    fn default() -> Self {
        Self { depth: 24, complexity: 2000 }
    }
}

/// What a resolver leaves for the resolvers below it, if that is more than JSON.
pub(super) enum Output {
    Account(Box<AccountRecord>),
    Block(Arc<Block>),
    Transactions(Arc<Block>),
    Command(Box<Included>),
    /// What a mutation answers: an object around the command.
    Sent(Box<Included>),
    Zkapp(Arc<ZkappCommand>),
    Update(UpdateOf),
    UpdateBody(UpdateOf),
}

impl Output {
    fn field(&self, name: &str, node: &dyn MinaNode) -> Resolved {
        match self {
            Self::Account(record) => account::field(record, name, node),
            Self::Block(block) => block::field(block, name, node),
            Self::Transactions(block) => block::transactions_field(block, name, node),
            Self::Command(included) => transaction::field(included, name, node),
            Self::Sent(included) => Self::Command(included.clone()).into(),
            Self::Zkapp(command) => update::command_field(command, name),
            Self::Update(update) => update.field(name),
            Self::UpdateBody(update) => update.body_field(name),
        }
    }

    fn into_value(self) -> FieldValue<'static> {
        let ty = match &self {
            Self::Command(included) => transaction::signed_type(&included.command),
            _ => None,
        };
        let value = FieldValue::owned_any(self);
        match ty {
            Some(ty) => value.with_type(ty),
            None => value,
        }
    }
}

/// What a field comes to.
pub(super) enum Resolved {
    Null,
    Json(Json),
    One(Output),
    List(Vec<Output>),
}

impl From<Output> for Resolved {
    fn from(output: Output) -> Self {
        Self::One(output)
    }
}

impl Resolved {
    fn accounts(records: impl IntoIterator<Item = AccountRecord>) -> Self {
        Self::List(records.into_iter().map(|one| Output::Account(Box::new(one))).collect())
    }

    fn account(record: Option<AccountRecord>) -> Self {
        record.map_or(Self::Null, |one| Self::One(Output::Account(Box::new(one))))
    }

    /// `leaf`: whether the field is a scalar, however it looks.
    fn into_value(self, leaf: bool) -> Option<FieldValue<'static>> {
        match self {
            Self::Null | Self::Json(Json::Null) => None,
            Self::Json(json) if leaf => json_leaf(json),
            Self::Json(Json::Array(items)) => {
                Some(FieldValue::list(items.into_iter().map(FieldValue::owned_any)))
            }
            Self::Json(json) => Some(FieldValue::owned_any(json)),
            Self::One(output) => Some(output.into_value()),
            Self::List(outputs) => {
                Some(FieldValue::list(outputs.into_iter().map(Output::into_value)))
            }
        }
    }
}

fn json_leaf(json: Json) -> Option<FieldValue<'static>> {
    Value::from_json(json).ok().map(FieldValue::value)
}

/// A field of JSON.
fn json_field<'a>(json: &'a Json, name: &str, leaf: bool) -> Option<FieldValue<'a>> {
    match json.get(name)? {
        Json::Null => None,
        field if leaf => json_leaf(field.clone()),
        Json::Array(items) => {
            Some(FieldValue::list(items.iter().map(|item| FieldValue::borrowed_any(item))))
        }
        field => Some(FieldValue::borrowed_any(field)),
    }
}

/// The API of a node.
#[derive(Clone, Debug)]
pub struct Api {
    pub(super) schema: Schema,
    documents: Arc<Documents>,
}

impl Api {
    /// The API of `node`.
    ///
    /// # Errors
    /// [`GraphqlError`]: a mistake in this crate.
    pub fn new(node: &Arc<dyn MinaNode>, limits: ApiLimits) -> Result<Self, GraphqlError> {
        let definitions = Arc::new(Definitions::parse()?);
        let mut builder = Schema::build("query", Some("mutation"), Some("subscription"))
            .limit_depth(limits.depth)
            .limit_complexity(limits.complexity)
            .disable_suggestions();
        for (name, definition) in definitions.iter() {
            let context = Context { node: Arc::clone(node), definitions: Arc::clone(&definitions) };
            builder = match definition {
                Definition::Scalar => builder.register(Scalar::new(name)),
                Definition::Enum(values) => {
                    builder.register(Enum::new(name).items(values.iter().cloned()))
                }
                Definition::Input(fields) => {
                    builder.register(fields.iter().fold(InputObject::new(name), |object, field| {
                        object.field(InputValue::new(&field.name, type_ref(&field.ty)))
                    }))
                }
                Definition::Interface(fields) => builder.register(fields.iter().fold(
                    Interface::new(name),
                    |interface, field| {
                        interface.field(InterfaceField::new(&field.name, type_ref(&field.ty)))
                    },
                )),
                Definition::Object { fields, .. } if name == "subscription" => {
                    builder.register(subscription(fields, &context))
                }
                Definition::Object { implements, fields } => {
                    let object = fields.iter().fold(Object::new(name), |object, field| {
                        object.field(object_field(name, field, context.clone()))
                    });
                    builder.register(implements.iter().fold(object, |o, i| o.implement(i)))
                }
            };
        }
        Ok(Self { schema: builder.finish()?, documents: Documents::new(definitions).into() })
    }

    /// Parses the query of a request, and completes it for clients that Mina's daemon lets through.
    ///
    /// # Errors
    /// [`ServerError`] if it does not parse.
    pub(super) fn prepare(&self, mut request: Request) -> Result<Request, ServerError> {
        let (document, command) = self.documents.read(&request.query)?;
        if let Some(command) = command {
            request.data.insert(command);
        }
        request.set_parsed_query(document);
        Ok(request)
    }

    /// Answers a query or mutation.
    pub async fn execute(&self, request: Request) -> Response {
        match self.prepare(request) {
            Ok(request) => self.schema.execute(request).await,
            Err(error) => Response::from_errors(vec![error]),
        }
    }

    /// The schema in GraphQL's own language.
    pub fn sdl(&self) -> String {
        self.schema.sdl()
    }
}

/// What resolvers need.
#[derive(Clone)]
struct Context {
    node: Arc<dyn MinaNode>,
    definitions: Arc<Definitions>,
}

fn object_field(object: &str, field: &Field, context: Context) -> SchemaField {
    let leaf = context.definitions.fields(base_name(&field.ty)).is_none();
    let name: Arc<str> = field.name.as_str().into();
    let ty = type_ref(&field.ty);
    let with_arguments = |new: SchemaField| {
        field.arguments.iter().fold(new, |new, argument| {
            new.argument(InputValue::new(&argument.name, type_ref(&argument.ty)))
        })
    };
    if object == "query" || object == "mutation" {
        return with_arguments(SchemaField::new(&field.name, ty, move |ctx| {
            let (context, name) = (context.clone(), Arc::clone(&name));
            FieldFuture::new(async move { Ok(context.root(&name, &ctx).await?.into_value(leaf)) })
        }));
    }
    with_arguments(SchemaField::new(&field.name, ty, move |ctx| {
        let parent = ctx.parent_value;
        FieldFuture::Value(match parent.downcast_ref::<Output>() {
            Some(output) => output.field(&name, context.node.as_ref()).into_value(leaf),
            None => parent.downcast_ref::<Json>().and_then(|json| json_field(json, &name, leaf)),
        })
    }))
}

/// A string argument that is read as something else.
fn argument<T, E: std::fmt::Display>(
    ctx: &ResolverContext<'_>,
    name: &str,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, Error> {
    match ctx.args.get(name) {
        None => Ok(None),
        Some(value) if value.is_null() => Ok(None),
        Some(value) => {
            let text = value.string().map_err(|_| Error::new(format!("{name}: not a string")))?;
            read(text).map(Some).map_err(|e| Error::new(format!("{name}: {e}")))
        }
    }
}

fn integer(ctx: &ResolverContext<'_>, name: &str) -> Option<u64> {
    ctx.args.get(name).and_then(|value| value.u64().ok())
}

fn public_key(ctx: &ResolverContext<'_>) -> Result<PublicKey, Error> {
    argument(ctx, "publicKey", PublicKey::from_base58)?
        .ok_or_else(|| Error::new("publicKey: missing"))
}

impl Context {
    async fn root(&self, name: &str, ctx: &ResolverContext<'_>) -> Result<Resolved, Error> {
        let node = self.node.as_ref();
        Ok(match name {
            "syncStatus" => Resolved::Json(block::sync_status(node)),
            "daemonStatus" => Resolved::Json(block::daemon_status(node)),
            "version" => Resolved::Json(json!(env!("CARGO_PKG_VERSION"))),
            "account" => {
                let token = argument(ctx, "token", TokenId::from_base58)?.unwrap_or_default();
                Resolved::account(node.account(&AccountId::new(public_key(ctx)?, token)))
            }
            "accounts" => Resolved::accounts(node.accounts_of(&public_key(ctx)?)),
            "tokenOwner" => {
                let token = argument(ctx, "tokenId", TokenId::from_base58)?.unwrap_or_default();
                Resolved::account(node.token_owner(&token))
            }
            "tokenAccounts" => {
                let token = argument(ctx, "tokenId", TokenId::from_base58)?.unwrap_or_default();
                Resolved::accounts(node.token_accounts(&token))
            }
            "bestChain" => {
                let length = integer(ctx, "maxLength").and_then(|n| usize::try_from(n).ok());
                let blocks = node.best_chain(length).into_iter();
                Resolved::List(blocks.map(Output::Block).collect())
            }
            "block" => self.block(ctx)?,
            "genesisBlock" => self.find_block(BlockSelector::Genesis)?,
            "pooledUserCommands" => self.pool(ctx, false)?,
            "pooledZkappCommands" => self.pool(ctx, true)?,
            "transactionStatus" => Resolved::Json(self.transaction_status(ctx)?),
            "genesisConstants" => Resolved::Json(block::genesis_constants(node.info())),
            "timeOffset" => Resolved::Json(json!(0)),
            "runtimeConfig" => Resolved::Json(block::runtime_config(node.info())),
            "networkID" => Resolved::Json(json!(node.info().network_name)),
            "signatureKind" => Resolved::Json(json!(match &node.info().network {
                NetworkId::Mainnet => "mainnet".to_owned(),
                NetworkId::Testnet => "testnet".to_owned(),
                NetworkId::Custom(custom) => custom.name().to_owned(),
            })),
            "commandProgress" => {
                let hash = argument(ctx, "hash", TransactionHash::from_base58)?;
                let hash = hash.ok_or_else(|| Error::new("hash: missing"))?;
                Resolved::Json(node.progress(&hash))
            }
            "batches" => {
                let from = integer(ctx, "from");
                let from = from.ok_or_else(|| Error::new("from: out of range"))?;
                let limit = integer(ctx, "limit").and_then(|n| usize::try_from(n).ok());
                Resolved::Json(json!(
                    node.batches(from, limit.unwrap_or(MAX_BATCHES).min(MAX_BATCHES))
                ))
            }
            "feePerWeightUnit" => {
                let weight = integer(ctx, "weight").and_then(|n| u32::try_from(n).ok());
                let weight = weight.ok_or_else(|| Error::new("weight: out of range"))?;
                Resolved::Json(json!(node.fee_for_weight(weight)))
            }
            "fullTransactions" => {
                self.history(ctx, |entry| Some(transaction::history_entry(entry)))?
            }
            "transactions" => self.history(ctx, transaction::history_signed)?,
            "zkapps" => self.history(ctx, transaction::history_zkapp)?,
            "sendZkapp" => self.send_zkapp(ctx).await?,
            "sendPayment" => self.send_signed(ctx, false).await?,
            "sendDelegation" => self.send_signed(ctx, true).await?,
            _ => Resolved::Null,
        })
    }

    fn find_block(&self, selector: BlockSelector) -> Result<Resolved, Error> {
        match self.node.block(selector) {
            Some(block) => Ok(Output::Block(block).into()),
            None => Err(Error::new(match selector {
                BlockSelector::Height(height) => {
                    format!("Could not find block in transition frontier with height {height}")
                }
                _ => "Could not find block with this hash in transition frontier".to_owned(),
            })),
        }
    }

    fn block(&self, ctx: &ResolverContext<'_>) -> Result<Resolved, Error> {
        let hash = argument(ctx, "stateHash", state_hash_from_base58)?;
        let height = integer(ctx, "height").and_then(|height| u32::try_from(height).ok());
        match (hash, height) {
            (Some(hash), None) => self.find_block(BlockSelector::StateHash(hash)),
            (None, Some(height)) => self.find_block(BlockSelector::Height(Length::new(height))),
            _ => Err(Error::new("Must provide exactly one of state hash, height")),
        }
    }

    fn pool(&self, ctx: &ResolverContext<'_>, zkapps: bool) -> Result<Resolved, Error> {
        let strings = |name: &str| -> Option<Vec<String>> {
            ctx.args.get(name).filter(|value| !value.is_null())?.deserialize().ok()
        };
        let era = self.node.info().era;
        let hashes = strings("hashes");
        let hashes = hashes.map(|texts| {
            texts
                .iter()
                .filter_map(|text| TransactionHash::from_base58(text).ok())
                .collect::<Vec<_>>()
        });
        let ids = strings("ids").map(|ids| {
            ids.iter().filter_map(|id| transaction::hash_of_id(id, era)).collect::<Vec<_>>()
        });
        let hashes = match (hashes, ids) {
            (Some(mut hashes), Some(ids)) => {
                hashes.extend(ids);
                Some(hashes)
            }
            (hashes, ids) => hashes.or(ids),
        };
        let fee_payer = argument(ctx, "publicKey", PublicKey::from_base58)?;
        let commands = self.node.pool(&PoolFilter { fee_payer, hashes }).into_iter();
        let kind = |command: &Arc<Command>| matches!(command.as_ref(), Command::Zkapp(_)) == zkapps;
        Ok(Resolved::List(commands.filter(kind).map(transaction::pooled).collect()))
    }

    fn transaction_status(&self, ctx: &ResolverContext<'_>) -> Result<Json, Error> {
        let id = ["payment", "zkappTransaction"]
            .into_iter()
            .find_map(|name| ctx.args.get(name).and_then(|value| value.string().ok()))
            .ok_or_else(|| Error::new("Must provide exactly one of payment, zkappTransaction"))?;
        let hash = transaction::hash_of_id(id, self.node.info().era);
        let status = hash
            .map_or(super::TransactionStatus::Unknown, |hash| self.node.transaction_status(&hash));
        Ok(json!(format!("{status:?}").to_uppercase()))
    }

    fn history(
        &self,
        ctx: &ResolverContext<'_>,
        show: impl Fn(&HistoryEntry) -> Option<Json>,
    ) -> Result<Resolved, Error> {
        let query: Json = match ctx.args.get("query") {
            Some(query) => query.deserialize()?,
            None => Json::Null,
        };
        let (to, from) = parties(&query);
        let key = query["publicKey"].as_str().or(to).or(from).map(PublicKey::from_base58);
        let Some(Ok(public_key)) = key else { return Ok(Resolved::Json(json!([]))) };
        let token = query["tokenId"].as_str().map(TokenId::from_base58).transpose();
        let order = ctx.args.get("sortBy");
        let query = HistoryQuery {
            public_key,
            token: token.map_err(|e| Error::new(format!("tokenId: {e}")))?,
            limit: integer(ctx, "limit").map_or(MAX_HISTORY, |n| (n as usize).min(MAX_HISTORY)),
            newest_first: order
                .is_none_or(|order| order.enum_name().is_ok_and(|name| name != "DATETIME_ASC")),
        };
        let shown = self.node.history(&query);
        Ok(Resolved::Json(shown.iter().filter_map(show).collect()))
    }

    async fn send_zkapp(&self, ctx: &ResolverContext<'_>) -> Result<Resolved, Error> {
        let error = |e| Error::new(format!("Couldn't send zkApp command: {e}"));
        let command = match ctx.data_opt::<Embedded>() {
            Some(Embedded(command)) => Arc::clone(command),
            None => {
                let input = ctx.args.try_get("input")?.as_value();
                input::zkapp_command(input, &self.definitions).map_err(error)?.into()
            }
        };
        let command = Command::Zkapp(command);
        let hash = self.node.submit(command.clone()).await.map_err(error)?;
        let included = Included { hash, command: command.into(), failures: None };
        Ok(Output::Sent(Box::new(included)).into())
    }

    async fn send_signed(
        &self,
        ctx: &ResolverContext<'_>,
        is_delegation: bool,
    ) -> Result<Resolved, Error> {
        let error = |e| Error::new(format!("Couldn't send user command: {e}"));
        let input = ctx.args.try_get("input")?;
        let signature = ctx.args.get("signature");
        let next_nonce = |key: &PublicKey| self.node.inferred_nonce(&AccountId::of(*key));
        let command = input::signed_command(
            input.as_value(),
            signature.map(|signature| signature.as_value()),
            is_delegation,
            next_nonce,
        )
        .map_err(error)?;
        let command = Command::Signed(command);
        let hash = self.node.submit(command.clone()).await.map_err(error)?;
        let included = Included { hash, command: command.into(), failures: None };
        Ok(Output::Sent(Box::new(included)).into())
    }
}

/// What a subscription tells.
enum Told {
    Block(Arc<Block>),
    Leaf(String),
}

impl<'a> From<Told> for FieldValue<'a> {
    fn from(told: Told) -> Self {
        match told {
            Told::Block(block) => Output::Block(block).into_value(),
            Told::Leaf(text) => FieldValue::value(Value::from(text)),
        }
    }
}

type Event = Result<Told, Error>;

/// The events of a node that `pick` is interested in.
fn events(
    node: &dyn MinaNode,
    pick: impl Fn(NodeEvent) -> Option<Event> + Send + 'static,
) -> BoxStream<'static, Event> {
    stream::unfold((node.subscribe(), pick), async |(mut events, pick)| {
        loop {
            match events.recv().await {
                Ok(event) => {
                    if let Some(item) = pick(event) {
                        return Some((item, (events, pick)));
                    }
                }
                // A reader that is too slow misses some.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    })
    .boxed()
}

/// The receiver and sender that a query of `transactions` names.
fn parties(query: &Json) -> (Option<&str>, Option<&str>) {
    let clauses = || query["OR"].as_array().into_iter().flatten().chain([query]);
    let find = |name: &str| clauses().find_map(|clause| clause[name].as_str());
    (find("to"), find("from"))
}

fn subscription(fields: &[Field], context: &Context) -> Subscription {
    fields.iter().fold(Subscription::new("subscription"), |subscription, field| {
        let (context, name) = (context.clone(), field.name.clone());
        let new = SubscriptionField::new(&field.name, type_ref(&field.ty), move |ctx| {
            let (context, name) = (context.clone(), name.clone());
            SubscriptionFieldFuture::new(async move {
                let producer = argument(&ctx, "publicKey", PublicKey::from_base58)?;
                Ok(events(context.node.as_ref(), move |event| pick(&name, producer, event)))
            })
        });
        subscription.field(field.arguments.iter().fold(new, |new, argument| {
            new.argument(InputValue::new(&argument.name, type_ref(&argument.ty)))
        }))
    })
}

fn pick(name: &str, producer: Option<PublicKey>, event: NodeEvent) -> Option<Event> {
    match (name, event) {
        ("newBlock", NodeEvent::NewBlock(block))
            if producer.is_none_or(|key| key == block.producer) =>
        {
            Some(Ok(Told::Block(block)))
        }
        ("chainReorganization", NodeEvent::Reorganization) => {
            Some(Ok(Told::Leaf("CHANGED".into())))
        }
        ("newSyncUpdate", NodeEvent::SyncStatus(status)) => {
            Some(Ok(Told::Leaf(format!("{status:?}").to_uppercase())))
        }
        _ => None,
    }
}
