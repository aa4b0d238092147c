//! What a decision about a SessionCluster is made from, and what it says.

use std::collections::BTreeSet;

use drey_model::explanation::Wait;
use drey_model::meta::Failure;
use drey_model::quota::Claim;
use drey_model::seen::{Cluster, Jar, Seen, TaskManager};
use drey_model::{DeploymentTarget, SessionCluster, SessionRun};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::plan::NewEvent;
use crate::situation::Quota;

/// A SessionCluster with its facts.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionClusterRecord {
    /// As the API shows it.
    pub cluster: SessionCluster,
    /// As we remember it.
    pub facts: SessionFacts,
}

/// What the controller remembers of a SessionCluster beyond what the API shows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionFacts {
    /// The run whose processes may exist.
    pub run: Option<Run>,
    /// The newest runs, newest first, also when nothing of them is left but their logs; a few.
    pub runs: Vec<Uuid>,
    /// When runs failed before they took jobs; emptied by one that does.
    pub failed_starts: Vec<Timestamp>,
    /// When runs that took jobs failed; only the recent ones, to pace recovery.
    pub failed_runs: Vec<Timestamp>,
    /// The next run is not launched earlier.
    pub not_before: Option<Timestamp>,
    /// The last failure, shown until the cluster takes jobs again.
    pub last_failure: Option<Failure>,
    /// Set when it was given up: FAILED until it is set to STOPPED.
    pub gave_up: Option<Failure>,
    /// What is being waited for.
    pub wait: Option<Wait>,
    /// The cores that it holds, and whether it waits for some.
    pub claim: Claim,
}

/// Of how many runs the ids are remembered.
pub(crate) const RUNS_MAX: usize = 5;

/// A run that was recorded and whose processes are not confirmed gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// What its processes are started from.
    pub launched: SessionRun,
    /// When it was recorded.
    pub since: Timestamp,
    /// When its JobManager was first seen alive.
    pub alive_since: Option<Timestamp>,
    /// When it first took jobs.
    pub running_since: Option<Timestamp>,
    /// The number of TaskManagers that it last had complete; 0 before.
    pub scaled_to: i32,
    /// The most TaskManagers that may live: those that were asked for, and those that were seen.
    #[serde(default)]
    pub managers_max: i32,
    /// When their wanted number changed last.
    #[serde(default)]
    pub changed_at: Option<Timestamp>,
    /// Whether it has been said that TaskManagers are missing.
    pub is_short: bool,
    /// Resource ids of the TaskManagers that are to go.
    #[serde(default)]
    pub releasing: Vec<String>,
    /// Set once it has ended, or is to end.
    pub end: Option<RunEnd>,
    /// Whether the backend was told to remove it, so that nothing can launch it any more.
    pub removed: bool,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunEnd {
    /// When this was noticed.
    pub at: Timestamp,
    /// For people.
    pub why: String,
    /// Whether a user asked for it.
    pub is_wanted: bool,
}

/// All facts about one SessionCluster at one instant.
#[derive(Debug, Clone)]
pub struct SessionSituation {
    /// The instant.
    pub now: Timestamp,
    /// A fresh id that the decision may use.
    pub id: Uuid,
    /// Desired, recorded and remembered.
    pub record: SessionClusterRecord,
    /// The target that the spec names, if it exists.
    pub target: Option<DeploymentTarget>,
    /// The CPU quota and what others hold of it.
    pub quota: Quota,
    /// What the world showed of its run.
    pub seen: SessionObservation,
    /// What became of the actions of the last plan.
    pub reports: Vec<SessionReport>,
}

/// One look at a run.
#[derive(Debug, Clone)]
pub struct SessionObservation {
    /// Its processes.
    pub cluster: Seen<Cluster>,
    /// TaskManagers that its JobManager knows; an answer means that it takes jobs.
    pub task_managers: Seen<Vec<TaskManager>>,
    /// Programs that were uploaded to it; `None`: not looked at this time.
    pub jars: Option<Vec<Jar>>,
    /// Names of those that an open Job still needs; read after `jars`.
    pub needed: BTreeSet<String>,
}

impl Default for SessionObservation {
    fn default() -> Self {
        Self {
            cluster: Seen::unknown("not looked at yet"),
            task_managers: Seen::unknown("not looked at yet"),
            jars: None,
            needed: BTreeSet::new(),
        }
    }
}

/// What became of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionReport {
    /// The backend will not run this cluster.
    EnsureRefused {
        /// The run.
        run: Uuid,
        /// Why.
        why: String,
    },
    /// The backend has noted that the run is to go and to stay away.
    RemovalAccepted {
        /// The run.
        run: Uuid,
    },
    /// The backend could not remove the run this time.
    RemovalFailed {
        /// The run.
        run: Uuid,
        /// Why.
        why: String,
    },
}

/// One effect, harmless to repeat.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionAction {
    /// Launch the run, or start TaskManagers that are missing.
    Ensure(Box<SessionRun>),
    /// End these TaskManagers of the run.
    Release {
        /// The run.
        run: Uuid,
        /// Their resource ids.
        task_managers: Vec<String>,
    },
    /// End every process of the run.
    Remove {
        /// The run.
        run: Uuid,
    },
    /// Delete a program that no Job needs.
    DeleteJar {
        /// The run.
        run: Uuid,
        /// The program.
        jar: Jar,
    },
}

impl SessionAction {
    /// One word for logs and metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ensure(_) => "ensure-session",
            Self::Release { .. } => "release-task-managers",
            Self::Remove { .. } => "remove-session",
            Self::DeleteJar { .. } => "delete-jar",
        }
    }
}

/// What a decision says. Record and events are stored first, in one transaction; only then come the actions.
#[derive(Debug, Clone)]
pub struct SessionPlan {
    /// The cluster with its new status and facts.
    pub record: SessionClusterRecord,
    /// New lines of the event log, in order.
    pub events: Vec<NewEvent>,
    /// Effects, each repeatable.
    pub actions: Vec<SessionAction>,
    /// When to look again; `None`: only when something changes.
    pub wake_at: Option<Timestamp>,
}
