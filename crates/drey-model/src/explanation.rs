//! Why a Deployment is where it is: our addition under `/ext/v1`, written by the controller with each decision.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::deployment::{DeploymentState, DesiredState};
use crate::meta::Failure;

/// One causal chain: desired, actual, because, what happens next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Explanation {
    /// The spec.version that it is about; an older one than the Deployment's: the controller has not looked yet.
    pub spec_version: i64,
    /// What the user wants.
    pub desired: DesiredState,
    /// What is.
    pub actual: DeploymentState,
    /// One sentence for people.
    pub summary: String,
    /// What is being waited for; absent when nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
    /// When the next attempt is made, while one is put off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    /// Failed job starts that count.
    pub failed_job_attempts: u32,
    /// How many are allowed.
    pub max_job_attempts: u32,
    /// Failed savepoints that count.
    pub failed_savepoint_attempts: u32,
    /// How many are allowed.
    pub max_savepoint_attempts: u32,
    /// Why the transition was given up, or the last attempt's failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The Job that is active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_job_id: Option<Uuid>,
    /// Whether the active Job was seen to complete a checkpoint: what Flink's own recovery goes back to.
    pub has_checkpoint: bool,
    /// The snapshot that the next start would restore.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restores_from: Option<String>,
    /// Commands or edits that help.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<String>,
}

/// Something being waited for. Every wait has a deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Wait {
    /// For people.
    pub what: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when; then something else is done.
    pub until: Timestamp,
}
