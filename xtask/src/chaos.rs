//! `chaos`: some minutes of random mishaps on real Flink, and the proof that they did no harm.
//!
//! Prepares what `crates/drey/tests/chaos` needs; what happens there is that program's business.

use anyhow::Result;

use crate::suite::cargo_test;
use crate::{flink, run, tally};

/// The newest version that is tested.
pub(crate) const VERSION: &str = "2.2.1";

/// Runs it; says whether every check held.
pub(crate) fn chaos(minutes: f64, seed: Option<u64>, version: &str) -> Result<bool> {
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("chaos: seed {seed}, {minutes} minutes, Flink {version}");
    let binary = flink::build()?;
    let jar = flink::prepare(&binary, version)?;
    let mut cargo = run::cargo()?;
    cargo.args(["test", "-p", "drey", "--features", "faults", "--test", "chaos"]);
    cargo.env("DREY_CHAOS_MINUTES", minutes.to_string()).env("DREY_CHAOS_SEED", seed.to_string());
    cargo.env("DREY_TEST_BIN", binary).env("DREY_TEST_JAR", jar).env("DREY_TEST_FLINK", version);
    tally::close(cargo_test(&mut cargo)?)
}
