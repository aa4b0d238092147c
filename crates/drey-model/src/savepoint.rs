//! The Savepoint: any restorable snapshot, also a retained checkpoint; `origin` says which.
//!
//! Source: platform API reference §1.6, §3.12.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::meta::{API_VERSION, Failure, Kind, TextMap};

/// A restorable snapshot of a Deployment's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Savepoint {
    /// Always `Savepoint`.
    pub kind: Kind,
    /// Always `v1`.
    pub api_version: String,
    /// Identity, origin and bookkeeping.
    pub metadata: SavepointMetadata,
    /// Where it is.
    pub spec: SavepointSpec,
    /// How far it is.
    pub status: SavepointStatus,
}

impl Savepoint {
    /// A Savepoint in `state`.
    #[must_use]
    pub fn new(metadata: SavepointMetadata, spec: SavepointSpec, state: SavepointState) -> Self {
        Self {
            kind: Kind::Savepoint,
            api_version: API_VERSION.to_owned(),
            metadata,
            spec,
            status: SavepointStatus { state, failure: None },
        }
    }
}

/// Identity of a Savepoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SavepointMetadata {
    /// Chosen by us before anything happens.
    pub id: Uuid,
    /// The namespace of the Deployment.
    pub namespace: String,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// When it was last written.
    pub modified_at: Timestamp,
    /// The Deployment whose state it is.
    pub deployment_id: Uuid,
    /// The Job it was taken from; absent when registered by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<Uuid>,
    /// Why it exists.
    pub origin: SavepointOrigin,
    /// Full or incremental.
    #[serde(default, rename = "type")]
    pub kind: SavepointType,
    /// Holds the spec.version of the Deployment at that time.
    #[serde(default)]
    pub annotations: TextMap,
    /// 1 on creation, one higher after each write.
    pub resource_version: i32,
}

/// Why a Savepoint exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum SavepointOrigin {
    /// A user asked for it.
    UserRequest,
    /// A suspension.
    Suspend,
    /// The stop of a stateful upgrade.
    SuspendAndUpgrade,
    /// Registered by hand, or copied from another Deployment.
    Copied,
    /// The newest checkpoint that was left when a Job ended.
    RetainedCheckpoint,
}

/// Whether a snapshot stands alone.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display,
)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
pub enum SavepointType {
    /// Not known.
    #[default]
    Unknown,
    /// Stands alone.
    Full,
    /// Refers to files of other checkpoints.
    Incremental,
}

/// Where the snapshot is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SavepointSpec {
    /// URI of the snapshot; present once it is complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub savepoint_location: Option<String>,
    /// Flink's trigger id, as a UUID; all zeros when registered by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flink_savepoint_id: Option<Uuid>,
}

/// How far a Savepoint is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SavepointStatus {
    /// STARTED, COMPLETED or FAILED, and the states of deletion.
    pub state: SavepointState,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// States of a Savepoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum SavepointState {
    /// Recorded; being taken.
    Started,
    /// Can be restored from.
    Completed,
    /// Could not be taken.
    Failed,
    /// Its data will be removed.
    PendingDeletion,
    /// Its data is being removed.
    Deleting,
    /// Its data could not be removed.
    FailedDeletion,
}
