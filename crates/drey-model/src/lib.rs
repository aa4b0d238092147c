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

pub mod args;
pub mod causes;
pub mod defaults;
pub mod deployment;
pub mod diff;
pub mod document;
pub mod duration;
pub mod event;
pub mod explanation;
pub mod job;
pub mod merge;
pub mod meta;
pub mod nearest;
pub mod patchset;
pub mod problem;
pub mod quantity;
pub mod savepoint;
pub mod seen;
pub mod selector;
pub mod session_cluster;
pub mod shape;
pub mod target;
pub mod validate;
pub mod write;

pub use defaults::{DeploymentDefaults, GlobalDeploymentDefaults, GlobalSessionClusterDefaults};
pub use deployment::{Deployment, DeploymentSpec, DeploymentState, DesiredState};
pub use diff::Launched;
pub use event::{Event, EventName};
pub use explanation::{Explanation, Wait};
pub use job::{Job, JobState};
pub use meta::{Kind, List, Metadata};
pub use problem::{ErrorBody, Problem};
pub use savepoint::{Savepoint, SavepointOrigin, SavepointState};
pub use seen::Seen;
pub use session_cluster::{ClusterState, DesiredClusterState, SessionCluster, SessionRun};
pub use target::DeploymentTarget;
pub use write::{Accepted, WriteContext};
