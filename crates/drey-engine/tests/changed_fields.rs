//! Which changed member of a spec does what to a job that runs, under each upgrade strategy. `drey-model` says what a
//! change means (`diff`); this table says what is then done.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

#[allow(dead_code, reason = "the scenarios use the rest of it")]
mod world;

use drey_engine::Action;
use drey_model::deployment::{
    ArtifactKind, KubernetesOptions, Logging, ResourceSpec, RestoreKind, UpgradeKind,
};
use drey_model::seen::FlinkStatus;
use drey_model::{DeploymentSpec, DeploymentState, DesiredState, JobState, Seen};
use uuid::Uuid;

use world::{World, cluster, flink_job, spec};

/// What a change leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// The job runs on, and nothing is done.
    Nothing,
    /// The job is replaced as the strategy says.
    Upgrade,
}
use Effect::{Nothing, Upgrade};

type Change = fn(&mut DeploymentSpec);

const ROWS: &[(&str, Change, Effect)] = &[
    ("deploymentTargetName", |s| s.deployment_target_name = Some("b".into()), Upgrade),
    ("deploymentTargetId", |s| s.deployment_target_id = Some(Uuid::nil()), Nothing),
    ("sessionClusterName", |s| s.session_cluster_name = Some("c".into()), Upgrade),
    ("restoreStrategy.kind", |s| s.restore_strategy.kind = RestoreKind::None, Nothing),
    (
        "restoreStrategy.allowNonRestoredState",
        |s| s.restore_strategy.allow_non_restored_state = true,
        Nothing,
    ),
    ("maxSavepointCreationAttempts", |s| s.max_savepoint_creation_attempts = 9, Nothing),
    ("maxJobCreationAttempts", |s| s.max_job_creation_attempts = 9, Nothing),
    ("jobFailureExpirationTime", |s| s.job_failure_expiration_time = Some("1 d".into()), Nothing),
    (
        "template.metadata.annotations",
        |s| {
            s.template.metadata.annotations.insert("a".into(), "b".into());
        },
        Upgrade,
    ),
    ("artifact.kind", |s| s.template.spec.artifact.kind = ArtifactKind::Python, Upgrade),
    (
        "artifact.jarUri",
        |s| s.template.spec.artifact.jar_uri = Some("file:///other.jar".into()),
        Upgrade,
    ),
    (
        "artifact.entryClass",
        |s| s.template.spec.artifact.entry_class = Some("Main".into()),
        Upgrade,
    ),
    ("artifact.mainArgs", |s| s.template.spec.artifact.main_args = Some("--a b".into()), Upgrade),
    (
        "artifact.sqlScript",
        |s| s.template.spec.artifact.sql_script = Some("SELECT 1".into()),
        Upgrade,
    ),
    (
        "artifact.pythonArtifactUri",
        |s| s.template.spec.artifact.python_artifact_uri = Some("a.py".into()),
        Upgrade,
    ),
    ("artifact.entryModule", |s| s.template.spec.artifact.entry_module = Some("a".into()), Upgrade),
    (
        "artifact.additionalDependencies",
        |s| s.template.spec.artifact.additional_dependencies = Some(vec![]),
        Upgrade,
    ),
    (
        "artifact.pythonLibraries",
        |s| s.template.spec.artifact.additional_python_libraries = Some(vec![]),
        Upgrade,
    ),
    (
        "artifact.pythonArchives",
        |s| s.template.spec.artifact.additional_python_archives = Some(vec![]),
        Upgrade,
    ),
    (
        "artifact.flinkVersion",
        |s| s.template.spec.artifact.flink_version = Some("2.1".into()),
        Upgrade,
    ),
    (
        "artifact.flinkImageRegistry",
        |s| s.template.spec.artifact.flink_image_registry = Some("r".into()),
        Upgrade,
    ),
    (
        "artifact.flinkImageRepository",
        |s| s.template.spec.artifact.flink_image_repository = Some("f".into()),
        Upgrade,
    ),
    (
        "artifact.flinkImageTag",
        |s| s.template.spec.artifact.flink_image_tag = Some("t".into()),
        Upgrade,
    ),
    ("parallelism", |s| s.template.spec.parallelism = Some(7), Upgrade),
    ("numberOfTaskManagers", |s| s.template.spec.number_of_task_managers = Some(7), Upgrade),
    (
        "resources",
        |s| {
            s.template.spec.resources.insert("jobmanager".into(), ResourceSpec::default());
        },
        Upgrade,
    ),
    (
        "flinkConfiguration",
        |s| {
            s.template.spec.flink_configuration.insert("a".into(), "b".into());
        },
        Upgrade,
    ),
    ("logging", |s| s.template.spec.logging = Some(Logging::default()), Upgrade),
    ("kubernetes", |s| s.template.spec.kubernetes = Some(KubernetesOptions::default()), Upgrade),
    (
        "latestCheckpointFetchInterval",
        |s| s.template.spec.latest_checkpoint_fetch_interval = Some(5),
        Upgrade,
    ),
];

