//! Writes of defaults: the layer of a namespace, patched through the API, and the one of the settings file (platform
//! API reference §1.3, Q12).
//!
//! Each is kept as it was set and checked on top of the layers below it: what the layer itself causes is a problem,
//! what it leaves open is not. `$patch` directives of a request merge into the lists that the namespace has; a list
//! that a namespace sets replaces the one of the layers below.

use serde_json::{Value, json};

use super::deployment::resolve_target_id;
use super::{Accepted, Draft, WriteContext, has, texts};
use crate::defaults::{DEFAULTS_NAME, DeploymentDefaults, Layers, expand_created};
use crate::deployment::DeploymentSpec;
use crate::document::Document;
use crate::merge::{How, apply_patch, drop_nulls};
use crate::meta::Metadata;
use crate::problem::Problem;
use crate::shape::tables::{DEPLOYMENT_DEFAULTS, GLOBAL_DEFAULTS};
use crate::shape::{normalise_strictly, point};
use crate::validate::{Refs, check_labels, validate_layer, validate_spec};

/// The defaults of a namespace that has set none yet.
#[must_use]
pub fn first_defaults(ctx: &WriteContext<'_>) -> DeploymentDefaults {
    let metadata = Metadata {
        id: ctx.id,
        name: DEFAULTS_NAME.to_owned(),
        namespace: ctx.namespace.to_owned(),
        created_at: ctx.now,
        modified_at: ctx.now,
        resource_version: 1,
        ..Metadata::default()
    };
    DeploymentDefaults::new(metadata, json!({}))
}

/// Defaults of a namespace patched by a document: null removes. `ctx.layers` are the layers below.
///
/// # Errors
/// Everything that is wrong with the members that the layer would set.
pub fn patch_defaults(
    current: &DeploymentDefaults,
    document: &Document,
    ctx: &WriteContext<'_>,
) -> Result<Accepted<DeploymentDefaults>, Vec<Problem>> {
    let mut draft = Draft::read(document, &DEPLOYMENT_DEFAULTS, "DeploymentDefaults", ctx);
    let other = draft.text("/metadata/name").filter(|given| *given != DEFAULTS_NAME);
    if let Some(given) = other.map(str::to_owned) {
        let message = format!("Expected {DEFAULTS_NAME:?} or nothing, found {given:?}.");
        draft.problem("metadata.name", message);
    }
    let stored = json!({
        "metadata": {
            "labels": current.metadata.labels,
            "annotations": current.metadata.annotations,
        },
        "spec": current.spec,
    });
    let patch = if draft.value.is_object() { draft.value.clone() } else { json!({}) };
    let merged = apply_patch(&stored, &patch, &DEPLOYMENT_DEFAULTS, How::Patch);
    let mut merged = merged.unwrap_or_else(|problems| {
        draft.problems.extend(problems);
        stored
    });
    drop_nulls(&mut merged, &DEPLOYMENT_DEFAULTS);
    let spec = merged.get("spec").cloned().unwrap_or_else(|| json!({}));
    let metadata = Metadata {
        labels: texts(merged.pointer("/metadata/labels")),
        annotations: texts(merged.pointer("/metadata/annotations")),
        modified_at: ctx.now,
        resource_version: current.metadata.resource_version.saturating_add(1),
        ..current.metadata.clone()
    };
    draft.add(check_labels("metadata.labels", &metadata.labels));
    draft.add(check_namespace(&json!({ "spec": spec }), ctx));
    let defaults = DeploymentDefaults::new(metadata, spec);
    draft.check_size(&defaults);
    draft.finish(Some(defaults))
}

/// The layer of a settings file, over the built-in one. What it refers to is looked up when a Deployment is written:
/// each namespace has its own targets.
///
/// # Errors
/// Everything that is wrong with it, unknown members included: nobody but us reads this file.
pub fn global_defaults(
    document: &Document,
    default_flink_version: &str,
) -> Result<Value, Vec<Problem>> {
    let noun = "GlobalDeploymentDefaults";
    let found = normalise_strictly(document, &GLOBAL_DEFAULTS, noun);
    let mut problems = found.problems;
    let given = match found.value.get("spec") {
        Some(spec) => json!({ "spec": spec }),
        None => json!({}),
    };
    let mut layer =
        apply_patch(&json!({}), &given, &GLOBAL_DEFAULTS, How::Patch).unwrap_or_else(|found| {
            problems.extend(found);
            json!({})
        });
    drop_nulls(&mut layer, &GLOBAL_DEFAULTS);
    let below = Layers::new(default_flink_version, []);
    problems.extend(check(&layer, &layer, &below, validate_layer));
    point(&mut problems, &found.places);
    if problems.is_empty() { Ok(layer) } else { Err(problems) }
}

/// The same as [`check`], and what the layer refers to exists.
fn check_namespace(layer: &Value, ctx: &WriteContext<'_>) -> Vec<Problem> {
    let mut named = layer.clone();
    if let Err(problem) = resolve_target_id(&mut named, ctx) {
        return vec![problem];
    }
    let refs = Refs {
        namespace: ctx.namespace,
        targets: ctx.targets,
        session_clusters: ctx.session_clusters,
    };
    check(layer, &named, ctx.layers, |spec| validate_spec(spec, &refs))
}

/// Problems of a Deployment that says nothing itself, as far as the members that `layer` sets cause them. `named` is
/// the layer with names for ids.
fn check(
    layer: &Value,
    named: &Value,
    below: &Layers,
    validate: impl Fn(&DeploymentSpec) -> Vec<Problem>,
) -> Vec<Problem> {
    let expanded = match expand_created(below, named) {
        Ok(expanded) => expanded,
        Err(problems) => return problems,
    };
    let spec = expanded.get("spec").cloned().unwrap_or_default();
    let spec: DeploymentSpec = match serde_json::from_value(spec) {
        Ok(spec) => spec,
        Err(e) => return vec![Problem::new("spec", format!("Cannot read the spec: {e}."))],
    };
    let problems = validate(&spec).into_iter();
    problems.filter(|problem| has(layer, &problem.path)).collect()
}
