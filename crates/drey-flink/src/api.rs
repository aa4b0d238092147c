//! What Drey asks of a JobManager. The REST client implements it; the simulator's fake Flink does too.
//!
//! Every call has a deadline of its own and is harmless to repeat: job and trigger ids are ours.

use std::future::Future;
use std::path::Path;

use drey_model::Job;
use drey_model::meta::TextMap;
use drey_model::seen::{FlinkJob, Jar, Operation, Seen, TaskManager};
use uuid::Uuid;

/// A snapshot to take, under a trigger id that was recorded before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Flink job id = the Job's id.
    pub job_id: Uuid,
    /// Our trigger id; the same one posted twice makes one snapshot.
    pub trigger_id: Uuid,
    /// URI of a directory that belongs to this snapshot alone.
    pub directory: String,
}

/// A Job to run on a cluster that is there already, under the Job's own id.
#[derive(Debug, Clone, Copy)]
pub struct Submission<'a> {
    /// The Job.
    pub job: &'a Job,
    /// Flink's id of the program that was uploaded.
    pub jar: &'a str,
    /// The class to start.
    pub class: &'a str,
    /// The arguments of its `main`.
    pub args: &'a [String],
    /// Flink settings of the program, beside the Job's.
    pub settings: &'a TextMap,
}

/// The JobManager's REST API, as far as Drey needs it. `rest` is the base URL, for example `http://127.0.0.1:8081`.
pub trait FlinkApi: Send + Sync + 'static {
    /// The job: `Absent` when the JobManager answers and does not know it, `Unknown` on 503, refusal and time-out.
    fn job(&self, rest: &str, job_id: Uuid) -> impl Future<Output = Seen<FlinkJob>> + Send;

    /// The operation behind a trigger id: `Absent` when the JobManager answers and does not know it (any more).
    fn operation(
        &self,
        rest: &str,
        job_id: Uuid,
        trigger_id: Uuid,
    ) -> impl Future<Output = Seen<Operation>> + Send;

    /// Takes a savepoint; the job goes on.
    fn savepoint(&self, rest: &str, t: &Trigger) -> impl Future<Output = Result<(), Error>> + Send;

    /// Takes a savepoint and stops the job in one step (`POST /jobs/:id/stop`).
    fn stop(
        &self,
        rest: &str,
        t: &Trigger,
        drain: bool,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Cancels the job. Cancelling a job that has ended already succeeds.
    fn cancel(&self, rest: &str, job_id: Uuid) -> impl Future<Output = Result<(), Error>> + Send;

    /// The TaskManagers that have registered. An answer means that the JobManager takes jobs.
    fn task_managers(&self, rest: &str) -> impl Future<Output = Seen<Vec<TaskManager>>> + Send;

    /// The programs that were uploaded.
    fn jars(&self, rest: &str) -> impl Future<Output = Seen<Vec<Jar>>> + Send;

    /// Uploads a program under a name; returns Flink's id of it.
    fn upload(
        &self,
        rest: &str,
        file: &Path,
        name: &str,
    ) -> impl Future<Output = Result<String, Error>> + Send;

    /// Deletes a program. Jobs that run keep their own copy.
    fn delete_jar(&self, rest: &str, jar: &str) -> impl Future<Output = Result<(), Error>> + Send;

    /// Runs a program as a job. Succeeds when the JobManager knows a job of that id already, whatever became of it.
    fn run(&self, rest: &str, s: Submission<'_>) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Why a request was not carried out, or may not have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Flink answered and refused.
    #[error("Flink refused to {what}: {why}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// The root cause that Flink named.
        why: String,
    },
    /// It was never asked: nothing has happened.
    #[error("could not ask Flink to {what}: {why}")]
    NotAsked {
        /// What was to be asked.
        what: &'static str,
        /// Why not.
        why: String,
    },
    /// No answer, or 503: it may or may not have happened.
    #[error("no answer when asked to {what}: {why}")]
    Unknown {
        /// What was asked.
        what: &'static str,
        /// What came back instead.
        why: String,
    },
}
