//! What the controller remembers of a Deployment, its Jobs and its Savepoints beyond what the API shows.
//!
//! Only what cannot be seen again is kept: ids that we chose, attempts, times, how a run ended. Everything else is
//! observed anew each time. Status words are computed from these facts and never stored by hand.

use drey_model::diff::Launched;
use drey_model::explanation::Explanation;
use drey_model::meta::Failure;
use drey_model::quota::Claim;
use drey_model::seen::Snapshot;
use drey_model::{DesiredState, Job, Savepoint};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use crate::restarts::{Counted, Restarts};

/// Facts about a Deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentFacts {
    /// The spec.version that the last decision was about.
    pub seen_version: i64,
    /// Grows with every Job, and whenever state is left behind unseen; snapshots are ordered by it.
    pub ordinal: u32,
    /// When Jobs failed before they started; emptied by a start.
    pub failed_starts: Vec<Timestamp>,
    /// When running Jobs failed; only the recent ones, to pace recovery.
    pub failed_runs: Vec<Timestamp>,
    /// Restarts of the job in the last hour, whoever restarted it.
    pub restarts: Restarts,
    /// Stop-with-savepoint operations that failed in a row.
    pub failed_savepoints: u32,
    /// The next attempt (start or savepoint) is not made earlier.
    pub not_before: Option<Timestamp>,
    /// The last attempt's failure, shown until something succeeds.
    pub last_failure: Option<Failure>,
    /// Set when a transition was given up: the Deployment is FAILED until its spec changes.
    pub gave_up: Option<Failure>,
    /// How the Deployment came to rest the last time that no Job was active.
    pub rest: Rest,
    /// A checkpoint or savepoint of this Deployment completed, and no Job has finished by itself since.
    pub holds_state: bool,
    /// The same for savepoints alone.
    pub holds_savepoint: bool,
    /// The ordinal of the newest Job that finished by itself; what completes late of it is no state to go on from.
    pub finished_ordinal: u32,
    /// The ordinal that began when a Job's checkpoints could not be looked for: what is older may be out of date.
    pub blind_ordinal: u32,
    /// The cores that it holds, and whether it waits for some.
    pub claim: Claim,
    /// Session mode: since when the SessionCluster is waited for.
    pub cluster_awaited_since: Option<Timestamp>,
    /// The transition under way.
    pub transition: Option<Transition>,
    /// What the server shows under `/ext/v1`.
    pub explanation: Explanation,
}

/// How a Deployment came to rest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Rest {
    /// Nothing runs, no savepoint was asked for.
    #[default]
    Cancelled,
    /// Nothing runs, as asked for by SUSPENDED.
    Suspended,
    /// The job ended by itself.
    Finished,
}

/// A transition under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    /// The desired state that it leads to.
    pub to: DesiredState,
    /// When it began.
    pub since: Timestamp,
}

/// Facts about a Job.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobFacts {
    /// 1 for the Deployment's first Job; higher for each later one.
    pub ordinal: u32,
    /// What of the spec it was launched from.
    pub launched: Launched,
    /// The Savepoint it started from.
    pub restored: Option<Uuid>,
    /// Session mode: the run of a SessionCluster that it belongs to, for all its life.
    pub session: Option<SessionJob>,
    /// When its JobManager was first seen alive.
    pub alive_since: Option<Timestamp>,
    /// Since when a reachable JobManager has not known the job.
    pub missing_since: Option<Timestamp>,
    /// What is counted of the restarts that Flink tells.
    pub counted: Counted,
    /// Since when Flink has said FAILED without saying why.
    pub failed_since: Option<Timestamp>,
    /// Set once the Job is being cancelled.
    pub cancel: Option<Cancel>,
    /// The Savepoints of every stop-with-savepoint that may still take effect in Flink.
    pub stops: Vec<Uuid>,
    /// Set once the run has ended, or is to be ended without asking Flink.
    pub end: Option<End>,
    /// Whether the backend was told to remove the cluster, so that nothing can launch it any more.
    pub removed: bool,
    /// When the cluster was confirmed gone.
    pub gone_at: Option<Timestamp>,
    /// Whether retained checkpoints were looked for after the end.
    pub swept: bool,
    /// Whether a checkpoint of this run was seen to complete.
    pub checkpointed: bool,
    /// The newest checkpoint that Flink named when the run ended; used where storage cannot be listed.
    pub last_checkpoint: Option<Snapshot>,
}

/// A Job in session mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionJob {
    /// Name of the SessionCluster.
    pub name: String,
    /// The run that the Job is submitted to, and no other.
    pub run: Uuid,
    /// SHA-256 of the program; recorded before it is uploaded.
    #[serde(default)]
    pub artifact: Option<String>,
    /// Set before the first submission.
    #[serde(default)]
    pub submission: Option<Submission>,
    /// When a user asked not to wait for its Flink job any longer.
    #[serde(default)]
    pub orphaned_at: Option<Timestamp>,
    /// Set while its Flink job may appear although nobody waits for it any longer.
    #[serde(default)]
    pub late: Option<Late>,
}

/// A Flink job whose submission got no answer and had time enough to take effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Late {
    /// It has not appeared.
    Awaited,
    /// It has, and is being cancelled.
    Appeared,
}

