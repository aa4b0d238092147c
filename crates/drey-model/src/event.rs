//! The Event: one line of the log of a Deployment or of a SessionCluster, with the platform's own names.
//!
//! Source: platform API reference §1.5, §3.11.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::meta::{API_VERSION, Kind};

/// One line of the event log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Always `Event`.
    pub kind: Kind,
    /// Always `v1`.
    pub api_version: String,
    /// What it is about.
    pub metadata: EventMetadata,
    /// What it says.
    pub spec: EventSpec,
}

impl Event {
    /// An Event.
    #[must_use]
    pub fn new(metadata: EventMetadata, message: String) -> Self {
        Self {
            kind: Kind::Event,
            api_version: API_VERSION.to_owned(),
            metadata,
            spec: EventSpec { message },
        }
    }
}

/// What an Event is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventMetadata {
    /// Unique.
    pub id: Uuid,
    /// What happened.
    pub name: EventName,
    /// The namespace of what it is about.
    pub namespace: String,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// The Deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<Uuid>,
    /// The Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<Uuid>,
    /// The SessionCluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_cluster_id: Option<Uuid>,
    /// The name of the Deployment or of the SessionCluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    /// Always 1: Events never change.
    pub resource_version: i32,
}

/// What an Event says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventSpec {
    /// For people.
    pub message: String,
}

/// What happened (platform API reference §3.11; spellings are the platform's).
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::Display,
    strum::VariantArray,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "the reference lists each name with its reading")]
pub enum EventName {
    StateTransitionIsNeeded,
    FoundAJobToTerminate,
    FoundAJobToWaitForItsTermination,
    AwaitingSavepointCompletionToTransitionToSuspended,
    CreatingASavepointBeforeSuspension,
    FoundACompletedSavepointReadyForSuspension,
    UsingAnUpgradeStrategy,
    CreatingANewJob,
    FailedCreatingANewJob,
    AwaitingAJobToStart,
    FoundAStoppedJobAndWillTerminateIt,
    StateTransitionIsCompleted,
    TransitionedToFinishedState,
    AwaitingAJobToTerminate,
    TooManyFailedSuspensionAttempts,
    TooManyFailedJobCreationAttempts,
    SpinningUpAClusterForAJob,
    SpinningUpAClusterForASessionCluster,
    JobSuccessfullyStarted,
    SessionClusterSuccessfullyStarted,
    JobSuccessfullyFinished,
    AwaitingForAClusterToSpinUp,
    TerminatingAJobDueToAnUnrecoverableFailure,
    AwaitForAClusterToTeardown,
    ResourceQuotaExceeded,
    TransitioningToFailedStateBecauseOfAMissingJob,
    TransitioningToFailedStateBecauseJobNotStarted,
    TransitioningToFailedStateBecauseSavepointFailedInFlink,
    TransitionedToCompleted,
    AwaitingForASavepointToComplete,
    AnUnRecoverableFailureWhileTriggeringASavepoint,
    RecoverableFailureWhileTriggeringASavepoint,
    SuccessfullyTriggeredASavepoint,
    NeedToTriggerASavepoint,
    AnUnrecoverableFailureWhileTakingASavepoint,
    RecoverableFailureWhileCheckingASavepointStatus,
    FoundAnOldJobAndWillTerminateIt,
    CouldNotFindAJobToSuspend,
    JobIsNotConfiguredWithSavepointSupport,
    ReferencedDeploymentTargetDoesNotExist,
    GeneralFailure,
    FailedToCreateClusterForJob,
    MultipleNonTerminalJobs,
    SessionClusterSuccessfullyStopped,
    FailedToStopSessionCluster,
    TerminatingASessionClusterDueToAnUnrecoverableFailure,
    External,
}
