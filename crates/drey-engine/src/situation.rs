//! Everything that a decision may know. If it isn't here, it can't influence the plan.

use std::collections::BTreeMap;

use drey_model::quota::{Holder, Limit};
use drey_model::seen::{Cluster, FlinkJob, Operation, Program, Seen, Snapshot};
use drey_model::{Deployment, DeploymentTarget, Kind};
use jiff::Timestamp;
use uuid::Uuid;

use crate::facts::{DeploymentFacts, JobRecord, SavepointRecord};
use crate::session_cluster::SessionClusterRecord;

/// All facts about one Deployment at one instant.
#[derive(Debug, Clone)]
pub struct Situation {
    /// The instant.
    pub now: Timestamp,
    /// Fresh ids that the decision may use, in order; a few are enough.
    pub ids: Vec<Uuid>,
    /// Desired (spec) and recorded (status).
    pub deployment: Deployment,
    /// Remembered.
    pub facts: DeploymentFacts,
    /// The target that the spec names, if it exists.
    pub target: Option<DeploymentTarget>,
    /// The CPU quota and what others hold of it.
    pub quota: Quota,
    /// The SessionCluster that the spec names, if it exists.
    pub session_cluster: Option<SessionClusterRecord>,
    /// Jobs that are not closed.
    pub jobs: Vec<JobRecord>,
    /// Savepoints that are in progress or may be restored from.
    pub savepoints: Vec<SavepointRecord>,
    /// What the world showed, by Job id; a Job that was not looked at counts as unknown.
    pub observed: BTreeMap<Uuid, Observation>,
    /// What became of the actions of the last plan. Lost in a crash, which costs a repetition at most.
    pub reports: Vec<Report>,
}

/// The CPU quota, as a launch finds it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quota {
    /// `None`: there is no limit.
    pub limit: Option<Limit>,
    /// What everybody else holds; `None`: not looked at, because no launch was in sight.
    pub others: Option<Vec<Holder>>,
    /// One of them whose record cannot be read, so that nobody knows what is free.
    pub unreadable: Option<Unreadable>,
}

/// A Deployment or a SessionCluster that may hold any number of cores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its namespace.
    pub namespace: String,
    /// Which of the two it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
}

/// One look at a Job's world.
#[derive(Debug, Clone)]
pub struct Observation {
    /// Its processes; in session mode those of the run that it belongs to.
    pub cluster: Seen<Cluster>,
    /// Its Flink job.
    pub job: Seen<FlinkJob>,
    /// Since when looks at the Flink job have given no answer; `None` when the last one did.
    pub unreachable_since: Option<Timestamp>,
    /// The operation of each Savepoint in progress.
    pub operations: BTreeMap<Uuid, Seen<Operation>>,
    /// What lies in the directory of each Savepoint in progress; looked at only where the operation does not tell.
    pub directories: BTreeMap<Uuid, Seen<Snapshot>>,
    /// Session mode: its program; looked at only until it is submitted. `Absent`: nobody fetches it.
    pub program: Option<Seen<Program>>,
    /// The newest checkpoint left behind; looked at only once the cluster is gone.
    pub retained: Option<Seen<Snapshot>>,
}

impl Default for Observation {
    fn default() -> Self {
        Self {
            cluster: Seen::unknown("not looked at yet"),
            job: Seen::unknown("not looked at yet"),
            unreachable_since: None,
            operations: BTreeMap::new(),
            directories: BTreeMap::new(),
            program: None,
            retained: None,
        }
    }
}

/// What became of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The backend will not run this Job.
    EnsureRefused {
        /// The Job.
        job: Uuid,
        /// Why.
        why: String,
    },
    /// The backend could not launch the cluster this time.
    EnsureFailed {
        /// The Job.
        job: Uuid,
        /// Why.
        why: String,
    },
    /// The backend could not remove the cluster this time.
    RemovalFailed {
        /// The Job.
        job: Uuid,
        /// Why.
        why: String,
    },
    /// The backend has noted that the cluster is to go and to stay away.
    RemovalAccepted {
        /// The Job.
        job: Uuid,
    },
    /// Flink has the job.
    SubmitAccepted {
        /// The Job.
        job: Uuid,
    },
    /// Flink answered that it will not run the job.
    SubmitRefused {
        /// The Job.
        job: Uuid,
        /// Why.
        why: String,
    },
    /// Somebody else is uploading the same program to the same cluster; nothing was sent.
    SubmitPostponed {
        /// The Job.
        job: Uuid,
    },
    /// The request was not sent, so it cannot take effect.
    SubmitFailed {
        /// The Job.
        job: Uuid,
        /// Why.
        why: String,
    },
    /// Flink did not answer; the job may appear.
    SubmitUnanswered {
        /// The Job.
        job: Uuid,
        /// Why.
        why: String,
    },
    /// Flink accepted the cancellation.
    CancelAccepted {
        /// The Job.
        job: Uuid,
    },
    /// Flink refused the cancellation, or did not answer.
    CancelFailed {
        /// The Job.
        job: Uuid,
        /// Why.
        why: String,
    },
    /// Flink accepted the operation.
    SavepointAccepted {
        /// The Savepoint.
        savepoint: Uuid,
    },
    /// Flink refused the operation for good.
    SavepointRefused {
        /// The Savepoint.
        savepoint: Uuid,
        /// Why.
        why: String,
    },
    /// Flink did not answer; the operation may have begun.
    SavepointUnanswered {
        /// The Savepoint.
        savepoint: Uuid,
        /// Why.
        why: String,
    },
}
