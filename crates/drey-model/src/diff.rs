//! What a change of a Deployment's spec means for the job that runs.
//!
//! One function, [`impact_of`], decides for each top-level member whether a change of it replaces the running job.
//! It takes the spec apart member by member, so a member added later does not compile until somebody decides.
//! [`impact`] (for people: previews, `drey diff`) and [`deviates`] (for the engine) both follow it.
//!
//! Does not own the reaction to a deviation: the upgrade strategy is read by the engine.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::configuration::is_of_cluster;
use crate::deployment::{DeploymentSpec, DeploymentTemplate, UpgradeKind};
use crate::problem::join_path;

/// What a changed member does to a running job.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Impact {
    /// Nothing: the controller reads it when it needs it.
    None,
    /// Takes effect when the next job starts.
    NextStart,
    /// The running job is replaced.
    Restart,
}

/// One changed member.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Dotted path, for example `spec.template.spec.parallelism`.
    pub path: String,
    /// What it does to a running job.
    pub impact: Impact,
    /// The old value; absent when the member is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The new value; absent when the member is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// The part of a spec that a Job was launched from: what [`deviates`] compares with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Launched {
    /// What was to run, and how.
    pub template: DeploymentTemplate,
    /// Application mode: where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment_target_name: Option<String>,
    /// Session mode: where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_cluster_name: Option<String>,
}

impl Launched {
    /// The part of `spec` that a Job started now is made from.
    #[must_use]
    pub fn of(spec: &DeploymentSpec) -> Self {
        Self {
            template: spec.template.clone(),
            deployment_target_name: spec.deployment_target_name.clone(),
            session_cluster_name: spec.session_cluster_name.clone(),
        }
    }

    /// A spec that has nothing but this part; everything else is as in `like`.
    fn as_spec(&self, like: &DeploymentSpec) -> DeploymentSpec {
        DeploymentSpec {
            template: self.template.clone(),
            deployment_target_name: self.deployment_target_name.clone(),
            session_cluster_name: self.session_cluster_name.clone(),
            ..like.clone()
        }
    }
}

/// Whether a Job launched from `launched` is not what `spec` asks for, whatever the upgrade strategy does about it.
#[must_use]
pub fn deviates(launched: &Launched, spec: &DeploymentSpec) -> bool {
    let old = launched.as_spec(spec);
    members(&old, spec).iter().any(|m| m.changed && m.impact == Impact::Restart)
}

/// Every changed member of the spec with its impact, in document order. A change that would restart the job takes
/// effect only at the next start when the new upgrade strategy is NONE.
#[must_use]
pub fn impact(old: &DeploymentSpec, new: &DeploymentSpec) -> Vec<Change> {
    let left_alone = new.upgrade_strategy.kind == UpgradeKind::None;
    let mut changes = Vec::new();
    for member in members(old, new).into_iter().filter(|m| m.changed) {
        let impact = match member.impact {
            Impact::Restart if left_alone => Impact::NextStart,
            other => other,
        };
        let path = join_path("spec", member.name);
        let before = changes.len();
        compare(&path, member.old.as_ref(), member.new.as_ref(), impact, &mut changes);
        if changes.len() == before {
            changes.push(Change { path, impact, before: member.old, after: member.new });
        }
    }
    changes
}

/// The strongest impact of a change; [`Impact::None`] when nothing changed.
#[must_use]
pub fn strongest(changes: &[Change]) -> Impact {
    changes.iter().map(|c| c.impact).max().unwrap_or(Impact::None)
}

/// One top-level member of a spec, old and new.
struct Member {
    name: &'static str,
    impact: Impact,
    changed: bool,
    old: Option<Value>,
    new: Option<Value>,
}

fn member<T: Serialize + PartialEq>(
    name: &'static str,
    impact: Impact,
    old: &T,
    new: &T,
) -> Member {
    let changed = old != new;
    let value = |v: &T| {
        let value = if changed { serde_json::to_value(v).ok() } else { None };
        value.filter(|v| !v.is_null())
    };
    Member { name, impact, changed, old: value(old), new: value(new) }
}

/// The one place that says which member replaces a running job.
fn members(old: &DeploymentSpec, new: &DeploymentSpec) -> Vec<Member> {
    let DeploymentSpec {
        state,
        deployment_target_name,
        deployment_target_id,
        session_cluster_name,
        upgrade_strategy,
        restore_strategy,
        max_savepoint_creation_attempts,
        max_job_creation_attempts,
        job_failure_expiration_time,
        template,
    } = new;
    // What session mode takes from the cluster is without effect in the template (Q6).
    let is_session = old.session_cluster_name.is_some() && session_cluster_name.is_some();
    let template_impact = match is_session && of_job(&old.template) == of_job(template) {
        true => Impact::None,
        false => Impact::Restart,
    };
    vec![
        member("state", Impact::None, &old.state, state),
        member(
            "deploymentTargetName",
            Impact::Restart,
            &old.deployment_target_name,
            deployment_target_name,
        ),
        // The name beside it decides where the job runs.
        member("deploymentTargetId", Impact::None, &old.deployment_target_id, deployment_target_id),
        member(
            "sessionClusterName",
            Impact::Restart,
            &old.session_cluster_name,
            session_cluster_name,
        ),
        member("upgradeStrategy", Impact::None, &old.upgrade_strategy, upgrade_strategy),
        member("restoreStrategy", Impact::NextStart, &old.restore_strategy, restore_strategy),
        member(
            "maxSavepointCreationAttempts",
            Impact::None,
            &old.max_savepoint_creation_attempts,
            max_savepoint_creation_attempts,
        ),
        member(
            "maxJobCreationAttempts",
            Impact::None,
            &old.max_job_creation_attempts,
            max_job_creation_attempts,
        ),
        member(
            "jobFailureExpirationTime",
            Impact::None,
            &old.job_failure_expiration_time,
            job_failure_expiration_time,
        ),
        member("template", template_impact, &old.template, template),
    ]
}

/// A template without what a session cluster decides.
fn of_job(template: &DeploymentTemplate) -> DeploymentTemplate {
    let mut template = template.clone();
    let spec = &mut template.spec;
    spec.number_of_task_managers = None;
    spec.resources.clear();
    spec.logging = None;
    spec.kubernetes = None;
    spec.flink_configuration.retain(|key, _| !is_of_cluster(key));
    spec.artifact.flink_version = None;
    spec.artifact.flink_image_registry = None;
    spec.artifact.flink_image_repository = None;
    spec.artifact.flink_image_tag = None;
    template
}

/// Adds the leaves in which two values differ. Arrays are leaves.
fn compare(
    path: &str,
    old: Option<&Value>,
    new: Option<&Value>,
    impact: Impact,
    into: &mut Vec<Change>,
) {
    if old == new {
        return;
    }
    if let (Some(Value::Object(a)), Some(Value::Object(b))) = (old, new) {
        for (key, value) in a.iter().filter(|(key, value)| b.get(*key) != Some(*value)) {
            compare(&join_path(path, key), Some(value), b.get(key), impact, into);
        }
        for (key, value) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
            compare(&join_path(path, key), None, Some(value), impact, into);
        }
        return;
    }
    let change =
        Change { path: path.to_owned(), impact, before: old.cloned(), after: new.cloned() };
    into.push(change);
}

#[cfg(test)]
#[path = "diff_tests.rs"]
mod tests;
