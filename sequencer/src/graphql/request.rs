//! Requests as wallets send them, made acceptable.

use async_graphql::{
    Positioned,
    parser::types::{
        DocumentOperations, ExecutableDocument, Field, OperationType, Selection, SelectionSet,
    },
};

use super::definition::{Definitions, base_name};

/// No query is nested deeper than this; what is deeper is refused later.
const MAX_DEPTH: usize = 64;

/// Selects the plain fields of every object that nothing is selected of.
pub(super) fn complete_selections(document: &mut ExecutableDocument, definitions: &Definitions) {
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
