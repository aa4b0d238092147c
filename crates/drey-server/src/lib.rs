//! The HTTP server: the platform's API, our additions, the Flink dashboards, and metrics.
//!
//! ```text
//! routes ──► router ──► middleware ──► api | ext ──► ops (one method per operation) ──► store
//! (the table)                          flink_ui ──► JobManager             └──► controller (wake, logs, knowledge)
//! ```
//!
//! Owns how things look on the wire, and the checks that a write needs from the store (references, preconditions).
//! Does not own what a document means (`drey-model`), or what follows from it (`drey-controller`).

mod api;
mod app;
mod artifacts;
mod audit;
mod auth;
mod bootstrap;
mod ending;
mod error;
mod ext;
mod flink_ui;
mod hosts;
mod metrics;
mod middleware;
mod openapi;
mod ops;
mod preflight;
mod router;
mod routes;
mod serve;
mod turns;
mod wire;

pub use app::{App, Build, SharedRegistry, World};
pub use artifacts::{ARTIFACT_BYTES_MAX, ArtifactStorage};
pub use auth::{AccessControl, AccessSettings, OidcSettings, SECRET_LEN_MIN, new_secret};
pub use bootstrap::{Error as BootstrapError, bootstrap};
pub use hosts::Hosts;
pub use metrics::count_by;
pub use openapi::{openapi, swagger};
pub use preflight::{Preflight, Processes};
pub use router::router;
pub use routes::{Access, Deadline, Method, Permission, Resource, Route, Tag, routes};
pub use serve::serve;
