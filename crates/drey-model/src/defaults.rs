//! Defaults: the built-in ones, and how layers of them are put under a Deployment (platform API reference §1.3, Q11).
//!
//! ```text
//! built-in → configured global → namespace → the document      lowest first; each {spec: {…}}, normalised
//! ```
//!
//! A lower layer never contradicts a higher one: once a layer chooses a target or a session cluster, the pods option
//! or pod templates, or a kind of artifact, what lower layers say about the alternative is left out. In session mode
//! the cluster's own members are not filled in at all (Q6, Q35, Q37).

mod resource;

use serde_json::{Map, Value, json};

pub use resource::{
    DEFAULTS_NAME, DeploymentDefaults, GlobalDeploymentDefaults, GlobalSessionClusterDefaults,
};

use crate::merge::{How, apply_patch, bind_artifact, drop_nulls};
use crate::problem::Problem;
use crate::shape::Shape;
use crate::shape::tables::{CLUSTER_MEMBERS, DEPLOYMENT_DEFAULTS, IMAGE_MEMBERS};

/// Layers of defaults, lowest first; each a normalised `{spec: {…}}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Layers {
    /// The layers; the built-in one comes first.
    pub layers: Vec<Value>,
}

impl Layers {
    /// The built-in layer and those above it.
    #[must_use]
    pub fn new(default_flink_version: &str, above: impl IntoIterator<Item = Value>) -> Self {
        let mut layers = vec![built_in(default_flink_version)];
        layers.extend(above);
        Self { layers }
    }

    /// These layers with one more on top.
    #[must_use]
    pub fn with(&self, top: Value) -> Self {
        let mut layers = self.layers.clone();
        layers.push(top);
        Self { layers }
    }

    /// The Flink version of those who name none.
    #[must_use]
    pub fn flink_version(&self) -> &str {
        let mut versions =
            self.layers.iter().rev().filter_map(|layer| layer.pointer(FLINK_VERSION)?.as_str());
        // The built-in layer names one.
        versions.next().unwrap_or_default()
    }

    /// All layers in one.
    ///
    /// # Errors
    /// A directive that cannot be followed.
    pub fn merged(&self) -> Result<Value, Vec<Problem>> {
        base(self, &json!({}))
    }
}

/// The built-in global defaults (platform API reference §1.3).
#[must_use]
pub fn built_in(default_flink_version: &str) -> Value {
    json!({ "spec": {
        "state": "CANCELLED",
        "upgradeStrategy": { "kind": "STATEFUL" },
        "restoreStrategy": { "kind": "LATEST_STATE", "allowNonRestoredState": false },
        "maxSavepointCreationAttempts": 4,
        "maxJobCreationAttempts": 4,
        "template": {
            "metadata": { "annotations": {
                "flink.queryable-state.enabled": "false",
                "flink.security.ssl.enabled": "false",
            } },
            "spec": {
                "artifact": { "kind": "JAR", "flinkVersion": default_flink_version },
                "parallelism": 1,
                "resources": {
                    "jobmanager": { "cpu": 1.0, "memory": "1G" },
                    "taskmanager": { "cpu": 1.0, "memory": "2G" },
                },
                "flinkConfiguration": {},
                "logging": { "loggingProfile": "default", "log4jLoggers": { "": "INFO" } },
            },
        },
    } })
}

/// The spec of a new Deployment: the whole merge of the layers and the submitted `{spec: {…}}`.
///
/// # Errors
/// A directive that cannot be followed.
pub fn expand_created(layers: &Layers, submitted: &Value) -> Result<Value, Vec<Problem>> {
    let base = base(layers, submitted)?;
    let merged = apply_patch(&base, submitted, &DEPLOYMENT_DEFAULTS, How::Layer)?;
    Ok(settle(merged))
}

/// A modified `{spec: {…}}` with its absent members filled in again. Free keys that were removed do not come back.
///
/// # Errors
/// A directive in a layer that cannot be followed.
pub fn fill_absent(layers: &Layers, stored_after_patch: &Value) -> Result<Value, Vec<Problem>> {
    let base = base(layers, stored_after_patch)?;
    let mut filled = stored_after_patch.clone();
    fill(&mut filled, &base, &DEPLOYMENT_DEFAULTS);
    Ok(settle(filled))
}

