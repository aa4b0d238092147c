//! Hiding secret values in what a job says: its logs, its REST API, the reason why it failed.
//!
//! Flink writes its whole configuration to its log and shows it at `/config`, and hides only the values of keys that it
//! holds for sensitive; a program may print anything. So what leaves Drey is searched for the values themselves, in the
//! spellings that Flink, JSON and URIs give them. A value that a program transforms (encodes, splits) is not found, and
//! one of less than [`HIDDEN_BYTES_MIN`] bytes is not looked for: it would be found everywhere.
//!
//! A text that comes in pieces is masked as if it were whole: a piece is looked at together with [`Mask::context`] bytes
//! before and after it, and whether a byte is hidden depends on no more than these. Reading a log byte by byte shows
//! nothing that reading it whole does not.

use std::collections::BTreeSet;
use std::fmt;

use secrecy::{ExposeSecret, SecretSlice};
use serde_json::Value;
use url::Url;

/// Shortest value that is hidden.
pub const HIDDEN_BYTES_MIN: usize = 4;
/// What stands in place of a value; Flink's own sign for it.
pub const HIDDEN: &str = "******";
/// Shortest line of a value of several lines that is hidden by itself.
const LINE_BYTES_MIN: usize = 8;

/// The values that must not be shown.
#[derive(Default)]
pub struct Mask {
    needles: Vec<SecretSlice<u8>>,
    longest: usize,
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mask").field("needles", &self.needles.len()).finish_non_exhaustive()
    }
}

impl Mask {
    /// Hides these values.
    #[must_use]
    pub fn of<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all = BTreeSet::new();
        for value in values {
            all.extend(spellings(value));
        }
        all.retain(|needle| needle.len() >= HIDDEN_BYTES_MIN);
        let longest = all.iter().map(String::len).max().unwrap_or(0);
        let needles = all.into_iter().map(|n| SecretSlice::from(n.into_bytes())).collect();
        Self { needles, longest }
    }

    /// Whether there is nothing to hide.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    /// How many bytes before and after a piece have to be known to mask it.
    #[must_use]
    pub fn context(&self) -> usize {
        self.longest
    }

    /// The text without the values.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        if self.is_empty() {
            return text.to_owned();
        }
        String::from_utf8_lossy(&self.piece(text.as_bytes(), 0, text.len())).into_owned()
    }

    /// `window[from..to]` without the values. The window begins at least [`Self::context`] bytes before `from`, or where
    /// the whole text begins, and ends so many bytes after `to`, or where the text ends.
    #[must_use]
    pub fn piece(&self, window: &[u8], from: usize, to: usize) -> Vec<u8> {
        let covered = self.covered(window);
        let mut shown = Vec::with_capacity(to.saturating_sub(from));
        for (at, byte) in window.iter().enumerate().take(to).skip(from) {
            let is_covered = |at: usize| covered.get(at).copied().unwrap_or(false);
            match (is_covered(at), at > 0 && is_covered(at - 1)) {
                (false, _) => shown.push(*byte),
                // One sign for each stretch, whatever piece its first byte is in.
                (true, false) => shown.extend_from_slice(HIDDEN.as_bytes()),
                (true, true) => {}
            }
        }
        shown
    }

    /// Length of the text up to which it can be shown while more may follow: what is left out may be the beginning of a
    /// value.
    #[must_use]
    pub fn settled(&self, text: &[u8]) -> usize {
        let may_grow = |start: usize| {
            let tail = text.get(start..).unwrap_or_default();
            self.needles.iter().any(|n| {
                let needle = n.expose_secret();
                needle.len() > tail.len() && needle.starts_with(tail)
            })
        };
        let first = text.len().saturating_sub(self.longest.saturating_sub(1));
        (first..text.len()).find(|start| may_grow(*start)).unwrap_or(text.len())
    }

    fn covered(&self, window: &[u8]) -> Vec<bool> {
        let mut covered = vec![false; window.len()];
        for needle in &self.needles {
            let needle = needle.expose_secret();
            for (at, part) in window.windows(needle.len()).enumerate() {
                if part == needle {
                    covered.iter_mut().skip(at).take(needle.len()).for_each(|c| *c = true);
                }
            }
        }
        covered
    }
}

/// Masks a text that arrives in pieces whose borders mean nothing.
#[derive(Debug)]
pub struct Masking {
    mask: std::sync::Arc<Mask>,
    /// The last bytes that were shown, and after them those that were not yet.
    window: Vec<u8>,
    shown: usize,
}

impl Masking {
    /// Begins a text.
    #[must_use]
    pub fn new(mask: std::sync::Arc<Mask>) -> Self {
        Self { mask, window: Vec::new(), shown: 0 }
    }

    /// Takes the next piece and gives what can be shown by now.
    pub fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        self.window.extend_from_slice(piece);
        let end = self.mask.settled(&self.window);
        self.show(end)
    }

    /// The rest, when the text has ended.
    pub fn finish(&mut self) -> Vec<u8> {
        self.show(self.window.len())
    }

    fn show(&mut self, end: usize) -> Vec<u8> {
        // Nothing before `end` can become covered by what follows: that would begin after `end`.
        let end = end.max(self.shown);
        let shown = self.mask.piece(&self.window, self.shown, end);
        let forgotten = end.saturating_sub(self.mask.context());
        self.window.drain(..forgotten);
        self.shown = end - forgotten;
        shown
    }
}

