//! The envelope that every resource shares: metadata, annotations with a meaning, and lists.
//!
//! Owns identity and bookkeeping fields; what a resource *is* lives in its own module.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The only `apiVersion` of the Application Manager resources.
pub const API_VERSION: &str = "v1";
/// The namespace that exists from the first start.
pub const DEFAULT_NAMESPACE: &str = "default";

/// System annotation: a whole number as text, one higher after each change of `spec`; copied to the
/// Jobs and Savepoints that derive from it (platform API reference §1.1.8).
pub const SPEC_VERSION: &str = "com.dataartisans.appmanager.controller.deployment.spec.version";
/// System annotation: `"true"` while a transition is under way (platform API reference §1.1.8).
pub const TRANSITIONING: &str = "com.dataartisans.appmanager.controller.deployment.transitioning";
/// System annotation: when the transition began, milliseconds since the epoch as text.
pub const TRANSITIONING_SINCE: &str =
    "com.dataartisans.appmanager.controller.deployment.transitioning.since";
/// User annotation: `"true"` makes a suspension or a stateful upgrade drain the pipeline.
pub const STOP_WITH_DRAIN: &str =
    "com.dataartisans.appmanager.controller.deployment.stop-with-drain";
/// User annotation: `"true"` is non-production mode, which the CPU quota leaves out.
pub const NON_PRODUCTION: &str = "license/testing";
/// User annotation on a Deployment in session mode: the id of the Job that is given up without waiting for Flink to cancel
/// it (seed 001, "Force Cancellation").
pub const FORCE_CANCELLATION: &str = "deployment.sessionmode.force-cancellation";
/// User annotation on a Deployment in session mode: seconds that a submission may take (seed 001, "Job Submission
/// Timeout").
pub const SUBMISSION_TIMEOUT: &str = "deployment.sessionmode.job-submission-timeout-seconds";

/// Labels or annotations: text to text.
pub type TextMap = BTreeMap<String, String>;

/// The kinds of resource that this server stores.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(ascii_case_insensitive)]
pub enum Kind {
    /// A declared Flink job.
    Deployment,
    /// Where Deployments run.
    DeploymentTarget,
    /// What Deployments of a namespace are filled up with.
    DeploymentDefaults,
    /// A Flink cluster that several Deployments share.
    SessionCluster,
    /// One run of a Deployment.
    Job,
    /// A restorable snapshot.
    Savepoint,
    /// One line of the event log.
    Event,
    /// A text for jobs that is never shown.
    SecretValue,
}

/// Identity and bookkeeping of a named, user-written resource (platform API reference §1.0.1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// Globally unique, chosen by the server.
    pub id: Uuid,
    /// Unique per namespace and kind; never changes.
    pub name: String,
    /// Free text beside the name (Deployments only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The namespace that holds the resource.
    pub namespace: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last written, by a user or by the controller.
    pub modified_at: Timestamp,
    /// User labels, matched by `labelSelector`.
    pub labels: TextMap,
    /// User and system annotations.
    pub annotations: TextMap,
    /// 1 on creation, one higher after each write.
    pub resource_version: i32,
}

/// A list of resources, newest first (platform API reference §1.0.3).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ResourceListOf{T}")]
pub struct List<T> {
    /// `<Kind>List`.
    pub kind: String,
    /// Always `v1`.
    pub api_version: String,
    /// Always empty: lists are not paged.
    pub metadata: BTreeMap<String, String>,
    /// The resources.
    pub items: Vec<T>,
}

impl<T> List<T> {
    /// A list of `kind`.
    #[must_use]
    pub fn of(kind: Kind, items: Vec<T>) -> Self {
        Self {
            kind: format!("{kind}List"),
            api_version: API_VERSION.to_owned(),
            metadata: BTreeMap::new(),
            items,
        }
    }
}

/// Why something ended badly (platform API reference §1.4, §1.6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// For people: what failed, why, and what to do.
    pub message: String,
    /// For programs: one word.
    pub reason: String,
    /// When it was noticed.
    pub failed_at: Timestamp,
}
