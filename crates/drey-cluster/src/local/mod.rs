//! Clusters as plain processes on this machine.
//!
//! ```text
//!   ensure ──► wanted ──► preparation (a task): JDK, Flink, artifact, ports, files ──► launched ──► spawn JobManager
//!                              │ fails                                                    │              │
//!                              ▼                                                          ▼              ▼
//!                            failed ───────────────► Dead                    marker without a process    TaskManagers
//!                                                      ▲                                  │              │ replaced
//!                                                      └──────────────────────────────────┘              ▼ by ensure
//!   remove ──► removed (tombstone) ──► stop the preparation, SIGTERM, SIGKILL ──► delete the folder ──► Absent
//! ```
//!
//! What a cluster is doing follows from its folder alone: from marks that are written before their effect, and from
//! locks that live and die with the processes. Drey may be killed at any instant; the next one reads the same folder.
//! It goes on with removals, and with nothing else: a preparation that ended without a launch left nothing that anyone
//! needs, so the cluster is `Absent`, and the next `ensure` prepares it again.
//! The JobManager is launched at most once, because `launched` is on disk before the spawn, both happen under the
//! JobManager's own lock, and nobody spawns when `launched` is there.
//!
//! `folder.rs` knows the files, `process.rs` locks, spawns and signals, `prepare.rs` and `start.rs` bring a cluster up,
//! `remove.rs` takes it down, `release.rs` single TaskManagers, `programs.rs` finds what a Job runs, `uploadable.rs` has
//! it at hand for session clusters, `flink.rs` translates to and from `drey-flink`, `patience.rs` keeps file work off the
//! async threads and bounds how long anyone waits for it.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drey_model::secret::mask::Mask;
use drey_model::seen::{Cluster as SeenCluster, Program, Seen, Snapshot};
use drey_model::{Job, SessionRun};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

mod checkpoints;
mod data_dir;
mod death;
mod ends;
mod fetch;
mod flink;
mod folder;
mod inspect;
mod keeper;
mod logs;
mod patience;
mod ports;
mod prepare;
mod process;
mod programs;
mod release;
mod remove;
mod secrets;
#[cfg(test)]
mod session_tests;
mod start;
#[cfg(test)]
mod tests;
mod uploadable;
mod wanted;

use folder::{Folder, Mark};
use patience::{Patience, blocking};
use wanted::Wanted;

pub use data_dir::{DataDir, Error as DataDirError};

use crate::secrets::SecretSource;
use crate::{ClusterBackend, Error};

/// Where the backend keeps things, and how much of them.
#[derive(Debug, Clone)]
pub struct LocalConfig {
    /// Clusters, logs, checkpoints and savepoints. One server only: see [`DataDir`].
    pub data_dir: PathBuf,
    /// Flink installations and artifacts; may be shared by servers.
    pub cache: PathBuf,
    /// The `java` program; `None`: found by `JAVA_HOME` and `PATH`.
    pub java: Option<PathBuf>,
    /// Unpacked Flinks to use as they are, before the cache is asked: folders with `lib` in them.
    pub flink_homes: Vec<PathBuf>,
    /// Where uploaded artifacts are.
    pub uploads: Option<drey_flink::artifact::Uploads>,
    /// Where the values of secrets come from.
    pub secrets: SecretSource,
    /// Where a Flink comes from that is not in the cache yet.
    pub flink_source: drey_flink::dist::Source,
    /// Limits.
    pub limits: Limits,
}

impl LocalConfig {
    /// The usual limits, and Java from the environment.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>, cache: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            cache: cache.into(),
            java: None,
            flink_homes: Vec::new(),
            uploads: None,
            secrets: SecretSource::default(),
            flink_source: drey_flink::dist::Source::Auto,
            limits: Limits::default(),
        }
    }
}

