//! How much a GraphQL document selects once its fragments are written out.
//!
//! Depth and complexity are counted by walking through that, so it has to be bounded before: thirty
//! fragments, each with the next one twice, select a billion fields.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{
    Name, Positioned, ServerError, ServerResult, Variables,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextParseQuery},
    parser::types::{ExecutableDocument, FragmentDefinition, Selection, SelectionSet},
};

/// No sensible document is nested deeper than this.
const MAX_DEPTH: usize = 64;

type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

/// Refuses documents that select more than `max` fields and fragments, written out, or lead in
/// circles.
///
/// # Errors
/// [`ServerError`], for the client.
pub fn check_selections(document: &ExecutableDocument, max: usize) -> Result<(), ServerError> {
    let mut counter = Counter { fragments: &document.fragments, known: HashMap::new() };
    for (_, operation) in document.operations.iter() {
        let count = counter.count(&operation.node.selection_set.node, MAX_DEPTH);
        if count.is_none_or(|count| count > max) {
            return Err(ServerError::new("the query selects too much", Some(operation.pos)));
        }
    }
    Ok(())
}

struct Counter<'d> {
    fragments: &'d Fragments,
    known: HashMap<&'d Name, usize>,
}

impl<'d> Counter<'d> {
    /// `None` if it is too deep, or leads in circles.
    fn count(&mut self, selections: &'d SelectionSet, depth: usize) -> Option<usize> {
        let depth = depth.checked_sub(1)?;
        let mut sum = 0usize;
        for selection in &selections.items {
            let inner = match &selection.node {
                Selection::Field(field) => self.count(&field.node.selection_set.node, depth)?,
                Selection::InlineFragment(fragment) => {
                    self.count(&fragment.node.selection_set.node, depth)?
                }
                Selection::FragmentSpread(spread) => {
                    self.fragment(&spread.node.fragment_name.node, depth)?
                }
            };
            sum = sum.saturating_add(inner).saturating_add(1);
        }
        Some(sum)
    }

    fn fragment(&mut self, name: &'d Name, depth: usize) -> Option<usize> {
        if let Some(known) = self.known.get(name) {
            return Some(*known);
        }
        // What is not there is for validation to complain about.
        let Some(fragment) = self.fragments.get(name) else { return Some(0) };
        let count = self.count(&fragment.node.selection_set.node, depth)?;
        self.known.insert(name, count);
        Some(count)
    }
}

/// [`check_selections`] as an extension of a schema.
#[derive(Clone, Copy, Debug)]
pub struct SelectionLimit(pub usize);

impl ExtensionFactory for SelectionLimit {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(*self)
    }
}

#[async_graphql::async_trait::async_trait]
impl Extension for SelectionLimit {
    async fn parse_query(
        &self,
        context: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        // Parsing goes on to write fragments out, to see how deep they are: too late to look then.
        // What does not parse is for the parser to refuse.
        if let Ok(document) = async_graphql::parser::parse_query(query) {
            check_selections(&document, self.0)?;
        }
        next.run(context, query, variables).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, max: usize) -> Result<(), String> {
        let document = async_graphql::parser::parse_query(query).map_err(|e| e.to_string())?;
        check_selections(&document, max).map_err(|error| error.message)
    }

    #[test]
    fn documents_are_counted_written_out() {
        for (query, count) in [
            ("{ a }", 1),
            ("{ a { b c } ... on query { d } }", 5),
            ("{ ...F ...F } fragment F on query { a b }", 6),
            ("{ ...Missing }", 1),
            ("query A { a } query B { a b }", 2),
        ] {
            assert_eq!(check(query, count), Ok(()), "{query}");
            assert!(check(query, count - 1).is_err(), "{query}");
        }
        let circle = "{ ...A } fragment A on query { ...B } fragment B on query { ...A }";
        assert!(check(circle, usize::MAX).is_err());
        let mut doubling = String::from("{ ...F0 }");
        for n in 0..60 {
            let next = n + 1;
            doubling += &format!("fragment F{n} on query {{ a ...F{next} ...F{next} }}");
        }
        doubling += "fragment F60 on query { a }";
        assert!(check(&doubling, 1 << 40).is_err());
    }
}
