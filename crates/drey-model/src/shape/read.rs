//! One walk over a document with its shape. Recursion ends where the document does, at
//! [`crate::document::DEPTH_MAX`].

use serde_json::{Map, Number, Value};
use uuid::Uuid;

use super::{Member, Normalised, Shape, Words};
use crate::document::{Content, Document, Node, Scalar};
use crate::merge::{DIRECTIVE, MISPLACED, is_directive};
use crate::nearest::nearest;
use crate::problem::{PROBLEMS_MAX, Problem, index_path, join_path};

pub(super) fn read(document: &Document, shape: &Shape, noun: &str, is_strict: bool) -> Normalised {
    let (has_lines, found) = (document.has_lines, Normalised::default());
    let mut reader = Reader { has_lines, is_strict, found };
    let value = reader.value(&document.root, shape, "", noun);
    reader.found.value = value.unwrap_or_default();
    reader.found
}

struct Reader {
    has_lines: bool,
    /// Whether unknown members are problems.
    is_strict: bool,
    found: Normalised,
}

impl Reader {
    fn problem(&mut self, path: &str, message: String) {
        if self.found.problems.len() < PROBLEMS_MAX {
            self.found.problems.push(Problem::new(path, message));
        }
    }

    fn wrong(&mut self, path: &str, expected: &str, node: &Node) {
        let message = format!("Expected {expected}, found {}.", node.describe());
        self.problem(path, message);
    }

    /// The canonical value; nothing when it is ignored or wrong. `noun` names what contains it.
    fn value(&mut self, node: &Node, shape: &Shape, path: &str, noun: &str) -> Option<Value> {
        if self.has_lines {
            self.found.places.insert(path.to_owned(), node.place);
        }
        if matches!(shape, Shape::Ignored) {
            return None;
        }
        if node.is_null() && !path.is_empty() {
            return Some(Value::Null);
        }
        match shape {
            Shape::Ignored => None,
            Shape::Opaque => Some(node.to_value()),
            Shape::Object(members) => self.object(node, members, path, noun),
            Shape::Keys(keys, shape) => self.keys(node, keys, shape, path),
            Shape::Map(shape) => self.map(node, shape, path),
            Shape::List(shape) => self.list(node, shape, path),
            Shape::Text => {
                self.scalar(node, path, "a text", |s| Some(Value::String(s.text.clone())))
            }
            Shape::Int => self.scalar(node, path, "a whole number below 2147483648", int),
            Shape::Number => self.scalar(node, path, "a number", number),
            Shape::Flag => self.scalar(node, path, "true or false", flag),
            Shape::Id => self.scalar(node, path, "a UUID", id),
            Shape::Word(words) => self.word(node, words, path),
        }
    }

    fn object(&mut self, node: &Node, members: &[Member], path: &str, noun: &str) -> Option<Value> {
        let Content::Map(found) = &node.content else {
            self.wrong(path, "an object", node);
            return None;
        };
        let mut object = Map::new();
        for (key, node) in found {
            let member = members.iter().find(|m| m.name.eq_ignore_ascii_case(key));
            let Some(Member { name, shape }) = member else {
                self.unknown(key, node, members.iter().map(|m| m.name), path, noun);
                continue;
            };
            let inner = join_path(path, name);
            if object.contains_key(*name) {
                self.twice(&inner, key);
            } else if let Some(value) = self.value(node, shape, &inner, name) {
                object.insert((*name).to_owned(), value);
            }
        }
        Some(Value::Object(object))
    }