/// Limits of the backend.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Standard output of one process; twice as much is kept.
    pub output_bytes_max: u64,
    /// Seconds between two looks at the outputs.
    pub output_check_interval: Duration,
    /// Jobs whose logs are kept after they are gone.
    pub old_logs_jobs_max: usize,
    /// Bytes of logs that are kept of Jobs that are gone.
    pub old_logs_bytes_max: u64,
    /// Time that Java, Flink and the artifact may take to be found or fetched.
    pub prepare_max: Duration,
    /// Time between SIGTERM and SIGKILL. A JobManager halts itself after 5 s.
    pub stop_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            output_bytes_max: 16 << 20,
            output_check_interval: Duration::from_secs(5),
            old_logs_jobs_max: 200,
            old_logs_bytes_max: 2 << 30,
            prepare_max: Duration::from_secs(30 * 60),
            stop_grace: Duration::from_secs(6),
        }
    }
}

/// How long anyone waits for the file system.
const FILES_PATIENCE: Duration = Duration::from_secs(5);

/// Runs each cluster as processes of this machine. Cheap to clone. Dropping the last clone ends its tasks, and leaves
/// the clusters running: the next backend on the same directory goes on with them.
#[derive(Debug, Clone)]
pub struct LocalBackend {
    shared: Arc<Shared>,
    _stop: Arc<DropGuard>,
}

#[derive(Debug)]
struct Shared {
    config: LocalConfig,
    tools: fetch::Tools,
    clusters: Mutex<HashMap<Uuid, Arc<Cluster>>>,
    programs: Mutex<HashMap<Uuid, Program>>,
    ends: tokio::sync::broadcast::Sender<Uuid>,
    tasks: TaskTracker,
    cancel: CancellationToken,
    /// Work in the data directory.
    files: Patience,
    /// Looks into directories of checkpoints and savepoints, which may be on any file system.
    storage: Patience,
}

/// What this process knows of a cluster beyond its folder. Losing it must never matter.
#[derive(Debug)]
struct Cluster {
    id: Uuid,
    folder: Folder,
    logs: PathBuf,
    /// Ends the preparation.
    cancel: CancellationToken,
    /// Held by whoever prepares, starts or removes processes.
    turn: Arc<tokio::sync::Mutex<()>>,
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    /// What the preparation is waiting for, while it runs.
    preparing: Option<String>,
    /// A removal runs.
    removing: bool,
    /// Why nothing was launched, in case that even the mark could not be written.
    failed: Option<String>,
    /// Turns true when the exit of the JobManager is recorded; only if we are its parent.
    exit_recorded: Option<tokio::sync::watch::Receiver<bool>>,
    /// Base URL of the REST API, once read from the plan.
    rest: Option<String>,
    /// Why the JobManager died, once found out.
    why: Option<String>,
    starts: BTreeMap<u32, start::Starts>,
}

impl LocalBackend {
    /// Takes over what is in the data directory: running clusters go on, interrupted removals are continued. Call it
    /// inside a Tokio runtime, with the directory locked by [`DataDir::lock`].
    pub async fn open(mut config: LocalConfig) -> Result<Self, Error> {
        for path in [&mut config.data_dir, &mut config.cache] {
            // Flink's working directory is not ours.
            *path = std::path::absolute(&*path).map_err(failed("opening the data directory"))?;
        }
        let cancel = CancellationToken::new();
        let stop = Arc::new(cancel.clone().drop_guard());
        let (tools, clusters, tasks) =
            (fetch::Tools::default(), Mutex::default(), TaskTracker::new());
        let (ends, _) = tokio::sync::broadcast::channel(ends::HINTS_MAX);
        let (files, storage) = (Patience::new(FILES_PATIENCE), Patience::new(FILES_PATIENCE));
        let programs = Mutex::default();
        let shared =
            Shared { config, tools, clusters, programs, ends, tasks, cancel, files, storage };
        let shared = Arc::new(shared);
        let opening = shared.clone();
        let opened = blocking(move || {
            opening.make_folders()?;
            opening.continue_removals()
        });
        opened.await.map_err(failed("opening the data directory"))?;
        let (looking, watching) = (shared.clone(), shared.clone());
        let adopted = blocking(move || looking.living()).await;
        let adopted = adopted.map_err(failed("looking for the processes of an earlier server"))?;
        shared.tasks.spawn(async move { watching.watch_adopted(adopted).await });
        let keeper = shared.clone();
        shared.tasks.spawn(async move { keeper.keep().await });
        Ok(Self { shared, _stop: stop })
    }

