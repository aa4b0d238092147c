//! Templates of Log4j 2 configurations: a whole XML file with a few variables (platform API reference §1.1.7).
//!
//! ```text
//! {{ rootLoggerLogLevel }}                                    level of the root logger
//! {{ namespace }} {{ deploymentId }} {{ deploymentName }} {{ jobId }}
//! {% for name, level in userConfiguredLoggers %} … {{ name }} … {{ level }} … {% endfor %}
//! ```
//!
//! A subset of Jinja: dashes inside the marks (`{%-`, `-%}`) are understood and change nothing, because XML does not care
//! about the space. Everything else, such as `${sys:log.file}` and `%highlight{%-5level}`, is Log4j's and stays.
//!
//! Owns the grammar, the filling in, and the check that the result is XML in which Log4j finds its parts: it would say
//! that it does not to a file that nobody reads, and log nothing else. Does not own levels or which file the result goes to.

mod log4j;

use std::collections::BTreeMap;
use std::fmt;

use log4j::Element;

/// Longest template: what is repeated for each logger must stay small.
pub const TEMPLATE_BYTES_MAX: usize = 64 << 10;
/// Loggers with a level of their own.
pub const LOGGERS_MAX: usize = 256;
/// Longest mark; what is longer is text.
const MARK_BYTES_MAX: usize = 200;

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there, and what to do.
    pub why: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line {}: {}", self.line, self.why)
    }
}

/// What is filled in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values {
    /// The level of the root logger.
    pub root_level: String,
    /// Levels of the other loggers.
    pub loggers: BTreeMap<String, String>,
    /// The namespace of the Deployment.
    pub namespace: String,
    /// The Deployment's id.
    pub deployment_id: String,
    /// The Deployment's name.
    pub deployment_name: String,
    /// The Job's id.
    pub job_id: String,
}

const VARIABLES: [&str; 5] =
    ["rootLoggerLogLevel", "namespace", "deploymentId", "deploymentName", "jobId"];
const LOGGERS: &str = "userConfiguredLoggers";
/// Blocks of Jinja that people may try.
const FOREIGN_BLOCKS: [&str; 8] =
    ["if", "elif", "else", "endif", "set", "include", "macro", "import"];

