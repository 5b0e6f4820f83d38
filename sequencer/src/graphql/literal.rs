//! Literals of GraphQL, read straight into what they stand for.
//!
//! Only literals that the GraphQL library and the checks of the schema are sure to take, and to take
//! for the same value. What may be otherwise is [`NotPlain`], and for the library to look at: escapes,
//! block strings, comments, variables, negative and broken numbers, fields that are unknown, missing
//! or there twice, and whatever is wrong.

use std::fmt;

use async_graphql::parser::types::{BaseType, Type};
use serde::{
    Deserializer,
    de::{
        self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor,
        value::{StrDeserializer, UnitDeserializer},
    },
    forward_to_deserialize_any,
};

use super::definition::{Definitions, Field};

/// The library has to look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a plain literal")]
pub(super) struct NotPlain;

impl de::Error for NotPlain {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// A piece of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'q> {
    /// One of `{}[]():`.
    Mark(u8),
    /// A name, which may be a keyword or an enum value.
    Name(&'q str),
    /// What is between quotes.
    Text(&'q str),
    /// A number without sign, fraction and exponent.
    Integer(u64),
}

/// A document from some place on.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'q> {
    text: &'q str,
    /// In bytes, between characters.
    at: usize,
}

impl<'q> Lexer<'q> {
    pub(super) fn new(text: &'q str, at: usize) -> Self {
        Self { text, at }
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    /// How many bytes from here on are such.
    fn run(&self, such: impl Fn(u8) -> bool) -> usize {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        rest.iter().position(|byte| !such(*byte)).unwrap_or(rest.len())
    }

    /// Takes so many bytes.
    fn take(&mut self, bytes: usize) -> Result<&'q str, NotPlain> {
        let taken = self.text.get(self.at..self.at + bytes).ok_or(NotPlain)?;
        self.at += bytes;
        Ok(taken)
    }

    /// The place of the next token. Carriage returns are no plain space: columns start anew at them,
    /// but not lines.
    pub(super) fn place(&mut self) -> usize {
        self.at += self.run(|byte| matches!(byte, b' ' | b',' | b'\t' | b'\n'));
        self.at
    }

    /// The first byte of the next token.
    fn peek(&mut self) -> Option<u8> {
        self.place();
        self.byte(0)
    }

    /// # Errors
    /// [`NotPlain`], also at the end.
    pub(super) fn token(&mut self) -> Result<Token<'q>, NotPlain> {
        match self.peek().ok_or(NotPlain)? {
            mark @ (b'{' | b'}' | b'[' | b']' | b'(' | b')' | b':') => {
                self.take(1)?;
                Ok(Token::Mark(mark))
            }
            b'"' => self.string(),
            b'0'..=b'9' => self.integer(),
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                let name =
                    self.take(self.run(|byte| byte == b'_' || byte.is_ascii_alphanumeric()))?;
                // The library splits these in two.
                let split = |word: &str| name.starts_with(word) && name.len() > word.len();
                if ["true", "false", "null"].into_iter().any(split) {
                    return Err(NotPlain);
                }
                Ok(Token::Name(name))
            }
            _ => Err(NotPlain),
        }
    }

    /// # Errors
    /// [`NotPlain`] if the next token is another.
    pub(super) fn expect(&mut self, expected: Token<'_>) -> Result<(), NotPlain> {
        if self.token()? == expected { Ok(()) } else { Err(NotPlain) }
    }

    fn string(&mut self) -> Result<Token<'q>, NotPlain> {
        self.take(1)?;
        let text = self.take(self.run(|byte| !matches!(byte, b'"' | b'\\' | b'\n' | b'\r')))?;
        // The quote that ends it; three begin a block.
        let is_block = text.is_empty() && self.byte(1) == Some(b'"');
        if self.byte(0) != Some(b'"') || is_block {
            return Err(NotPlain);
        }
        self.take(1)?;
        Ok(Token::Text(text))
    }

    fn integer(&mut self) -> Result<Token<'q>, NotPlain> {
        let digits = self.take(self.run(|byte| byte.is_ascii_digit()))?;
        let goes_on = |byte: u8| matches!(byte, b'.' | b'_') || byte.is_ascii_alphabetic();
        if (digits.len() > 1 && digits.starts_with('0')) || self.byte(0).is_some_and(goes_on) {
            return Err(NotPlain);
        }
        digits.parse().map(Token::Integer).map_err(|_| NotPlain)
    }
}

/// The value that comes next, of a type.
///
/// As the library would do it: input objects count what they lack as `null`, and enum values are
/// strings.
pub(super) struct Typed<'a, 'q> {
    pub(super) lexer: &'a mut Lexer<'q>,
    pub(super) ty: &'a Type,
    pub(super) definitions: &'a Definitions,
}

