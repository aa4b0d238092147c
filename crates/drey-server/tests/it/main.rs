//! The HTTP surface as a client sees it: the router on an in-memory store, with a fake backend behind the handle.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests say what went wrong by panicking"
)]

mod world;

mod artifacts;
mod deletes;
mod deployments;
mod errors;
mod flink_ui;
mod formats;
mod hostile;
mod lists;
mod logs;
mod origins;
mod preflight;
mod races;
mod savepoints;
mod secrets;
mod serving;
mod status;
mod targets;
mod trouble;
mod watch;
