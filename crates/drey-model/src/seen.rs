//! What the world showed at one instant. A time-out is not an absence, so every look has three answers.
//!
//! These are plain values: backends and the Flink client fill them, the engine reads them, the simulator fakes them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::meta::TextMap;

/// The answer to one look at the world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Seen<T> {
    /// No trustworthy answer: a time-out, a refused connection, a leader election.
    Unknown {
        /// For people: what was asked and what came back.
        why: String,
    },
    /// A trustworthy answer: it is not there.
    Absent,
    /// A trustworthy answer: it is there.
    Present(T),
}

impl<T> Seen<T> {
    /// An unknown answer.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown { why: why.into() }
    }

    /// The value, if it was seen.
    pub fn present(&self) -> Option<&T> {
        match self {
            Self::Present(value) => Some(value),
            Self::Unknown { .. } | Self::Absent => None,
        }
    }
}

/// The processes (or pods) of one Job, as the backend sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// How far it is.
    pub phase: ClusterPhase,
    /// Base URL of the JobManager's REST API, without a trailing slash; known once its port is chosen.
    pub rest: Option<String>,
    /// TaskManagers that are alive.
    pub task_managers: u32,
}

/// How far a cluster is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "is")]
pub enum ClusterPhase {
    /// Nothing is launched yet: the artifact or Flink itself is being fetched.
    Preparing {
        /// For people: what is being waited for.
        what: String,
    },
    /// The JobManager process is alive.
    Alive,
    /// The JobManager process was launched and has ended, or could never be launched. It is never launched again for
    /// this Job.
    Dead {
        /// For people: the root cause, as far as exit code, logs and preparation tell.
        why: String,
    },
}

/// Flink's own word for the state of a job.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    strum::VariantArray,
)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
#[allow(missing_docs, reason = "Flink's JobStatus, word for word")]
pub enum FlinkStatus {
    Initializing,
    Created,
    Running,
    Failing,
    Failed,
    Cancelling,
    Canceled,
    Finished,
    Restarting,
    Suspended,
    Reconciling,
}

impl FlinkStatus {
    /// Whether Flink will never leave this state.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Failed | Self::Canceled | Self::Finished)
    }
}

/// One Flink job, as its JobManager describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlinkJob {
    /// Flink's word.
    pub status: FlinkStatus,
    /// Tasks that are running.
    pub tasks_running: u32,
    /// All tasks of the job graph that have not finished; 0 while it is being built.
    pub tasks_total: u32,
    /// When this JobManager took the job on, by Flink's clock; another JobManager begins anew.
    pub since: Option<Timestamp>,
    /// Restarts since this JobManager started, when known. A lower bound.
    pub restarts: Option<u32>,
    /// When the most recent failures happened, newest first; at most as many as Flink keeps (16).
    pub failures: Vec<Timestamp>,
    /// The root cause of the newest failure, one line or a few.
    pub cause: Option<String>,
    /// The newest completed checkpoint of this run, when known.
    pub checkpoint: Option<Snapshot>,
}

impl FlinkJob {
    /// Whether every task runs: what a user means by "it is running".
    #[must_use]
    pub fn is_fully_running(&self) -> bool {
        self.status == FlinkStatus::Running
            && self.tasks_total > 0
            && self.tasks_running == self.tasks_total
    }
}

/// The progress of a savepoint or stop operation, found by the trigger id that we chose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "is")]
pub enum Operation {
    /// Not done yet.
    InProgress,
    /// Done: the snapshot is complete.
    Completed {
        /// Its URI, normalised to `file:///x` for local paths.
        location: String,
    },
    /// Done: it failed.
    Failed {
        /// The root cause.
        why: String,
    },
}

/// A complete snapshot in storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Its URI, normalised to `file:///x` for local paths.
    pub location: String,
    /// When its last byte was written, by the storage's own clock.
    pub completed_at: Timestamp,
}

/// The program of a Job in session mode, on its way to this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "is")]
pub enum Program {
    /// It is being fetched.
    Preparing {
        /// For people: what is being waited for.
        what: String,
    },
    /// It can be uploaded.
    Ready {
        /// Where it is on this machine.
        path: std::path::PathBuf,
        /// SHA-256 of its content, hex digits.
        sha256: String,
        /// The class to start.
        class: String,
        /// The arguments of its `main`.
        args: Vec<String>,
        /// Flink settings that belong to the program; they win over the Job's, which they contain.
        settings: TextMap,
    },
    /// It cannot be had.
    Failed {
        /// For people.
        why: String,
    },
}

/// A TaskManager, as its JobManager describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskManager {
    /// Its resource id.
    pub id: String,
    /// Slots that it offers; 0 until it has told.
    pub slots: u32,
    /// Those that no job uses.
    pub free_slots: u32,
}

/// A jar that was uploaded to a JobManager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Jar {
    /// Flink's id of it.
    pub id: String,
    /// The name that it was uploaded under.
    pub name: String,
}
