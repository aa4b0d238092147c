//! The Deployment: what a user declares, and what the server reports about it.
//!
//! Field list, enums and defaults: platform API reference §1.1; seeds 000, 001, 002. Stored Deployments are
//! always fully expanded by [`crate::defaults`], so members with a default are not optional here.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::meta::{API_VERSION, Kind, Metadata, SPEC_VERSION, TextMap};

/// A declared Flink job: desired state, template and policies, with zero or one active Flink job behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// Always `Deployment`.
    pub kind: Kind,
    /// Always `v1`.
    pub api_version: String,
    /// Identity and bookkeeping.
    pub metadata: Metadata,
    /// What the user wants.
    pub spec: DeploymentSpec,
    /// What the controller sees.
    #[serde(default)]
    pub status: DeploymentStatus,
}

impl Deployment {
    /// A Deployment that has not run yet.
    #[must_use]
    pub fn new(metadata: Metadata, spec: DeploymentSpec) -> Self {
        Self {
            kind: Kind::Deployment,
            api_version: API_VERSION.to_owned(),
            metadata,
            spec,
            status: DeploymentStatus::default(),
        }
    }

    /// The number in the spec.version annotation; 0 when it is absent or not a number.
    #[must_use]
    pub fn spec_version(&self) -> i64 {
        let text = self.metadata.annotations.get(SPEC_VERSION);
        text.and_then(|t| t.parse().ok()).unwrap_or(0)
    }
}

/// Desired configuration (platform API reference §1.1.2).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentSpec {
    /// Whether a Flink job should run.
    pub state: DesiredState,
    /// Application mode: the DeploymentTarget to run in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment_target_name: Option<String>,
    /// Legacy alternative to `deploymentTargetName`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment_target_id: Option<Uuid>,
    /// Session mode: the SessionCluster to run in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_cluster_name: Option<String>,
    /// What happens to a running job when the template changes.
    pub upgrade_strategy: UpgradeStrategy,
    /// Which snapshot a new job starts from.
    pub restore_strategy: RestoreStrategy,
    /// Failed savepoints for a suspension or an upgrade before giving up. At least 1.
    #[serde(default = "four")]
    #[schemars(range(min = 1))]
    pub max_savepoint_creation_attempts: i32,
    /// Failed job starts before giving up. At least 1.
    #[serde(default = "four")]
    #[schemars(range(min = 1))]
    pub max_job_creation_attempts: i32,
    /// Failed job starts older than this do not count; a duration such as `321 s`. Absent or zero: they always count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_failure_expiration_time: Option<String>,
    /// What to run, and how.
    pub template: DeploymentTemplate,
}

fn four() -> i32 {
    4
}

/// What the user wants of the job.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display,
)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
pub enum DesiredState {
    /// A Flink job runs as the template says.
    Running,
    /// The job is stopped with a savepoint.
    Suspended,
    /// No job runs.
    #[default]
    Cancelled,
}

/// What happens to a running job when the template changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct UpgradeStrategy {
    /// The strategy.
    pub kind: UpgradeKind,
}

/// Kinds of [`UpgradeStrategy`].
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display,
)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
pub enum UpgradeKind {
    /// Stop with a savepoint, then start the new job.
    #[default]
    Stateful,
    /// Cancel, then start the new job.
    Stateless,
    /// Leave the running job alone; the new template holds from the next start.
    None,
}

/// Which snapshot a new job starts from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RestoreStrategy {
    /// The strategy.
    pub kind: RestoreKind,
    /// Whether state of operators that the new program lacks may be dropped.
    pub allow_non_restored_state: bool,
}

/// Kinds of [`RestoreStrategy`].
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum RestoreKind {
    /// The newest snapshot of any origin, retained checkpoints included.
    #[default]
    LatestState,
    /// The newest savepoint.
    LatestSavepoint,
    /// Empty state.
    None,
}

/// The part of a Deployment that each Job is made from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentTemplate {
    /// Annotations that are passed on to Jobs.
    pub metadata: TemplateMetadata,
    /// Artifact and cluster shape.
    pub spec: TemplateSpec,
}

/// Metadata of a template.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TemplateMetadata {
    /// Passed on to Jobs.
    pub annotations: TextMap,
}

/// What to run, and in which cluster (platform API reference §1.1.4).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TemplateSpec {
    /// The program.
    pub artifact: Artifact,
    /// Default parallelism of the job. At least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub parallelism: Option<i32>,
    /// TaskManagers of the cluster; default `ceil(parallelism / slots)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub number_of_task_managers: Option<i32>,
    /// Keys `jobmanager` and `taskmanager`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, ResourceSpec>,
    /// Flink configuration, flat keys.
    pub flink_configuration: TextMap,
    /// Log levels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
    /// Options of the Kubernetes backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesOptions>,
    /// Seconds between two looks at the latest checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_checkpoint_fetch_interval: Option<i32>,
}

