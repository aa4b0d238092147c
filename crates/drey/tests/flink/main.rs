//! Drey's own binary with a real Flink: what nothing else can show, namely that Flink does what we believe.
//!
//! ```text
//! cargo xtask test-flink ─► builds drey with faults, installs a Flink, compiles the fixture jobs
//!                        ─► this suite, once per version, one test at a time
//!
//! test ─► Server (harness): `drey serve` on a data folder of its own ─► REST ─► Flink processes
//!            └─ Sentinel: from the side, all the time: are there ever two live jobs of one Deployment?
//! ```
//!
//! The fixture jobs count records and print, whenever they open, how many they were restored with; that line is the
//! proof of state (`tests/fixtures/flink-jobs/README.md`). Each test leaves no process behind, passed or failed.
//!
//! Environment: `DREY_TEST_JAR` (the fixture jobs), `DREY_TEST_FLINK` (the version), `DREY_TEST_BIN` (optional),
//! `DREY_TEST_QUICK=1` (fewer crash points).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod harness;

mod adoption;
mod conditions;
mod crashes;
mod dashboard;
mod failures;
mod faults;
mod guarded;
mod input;
mod lifecycle;
mod python;
mod quota;
mod resources;
mod savepoints;
mod secrets;
mod sessions;
mod shared_programs;
mod sql;
mod unmappable;
mod upgrades;