/// A template that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template<'a> {
    parts: Vec<Part<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Variable(&'a str),
    /// The names for name and level, and what is repeated.
    Loggers(&'a str, &'a str, Vec<Part<'a>>),
}

/// What a mark in the text is.
enum Mark<'a> {
    Variable(&'a str),
    For(&'a str, &'a str),
    EndFor,
}

impl<'a> Template<'a> {
    /// Reads a template and tries whether what comes out is XML that Log4j understands.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(text: &'a str) -> Result<Self, Fault> {
        if text.len() > TEMPLATE_BYTES_MAX {
            let why = format!("The template has more than {TEMPLATE_BYTES_MAX} bytes.");
            return Err(Fault { line: 1, why });
        }
        let template = Self::read(text)?;
        let word = || "x".to_owned();
        let sample = |loggers: usize| Values {
            root_level: word(),
            loggers: (0..loggers).map(|n| (format!("x{n}"), word())).collect(),
            namespace: word(),
            deployment_id: word(),
            deployment_name: word(),
            job_id: word(),
        };
        // A line of the result is a line of the template: one logger repeats nothing, and no value has two lines.
        log4j::check(&elements(&template.fill(&sample(1)))?)?;
        // A tag that the loop opens or closes is there once for one logger only.
        if [0, 2].iter().any(|count| elements(&template.fill(&sample(*count))).is_err()) {
            let before = text.find(LOGGERS).and_then(|at| text.get(..at)).unwrap_or("");
            let why = "The loop has to repeat whole elements: with no logger, or with two, the result is no XML.";
            return Err(Fault { line: 1 + newlines(before), why: why.to_owned() });
        }
        Ok(template)
    }

    fn read(text: &'a str) -> Result<Self, Fault> {
        let mut outer = Vec::new();
        let mut looped: Option<(usize, &str, &str, Vec<Part<'a>>)> = None;
        let (mut rest, mut line) = (text, 1);
        while let Some((before, mark, after)) = next_mark(rest, line)? {
            line += newlines(before);
            let fault = |why: String| Err(Fault { line, why });
            let inner = looped.as_mut().map(|(_, name, level, parts)| (*name, *level, parts));
            let is_known = |variable: &str| {
                VARIABLES.contains(&variable)
                    || inner.as_ref().is_some_and(|(n, l, _)| variable == *n || variable == *l)
            };
            match mark {
                Mark::Variable(name) if !is_known(name) => {
                    let known = VARIABLES.join(", ");
                    return fault(format!("There is no variable {name}. Use one of {known}."));
                }
                Mark::Variable(name) => {
                    let parts = inner.map_or(&mut outer, |(_, _, parts)| parts);
                    parts.extend([Part::Text(before), Part::Variable(name)]);
                }
                Mark::For(..) if looped.is_some() => {
                    return fault("A loop within a loop is not understood.".to_owned());
                }
                Mark::For(name, level) => {
                    outer.push(Part::Text(before));
                    looped = Some((line, name, level, Vec::new()));
                }
                Mark::EndFor => {
                    let Some((_, name, level, mut parts)) = looped.take() else {
                        return fault("An endfor without its for.".to_owned());
                    };
                    parts.push(Part::Text(before));
                    outer.push(Part::Loggers(name, level, parts));
                }
            }
            let mark_length = rest.len() - before.len() - after.len();
            line += newlines(rest.get(before.len()..before.len() + mark_length).unwrap_or(""));
            rest = after;
        }
        if let Some((line, ..)) = looped {
            return Err(Fault { line, why: "The loop has no {% endfor %}.".to_owned() });
        }
        outer.push(Part::Text(rest));
        Ok(Self { parts: outer })
    }

    /// The configuration.
    #[must_use]
    pub fn fill(&self, values: &Values) -> String {
        let mut out = String::new();
        fill(&self.parts, values, None, &mut out);
        out
    }
}

fn fill(parts: &[Part<'_>], values: &Values, logger: Option<[(&str, &str); 2]>, out: &mut String) {
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Variable(name) => {
                let own = logger.and_then(|pairs| pairs.into_iter().find(|(n, _)| n == name));
                let value = match (own, *name) {
                    (Some((_, value)), _) => value,
                    (None, "rootLoggerLogLevel") => &values.root_level,
                    (None, "namespace") => &values.namespace,
                    (None, "deploymentId") => &values.deployment_id,
                    (None, "deploymentName") => &values.deployment_name,
                    (None, _) => &values.job_id,
                };
                escape(value, out);
            }
            Part::Loggers(name, level, body) => {
                for (logger, its_level) in &values.loggers {
                    fill(body, values, Some([(name, logger), (level, its_level)]), out);
                }
            }
        }
    }
}

/// Values stand in attributes or between tags.
fn escape(value: &str, out: &mut String) {
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            c => out.push(c),
        }
    }
}

type Found<'a> = Option<(&'a str, Mark<'a>, &'a str)>;

/// The next mark of ours: the text before it, the mark, the text after it. `rest` begins in line `line`.
fn next_mark(rest: &str, line: usize) -> Result<Found<'_>, Fault> {
    for (at, _) in rest.match_indices('{') {
        let (before, tail) = rest.split_at(at);
        let line = || line + newlines(before);
        if let Some((inner, after)) = enclosed(tail, "{{", "}}") {
            if is_word(inner) {
                return Ok(Some((before, Mark::Variable(inner), after)));
            }
            if inner.starts_with(|c: char| c.is_ascii_alphabetic()) && !inner.contains(['\n', '{'])
            {
                let why = format!("{{{{ {inner} }}}} is not understood. Use a variable alone.");
                return Err(Fault { line: line(), why });
            }
        }
        if let Some((inner, after)) = enclosed(tail, "{%", "%}") {
            let words: Vec<&str> = inner.split_whitespace().collect();
            match words.as_slice() {
                ["endfor"] => return Ok(Some((before, Mark::EndFor, after))),
                ["for", ..] => {
                    let mark = for_loop(inner).ok_or_else(|| Fault {
                        line: line(),
                        why: format!("Write the loop as {{% for name, level in {LOGGERS} %}}."),
                    })?;
                    return Ok(Some((before, mark, after)));
                }
                [first, ..] if FOREIGN_BLOCKS.contains(first) => {
                    let why = format!("{first} is not understood; only a loop over {LOGGERS} is.");
                    return Err(Fault { line: line(), why });
                }
                _ => {}
            }
        }
    }
    Ok(None)
}

