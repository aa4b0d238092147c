//! Many Flinks on a small machine: this program, started by `drey serve` in place of Java.
//!
//! ```text
//! java_home.rs   a JAVA_HOME, a cache with an empty Flink 2.2.1, a jar without classes    what Drey has to find
//! flink.rs       the JobManager: the handful of REST calls that a control plane makes      what Drey talks to
//! rest.rs        its HTTP server
//! control.rs     how the bench counts requests and makes a JobManager fall silent
//! ```
//!
//! A TaskManager is `sleep`. What a real Flink adds is time that it takes to start, stop and save, which is measured with
//! a real one.

pub(crate) mod control;
pub(crate) mod flink;
pub(crate) mod java_home;
mod rest;

pub(crate) use control::Fake;
pub(crate) use java_home::JavaHome;

/// The first argument by which this program knows that it is to be a JobManager.
pub(crate) const VERB: &str = "fake-java";
