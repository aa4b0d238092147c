//! Writes of SecretValues (platform API reference §1.8, §2.5.3).
//!
//! `spec` is taken out of the document before anything else is read, and no message repeats what is in it: a value that
//! stands in the wrong place, or is of the wrong type, is still a secret.

use secrecy::SecretString;

use super::{Draft, WriteContext};
use crate::document::{Content, Document, Node};
use crate::merge::{How, apply_patch, drop_nulls};
use crate::meta::{Kind, Metadata};
use crate::problem::Problem;
use crate::secret::mask::HIDDEN_BYTES_MIN;
use crate::secret::{NewSecret, SecretValue, VALUE_BYTES_MAX};
use crate::shape::tables::SECRET_VALUE;
use crate::validate::{check_labels, check_name};
use crate::write::Accepted;

/// What a document says about the value.
#[derive(Debug)]
enum Given {
    Nothing,
    Null,
    Value(SecretString),
}

/// A new secret from a document (POST).
///
/// # Errors
/// Everything that is wrong with it.
pub fn create_secret(
    document: &Document,
    ctx: &WriteContext<'_>,
) -> Result<Accepted<NewSecret>, Vec<Problem>> {
    let (mut draft, given) = read(document, ctx);
    drop_nulls(&mut draft.value, &SECRET_VALUE);
    let value = match given {
        Given::Value(value) => Some(value),
        Given::Nothing | Given::Null => {
            let message = "A SecretValue needs a value: spec: {kind: Plain, value: …}.";
            draft.add(vec![Problem::new("spec.value", message)]);
            None
        }
    };
    let metadata = Metadata {
        id: ctx.id,
        name: draft.text("/metadata/name").unwrap_or_default().to_owned(),
        namespace: ctx.namespace.to_owned(),
        created_at: ctx.now,
        ..Metadata::default()
    };
    finish(draft, metadata, value, ctx)
}

/// What a document changes of a secret (PATCH): labels and annotations are merged, a value that is given replaces the
/// old one. A whole document as it was answered, without a value, changes nothing.
///
/// # Errors
/// Everything that is wrong with it.
pub fn patch_secret(
    current: &SecretValue,
    document: &Document,
    ctx: &WriteContext<'_>,
) -> Result<Accepted<NewSecret>, Vec<Problem>> {
    let (mut draft, given) = read(document, ctx);
    draft.check_same_name("SecretValue", &current.metadata.name);
    let value = match given {
        Given::Value(value) => Some(value),
        Given::Nothing => None,
        Given::Null => {
            let message = "A value can be replaced, not removed. Send another one, leave it out, or delete the SecretValue.";
            draft.problem("spec.value", message);
            None
        }
    };
    let m = &current.metadata;
    let stored = serde_json::json!({
        "metadata": { "labels": m.labels, "annotations": m.annotations }
    });
    match apply_patch(&stored, &draft.value, &SECRET_VALUE, How::Patch) {
        Ok(merged) => draft.value = merged,
        Err(problems) => draft.add(problems),
    }
    finish(draft, current.metadata.clone(), value, ctx)
}

/// The document without its spec, and what the spec says.
fn read(document: &Document, ctx: &WriteContext<'_>) -> (Draft, Given) {
    let mut rest = document.clone();
    let mut problems = Vec::new();
    let mut specs = Vec::new();
    match &mut rest.root.content {
        Content::Map(members) => {
            members.retain_mut(|(key, node)| {
                let is_spec = key.eq_ignore_ascii_case("spec");
                if is_spec {
                    specs.push(node.clone());
                }
                !is_spec
            });
            let is_metadata = |key: &str| key.eq_ignore_ascii_case("metadata");
            let odd = |(key, node): &(String, Node)| {
                let is_map = matches!(node.content, Content::Map(_));
                is_metadata(key) && !is_map && !node.is_null()
            };
            if members.iter().any(odd) {
                problems.push(unexpected("metadata", "an object"));
                members.retain(|(key, _)| !is_metadata(key));
            }
        }
        Content::Scalar(_) | Content::List(_) => {
            problems.push(unexpected("", "an object with metadata.name and spec.value"));
            rest.root.content = Content::Map(Vec::new());
        }
    }
    let given = match specs.as_slice() {
        [] => Given::Nothing,
        [spec] => spec_of(spec, &mut problems),
        [..] => {
            problems.push(Problem::new("spec", "Given more than once, in different letter cases."));
            Given::Nothing
        }
    };
    let mut draft = Draft::read(&rest, &SECRET_VALUE, "SecretValue", ctx);
    draft.add(problems);
    if let Given::Value(value) = &given {
        draft.warnings.extend(short(value));
    }
    (draft, given)
}

