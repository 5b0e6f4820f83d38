//! Commands that are written into the query.
//!
//! o1js does not put a zkApp command into variables, but all of it into the text of the mutation:
//! 3 KiB for every account update. To the parser, the validation and the resolver of the GraphQL
//! library that is a tree of hundreds of nodes, each with its name and place, which is copied several
//! times. So the command is read from the text here, and the library gets a document with a number in
//! the command's place: the same for every command, so that it is parsed only once.
//!
//! Nothing changes for clients: what is not certain to be read as the library would read it is left to
//! the library, and all places in the document are those of the query.

use std::sync::Arc;

use async_graphql::{
    Name, Pos, Value,
    parser::types::{DocumentOperations, ExecutableDocument, Selection, SelectionSet, Type},
};
use mina_ledger::types::ZkappCommand;
use serde::Deserialize;

use super::{
    definition::Definitions,
    literal::{Lexer, Token, Typed},
    places::{Shift, place_behind},
};

/// The mutation that commands are written into.
const FIELD: &str = "sendZkapp";

/// What is between the name of the mutation and the command, and what is behind it.
const BEFORE: [Token<'_>; 6] = [
    Token::Mark(b'('),
    Token::Name("input"),
    Token::Mark(b':'),
    Token::Mark(b'{'),
    Token::Name("zkappCommand"),
    Token::Mark(b':'),
];
const BEHIND: [Token<'_>; 2] = [Token::Mark(b'}'), Token::Mark(b')')];

/// The command of the only [`FIELD`] of a request.
#[derive(Clone, Debug)]
pub(super) struct Embedded(pub(super) Arc<ZkappCommand>);

/// A query that has been cut in two.
pub(super) struct Cut {
    pub(super) command: Embedded,
    /// The query with a number for the command.
    pub(super) rest: String,
    /// Where things of the rest are in the query.
    pub(super) shift: Shift,
}

/// Takes the command out of a query. `None`: the library has to do it.
pub(super) fn cut(query: &str, definitions: &Definitions) -> Option<Cut> {
    let mut lexer = Lexer::new(query, query.find(FIELD)? + FIELD.len());
    BEFORE.into_iter().try_for_each(|token| lexer.expect(token)).ok()?;
    let start = lexer.place();
    let ty = Type::new("ZkappCommandInput!")?;
    let typed = Typed { lexer: &mut lexer, ty: &ty, definitions };
    let command = ZkappCommand::deserialize(typed).ok()?;
    let end = lexer.place();
    BEHIND.into_iter().try_for_each(|token| lexer.expect(token)).ok()?;
    let (before, literal, behind) =
        (query.get(..start)?, query.get(start..end)?, query.get(end..)?);
    // Columns start anew at carriage returns, but not lines; those that end a line do not matter.
    let line = behind.split('\n').next().unwrap_or_default().trim_end_matches('\r');
    if behind.contains(FIELD) || line.contains('\r') {
        return None;
    }
    let at = place_behind(before, Pos { line: 1, column: 1 });
    let shift = Shift { from: place_behind("0", at), to: place_behind(literal, at) };
    let rest = [before, "0", behind].concat();
    Some(Cut { command: Embedded(command.into()), rest, shift })
}

/// Whether the number is where the command was: the name may have been part of a comment, a string
/// or a longer name. It was there only once.
pub(super) fn sends(document: &ExecutableDocument) -> bool {
    let operations = match &document.operations {
        DocumentOperations::Single(operation) => vec![operation],
        DocumentOperations::Multiple(operations) => operations.values().collect(),
    };
    let fragments = document.fragments.values().map(|fragment| &fragment.node.selection_set);
    let mut sets = operations.into_iter().map(|operation| &operation.node.selection_set);
    sets.by_ref().chain(fragments).any(|set| selects(&set.node))
}

fn selects(set: &SelectionSet) -> bool {
    set.items.iter().any(|selection| match &selection.node {
        Selection::Field(field) => {
            let field = &field.node;
            let is_it = || match field.arguments.as_slice() {
                [(_, input)] => input.node.clone().into_const() == Some(stand_in()),
                _ => false,
            };
            (field.name.node == FIELD && is_it()) || selects(&field.selection_set.node)
        }
        Selection::InlineFragment(fragment) => selects(&fragment.node.selection_set.node),
        Selection::FragmentSpread(_) => false,
    })
}

fn stand_in() -> Value {
    Value::Object([(Name::new("zkappCommand"), Value::Number(0.into()))].into_iter().collect())
}

#[cfg(test)]
pub(super) mod tests;
