//! The fake world: processes, Flink jobs with a growing record counter, operations, storage.
//!
//! This is the truth that the oracle judges by. How it changes is in [`crate::changes`]; what it answers is in
//! [`crate::backend`] and [`crate::flink`].

use std::collections::{BTreeMap, BTreeSet};

use drey_model::job::{JobMetadata, JobSpec};
use drey_model::seen::{
    Cluster as SeenCluster, ClusterPhase, FlinkJob, FlinkStatus, Program, Snapshot as SeenSnapshot,
};
use drey_model::{Job, SessionRun};
use uuid::Uuid;

use crate::core::{Micros, SECOND, timestamp};
use crate::host::Host;

/// Records that a running job takes in per second.
const RECORDS_PER_SECOND: i64 = 100;
/// How old a stale answer of Flink may be (`web.refresh-interval`).
const STALE_MAX: Micros = 3 * SECOND;

/// The key in whose value a session cluster says how it behaves, as a program does in the name of its jar.
pub const OPTIONS: &str = "env.java.opts.all";

/// A change that happens by itself; of a Job's cluster, or of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Change {
    Prepared(Uuid),
    RestUp(Uuid),
    Submitted(Uuid),
    ManagerUp(Uuid),
    AllRunning(Uuid),
    TaskFails(Uuid),
    Checkpoint(Uuid, u32),
    Finishes(Uuid, u32),
    Cancelled(Uuid),
    Removed(Uuid),
    SnapshotWritten(Uuid),
    OperationEnds(Uuid),
    Registered(Uuid, u32),
    Deregistered(Uuid, u32),
    ManagerEnds(Uuid, u32),
}

/// What a program does, read from the name of its jar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Behaviour {
    /// The jar does not exist.
    pub is_missing: bool,
    /// `main()` throws.
    pub throws: bool,
    /// Tasks fail now and then until the weather is calm.
    pub is_flaky: bool,
    /// It ends by itself.
    pub is_finite: bool,
    /// It cannot map the state of others, unless it may drop it.
    pub is_incompatible: bool,
    /// It never gets enough slots.
    pub is_starved: bool,
    /// The backend refuses it outright.
    pub is_refused: bool,
}

impl Behaviour {
    /// What this jar does.
    #[must_use]
    pub fn of(jar: Option<&str>) -> Self {
        let has = |word: &str| jar.is_some_and(|jar| jar.contains(word));
        Self {
            is_missing: has("missing"),
            throws: has("throws"),
            is_flaky: has("flaky"),
            is_finite: has("finite"),
            is_incompatible: has("incompatible"),
            is_starved: has("starved"),
            is_refused: has("refused"),
        }
    }

    /// Whether a start can never succeed.
    #[must_use]
    pub fn never_starts(self) -> bool {
        self.is_missing || self.throws || self.is_starved || self.is_refused
    }
}

/// The JobManager process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobManager {
    /// Not launched yet.
    NotYet,
    /// Alive.
    Alive,
    /// Launched and ended, or never to be launched.
    Dead(String),
}

/// The processes of one Job.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Whose.
    pub deployment: Uuid,
    /// What the program does.
    pub behaviour: Behaviour,
    /// Snapshot to start from.
    pub restore: Option<String>,
    /// Whether state may be dropped.
    pub allows_loss: bool,
    /// TaskManagers to run.
    pub wanted: u32,
    /// TaskManagers alive.
    pub managers: u32,
    /// TaskManagers on their way.
    pub coming: u32,
    /// Slots that its job needs on a cluster that it shares.
    pub slots: u32,
    /// Its JobManager.
    pub job_manager: JobManager,
    /// Session mode: the cluster that the job shares. What happens to that one happens here too.
    pub host: Option<Uuid>,
    /// Whether the REST endpoint answers.
    pub is_rest_up: bool,
    /// Whether it is being removed.
    pub is_removing: bool,
    /// Whether nothing of it is left and nothing will come.
    pub is_removed: bool,
    /// Whether the job was submitted once.
    pub is_submitted: bool,
    /// Whether the Flink job was ever not alive any more after it had been submitted.
    pub has_ended: bool,
    /// The Flink job.
    pub run: Option<Run>,
}

impl Cluster {
    /// The cluster that a Job asks for, not launched.
    #[must_use]
    pub fn of(job: &Job) -> Self {
        Self {
            deployment: job.metadata.deployment_id,
            behaviour: Behaviour::of(job.spec.artifact.jar_uri.as_deref()),
            restore: job.spec.savepoint_location.clone(),
            allows_loss: job.spec.allow_non_restored_state,
            wanted: u32::try_from(job.spec.number_of_task_managers).unwrap_or(1),
            managers: 0,
            coming: 0,
            slots: u32::try_from(job.spec.parallelism).unwrap_or(1).max(1),
            job_manager: JobManager::NotYet,
            host: None,
            is_rest_up: false,
            is_removing: false,
            is_removed: false,
            is_submitted: false,
            has_ended: false,
            run: None,
        }
    }

