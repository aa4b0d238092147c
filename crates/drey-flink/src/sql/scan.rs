//! The words of a script, with their places: as Flink's own parser cuts them, without what they mean.
//!
//! Strings (`'it''s'`, `E'it\'s'`), quoted names and comments (`--`, `//`, `/* */`) may hold semicolons; a hint
//! (`/*+ … */`) is no comment, and what is in it are words like any others.

use super::{Place, Problem};

/// A word, a string, a name or a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// As it stands in the script, with its quotes.
    pub(super) text: &'a str,
    /// Where it begins, in bytes.
    pub(super) start: usize,
    /// Where it begins, for people.
    pub(super) at: Place,
}

impl Token<'_> {
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    pub(super) fn is_symbol(&self, symbol: char) -> bool {
        let mut all = self.text.chars();
        all.next() == Some(symbol) && all.next().is_none()
    }

    /// Whether it is this keyword, in any case. Quoted names are no keywords.
    pub(super) fn is(&self, keyword: &str) -> bool {
        self.text.eq_ignore_ascii_case(keyword)
    }

    /// The text of a string without its quotes; a word as it stands.
    pub(super) fn value(&self) -> String {
        let inner = self.text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
        inner.map_or_else(|| self.text.to_owned(), |inner| inner.replace("''", "'"))
    }
}

/// Cuts a script into its tokens, without comments.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, Problem> {
    let mut scan = Scan { text, at: 0, line: 1, line_start: 0, counted: 0, column: 1 };
    let mut tokens: Vec<Token<'_>> = Vec::new();
    if let Some(at) = text.find('\0') {
        while scan.at < at {
            scan.step();
        }
        let message = "the character U+0000 stands here, which Flink cannot read. Remove it.";
        return Err(Problem { at: scan.place(), message: message.to_owned() });
    }
    while let Some(c) = scan.peek() {
        let (start, at) = (scan.at, scan.place());
        match c {
            c if c.is_whitespace() => scan.step(),
            '-' | '/' if scan.starts("--") || scan.starts("//") => scan.line_comment(),
            // Its words are words; only its beginning must not be taken for a comment.
            '/' if scan.starts("/*+") => (0..3).for_each(|_| scan.step()),
            '/' if scan.starts("/*") => scan.block_comment(at)?,
            '*' if scan.starts("*/") => (0..2).for_each(|_| scan.step()),
            '\'' | '"' | '`' => {
                let has_escapes =
                    c == '\'' && tokens.last().is_some_and(|t| t.is("E") && t.end() == start);
                scan.quoted(c, has_escapes, at)?;
                tokens.push(scan.since(start, at));
            }
            c if is_word(c) => {
                scan.skip_while(is_word);
                tokens.push(scan.since(start, at));
            }
            _ => {
                scan.step();
                tokens.push(scan.since(start, at));
            }
        }
    }
    Ok(tokens)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '.')
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    line_start: usize,
    /// Up to where the columns of this line were counted, so that a long line is not counted again for each word.
    counted: usize,
    column: u32,
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn starts(&self, with: &str) -> bool {
        self.rest().starts_with(with)
    }

    fn place(&mut self) -> Place {
        let from = self.counted.max(self.line_start);
        if from == self.line_start {
            self.column = 1;
        }
        let more = self.text.get(from..self.at).unwrap_or_default().chars().count();
        self.column = self.column.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
        self.counted = self.at;
        Place { line: self.line, column: self.column }
    }

    fn since(&self, start: usize, at: Place) -> Token<'a> {
        Token { text: self.text.get(start..self.at).unwrap_or_default(), start, at }
    }

    fn step(&mut self) {
        let mut chars = self.rest().chars();
        let Some(c) = chars.next() else { return };
        self.at += c.len_utf8();
        // Flink takes a carriage return alone for the end of a line, too.
        if c == '\n' || (c == '\r' && chars.next() != Some('\n')) {
            self.line = self.line.saturating_add(1);
            self.line_start = self.at;
        }
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.step();
        }
    }

    fn line_comment(&mut self) {
        self.skip_while(|c| c != '\n' && c != '\r');
    }

    fn block_comment(&mut self, at: Place) -> Result<(), Problem> {
        (0..2).for_each(|_| self.step());
        while !self.starts("*/") {
            if self.peek().is_none() {
                return Err(open(at, "comment", "*/"));
            }
            self.step();
        }
        (0..2).for_each(|_| self.step());
        Ok(())
    }

    /// A quote that stands twice is a character of the text: the second half begins a text of its own right away.
    fn quoted(&mut self, quote: char, has_escapes: bool, at: Place) -> Result<(), Problem> {
        loop {
            self.step();
            loop {
                match self.peek() {
                    None if quote == '\'' => return Err(open(at, "string", "'")),
                    None => return Err(open(at, "quoted name", &quote.to_string())),
                    Some('\\') if has_escapes => self.step(),
                    Some(c) if c == quote => break,
                    Some(_) => {}
                }
                self.step();
            }
            self.step();
            if self.peek() != Some(quote) {
                return Ok(());
            }
        }
    }
}

fn open(at: Place, what: &str, closing: &str) -> Problem {
    Problem {
        at,
        message: format!("the {what} that begins here is never closed. Close it with {closing}"),
    }
}