impl<'q> Typed<'_, 'q> {
    /// Takes `null`, if that comes next.
    fn null(&mut self) -> Result<bool, NotPlain> {
        if self.lexer.peek() != Some(b'n') {
            return Ok(false);
        }
        let mut ahead = self.lexer.clone();
        if ahead.token()? != Token::Name("null") {
            return Ok(false);
        }
        *self.lexer = ahead;
        if self.ty.nullable { Ok(true) } else { Err(NotPlain) }
    }

    /// A scalar that the checks of the schema let through. They look at those of GraphQL only.
    fn scalar(self) -> Result<Token<'q>, NotPlain> {
        let BaseType::Named(name) = &self.ty.base else { return Err(NotPlain) };
        let token = self.lexer.token()?;
        let is_taken = match (name.as_str(), token) {
            (_, Token::Mark(_)) => false,
            ("String", token) => matches!(token, Token::Text(_)),
            ("Boolean", token) => matches!(token, Token::Name("true" | "false")),
            ("Int", token) => matches!(token, Token::Integer(int) if i32::try_from(int).is_ok()),
            (name, _) => self.definitions.is_scalar(name),
        };
        if is_taken { Ok(token) } else { Err(NotPlain) }
    }
}

impl<'de> Deserializer<'de> for Typed<'_, '_> {
    type Error = NotPlain;

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, NotPlain> {
        if self.null()? {
            return visitor.visit_unit();
        }
        let Self { lexer, ty, definitions } = self;
        match &ty.base {
            BaseType::List(ty) => {
                lexer.expect(Token::Mark(b'['))?;
                let mut items = Items { lexer, ty, definitions };
                let value = visitor.visit_seq(&mut items)?;
                items.lexer.expect(Token::Mark(b']'))?;
                Ok(value)
            }
            BaseType::Named(name) => match definitions.input_fields(name) {
                Some(fields) => {
                    lexer.expect(Token::Mark(b'{'))?;
                    let mut object = Object { lexer, fields, definitions, seen: 0, next: None };
                    let value = visitor.visit_map(&mut object)?;
                    // Whoever has not asked for all of it has not seen what is wrong with it.
                    if object.lacking().is_some() {
                        return Err(NotPlain);
                    }
                    object.lexer.expect(Token::Mark(b'}'))?;
                    Ok(value)
                }
                None => match (Self { lexer, ty, definitions }).scalar()? {
                    Token::Name("true") => visitor.visit_bool(true),
                    Token::Name("false") => visitor.visit_bool(false),
                    Token::Name(text) | Token::Text(text) => visitor.visit_str(text),
                    Token::Integer(int) => visitor.visit_u64(int),
                    Token::Mark(_) => Err(NotPlain),
                },
            },
        }
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, NotPlain> {
        if self.null()? { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, NotPlain> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NotPlain> {
        match self.scalar()? {
            Token::Name("true" | "false" | "null") => Err(NotPlain),
            Token::Name(text) | Token::Text(text) => visitor.visit_enum(text.into_deserializer()),
            Token::Mark(_) | Token::Integer(_) => Err(NotPlain),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// What is between brackets.
struct Items<'a, 'q> {
    lexer: &'a mut Lexer<'q>,
    ty: &'a Type,
    definitions: &'a Definitions,
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = NotPlain;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, NotPlain> {
        if self.lexer.peek() == Some(b']') {
            return Ok(None);
        }
        let Self { lexer, ty, definitions } = self;
        seed.deserialize(Typed { lexer, ty, definitions }).map(Some)
    }
}

/// What is between braces, and then the fields that are not, each as `null`.
struct Object<'a, 'q> {
    lexer: &'a mut Lexer<'q>,
    fields: &'a [Field],
    definitions: &'a Definitions,
    /// A bit for each field that has been there.
    seen: u64,
    /// The value that comes next.
    next: Option<Next<'a>>,
}

#[derive(Clone, Copy)]
enum Next<'a> {
    Written(&'a Type),
    Lacking,
}

impl<'a> Object<'a, '_> {
    /// Marks a field. There are never more than bits: they would not be plain.
    fn see(&mut self, index: usize) -> Result<(), NotPlain> {
        let bit = u32::try_from(index).ok().and_then(|index| 1u64.checked_shl(index));
        let bit = bit.filter(|bit| self.seen & bit == 0).ok_or(NotPlain)?;
        self.seen |= bit;
        Ok(())
    }

    /// The first field that has not been there.
    fn lacking(&self) -> Option<(usize, &'a Field)> {
        let first = self.seen.trailing_ones() as usize;
        self.fields.get(first).map(|field| (first, field))
    }
}

impl<'de> MapAccess<'de> for Object<'_, '_> {
    type Error = NotPlain;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, NotPlain> {
        let (index, field, is_written) = if self.lexer.peek() == Some(b'}') {
            let Some((index, field)) = self.lacking() else { return Ok(None) };
            // The checks of the schema insist on it.
            if !field.ty.nullable {
                return Err(NotPlain);
            }
            (index, field, false)
        } else {
            let Token::Name(name) = self.lexer.token()? else { return Err(NotPlain) };
            let mut known = self.fields.iter().enumerate();
            let (index, field) = known.find(|(_, field)| field.name == name).ok_or(NotPlain)?;
            self.lexer.expect(Token::Mark(b':'))?;
            (index, field, true)
        };
        self.see(index)?;
        self.next = Some(if is_written { Next::Written(&field.ty) } else { Next::Lacking });
        let name: StrDeserializer<'_, NotPlain> = field.name.as_str().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, NotPlain> {
        match self.next.take().ok_or(NotPlain)? {
            Next::Lacking => seed.deserialize(UnitDeserializer::new()),
            Next::Written(ty) => {
                let Self { lexer, definitions, .. } = self;
                seed.deserialize(Typed { lexer, ty, definitions })
            }
        }
    }
}