    /// A run of a session cluster, not launched. It has no job of its own.
    #[must_use]
    pub fn shared(run: &SessionRun) -> Self {
        let mut cluster = Self::of(&Job::new(JobMetadata::default(), JobSpec::default()));
        cluster.deployment = run.session_cluster_id;
        cluster.behaviour =
            Behaviour::of(run.spec.flink_configuration.get(OPTIONS).map(String::as_str));
        cluster.wanted = u32::try_from(run.spec.number_of_task_managers).unwrap_or(1);
        cluster.is_submitted = true;
        cluster
    }

    /// A job that was submitted to a run of a session cluster.
    #[must_use]
    pub fn hosted(job: &Job, host: Uuid) -> Self {
        let mut cluster = Self::of(job);
        cluster.host = Some(host);
        (cluster.wanted, cluster.managers) = (1, 1);
        cluster.job_manager = JobManager::Alive;
        cluster.is_rest_up = true;
        cluster
    }

    /// Whether nothing of the job can live: its processes are gone, or it has ended on a cluster that it shares.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.is_removed || (self.host.is_some() && !self.is_live())
    }

    /// Whether tasks of its Flink job may write: with a live JobManager, or in TaskManagers that outlive it.
    #[must_use]
    pub fn is_live(&self) -> bool {
        let has_job = self.run.as_ref().is_some_and(|run| !run.status.is_terminal());
        let has_process = self.job_manager == JobManager::Alive || self.managers > 0;
        has_job && has_process && !self.is_removed
    }

    /// Whether requests to its REST endpoint are answered.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.job_manager == JobManager::Alive && self.is_rest_up && !self.is_removed
    }

    /// What the backend shows of it.
    #[must_use]
    pub fn seen(&self, id: Uuid) -> Option<SeenCluster> {
        let phase = match (&self.job_manager, self.is_removed) {
            (_, true) => return None,
            (JobManager::NotYet, false) => {
                ClusterPhase::Preparing { what: "fetching the artifact".to_owned() }
            }
            (JobManager::Alive, false) => ClusterPhase::Alive,
            (JobManager::Dead(why), false) => ClusterPhase::Dead { why: why.clone() },
        };
        let rest = (self.job_manager != JobManager::NotYet).then(|| format!("http://{id}"));
        Some(SeenCluster { phase, rest, task_managers: self.managers })
    }
}

/// A Flink job.
#[derive(Debug, Clone)]
pub struct Run {
    /// Flink's word.
    pub status: FlinkStatus,
    /// Tasks that run.
    pub running: u32,
    /// All tasks.
    pub total: u32,
    /// Counts the times that all tasks began to run.
    pub attempt: u32,
    /// Records taken in until `counted_at`.
    pub records: i64,
    /// Since when more come in; `None` while tasks do not run.
    pub counting_since: Option<Micros>,
    /// Restarts.
    pub failures: Vec<Micros>,
    /// Root cause of the last failure.
    pub cause: Option<String>,
    /// Records of the snapshot that a restart would go back to.
    pub safe_records: i64,
    /// Checkpoint number.
    pub checkpoints: u32,
    /// The newest completed checkpoint.
    pub newest: Option<SeenSnapshot>,
    /// Whether sources have stopped for a stop-with-savepoint.
    pub is_stopping: bool,
    /// How it looked before the last change, and when that was.
    before: Option<(Micros, FlinkJob)>,
}

impl Run {
    /// A job that begins with so many records.
    #[must_use]
    pub fn new(records: i64, total: u32) -> Self {
        Self {
            status: FlinkStatus::Created,
            running: 0,
            total,
            attempt: 0,
            records,
            counting_since: None,
            failures: Vec::new(),
            cause: None,
            safe_records: records,
            checkpoints: 0,
            newest: None,
            is_stopping: false,
            before: None,
        }
    }

    /// Whether all tasks run.
    #[must_use]
    pub fn is_fully_running(&self) -> bool {
        self.status == FlinkStatus::Running && self.running == self.total
    }

    /// Records taken in.
    #[must_use]
    pub fn records_at(&self, now: Micros) -> i64 {
        let since = self.counting_since.unwrap_or(now);
        self.records + (now - since).max(0) * RECORDS_PER_SECOND / SECOND
    }

    /// Remembers how it looked; call it before a change.
    pub fn about_to_change(&mut self, now: Micros) {
        self.records = self.records_at(now);
        self.counting_since = self.counting_since.map(|_| now);
        self.before = Some((now, self.view()));
    }

