//! The schema's definitions, parsed: what fields and types there are.

use std::collections::BTreeMap;

use async_graphql::{
    dynamic::TypeRef,
    parser::{
        parse_schema,
        types::{BaseType, InputValueDefinition, Type, TypeKind, TypeSystemDefinition},
    },
};

use super::GraphqlError;

const SOURCES: [&str; 2] = [include_str!("mina.graphql"), include_str!("extensions.graphql")];

/// A field of an object, an argument, or a field of an input object.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) ty: Type,
    pub(super) arguments: Vec<Self>,
}

/// A type.
#[derive(Debug)]
pub(super) enum Definition {
    Scalar,
    Enum(Vec<String>),
    Object { implements: Vec<String>, fields: Vec<Field> },
    Interface(Vec<Field>),
    Input(Vec<Field>),
}

/// All types by name.
#[derive(Debug)]
pub(super) struct Definitions(BTreeMap<String, Definition>);

impl Definitions {
    pub(super) fn parse() -> Result<Self, GraphqlError> {
        let mut types = BTreeMap::new();
        for source in SOURCES {
            let document =
                parse_schema(source).map_err(|e| GraphqlError::Definition(e.to_string()))?;
            for definition in document.definitions {
                let TypeSystemDefinition::Type(ty) = definition else { continue };
                let name = ty.node.name.node.to_string();
                let new = read(ty.node.kind)
                    .ok_or_else(|| GraphqlError::Definition(format!("type {name}")))?;
                match (types.get_mut(&name), new) {
                    (
                        Some(Definition::Object { fields, .. }),
                        Definition::Object { fields: more, .. },
                    ) => fields.extend(more),
                    (_, new) => {
                        types.insert(name, new);
                    }
                }
            }
        }
        Ok(Self(types))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Definition)> {
        self.0.iter().map(|(name, definition)| (name.as_str(), definition))
    }

    /// The fields of an object or interface.
    pub(super) fn fields(&self, ty: &str) -> Option<&[Field]> {
        match self.0.get(ty)? {
            Definition::Object { fields, .. } | Definition::Interface(fields) => Some(fields),
            _ => None,
        }
    }

    /// The fields of an input object.
    pub(super) fn input_fields(&self, ty: &str) -> Option<&[Field]> {
        match self.0.get(ty)? {
            Definition::Input(fields) => Some(fields),
            _ => None,
        }
    }

    /// Whether the type is a scalar of the schema's own.
    pub(super) fn is_scalar(&self, ty: &str) -> bool {
        matches!(self.0.get(ty), Some(Definition::Scalar))
    }

    /// The type of a field of an object.
    pub(super) fn field_type(&self, ty: &str, field: &str) -> Option<&str> {
        let fields = self.fields(ty)?;
        fields.iter().find(|other| other.name == field).map(|field| base_name(&field.ty))
    }
}

/// The name inside lists.
pub(super) fn base_name(ty: &Type) -> &str {
    let mut base = &ty.base;
    loop {
        match base {
            BaseType::Named(name) => return name.as_str(),
            BaseType::List(inner) => base = &inner.base,
        }
    }
}

/// The type in the form of the schema builder.
pub(super) fn type_ref(ty: &Type) -> TypeRef {
    let base = match &ty.base {
        BaseType::Named(name) => TypeRef::Named(name.to_string().into()),
        BaseType::List(inner) => TypeRef::List(Box::new(type_ref(inner))),
    };
    if ty.nullable { base } else { TypeRef::NonNull(Box::new(base)) }
}

fn read(kind: TypeKind) -> Option<Definition> {
    Some(match kind {
        TypeKind::Scalar => Definition::Scalar,
        TypeKind::Enum(ty) => Definition::Enum(
            ty.values.into_iter().map(|value| value.node.value.node.to_string()).collect(),
        ),
        TypeKind::Object(ty) => Definition::Object {
            implements: ty.implements.into_iter().map(|name| name.node.to_string()).collect(),
            fields: ty.fields.into_iter().map(|field| read_field(field.node)).collect(),
        },
        TypeKind::Interface(ty) => Definition::Interface(
            ty.fields.into_iter().map(|field| read_field(field.node)).collect(),
        ),
        TypeKind::InputObject(ty) => {
            Definition::Input(ty.fields.into_iter().map(|field| read_input(field.node)).collect())
        }
        TypeKind::Union(_) => return None,
    })
}

fn read_field(field: async_graphql::parser::types::FieldDefinition) -> Field {
    Field {
        name: field.name.node.to_string(),
        ty: field.ty.node,
        arguments: field.arguments.into_iter().map(|argument| read_input(argument.node)).collect(),
    }
}

fn read_input(input: InputValueDefinition) -> Field {
    Field { name: input.name.node.to_string(), ty: input.ty.node, arguments: Vec::new() }
}
