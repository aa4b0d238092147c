//! The nouns of Drey: resources, enums, defaults, merge rules and validation. Pure: no clock, no randomness, no I/O.
//!
//! ```text
//! text ─document─► Document ─shape─► normalised Value + [Problem] + warnings
//!                                       │ merge (patch, $patch) · defaults · patchset
//!                                       ▼
//!                                  Deployment ─validate─► [Problem]
//!
//! write: the whole way, once per kind of request          diff: what a change does to a running job
//! ```
//!
//! Owns what a resource *is*. Does not own what to do about it (`drey-engine`) or where it is kept (`drey-store`).

pub mod api_token;
pub mod args;
pub mod artifact_file;
pub mod causes;
pub mod configuration;
pub mod defaults;
pub mod deployment;
pub mod diff;
pub mod document;
pub mod duration;
pub mod event;
pub mod explanation;
pub mod job;
pub mod log_template;
pub mod merge;
pub mod meta;
pub mod namespace;
pub mod nearest;
pub mod patchset;
pub mod problem;
pub mod quantity;
pub mod quota;
pub mod role;
pub mod savepoint;
pub mod secret;
pub mod seen;
pub mod selector;
pub mod session_cluster;
pub mod shape;
pub mod target;
pub mod validate;
pub mod write;

pub use api_token::ApiToken;
pub use defaults::{DeploymentDefaults, GlobalDeploymentDefaults, GlobalSessionClusterDefaults};
pub use deployment::{Deployment, DeploymentSpec, DeploymentState, DesiredState};
pub use diff::Launched;
pub use event::{Event, EventName};
pub use explanation::{Explanation, Wait};
pub use job::{Job, JobState};
pub use meta::{Kind, List, Metadata};
pub use namespace::Namespace;
pub use problem::{ErrorBody, Problem};
pub use role::Role;
pub use savepoint::{Savepoint, SavepointOrigin, SavepointState};
pub use secret::SecretValue;
pub use seen::Seen;
pub use session_cluster::{ClusterState, DesiredClusterState, SessionCluster, SessionRun};
pub use target::DeploymentTarget;
pub use write::{Accepted, WriteContext};
