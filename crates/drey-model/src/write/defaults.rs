//! Writes of DeploymentDefaults: one layer, kept as the `{spec: {…}}` that was set (platform API reference §1.3, Q12).

use serde_json::{Value, json};

use super::{Accepted, Draft, WriteContext};
use crate::defaults::{Layers, expand_created};
use crate::deployment::DeploymentSpec;
use crate::document::Document;
use crate::merge::{How, apply_patch, drop_nulls};
use crate::problem::Problem;
use crate::shape::tables::DEPLOYMENT_DEFAULTS;
use crate::validate::{Refs, validate_spec};

/// One layer of defaults patched by a document: null removes. For a layer from a file, `current` is `{}`.
///
/// # Errors
/// Everything that is wrong with the members that the layer sets.
pub fn patch_defaults(
    current: &Value,
    document: &Document,
    ctx: &WriteContext<'_>,
) -> Result<Accepted<Value>, Vec<Problem>> {
    let mut draft = Draft::read(document, &DEPLOYMENT_DEFAULTS, "DeploymentDefaults", ctx);
    let patch = match draft.value.get("spec") {
        Some(spec) => json!({ "spec": spec }),
        None => json!({}),
    };
    let merged = apply_patch(current, &patch, &DEPLOYMENT_DEFAULTS, How::Patch);
    let mut layer = merged.unwrap_or_else(|problems| {
        draft.problems.extend(problems);
        current.clone()
    });
    drop_nulls(&mut layer, &DEPLOYMENT_DEFAULTS);
    draft.add(check(&layer, ctx));
    draft.finish(Some(layer))
}

/// Problems of a Deployment that had nothing but this layer, as far as the layer itself causes them.
fn check(layer: &Value, ctx: &WriteContext<'_>) -> Vec<Problem> {
    let bottom = Layers { layers: ctx.layers.layers.iter().take(1).cloned().collect() };
    let expanded = match expand_created(&bottom, layer) {
        Ok(expanded) => expanded,
        Err(problems) => return problems,
    };
    let spec = expanded.get("spec").cloned().unwrap_or_default();
    let spec: DeploymentSpec = match serde_json::from_value(spec) {
        Ok(spec) => spec,
        Err(e) => return vec![Problem::new("spec", format!("Cannot read the spec: {e}."))],
    };
    let refs = Refs { namespace: ctx.namespace, targets: ctx.targets, session_clusters: &[] };
    let problems = validate_spec(&spec, &refs).into_iter();
    problems.filter(|problem| sets(layer, &problem.path)).collect()
}

/// Whether the layer has the member at a path; keys in brackets are looked up as far as the map that holds them.
fn sets(layer: &Value, path: &str) -> bool {
    let names = path.split('[').next().unwrap_or(path).split('.');
    names.into_iter().try_fold(layer, |value, name| value.get(name)).is_some()
}
