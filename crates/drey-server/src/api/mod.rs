//! The platform's own endpoints (platform API reference §2.2): parse, call one method, shape the answer.

pub(crate) mod artifacts;
pub(crate) mod audit;
pub(crate) mod auth;
pub(crate) mod contract;
pub(crate) mod defaults;
pub(crate) mod deployments;
pub(crate) mod events;
pub(crate) mod jobs;
pub(crate) mod namespaces;
pub(crate) mod savepoints;
pub(crate) mod secrets;
pub(crate) mod session_clusters;
pub(crate) mod status;
pub(crate) mod targets;
pub(crate) mod tokens;
