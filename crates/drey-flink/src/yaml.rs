//! Flink's configuration file as text: flat keys, one line each, every value a quoted string.
//!
//! Owns quoting. JSON's string syntax is a subset of YAML's double-quoted one, which the parsers of Flink 1.19 and newer
//! understand alike; Flink turns the string into the type that a key wants. Flink 1.18 has a parser of its own that
//! splits at `": "` and knows no quotes.

use std::fmt::Write;

use drey_model::meta::TextMap;

use crate::versions::Version;

/// The name of the configuration file.
#[must_use]
pub fn file_name(version: &Version) -> &'static str {
    if version.is_before(1, 19) { "flink-conf.yaml" } else { "config.yaml" }
}

/// The text of the configuration file.
#[must_use]
pub fn render(config: &TextMap, version: &Version) -> String {
    let mut text = String::from("# Written by Drey for one cluster; changes here are lost.\n");
    let is_plain = version.is_before(1, 19);
    for (key, value) in config {
        let line = if is_plain {
            format!("{key}: {}", value.replace(['\n', '\r'], " "))
        } else {
            format!("{}: {}", key_text(key), quoted(value))
        };
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// The first key whose value Flink 1.18 would cut off: its parser takes `#` for a comment and reads line by line.
#[must_use]
pub fn unwritable<'c>(config: &'c TextMap, version: &Version) -> Option<&'c str> {
    let is_cut = |value: &str| value.contains(['#', '\n', '\r']);
    let mut cut = config.iter().filter(|(_, value)| is_cut(value)).map(|(key, _)| key.as_str());
    if version.is_before(1, 19) { cut.next() } else { None }
}

fn key_text(key: &str) -> String {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_word = key.starts_with(|c: char| c.is_ascii_alphabetic()) && key.chars().all(is_safe);
    if is_word && key.contains('.') { key.to_owned() } else { quoted(key) }
}

fn quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            // Line separators and the byte order mark are special to YAML; other control characters are forbidden.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(text, "\\u{:04x}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_whatever_they_contain() {
        let nasty = [
            "a: b",
            "# no comment",
            "\"q\" 'q' \\",
            "two\nlines",
            "",
            "{a, [b]}",
            "ü\u{1}\u{2028}",
            "&x *y !z",
        ];
        let map: TextMap =
            nasty.iter().enumerate().map(|(i, v)| (format!("k.{i}"), (*v).to_owned())).collect();
        let text = render(&map, &"2.2.1".parse().unwrap());
        let mut lines = text.lines().skip(1);
        for value in nasty {
            let (_, quoted) = lines.next().unwrap().split_once(": ").unwrap();
            assert_eq!(serde_json::from_str::<String>(quoted).unwrap(), value);
        }
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn keys_are_quoted_only_when_they_must_be() {
        let map = TextMap::from([("$internal.x".into(), "1".into()), ("a.b-c".into(), "2".into())]);
        let text = render(&map, &"2.2.1".parse().unwrap());
        assert!(text.ends_with("\"$internal.x\": \"1\"\na.b-c: \"2\"\n"), "{text}");
    }

    #[test]
    fn the_old_parser_gets_plain_lines_in_its_own_file() {
        let map = TextMap::from([("a.b".into(), "c: d".into())]);
        let old = "1.18.1".parse().unwrap();
        assert_eq!(file_name(&old), "flink-conf.yaml");
        assert!(render(&map, &old).ends_with("a.b: c: d\n"));
        assert_eq!(unwritable(&map, &old), None);
        let cut = TextMap::from([("a.pw".into(), "a#b".into())]);
        assert_eq!(unwritable(&cut, &old), Some("a.pw"));
        assert_eq!(unwritable(&cut, &"1.19.0".parse().unwrap()), None);
    }
}