    fn keys(
        &mut self,
        node: &Node,
        keys: &[&'static str],
        shape: &Shape,
        path: &str,
    ) -> Option<Value> {
        let Content::Map(found) = &node.content else {
            self.wrong(path, "an object", node);
            return None;
        };
        let mut object = Map::new();
        for (key, node) in found {
            let Some(name) = keys.iter().find(|k| k.eq_ignore_ascii_case(key)) else {
                let noun = path.rsplit('.').next().unwrap_or(path).to_owned();
                self.unknown(key, node, keys.iter().copied(), path, &noun);
                continue;
            };
            let inner = join_path(path, name);
            if object.contains_key(*name) {
                self.twice(&inner, key);
            } else if let Some(value) = self.value(node, shape, &inner, name) {
                object.insert((*name).to_owned(), value);
            }
        }
        Some(Value::Object(object))
    }

    fn map(&mut self, node: &Node, shape: &Shape, path: &str) -> Option<Value> {
        let Content::Map(found) = &node.content else {
            self.wrong(path, "an object of texts", node);
            return None;
        };
        let mut object = Map::new();
        for (key, node) in found {
            if let Some(value) = self.value(node, shape, &join_path(path, key), key) {
                object.insert(key.clone(), value);
            }
        }
        Some(Value::Object(object))
    }

    fn list(&mut self, node: &Node, shape: &Shape, path: &str) -> Option<Value> {
        let Content::List(found) = &node.content else {
            self.wrong(path, "a list", node);
            return None;
        };
        let mut items = Vec::new();
        for (index, node) in found.iter().enumerate() {
            let inner = index_path(path, index);
            let opaque = node.to_value();
            if is_directive(&opaque) {
                items.push(opaque);
            } else if node.is_null() {
                self.wrong(&inner, "a value", node);
            } else {
                items.extend(self.value(node, shape, &inner, "an element"));
            }
        }
        Some(Value::Array(items))
    }

    fn scalar(
        &mut self,
        node: &Node,
        path: &str,
        expected: &str,
        read: fn(&Scalar) -> Option<Value>,
    ) -> Option<Value> {
        let value = match &node.content {
            Content::Scalar(scalar) => read(scalar),
            Content::Map(_) | Content::List(_) => None,
        };
        if value.is_none() {
            self.wrong(path, expected, node);
        }
        value
    }

    fn word(&mut self, node: &Node, words: &Words, path: &str) -> Option<Value> {
        let text = node.text().unwrap_or_default();
        let is_text = |known: &&str| known.eq_ignore_ascii_case(text);
        let alias = words.aliases.iter().find(|(alias, _)| is_text(alias)).map(|(_, word)| *word);
        if let Some(word) = alias.or_else(|| words.words.iter().copied().find(|w| is_text(w))) {
            return Some(Value::String(word.to_owned()));
        }
        let known = words.words.join(", ");
        let one_of = if words.words.len() == 1 { "Expected" } else { "Expected one of" };
        let hint =
            words.hints.iter().find(|(word, _)| is_text(word)).map(|(_, hint)| format!(" {hint}"));
        let near =
            || nearest(text, words.words.iter().copied()).map(|w| format!(" Did you mean {w}?"));
        let hint = hint.or_else(near).unwrap_or_default();
        let message = format!("{one_of} {known}, found {}.{hint}", node.describe());
        self.problem(path, message);
        None
    }

    fn unknown<'a>(
        &mut self,
        key: &str,
        node: &Node,
        known: impl IntoIterator<Item = &'a str>,
        path: &str,
        noun: &str,
    ) {
        let inner = join_path(path, key);
        if key == DIRECTIVE {
            return self.problem(&inner, MISPLACED.to_owned());
        }
        if self.found.warnings.len() >= PROBLEMS_MAX {
            return;
        }
        if self.has_lines {
            self.found.places.insert(inner.clone(), node.place);
        }
        let hint = nearest(key, known).map(|near| format!(" Did you mean {near}?"));
        let hint = hint.unwrap_or_default();
        if self.is_strict {
            return self.problem(&inner, format!("Not a member of {noun}. Remove it.{hint}"));
        }
        let message = format!("Not a member of {noun}, so it is ignored.{hint}");
        self.found.warnings.push(Problem::new(inner, message));
    }

    fn twice(&mut self, path: &str, key: &str) {
        let message = format!(
            "Given twice: {key:?} differs from the other one only in letter case. Remove one."
        );
        self.problem(path, message);
    }
}

fn int(scalar: &Scalar) -> Option<Value> {
    let text = scalar.text.trim();
    let whole = text.parse::<i32>().ok();
    // Some clients write every number as a float.
    let float = || {
        let digits = text.split_once('.').filter(|(_, zeros)| zeros.bytes().all(|b| b == b'0'));
        digits.and_then(|(digits, _)| digits.parse::<i32>().ok())
    };
    whole.or_else(float).map(Value::from)
}

fn number(scalar: &Scalar) -> Option<Value> {
    let looks_like_one = scalar
        .text
        .trim()
        .starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    let number = scalar.text.trim().parse::<f64>().ok().filter(|_| looks_like_one);
    number.and_then(Number::from_f64).map(Value::Number)
}

fn flag(scalar: &Scalar) -> Option<Value> {
    let text = scalar.text.trim();
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    if is("true") { Some(Value::Bool(true)) } else { is("false").then_some(Value::Bool(false)) }
}

fn id(scalar: &Scalar) -> Option<Value> {
    Uuid::try_parse(scalar.text.trim()).ok().map(|id| Value::String(id.to_string()))
}