/// A Deployment whose job runs, with `strategy`.
fn running(strategy: UpgradeKind) -> (World, Uuid) {
    let mut world = World::new(spec());
    world.edit(|s| {
        s.state = DesiredState::Running;
        s.upgrade_strategy.kind = strategy;
    });
    world.settle();
    let id = world.current().unwrap();
    let sight = world.sight(id);
    sight.cluster = cluster(drey_model::seen::ClusterPhase::Alive, 2);
    sight.job = Seen::Present(flink_job(FlinkStatus::Running, 2, 2));
    world.settle();
    assert_eq!(world.state(), DeploymentState::Running);
    (world, id)
}

/// What is done about `id`: the names of the actions, each once.
fn done(world: &mut World, id: Uuid) -> Vec<&'static str> {
    let rounds = world.settle();
    let actions = rounds.iter().flat_map(|r| &r.actions).filter(|a| a.job() == id);
    let mut names: Vec<_> = actions.map(Action::name).collect();
    names.dedup();
    names
}

fn check(name: &str, change: Change, effect: Effect, strategy: UpgradeKind) {
    let (mut world, id) = running(strategy);
    world.edit(change);
    if world.deployment.spec.session_cluster_name.is_some() {
        world.set_session_cluster(drey_model::ClusterState::Running, 1);
    }
    let found = done(&mut world, id);
    let (expected, state, job): (&[&str], _, _) = match (effect, strategy) {
        (Nothing, _) | (Upgrade, UpgradeKind::None) => {
            (&[], DeploymentState::Running, JobState::Started)
        }
        (Upgrade, UpgradeKind::Stateful) => {
            (&["stop"], DeploymentState::Transitioning, JobState::Started)
        }
        (Upgrade, UpgradeKind::Stateless) => {
            (&["cancel"], DeploymentState::Transitioning, JobState::Terminating)
        }
    };
    assert_eq!(found, expected, "{name} under {strategy}");
    assert_eq!(world.state(), state, "{name} under {strategy}");
    assert_eq!(world.job(id).unwrap().job.status.state, job, "{name} under {strategy}");
}

#[test]
fn each_member_is_followed_as_the_upgrade_strategy_says() {
    for (name, change, effect) in ROWS {
        for strategy in [UpgradeKind::Stateful, UpgradeKind::Stateless, UpgradeKind::None] {
            check(name, *change, *effect, strategy);
        }
    }
}

#[test]
fn a_change_of_the_upgrade_strategy_alone_does_nothing() {
    for from in [UpgradeKind::Stateful, UpgradeKind::Stateless, UpgradeKind::None] {
        for to in [UpgradeKind::Stateful, UpgradeKind::Stateless, UpgradeKind::None] {
            let (mut world, id) = running(from);
            world.edit(|s| s.upgrade_strategy.kind = to);
            assert_eq!(done(&mut world, id), Vec::<&str>::new(), "{from} to {to}");
            assert_eq!(world.state(), DeploymentState::Running);
        }
    }
}

#[test]
fn annotations_labels_and_names_do_nothing() {
    let (mut world, id) = running(UpgradeKind::Stateful);
    let metadata = &mut world.deployment.metadata;
    metadata.annotations.insert("team".into(), "blue".into());
    metadata.labels.insert("env".into(), "test".into());
    metadata.display_name = Some("Top Speed".into());
    assert_eq!(done(&mut world, id), Vec::<&str>::new());
    assert_eq!(world.state(), DeploymentState::Running);
}

#[test]
fn every_member_of_the_spec_has_a_row() {
    // The state and the upgrade strategy have tests of their own; the rest is counted here, so that a new member of the
    // spec or of the artifact is noticed.
    let spec = serde_json::to_value(DeploymentSpec::default()).unwrap();
    for member in spec.as_object().unwrap().keys() {
        let is_elsewhere = ["state", "upgradeStrategy", "template"].contains(&member.as_str());
        let has_row = ROWS.iter().any(|(name, _, _)| name.starts_with(member.as_str()));
        assert!(is_elsewhere || has_row, "no row for spec.{member}");
    }
}
