//! A chain that does what a test says.

use std::sync::{Arc, Mutex};

use mina_curves::Fp;
use mina_ledger::{
    hash::{actions_hash, push_actions},
    types::{Era, ZkappAccount, to_decimal},
};
use serde_json::json;
use zeko_indexer::{
    Batch, Block, ChainSource, Command, CommandBody, Header, SignedKind, SourceError, Store, Update,
};

pub(crate) const MINA: &str = "wSHV2S4qX9jFsLjQo8r1BsMLH2ZRKsZx6EJd1sbozGPieEC4Jf";
pub(crate) const ALICE: &str = "B62alice";
pub(crate) const ZKAPP: &str = "B62zkapp";

/// A node that holds `blocks`, of which it shows the last `window` and forgets all before `kept`.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    blocks: Vec<Block>,
    window: usize,
    kept: i64,
    fails: bool,
    /// Of a rollup.
    batches: Option<Vec<Batch>>,
    /// Answers until the node fails for good.
    answers: Option<usize>,
}

impl Chain {
    /// A genesis block.
    pub(crate) fn new() -> Self {
        let state = State {
            blocks: vec![block("", 1, "g", vec![])],
            window: 290,
            kept: 0,
            fails: false,
            batches: None,
            answers: None,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().unwrap())
    }

    /// Says which batches there are.
    pub(crate) fn set_batches(&self, batches: Vec<Batch>) {
        self.with(|state| state.batches = Some(batches));
    }

    /// Adds blocks of one `fork`, each with a payment, events and actions, and a command that fails.
    pub(crate) fn extend(&self, count: usize, fork: &str) {
        self.with(|state| {
            for _ in 0..count {
                let parent = state.blocks.last().unwrap();
                let height = parent.header.height + 1;
                let commands = commands(height, fork);
                let next = block(&parent.header.state_hash, height, fork, commands);
                state.blocks.push(next);
            }
        });
    }

    /// Drops the last blocks, and adds others.
    pub(crate) fn reorganise(&self, depth: usize, count: usize, fork: &str) {
        self.with(|state| state.blocks.truncate(state.blocks.len() - depth));
        self.extend(count, fork);
    }

    pub(crate) fn set_window(&self, window: usize) {
        self.with(|state| state.window = window);
    }

    /// Forgets blocks before a height.
    pub(crate) fn forget_before(&self, height: i64) {
        self.with(|state| state.kept = height);
    }

    pub(crate) fn fail(&self, fails: bool) {
        self.with(|state| state.fails = fails);
    }

    /// Fails after so many answers more.
    pub(crate) fn fail_after(&self, answers: usize) {
        self.with(|state| state.answers = Some(answers));
    }

    pub(crate) fn rename_genesis(&self, hash: &str) {
        self.with(|state| state.blocks[0].header.state_hash = hash.into());
    }

    pub(crate) fn blocks(&self) -> Vec<Block> {
        self.with(|state| state.blocks.clone())
    }

    fn answer<T>(&self, f: impl FnOnce(&State) -> T) -> Result<T, SourceError> {
        self.with(|state| {
            if let Some(left) = state.answers {
                state.answers = Some(left.saturating_sub(1));
                if left == 0 {
                    return Err(SourceError::Unreachable("scripted".into()));
                }
            }
            match state.fails {
                true => Err(SourceError::Unreachable("scripted".into())),
                false => Ok(f(state)),
            }
        })
    }
}

impl ChainSource for Chain {
    async fn genesis(&self) -> Result<Header, SourceError> {
        self.answer(|state| state.blocks[0].header.clone())
    }

    async fn best_chain(&self, max: u32) -> Result<Vec<Header>, SourceError> {
        self.answer(|state| {
            let shown = state.window.min(max as usize);
            let from = state.blocks.len().saturating_sub(shown);
            let shown = state.blocks[from..].iter().map(|block| block.header.clone());
            shown.filter(|header| header.height >= state.kept).collect()
        })
    }

    async fn block(&self, state_hash: &str) -> Result<Option<Block>, SourceError> {
        self.answer(|state| {
            let mut kept = state.blocks.iter().filter(|block| block.header.height >= state.kept);
            // Genesis is known by height only, as on some nodes.
            kept.find(|block| block.header.height > 1 && block.header.state_hash == state_hash)
                .cloned()
        })
    }

    async fn block_at(&self, height: i64) -> Result<Option<Block>, SourceError> {
        self.answer(|state| {
            let mut kept = state.blocks.iter().filter(|block| block.header.height >= state.kept);
            kept.find(|block| block.header.height == height).cloned()
        })
    }

