//! Columns for people. Each kind has its rows; the layout is one function.
//!
//! Pure: what is shown depends on the objects and on `now` alone.

use std::collections::HashMap;

use drey_model::artifact_file::ArtifactFile;
use drey_model::deployment::ConditionKind;
use drey_model::namespace::LifecyclePhase;
use drey_model::quota::Holder;
use drey_model::{
    ApiToken, Deployment, DeploymentDefaults, DeploymentState, DeploymentTarget, Event, Job,
    Namespace, Savepoint, SavepointState, SecretValue, SessionCluster,
};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::contexts::Context;
use crate::duration::age;
use crate::output::health::{Health, condition, health};
use crate::output::style::{Colour, Style, colour_of};

/// One cell: text and, perhaps, a colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell(String, Option<Colour>);

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self(text.into(), None)
    }
}

/// Titles and rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    titles: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// The table as text: columns two spaces apart, no space at the end of a line.
    pub(crate) fn render(&self, headers: bool, style: Style) -> String {
        let titles = self.titles.iter().map(|title| Cell::from(*title)).collect();
        let titles: Option<Vec<Cell>> = headers.then_some(titles);
        let lines: Vec<&Vec<Cell>> = titles.iter().chain(&self.rows).collect();
        let widths: Vec<usize> = (0..self.titles.len())
            .map(|at| lines.iter().filter_map(|line| line.get(at)).map(width).max().unwrap_or(0))
            .collect();
        let mut text = String::new();
        for line in lines {
            let last = line.len().saturating_sub(1);
            for (at, (cell, wide)) in line.iter().zip(&widths).enumerate() {
                let painted = cell.1.map(|colour| style.paint(colour, &cell.0));
                text.push_str(painted.as_deref().unwrap_or(&cell.0));
                if at < last {
                    text.push_str(&" ".repeat(wide - width(cell) + 2));
                }
            }
            text.push('\n');
        }
        text
    }
}

fn width(cell: &Cell) -> usize {
    cell.0.chars().count()
}

/// What the columns of a Deployment need beside the Deployment, by its id.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    /// All Jobs of the Deployments.
    pub(crate) jobs: Vec<Job>,
    /// All Savepoints of the Deployments.
    pub(crate) savepoints: Vec<Savepoint>,
}

/// Who holds how many cores.
pub(crate) fn holders(shown: &[Holder]) -> Table {
    let titles = vec!["NAMESPACE", "KIND", "NAME", "CORES"];
    let row = |holder: &Holder| {
        let (kind, cpu) = (holder.kind.to_string(), holder.cpu.to_string());
        let texts = [&holder.namespace, &kind, &holder.name, &cpu];
        texts.map(|text| Cell::from(text.as_str())).into()
    };
    Table { titles, rows: shown.iter().map(row).collect() }
}

/// Deployments.
pub(crate) fn deployments(
    shown: &[Deployment],
    beside: &Beside,
    wide: bool,
    now: Timestamp,
) -> Table {
    let mut titles =
        vec!["NAME", "HEALTH", "DESIRED", "ACTUAL", "FLINK", "PAR", "RESTARTS", "SNAPSHOT", "AGE"];
    if wide {
        titles.extend(["TARGET", "MODE", "REV", "JOB", "CPU"]);
    }
    let jobs: HashMap<Uuid, &Job> = beside.jobs.iter().map(|job| (job.metadata.id, job)).collect();
    let rows = shown.iter().map(|deployment| {
        let mut row = deployment_row(deployment, &jobs, beside, now);
        if wide {
            row.extend(wide_cells(deployment));
        }
        row
    });
    Table { rows: rows.collect(), titles }
}

fn deployment_row(
    deployment: &Deployment,
    jobs: &HashMap<Uuid, &Job>,
    beside: &Beside,
    now: Timestamp,
) -> Vec<Cell> {
    let how = health(deployment);
    let template = &deployment.spec.template.spec;
    let own = |job: &&Job| job.metadata.deployment_id == deployment.metadata.id;
    let newest = |_: &String| beside.jobs.iter().filter(own).max_by_key(|j| j.metadata.created_at);
    let newest = deployment.spec.session_cluster_name.as_ref().and_then(newest);
    let version = flink_version(deployment, newest);
    vec![
        deployment.metadata.name.clone().into(),
        Cell(how.to_string(), Some(colour_of(how))),
        deployment.spec.state.to_string().into(),
        actual(deployment, now).into(),
        version.into(),
        template.effective_parallelism().to_string().into(),
        restarts(deployment, how, jobs).into(),
        snapshot(deployment, &beside.savepoints, now).into(),
        age(deployment.metadata.created_at, now).into(),
    ]
}

