//! Rust source as a flat list of tokens with line numbers, and the marks that the rules need on them.
//!
//! Tokens instead of lines, so that comments, strings and line breaks do not matter; tokens instead of a syntax tree,
//! because every rule is about a short sequence (`.unwrap(`) or about the next pair of braces (a function's body), and a
//! list sees into macro calls, where a tree ends.
//!
//! A *scope* is what an outer attribute applies to: from it to the next `;` or closing `}` at the same depth. That finds
//! the end of modules, functions and statements, which is all that `#[cfg(test)]` and `#[expect]` are used on here.

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// One token; delimiters are tokens of their own, `::` is one token.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
    /// How many delimiters are open around it.
    depth: usize,
    /// Within `#[cfg(test)]`, `#[test]` or one of their kind.
    pub(super) is_test: bool,
    /// Within `#[expect(clippy::…, reason = …)]` for one of the lints against panics.
    pub(super) is_excused: bool,
}

/// A function's name, first and last line.
pub(super) struct Function {
    pub(super) name: String,
    pub(super) first: usize,
    pub(super) last: usize,
}

pub(super) fn read(text: &str) -> Result<Vec<Token>> {
    let stream: TokenStream = text.parse().map_err(|e| anyhow!("this is not Rust: {e}"))?;
    let mut tokens = Vec::new();
    flatten(stream, 0, &mut tokens);
    mark(&mut tokens);
    Ok(tokens)
}

fn flatten(stream: TokenStream, depth: usize, tokens: &mut Vec<Token>) {
    for tree in stream {
        let (start, end) = (tree.span().start().line, tree.span().end().line);
        let token = |text: &str, line| Token {
            text: text.to_owned(),
            line,
            depth,
            is_test: false,
            is_excused: false,
        };
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                tokens.push(token(open, start));
                flatten(group.stream(), depth + 1, tokens);
                tokens.push(token(close, end));
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' => match tokens.last_mut() {
                Some(last) if last.text == ":" && last.depth == depth => last.text.push(':'),
                _ => tokens.push(token(":", start)),
            },
            TokenTree::Punct(punct) => tokens.push(token(&punct.to_string(), start)),
            // A literal's text must look like no pattern; a string's content is data.
            TokenTree::Literal(literal) => tokens.push(token(&format!("'{literal}"), start)),
            TokenTree::Ident(ident) => tokens.push(token(&ident.to_string(), start)),
        }
    }
}

/// Marks the scopes of attributes.
fn mark(tokens: &mut [Token]) {
    for at in 0..tokens.len() {
        let is_inner = matches(tokens, at, "# ! [");
        if !is_inner && !matches(tokens, at, "# [") {
            continue;
        }
        let open = if is_inner { at + 2 } else { at + 1 };
        let close = closing(tokens, open);
        let attribute = &tokens[open + 1..close];
        let (tests, excuses) = (is_test_mark(attribute), is_excuse(attribute));
        let end = if is_inner { tokens.len() } else { scope_end(tokens, close + 1) };
        for token in &mut tokens[at..end] {
            token.is_test |= tests;
            token.is_excused |= excuses;
        }
    }
}

fn is_test_mark(attribute: &[Token]) -> bool {
    let is_exactly = |pattern: &str| {
        matches(attribute, 0, pattern) && attribute.len() == pattern.split(' ').count()
    };
    is_exactly("test")
        || is_exactly("cfg ( test )")
        || matches(attribute, 0, "cfg ( all ( test")
        || matches(attribute, 0, "tokio :: test")
}

fn is_excuse(attribute: &[Token]) -> bool {
    let names = |lint: &str| attribute.iter().any(|t| t.text == lint);
    matches(attribute, 0, "expect (")
        && names("reason")
        && ["unwrap_used", "expect_used", "panic"].into_iter().any(names)
}

/// The index of the delimiter that closes the one at `open`.
fn closing(tokens: &[Token], open: usize) -> usize {
    let depth = tokens[open].depth;
    let after = tokens[open + 1..].iter().position(|t| t.depth == depth);
    after.map_or(tokens.len() - 1, |n| open + 1 + n)
}

/// One past the last token of the item or statement that starts at `start`.
fn scope_end(tokens: &[Token], start: usize) -> usize {
    let Some(first) = tokens.get(start) else {
        return tokens.len();
    };
    let is_statement = first.text == "let";
    let end = tokens[start..].iter().position(|t| {
        let is_end = t.text == ";" || (t.text == "}" && !is_statement);
        t.depth < first.depth || (t.depth == first.depth && is_end)
    });
    end.map_or(tokens.len(), |n| start + n + 1)
}

