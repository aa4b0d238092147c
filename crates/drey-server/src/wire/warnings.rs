//! Warnings of a write travel in `Drey-Warning` headers, one each, so that bodies stay as the platform's clients
//! know them.

use axum::http::{HeaderName, HeaderValue};
use drey_model::Problem;

/// The header.
pub(crate) const WARNING: HeaderName = HeaderName::from_static("drey-warning");

/// At most this many warnings are sent, and then one that counts the rest.
const WARNINGS_MAX: usize = 16;
/// At most this many characters of one; 16 of them stay well below what proxies allow for all headers.
const WARNING_LEN_MAX: usize = 240;

/// The headers for `warnings`.
pub(super) fn headers(warnings: &[Problem]) -> Vec<(HeaderName, HeaderValue)> {
    let mut lines: Vec<String> = warnings.iter().take(WARNINGS_MAX).map(line).collect();
    if warnings.len() > WARNINGS_MAX {
        lines.push(format!("+{} more warnings", warnings.len() - WARNINGS_MAX));
    }
    lines.iter().filter_map(|l| Some((WARNING, HeaderValue::from_str(l).ok()?))).collect()
}

fn line(warning: &Problem) -> String {
    match warning.path.as_str() {
        "" => ascii(&warning.message),
        path => ascii(&format!("{path}: {}", warning.message)),
    }
}

/// Printable ASCII; everything else as `\u{…}`.
fn ascii(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if out.len() >= WARNING_LEN_MAX {
            out.push_str("...");
            break;
        }
        match c {
            ' '..='~' => out.push(c),
            '\n' | '\t' => out.push(' '),
            other => out.extend(other.escape_unicode()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_break_out_of_a_header() {
        let odd = Problem::new("", "a\r\nSet-Cookie: x=1 \u{e9}");
        let sent = headers(&[odd, Problem::new("p", "y".repeat(5000))]);
        assert_eq!(sent.len(), 2);
        assert_eq!(sent[0].1, "a\\u{d} Set-Cookie: x=1 \\u{e9}");
        assert!(sent[1].1.len() < 300);
        assert_eq!(headers(&vec![Problem::new("", "z"); 40]).len(), WARNINGS_MAX + 1);
    }
}