/// The submission of a Job to a shared cluster. Any number of requests make one Flink job, because the id is ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Submission {
    /// When the first request was sent.
    pub since: Timestamp,
    /// Whether nothing was heard of the last one yet.
    pub is_open: bool,
    /// Whether one before may have reached Flink and got no answer; where an older Drey kept none of this, it may have.
    #[serde(default = "of_an_older_drey")]
    pub is_silent: bool,
    /// For how many seconds Flink was seen not to know the job, since the last silence began.
    #[serde(default)]
    pub unknown_seconds: i64,
    /// As many they were when the last one was sent.
    #[serde(default)]
    pub unknown_when_sent: i64,
    /// When these were last counted.
    #[serde(default)]
    pub counted_at: Timestamp,
    /// The next request is not sent earlier.
    pub not_before: Timestamp,
    /// Whether Flink has accepted it.
    pub accepted: bool,
    /// For people: what stood against it last.
    #[serde(default)]
    pub trouble: Option<String>,
}

const fn of_an_older_drey() -> bool {
    true
}

/// A cancellation under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cancel {
    /// When it began.
    pub since: Timestamp,
    /// Requests that were refused or not answered.
    pub failures: u32,
    /// When Flink last accepted a request.
    pub accepted_at: Option<Timestamp>,
    /// The next request is not sent earlier.
    pub not_before: Timestamp,
    /// For people: why the Job is cancelled.
    pub why: String,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct End {
    /// How it ended.
    pub how: How,
    /// When this was noticed.
    pub at: Timestamp,
    /// For people: the root cause.
    pub why: String,
    /// Whether the Flink job is known to have ended; else that is known once the cluster is gone.
    pub confirmed: bool,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum How {
    /// By itself, successfully.
    Finished,
    /// By stop-with-savepoint, at our request.
    Stopped,
    /// By cancellation, at our request.
    Cancelled,
    /// It failed before it ran.
    FailedToStart,
    /// It failed after it had run: Flink gave up, or the JobManager died.
    Failed,
}

/// Facts about a Savepoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SavepointFacts {
    /// Ordinal of the Job it was taken from; snapshots of later Jobs are newer.
    pub ordinal: u32,
    /// URI of the directory that belongs to this Savepoint alone.
    pub directory: String,
    /// Whether the job stops with it.
    pub stop: bool,
    /// Whether the stop drains the pipeline.
    pub drain: bool,
    /// Whether Flink accepted it.
    pub accepted: bool,
    /// The next request is not sent earlier.
    pub not_before: Timestamp,
    /// When it has to be complete; then it has failed.
    pub complete_by: Timestamp,
    /// When its last byte was written.
    pub completed_at: Option<Timestamp>,
    /// When that was noticed, by Drey's own clock, which may not be the storage's.
    pub noticed_at: Option<Timestamp>,
}

/// A Job with its facts.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRecord {
    /// As the API shows it.
    pub job: Job,
    /// As we remember it.
    pub facts: JobFacts,
}

impl JobRecord {
    /// The Job's id, which is also its cluster's and its Flink job's.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.job.metadata.id
    }

    /// Whether its Flink job may still be alive.
    #[must_use]
    pub fn may_live(&self) -> bool {
        match &self.facts.end {
            Some(end) => !end.confirmed && self.facts.gone_at.is_none(),
            None => true,
        }
    }

    /// Session mode: whether nobody waits for its Flink job any longer, at a user's wish.
    #[must_use]
    pub fn is_orphan(&self) -> bool {
        self.facts.session.as_ref().is_some_and(|s| s.orphaned_at.is_some())
    }

    /// What its processes are called: its own cluster, or the run of a SessionCluster.
    #[must_use]
    pub fn cluster(&self) -> Uuid {
        self.facts.session.as_ref().map_or(self.id(), |s| s.run)
    }

    /// Whether nothing else has to wait for it: ended, cluster gone, checkpoints looked for.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.facts.end.is_some() && self.facts.gone_at.is_some() && self.facts.swept
    }

    /// Session mode: whether its Flink job may appear although it is taken for gone.
    #[must_use]
    pub fn may_be_late(&self) -> bool {
        self.facts.session.as_ref().is_some_and(|s| s.late.is_some())
    }

    /// Whether nothing is left to do for it.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.is_settled() && !self.may_be_late()
    }

    /// Session mode: whether Flink still has to be asked about its job.
    #[must_use]
    pub fn asks_flink(&self) -> bool {
        self.facts.session.is_some() && (self.facts.gone_at.is_none() || self.may_be_late())
    }
}

/// A Savepoint with its facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavepointRecord {
    /// As the API shows it.
    pub savepoint: Savepoint,
    /// As we remember it; `None` for one that a user has just posted.
    pub facts: Option<SavepointFacts>,
    /// Whether the next decision still needs it.
    pub open: bool,
}

impl SavepointRecord {
    /// The Savepoint's id, which is also its trigger id.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.savepoint.metadata.id
    }

    /// Orders snapshots by age: those of later Jobs are newer, those of one Job go by completion time. The id decides
    /// between equals, so that the order in which records were read does not.
    #[must_use]
    pub fn age_key(&self) -> (u32, Timestamp, Uuid) {
        let facts = self.facts.as_ref();
        let completed = facts.and_then(|f| f.completed_at);
        let completed = completed.unwrap_or(self.savepoint.metadata.created_at);
        (facts.map_or(0, |f| f.ordinal), completed, self.id())
    }
}
