//! The tree itself, and what a scalar is by the ordinary rules (the core schema of YAML 1.2, of which JSON's is part).

use std::fmt;

use serde_json::{Map, Number, Value};

/// Line and column in the text, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl Place {
    /// The beginning of the text.
    pub const START: Self = Self { line: 1, column: 1 };
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it begins; for the value of a map member, where its key begins.
    pub place: Place,
    /// What it is.
    pub content: Content,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Text, number, boolean or null: not decided yet.
    Scalar(Scalar),
    /// Members in the order of the text; keys are unique.
    Map(Vec<(String, Node)>),
    /// Elements.
    List(Vec<Node>),
}

/// A scalar as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The text, without quotes and escapes.
    pub text: String,
    /// Written without quotes, so it may be a number, boolean or null.
    pub is_plain: bool,
}

impl Scalar {
    /// What it is by the ordinary rules.
    #[must_use]
    pub fn to_value(&self) -> Value {
        if self.is_plain { resolve(&self.text) } else { Value::String(self.text.clone()) }
    }

    /// Whether it is null: plain and empty, `~` or `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.is_plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }
}

impl Node {
    /// A node that was never text.
    #[must_use]
    pub fn from_value(value: &Value) -> Self {
        let scalar = |text: String, is_plain| Content::Scalar(Scalar { text, is_plain });
        let content = match value {
            Value::Null => scalar("null".to_owned(), true),
            Value::Bool(b) => scalar(b.to_string(), true),
            Value::Number(n) => scalar(n.to_string(), true),
            Value::String(s) => scalar(s.clone(), false),
            Value::Array(items) => Content::List(items.iter().map(Self::from_value).collect()),
            Value::Object(map) => {
                Content::Map(map.iter().map(|(k, v)| (k.clone(), Self::from_value(v))).collect())
            }
        };
        Self { place: Place::START, content }
    }

    /// The value by the ordinary rules.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match &self.content {
            Content::Scalar(scalar) => scalar.to_value(),
            Content::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Content::Map(members) => {
                let map: Map<String, Value> =
                    members.iter().map(|(k, v)| (k.clone(), v.to_value())).collect();
                Value::Object(map)
            }
        }
    }

    /// Whether it is null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar(scalar) if scalar.is_null())
    }

    /// The literal text of a scalar that is not null.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(scalar) if !scalar.is_null() => Some(&scalar.text),
            Content::Scalar(_) | Content::Map(_) | Content::List(_) => None,
        }
    }

    /// The member of a map; the exact name first, then any letter case.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Self> {
        let Content::Map(members) = &self.content else { return None };
        let exact = members.iter().find(|(key, _)| key == name);
        let found =
            exact.or_else(|| members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)));
        found.map(|(_, node)| node)
    }

    /// For people: what was found instead of what was expected.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.content {
            Content::Map(_) => "an object".to_owned(),
            Content::List(_) => "a list".to_owned(),
            Content::Scalar(scalar) if scalar.is_null() => "null".to_owned(),
            Content::Scalar(scalar) if scalar.to_value().is_string() => quoted(&scalar.text),
            Content::Scalar(scalar) => scalar.text.clone(),
        }
    }
}

/// A text in quotes for a message, shortened when it is long.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 80;
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// A plain scalar by the core schema. Numbers that JSON cannot hold (`.inf`, `.nan`) stay texts.
fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let number = whole(text).or_else(|| {
        let float = if looks_like_float(text) { text.parse::<f64>().ok() } else { None };
        float.and_then(Number::from_f64)
    });
    number.map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

fn whole(text: &str) -> Option<Number> {
    if let Some(digits) = text.strip_prefix("0x") {
        return unsigned(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return unsigned(digits, 8);
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse::<i64>()
        .map(Number::from)
        .ok()
        .or_else(|| text.parse::<u64>().map(Number::from).ok())
}

fn unsigned(digits: &str, radix: u32) -> Option<Number> {
    let is_signed = digits.starts_with(['+', '-']);
    u64::from_str_radix(digits, radix).ok().filter(|_| !is_signed).map(Number::from)
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn looks_like_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let are_digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let has_digit = !before.is_empty() || !after.is_empty();
    let exponent_is_fine = exponent.is_none_or(|e| {
        let digits = e.strip_prefix(['+', '-']).unwrap_or(e);
        !digits.is_empty() && are_digits(digits)
    });
    has_digit && are_digits(before) && are_digits(after) && exponent_is_fine
}
