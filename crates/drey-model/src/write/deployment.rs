//! Writes of Deployments (platform API reference §2.1.3 – §2.1.5; Q10, Q11, Q15, Q16, Q21, Q35, Q37).

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Accepted, Draft, WriteContext, has, hosted, texts, with_system};
use crate::defaults::{expand_created, fill_absent, settle};
use crate::deployment::{Deployment, DeploymentSpec, DeploymentStatus};
use crate::document::Document;
use crate::merge::{How, apply_patch};
use crate::meta::{API_VERSION, Kind, Metadata, SPEC_VERSION, TextMap};
use crate::patchset;
use crate::problem::{Problem, join_path};
use crate::shape::normalise;
use crate::shape::tables::DEPLOYMENT;
use crate::target::DeploymentTarget;
use crate::validate::{Refs, available, deployment_warnings, slug, validate_deployment};

const ARTIFACT: &str = "/spec/template/spec/artifact";

/// A new Deployment from a document (POST).
///
/// # Errors
/// Everything that is wrong with it.
pub fn create_deployment(
    document: &Document,
    ctx: &WriteContext<'_>,
) -> Result<Accepted<Deployment>, Vec<Problem>> {
    let mut draft = Draft::read(document, &DEPLOYMENT, "Deployment", ctx);
    let name = match (draft.text("/metadata/name"), draft.text("/metadata/displayName")) {
        (Some(name), _) => name.to_owned(),
        (None, Some(display_name)) => slug(display_name),
        (None, None) => String::new(),
    };
    if name.is_empty() {
        let message = "Give the Deployment a name, or a displayName with letters to make one from.";
        draft.problem("metadata.name", message);
    }
    created(draft, name, ctx)
}

/// A Deployment patched by a document (PATCH).
///
/// # Errors
/// Everything that is wrong with the result.
pub fn patch_deployment(
    current: &Deployment,
    document: &Document,
    ctx: &WriteContext<'_>,
) -> Result<Accepted<Deployment>, Vec<Problem>> {
    let mut draft = Draft::read(document, &DEPLOYMENT, "Deployment", ctx);
    draft.check_same_name("Deployment", &current.metadata.name);
    let submitted = submitted(&mut draft, ctx);
    let stored = stored(current);
    let merged = apply_patch(&stored, &submitted, &DEPLOYMENT, How::Patch);
    let merged = merged.and_then(|merged| {
        let filled = fill_absent(ctx.layers, &only_spec(&merged))?;
        Ok(with_spec(merged, filled))
    });
    finish(
        draft,
        merged.map_err(|problems| (stored, problems)),
        Some(current),
        current.metadata.clone(),
        ctx,
    )
}

/// A Deployment replaced, or created under `name`, by a document (PUT).
///
/// # Errors
/// Everything that is wrong with the result.
pub fn replace_deployment(
    current: Option<&Deployment>,
    name: &str,
    document: &Document,
    ctx: &WriteContext<'_>,
) -> Result<Accepted<Deployment>, Vec<Problem>> {
    let mut draft = Draft::read(document, &DEPLOYMENT, "Deployment", ctx);
    draft.check_same_name("Deployment", name);
    let Some(current) = current else { return created(draft, name.to_owned(), ctx) };
    let submitted = submitted(&mut draft, ctx);
    let expanded = expand_created(ctx.layers, &only_spec(&submitted));
    let merged = expanded.map(|expanded| with_spec(submitted, expanded));
    let merged = merged.map_err(|problems| (stored(current), problems));
    finish(draft, merged, Some(current), current.metadata.clone(), ctx)
}

fn created(
    mut draft: Draft,
    name: String,
    ctx: &WriteContext<'_>,
) -> Result<Accepted<Deployment>, Vec<Problem>> {
    let submitted = submitted(&mut draft, ctx);
    let metadata = Metadata {
        id: ctx.id,
        name,
        namespace: ctx.namespace.to_owned(),
        created_at: ctx.now,
        ..Metadata::default()
    };
    let merged = match expand_created(ctx.layers, &only_spec(&submitted)) {
        Ok(expanded) => Ok(with_spec(submitted, expanded)),
        Err(problems) => {
            // What else is wrong is looked for in the rest of the document.
            let mut rest = only_spec(&submitted);
            drop_directives(&mut rest);
            let rest = expand_created(ctx.layers, &rest);
            let rest = rest.or_else(|_| expand_created(ctx.layers, &json!({})));
            Err((with_spec(submitted, rest.unwrap_or_default()), problems))
        }
    };
    finish(draft, merged, None, metadata, ctx)
}