/// The layers merged, without what `top` rules out.
fn base(layers: &Layers, top: &Value) -> Result<Value, Vec<Problem>> {
    let all: Vec<&Value> = layers.layers.iter().chain([top]).collect();
    let is_session = chosen_place(&all).is_some_and(|(_, place)| place == Place::Session);
    let chosen_at = chosen_place(&all).map(|(at, _)| at);
    let mut base = Value::Object(Map::new());
    for (at, layer) in layers.layers.iter().enumerate() {
        let mut layer = layer.clone();
        if chosen_at.is_some_and(|chosen| at < chosen) {
            remove(&mut layer, &["spec"], &PLACE_MEMBERS);
        }
        if is_session {
            remove(&mut layer, &["spec", "template", "spec"], &CLUSTER_MEMBERS);
            let artifact = ["spec", "template", "spec", "artifact"];
            remove(&mut layer, &artifact, &IMAGE_MEMBERS);
            remove(&mut layer, &artifact, &["flinkVersion"]);
        }
        base = under(&base, &layer);
        base = apply_patch(&base, &layer, &DEPLOYMENT_DEFAULTS, How::Layer)?;
    }
    Ok(under(&base, top))
}

const FLINK_VERSION: &str = "/spec/template/spec/artifact/flinkVersion";

/// Where a Deployment runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Target,
    Session,
}

const PLACE_MEMBERS: [&str; 3] =
    ["deploymentTargetName", "deploymentTargetId", "sessionClusterName"];

/// The highest layer that says where to run, and what it says.
fn chosen_place(layers: &[&Value]) -> Option<(usize, Place)> {
    layers.iter().enumerate().rev().find_map(|(at, layer)| {
        let is_set = |name: &str| is_set(layer, &["spec", name]);
        if is_set("sessionClusterName") {
            return Some((at, Place::Session));
        }
        (is_set("deploymentTargetName") || is_set("deploymentTargetId"))
            .then_some((at, Place::Target))
    })
}

/// What is below a layer, without the alternatives to what the layer chooses.
fn under(base: &Value, layer: &Value) -> Value {
    let mut base = base.clone();
    let kubernetes = ["spec", "template", "spec", "kubernetes"];
    let has = |name: &str| is_set(layer, &[kubernetes.as_slice(), &[name]].concat());
    if has("pods") {
        remove(&mut base, &kubernetes, &["jobManagerPodTemplate", "taskManagerPodTemplate"]);
    }
    if has("jobManagerPodTemplate") || has("taskManagerPodTemplate") {
        remove(&mut base, &kubernetes, &["pods"]);
    }
    let kind = layer.pointer("/spec/template/spec/artifact/kind").filter(|kind| !kind.is_null());
    let artifact = base.pointer_mut("/spec/template/spec/artifact").and_then(Value::as_object_mut);
    if let (Some(kind), Some(artifact)) = (kind, artifact) {
        let own = artifact.insert("kind".to_owned(), kind.clone());
        bind_artifact(artifact);
        // The layer itself brings the kind; the base keeps its own.
        artifact.extend(own.map(|own| ("kind".to_owned(), own)));
    }
    base
}

fn is_set(value: &Value, path: &[&str]) -> bool {
    let found = path.iter().try_fold(value, |value, name| value.get(name));
    found.is_some_and(|value| !value.is_null())
}

fn remove(value: &mut Value, path: &[&str], names: &[&str]) {
    let holder = path.iter().try_fold(value, |value, name| value.get_mut(name));
    if let Some(Value::Object(holder)) = holder {
        holder.retain(|name, _| !names.contains(&name.as_str()));
    }
}

/// Adds the schema members that are absent or null.
fn fill(value: &mut Value, base: &Value, shape: &Shape) {
    let (Value::Object(object), Value::Object(base)) = (value, base) else { return };
    if !matches!(shape, Shape::Object(_) | Shape::Keys(..)) {
        return;
    }
    for (key, supplied) in base {
        match object.get_mut(key).filter(|value| !value.is_null()) {
            Some(own) => {
                if let Some(shape) = shape.member(key) {
                    fill(own, supplied, shape);
                }
            }
            None => {
                object.insert(key.clone(), supplied.clone());
            }
        }
    }
}

/// The last touches: members of the artifact's kind only, no nulls, and parents for a patch set's operations.
pub(crate) fn settle(mut value: Value) -> Value {
    drop_nulls(&mut value, &DEPLOYMENT_DEFAULTS);
    if let Some(Value::Object(artifact)) = value.pointer_mut("/spec/template/spec/artifact") {
        bind_artifact(artifact);
    }
    for (parent, name) in [
        ("", "spec"),
        ("/spec", "template"),
        ("/spec/template", "metadata"),
        ("/spec/template/metadata", "annotations"),
        ("/spec/template", "spec"),
        ("/spec/template/spec", "flinkConfiguration"),
    ] {
        if let Some(Value::Object(parent)) = value.pointer_mut(parent) {
            parent.entry(name).or_insert_with(|| json!({}));
        }
    }
    value
}

#[cfg(test)]
#[path = "defaults_tests.rs"]
mod tests;
