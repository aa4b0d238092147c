//! What people see, letter by letter, for a fixed world at a fixed time.

use drey_model::deployment::{
    Artifact, ConditionKind, ConditionStatus, DeploymentCondition, DeploymentSpec, Running,
};
use drey_model::event::EventMetadata;
use drey_model::job::{JobMetadata, JobSpec, Started};
use drey_model::savepoint::{SavepointMetadata, SavepointSpec, SavepointType};
use drey_model::{
    Deployment, DeploymentState, DesiredState, Event, EventName, Explanation, Job, JobState,
    Metadata, Savepoint, SavepointOrigin, SavepointState, Wait,
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::describe::{Page, deployment as page};
use super::style::Style;
use super::table::{self, Beside};
use crate::client::View;

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

fn deployment(n: u128, name: &str, desired: DesiredState, actual: DeploymentState) -> Deployment {
    let metadata = Metadata {
        id: Uuid::from_u128(n),
        name: name.to_owned(),
        namespace: "default".to_owned(),
        created_at: ago(6 * 3_600),
        annotations: [(drey_model::meta::SPEC_VERSION.to_owned(), "6".to_owned())].into(),
        ..Metadata::default()
    };
    let mut spec = DeploymentSpec { state: desired, ..DeploymentSpec::default() };
    spec.deployment_target_name = Some("local".to_owned());
    spec.template.spec.parallelism = Some(2);
    spec.template.spec.artifact = Artifact {
        flink_version: Some("2.2.1".to_owned()),
        jar_uri: Some("file:///app.jar".to_owned()),
        ..Artifact::default()
    };
    let mut deployment = Deployment::new(metadata, spec);
    deployment.status.state = actual;
    deployment
}

fn running(mut deployment: Deployment, job: u128, held: Option<ConditionKind>) -> Deployment {
    let condition = held.map(|kind| DeploymentCondition {
        kind,
        status: ConditionStatus::True,
        message: "no answer for 3 min: connection refused".to_owned(),
        reason: "NoAnswer".to_owned(),
        last_transition_time: ago(180),
        last_update_time: ago(1),
    });
    deployment.status.running = Some(Running {
        job_id: Uuid::from_u128(job),
        transition_time: ago(3_600),
        conditions: condition.into_iter().collect(),
    });
    deployment
}

fn job(n: u128, owner: u128, restarts: i32) -> Job {
    let metadata = JobMetadata {
        id: Uuid::from_u128(n),
        deployment_id: Uuid::from_u128(owner),
        deployment_name: "fraud-detection".to_owned(),
        created_at: ago(3_700),
        ..JobMetadata::default()
    };
    let mut job = Job::new(metadata, JobSpec::default());
    job.status.state = JobState::Started;
    job.status.started = Some(Started {
        started_at: ago(3_600),
        flink_job_id: Uuid::from_u128(n).simple().to_string(),
        last_update_time: ago(4),
        observed_flink_job_restarts: restarts,
        observed_flink_job_status: "RUNNING".to_owned(),
    });
    job
}

fn savepoint(owner: u128, seconds: i64) -> Savepoint {
    let metadata = SavepointMetadata {
        id: Uuid::from_u128(77),
        namespace: "default".to_owned(),
        created_at: ago(seconds + 2),
        modified_at: ago(seconds),
        deployment_id: Uuid::from_u128(owner),
        job_id: None,
        origin: SavepointOrigin::Suspend,
        kind: SavepointType::Full,
        annotations: Default::default(),
        resource_version: 2,
    };
    let spec = SavepointSpec {
        savepoint_location: Some("file:///sp/1".to_owned()),
        flink_savepoint_id: None,
    };
    Savepoint::new(metadata, spec, SavepointState::Completed)
}

#[test]
fn deployments_as_a_table() {
    use {DeploymentState as S, DesiredState as D};
    let failing = Some(ConditionKind::JobFailing);
    let lost = Some(ConditionKind::ClusterUnreachable);
    let shown = [
        running(deployment(1, "fraud-detection", D::Running, S::Running), 11, failing),
        running(deployment(2, "geo-join", D::Running, S::Running), 12, lost),
        running(deployment(3, "top-speed", D::Running, S::Running), 13, None),
        deployment(4, "clicks", D::Running, S::Transitioning),
        deployment(5, "old", D::Suspended, S::Suspended),
        deployment(6, "broken", D::Running, S::Failed),
    ];
    let beside = Beside {
        jobs: vec![job(11, 1, 9), job(12, 2, 1), job(13, 3, 0)],
        savepoints: vec![savepoint(1, 38), savepoint(5, 172_800)],
    };
    let table = table::deployments(&shown, &beside, false, now()).render(true, Style::PLAIN);
    assert_eq!(
        table,
        "\
NAME             HEALTH       DESIRED    ACTUAL         FLINK  PAR  RESTARTS  SNAPSHOT  AGE
fraud-detection  Failing      RUNNING    RUNNING        2.2.1  2    9         38s       6h
geo-join         Unreachable  RUNNING    RUNNING (3m)   2.2.1  2    ?         -         6h
top-speed        Healthy      RUNNING    RUNNING        2.2.1  2    0         -         6h
clicks           Progressing  RUNNING    TRANSITIONING  2.2.1  2    -         -         6h
old              Suspended    SUSPENDED  SUSPENDED      2.2.1  2    -         2d        6h
broken           Failed       RUNNING    FAILED         2.2.1  2    -         -         6h
"
    );
    let wide = table::deployments(&shown[..1], &beside, true, now()).render(false, Style::PLAIN);
    assert_eq!(
        wide,
        "fraud-detection  Failing  RUNNING  RUNNING  2.2.1  2  9  38s  6h  local  application  6  00000000000b  3.0\n"
    );
}

#[test]
fn a_transition_on_one_page() {
    let explanation = Explanation {
        summary: "Starting: the cluster is not up yet.".to_owned(),
        wait: Some(Wait {
            what: "the JobManager".to_owned(),
            since: ago(12),
            until: now() + SignedDuration::from_secs(48),
        }),
        failed_job_attempts: 1,
        max_job_attempts: 4,
        restores_from: Some("file:///sp/1".to_owned()),
        next: vec!["drey logs clicks".to_owned()],
        ..Explanation::default()
    };
    let mut job = job(14, 4, 0);
    job.status.state = JobState::Starting;
    job.status.started = None;
    let event = EventMetadata {
        id: Uuid::from_u128(9),
        name: EventName::CreatingANewJob,
        namespace: "default".to_owned(),
        created_at: ago(12),
        deployment_id: Some(Uuid::from_u128(4)),
        job_id: None,
        session_cluster_id: None,
        resource_name: Some("clicks".to_owned()),
        resource_version: 1,
    };
    let view = View {
        deployment: deployment(4, "clicks", DesiredState::Running, DeploymentState::Transitioning),
        explanation: Some(explanation),
        jobs: vec![job],
        observed_at: None,
    };
    let shown = Page {
        view,
        events: vec![Event::new(event, "Creating a new job.".to_owned())],
        savepoints: vec![savepoint(4, 172_800)],
    };
    assert_eq!(
        page(&shown, now(), Style::PLAIN),
        "\
Name: clicks   Namespace: default   ID: 00000000-0000-0000-0000-000000000004   Revision: 6   Age: 6h
Health:    Progressing    Desired RUNNING, actual TRANSITIONING. Starting: the cluster is not up yet.
Waiting:   for the JobManager since 12s, at most 48s more
Attempts:  1 of 4 job starts failed
Job:       00000000-0000-0000-0000-00000000000e STARTING since 61m
Restore:   LATEST_STATE -> file:///sp/1 (2d old, SUSPEND)
Program:   JAR file:///app.jar; Flink 2.2.1, parallelism 2, in local; upgrades STATEFUL
Next:      drey logs clicks
Events (last 1 of 1):
    12s  Creating a new job.
"
    );
}

/// A Deployment that runs, and its page.
fn running_page(change: impl FnOnce(&mut Page)) -> String {
    let (desired, actual) = (DesiredState::Running, DeploymentState::Running);
    let view = View {
        deployment: running(deployment(3, "top-speed", desired, actual), 13, None),
        explanation: Some(Explanation::default()),
        jobs: vec![job(13, 3, 1)],
        observed_at: None,
    };
    let mut shown = Page { view, events: Vec::new(), savepoints: Vec::new() };
    change(&mut shown);
    page(&shown, now(), Style::PLAIN)
}

fn line<'a>(page: &'a str, label: &str) -> &'a str {
    page.lines().find(|line| line.starts_with(label)).unwrap()
}

