//! What a write of a resource results in: the pure half of every POST, PUT and PATCH.
//!
//! ```text
//! Document ─shape─► members ─merge, defaults─► spec ─patch set of the target─► spec ─validate─► Accepted
//!                                                                                          └──► [Problem]
//! ```
//!
//! The caller brings the clock, ids, defaults and targets in a [`WriteContext`] and stores what comes out. Members
//! that only the server writes are ignored in documents: ids, times, resource versions, system annotations, status.
//!
//! Does not own uniqueness of names, preconditions (`If-Match`) or what is referenced by whom.

mod cancel;
mod defaults;
mod deployment;
mod hosted;
mod savepoint;
mod secret;
mod session_cluster;
mod target;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

pub use cancel::cancel_deployment;
pub use defaults::{first_defaults, global_defaults, patch_defaults};
pub use deployment::{create_deployment, patch_deployment, replace_deployment, retry_deployment};
pub use savepoint::{NewSavepoint, create_savepoint, savepoint_deployment_id};
pub use secret::{create_secret, patch_secret};
pub use session_cluster::{
    create_session_cluster, patch_session_cluster, replace_session_cluster,
    session_cluster_defaults, stop_session_cluster,
};
pub use target::{create_target, local_target, replace_target};

use crate::defaults::Layers;
use crate::document::{Document, KEPT_BYTES_MAX, Place};
use crate::meta::{SPEC_VERSION, TRANSITIONING, TRANSITIONING_SINCE, TextMap};
use crate::problem::{PROBLEMS_MAX, Problem};
use crate::session_cluster::SessionCluster;
use crate::shape::{Shape, normalise, point};
use crate::target::DeploymentTarget;

/// What a write depends on beside the document.
#[derive(Debug, Clone, Copy)]
pub struct WriteContext<'a> {
    /// Now.
    pub now: Timestamp,
    /// The id of the resource, if it is created.
    pub id: Uuid,
    /// The namespace of the request.
    pub namespace: &'a str,
    /// Defaults of Deployments.
    pub layers: &'a Layers,
    /// The DeploymentTargets of the namespace.
    pub targets: &'a [DeploymentTarget],
    /// The SessionClusters of the namespace.
    pub session_clusters: &'a [SessionCluster],
}

/// A write that can be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted<T> {
    /// The resource to store.
    pub object: T,
    /// What was ignored, or works but probably not as meant.
    pub warnings: Vec<Problem>,
}

/// A document on its way: what is known of it and what was found so far.
struct Draft {
    value: Value,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    places: BTreeMap<String, Place>,
}

impl Draft {
    fn read(document: &Document, shape: &Shape, noun: &str, ctx: &WriteContext<'_>) -> Self {
        let found = normalise(document, shape, noun);
        let mut draft = Self {
            value: found.value,
            problems: found.problems,
            warnings: found.warnings,
            places: found.places,
        };
        let namespace = draft.text("/metadata/namespace").filter(|given| *given != ctx.namespace);
        if let Some(message) = namespace.map(|given| {
            format!(
                "Expected the namespace of the request, {:?}, or nothing; found {given:?}.",
                ctx.namespace
            )
        }) {
            draft.problem("metadata.namespace", message);
        }
        draft
    }

    fn text(&self, pointer: &str) -> Option<&str> {
        self.value.pointer(pointer).and_then(Value::as_str)
    }

    fn texts(&self, pointer: &str) -> TextMap {
        texts(self.value.pointer(pointer))
    }

    /// A name that is given must be the one that the object has.
    fn check_same_name(&mut self, noun: &str, name: &str) {
        let other = self.text("/metadata/name").filter(|given| *given != name).map(str::to_owned);
        if let Some(given) = other {
            let message = format!(
                "The name of a {noun} never changes. Expected {name:?} or nothing, found {given:?}."
            );
            self.problem("metadata.name", message);
        }
    }

    fn problem(&mut self, path: &str, message: impl Into<String>) {
        self.problems.push(Problem::new(path, message));
    }

    /// Adds problems of members about which nothing is known to be wrong yet: a member that was left out because of
    /// its type is not reported as missing on top.
    fn add(&mut self, problems: Vec<Problem>) {
        if self.problems.len() >= PROBLEMS_MAX {
            return;
        }
        let known: Vec<String> = self.problems.iter().map(|p| p.path.clone()).collect();
        let is_known = |path: &str| known.iter().any(|k| is_within(path, k) || is_within(k, path));
        self.problems.extend(problems.into_iter().filter(|p| !is_known(&p.path)));
    }

    /// Patches and patch sets could let a document grow without end, a little with each write.
    fn check_size<T: Serialize>(&mut self, object: &T) {
        let size = serde_json::to_vec(object).map_or(0, |text| text.len());
        if size > KEPT_BYTES_MAX {
            let message = format!(
                "The whole document would have {size} bytes, at most {KEPT_BYTES_MAX} are kept. Keep data out of it; \
                 refer to it by URI."
            );
            self.add(vec![Problem::new("", message)]);
        }
    }

    /// The result: the object with the warnings, or every problem with its place.
    fn finish<T>(mut self, object: Option<T>) -> Result<Accepted<T>, Vec<Problem>> {
        self.problems.truncate(PROBLEMS_MAX);
        self.warnings.truncate(PROBLEMS_MAX);
        point(&mut self.problems, &self.places);
        point(&mut self.warnings, &self.places);
        match object {
            Some(object) if self.problems.is_empty() => {
                Ok(Accepted { object, warnings: self.warnings })
            }
            Some(_) | None => Err(self.problems),
        }
    }
}

/// Whether `path` is `outer` or inside it.
fn is_within(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || outer.is_empty() || rest.starts_with(['.', '[']))
}

/// Whether a document has the member at a path; keys in brackets are looked up as far as the map that holds them.
fn has(document: &Value, path: &str) -> bool {
    let mut names = path.split('[').next().unwrap_or(path).split('.');
    let found = names.try_fold(document, |value, name| value.get(name));
    found.is_some_and(|value| !value.is_null())
}

/// A map of texts; members that are null are left out.
fn texts(value: Option<&Value>) -> TextMap {
    let members = value.and_then(Value::as_object).into_iter().flatten();
    members.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// Whether only the server writes this annotation.
fn is_system(annotation: &str) -> bool {
    matches!(annotation, SPEC_VERSION | TRANSITIONING | TRANSITIONING_SINCE)
}

/// Annotations as the user gave them, with those of the server as they were.
fn with_system(mut given: TextMap, stored: &TextMap) -> TextMap {
    given.retain(|key, _| !is_system(key));
    let system = stored.iter().filter(|(key, _)| is_system(key));
    given.extend(system.map(|(key, value)| (key.clone(), value.clone())));
    given
}

#[cfg(test)]
#[path = "write/tests.rs"]
mod tests;