/// A value in the forms in which it may appear.
fn spellings(value: &str) -> BTreeSet<String> {
    let trimmed = value.trim();
    // Hosts are shown in lower case.
    let lower = trimmed.to_lowercase();
    let mut all = BTreeSet::from([value.to_owned(), trimmed.to_owned(), lower]);
    // A URI ends at its query or fragment wherever these are not shown.
    all.extend(trimmed.split(['?', '#']).map(str::to_owned));
    if value.contains('\n') {
        let lines = value.lines().map(str::trim).filter(|line| line.len() >= LINE_BYTES_MIN);
        all.extend(lines.map(str::to_owned));
    }
    for plain in all.clone() {
        // In JSON, and in the configuration file that Drey writes for Flink.
        let once = escaped(&plain);
        // A quoted option of the JVM, in the JSON of Flink's REST API.
        all.insert(escaped(&once));
        all.insert(once);
        all.extend(in_uris(&plain));
    }
    all
}

/// A text between the quotes of JSON.
fn escaped(text: &str) -> String {
    let quoted = Value::String(text.to_owned()).to_string();
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
}

/// A value as the parts of a URI show it.
fn in_uris(value: &str) -> Vec<String> {
    let strict = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    let mut all = vec![value.bytes().map(strict).collect()];
    if let Ok(mut url) = Url::parse("http://u@h/") {
        url.set_path(value);
        all.push(url.path().trim_start_matches('/').to_owned());
        if url.set_host(Some(value)).is_ok() {
            all.extend(url.host_str().map(str::to_owned));
        }
        url.set_query(Some(value));
        all.extend(url.query().map(str::to_owned));
        if url.set_password(Some(value)).is_ok() {
            all.extend(url.password().map(str::to_owned));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_is_hidden_in_every_spelling() {
        let mask = Mask::of(["p@ss \"word\"/é"]);
        for text in [
            "key: p@ss \"word\"/é",
            r#"{"value":"p@ss \"word\"/é"}"#,
            "https://u:p%40ss%20%22word%22%2F%C3%A9@h/a.jar",
            "https://h/p@ss%20%22word%22/%C3%A9/a.jar",
            "https://h/a?p@ss%20%22word%22/%C3%A9",
        ] {
            let shown = mask.text(text);
            assert!(shown.contains(HIDDEN) && !shown.contains("word"), "{shown}");
        }
        assert_eq!(mask.text("p@ss"), "p@ss");
    }

    #[test]
    fn a_value_is_hidden_as_far_as_a_uri_shows_it() {
        let mask = Mask::of([
            "SuperSecretHost.invalid",
            "b\u{fc}cher.example",
            "Quest?ion-Mark",
            "S3CR/ET?x#y z",
        ]);
        for (text, shown) in [
            ("http://supersecrethost.invalid/x.jar", "http://******/x.jar"),
            ("http://xn--bcher-kva.example/x.jar", "http://******/x.jar"),
            ("http://h/Quest?\u{2026}", "http://h/******?\u{2026}"),
            ("file:///S3CR/ET", "file:///******"),
        ] {
            assert_eq!(mask.text(text), shown);
        }
    }

    #[test]
    fn lines_of_a_key_are_hidden_one_by_one_and_short_values_are_not() {
        let mask = Mask::of(["-----BEGIN-----\nMIIEvQIBADAN\nabc\n", "abc", ""]);
        assert_eq!(mask.text("at MIIEvQIBADAN abc"), "at ****** abc");
        assert!(Mask::of(["abc"]).is_empty());
        assert!(!format!("{mask:?}").contains("MII"));
    }

    #[test]
    fn one_sign_stands_for_a_stretch() {
        let mask = Mask::of(["aaaa", "aaab"]);
        assert_eq!(mask.text("xaaaaaaby"), "x******y");
        assert_eq!(mask.text("aaab aaac"), "****** aaac");
    }

    #[test]
    fn what_may_be_the_beginning_of_a_value_waits() {
        let mask = Mask::of(["secret"]);
        assert_eq!(mask.settled(b"my sec"), 3);
        assert_eq!(mask.settled(b"my secret"), 9);
        assert_eq!(mask.settled(b"my sect"), 7);
        let mut masking = Masking::new(Arc::new(mask));
        assert_eq!(masking.push(b"my sec"), b"my ");
        assert_eq!(masking.push(b"ret s"), b"****** ");
        assert_eq!(masking.finish(), b"s");
    }

    proptest! {
        #[test]
        fn pieces_show_what_the_whole_shows(
            text in "[ab]{0,40}", values in proptest::collection::vec("[ab]{4,7}", 1..3),
            cuts in proptest::collection::vec(0_usize..8, 1..20),
        ) {
            let mask = Arc::new(Mask::of(values.iter().map(String::as_str)));
            let whole = mask.text(&text);
            let (mut masking, mut streamed) = (Masking::new(Arc::clone(&mask)), Vec::new());
            let (mut read, mut at) = (Vec::new(), 0);
            for cut in cuts {
                let end = (at + cut).min(text.len());
                streamed.extend(masking.push(&text.as_bytes()[at..end]));
                // As a reader of a file would: with context on both sides.
                let before = at.saturating_sub(mask.context());
                let after = (end + mask.context()).min(text.len());
                read.extend(mask.piece(&text.as_bytes()[before..after], at - before, end - before));
                at = end;
            }
            streamed.extend(masking.push(&text.as_bytes()[at..]));
            streamed.extend(masking.finish());
            let before = at.saturating_sub(mask.context());
            read.extend(mask.piece(&text.as_bytes()[before..], at - before, text.len() - before));
            prop_assert_eq!(String::from_utf8(streamed).unwrap(), whole.clone());
            prop_assert_eq!(String::from_utf8(read).unwrap(), whole);
        }
    }
}
