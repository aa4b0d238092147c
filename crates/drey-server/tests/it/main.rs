//! The HTTP surface as a client sees it: the router on an in-memory store, with a fake backend behind the handle.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests say what went wrong by panicking"
)]

mod contract;
mod world;

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
mod logs;
mod openapi;
mod origins;
mod preflight;
mod races;
mod savepoints;
mod serving;
mod session_clusters;
mod status;
mod targets;
mod tolerance;
mod trouble;
mod watch;