#[test]
fn a_checkpoint_is_promised_only_when_one_was_seen() {
    let off = running_page(|_| {});
    assert_eq!(
        line(&off, "Restore:"),
        "Restore:   LATEST_STATE; nothing yet: no checkpoint has completed, a failure starts it empty; \
         execution.checkpointing.interval is not set"
    );
    assert!(line(&off, "Job:").contains("RUNNING, 1 restart (seen"), "{off}");
    let on = running_page(|page| {
        let interval = ("execution.checkpointing.interval".to_owned(), "10s".to_owned());
        page.view.jobs[0].spec.flink_configuration.extend([interval]);
    });
    assert!(line(&on, "Restore:").ends_with("a failure starts it empty"), "{on}");
    let older = running_page(|page| page.savepoints = vec![savepoint(3, 38)]);
    assert_eq!(
        line(&older, "Restore:"),
        "Restore:   LATEST_STATE -> file:///sp/1 (38s old, SUSPEND)"
    );
    let seen = running_page(|page| {
        let has_checkpoint = true;
        page.view.explanation = Some(Explanation { has_checkpoint, ..Explanation::default() });
    });
    assert!(
        line(&seen, "Restore:").ends_with("the newest checkpoint of the running job"),
        "{seen}"
    );
}

#[test]
fn on_a_session_cluster_the_version_is_the_clusters() {
    let shared = |page: &mut Page| {
        page.view.deployment.spec.session_cluster_name = Some("shared".to_owned());
        page.view.jobs[0].metadata.session_cluster_name = Some("shared".to_owned());
        page.view.jobs[0].spec.artifact.flink_version = Some("1.20.5".to_owned());
    };
    let text = running_page(shared);
    assert!(line(&text, "Program:").contains("Flink 1.20.5, parallelism"), "{text}");
    let elsewhere = running_page(|page| {
        shared(page);
        page.view.deployment.spec.session_cluster_name = Some("other".to_owned());
    });
    assert!(line(&elsewhere, "Program:").contains("Flink -, parallelism"), "{elsewhere}");

    let (desired, actual) = (DesiredState::Running, DeploymentState::Running);
    let mut shown = running(deployment(3, "top-speed", desired, actual), 13, None);
    shown.spec.session_cluster_name = Some("shared".to_owned());
    let mut own = job(13, 3, 0);
    own.metadata.session_cluster_name = Some("shared".to_owned());
    own.spec.artifact.flink_version = Some("1.20.5".to_owned());
    let beside = Beside { jobs: vec![own], savepoints: Vec::new() };
    let row = table::deployments(&[shown], &beside, false, now()).render(false, Style::PLAIN);
    assert!(row.contains("RUNNING  1.20.5  2"), "{row}");
}