impl TemplateSpec {
    /// Slots of one TaskManager: `taskmanager.numberOfTaskSlots`, 1 when unset or not a number.
    #[must_use]
    pub fn slots(&self) -> i32 {
        let text = self.flink_configuration.get("taskmanager.numberOfTaskSlots");
        text.and_then(|t| t.trim().parse().ok()).filter(|n| *n >= 1).unwrap_or(1)
    }

    /// Parallelism, 1 when unset.
    #[must_use]
    pub fn effective_parallelism(&self) -> i32 {
        self.parallelism.unwrap_or(1)
    }

    /// TaskManagers to start: as given, else `ceil(parallelism / slots)`.
    #[must_use]
    pub fn effective_task_managers(&self) -> i32 {
        let needed = self.effective_parallelism().saturating_add(self.slots() - 1) / self.slots();
        self.number_of_task_managers.unwrap_or(needed.max(1))
    }
}

/// The program to run; which members are present depends on `kind` (platform API reference §1.1.5).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Artifact {
    /// What sort of program it is.
    pub kind: ArtifactKind,
    /// JAR: where the jar is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jar_uri: Option<String>,
    /// JAR: main class; default: the manifest's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_class: Option<String>,
    /// JAR, PYTHON: program arguments, split as a shell would.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub main_args: Option<String>,
    /// SQLSCRIPT: the script.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sql_script: Option<String>,
    /// PYTHON: the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub python_artifact_uri: Option<String>,
    /// PYTHON: the module to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_module: Option<String>,
    /// Further files for the class path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_dependencies: Option<Vec<String>>,
    /// PYTHON: libraries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_python_libraries: Option<Vec<String>>,
    /// PYTHON: archives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_python_archives: Option<Vec<String>>,
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
}

/// Kinds of [`Artifact`].
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display,
)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
pub enum ArtifactKind {
    /// A jar with a main class.
    #[default]
    Jar,
    /// A SQL script.
    SqlScript,
    /// A Python program.
    Python,
}

/// CPU and memory of one process (platform API reference §1.1.6).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceSpec {
    /// Cores. At least 0.1.
    #[schemars(range(min = 0.1))]
    pub cpu: f64,
    /// Bytes with an optional decimal unit `k`, `m` or `g`, in either case: `1G`, `1.5g`, `800m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
}

impl Default for ResourceSpec {
    fn default() -> Self {
        Self { cpu: 1.0, memory: None }
    }
}

/// Log levels (platform API reference §1.1.7).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Logging {
    /// A profile of the platform; `default` is the only one here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging_profile: Option<String>,
    /// Logger to level; the key `""` is the root logger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log4j_loggers: Option<TextMap>,
    /// A whole Log4j 2 XML configuration; takes precedence over the profile.
    #[serde(skip_serializing_if = "Option::is_none", rename = "log4j2ConfigurationTemplate")]
    pub log4j2_configuration_template: Option<String>,
}

/// Options of the Kubernetes backend; `pods` and the templates exclude each other.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct KubernetesOptions {
    /// The simple option set, kept as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<Value>,
    /// A pod template, kept as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_manager_pod_template: Option<Value>,
    /// A pod template, kept as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_manager_pod_template: Option<Value>,
    /// Labels of the Kubernetes resources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<TextMap>,
}

/// What the controller reports; computed from facts, never set by hand (seed 001, "Deployment Status").
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentStatus {
    /// The observed state.
    pub state: DeploymentState,
    /// Present only while `state` is RUNNING.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<Running>,
}

/// The observed state of a Deployment.
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
pub enum DeploymentState {
    /// A Flink job was started as declared and has not ended.
    Running,
    /// A savepoint was taken and the job has ended.
    Suspended,
    /// No job, no savepoint asked for.
    #[default]
    Cancelled,
    /// On the way to the desired state.
    Transitioning,
    /// A transition failed; a person has to act. A Flink job may still be alive.
    Failed,
    /// The job ended by itself.
    Finished,
}

/// Facts about a running Deployment (seed 001).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Running {
    /// The Job of this run.
    pub job_id: Uuid,
    /// When RUNNING was reached.
    pub transition_time: Timestamp,
    /// ClusterUnreachable, JobFailing, JobUnstable.
    #[serde(default)]
    pub conditions: Vec<DeploymentCondition>,
}

/// One condition (seed 001, "Deployment Conditions").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentCondition {
    /// Which condition.
    #[serde(rename = "type")]
    pub kind: ConditionKind,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Short text for people.
    pub message: String,
    /// One word for programs.
    pub reason: String,
    /// When `status` last changed.
    pub last_transition_time: Timestamp,
    /// When anything of the condition last changed.
    pub last_update_time: Timestamp,
}

/// The conditions that exist.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::Display,
    strum::VariantArray,
)]
pub enum ConditionKind {
    /// The Flink job was last observed in an unknown status.
    ClusterUnreachable,
    /// 3 or more restarts within the last 10 minutes.
    JobFailing,
    /// 3 or more restarts within the last 60 minutes.
    JobUnstable,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It was not found to hold.
    False,
    /// It could not be determined.
    Unknown,
}
