//! One row per member of the spec: what a change of it does, and that `deviates` agrees.

use serde_json::json;

use super::*;
use crate::deployment::{
    ArtifactKind, DesiredState, KubernetesOptions, Logging, ResourceSpec, RestoreKind,
};

type Edit = fn(&mut DeploymentSpec);

fn check(name: &str, edit: Edit, path: &str, expected: Impact) {
    let old = DeploymentSpec::default();
    let mut new = old.clone();
    edit(&mut new);
    let changes = impact(&old, &new);
    let found: Vec<_> = changes.iter().map(|c| (c.path.as_str(), c.impact)).collect();
    assert_eq!(found, vec![(path, expected)], "{name}");
    assert_eq!(deviates(&Launched::of(&old), &new), expected == Impact::Restart, "{name}");
    assert!(!deviates(&Launched::of(&new), &new), "{name}: what was launched is what is asked for");
}

/// Path of the changed member, the change, what it does.
const ROWS: &[(&str, Edit, Impact)] = &[
    ("spec.state", |s| s.state = DesiredState::Running, Impact::None),
    ("spec.deploymentTargetName", |s| s.deployment_target_name = Some("b".into()), Impact::Restart),
    ("spec.deploymentTargetId", |s| s.deployment_target_id = Some(uuid::Uuid::nil()), Impact::None),
    ("spec.sessionClusterName", |s| s.session_cluster_name = Some("c".into()), Impact::Restart),
    (
        "spec.upgradeStrategy.kind",
        |s| s.upgrade_strategy.kind = UpgradeKind::Stateless,
        Impact::None,
    ),
    (
        "spec.restoreStrategy.kind",
        |s| s.restore_strategy.kind = RestoreKind::None,
        Impact::NextStart,
    ),
    (
        "spec.restoreStrategy.allowNonRestoredState",
        |s| s.restore_strategy.allow_non_restored_state = true,
        Impact::NextStart,
    ),
    ("spec.maxSavepointCreationAttempts", |s| s.max_savepoint_creation_attempts = 9, Impact::None),
    ("spec.maxJobCreationAttempts", |s| s.max_job_creation_attempts = 9, Impact::None),
    (
        "spec.jobFailureExpirationTime",
        |s| s.job_failure_expiration_time = Some("1 d".into()),
        Impact::None,
    ),
    (
        "spec.template.metadata.annotations.a",
        |s| {
            s.template.metadata.annotations.insert("a".into(), "b".into());
        },
        Impact::Restart,
    ),
    (
        "spec.template.spec.artifact.kind",
        |s| s.template.spec.artifact.kind = ArtifactKind::Python,
        Impact::Restart,
    ),
    (
        "spec.template.spec.artifact.jarUri",
        |s| s.template.spec.artifact.jar_uri = Some("file:///a?commit=1".into()),
        Impact::Restart,
    ),
    (
        "spec.template.spec.artifact.flinkVersion",
        |s| s.template.spec.artifact.flink_version = Some("1.20".into()),
        Impact::Restart,
    ),
    ("spec.template.spec.parallelism", |s| s.template.spec.parallelism = Some(3), Impact::Restart),
    (
        "spec.template.spec.numberOfTaskManagers",
        |s| s.template.spec.number_of_task_managers = Some(3),
        Impact::Restart,
    ),
    (
        "spec.template.spec.resources",
        |s| {
            s.template.spec.resources.insert("jobmanager".into(), ResourceSpec::default());
        },
        Impact::Restart,
    ),
    (
        "spec.template.spec.flinkConfiguration[\"a.b\"]",
        |s| {
            s.template.spec.flink_configuration.insert("a.b".into(), "c".into());
        },
        Impact::Restart,
    ),
    (
        "spec.template.spec.logging",
        |s| s.template.spec.logging = Some(Logging::default()),
        Impact::Restart,
    ),
    (
        "spec.template.spec.kubernetes",
        |s| s.template.spec.kubernetes = Some(KubernetesOptions::default()),
        Impact::Restart,
    ),
    (
        "spec.template.spec.latestCheckpointFetchInterval",
        |s| s.template.spec.latest_checkpoint_fetch_interval = Some(5),
        Impact::Restart,
    ),
];

#[test]
fn every_member_has_a_known_impact() {
    for (path, edit, expected) in ROWS {
        check(path, *edit, path, *expected);
    }
}

#[test]
fn on_a_shared_cluster_settings_of_whole_clusters_restart_nothing() {
    let mut old =
        DeploymentSpec { session_cluster_name: Some("shared".into()), ..DeploymentSpec::default() };
    let restarts = |old: &DeploymentSpec, key: &str| {
        let mut new = old.clone();
        new.template.spec.flink_configuration.insert(key.into(), "4".into());
        deviates(&Launched::of(old), &new)
    };
    assert!(!restarts(&old, "taskmanager.numberOfTaskSlots"));
    assert!(restarts(&old, "pipeline.max-parallelism"));
    old.session_cluster_name = None;
    assert!(restarts(&old, "taskmanager.numberOfTaskSlots"), "on a cluster of its own it does");
}

#[test]
fn with_upgrade_strategy_none_the_job_is_left_alone() {
    let old = DeploymentSpec::default();
    let mut new = old.clone();
    new.upgrade_strategy.kind = UpgradeKind::None;
    new.template.spec.parallelism = Some(2);
    let found: Vec<_> = impact(&old, &new).into_iter().map(|c| (c.path, c.impact)).collect();
    let expected = [
        ("spec.upgradeStrategy.kind".to_owned(), Impact::None),
        ("spec.template.spec.parallelism".to_owned(), Impact::NextStart),
    ];
    assert_eq!(found, expected);
    assert!(deviates(&Launched::of(&old), &new), "the job still differs from what is asked for");
}

#[test]
fn a_change_carries_both_values() {
    let mut old = DeploymentSpec::default();
    old.template.spec.parallelism = Some(1);
    let mut new = old.clone();
    new.template.spec.parallelism = None;
    let changes = impact(&old, &new);
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].before.clone(), changes[0].after.clone()), (Some(json!(1)), None));
    assert_eq!(strongest(&changes), Impact::Restart);
    assert_eq!(strongest(&[]), Impact::None);
}