/// What stands between two marks, without dashes and space, and what follows.
fn enclosed<'a>(tail: &'a str, open: &str, close: &str) -> Option<(&'a str, &'a str)> {
    let tail = tail.strip_prefix(open)?;
    let mut end = tail.len().min(MARK_BYTES_MAX);
    while !tail.is_char_boundary(end) {
        end -= 1;
    }
    let near = &tail[..end];
    let (inner, _) = near.split_once(close)?;
    let after = &tail[inner.len() + close.len()..];
    let inner = inner.strip_prefix('-').unwrap_or(inner);
    let inner = inner.strip_suffix('-').unwrap_or(inner);
    Some((inner.trim(), after))
}

fn for_loop(inner: &str) -> Option<Mark<'_>> {
    let (names, source) = inner.strip_prefix("for")?.split_once(" in ")?;
    let (name, level) = names.split_once(',')?;
    let (name, level) = (name.trim(), level.trim());
    (source.trim() == LOGGERS && is_word(name) && is_word(level)).then_some(Mark::For(name, level))
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn newlines(text: &str) -> usize {
    text.matches('\n').count()
}

/// The elements, if tags and quotes are balanced around one root. Not a whole parser, but nothing that is XML fails here.
fn elements(text: &str) -> Result<Vec<Element<'_>>, Fault> {
    let mut found = Vec::new();
    let mut open: Vec<(usize, &str)> = Vec::new();
    let (mut rest, mut has_root, mut next_line) = (text, false, 1);
    while let Some((before, tail)) = rest.split_once('<') {
        let line = next_line + newlines(before);
        let fault = |why: String| Err(Fault { line, why });
        if open.is_empty() && !before.trim_start_matches('\u{feff}').trim().is_empty() {
            return fault("There is text outside of the XML element.".to_owned());
        }
        let skipped = [("!--", "-->"), ("![CDATA[", "]]>"), ("?", "?>"), ("!DOCTYPE", ">")];
        if let Some((start, end)) = skipped.into_iter().find(|(start, _)| tail.starts_with(start)) {
            let Some((inside, after)) = tail[start.len()..].split_once(end) else {
                return fault(format!("<{start} is not closed by {end}"));
            };
            next_line = line + newlines(inside);
            rest = after;
            continue;
        }
        let Some((tag, after)) = tag(tail) else {
            return fault("A tag is not closed: a > or a quote is missing.".to_owned());
        };
        next_line = line + newlines(tag);
        rest = after;
        if let Some(closed) = tag.strip_prefix('/') {
            match open.pop() {
                Some((_, opened)) if opened == closed.trim_end() => {}
                Some((from, opened)) => {
                    return fault(format!("</{closed}> closes <{opened}> of line {from}."));
                }
                None => return fault(format!("</{closed}> closes nothing.")),
            }
            continue;
        }
        if open.is_empty() && std::mem::replace(&mut has_root, true) {
            return fault("There is a second XML element beside the first one.".to_owned());
        }
        found.push(Element { line, tag, depth: open.len() });
        if !tag.ends_with('/') {
            open.push((line, element_name(tag)));
        }
    }
    match open.pop() {
        Some((line, opened)) => Err(Fault { line, why: format!("<{opened}> is not closed.") }),
        None if !has_root || !rest.trim().is_empty() => Err(Fault {
            line: text.lines().count().max(1),
            why: "Expected one XML element, <Configuration>…</Configuration>.".to_owned(),
        }),
        None => Ok(found),
    }
}

fn element_name(tag: &str) -> &str {
    tag.split([' ', '\t', '\n', '\r', '/']).next().unwrap_or_default()
}

/// The inside of a tag, up to the `>` that is in no quotes.
fn tag(tail: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, c) in tail.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '>') => return Some((&tail[..at], &tail[at + 1..])),
            // No attribute holds one: a quote is missing somewhere before.
            (_, '<') => return None,
            (Some(_) | None, _) => {}
        }
    }
    None
}

#[cfg(test)]
#[path = "log_template_tests.rs"]
mod tests;