/// Takes the elements out of arrays that say how to merge.
fn drop_directives(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.retain(|item| item.get("$patch").is_none());
            items.iter_mut().for_each(drop_directives);
        }
        Value::Object(members) => members.values_mut().for_each(drop_directives),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The members that a user may write, with a target id turned into the name.
fn submitted(draft: &mut Draft, ctx: &WriteContext<'_>) -> Value {
    let mut submitted = draft.value.clone();
    if !submitted.is_object() {
        submitted = json!({});
    }
    if let Err(problem) = resolve_target_id(&mut submitted, ctx) {
        draft.problems.push(problem);
    }
    submitted
}

/// The members of a stored Deployment that a user may write.
fn stored(current: &Deployment) -> Value {
    let metadata = &current.metadata;
    let mut value = json!({
        "metadata": { "labels": metadata.labels, "annotations": metadata.annotations },
        "spec": serde_json::to_value(&current.spec).unwrap_or_default(),
    });
    if let (Some(name), Some(object)) = (&metadata.display_name, value.pointer_mut("/metadata")) {
        object["displayName"] = Value::from(name.as_str());
    }
    value
}

fn only_spec(value: &Value) -> Value {
    match value.get("spec") {
        Some(spec) => json!({ "spec": spec }),
        None => json!({}),
    }
}

fn with_spec(mut value: Value, expanded: Value) -> Value {
    if let (Value::Object(value), Value::Object(expanded)) = (&mut value, expanded) {
        value.extend(expanded);
    }
    value
}

/// Replaces the legacy `deploymentTargetId` by the name it stands for.
pub(super) fn resolve_target_id(value: &mut Value, ctx: &WriteContext<'_>) -> Result<(), Problem> {
    let Some(Value::Object(spec)) = value.get_mut("spec") else { return Ok(()) };
    let Some(id) = spec.remove("deploymentTargetId").filter(|id| !id.is_null()) else {
        return Ok(());
    };
    let path = "spec.deploymentTargetId";
    let id = id.as_str().and_then(|id| Uuid::try_parse(id).ok()).unwrap_or_default();
    let Some(target) = ctx.targets.iter().find(|t| t.metadata.id == id) else {
        let names: Vec<&str> = ctx.targets.iter().map(|t| t.metadata.name.as_str()).collect();
        let listed = available("Targets", &names);
        let message =
            format!("No DeploymentTarget has the id {id}. Use deploymentTargetName. {listed}");
        return Err(Problem::new(path, message));
    };
    let name = target.metadata.name.clone();
    match spec.get("deploymentTargetName").and_then(Value::as_str) {
        Some(given) if given != name => {
            let message = format!(
                "The id {id} is of target {name:?}, but deploymentTargetName is {given:?}. Remove one."
            );
            Err(Problem::new(path, message))
        }
        Some(_) | None => {
            spec.insert("deploymentTargetName".to_owned(), Value::String(name));
            Ok(())
        }
    }
}

