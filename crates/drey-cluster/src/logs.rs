//! Reading logs: by file name, by offset, with a limit.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One log file of a Job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "LogFile")]
pub struct File {
    /// For example `jobmanager.log`, `taskmanager-1.out`.
    pub name: String,
    /// Bytes.
    pub size: u64,
}

/// What to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Name as listed.
    pub file: String,
    /// First byte; `None`: the last `limit` bytes.
    pub offset: Option<u64>,
    /// Bytes at most.
    pub limit: u64,
}

/// A piece of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "LogChunk")]
pub struct Chunk {
    /// The text; bytes that are not UTF-8 are replaced.
    pub text: String,
    /// First byte of the text.
    pub offset: u64,
    /// Where to read on.
    pub next_offset: u64,
    /// Bytes in the file now.
    pub size: u64,
}
