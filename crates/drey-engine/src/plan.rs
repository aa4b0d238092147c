//! What a decision says: the records as they should be, the events to log, the effects to carry out, when to look again.

use drey_model::{Deployment, EventName, Job};
use jiff::Timestamp;
use uuid::Uuid;

use crate::facts::{DeploymentFacts, JobRecord, SavepointRecord};

/// The outcome of a decision. Records and events are stored first, in one transaction; only then come the actions.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The Deployment with its new status.
    pub deployment: Deployment,
    /// Its new facts.
    pub facts: DeploymentFacts,
    /// Jobs, new ones included.
    pub jobs: Vec<JobRecord>,
    /// Savepoints, new ones included.
    pub savepoints: Vec<SavepointRecord>,
    /// New lines of the event log, in order.
    pub events: Vec<NewEvent>,
    /// Effects, each repeatable.
    pub actions: Vec<Action>,
    /// When to look again; `None`: only when something changes.
    pub wake_at: Option<Timestamp>,
}

/// A new line of the event log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// What happened.
    pub name: EventName,
    /// The Job concerned.
    pub job: Option<Uuid>,
    /// For people.
    pub message: String,
}

/// One effect. Doing it twice is the same as once, because its ids are ours and recorded.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Launch the Job's cluster, or replace its lost TaskManagers.
    EnsureCluster(Box<Job>),
    /// Session mode: have the Job's program fetched.
    Fetch(Box<Job>),
    /// Session mode: upload the program, unless it is there, and submit the job under its own id.
    Submit(Box<Job>),
    /// Cancel the Flink job.
    Cancel {
        /// The Job.
        job: Uuid,
    },
    /// Take a snapshot.
    Snapshot {
        /// The Job.
        job: Uuid,
        /// The Savepoint; its id is the trigger id.
        savepoint: Uuid,
        /// URI of its own directory.
        directory: String,
        /// Whether the job stops with it.
        stop: bool,
        /// Whether the stop drains.
        drain: bool,
    },
    /// End the cluster and everything of it.
    RemoveCluster {
        /// The Job.
        job: Uuid,
    },
}

impl Action {
    /// One word for logs and metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::EnsureCluster(_) => "ensure-cluster",
            Self::Fetch(_) => "fetch",
            Self::Submit(_) => "submit",
            Self::Cancel { .. } => "cancel",
            Self::Snapshot { stop: true, .. } => "stop",
            Self::Snapshot { stop: false, .. } => "savepoint",
            Self::RemoveCluster { .. } => "remove-cluster",
        }
    }

    /// The Job it is about.
    #[must_use]
    pub fn job(&self) -> Uuid {
        match self {
            Self::EnsureCluster(job) | Self::Fetch(job) | Self::Submit(job) => job.metadata.id,
            Self::Cancel { job } | Self::Snapshot { job, .. } | Self::RemoveCluster { job } => *job,
        }
    }
}
