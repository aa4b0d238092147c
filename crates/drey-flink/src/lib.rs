//! Everything Drey knows about Flink: its REST API, its configuration, its versions, and where to get it.
//!
//! ```text
//! before a start   versions ── dist ── jdk ── artifact ── jar ── bundle   what is needed, fetched
//!                  sql ── compile ── driver ── program               what is run: the same for each kind of artifact
//! at the start     config ── memory ── logging ── yaml ── launch     command lines and files (pure)
//! while it runs    client ── wire                                    the JobManager's REST API, behind `FlinkApi`
//! ```
//!
//! Does not own processes or pods (`drey-cluster`, `drey-kubernetes`), nor any decision (`drey-engine`).

pub mod api;
pub mod artifact;
pub mod bundle;
pub mod client;
pub mod compile;
pub mod config;
pub mod dist;
pub mod driver;
mod hash;
pub mod jar;
pub mod jdk;
pub mod launch;
pub mod logging;
pub mod memory;
pub mod program;
pub mod sql;
pub mod versions;
pub mod wire;
pub mod yaml;

pub use api::{FlinkApi, Submission, Trigger};
pub use client::Client;
