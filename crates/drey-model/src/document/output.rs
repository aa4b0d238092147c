//! Trees to text: JSON and YAML that every reader of versions 1.1 and 1.2 understands alike.
//!
//! Members come out in alphabetical order. A text is quoted whenever some reader could take it for anything else.

use serde::Serialize;
use serde_json::Value;

use super::json::is_number;
use super::node::{Content, Node};

/// Pretty-printed JSON, ending in a line break.
///
/// # Errors
/// The value has map keys that are not texts.
pub fn to_json_pretty<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(text)
}

/// YAML in block style, ending in a line break.
///
/// # Errors
/// The value has map keys that are not texts.
pub fn to_yaml<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    let value = serde_json::to_value(value)?;
    let mut text = String::new();
    match &value {
        Value::Object(map) if !map.is_empty() => block(&value, 0, &mut text),
        Value::Array(items) if !items.is_empty() => block(&value, 0, &mut text),
        scalar => {
            inline(scalar, 0, &mut text);
            text.push('\n');
        }
    }
    Ok(text)
}

/// JSON in which plain numbers keep their literal form.
pub(super) fn literal_json(node: &Node) -> String {
    match &node.content {
        Content::Scalar(scalar) if scalar.is_plain && is_number(&scalar.text) => {
            scalar.text.clone()
        }
        Content::Scalar(scalar) => match scalar.to_value() {
            value @ (Value::Null | Value::Bool(_)) => value.to_string(),
            _ => Value::String(scalar.text.clone()).to_string(),
        },
        Content::List(items) => {
            let items: Vec<String> = items.iter().map(literal_json).collect();
            format!("[{}]", items.join(","))
        }
        Content::Map(members) => {
            let member = |(key, node): &(String, Node)| {
                format!("{}:{}", Value::String(key.clone()), literal_json(node))
            };
            let members: Vec<String> = members.iter().map(member).collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

/// A map or list with something in it, one member or element a line.
fn block(value: &Value, indent: usize, into: &mut String) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                into.push_str(&" ".repeat(indent));
                into.push_str(&key_text(key));
                into.push(':');
                below(value, indent, into);
            }
        }
        Value::Array(items) => {
            for item in items {
                into.push_str(&" ".repeat(indent));
                into.push('-');
                element(item, indent, into);
            }
        }
        _ => {}
    }
}

/// A value after `key:`.
fn below(value: &Value, indent: usize, into: &mut String) {
    if has_content(value) {
        into.push('\n');
        let deeper = if value.is_array() { indent } else { indent + 2 };
        block(value, deeper, into);
    } else {
        into.push(' ');
        inline(value, indent + 2, into);
        into.push('\n');
    }
}

/// A value after `-`: a map begins on the same line.
fn element(value: &Value, indent: usize, into: &mut String) {
    if !has_content(value) {
        into.push(' ');
        inline(value, indent + 2, into);
        into.push('\n');
        return;
    }
    let mut inner = String::new();
    block(value, indent + 2, &mut inner);
    into.push(' ');
    into.push_str(inner.get(indent + 2..).unwrap_or_default());
}

fn has_content(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

fn inline(value: &Value, indent: usize, into: &mut String) {
    match value {
        Value::String(text) if is_literal_block(text) => literal_block(text, indent, into),
        Value::String(text) if is_safe_plain(text) => into.push_str(text),
        Value::String(text) => into.push_str(&quoted(text)),
        other => into.push_str(&other.to_string()),
    }
}

fn key_text(key: &str) -> String {
    if is_safe_plain(key) { key.to_owned() } else { quoted(key) }
}

/// Several printable lines that a `|` block shows unchanged.
fn is_literal_block(text: &str) -> bool {
    let is_shown = |c: char| c == '\n' || is_shown_plainly(c);
    let starts_well = !text.starts_with([' ', '\n']);
    text.trim_end_matches('\n').contains('\n') && starts_well && text.chars().all(is_shown)
}

fn literal_block(text: &str, indent: usize, into: &mut String) {
    let kept = text.trim_end_matches('\n');
    let breaks = text.len() - kept.len();
    into.push_str(match breaks {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });
    for line in kept.split('\n') {
        into.push('\n');
        if !line.is_empty() {
            into.push_str(&" ".repeat(indent));
            into.push_str(line);
        }
    }
    for _ in 1..breaks {
        into.push('\n');
    }
}

/// Characters that stay what they are in every style and every reader.
fn is_shown_plainly(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Whether a text needs no quotes in any reader: it begins with a letter or `/`, holds nothing with a meaning in YAML,
/// and is not a word that some version takes for a boolean or null.
fn is_safe_plain(text: &str) -> bool {
    const WORDS: [&str; 11] =
        ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"];
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let has_meaning = text.contains(": ") || text.contains(" #") || text.ends_with([':', ' ']);
    let is_word = WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    let is_flow = text.contains([',', '[', ']', '{', '}']);
    begins_well && !has_meaning && !is_word && !is_flow && text.chars().all(is_shown_plainly)
}

/// Single quotes while they can hold the text, as people write them; double quotes with JSON's escapes otherwise.
fn quoted(text: &str) -> String {
    if text.chars().all(is_shown_plainly) && !text.contains('\'') {
        return format!("'{text}'");
    }
    let json = Value::String(text.to_owned()).to_string();
    let escape = |c: char| {
        if is_shown_plainly(c) { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) }
    };
    json.chars().map(escape).collect()
}

#[cfg(test)]
#[path = "output_tests.rs"]
pub(super) mod tests;
