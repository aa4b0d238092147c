//! Nothing half done: no notes to oneself, no placeholders, no disabled tests.
//!
//! A note in the code is an issue that nobody sees; a disabled test is a promise that looks kept.

use super::{Source, Violation, tokens};

/// The files that rules look at: code, and documents for their links.
pub(super) const EXTENSIONS: &[&str] =
    &["rs", "ts", "tsx", "css", "java", "sql", "toml", "yaml", "md"];

/// Put together here, or this file would break its own rule.
const NOTES: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// Tokens that stand for missing work.
const PLACEHOLDERS: &[(&str, &str)] = &[
    ("todo !", "write it, or leave the caller out until it exists"),
    ("unimplemented !", "write it, or leave the caller out until it exists"),
    ("# [ ignore", "a test runs or goes: what it needs belongs behind a verb of its own"),
];

pub(super) fn check(source: &Source) -> Vec<Violation> {
    let mut found = Vec::new();
    if !source.is(&["md"]) {
        for (n, line) in source.text.lines().enumerate() {
            for note in NOTES.iter().filter(|note| has_word(line, note)) {
                found.push(source.violation(n + 1, format!("{note}: do it now or open an issue")));
            }
        }
    }
    for (at, token) in source.tokens.iter().enumerate() {
        for (pattern, advice) in
            PLACEHOLDERS.iter().filter(|(p, _)| tokens::matches(&source.tokens, at, p))
        {
            found.push(
                source.violation(token.line, format!("`{}`: {advice}", pattern.replace(' ', ""))),
            );
        }
    }
    found
}

fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(is_part) && !line[at + word.len()..].starts_with(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::super::advice;
    use super::*;

    #[test]
    fn notes_to_oneself_are_found_in_code_and_comments() {
        let [a, b] = NOTES;
        assert_eq!(advice(check, "a.rs", &format!("//! x\n// {a}: later\n")).len(), 1);
        assert_eq!(advice(check, "a.sql", &format!("-- {b}\n")).len(), 1);
        assert!(advice(check, "a.rs", &format!("// {a}S and M{b}\n")).is_empty());
        assert!(advice(check, "a.md", &format!("no {a} in code\n")).is_empty());
    }

    #[test]
    fn placeholders_and_disabled_tests_are_found() {
        let text =
            "fn a() { todo!() }\n#[test]\n#[ignore = \"slow\"]\nfn b() { unimplemented!(\"c\") }";
        let lines: Vec<_> = advice(check, "a.rs", text).iter().map(|v| v[..2].to_owned()).collect();
        assert_eq!(lines, ["1:", "3:", "4:"]);
    }

    #[test]
    fn the_words_are_free_in_strings() {
        assert!(advice(check, "a.rs", "fn a() { b(\"todo!() #[ignore]\") }").is_empty());
    }
}
