//! The grammar of placeholders: which part of a text names a secret.
//!
//! | text | means |
//! |---|---|
//! | `${NAME}` | the value of the secret NAME, if NAME can be the name of one (§1.0.2) |
//! | `$${NAME}` | the text `${NAME}` |
//! | `${user.home}`, `${env:X}`, `${}`, `$NAME`, any other `$` | itself |
//!
//! A value that is filled in is not searched for placeholders again. Flink itself expands nothing in its configuration,
//! so what is left as it is reaches the program as it is.

use super::is_name;

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Itself.
    Text(&'a str),
    /// The value of the secret with this name.
    Secret(&'a str),
}

/// The pieces of a text, in order; escapes are undone.
#[must_use]
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    // Where the search goes on in `rest`; everything before it is plain text.
    let mut from = 0;
    while let Some(at) = rest.get(from..).and_then(|tail| tail.find('$')).map(|at| from + at) {
        let tail = rest.get(at..).unwrap_or_default();
        let is_escaped = tail.starts_with("$${");
        let inner = tail.strip_prefix(if is_escaped { "$${" } else { "${" });
        let name = inner.and_then(|inner| inner.split_once('}')).map(|(name, _)| name);
        let Some(name) = name.filter(|name| is_name(name)) else {
            from = at + 1;
            continue;
        };
        pieces.push(Piece::Text(rest.get(..at).unwrap_or_default()));
        let end = at + name.len() + if is_escaped { "$${}".len() } else { "${}".len() };
        pieces.push(match is_escaped {
            true => Piece::Text(rest.get(at + 1..end).unwrap_or_default()),
            false => Piece::Secret(name),
        });
        rest = rest.get(end..).unwrap_or_default();
        from = 0;
    }
    pieces.push(Piece::Text(rest));
    pieces.retain(|piece| *piece != Piece::Text(""));
    pieces
}

/// Names of the secrets in a text, each as often as it is there.
#[must_use]
pub fn names(text: &str) -> Vec<&str> {
    let name = |piece| match piece {
        Piece::Secret(name) => Some(name),
        Piece::Text(_) => None,
    };
    pieces(text).into_iter().filter_map(name).collect()
}

/// Whether filling a text would change it.
#[must_use]
pub fn is_filled(text: &str) -> bool {
    !text.is_empty() && pieces(text) != [Piece::Text(text)]
}

/// The text with values in place of names.
///
/// # Errors
/// Names without a value.
pub fn fill<'v>(
    text: &str,
    value: impl Fn(&str) -> Option<&'v str>,
) -> Result<String, Vec<String>> {
    let mut filled = String::new();
    let mut missing = Vec::new();
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Secret(name) => match value(name) {
                Some(value) => filled.push_str(value),
                None => missing.push(name.to_owned()),
            },
        }
    }
    if missing.is_empty() { Ok(filled) } else { Err(missing) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        fill(text, |name| (name != "GONE").then_some("<v>")).unwrap()
    }

    #[test]
    fn only_names_of_secrets_are_placeholders() {
        for (text, filled) in [
            ("", ""),
            ("${A}", "<v>"),
            ("a ${A-b_9} c${A}", "a <v> c<v>"),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("$${A}${A}", "${A}<v>"),
            ("${${A}}", "${<v>}"),
            ("${user.home} ${env:X} ${} ${ A } $A $", "${user.home} ${env:X} ${} ${ A } $A $"),
            ("$${user.home}", "$${user.home}"),
            ("${A", "${A"),
            ("${é}", "${é}"),
            ("é${A}é", "é<v>é"),
            ("${}${A}", "${}<v>"),
        ] {
            assert_eq!(of(text), filled, "{text}");
            assert_eq!(is_filled(text), text != filled, "{text}");
        }
    }

    #[test]
    fn every_missing_name_is_told() {
        assert_eq!(fill("${GONE} ${A} ${GONE2}", |_| None).unwrap_err(), ["GONE", "A", "GONE2"]);
        assert_eq!(names("${A}$${B}${C}"), ["A", "C"]);
    }

    #[test]
    fn a_name_has_250_characters_at_most() {
        let (fits, long) = ("x".repeat(250), "x".repeat(251));
        assert_eq!(names(&format!("${{{fits}}}")), [fits.as_str()]);
        assert_eq!(names(&format!("${{{long}}}")).len(), 0);
    }
}