/// The Flink version of a Deployment. On a SessionCluster it is the cluster's, as far as a Job tells.
pub(crate) fn flink_version<'a>(deployment: &'a Deployment, newest: Option<&'a Job>) -> &'a str {
    let spec = &deployment.spec;
    let version = match &spec.session_cluster_name {
        None => spec.template.spec.artifact.flink_version.as_deref(),
        cluster => newest
            .filter(|job| job.metadata.session_cluster_name == *cluster)
            .and_then(|job| job.spec.artifact.flink_version.as_deref()),
    };
    version.unwrap_or("-")
}

/// The state and, when it is only remembered, since when.
fn actual(deployment: &Deployment, now: Timestamp) -> String {
    let state = deployment.status.state;
    match condition(deployment, ConditionKind::ClusterUnreachable) {
        Some(lost) => format!("{state} ({})", age(lost.last_transition_time, now)),
        None => state.to_string(),
    }
}

/// Restarts of the running job; `?` when nobody can know, `-` without a job.
fn restarts(deployment: &Deployment, how: Health, jobs: &HashMap<Uuid, &Job>) -> String {
    if how == Health::Unreachable {
        return "?".to_owned();
    }
    let job = deployment.status.running.as_ref().and_then(|running| jobs.get(&running.job_id));
    let started = job.and_then(|job| job.status.started.as_ref());
    started.map_or("-".to_owned(), |started| started.observed_flink_job_restarts.to_string())
}

/// Age of the newest snapshot that can be restored.
fn snapshot(deployment: &Deployment, savepoints: &[Savepoint], now: Timestamp) -> String {
    newest(deployment, savepoints)
        .map_or("-".to_owned(), |savepoint| age(savepoint.metadata.modified_at, now))
}

/// The newest complete snapshot of a Deployment.
pub(crate) fn newest<'a>(
    deployment: &Deployment,
    savepoints: &'a [Savepoint],
) -> Option<&'a Savepoint> {
    savepoints
        .iter()
        .filter(|s| s.metadata.deployment_id == deployment.metadata.id)
        .filter(|s| s.status.state == SavepointState::Completed)
        .max_by_key(|s| s.metadata.modified_at)
}

fn wide_cells(deployment: &Deployment) -> Vec<Cell> {
    let spec = &deployment.spec;
    let template = &spec.template.spec;
    let cpu = |key: &str| template.resources.get(key).map_or(1.0, |resource| resource.cpu);
    let all =
        cpu("jobmanager") + cpu("taskmanager") * f64::from(template.effective_task_managers());
    let (place, mode) = match (&spec.session_cluster_name, &spec.deployment_target_name) {
        (Some(session), _) => (session.clone(), "session"),
        (None, Some(target)) => (target.clone(), "application"),
        (None, None) => ("-".to_owned(), "application"),
    };
    let job = deployment.status.running.as_ref().map(|running| short_id(running.job_id));
    vec![
        place.into(),
        mode.into(),
        deployment.spec_version().to_string().into(),
        job.unwrap_or_else(|| "-".to_owned()).into(),
        format!("{all:.1}").into(),
    ]
}

/// The end of an id: its beginning is the time, and the same for neighbours.
fn short_id(id: Uuid) -> String {
    let text = id.to_string();
    text.rsplit('-').next().unwrap_or_default().to_owned()
}

/// Targets.
pub(crate) fn targets(shown: &[DeploymentTarget], now: Timestamp) -> Table {
    let rows = shown.iter().map(|target| {
        let (kind, place) = match (&target.spec.kubernetes, &target.spec.local) {
            (Some(kubernetes), _) => ("kubernetes", kubernetes.namespace.as_deref().unwrap_or("-")),
            (None, Some(_)) => ("local", "-"),
            (None, None) => ("-", "-"),
        };
        let patches = target.spec.deployment_patch_set.as_ref().map_or(0, Vec::len);
        vec![
            target.metadata.name.clone().into(),
            kind.into(),
            place.into(),
            patches.to_string().into(),
            age(target.metadata.created_at, now).into(),
        ]
    });
    Table { titles: vec!["NAME", "KIND", "NAMESPACE", "PATCHES", "AGE"], rows: rows.collect() }
}

