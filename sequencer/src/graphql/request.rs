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

/// Documents that are kept, and their longest text: those that clients send again and again. Together
/// they take some 10 MiB at most.
const MAX_KNOWN: usize = 64;
const MAX_KNOWN_BYTES: usize = 1024;

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
        let (mut document, command) = match self.read_embedded(query) {
            Some((document, command)) => (document, Some(command)),
            None => (self.document(query)?, None),
        };
        complete_selections(&mut document, &self.definitions);
        Ok((document, command))
    }

    /// As [`Self::read`], not completed, if the command could be taken out.
    pub(super) fn read_embedded(&self, query: &str) -> Option<(ExecutableDocument, Embedded)> {
        let cut = cut(query, &self.definitions)?;
        // What is wrong with the rest is told of the whole.
        let mut document = self.document(&cut.rest).ok().filter(sends)?;
        cut.shift.document(&mut document);
        Some((document, cut.command))
    }

    /// The document of a text as it is.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(super) fn document(&self, text: &str) -> Result<ExecutableDocument, ServerError> {
        // A document is put in as a whole or not at all.
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known().get(text).map(Arc::clone);
        if let Some(document) = found {
            return Ok(document.as_ref().clone());
        }
        let document = parse_query(text)?;
        check_selections(&document, MAX_SELECTIONS)?;
        if text.len() <= MAX_KNOWN_BYTES {
            let mut known = known();
            // What is sent often is soon there again.
            if known.len() >= MAX_KNOWN {
                known.clear();
            }
            known.insert(text.to_owned(), Arc::new(document.clone()));
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
