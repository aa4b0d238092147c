//! Where Flink runs: the contract of a backend, and the backend that runs local processes.
//!
//! One cluster per Job, and the Job's id is the cluster's id; or one per run of a SessionCluster, under the run's id. A
//! cluster is launched at most once: when its JobManager has died, or after [`ClusterBackend::remove`], no call ever
//! starts it again. Recovery is the business of a new Job, or of a new run.

use std::future::Future;

use drey_model::secret::mask::Mask;
use drey_model::seen::{Cluster, Program, Seen, Snapshot};
use drey_model::{Job, SessionRun};
use uuid::Uuid;

pub mod local;
pub mod logs;
pub mod secrets;

/// A place that runs clusters. Every call is repeatable and returns within seconds; slow work goes on behind it and
/// shows in [`ClusterBackend::inspect`].
pub trait ClusterBackend: Send + Sync + 'static {
    /// Makes the cluster exist as `job` says. The first call launches it (after fetching what it needs, in the
    /// background); later calls replace lost TaskManagers. Does nothing once the JobManager has died or the cluster was
    /// removed.
    fn ensure(&self, job: &Job) -> impl Future<Output = Result<(), Error>> + Send;

    /// The same for a run of a SessionCluster. Later calls start as many TaskManagers as `run` has more than there are.
    fn ensure_session(&self, run: &SessionRun) -> impl Future<Output = Result<(), Error>> + Send;

    /// Ends these TaskManagers of a run, by their resource ids, orderly first. Those that are gone are passed over.
    fn release(
        &self,
        run: Uuid,
        task_managers: &[String],
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Begins to fetch the program of a Job in session mode, in the background, unless that was begun.
    fn fetch(&self, job: &Job) -> impl Future<Output = Result<(), Error>> + Send;

    /// How far that is. `Absent`: nobody fetches it, for example because the server was started anew.
    fn program(&self, job_id: Uuid) -> impl Future<Output = Seen<Program>> + Send;

    /// What the cluster is doing. `Absent`: no process of it lives, and none will come unless `ensure` is called again
    /// (which starts nothing after a removal).
    fn inspect(&self, id: Uuid) -> impl Future<Output = Seen<Cluster>> + Send;

    /// Ends every process of the cluster, orderly first and by force after a few seconds, and stops its preparation.
    /// Returns at once; done when `inspect` says `Absent`. Checkpoints, savepoints and logs stay.
    fn remove(&self, id: Uuid) -> impl Future<Output = Result<(), Error>> + Send;

    /// The newest complete checkpoint that the run left behind. Ask only when the cluster is gone.
    fn retained_checkpoint(&self, job: &Job) -> impl Future<Output = Seen<Snapshot>> + Send;

    /// The complete snapshot in a savepoint's own directory.
    fn savepoint_in(&self, directory: &str) -> impl Future<Output = Seen<Snapshot>> + Send;

    /// Ids of all clusters of which something still exists, for the sweep of orphans.
    fn list(&self) -> impl Future<Output = Result<Vec<Uuid>, Error>> + Send;

    /// What must not be shown of the cluster: the secrets that it was launched with. Whoever passes on what its
    /// processes say (their REST API, for example) takes it out. Empty once the cluster is gone.
    fn mask(&self, job_id: Uuid) -> impl Future<Output = Result<Mask, Error>> + Send;

    /// A piece of one of the Job's logs, without secrets.
    fn log(
        &self,
        job_id: Uuid,
        query: &logs::Query,
    ) -> impl Future<Output = Result<logs::Chunk, Error>> + Send;

    /// The logs that the Job has, newest run of a process last.
    fn log_files(
        &self,
        job_id: Uuid,
    ) -> impl Future<Output = Result<Vec<logs::File>, Error>> + Send;
}

/// Why a backend could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Trying again will not help until someone changes something.
    #[error("{0}")]
    Refused(String),
    /// Trying again may help.
    #[error("{what}")]
    Failed {
        /// What was being done.
        what: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// No such cluster or file.
    #[error("{0} not found")]
    NotFound(String),
}