/// From merged members to a Deployment: patch set, types, bookkeeping, validation.
fn finish(
    mut draft: Draft,
    merged: Result<Value, (Value, Vec<Problem>)>,
    current: Option<&Deployment>,
    metadata: Metadata,
    ctx: &WriteContext<'_>,
) -> Result<Accepted<Deployment>, Vec<Problem>> {
    let mut merged = merged.unwrap_or_else(|(instead, problems)| {
        draft.problems.extend(problems);
        instead
    });
    // Defaults may use the legacy form too.
    draft.problems.extend(resolve_target_id(&mut merged, ctx).err());
    if let Some(current) = current {
        warn_of_filled(&mut draft, &merged, &current.spec);
    }
    let status = current.map(|c| &c.status);
    let filled = merged.clone();
    let merged = apply_patch_set(&mut draft, merged, &metadata, status, ctx);
    let spec = match serde_json::from_value::<DeploymentSpec>(
        merged.get("spec").cloned().unwrap_or_default(),
    ) {
        Ok(spec) => spec,
        Err(e) => {
            draft.add(vec![Problem::new("spec", format!("Cannot read the spec: {e}."))]);
            return draft.finish(None);
        }
    };
    warn_of_foreign_members(&mut draft, &merged);
    hosted::warn(&mut draft, &spec, ctx.session_clusters);
    draft.warnings.extend(deployment_warnings(&spec));
    let metadata = bookkept(&merged, &spec, current, metadata, ctx);
    let mut deployment = Deployment::new(metadata, spec);
    deployment.status = status.cloned().unwrap_or_default();
    let refs = Refs {
        namespace: ctx.namespace,
        targets: ctx.targets,
        session_clusters: ctx.session_clusters,
    };
    let problems = validate_deployment(&deployment, &refs);
    let problems = problems.into_iter().map(|p| explain_origin(p, &draft, &filled, current));
    draft.add(problems.collect());
    draft.check_size(&deployment);
    draft.finish(Some(deployment))
}

/// A Deployment whose transition was given up, to be tried again: it counts as a new version of the same spec.
///
/// `None` unless its status is FAILED.
#[must_use]
pub fn retry_deployment(current: &Deployment, now: jiff::Timestamp) -> Option<Deployment> {
    if current.status.state != crate::deployment::DeploymentState::Failed {
        return None;
    }
    let mut next = current.clone();
    let version = (current.spec_version() + 1).to_string();
    next.metadata.annotations.insert(SPEC_VERSION.to_owned(), version);
    next.metadata.resource_version = current.metadata.resource_version.saturating_add(1);
    next.metadata.modified_at = now;
    Some(next)
}

/// Identity as it was, user members as merged, versions counted up.
fn bookkept(
    merged: &Value,
    spec: &DeploymentSpec,
    current: Option<&Deployment>,
    metadata: Metadata,
    ctx: &WriteContext<'_>,
) -> Metadata {
    let version = match current {
        None => 1,
        Some(current) => current.spec_version() + i64::from(current.spec != *spec),
    };
    let given = texts(merged.pointer("/metadata/annotations"));
    let mut annotations: TextMap = with_system(given, &metadata.annotations);
    annotations.insert(SPEC_VERSION.to_owned(), version.to_string());
    Metadata {
        display_name: merged
            .pointer("/metadata/displayName")
            .and_then(Value::as_str)
            .map(str::to_owned),
        labels: texts(merged.pointer("/metadata/labels")),
        annotations,
        modified_at: ctx.now,
        resource_version: metadata.resource_version.saturating_add(1),
        ..metadata
    }
}

/// The members after the patch set of the target, if it has one. Skipped while anything else is wrong: operations
/// would fail for that reason, or hide it.
fn apply_patch_set(
    draft: &mut Draft,
    merged: Value,
    metadata: &Metadata,
    status: Option<&DeploymentStatus>,
    ctx: &WriteContext<'_>,
) -> Value {
    let name = merged.pointer("/spec/deploymentTargetName").and_then(Value::as_str);
    let target = ctx.targets.iter().find(|t| name == Some(t.metadata.name.as_str()));
    let Some(target) =
        target.filter(|t| t.spec.deployment_patch_set.as_ref().is_some_and(|set| !set.is_empty()))
    else {
        return merged;
    };
    if !draft.problems.is_empty() {
        return merged;
    }
    match patchset::apply(target, &whole(&merged, metadata, status)) {
        Ok(patched) => reread(draft, target, &patched),
        Err(problem) => {
            draft.problems.push(problem);
            merged
        }
    }
}

/// The whole document that a patch set sees.
fn whole(merged: &Value, metadata: &Metadata, status: Option<&DeploymentStatus>) -> Value {
    let mut own = serde_json::to_value(metadata).unwrap_or_default();
    if let Some(own) = own.as_object_mut() {
        own.insert("labels".to_owned(), json!(texts(merged.pointer("/metadata/labels"))));
        let annotations =
            with_system(texts(merged.pointer("/metadata/annotations")), &metadata.annotations);
        own.insert("annotations".to_owned(), json!(annotations));
        own.remove("displayName");
        own.extend(
            merged
                .pointer("/metadata/displayName")
                .map(|name| ("displayName".to_owned(), name.clone())),
        );
    }
    json!({
        "kind": Kind::Deployment,
        "apiVersion": API_VERSION,
        "metadata": own,
        "spec": merged.get("spec"),
        "status": status.cloned().unwrap_or_default(),
    })
}

