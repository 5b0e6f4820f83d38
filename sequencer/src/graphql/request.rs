//! Requests as wallets send them, made acceptable.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_graphql::{
    Positioned, ServerError,
    parser::{
        parse_query,
        types::{
            DocumentOperations, ExecutableDocument, Field, OperationType, Selection, SelectionSet,
        },
    },
};
use zeko_http::check_selections;

use super::{
    definition::{Definitions, base_name},
    embedded::{Embedded, cut, sends},
};

/// No query is nested deeper than this; what is deeper is refused later.
const MAX_DEPTH: usize = 64;

/// The most that a query selects, fragments written out: an introspection needs some hundreds.
const MAX_SELECTIONS: usize = 10_000;

/// Documents that are kept, and their longest text: those that clients send again and again.
const MAX_KNOWN: usize = 256;
const MAX_KNOWN_BYTES: usize = 2048;

/// Reads the documents of requests. Each is parsed once, as long as it is kept.
#[derive(Debug)]
pub(super) struct Documents {
    definitions: Arc<Definitions>,
    known: Mutex<HashMap<String, Arc<ExecutableDocument>>>,
}

impl Documents {
    pub(super) fn new(definitions: Arc<Definitions>) -> Self {
        Self { definitions, known: Mutex::default() }
    }

    /// The document of a query, completed for clients that Mina's daemon lets through, and the
    /// command that is written into it, if it could be taken out.
    ///
    /// # Errors
    /// [`ServerError`] if the query does not parse, or selects too much.
    pub(super) fn read(
        &self,
        query: &str,
    ) -> Result<(ExecutableDocument, Option<Embedded>), ServerError> {
        match self.read_embedded(query) {
            Some((document, command)) => Ok((document, Some(command))),
            None => Ok((self.document(query)?.as_ref().clone(), None)),
        }
    }

    /// As [`Self::read`], if the command could be taken out.
    pub(super) fn read_embedded(&self, query: &str) -> Option<(ExecutableDocument, Embedded)> {
        let cut = cut(query, &self.definitions)?;
        // What is wrong with the rest is told of the whole.
        let document = self.document(&cut.rest).ok().filter(|document| sends(document))?;
        let mut document = document.as_ref().clone();
        cut.shift.document(&mut document);
        Some((document, cut.command))
    }

    /// The document of a text as it is.
    pub(super) fn document(&self, text: &str) -> Result<Arc<ExecutableDocument>, ServerError> {
        // A document is put in as a whole or not at all.
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(document) = known().get(text) {
            return Ok(Arc::clone(document));
        }
        let mut document = parse_query(text)?;
        check_selections(&document, MAX_SELECTIONS)?;
        complete_selections(&mut document, &self.definitions);
        let document = Arc::new(document);
        if text.len() <= MAX_KNOWN_BYTES {
            let mut known = known();
            // What is sent often is soon there again.
            if known.len() >= MAX_KNOWN {
                known.clear();
            }
            known.insert(text.to_owned(), Arc::clone(&document));
        }
        Ok(document)
    }
}

/// Selects the plain fields of every object that nothing is selected of.
fn complete_selections(document: &mut ExecutableDocument, definitions: &Definitions) {
    let root = |ty: OperationType| match ty {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    };
    match &mut document.operations {
        DocumentOperations::Single(operation) => {
            let ty = root(operation.node.ty);
            complete(&mut operation.node.selection_set.node, ty, definitions, MAX_DEPTH);
        }
        DocumentOperations::Multiple(operations) => {
            for operation in operations.values_mut() {
                let ty = root(operation.node.ty);
                complete(&mut operation.node.selection_set.node, ty, definitions, MAX_DEPTH);
            }
        }
    }
    for fragment in document.fragments.values_mut() {
        let ty = fragment.node.type_condition.node.on.node.to_string();
        complete(&mut fragment.node.selection_set.node, &ty, definitions, MAX_DEPTH);
    }
}

fn complete(selections: &mut SelectionSet, ty: &str, definitions: &Definitions, depth: usize) {
    let Some(depth) = depth.checked_sub(1) else { return };
    for selection in &mut selections.items {
        match &mut selection.node {
            Selection::Field(field) => {
                let Some(ty) = definitions.field_type(ty, &field.node.name.node) else { continue };
                if field.node.selection_set.node.items.is_empty() {
                    select_plain(field, ty, definitions);
                } else {
                    complete(&mut field.node.selection_set.node, ty, definitions, depth);
                }
            }
            Selection::InlineFragment(fragment) => {
                let on = fragment.node.type_condition.as_ref();
                let on = on.map_or_else(|| ty.to_owned(), |on| on.node.on.node.to_string());
                complete(&mut fragment.node.selection_set.node, &on, definitions, depth);
            }
            Selection::FragmentSpread(_) => {}
        }
    }
}

fn select_plain(field: &mut Positioned<Field>, ty: &str, definitions: &Definitions) {
    let pos = field.pos;
    let plain = definitions.fields(ty).into_iter().flatten().filter(|inner| {
        inner.arguments.is_empty() && definitions.fields(base_name(&inner.ty)).is_none()
    });
    let select = |name: &str| {
        let selected = Field {
            alias: None,
            name: Positioned::new(async_graphql::Name::new(name), pos),
            arguments: Vec::new(),
            directives: Vec::new(),
            selection_set: Positioned::default(),
        };
        Positioned::new(Selection::Field(Positioned::new(selected, pos)), pos)
    };
    field.node.selection_set.node.items = plain.map(|inner| select(&inner.name)).collect();
}