/// The DeploymentDefaults of a namespace: how many members they set.
pub(crate) fn defaults(shown: &[DeploymentDefaults], now: Timestamp) -> Table {
    let rows = shown.iter().map(|defaults| {
        vec![
            defaults.metadata.name.clone().into(),
            members(&defaults.spec).to_string().into(),
            defaults.metadata.resource_version.to_string().into(),
            age(defaults.metadata.modified_at, now).into(),
        ]
    });
    Table { titles: vec!["NAME", "SETS", "VERSION", "CHANGED"], rows: rows.collect() }
}

/// How many values there are in an object, at any depth.
fn members(value: &Value) -> usize {
    value.as_object().map_or(1, |object| object.values().map(members).sum())
}

/// SecretValues; there is no column for what nobody gets to see.
pub(crate) fn secrets(shown: &[SecretValue], now: Timestamp) -> Table {
    let rows = shown.iter().map(|secret| {
        vec![
            secret.metadata.name.clone().into(),
            "Plain".into(),
            age(secret.metadata.created_at, now).into(),
            age(secret.metadata.modified_at, now).into(),
        ]
    });
    Table { titles: vec!["NAME", "KIND", "AGE", "CHANGED"], rows: rows.collect() }
}

/// Namespaces.
pub(crate) fn namespaces(shown: &[Namespace], now: Timestamp) -> Table {
    let rows = shown.iter().map(|namespace| {
        let (phase, colour) = match namespace.lifecycle_phase {
            LifecyclePhase::Active => ("Active", Colour::Green),
            LifecyclePhase::Terminating => ("Terminating", Colour::Yellow),
        };
        vec![
            namespace.short_name().into(),
            Cell(phase.to_owned(), Some(colour)),
            namespace.role_bindings.len().to_string().into(),
            age(namespace.create_time, now).into(),
        ]
    });
    Table { titles: vec!["NAME", "PHASE", "BINDINGS", "AGE"], rows: rows.collect() }
}

/// API tokens, without what they hold.
pub(crate) fn tokens(shown: &[ApiToken], now: Timestamp) -> Table {
    let rows = shown.iter().map(|token| {
        vec![
            token.short_name().into(),
            token.role.to_string().into(),
            age(token.create_time, now).into(),
        ]
    });
    Table { titles: vec!["NAME", "ROLE", "AGE"], rows: rows.collect() }
}

/// Artifacts.
pub(crate) fn artifacts(shown: &[ArtifactFile], now: Timestamp) -> Table {
    let rows = shown.iter().map(|artifact| {
        let uploaded = artifact.create_time.parse().map_or("-".to_owned(), |at| age(at, now));
        vec![artifact.filename.clone().into(), uploaded.into(), artifact.uri.clone().into()]
    });
    Table { titles: vec!["NAME", "AGE", "URI"], rows: rows.collect() }
}

/// Contexts; of tokens only whether there is one.
pub(crate) fn contexts(shown: &[Context], current: Option<&str>) -> Table {
    let rows = shown.iter().map(|context| {
        let is_current = current == Some(context.name.as_str());
        vec![
            if is_current { "*" } else { "" }.into(),
            context.name.clone().into(),
            context.server.clone().into(),
            context.namespace.as_deref().unwrap_or("-").into(),
            context.credential_kind().into(),
        ]
    });
    Table { titles: vec!["IN USE", "NAME", "SERVER", "NAMESPACE", "TOKEN"], rows: rows.collect() }
}

