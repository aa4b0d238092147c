//! The SessionCluster: a Flink cluster that several Deployments share.
//!
//! ```text
//!   SessionCluster ── run 1 ── run 2 ── …      a run is one JobManager with its TaskManagers; it is launched once
//!                        ▲
//!   Deployment ── Job ───┘                     by spec.sessionClusterName; the Job belongs to one run for all its life
//! ```
//!
//! Source: platform API reference §1.7, §3.9, A.7. Stored SessionClusters are fully expanded, so members with a default
//! are not optional here, except those that a user may leave to Flink.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::deployment::{
    Deployment, DeploymentState, DesiredState, KubernetesOptions, Logging, ResourceSpec,
};
use crate::job::JobTarget;
use crate::meta::{API_VERSION, Failure, Kind, Metadata, TextMap};

/// A Flink cluster that several Deployments share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionCluster {
    /// Always `SessionCluster`.
    pub kind: Kind,
    /// Always `v1`.
    pub api_version: String,
    /// Identity and bookkeeping.
    pub metadata: Metadata,
    /// What the user wants.
    pub spec: SessionClusterSpec,
    /// What the controller sees.
    #[serde(default)]
    pub status: SessionClusterStatus,
}

impl SessionCluster {
    /// A cluster that has not run yet.
    #[must_use]
    pub fn new(metadata: Metadata, spec: SessionClusterSpec) -> Self {
        Self {
            kind: Kind::SessionCluster,
            api_version: API_VERSION.to_owned(),
            metadata,
            spec,
            status: SessionClusterStatus::default(),
        }
    }

    /// Whether nothing runs and nothing is wanted to: only then every member of the spec may change.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.spec.state == DesiredClusterState::Stopped
            && matches!(self.status.state, ClusterState::Stopped | ClusterState::Failed)
    }

    /// Whether a Deployment keeps this cluster from being stopped (seed 001, "Force Cancellation").
    #[must_use]
    pub fn is_kept_by(&self, tie: Tie) -> bool {
        // What waits for a cluster that has failed is no reason to keep it: stopping it is the way to mend it.
        tie.has_job || (tie.is_active() && self.status.state != ClusterState::Failed)
    }
}

/// What a Deployment has to do with a SessionCluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tie {
    /// Its spec names it.
    pub refers: bool,
    /// A Job of it may be alive there, and was not given up.
    pub has_job: bool,
    /// It is on its way, or about to be.
    may_start: bool,
}

impl Tie {
    /// The tie of a Deployment to the cluster of this name. `has_news`: its spec has changed since the controller gave it
    /// up, so it will be tried again.
    #[must_use]
    pub fn of(deployment: &Deployment, cluster: &str, has_job: bool, has_news: bool) -> Self {
        let state = deployment.status.state;
        let is_at_end = matches!(state, DeploymentState::Failed | DeploymentState::Finished);
        let is_over = is_at_end && !has_news;
        let is_moving = matches!(state, DeploymentState::Running | DeploymentState::Transitioning);
        let is_wanted = deployment.spec.state == DesiredState::Running;
        Self {
            refers: deployment.spec.session_cluster_name.as_deref() == Some(cluster),
            has_job,
            may_start: is_moving || (is_wanted && !is_over),
        }
    }

    /// Whether there is one at all.
    #[must_use]
    pub fn exists(self) -> bool {
        self.refers || self.has_job
    }

    /// Whether it runs there, or is on its way.
    #[must_use]
    pub fn is_active(self) -> bool {
        self.has_job || (self.refers && self.may_start)
    }
}

/// Desired configuration (platform API reference §1.7). Only `state` and `numberOfTaskManagers` may change while the
/// cluster is active.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionClusterSpec {
    /// Whether the cluster should run.
    pub state: DesiredClusterState,
    /// The DeploymentTarget to run in.
    pub deployment_target_name: String,
    /// Flink version, for example `1.20` or `2.2.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flink_version: Option<String>,
    /// Container registry of the Flink image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flink_image_registry: Option<String>,
    /// Repository of the Flink image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flink_image_repository: Option<String>,
    /// Tag of the Flink image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flink_image_tag: Option<String>,
    /// TaskManagers; a change takes effect without a restart. At least 1.
    #[schemars(range(min = 1))]
    pub number_of_task_managers: i32,
    /// Keys `jobmanager` and `taskmanager`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, ResourceSpec>,
    /// Flink configuration of the cluster, flat keys. What a Deployment sets holds for its job instead.
    pub flink_configuration: TextMap,
    /// Log levels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
    /// Options of the Kubernetes backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesOptions>,
}

impl Default for SessionClusterSpec {
    fn default() -> Self {
        Self {
            state: DesiredClusterState::default(),
            deployment_target_name: String::new(),
            flink_version: None,
            flink_image_registry: None,
            flink_image_repository: None,
            flink_image_tag: None,
            number_of_task_managers: 1,
            resources: BTreeMap::new(),
            flink_configuration: TextMap::new(),
            logging: None,
            kubernetes: None,
        }
    }
}

/// What the user wants of a SessionCluster.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display,
)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
pub enum DesiredClusterState {
    /// No process of it runs.
    #[default]
    Stopped,
    /// It runs and takes jobs.
    Running,
}

/// What the controller reports; computed from facts, never set by hand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionClusterStatus {
    /// The observed state.
    pub state: ClusterState,
    /// Why it is FAILED, or what it is recovering from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Present while it takes jobs: in RUNNING and UPDATING.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<ClusterRunning>,
}

/// The observed state of a SessionCluster.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::Display,
)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
pub enum ClusterState {
    /// No process runs.
    #[default]
    Stopped,
    /// Processes are coming up.
    Starting,
    /// It takes jobs, with as many TaskManagers as asked for.
    Running,
    /// It takes jobs, and the number of its TaskManagers is changing.
    Updating,
    /// Processes are ending.
    Stopping,
    /// It could not be kept running; a person has to act.
    Failed,
}

/// Facts about a SessionCluster that takes jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterRunning {
    /// When it began to take jobs.
    pub started_at: Timestamp,
    /// When anything of it last changed.
    pub last_update_time: Timestamp,
}

/// One run of a SessionCluster: everything that its processes are started from. Chosen and stored before any of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionRun {
    /// Names the processes; each run has its own.
    pub id: Uuid,
    /// The SessionCluster.
    pub session_cluster_id: Uuid,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its spec when the run was launched; the number of TaskManagers is the one that is wanted now.
    pub spec: SessionClusterSpec,
    /// Effective configuration: the user's with the system's additions.
    pub flink_configuration: TextMap,
    /// Where it runs.
    pub target: JobTarget,
}
