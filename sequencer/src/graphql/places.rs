//! Lines and columns of documents.

use async_graphql::{
    Pos, Positioned,
    parser::types::{
        Directive, DocumentOperations, ExecutableDocument, Field, OperationDefinition, Selection,
        SelectionSet, VariableDefinition,
    },
};

/// Where a text ends that begins at some place, as the GraphQL library counts.
pub(super) fn place_behind(text: &str, start: Pos) -> Pos {
    text.chars().fold(start, |Pos { line, column }, character| match character {
        '\r' => Pos { line, column: 1 },
        '\n' => Pos { line: line + 1, column: 1 },
        _ => Pos { line, column: column + 1 },
    })
}

/// What was at `from` is at `to`, and what came after it still does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shift {
    pub(super) from: Pos,
    /// Never in an earlier line.
    pub(super) to: Pos,
}

impl Shift {
    fn place(&self, at: &mut Pos) {
        let Self { from, to } = self;
        if at.line == from.line && at.column >= from.column {
            at.column = at.column - from.column + to.column;
            at.line = to.line;
        } else if at.line > from.line {
            at.line += to.line - from.line;
        }
    }

    fn node<'n, T>(&self, node: &'n mut Positioned<T>) -> &'n mut T {
        self.place(&mut node.pos);
        &mut node.node
    }

    /// Moves everything in a document.
    pub(super) fn document(&self, document: &mut ExecutableDocument) {
        match &mut document.operations {
            DocumentOperations::Single(operation) => self.operation(operation),
            DocumentOperations::Multiple(operations) => {
                operations.values_mut().for_each(|operation| self.operation(operation));
            }
        }
        for fragment in document.fragments.values_mut() {
            let fragment = self.node(fragment);
            self.node(&mut self.node(&mut fragment.type_condition).on);
            self.directives(&mut fragment.directives);
            self.selections(&mut fragment.selection_set);
        }
    }

    fn operation(&self, operation: &mut Positioned<OperationDefinition>) {
        let operation = self.node(operation);
        for variable in &mut operation.variable_definitions {
            let VariableDefinition { name, var_type, directives, default_value } =
                self.node(variable);
            self.node(name);
            self.node(var_type);
            self.directives(directives);
            if let Some(value) = default_value {
                self.node(value);
            }
        }
        self.directives(&mut operation.directives);
        self.selections(&mut operation.selection_set);
    }

    fn directives(&self, directives: &mut [Positioned<Directive>]) {
        for directive in directives {
            let Directive { name, arguments } = self.node(directive);
            self.node(name);
            self.arguments(arguments);
        }
    }

    fn arguments<N, V>(&self, arguments: &mut [(Positioned<N>, Positioned<V>)]) {
        for (name, value) in arguments {
            self.node(name);
            self.node(value);
        }
    }

    fn selections(&self, set: &mut Positioned<SelectionSet>) {
        for selection in &mut self.node(set).items {
            match self.node(selection) {
                Selection::Field(field) => {
                    let Field { alias, name, arguments, directives, selection_set } =
                        self.node(field);
                    if let Some(alias) = alias {
                        self.node(alias);
                    }
                    self.node(name);
                    self.arguments(arguments);
                    self.directives(directives);
                    self.selections(selection_set);
                }
                Selection::FragmentSpread(spread) => {
                    let spread = self.node(spread);
                    self.node(&mut spread.fragment_name);
                    self.directives(&mut spread.directives);
                }
                Selection::InlineFragment(fragment) => {
                    let fragment = self.node(fragment);
                    if let Some(condition) = &mut fragment.type_condition {
                        self.node(&mut self.node(condition).on);
                    }
                    self.directives(&mut fragment.directives);
                    self.selections(&mut fragment.selection_set);
                }
            }
        }
    }
}