fn spec_of(spec: &Node, problems: &mut Vec<Problem>) -> Given {
    let Content::Map(members) = &spec.content else {
        if !spec.is_null() {
            problems.push(unexpected("spec", "an object: {kind: Plain, value: …}"));
        }
        return Given::Nothing;
    };
    let is_known =
        |key: &str| ["kind", "value"].iter().any(|known| key.eq_ignore_ascii_case(known));
    if members.iter().any(|(key, _)| !is_known(key)) {
        let message = "Holds a member that SecretValues do not have (its name is not repeated here, since it may be a secret). Expected kind and value.";
        problems.push(Problem::new("spec", message));
    }
    for known in ["kind", "value"] {
        let given = members.iter().filter(|(key, _)| key.eq_ignore_ascii_case(known)).count();
        if given > 1 {
            let message = "Given more than once, in different letter cases.";
            problems.push(Problem::new(format!("spec.{known}"), message));
        }
    }
    if let Some(kind) = spec.member("kind").filter(|kind| !kind.is_null())
        && !kind.text().is_some_and(|text| text.eq_ignore_ascii_case("plain"))
    {
        problems.push(unexpected("spec.kind", "Plain, the only kind there is"));
    }
    let Some(node) = spec.member("value") else { return Given::Nothing };
    if node.is_null() {
        return Given::Null;
    }
    match node.text() {
        None => problems.push(unexpected("spec.value", "a text")),
        Some("") => {
            let message = "Is empty. If it comes from a variable, check that the variable is set.";
            problems.push(Problem::new("spec.value", message));
        }
        Some(text) if text.len() > VALUE_BYTES_MAX => {
            let message = format!("Is longer than {VALUE_BYTES_MAX} bytes.");
            problems.push(Problem::new("spec.value", message));
        }
        Some(text) if text.contains('\0') => {
            let message = "Holds the character NUL, which no configuration can hold. Encode it, for example with base64.";
            problems.push(Problem::new("spec.value", message));
        }
        Some(text) => return Given::Value(SecretString::from(text)),
    }
    // Something was given, and what is wrong with it has been said.
    Given::Nothing
}

fn unexpected(path: &str, expected: &str) -> Problem {
    let message = format!(
        "Expected {expected}. What was found is not repeated here, since it may be a secret."
    );
    Problem::new(path, message)
}

fn short(value: &SecretString) -> Option<Problem> {
    use secrecy::ExposeSecret;
    let message = format!(
        "Has less than {HIDDEN_BYTES_MIN} bytes: too short to be found and hidden in the logs of jobs."
    );
    let is_short = value.expose_secret().len() < HIDDEN_BYTES_MIN;
    is_short.then(|| Problem::new("spec.value", message))
}

fn finish(
    mut draft: Draft,
    metadata: Metadata,
    value: Option<SecretString>,
    ctx: &WriteContext<'_>,
) -> Result<Accepted<NewSecret>, Vec<Problem>> {
    let metadata = Metadata {
        labels: draft.texts("/metadata/labels"),
        annotations: draft.texts("/metadata/annotations"),
        modified_at: ctx.now,
        resource_version: metadata.resource_version.saturating_add(1),
        ..metadata
    };
    let mut problems = Vec::new();
    if let Some(why) = check_name(Kind::SecretValue, &metadata.name) {
        problems.push(Problem::new("metadata.name", why));
    }
    problems.extend(check_labels("metadata.labels", &metadata.labels));
    draft.add(problems);
    draft.finish(Some(NewSecret { secret: SecretValue::new(metadata), value }))
}

#[cfg(test)]
#[path = "secret_tests.rs"]
mod tests;
