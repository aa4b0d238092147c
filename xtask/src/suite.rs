//! `test`: the checks, then every fast test of the workspace, then the totals.
//!
//! Plain `cargo test`, because a fresh machine has nothing else. Nothing here needs the network, a database server, a
//! JVM or a cluster; what does has a verb of its own.

use std::process::Command;

use anyhow::Result;

use crate::tally::{self, Tally};
use crate::{check, run};

/// More than this of what failed is only in the output above.
const SAID_AGAIN_LINES_MAX: usize = 200;

/// Runs everything, also after a failure, and says whether all of it passed.
pub(crate) fn test(args: &[String]) -> Result<bool> {
    let mut total = check::all()?;
    total += cargo_test(run::cargo()?.args(["test", "--workspace", "--no-fail-fast"]).args(args))?;
    tally::close(total)
}

/// Runs a `cargo test` command and counts its tests; what failed is said again at the end, where people look.
pub(crate) fn cargo_test(cargo: &mut Command) -> Result<Tally> {
    let mut total = Tally::default();
    let mut failures = Failures::default();
    let success = run::run_reading(cargo, |line| {
        failures.read(line);
        if let Some(part) = Tally::parse(line) {
            total += part;
        }
    })?;
    for line in &failures.lines {
        println!("{line}");
    }
    Ok(judged(total, success))
}

/// What test programs say of their failures: from `failures:` to their result.
#[derive(Default)]
struct Failures {
    lines: Vec<String>,
    is_inside: bool,
}

impl Failures {
    fn read(&mut self, line: &str) {
        if line == "failures:" {
            self.is_inside = true;
        } else if Tally::parse(line).is_some() {
            self.is_inside = false;
        }
        if self.is_inside && self.lines.len() < SAID_AGAIN_LINES_MAX {
            self.lines.push(line.to_owned());
        }
    }
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
    fn what_failed_is_remembered() {
        let mut failures = Failures::default();
        let said = "running 2 tests\ntest a ... ok\n\nfailures:\n\n---- b stdout ----\nboom\n\n\
                    test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured\nrunning 0 tests";
        said.lines().for_each(|line| failures.read(line));
        assert_eq!(failures.lines.join("|"), "failures:||---- b stdout ----|boom|");
    }

    #[test]
    fn a_build_that_fails_is_a_failure() {
        let tally = cargo_test(run::command("sh").args(["-c", "exit 101"])).unwrap();
        assert_eq!(tally, Tally { passed: 0, failed: 1, skipped: 0 });
    }
}
