//! S-expressions.

use super::ProofError;

/// An atom or a list, borrowing its atoms' text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sexp<'a> {
    /// Text without quotes or escapes.
    Atom(&'a str),
    /// One character that was quoted, and maybe escaped.
    Char(u8),
    List(Vec<Self>),
}

/// Lists within lists: proofs have 12 levels.
const MAX_DEPTH: usize = 32;

/// Parses one expression and nothing after it.
pub(super) fn parse(bytes: &[u8]) -> Result<Sexp<'_>, ProofError> {
    let mut parser = Parser { bytes, offset: 0 };
    let sexp = parser.expression(0)?;
    parser.skip_spaces();
    match parser.offset == bytes.len() {
        true => Ok(sexp),
        false => Err(parser.error("something follows the expression")),
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Parser<'a> {
    fn error(&self, reason: &'static str) -> ProofError {
        ProofError::Syntax { offset: self.offset, reason }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.offset).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.offset += 1;
        Some(byte)
    }

    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.offset += 1;
        }
    }

    fn expression(&mut self, depth: usize) -> Result<Sexp<'a>, ProofError> {
        self.skip_spaces();
        match self.peek() {
            Some(b'(') => self.list(depth),
            Some(b'"') => self.quoted(),
            Some(byte) if is_atom(byte) => self.atom(),
            Some(_) => Err(self.error("a character that no atom has")),
            None => Err(self.error("the end, where an expression should be")),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Sexp<'a>, ProofError> {
        if depth == MAX_DEPTH {
            return Err(self.error("lists too deep within lists"));
        }
        self.offset += 1;
        let mut items = Vec::new();
        loop {
            self.skip_spaces();
            if self.peek() == Some(b')') {
                self.offset += 1;
                return Ok(Sexp::List(items));
            }
            items.push(self.expression(depth + 1)?);
        }
    }

    fn atom(&mut self) -> Result<Sexp<'a>, ProofError> {
        let start = self.offset;
        while self.peek().is_some_and(is_atom) {
            self.offset += 1;
        }
        match std::str::from_utf8(&self.bytes[start..self.offset]) {
            Ok(text) => Ok(Sexp::Atom(text)),
            Err(_) => Err(self.error("an atom that is not ASCII")),
        }
    }

    /// One character in quotes: itself, `\n`, `\t`, `\r`, `\b`, `\\`, `\"`, or three decimal digits.
    fn quoted(&mut self) -> Result<Sexp<'a>, ProofError> {
        self.offset += 1;
        let value = match self.next() {
            Some(b'\\') => self.escape()?,
            Some(byte) if byte != b'"' => byte,
            _ => return Err(self.error("an empty quotation")),
        };
        match self.next() {
            Some(b'"') => Ok(Sexp::Char(value)),
            _ => Err(self.error("a quotation of more than one character")),
        }
    }

    fn escape(&mut self) -> Result<u8, ProofError> {
        let value = match self.next() {
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'r') => b'\r',
            Some(b'b') => 8,
            Some(byte @ (b'\\' | b'"' | b'\'' | b' ')) => byte,
            Some(first) if first.is_ascii_digit() => {
                let mut value = u16::from(first - b'0');
                for _ in 0..2 {
                    let digit = self.next().filter(u8::is_ascii_digit);
                    let digit =
                        digit.ok_or_else(|| self.error("an escape without three digits"))?;
                    value = value * 10 + u16::from(digit - b'0');
                }
                u8::try_from(value).map_err(|_| self.error("an escape above 255"))?
            }
            _ => return Err(self.error("an unknown escape")),
        };
        Ok(value)
    }
}

fn is_atom(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'(' | b')' | b'"' | b';' | b'\\')
}

/// A character as OCaml escapes it, in quotes where an S-expression needs them.
pub(super) fn write_char(value: u8) -> String {
    match value {
        b'\n' => "\"\\n\"".into(),
        b'\t' => "\"\\t\"".into(),
        b'\r' => "\"\\r\"".into(),
        8 => "\"\\b\"".into(),
        byte if is_atom(byte) => char::from(byte).to_string(),
        byte => format!("\"\\{byte:03}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_round_trip() {
        for value in 0..=127u8 {
            let text = write_char(value);
            let read = match parse(text.as_bytes()) {
                Ok(Sexp::Char(byte)) => byte,
                Ok(Sexp::Atom(atom)) => atom.as_bytes()[0],
                other => panic!("{text}: {other:?}"),
            };
            assert_eq!(read, value, "{text}");
        }
    }

    #[test]
    fn bad_syntax_is_located() {
        for (text, offset) in [
            ("", 0),
            ("(a", 2),
            ("(a))", 3),
            ("\"", 1),
            ("\"ab\"", 3),
            ("\"\\299\"", 5),
            ("a\u{e9}", 1),
        ] {
            let Err(ProofError::Syntax { offset: got, .. }) = parse(text.as_bytes()) else {
                panic!("{text} is accepted")
            };
            assert_eq!(got, offset, "{text}");
        }
        assert!(parse("(".repeat(100_000).as_bytes()).is_err());
    }
}