/// SessionClusters, each with how many Deployments refer to it.
pub(crate) fn session_clusters(
    shown: &[SessionCluster],
    deployments: &[Deployment],
    wide: bool,
    now: Timestamp,
) -> Table {
    let rows = shown.iter().map(|cluster| {
        let (name, spec) = (&cluster.metadata.name, &cluster.spec);
        let users =
            deployments.iter().filter(|d| d.spec.session_cluster_name.as_ref() == Some(name));
        let mut row: Vec<Cell> = vec![
            name.clone().into(),
            spec.state.to_string().into(),
            cluster.status.state.to_string().into(),
            spec.flink_version.as_deref().unwrap_or("-").into(),
            spec.number_of_task_managers.to_string().into(),
            users.count().to_string().into(),
            spec.deployment_target_name.clone().into(),
            age(cluster.metadata.created_at, now).into(),
        ];
        if wide {
            let running = cluster.status.running.as_ref();
            let failure = cluster.status.failure.as_ref();
            row.push(running.map_or("-".to_owned(), |r| age(r.started_at, now)).into());
            row.push(failure.map_or("-", |failure| failure.reason.as_str()).into());
        }
        row
    });
    let mut titles =
        vec!["NAME", "DESIRED", "ACTUAL", "FLINK", "TMS", "DEPLOYMENTS", "TARGET", "AGE"];
    if wide {
        titles.extend(["RUNNING SINCE", "FAILURE"]);
    }
    Table { titles, rows: rows.collect() }
}

/// Jobs.
pub(crate) fn jobs(shown: &[Job], wide: bool, now: Timestamp) -> Table {
    let mut titles = vec!["ID", "DEPLOYMENT", "STATE", "FLINK", "PAR", "RESTARTS", "AGE"];
    if wide {
        titles.extend(["VERSION", "RESTORED FROM", "FAILURE"]);
    }
    let row = |job: &Job| {
        let started = job.status.started.as_ref();
        let mut row: Vec<Cell> = vec![
            job.metadata.id.to_string().into(),
            job.metadata.deployment_name.clone().into(),
            job.status.state.to_string().into(),
            started.map_or("-", |s| s.observed_flink_job_status.as_str()).into(),
            job.spec.parallelism.to_string().into(),
            started.map_or("-".to_owned(), |s| s.observed_flink_job_restarts.to_string()).into(),
            age(job.metadata.created_at, now).into(),
        ];
        if wide {
            let failure = job.status.failure.as_ref();
            let first = failure.and_then(|f| f.message.lines().next()).unwrap_or("-");
            row.push(job.spec.artifact.flink_version.as_deref().unwrap_or("-").into());
            row.push(job.spec.savepoint_location.as_deref().unwrap_or("-").into());
            row.push(first.into());
        }
        row
    };
    Table { titles, rows: shown.iter().map(row).collect() }
}

/// Savepoints.
pub(crate) fn savepoints(
    shown: &[Savepoint],
    names: &HashMap<Uuid, String>,
    wide: bool,
    now: Timestamp,
) -> Table {
    let mut titles = vec!["ID", "DEPLOYMENT", "STATE", "ORIGIN", "AGE", "LOCATION"];
    if wide {
        titles.extend(["JOB", "FAILURE"]);
    }
    let row = |savepoint: &Savepoint| {
        let owner = savepoint.metadata.deployment_id;
        let name = names.get(&owner).cloned().unwrap_or_else(|| owner.to_string());
        let mut row: Vec<Cell> = vec![
            savepoint.metadata.id.to_string().into(),
            name.into(),
            savepoint.status.state.to_string().into(),
            savepoint.metadata.origin.to_string().into(),
            age(savepoint.metadata.created_at, now).into(),
            savepoint.spec.savepoint_location.as_deref().unwrap_or("-").into(),
        ];
        if wide {
            let failure = savepoint.status.failure.as_ref();
            let job = savepoint.metadata.job_id.map(|id| id.to_string());
            row.push(job.unwrap_or_else(|| "-".to_owned()).into());
            row.push(failure.and_then(|f| f.message.lines().next()).unwrap_or("-").into());
        }
        row
    };
    Table { titles, rows: shown.iter().map(row).collect() }
}

/// Events, in the order given.
pub(crate) fn events(shown: &[Event], now: Timestamp) -> Table {
    let rows = shown.iter().map(|event| {
        let about = event.metadata.resource_name.as_deref().unwrap_or("-");
        vec![
            age(event.metadata.created_at, now).into(),
            about.into(),
            event.metadata.name.to_string().into(),
            event.spec.message.replace('\n', " ").into(),
        ]
    });
    Table { titles: vec!["AGE", "OBJECT", "EVENT", "MESSAGE"], rows: rows.collect() }
}

/// Whether a Deployment has come to rest.
pub(crate) fn at_rest(state: DeploymentState) -> bool {
    matches!(
        state,
        DeploymentState::Cancelled | DeploymentState::Suspended | DeploymentState::Finished
    )
}