/// What a patch set made, read like any document: it may have written a number where a text belongs.
fn reread(draft: &mut Draft, target: &DeploymentTarget, patched: &Value) -> Value {
    let found = normalise(&Document::from_value(patched), &DEPLOYMENT, "Deployment");
    let of_target = |problem: Problem| {
        let message =
            format!("After the patch set of target {}: {}", target.metadata.name, problem.message);
        Problem { message, ..problem }
    };
    draft.problems.extend(found.problems.into_iter().map(of_target));
    draft.warnings.extend(found.warnings.into_iter().map(of_target));
    // An operation may have added a directive; none is ever stored.
    let bare = apply_patch(&json!({}), &found.value, &DEPLOYMENT, How::Layer);
    let bare = bare.unwrap_or_else(|problems| {
        draft.problems.extend(problems.into_iter().map(of_target));
        found.value
    });
    let settled = settle(only_spec(&bare));
    with_spec(bare, settled)
}

/// Defaults that changed since a Deployment was written reach it with its next change (Q11), but never in silence.
fn warn_of_filled(draft: &mut Draft, merged: &Value, before: &DeploymentSpec) {
    let before = serde_json::to_value(before).unwrap_or_default();
    let is_session = |spec: &Value| spec.get("sessionClusterName").is_some();
    let Some(spec) = merged.get("spec").filter(|spec| is_session(spec) == is_session(&before))
    else {
        // Another mode has other members: that they are filled in is what was asked for.
        return;
    };
    let mut paths = Vec::new();
    let given = draft.value.get("spec").unwrap_or(&Value::Null);
    unasked(spec, &before, given, "spec", &mut paths);
    draft.warnings.extend(paths.into_iter().map(|path| {
        let message = "Filled in from the defaults, which have changed: neither the stored Deployment nor this request has it. \
                       Send the member to choose another value.";
        Problem::new(path, message)
    }));
}

/// Paths of what is in `after` and neither in `before` nor, not even as null, in `given`.
fn unasked(after: &Value, before: &Value, given: &Value, path: &str, paths: &mut Vec<String>) {
    for (key, value) in after.as_object().into_iter().flatten() {
        let path = join_path(path, key);
        let (before, given) = (before.get(key), given.get(key));
        let is_asked = given.is_some_and(|given| !given.is_object() || !value.is_object());
        match (before.is_some() || given.is_some(), is_asked) {
            (false, _) => paths.push(path),
            (true, true) => {}
            (true, false) => {
                let none = &Value::Null;
                unasked(value, before.unwrap_or(none), given.unwrap_or(none), &path, paths);
            }
        }
    }
}

/// Says of what nobody has written where it comes from.
fn explain_origin(
    problem: Problem,
    draft: &Draft,
    filled: &Value,
    current: Option<&Deployment>,
) -> Problem {
    let is_written = has(&draft.value, &problem.path)
        || current.is_some_and(|current| has(&stored(current), &problem.path));
    if is_written || !has(filled, &problem.path) {
        return problem;
    }
    let message = format!("{} The document does not say this, the defaults do.", problem.message);
    Problem { message, ..problem }
}

fn warn_of_foreign_members(draft: &mut Draft, merged: &Value) {
    let empty = Map::new();
    let given = draft.value.pointer(ARTIFACT).and_then(Value::as_object).unwrap_or(&empty);
    let kept = merged.pointer(ARTIFACT).and_then(Value::as_object).unwrap_or(&empty);
    let kind = kept.get("kind").and_then(Value::as_str).unwrap_or_default();
    let ignored =
        given.iter().filter(|(name, value)| !value.is_null() && !kept.contains_key(*name));
    let warnings: Vec<Problem> = ignored
        .map(|(name, _)| {
            let message = format!("An artifact of kind {kind} has no {name}, so it is ignored.");
            Problem::new(format!("spec.template.spec.artifact.{name}"), message)
        })
        .collect();
    draft.warnings.extend(warnings);
}
