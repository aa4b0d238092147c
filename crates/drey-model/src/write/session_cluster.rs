//! Writes of SessionClusters (platform API reference §1.7, §2.5.4): while one is active, only its state and the number
//! of its TaskManagers change.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Accepted, Draft, WriteContext, texts};
use crate::document::Document;
use crate::merge::{How, apply_patch, drop_nulls};
use crate::meta::{Metadata, TextMap};
use crate::problem::Problem;
use crate::session_cluster::{DesiredClusterState, SessionCluster, SessionClusterSpec};
use crate::shape::tables::SESSION_CLUSTER;
use crate::validate::{Refs, session_cluster_warnings, validate_session_cluster};

/// A new cluster from a document (POST).
///
/// # Errors
/// Everything that is wrong with it.
pub fn create_session_cluster(
    document: &Document,
    ctx: &WriteContext<'_>,
) -> Result<Accepted<SessionCluster>, Vec<Problem>> {
    let draft = Draft::read(document, &SESSION_CLUSTER, "SessionCluster", ctx);
    let name = draft.text("/metadata/name").unwrap_or_default().to_owned();
    let given = draft.value.clone();
    finish(draft, given, None, name, ctx)
}

/// A cluster patched by a document (PATCH).
///
/// # Errors
/// Everything that is wrong with the result.
pub fn patch_session_cluster(
    current: &SessionCluster,
    document: &Document,
    ctx: &WriteContext<'_>,
) -> Result<Accepted<SessionCluster>, Vec<Problem>> {
    let mut draft = Draft::read(document, &SESSION_CLUSTER, "SessionCluster", ctx);
    let name = current.metadata.name.clone();
    draft.check_same_name("SessionCluster", &name);
    let stored = json!({
        "metadata": {
            "labels": current.metadata.labels,
            "annotations": current.metadata.annotations,
        },
        "spec": serde_json::to_value(&current.spec).unwrap_or_default(),
    });
    let merged = apply_patch(&stored, &draft.value, &SESSION_CLUSTER, How::Patch);
    let merged = merged.unwrap_or_else(|problems| {
        draft.problems.extend(problems);
        stored
    });
    finish(draft, merged, Some(current), name, ctx)
}

/// A cluster replaced, or created under `name`, by a document (PUT).
///
/// # Errors
/// Everything that is wrong with the result.
pub fn replace_session_cluster(
    current: Option<&SessionCluster>,
    name: &str,
    document: &Document,
    ctx: &WriteContext<'_>,
) -> Result<Accepted<SessionCluster>, Vec<Problem>> {
    let mut draft = Draft::read(document, &SESSION_CLUSTER, "SessionCluster", ctx);
    draft.check_same_name("SessionCluster", name);
    let given = draft.value.clone();
    finish(draft, given, current, name.to_owned(), ctx)
}

/// The cluster as a user would stop it.
#[must_use]
pub fn stop_session_cluster(current: &SessionCluster, now: Timestamp) -> SessionCluster {
    let mut cluster = current.clone();
    cluster.spec.state = DesiredClusterState::Stopped;
    cluster.metadata.modified_at = now;
    cluster.metadata.resource_version = cluster.metadata.resource_version.saturating_add(1);
    cluster
}

/// What a SessionCluster has that says nothing (platform API reference §1.7). The platform's own pages fill in the same.
#[must_use]
pub fn session_cluster_defaults(flink_version: &str) -> Value {
    json!({
        "state": DesiredClusterState::Stopped,
        "flinkVersion": flink_version,
        "numberOfTaskManagers": 1,
        "resources": {
            "jobmanager": { "cpu": 1.0, "memory": "1G" },
            "taskmanager": { "cpu": 1.0, "memory": "2G" },
        },
        "flinkConfiguration": {},
        "logging": { "loggingProfile": "default", "log4jLoggers": { "": "INFO" } },
    })
}

/// From members to a cluster: defaults, types, bookkeeping, validation.
fn finish(
    mut draft: Draft,
    mut merged: Value,
    current: Option<&SessionCluster>,
    name: String,
    ctx: &WriteContext<'_>,
) -> Result<Accepted<SessionCluster>, Vec<Problem>> {
    drop_nulls(&mut merged, &SESSION_CLUSTER);
    let base = json!({ "spec": session_cluster_defaults(ctx.layers.flink_version()) });
    // A free key that was removed does not come back from the defaults: they have none.
    let filled = apply_patch(&base, &merged, &SESSION_CLUSTER, How::Layer);
    let filled = filled.unwrap_or_else(|problems| {
        draft.problems.extend(problems);
        base
    });
    let spec = filled.get("spec").cloned().unwrap_or_default();
    let spec: SessionClusterSpec = match serde_json::from_value(spec) {
        Ok(spec) => spec,
        Err(e) => {
            draft.add(vec![Problem::new("spec", format!("Cannot read the spec: {e}."))]);
            return draft.finish(None);
        }
    };
    let before = match current {
        Some(current) => current.metadata.clone(),
        None => Metadata {
            id: ctx.id,
            name,
            namespace: ctx.namespace.to_owned(),
            created_at: ctx.now,
            ..Metadata::default()
        },
    };
    let metadata = Metadata {
        labels: texts(filled.pointer("/metadata/labels")),
        annotations: annotations(&filled),
        modified_at: ctx.now,
        resource_version: before.resource_version.saturating_add(1),
        ..before
    };
    let mut cluster = SessionCluster::new(metadata, spec);
    if let Some(current) = current {
        cluster.status = current.status.clone();
        draft.add(frozen(current, &cluster.spec));
    }
    let refs = Refs {
        namespace: ctx.namespace,
        targets: ctx.targets,
        session_clusters: ctx.session_clusters,
    };
    draft.add(validate_session_cluster(&cluster, &refs));
    draft.warnings.extend(session_cluster_warnings(&cluster.spec));
    draft.check_size(&cluster);
    draft.finish(Some(cluster))
}

fn annotations(filled: &Value) -> TextMap {
    texts(filled.pointer("/metadata/annotations"))
}

/// Members that differ and may not, because the cluster is active.
fn frozen(current: &SessionCluster, wanted: &SessionClusterSpec) -> Vec<Problem> {
    if current.is_at_rest() {
        return Vec::new();
    }
    let like = |spec: &SessionClusterSpec| SessionClusterSpec {
        state: wanted.state,
        number_of_task_managers: wanted.number_of_task_managers,
        ..spec.clone()
    };
    let value = |spec: &SessionClusterSpec| serde_json::to_value(like(spec)).unwrap_or_default();
    let (before, after) = (value(&current.spec), value(wanted));
    let (empty, none) = (serde_json::Map::new(), Value::Null);
    let members = |value: &Value| value.as_object().cloned().unwrap_or_else(|| empty.clone());
    let (before, after) = (members(&before), members(&after));
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differs =
        |name: &&String| before.get(*name).unwrap_or(&none) != after.get(*name).unwrap_or(&none);
    let state = current.status.state;
    let how = match current.spec.state {
        DesiredClusterState::Running => {
            "Set state to STOPPED, wait until status.state is STOPPED, then change it."
        }
        DesiredClusterState::Stopped => "Wait until status.state is STOPPED, then change it.",
    };
    let message = format!(
        "Cannot change while the cluster is {state}: only state and numberOfTaskManagers can. {how}"
    );
    names
        .into_iter()
        .filter(differs)
        .map(|name| Problem::new(format!("spec.{name}"), message.clone()))
        .collect()
}