/// Whether the tokens from `at` on read like `pattern`, words separated by blanks.
pub(super) fn matches(tokens: &[Token], at: usize, pattern: &str) -> bool {
    pattern
        .split(' ')
        .enumerate()
        .all(|(n, word)| tokens.get(at + n).is_some_and(|t| t.text == word))
}

/// All functions with a body, also nested ones.
pub(super) fn functions(tokens: &[Token]) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, pair) in tokens.windows(2).enumerate() {
        let [keyword, name] = pair else { continue };
        let is_name = name.text.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if keyword.text != "fn" || !is_name {
            continue;
        }
        let rest = &tokens[at..];
        let body =
            rest.iter().position(|t| t.depth == keyword.depth && (t.text == "{" || t.text == ";"));
        let Some(body) = body.filter(|n| rest[*n].text == "{") else {
            continue;
        };
        let last = rest[closing(rest, body)].line;
        found.push(Function { name: name.text.clone(), first: keyword.line, last });
    }
    found
}

/// The paths that `use` items import, one list of tokens each: `use a::{b, c::d};` gives `a::b` and `a::c::d`.
pub(super) fn imports(tokens: &[Token]) -> Vec<Vec<Token>> {
    let mut found = Vec::new();
    for at in (0..tokens.len()).filter(|at| tokens[*at].text == "use") {
        let end = tokens[at..].iter().position(|t| t.text == ";").map_or(tokens.len(), |n| at + n);
        branches(&tokens[at + 1..end], &[], &mut found);
    }
    found
}

fn branches(tree: &[Token], prefix: &[Token], found: &mut Vec<Vec<Token>>) {
    let Some(first) = tree.first() else { return };
    for branch in tree.split(|t| t.text == "," && t.depth == first.depth) {
        match branch.iter().position(|t| t.text == "{") {
            Some(open) => {
                let prefix = [prefix, &branch[..open]].concat();
                branches(&branch[open + 1..closing(branch, open)], &prefix, found);
            }
            None if branch.is_empty() => {}
            None => found.push([prefix, branch].concat()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(text: &str, mark: impl Fn(&Token) -> bool) -> Vec<String> {
        read(text)
            .unwrap()
            .into_iter()
            .filter(|t| mark(t) && t.text.starts_with("call"))
            .map(|t| t.text)
            .collect()
    }

    #[test]
    fn comments_and_strings_are_not_code() {
        let tokens = read("// x.unwrap()\nlet a = \".unwrap()\";").unwrap();
        assert!(!(0..tokens.len()).any(|at| matches(&tokens, at, ". unwrap (")));
    }

    #[test]
    fn test_modules_and_functions_are_known() {
        let text = "fn a() { call1() }\n#[cfg(test)]\nmod tests { fn b() { call2() } }\nfn c() { call3() }\n#[test] fn d() { call4() }";
        assert_eq!(marked(text, |t| t.is_test), ["call2", "call4"]);
    }

    #[test]
    fn code_outside_of_tests_is_not_taken_for_a_test() {
        assert_eq!(marked("#[cfg(not(test))]\nfn a() { call1() }", |t| t.is_test), [""; 0]);
    }

    #[test]
    fn an_excuse_needs_a_reason_and_ends_with_its_statement() {
        let text = "fn a() {\n#[expect(clippy::expect_used, reason = \"r\")]\nlet x = match y { _ => call1() };\ncall2();\n\
                    #[expect(clippy::expect_used)]\nlet z = call3(); }";
        assert_eq!(marked(text, |t| t.is_excused), ["call1"]);
    }

    #[test]
    fn functions_are_measured_from_fn_to_brace() {
        let text = "trait T { fn declared(&self); }\nfn a(\n    f: fn(u8) -> u8,\n) -> u8\nwhere\n    u8: Copy,\n{\n    1\n}\n";
        let found = functions(&read(text).unwrap());
        let shown: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.first, f.last)).collect();
        assert_eq!(shown, [("a", 2, 9)]);
    }

    #[test]
    fn imports_are_spelt_out() {
        let tokens = read("use std::{fs, net::{TcpStream, UdpSocket as U}};").unwrap();
        let paths: Vec<_> = imports(&tokens)
            .iter()
            .map(|p| p.iter().map(|t| t.text.as_str()).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(paths, ["std :: fs", "std :: net :: TcpStream", "std :: net :: UdpSocket as U"]);
    }
}
