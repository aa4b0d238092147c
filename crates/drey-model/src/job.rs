//! The Job: one run of a Deployment, written by the controller only.
//!
//! Source: platform API reference §1.4. The id of the Flink job is the Job's id without dashes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::deployment::{Artifact, KubernetesOptions, Logging, ResourceSpec};
use crate::meta::{API_VERSION, Failure, Kind, TextMap};
use crate::target::{KubernetesTarget, LocalTarget};

/// One run of a Deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Always `Job`.
    pub kind: Kind,
    /// Always `v1`.
    pub api_version: String,
    /// Identity and bookkeeping.
    pub metadata: JobMetadata,
    /// The resolved template at launch.
    pub spec: JobSpec,
    /// What the controller sees.
    pub status: JobStatus,
}

impl Job {
    /// A Job that is about to start.
    #[must_use]
    pub fn new(metadata: JobMetadata, spec: JobSpec) -> Self {
        let status = JobStatus { state: JobState::Starting, failure: None, started: None };
        Self { kind: Kind::Job, api_version: API_VERSION.to_owned(), metadata, spec, status }
    }

    /// The Flink job id: 32 hex digits.
    #[must_use]
    pub fn flink_job_id(&self) -> String {
        self.metadata.id.simple().to_string()
    }
}

/// Identity of a Job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct JobMetadata {
    /// Chosen by us before anything happens.
    pub id: Uuid,
    /// The namespace of the Deployment.
    pub namespace: String,
    /// When the Job was recorded.
    pub created_at: Timestamp,
    /// When it was last written.
    pub modified_at: Timestamp,
    /// When it reached a terminal state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminated_at: Option<Timestamp>,
    /// The Deployment.
    pub deployment_id: Uuid,
    /// The Deployment's name.
    pub deployment_name: String,
    /// Session mode: the SessionCluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_cluster_name: Option<String>,
    /// From the template, and the spec.version.
    pub annotations: TextMap,
    /// 1 on creation, one higher after each write.
    pub resource_version: i32,
}

/// The resolved template at launch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct JobSpec {
    /// The program.
    pub artifact: Artifact,
    /// Default parallelism.
    pub parallelism: i32,
    /// TaskManagers of the cluster.
    pub number_of_task_managers: i32,
    /// Keys `jobmanager` and `taskmanager`.
    pub resources: BTreeMap<String, ResourceSpec>,
    /// Effective configuration: the user's with the system's additions.
    pub flink_configuration: TextMap,
    /// Configuration as the user gave it.
    pub user_flink_configuration: TextMap,
    /// Log levels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
    /// Options of the Kubernetes backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesOptions>,
    /// Where the cluster runs.
    pub deployment_target: JobTarget,
    /// The snapshot it starts from; absent: empty state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub savepoint_location: Option<String>,
    /// Whether state that cannot be mapped is dropped.
    pub allow_non_restored_state: bool,
}

/// The resolved target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct JobTarget {
    /// Kubernetes namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesTarget>,
    /// Local processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalTarget>,
}

/// What the controller sees of a Job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobStatus {
    /// Where it stands.
    pub state: JobState,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Facts since it started; kept after its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Started>,
}

/// States of a Job; FAILED, TERMINATED and FINISHED are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
pub enum JobState {
    /// The cluster is coming up.
    Starting,
    /// Prepared successor of an upgrade: cluster ready, no Flink job yet.
    Standby,
    /// The Flink job runs.
    Started,
    /// Being cancelled.
    Terminating,
    /// Ended by an unrecoverable failure.
    Failed,
    /// Ended by cancellation.
    Terminated,
    /// Ended by itself, or by stop-with-savepoint.
    Finished,
}

impl JobState {
    /// Whether the state is final.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Failed | Self::Terminated | Self::Finished)
    }
}

/// Facts about a started Job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Started {
    /// When the Flink job was first seen running.
    pub started_at: Timestamp,
    /// 32 hex digits: the Job's id without dashes.
    pub flink_job_id: String,
    /// Last successful observation that is recorded; reads are answered with the freshest one known.
    pub last_update_time: Timestamp,
    /// A lower bound of Flink's restarts of the job.
    pub observed_flink_job_restarts: i32,
    /// Flink's own word for the job's state, or `UNKNOWN`.
    pub observed_flink_job_status: String,
}
