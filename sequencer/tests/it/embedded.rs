//! Commands in the text of a query: answers are those of the GraphQL library alone.

use std::{cell::Cell, sync::Arc};

use async_graphql::Request;
use proptest::{
    prelude::*,
    test_runner::{RngSeed, TestRunner},
};
use serde_json::{Value, json};
use zeko_sequencer::{
    Command,
    graphql::{Api, ApiLimits, MinaNode},
};

use crate::{clients::recorded_send, fixture::StillNode};

/// A node with its API.
struct Served {
    node: Arc<StillNode>,
    api: Api,
}

impl Served {
    fn new() -> Self {
        let node = StillNode::new();
        let api = Api::new(&(node.clone() as Arc<dyn MinaNode>), ApiLimits::default()).unwrap();
        Self { node, api }
    }

    /// What is answered, and what the node got.
    async fn send(&self, query: &str) -> (Value, Vec<Arc<Command>>) {
        let request: Request = serde_json::from_value(json!({ "query": query })).unwrap();
        let answer = serde_json::to_value(self.api.execute(request).await).unwrap();
        (answer, std::mem::take(&mut *self.node.taken.lock().unwrap()))
    }

    /// Whether the command was taken; the answer has to be the library's.
    async fn is_taken(&self, query: &str) -> bool {
        let (answer, taken) = self.send(query).await;
        let (expected, expected_taken) = self.send(&for_the_library(query)).await;
        // The parser's errors quote the line.
        let expected = expected.to_string().replace("zkappCommand: {#", "zkappCommand: {");
        assert_eq!(answer.to_string(), expected, "{query}");
        assert_eq!(taken, expected_taken, "{query}");
        !taken.is_empty()
    }
}

/// The same query for the library alone: a comment in a command is left to it. Nothing moves.
fn for_the_library(query: &str) -> String {
    query.replacen("zkappCommand: {\n", "zkappCommand: {#\n", 1)
}

#[tokio::test]
async fn answers_do_not_depend_on_who_reads_the_command() {
    let (served, query) = (Served::new(), recorded_send());
    assert_ne!(for_the_library(&query), query);
    assert!(served.is_taken(&query).await);
    for (old, new, taken) in [
        ("sendZkapp(", "sent: sendZkapp(", true),
        ("sendZkapp(", "sendZkapp @skip(if: true) (", false),
        ("zkapp {", "... on SendZkappPayload { zkapp {", false),
        ("      hash\n", "      hash nothing\n", false),
        ("      hash\n", "      hash hash again: hash __typename\n", true),
        ("mutation {", "query {", false),
        ("mutation {", "mutation Send($nobody: Int) {", false),
        ("mutation {", "mutation Send($nobody: Int = 7) { version @include(if: $nobody)", false),
        ("mutation {", "mutation First { __typename } mutation Second {", false),
        ("}\n  }) {", "}\n  }, other: 1) {", false),
        ("zkapp {", "zkapp @skip(if: false) {", true),
        ("zkapp {", "zkapp(nothing: 1) {", false),
        ("fee: \"100000000\"", "fee: 100000000", true),
        ("fee: \"100000000\"", "fee: -1", false),
        ("fee: \"100000000\"", "fee: {lower: 1}", false),
        ("incrementNonce: false", "incrementNonce: 0", false),
        ("delegate: null", "delegate: null, unknown: 1", false),
        ("callDepth: 0", "callDepth: 7", false),
        ("memo: \"E4", "memo: \"E5", false),
    ] {
        let changed = query.replacen(old, new, 1);
        assert_ne!(changed, query, "{old}");
        assert_eq!(served.is_taken(&changed).await, taken, "{new}");
    }
}

/// What values are replaced by, some of them good.
const VALUES: [&str; 20] = [
    "null",
    "true",
    "false",
    "0",
    "7",
    "\"0\"",
    "\"7\"",
    "\"\"",
    "\"ü\"",
    "[]",
    "[null]",
    "[[\"1\"]]",
    "{}",
    "Negative",
    "None",
    "Proof",
    "{lower: \"0\", upper: \"9\"}",
    "\"a\\\"b\"",
    "-3",
    "1e3",
];

#[test]
fn answers_to_changed_commands_do_not_depend_on_who_reads_them() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (served, query) = (Served::new(), recorded_send());
    let values: Vec<usize> = query.match_indices(": ").map(|(at, _)| at + 2).collect();
    let config = ProptestConfig {
        cases: 600,
        rng_seed: RngSeed::Fixed(23),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let strategy = (any::<prop::sample::Index>(), prop::sample::select(&VALUES[..]), any::<bool>());
    let taken = Cell::new(0);
    TestRunner::new(config)
        .run(&strategy, |(place, value, whole)| {
            let start = *place.get(&values);
            let old = query[start..].find(['\n', ',']).unwrap();
            let mut changed = query.clone();
            // Another value, or no field at all.
            let field = changed[..start].rfind('\n').unwrap();
            if whole {
                changed.replace_range(start..start + old, value);
            } else {
                changed.replace_range(field..start + old, "\n");
            }
            taken.set(taken.get() + usize::from(runtime.block_on(served.is_taken(&changed))));
            Ok(())
        })
        .unwrap();
    // Otherwise little was compared.
    assert!((60..560).contains(&taken.get()), "{}", taken.get());
}
