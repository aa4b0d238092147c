//! What is wrong with a document, and the error body that says so.
//!
//! Layout of the body: platform API reference §2.1.2 (Q1, Q40).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::meta::API_VERSION;

/// Most problems, and most warnings, that are said about one document.
pub const PROBLEMS_MAX: usize = 100;

/// One thing that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// Dotted path of the member, for example `spec.template.spec.parallelism`.
    pub path: String,
    /// What was expected, what was found, what to do.
    pub message: String,
}

impl Problem {
    /// A problem at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

/// `path.key`; a key that is not a plain word is written `path["key"]`, so that dots in keys stay readable.
#[must_use]
pub fn join_path(path: &str, key: &str) -> String {
    let is_plain = !key.is_empty()
        && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$'));
    match (path.is_empty(), is_plain) {
        (true, true) => key.to_owned(),
        (false, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[{key:?}]"),
    }
}

/// `path[index]`.
#[must_use]
pub fn index_path(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// The body of every error answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Error")]
pub struct ErrorBody {
    /// Always `Error`.
    pub kind: String,
    /// Always `v1`.
    pub api_version: String,
    /// The HTTP status.
    pub status_code: u16,
    /// One word for programs, for example `BadRequest`.
    pub reason: String,
    /// For people.
    pub message: String,
    /// `{}` or details, for example `problems`.
    #[schemars(with = "std::collections::BTreeMap<String, Value>")]
    pub context: Value,
}

impl ErrorBody {
    /// An error without details.
    pub fn new(status_code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self {
            kind: "Error".to_owned(),
            api_version: API_VERSION.to_owned(),
            status_code,
            reason: reason.to_owned(),
            message: message.into(),
            context: json!({}),
        }
    }

    /// 400 with every problem listed.
    #[must_use]
    pub fn invalid(problems: &[Problem]) -> Self {
        let count = match problems.len() {
            1 => "1 problem".to_owned(),
            n => format!("{n} problems"),
        };
        let listed: Vec<String> = problems
            .iter()
            .map(|p| {
                if p.path.is_empty() {
                    p.message.clone()
                } else {
                    format!("{}: {}", p.path, p.message)
                }
            })
            .collect();
        let mut body = Self::new(400, "BadRequest", format!("{count}: {}", listed.join("; ")));
        body.context = json!({ "problems": problems });
        body
    }
}