    /// How Flink describes it.
    #[must_use]
    pub fn view(&self) -> FlinkJob {
        FlinkJob {
            status: self.status,
            tasks_running: self.running,
            tasks_total: self.total,
            since: None,
            restarts: Some(self.failures.len() as u32),
            failures: self.failures.iter().rev().take(16).map(|at| timestamp(*at)).collect(),
            cause: self.cause.clone(),
            checkpoint: self.newest.clone(),
        }
    }

    /// How Flink describes it from a cache.
    #[must_use]
    pub fn stale_view(&self, now: Micros) -> Option<FlinkJob> {
        let (at, view) = self.before.as_ref()?;
        (now - at < STALE_MAX).then(|| view.clone())
    }
}

/// Where a snapshot comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// An operation with this trigger id.
    Savepoint {
        /// The trigger id, which is the Savepoint's id.
        trigger: Uuid,
        /// Whether the job was to stop with it.
        is_stop: bool,
    },
    /// A periodic checkpoint.
    Checkpoint,
    /// Registered by a user under this Savepoint id.
    Registered(Uuid),
}

/// A complete snapshot in storage.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// URI.
    pub location: String,
    /// The directory of a savepoint.
    pub directory: String,
    /// Whose state it is.
    pub deployment: Uuid,
    /// The Job that it was taken from.
    pub job: Option<Uuid>,
    /// Where it comes from.
    pub origin: Origin,
    /// Records in it.
    pub records: i64,
    /// When it was complete.
    pub completed_at: Micros,
    /// Whether its data is gone.
    pub is_deleted: bool,
}

impl Snapshot {
    /// As storage shows it.
    #[must_use]
    pub fn seen(&self) -> SeenSnapshot {
        SeenSnapshot { location: self.location.clone(), completed_at: timestamp(self.completed_at) }
    }
}

/// How far an operation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Under way.
    InProgress,
    /// Complete, with its location.
    Completed(String),
    /// Failed, with its cause.
    Failed(String),
}

/// A savepoint or stop operation.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Of this Job.
    pub job: Uuid,
    /// Whether the job stops with it.
    pub is_stop: bool,
    /// Where to.
    pub directory: String,
    /// How far it is.
    pub progress: Progress,
    /// Whether the JobManager has forgotten it.
    pub is_forgotten: bool,
    /// When it began.
    pub begun: Micros,
}

/// All of it.
#[derive(Debug, Clone, Default)]
pub struct Universe {
    /// By Job id.
    pub clusters: BTreeMap<Uuid, Cluster>,
    /// In order of completion.
    pub snapshots: Vec<Snapshot>,
    /// By trigger id.
    pub operations: BTreeMap<Uuid, Operation>,
    /// Session mode: TaskManagers, by run.
    pub hosts: BTreeMap<Uuid, Host>,
    /// Session mode: programs that were fetched, by Job id.
    pub programs: BTreeMap<Uuid, Program>,
    /// Session mode: names of the programs that were uploaded, by run.
    pub jars: BTreeMap<Uuid, BTreeSet<String>>,
    /// Until when the JobManager of a Job cannot be reached.
    pub flink_out_until: BTreeMap<Uuid, Micros>,
    /// Until when the backend does not answer.
    pub backend_out_until: Micros,
    /// Until when the storage does not answer.
    pub storage_out_until: Micros,
}

impl Universe {
    /// How often the Flink job of this Job restarted since then.
    #[must_use]
    pub fn restarts(&self, job: Uuid, since: Micros) -> usize {
        let run = self.clusters.get(&job).and_then(|cluster| cluster.run.as_ref());
        run.map_or(0, |run| run.failures.iter().filter(|at| **at >= since).count())
    }

    /// The newest snapshot among those that `is_wanted`.
    pub fn newest(&self, is_wanted: impl Fn(&Snapshot) -> bool) -> Option<&Snapshot> {
        self.snapshots.iter().rev().find(|s| !s.is_deleted && is_wanted(s))
    }

    /// The snapshot at this location.
    #[must_use]
    pub fn at(&self, location: &str) -> Option<&Snapshot> {
        self.snapshots.iter().rev().find(|s| !s.is_deleted && s.location == location)
    }

    /// The live clusters of a Deployment.
    #[must_use]
    pub fn live(&self, deployment: Uuid) -> Vec<Uuid> {
        let of_it = self.clusters.iter().filter(|(_, c)| c.deployment == deployment);
        of_it.filter(|(_, c)| c.is_live()).map(|(id, _)| *id).collect()
    }

    /// A running job of any Deployment.
    #[must_use]
    pub fn running_jobs(&self) -> Vec<Uuid> {
        let answering = self.clusters.iter().filter(|(_, c)| c.answers() && c.is_live());
        answering.map(|(id, _)| *id).collect()
    }
}
