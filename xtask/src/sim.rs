//! `sim`, `model-check`, `mutants`: the simulator's three ways to look for mistakes.
//!
//! Builds it optimised and runs it; a run counts as one test. Seeds are fresh unless one is given, and always shown.

use anyhow::Result;

use crate::run;
use crate::tally::{self, Tally};

/// Random histories, each judged by the oracle.
pub(crate) fn histories(count: u64, seed: Option<u64>) -> Result<bool> {
    let seed = seed.unwrap_or_else(fresh_seed);
    println!("sim: seed {seed}");
    simulator(&[
        "run",
        "--coverage",
        "--histories",
        &count.to_string(),
        "--seed",
        &seed.to_string(),
    ])
}

/// Every interleaving of a small world.
pub(crate) fn model_check(args: &[String]) -> Result<bool> {
    let args: Vec<_> =
        std::iter::once("model-check").chain(args.iter().map(String::as_str)).collect();
    simulator(&args)
}

/// Every planted bug is found.
pub(crate) fn mutants(args: &[String]) -> Result<bool> {
    let args: Vec<_> = std::iter::once("mutants").chain(args.iter().map(String::as_str)).collect();
    simulator(&args)
}

fn simulator(args: &[&str]) -> Result<bool> {
    let mut cargo = run::cargo()?;
    cargo.args(["run", "--profile", "sim", "-p", "drey-sim", "--"]).args(args);
    tally::close(Tally::of(run::run(&mut cargo)?))
}

/// A seed that no run had before, as good as the time.
fn fresh_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(1, |age| age.as_secs())
}
