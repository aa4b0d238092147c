//! The HTTP surface as a client sees it: the router on an in-memory store, with a fake backend behind the handle.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests say what went wrong by panicking"
)]

mod contract;
mod guard;
mod provider;
mod world;

mod access;
mod artifacts;
mod audit;
mod cluster_users;
mod compat;
mod defaults;
mod deletes;
mod deployments;
mod dry_runs;
mod errors;
mod flink_ui;
mod formats;
mod hostile;
mod lists;
mod login;
mod logs;
mod namespaces;
mod openapi;
mod origins;
mod preflight;
mod quota;
mod races;
mod savepoints;
mod secrets;
mod serving;
mod session_clusters;
mod status;
mod targets;
mod tokens;
mod tolerance;
mod trouble;
mod watch;
