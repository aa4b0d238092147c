//! `test`: the checks, then every fast test of the workspace, then the totals.
//!
//! Plain `cargo test`, because a fresh machine has nothing else. Nothing here needs the network, a database server, a
//! JVM or a cluster; what does has a verb of its own.

use std::process::Command;

use anyhow::Result;

use crate::tally::{self, Tally};
use crate::{check, run};

/// Runs everything, also after a failure, and says whether all of it passed.
pub(crate) fn test(args: &[String]) -> Result<bool> {
    let mut total = check::all()?;
    total += cargo_test(run::cargo()?.args(["test", "--workspace", "--no-fail-fast"]).args(args))?;
    tally::close(total)
}

/// Runs a `cargo test` command and counts its tests.
pub(crate) fn cargo_test(cargo: &mut Command) -> Result<Tally> {
    let mut total = Tally::default();
    let success = run::run_reading(cargo, |line| {
        if let Some(part) = Tally::parse(line) {
            total += part;
        }
    })?;
    Ok(judged(total, success))
}

/// A build error or a test program that died prints no result line; it must still count as a failure.
fn judged(mut total: Tally, success: bool) -> Tally {
    if !success {
        total.failed = total.failed.max(1);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_test_programs_are_added_up() {
        let script = "for n in 3 4; do echo \"test result: ok. $n passed; 0 failed; 1 ignored; 0 measured\"; done";
        let tally = cargo_test(run::command("sh").args(["-c", script])).unwrap();
        assert_eq!(tally, Tally { passed: 7, failed: 0, skipped: 2 });
    }

    #[test]
    fn a_build_that_fails_is_a_failure() {
        let tally = cargo_test(run::command("sh").args(["-c", "exit 101"])).unwrap();
        assert_eq!(tally, Tally { passed: 0, failed: 1, skipped: 0 });
    }
}
