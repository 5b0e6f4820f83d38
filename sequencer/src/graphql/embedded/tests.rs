//! What is read here is read as by the library.

use std::{path::Path, sync::LazyLock};

use proptest::{prelude::*, test_runner::RngSeed};
use serde_json::Value as Json;

use super::{
    super::{input::zkapp_command, request::Documents},
    *,
};

/// The mutation of o1js.
fn recorded_query() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/vectors/graphql/o1js_2.15_requests.json");
    let recorded: Json = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let queries = recorded["requests"].as_array().unwrap().iter().map(|one| &one["body"]["query"]);
    let mut queries = queries.filter_map(Json::as_str);
    queries.find(|query| query.contains(FIELD)).unwrap().to_owned()
}

/// What is parsed once for all tests.
static SCHEMA: LazyLock<(Arc<Definitions>, Documents)> = LazyLock::new(|| {
    let definitions = Arc::new(Definitions::parse().unwrap());
    (Arc::clone(&definitions), Documents::new(definitions))
});

fn is_read(query: &str) -> bool {
    SCHEMA.1.read_embedded(query).is_some()
}

/// The command of [`recorded_query`].
pub(in super::super) fn recorded_command() -> ZkappCommand {
    let Cut { command: Embedded(command), .. } = cut(&recorded_query(), &SCHEMA.0).unwrap();
    command.as_ref().clone()
}

/// The argument of the only [`FIELD`] in a document, taken out of it.
fn take_input(document: &mut ExecutableDocument) -> Option<async_graphql::Value> {
    let operations: Vec<_> = match &mut document.operations {
        DocumentOperations::Single(operation) => vec![operation],
        DocumentOperations::Multiple(operations) => operations.values_mut().collect(),
    };
    let sets = operations.into_iter().map(|operation| &mut operation.node.selection_set);
    let fragments = document.fragments.values_mut();
    let mut sets = sets.chain(fragments.map(|fragment| &mut fragment.node.selection_set));
    sets.find_map(|set| take_from(&mut set.node))
}

fn take_from(set: &mut SelectionSet) -> Option<async_graphql::Value> {
    set.items.iter_mut().find_map(|selection| match &mut selection.node {
        Selection::Field(field) if field.node.name.node == FIELD => {
            let (_, input) = field.node.arguments.first_mut()?;
            let taken = input.node.clone().into_const()?;
            input.node = stand_in().into_value();
            Some(taken)
        }
        Selection::Field(field) => take_from(&mut field.node.selection_set.node),
        Selection::InlineFragment(fragment) => take_from(&mut fragment.node.selection_set.node),
        Selection::FragmentSpread(_) => None,
    })
}

/// Whether the command in a query is read here; if so, it has to be as the library would read it.
fn is_read_as_by_the_library(query: &str) -> bool {
    let (definitions, documents) = &*SCHEMA;
    let Some((document, Embedded(command))) = documents.read_embedded(query) else { return false };
    let mut expected = documents.document(query).unwrap();
    let input = take_input(&mut expected).unwrap();
    assert_eq!(format!("{document:?}"), format!("{expected:?}"), "{query}");
    assert_eq!(zkapp_command(&input, definitions), Ok(command.as_ref().clone()), "{query}");
    true
}

#[test]
fn the_command_of_o1js_is_read() {
    let query = recorded_query();
    assert!(is_read_as_by_the_library(&query));
    let one_line = query.replace('\n', " ");
    assert!(is_read_as_by_the_library(&one_line));
    for (old, new) in [
        ("sendZkapp(", "sent: sendZkapp ("),
        ("mutation {", "# sent by a wallet\nmutation Send($x: Int) {\r\n"),
        ("delegate: null,", ""),
        ("\"Negative\"", "Negative"),
        ("nonce: \"0\"", "nonce: 0"),
        ("zkappUri: null", "zkappUri: \"https://zürich.example/\""),
        (",", " "),
    ] {
        let query = query.replace(old, new);
        assert!(is_read_as_by_the_library(&query), "{new}");
    }
}

