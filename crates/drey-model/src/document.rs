//! Text to tree: what a user wrote, before it means anything.
//!
//! ```text
//! bytes ──json──┐
//!               ├──► Document { Node { place, scalar | map | list } } ──shape──► normalised Value
//! bytes ──yaml──┘
//! ```
//!
//! A scalar keeps its literal text, so `flinkVersion: 1.20` can become the text `1.20` and not the number 1.2; only
//! [`Node::to_value`] and the shape tables decide what it is. Every node knows its line and column, so that problems
//! can point at them. YAML is read by the rules of version 1.2: bare `no`, `yes` and `on` are texts.
//!
//! Text comes from strangers. Its size, depth, number of nodes and the work that aliases cause are all bounded, and
//! no recursion here is deeper than [`DEPTH_MAX`].
//!
//! Does not own which members exist ([`crate::shape`]) or what they mean.

mod json;
mod node;
mod output;
mod yaml;

pub(crate) use node::quoted;
pub use node::{Content, Node, Place, Scalar};
pub use output::{to_json_pretty, to_yaml};

use serde_json::Value;

use crate::problem::Problem;

/// Longest text that is read.
pub const TEXT_BYTES_MAX: usize = 4 << 20;
/// Deepest nesting of maps and lists.
pub const DEPTH_MAX: usize = 64;
/// Most maps, lists and scalars of one text, after aliases are expanded.
pub const NODES_MAX: usize = 100_000;
/// Most bytes of scalars and keys of one text, after aliases are expanded.
pub const EXPANDED_BYTES_MAX: usize = 2 * TEXT_BYTES_MAX;
/// Longest document that is kept, as JSON: as long as the longest body that the server reads, so that what was read can
/// be written back.
pub const KEPT_BYTES_MAX: usize = 1 << 20;
/// Longest key of a map.
pub const KEY_BYTES_MAX: usize = 1_024;
/// Most documents in one text.
pub const DOCUMENTS_MAX: usize = 1_000;

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON (RFC 8259), strictly.
    Json,
    /// YAML 1.2; JSON is valid YAML too.
    Yaml,
}

/// One document, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The whole tree.
    pub root: Node,
    /// Whether the text has more than one line, so that pointing at a line helps.
    pub has_lines: bool,
}

impl Document {
    /// A document that was never text; places are all 1:1. Members that are null are kept.
    #[must_use]
    pub fn from_value(value: &Value) -> Self {
        Self { root: Node::from_value(value), has_lines: false }
    }

    /// The document by the ordinary rules: plain `1.20` is the number 1.2, plain `true` a boolean.
    #[must_use]
    pub fn to_value(&self) -> Value {
        self.root.to_value()
    }

    /// The document as JSON text in which numbers keep their literal form, so that a server that reads it sees what
    /// the user wrote: `1.20` stays `1.20`.
    #[must_use]
    pub fn to_json_text(&self) -> String {
        output::literal_json(&self.root)
    }

    /// The node at a path of member names, matched in any letter case.
    #[must_use]
    pub fn find(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(&self.root, |node, name| node.member(name))
    }

    /// The text of the scalar at a path; absent when it is missing, null, a map or a list.
    #[must_use]
    pub fn text(&self, path: &[&str]) -> Option<&str> {
        self.find(path).and_then(Node::text)
    }

    /// The text of `kind`, as written.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.text(&["kind"])
    }

    /// The text of `metadata.name`, as written.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.text(&["metadata", "name"])
    }
}

/// Reads exactly one document.
///
/// # Errors
/// The text is not UTF-8, not of this format, empty, too large or has more than one document.
pub fn parse(text: &[u8], format: Format) -> Result<Document, Vec<Problem>> {
    parse_or(text, format, Unreadable::into_problem)
}

/// The same for a document that may hold a secret: no problem repeats anything of the text.
///
/// # Errors
/// As [`parse`].
pub fn parse_quietly(text: &[u8], format: Format) -> Result<Document, Vec<Problem>> {
    parse_or(text, format, Unreadable::into_quiet_problem)
}

fn parse_or(
    text: &[u8],
    format: Format,
    problem: fn(Unreadable, &str) -> Problem,
) -> Result<Document, Vec<Problem>> {
    let text = checked(text)?;
    let mut roots = match format {
        Format::Json => vec![json::read(text).map_err(|e| vec![problem(e, "JSON")])?],
        Format::Yaml => yaml::read(text).map_err(|e| vec![problem(e, "YAML")])?,
    };
    match (roots.pop(), roots.is_empty()) {
        (Some(root), true) => Ok(Document { root, has_lines: has_lines(text) }),
        (None, _) => Err(vec![Problem::new("", "The document is empty. Send at least `spec`.")]),
        (Some(_), false) => {
            let found = roots.len() + 1;
            let message = format!("Expected one document, found {found} separated by `---`.");
            Err(vec![Problem::new("", message)])
        }
    }
}

/// Reads all documents of a YAML (or JSON) text; empty ones are skipped.
///
/// # Errors
/// The text is not UTF-8, not YAML, or too large.
pub fn parse_many(text: &[u8]) -> Result<Vec<Document>, Vec<Problem>> {
    let text = checked(text)?;
    let roots = yaml::read(text).map_err(|e| vec![e.into_problem("YAML")])?;
    let has_lines = has_lines(text);
    Ok(roots.into_iter().map(|root| Document { root, has_lines }).collect())
}

fn checked(text: &[u8]) -> Result<&str, Vec<Problem>> {
    if text.len() > TEXT_BYTES_MAX {
        let message =
            format!("The document has {} bytes, at most {TEXT_BYTES_MAX} are read.", text.len());
        return Err(vec![Problem::new("", message)]);
    }
    let text = std::str::from_utf8(text).map_err(|e| {
        let message = format!("The document is not UTF-8 text: byte {} is odd.", e.valid_up_to());
        vec![Problem::new("", message)]
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn has_lines(text: &str) -> bool {
    text.trim_end().contains('\n')
}

/// Why a text could not be read.
#[derive(Debug)]
struct Unreadable {
    place: Place,
    why: String,
}

impl Unreadable {
    fn new(place: Place, why: impl Into<String>) -> Self {
        Self { place, why: why.into() }
    }

    fn too_deep(place: Place) -> Self {
        Self::new(place, format!("nested more than {DEPTH_MAX} levels deep"))
    }

    fn long_key(place: Place) -> Self {
        Self::new(place, format!("a key has more than {KEY_BYTES_MAX} bytes"))
    }

    fn into_problem(self, format: &str) -> Problem {
        Problem::new("", format!("Cannot read the {format}: {} ({}).", self.why, self.place))
    }

    fn into_quiet_problem(self, format: &str) -> Problem {
        let message = format!(
            "Cannot read the {format} from {} on. What stands there is not repeated here, since it may be a secret.",
            self.place
        );
        Problem::new("", message)
    }
}

/// Counts what a text costs, so that aliases cannot multiply it without bound.
#[derive(Debug, Default)]
struct Budget {
    nodes: usize,
    bytes: usize,
}

impl Budget {
    fn spend(&mut self, nodes: usize, bytes: usize, place: Place) -> Result<(), Unreadable> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.nodes > NODES_MAX {
            return Err(Unreadable::new(place, format!("more than {NODES_MAX} values")));
        }
        if self.bytes > EXPANDED_BYTES_MAX {
            return Err(Unreadable::new(place, format!("more than {EXPANDED_BYTES_MAX} bytes")));
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) use output::tests::any_value;

#[cfg(test)]
#[path = "document/tests.rs"]
mod tests;