    async fn batches(&self, from: i64) -> Result<Option<Vec<Batch>>, SourceError> {
        self.answer(|state| {
            let batches = state.batches.clone()?;
            // A few at a time.
            Some(batches.into_iter().filter(|batch| batch.number >= from).take(2).collect())
        })
    }
}

fn block(parent: &str, height: i64, fork: &str, commands: Vec<Command>) -> Block {
    Block {
        header: Header {
            state_hash: format!("3N{fork}{height}"),
            parent_hash: parent.to_owned(),
            height,
        },
        slot_since_genesis: height + 1000,
        slot_since_hard_fork: height,
        ledger_hash: format!("jx{fork}{height}"),
        timestamp_ms: 1_700_000_000_000 + height * 1000,
        creator: "B62creator".into(),
        coinbase: "720000000000".into(),
        commands,
        fee_transfers: vec![zeko_indexer::FeeTransfer {
            recipient: "B62creator".into(),
            fee: "5".into(),
            kind: "Fee_transfer".into(),
        }],
    }
}

/// The actions of a block: two updates of one command.
fn actions(height: i64, fork: &str) -> [Vec<Vec<Fp>>; 2] {
    let tag = fork.bytes().fold(0u64, |tag, byte| tag * 256 + u64::from(byte));
    let field = |x: u64| Fp::from(x);
    [vec![vec![field(height as u64), field(tag)], vec![field(7)]], vec![vec![field(8), field(tag)]]]
}

fn commands(height: i64, fork: &str) -> Vec<Command> {
    let [first, second] = actions(height, fork);
    let update = |events: Vec<Vec<Fp>>, actions| Update {
        public_key: ZKAPP.into(),
        token_id: MINA.into(),
        authorization_kind: "Proof",
        events,
        actions,
    };
    let zkapp = |hash: &str, failure, updates| Command {
        hash: format!("5J{hash}{fork}{height}"),
        fee_payer: ALICE.into(),
        fee: "100".into(),
        nonce: height,
        memo: "E4Y".into(),
        failure,
        body: CommandBody::Zkapp { updates, json: zkapp_json() },
    };
    let failure = json!([{ "index": "1", "failures": ["Overflow"] }]);
    let events = vec![vec![Fp::from(height as u64)], vec![Fp::from(9u64), Fp::from(10u64)]];
    vec![
        Command {
            hash: format!("5Jpay{height}"),
            fee_payer: ALICE.into(),
            fee: "10".into(),
            nonce: height,
            memo: "E4Y".into(),
            failure: (height % 2 == 0).then(|| json!("Amount_insufficient_to_create_account")),
            body: CommandBody::Signed {
                kind: SignedKind::Payment,
                receiver: "B62bob".into(),
                amount: "1000".into(),
            },
        },
        zkapp("fail", Some(failure), vec![update(events.clone(), first.clone())]),
        zkapp("ok", None, vec![update(events, first), update(vec![], second)]),
    ]
}

fn zkapp_json() -> serde_json::Value {
    let account = json!({ "publicKey": ZKAPP, "tokenId": MINA,
        "balanceChange": { "magnitude": "0", "sgn": "Positive" },
        "update": { "appState": [null, "1"], "tokenSymbol": null, "zkappUri": "https://x" } });
    json!({
        "memo": "E4Y",
        "feePayer": { "body": { "publicKey": ALICE, "fee": "100", "nonce": "3" } },
        "accountUpdates": [{ "body": account }],
    })
}

/// The action states of the zkApp after each height of a chain, by the ledger's own hashes.
pub(crate) fn expected_states(blocks: &[Block]) -> Vec<(i64, [String; 2])> {
    let mut state = ZkappAccount::new(Era::Berkeley).action_state[0];
    let mut states = Vec::new();
    for block in blocks {
        let before = state;
        for command in block.commands.iter().filter(|command| command.failure.is_none()) {
            if let CommandBody::Zkapp { updates, .. } = &command.body {
                for update in updates {
                    state = push_actions(state, actions_hash(&update.actions));
                }
            }
        }
        if before != state {
            states.push((block.header.height, [to_decimal(state), to_decimal(before)]));
        }
    }
    states
}

/// What the store says about the best chain.
pub(crate) async fn stored(store: &Store) -> Vec<Header> {
    store.best_chain(i64::MIN).await.unwrap().into_values().collect()
}

pub(crate) fn headers(chain: &Chain) -> Vec<Header> {
    chain.blocks().into_iter().map(|block| block.header).collect()
}