#[test]
fn what_is_not_certain_is_left_to_the_library() {
    let query = recorded_query();
    for (old, new) in [
        ("delegate: null", "delegate: $delegate"),
        ("delegate: null", "delegate: null delegate: null"),
        ("delegate: null", "delegatee: null"),
        ("delegate: null", "delegate: nullable"),
        ("delegate: null", "# nobody\n delegate: null"),
        ("delegate: null", "\r delegate: null"),
        ("zkappUri: null", "zkappUri: \"\\u0041\""),
        ("zkappUri: null", "zkappUri: \"\"\"a\"\"\""),
        ("zkappUri: null", "zkappUri: https"),
        ("zkappUri: null", "zkappUri: 7"),
        ("zkappUri: null", "zkappUri: true"),
        ("callDepth: 0", "callDepth: 4294967295"),
        ("callDepth: 0", "callDepth: -0"),
        ("callDepth: 0", "callDepth: 00"),
        ("callDepth: 0", "callDepth: 0.0"),
        ("callDepth: 0", "callDepth: null"),
        ("callDepth: 0", ""),
        ("incrementNonce: false", "incrementNonce: \"false\""),
        ("events: []", "events: \"1\""),
        ("zkappCommand: {", "zkappCommand: {zkappCommand: {"),
        ("input: {", "input: {more: 1"),
        ("sendZkapp(", "first: sendZkapp(input: {zkappCommand: 0}) { __typename } sendZkapp("),
        ("mutation {", "# sendZkapp\nmutation {"),
        ("sendZkapp(", "sendZkapps("),
        ("sendZkapp(", "resendZkapp("),
        ("mutation {", "mutation {{"),
        ("input: {", "input: $input, input: {"),
    ] {
        let changed = query.replacen(old, new, 1);
        assert_ne!(changed, query, "{old}");
        assert!(!is_read(&changed), "{new}");
    }
    for cut in (0..query.trim_end().len()).step_by(5) {
        if let Some(start) = query.get(..cut) {
            assert!(!is_read(start));
        }
    }
}

/// Pieces that mean something to a lexer.
const PIECES: [&str; 36] = [
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ":",
    ",",
    " ",
    "\n",
    "\r",
    "\t",
    "\u{feff}",
    "\"",
    "\"\"",
    "\"\"\"",
    "\\",
    "\\\"",
    "#",
    "$",
    "$x",
    "!",
    "-",
    "0",
    "7",
    ".",
    "e",
    "null",
    "true",
    "false",
    "sendZkapp",
    "Negative",
    "ü",
    "...",
    "@",
    "a: 0",
];

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 100_000, rng_seed: RngSeed::Fixed(17), failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// A hundred thousand changes of a command of one update: none panics, and what is read is
    /// read as by the library.
    #[test]
    fn changed_queries_are_read_as_by_the_library(
        place in any::<prop::sample::Index>(),
        removed in 0usize..4,
        piece in prop::sample::select(&PIECES[..]),
    ) {
        // The library parses what is read here again: it should be short.
        static SHORT: LazyLock<String> = LazyLock::new(short_query);
        let query = &*SHORT;
        let places: Vec<usize> = query.char_indices().map(|(at, _)| at).collect();
        let start = place.index(places.len());
        let at = |index: usize| places.get(index).copied().unwrap_or(query.len());
        let mut changed = query.clone();
        changed.replace_range(at(start)..at(start + removed), piece);
        is_read_as_by_the_library(&changed);
    }
}

/// [`recorded_query`] without its second update.
fn short_query() -> String {
    let query = recorded_query();
    let second = query.match_indices("\n    {\n      body: {").nth(1).unwrap().0;
    let end = query.find("\n  ],\n  memo").unwrap();
    let query = format!("{}{}", &query[..second], &query[end..]);
    assert!(is_read(&query));
    query
}
