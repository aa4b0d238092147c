//! A strict JSON reader that keeps the literal text of numbers and the place of every value; `serde_json` keeps
//! neither without changing its numbers for the whole program.

use super::node::{Content, Node, Place, Scalar};
use super::{Budget, DEPTH_MAX, KEY_BYTES_MAX, Unreadable};

/// Reads one JSON value and nothing after it.
pub(super) fn read(text: &str) -> Result<Node, Unreadable> {
    let mut reader = Reader { text, at: 0, line: 1, line_start: 0, budget: Budget::default() };
    reader.skip_space();
    let root = reader.value(0)?;
    reader.skip_space();
    match reader.peek() {
        None => Ok(root),
        Some(found) => Err(reader.unexpected(found, "the end of the text")),
    }
}

struct Reader<'a> {
    text: &'a str,
    /// Byte offset of the next character.
    at: usize,
    line: usize,
    /// Byte offset of the beginning of the line.
    line_start: usize,
    budget: Budget,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..).and_then(|rest| rest.chars().next())
    }

    fn bump(&mut self, c: char) {
        self.at += c.len_utf8();
        if c == '\n' {
            self.line += 1;
            self.line_start = self.at;
        }
    }

    fn skip_space(&mut self) {
        while let Some(c) = self.peek().filter(|c| matches!(c, ' ' | '\t' | '\n' | '\r')) {
            self.bump(c);
        }
    }

    fn place(&self) -> Place {
        // Bytes, not characters: counting characters from the line's start would be quadratic on one long line.
        Place { line: self.line, column: self.at - self.line_start + 1 }
    }

    fn unexpected(&self, found: char, expected: &str) -> Unreadable {
        Unreadable::new(self.place(), format!("expected {expected}, found {found:?}"))
    }

    fn expected(&self, expected: &str) -> Unreadable {
        match self.peek() {
            Some(found) => self.unexpected(found, expected),
            None => Unreadable::new(self.place(), format!("expected {expected}, the text ends")),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, Unreadable> {
        let place = self.place();
        if depth > DEPTH_MAX {
            return Err(Unreadable::too_deep(place));
        }
        let content = match self.peek() {
            Some('{') => self.object(depth)?,
            Some('[') => self.array(depth)?,
            Some('"') => Content::Scalar(Scalar { text: self.string()?, is_plain: false }),
            Some('-' | '0'..='9' | 'a'..='z') => {
                Content::Scalar(Scalar { text: self.word()?, is_plain: true })
            }
            _ => return Err(self.expected("a value")),
        };
        self.budget.spend(1, 0, place)?;
        Ok(Node { place, content })
    }

    fn object(&mut self, depth: usize) -> Result<Content, Unreadable> {
        let mut members: Vec<(String, Node)> = Vec::new();
        let mut keys = std::collections::BTreeSet::new();
        self.bump('{');
        self.skip_space();
        while self.peek() != Some('}') {
            let place = self.place();
            if self.peek() != Some('"') {
                return Err(self.expected("a member name in double quotes"));
            }
            let key = self.string()?;
            if key.len() > KEY_BYTES_MAX {
                return Err(Unreadable::long_key(place));
            }
            if !keys.insert(key.clone()) {
                return Err(Unreadable::new(place, format!("the member {key:?} is given twice")));
            }
            self.skip_space();
            if self.peek() != Some(':') {
                return Err(self.expected("':'"));
            }
            self.bump(':');
            self.skip_space();
            let node = self.value(depth + 1)?;
            members.push((key, Node { place, ..node }));
            self.separator('}')?;
        }
        self.bump('}');
        Ok(Content::Map(members))
    }

    fn array(&mut self, depth: usize) -> Result<Content, Unreadable> {
        let mut items = Vec::new();
        self.bump('[');
        self.skip_space();
        while self.peek() != Some(']') {
            items.push(self.value(depth + 1)?);
            self.separator(']')?;
        }
        self.bump(']');
        Ok(Content::List(items))
    }

    /// A comma with something after it, or the end of the object or array.
    fn separator(&mut self, end: char) -> Result<(), Unreadable> {
        self.skip_space();
        if self.peek() == Some(end) {
            return Ok(());
        }
        if self.peek() != Some(',') {
            return Err(self.expected(&format!("',' or {end:?}")));
        }
        self.bump(',');
        self.skip_space();
        if self.peek() == Some(end) {
            return Err(self.expected("a value after ','"));
        }
        Ok(())
    }

    /// A string; its escapes are left to `serde_json`.
    fn string(&mut self) -> Result<String, Unreadable> {
        let (place, start) = (self.place(), self.at);
        self.bump('"');
        let mut is_escaped = false;
        loop {
            let Some(c) = self.peek() else {
                return Err(Unreadable::new(place, "the text that begins here has no end"));
            };
            self.bump(c);
            match c {
                '"' if !is_escaped => break,
                '\\' => is_escaped = !is_escaped,
                _ => is_escaped = false,
            }
        }
        let literal = self.text.get(start..self.at).unwrap_or_default();
        self.budget.spend(0, literal.len(), place)?;
        serde_json::from_str(literal)
            .map_err(|e| Unreadable::new(place, format!("odd text in quotes: {e}")))
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self) -> Result<String, Unreadable> {
        let (place, start) = (self.place(), self.at);
        let is_part = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.');
        while let Some(c) = self.peek().filter(is_part) {
            self.bump(c);
        }
        let literal = self.text.get(start..self.at).unwrap_or_default();
        self.budget.spend(0, literal.len(), place)?;
        let is_word = matches!(literal, "true" | "false" | "null");
        if is_word || is_number(literal) {
            return Ok(literal.to_owned());
        }
        Err(Unreadable::new(
            place,
            format!("expected a value, found {}", super::node::quoted(literal)),
        ))
    }
}

/// Whether a text is a JSON number: `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?`.
pub(super) fn is_number(text: &str) -> bool {
    let are_digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (before, after) = match mantissa.split_once('.') {
        Some((before, after)) => (before, Some(after)),
        None => (mantissa, None),
    };
    are_digits(before)
        && (before == "0" || !before.starts_with('0'))
        && after.is_none_or(are_digits)
        && exponent.is_none_or(|e| are_digits(e.strip_prefix(['-', '+']).unwrap_or(e)))
}
