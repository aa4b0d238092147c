//! What is printed, and where: data on stdout, everything else on stderr.
//!
//! Owns layout. Does not own what the words mean: [`health`] derives its word from the object alone.

use std::io::{ErrorKind, Write};

use drey_model::document;
use serde::Serialize;

use crate::failure::{Exit, Failure, Result};

pub(crate) mod describe;
pub(crate) mod describe_cluster;
#[cfg(test)]
mod golden_tests;
pub(crate) mod health;
pub(crate) mod style;
pub(crate) mod table;

/// Writes to stdout. When nobody reads it any more, the command ends silently and well.
pub(crate) fn put(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::silent(Exit::Done),
        _ => Failure::new(Exit::No, "writing to standard output").why(error.to_string()),
    })
}

/// A document on one line, ending in a newline.
pub(crate) fn json_line<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map(|text| text + "\n").map_err(|e| unwritable(&e))
}

/// A document over several lines, ending in a newline.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<String> {
    document::to_json_pretty(value).map_err(|e| unwritable(&e))
}

/// A document as YAML, ending in a newline.
pub(crate) fn yaml<T: Serialize>(value: &T) -> Result<String> {
    document::to_yaml(value).map_err(|e| unwritable(&e))
}

fn unwritable(error: &serde_json::Error) -> Failure {
    Failure::new(Exit::Bug, "writing a document").why(error.to_string())
}

/// Writes one line to stdout.
pub(crate) fn put_line(text: &str) -> Result<()> {
    put(&format!("{text}\n"))
}

/// Writes one line to stderr. A closed stderr is nobody's loss.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
