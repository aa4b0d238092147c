//! The DeploymentTarget: where Deployments run, and the patch set applied to those that refer to it.
//!
//! Source: seed 004, platform API reference §1.2. `spec.local` is our extension beside `kubernetes`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::{API_VERSION, Kind, Metadata};

/// The name of the target that exists from the first start and runs local processes.
pub const LOCAL_TARGET: &str = "local";

/// A place to run Deployments in. Its `spec` never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentTarget {
    /// Always `DeploymentTarget`.
    pub kind: Kind,
    /// Always `v1`.
    pub api_version: String,
    /// Identity and bookkeeping.
    pub metadata: Metadata,
    /// Where and how.
    pub spec: DeploymentTargetSpec,
}

impl DeploymentTarget {
    /// A target.
    #[must_use]
    pub fn new(metadata: Metadata, spec: DeploymentTargetSpec) -> Self {
        Self { kind: Kind::DeploymentTarget, api_version: API_VERSION.to_owned(), metadata, spec }
    }
}

/// Exactly one of `kubernetes` and `local` is present.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentTargetSpec {
    /// Run in Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesTarget>,
    /// Run as processes on the server's machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalTarget>,
    /// RFC 6902 operations, applied in order to each Deployment that refers to this target, whenever it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment_patch_set: Option<Vec<serde_json::Value>>,
}

/// A Kubernetes namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct KubernetesTarget {
    /// Default: the namespace that the server runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// Local processes; no settings yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LocalTarget {}