    async fn start(&self, wanted: Wanted) -> Result<(), Error> {
        check_place(&wanted)?;
        let cluster = self.shared.cluster(wanted.id());
        let result = self.shared.ensure(&cluster, &wanted).await;
        result.map_err(failed(format!("starting the processes of {}", wanted.title())))
    }

    /// Ends the backend's tasks and waits for them; clusters go on.
    pub async fn shutdown(&self) {
        self.shared.cancel.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

impl Shared {
    /// The cluster with this id; made up if it was never heard of.
    fn cluster(&self, id: Uuid) -> Arc<Cluster> {
        let mut clusters = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        let cluster = clusters.entry(id).or_insert_with(|| {
            Arc::new(Cluster {
                id,
                folder: self.folder(id),
                logs: self.logs_folder(id),
                cancel: self.cancel.child_token(),
                turn: Arc::default(),
                now: Mutex::default(),
            })
        });
        cluster.clone()
    }

    /// Drops what memory holds of a cluster of which at most a tombstone is left, unless someone works with it.
    fn forget_if_idle(&self, cluster: &Arc<Cluster>) {
        let mut clusters = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        let is_idle = {
            let now = cluster.now();
            now.preparing.is_none() && !now.removing
        };
        // One reference is the map's, one is ours; more can only be made under the map's lock, which we hold.
        if is_idle && Arc::strong_count(cluster) <= 2 {
            clusters.remove(&cluster.id);
        }
    }

    fn clusters_folder(&self) -> PathBuf {
        self.config.data_dir.join("clusters")
    }

    fn logs_folder(&self, id: Uuid) -> PathBuf {
        self.config.data_dir.join("logs").join(id.to_string())
    }

    fn folder(&self, id: Uuid) -> Folder {
        Folder::new(&self.clusters_folder(), id)
    }

    fn make_folders(&self) -> io::Result<()> {
        folder::create_all(&self.clusters_folder())?;
        folder::create_private(&self.config.data_dir.join("logs"))
    }

    /// Ids of all clusters of which something exists. Costs nothing for those that were removed.
    fn list(&self) -> io::Result<Vec<Uuid>> {
        folder::ids(&self.clusters_folder())
    }

    /// Goes on with what was left unfinished, by an earlier Drey or for an error.
    fn continue_removals(self: &Arc<Self>) -> io::Result<()> {
        for id in self.list()? {
            if self.folder(id).has(Mark::Removed)? {
                self.begin_removal(&self.cluster(id));
            }
        }
        Ok(())
    }
}

impl Cluster {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down that nothing was launched and nothing will be.
    fn fail(&self, why: &str) {
        let why = &self.hide(why);
        tracing::warn!(job = %self.id, why, "cluster cannot be launched");
        logs::note(&self.logs, &format!("cannot be launched: {why}"));
        self.now().failed = Some(why.to_owned());
        if let Err(error) = self.folder.put(Mark::Failed, why.as_bytes()) {
            tracing::warn!(job = %self.id, %error, "failure could not be recorded");
        }
    }
}

impl ClusterBackend for LocalBackend {
    async fn ensure(&self, job: &Job) -> Result<(), Error> {
        self.start(Wanted::Application(Box::new(job.clone()))).await
    }

    async fn ensure_session(&self, run: &SessionRun) -> Result<(), Error> {
        self.start(Wanted::Session(Box::new(run.clone()))).await
    }

    async fn release(&self, run: Uuid, task_managers: &[String]) -> Result<(), Error> {
        let released = self.shared.release(run, task_managers).await;
        released.map_err(failed(format!("ending TaskManagers of {run}")))
    }

    async fn fetch(&self, job: &Job) -> Result<(), Error> {
        check_place(&Wanted::Application(Box::new(job.clone())))?;
        self.shared.begin_fetch(job);
        Ok(())
    }

    async fn program(&self, job_id: Uuid) -> Seen<Program> {
        self.shared.program(job_id).map_or(Seen::Absent, Seen::Present)
    }

    async fn inspect(&self, job_id: Uuid) -> Seen<SeenCluster> {
        self.shared.inspect(job_id).await
    }

    async fn remove(&self, job_id: Uuid) -> Result<(), Error> {
        let shared = self.shared.clone();
        let work = move || shared.remove(job_id);
        let result = self.shared.files.wait(format!("removal of {job_id}"), work).await;
        result.map_err(failed(format!("removing the processes of job {job_id}")))
    }

    async fn retained_checkpoint(&self, job: &Job) -> Seen<Snapshot> {
        let Some(directory) = flink::checkpoint_directory(job) else {
            return Seen::Absent;
        };
        let run = flink::checkpoint_folder(job);
        let (subject, place) = (format!("{directory}/{run}"), directory.clone());
        let look = move || Ok(checkpoints::retained(&directory, &run));
        unless_broken(self.shared.storage.wait(subject, look).await, &place)
    }

    async fn savepoint_in(&self, directory: &str) -> Seen<Snapshot> {
        let place = directory.to_owned();
        let look = move || Ok(checkpoints::savepoint_in(&place));
        unless_broken(self.shared.storage.wait(directory.to_owned(), look).await, directory)
    }

    async fn list(&self) -> Result<Vec<Uuid>, Error> {
        let shared = self.shared.clone();
        let listed = self.shared.files.wait("list".to_owned(), move || shared.list()).await;
        listed.map_err(failed("listing clusters"))
    }

    async fn mask(&self, job_id: Uuid) -> Result<Mask, Error> {
        let folder = self.shared.folder(job_id);
        let read = move || secrets::mask(&folder);
        let mask = self.shared.files.wait(format!("secrets of {job_id}"), read).await;
        mask.map_err(failed(format!("reading the secrets of {job_id}, to hide them")))
    }

    async fn log(
        &self,
        job_id: Uuid,
        query: &crate::logs::Query,
    ) -> Result<crate::logs::Chunk, Error> {
        let mask = self.mask(job_id).await?;
        let (folder, asked) = (self.shared.logs_folder(job_id), query.clone());
        let found = blocking(move || logs::read(&folder, &asked, &mask)).await;
        let found = found.map_err(failed(format!("reading {} of {job_id}", query.file)))?;
        found.ok_or_else(|| Error::NotFound(format!("log {} of {job_id}", query.file)))
    }

    async fn log_files(&self, job_id: Uuid) -> Result<Vec<crate::logs::File>, Error> {
        let folder = self.shared.logs_folder(job_id);
        let found = blocking(move || logs::list(&folder)).await;
        found.map_err(failed(format!("listing the logs of {job_id}")))
    }
}

/// This backend runs what is wanted on this machine, and nothing else.
fn check_place(wanted: &Wanted) -> Result<(), Error> {
    let target = wanted.target();
    if target.local.is_some() {
        return Ok(());
    }
    let kubernetes = target.kubernetes.as_ref().map(|k| k.namespace.as_deref());
    let place = match kubernetes {
        Some(Some(namespace)) => format!("namespace {namespace}"),
        Some(None) => "its own namespace".to_owned(),
        None => "no place at all".to_owned(),
    };
    Err(Error::Refused(format!(
        "this server runs local processes only; it has no Kubernetes backend for the DeploymentTarget of {} ({place}); use \
         a target with spec.local",
        wanted.title()
    )))
}

fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
    let what = what.into();
    move |source| Error::Failed { what, source }
}

/// The text of an unknown is the same at each look, so that nothing is stored for a cause that stays.
fn unless_broken<T>(seen: io::Result<Seen<T>>, place: &str) -> Seen<T> {
    seen.unwrap_or_else(|e| Seen::unknown(format!("cannot list {place}: {e}")))
}
