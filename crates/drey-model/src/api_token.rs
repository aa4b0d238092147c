//! The ApiToken: what a program shows to act in one namespace, with one role.
//!
//! Source: platform API reference §1.10, §2.5.6, appendix B.1. The name is `namespaces/<ns>/apitokens/<short>`; the
//! secret is in the answer to the creation and nowhere else.
//!
//! Does not own what a secret looks like or how it is checked (`drey-server`).

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::document::{Document, quoted};
use crate::problem::Problem;
use crate::role::Role;
use crate::shape::tables::API_TOKEN;
use crate::shape::{normalise, point};
use crate::validate::check_namespace_name;
use crate::write::Accepted;

/// An API token as clients see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiToken {
    /// `namespaces/<ns>/apitokens/<short>`.
    pub name: String,
    /// What it may do in its namespace: `viewer`, `editor` or `owner`.
    pub role: Role,
    /// What goes behind `Authorization: Bearer`. Only in the answer to the creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// When it was made.
    pub create_time: Timestamp,
}

impl ApiToken {
    /// A token without its secret.
    #[must_use]
    pub fn new(namespace: &str, short: &str, role: Role, create_time: Timestamp) -> Self {
        Self { name: long_name(namespace, short), role, secret: None, create_time }
    }

    /// The name as paths have it.
    #[must_use]
    pub fn short_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }
}

fn long_name(namespace: &str, short: &str) -> String {
    format!("namespaces/{namespace}/apitokens/{short}")
}

/// A new token of a namespace, from a document (POST), without its secret.
///
/// # Errors
/// Everything that is wrong with it.
pub fn create(
    document: &Document,
    namespace: &str,
    now: Timestamp,
) -> Result<Accepted<ApiToken>, Vec<Problem>> {
    let mut found = normalise(document, &API_TOKEN, "ApiToken");
    let text = |member: &str| found.value.get(member).and_then(Value::as_str);
    let prefix = long_name(namespace, "");
    let (mut problems, mut short) = (Vec::new(), String::new());
    match text("name") {
        None => {
            let message = format!("A token needs a name. Expected {prefix}NAME.");
            problems.push(Problem::new("name", message));
        }
        Some(name) => {
            short = name.strip_prefix(&prefix).unwrap_or(name).to_owned();
            let why = match name.contains('/') && !name.starts_with(&prefix) {
                true => Some(format!("Expected {prefix}NAME, found {}.", quoted(name))),
                false => check_namespace_name(&short),
            };
            problems.extend(why.map(|why| Problem::new("name", why)));
        }
    }
    let role = text("role").and_then(|role| role.parse().ok());
    if role.is_none() && !found.problems.iter().any(|p| p.path == "role") {
        problems.push(Problem::new("role", "A token needs a role: viewer, editor or owner."));
    }
    found.problems.extend(problems);
    point(&mut found.problems, &found.places);
    point(&mut found.warnings, &found.places);
    match role {
        Some(role) if found.problems.is_empty() => Ok(Accepted {
            object: ApiToken::new(namespace, &short, role, now),
            warnings: found.warnings,
        }),
        Some(_) | None => Err(found.problems),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Result<ApiToken, Vec<Problem>> {
        let created = create(&Document::from_value(value), "a", Timestamp::UNIX_EPOCH);
        created.map(|accepted| accepted.object)
    }

    #[test]
    fn the_long_and_the_short_name_are_read() {
        for name in ["ci", "namespaces/a/apitokens/ci"] {
            let token = read(&json!({ "name": name, "role": "Editor", "secret": "x" })).unwrap();
            assert_eq!(token.name, "namespaces/a/apitokens/ci");
            assert_eq!((token.role, token.short_name()), (Role::Editor, "ci"));
            assert_eq!(token.secret, None, "the server chooses it");
        }
    }

    #[test]
    fn names_of_other_namespaces_and_roles_above_owner_are_refused() {
        let wrong = read(&json!({ "name": "namespaces/b/apitokens/ci", "role": "admin" }));
        let wrong = wrong.unwrap_err();
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert_eq!(read(&json!({})).unwrap_err().len(), 2);
        assert_eq!(read(&json!({ "name": "C I", "role": "viewer" })).unwrap_err().len(), 1);
    }
}
