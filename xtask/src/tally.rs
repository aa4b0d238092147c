//! Counting tests: from the result lines of test programs to the line of totals that ends a run.
//!
//! ```text
//! test result: ok. 12 passed; 0 failed; 1 ignored; ...     one per test program
//!                   └──────────┬─────────┘
//! 120 passed, 0 failed, 3 skipped                          the end of a verb
//! 134 passed, 0 failed                                     the end of CI: all verbs together
//! ```
//!
//! The verbs of one CI run are separate processes, so each adds its numbers to the file that `DREY_TALLY` names. Checks
//! (format, lints, tidy) count as one test each: a run that fails must not end with "0 failed".

use std::fmt;
use std::io::Write;
use std::ops::AddAssign;
use std::path::Path;

use anyhow::{Context, Result};

/// The variable with the file in which verbs of one run add up.
const FILE_VARIABLE: &str = "DREY_TALLY";

/// How many tests ended how.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    /// One check.
    pub(crate) fn of(success: bool) -> Self {
        Self { passed: u64::from(success), failed: u64::from(!success), skipped: 0 }
    }

    /// One check that could not run here.
    pub(crate) const SKIPPED: Self = Self { passed: 0, failed: 0, skipped: 1 };

    /// The numbers of a `test result:` line; `None` for every other line.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let count = |word: &str| {
            let part = counts.split(';').find_map(|p| p.trim().strip_suffix(word))?;
            part.trim().parse::<u64>().ok()
        };
        Some(Self {
            passed: count("passed")?,
            failed: count("failed")?,
            skipped: count("ignored")?,
        })
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Ends a verb: prints its totals and, within a CI run, the totals so far. Says whether the verb succeeded.
pub(crate) fn close(tally: Tally) -> Result<bool> {
    println!("\n{tally}");
    if let Some(file) = std::env::var_os(FILE_VARIABLE) {
        let total = add_to(Path::new(&file), tally)?;
        println!("{} passed, {} failed", total.passed, total.failed);
    }
    std::io::stdout().flush()?;
    Ok(tally.failed == 0)
}

/// Appends `tally` to `file` and returns the sum of all that is in it.
fn add_to(file: &Path, tally: Tally) -> Result<Tally> {
    let mut text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(e).with_context(|| format!("reading {}", file.display())),
    };
    text += &format!(
        "test result: sum. {} passed; {} failed; {} ignored\n",
        tally.passed, tally.failed, tally.skipped
    );
    std::fs::write(file, &text).with_context(|| format!("writing {}", file.display()))?;
    let mut total = Tally::default();
    text.lines().filter_map(Tally::parse).for_each(|part| total += part);
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn tally(passed: u64, failed: u64, skipped: u64) -> Tally {
        Tally { passed, failed, skipped }
    }

    #[test]
    fn a_result_line_is_counted() {
        let line = "test result: FAILED. 7 passed; 2 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.1s";
        assert_eq!(Tally::parse(line), Some(tally(7, 2, 1)));
    }

    #[test]
    fn other_lines_are_not() {
        assert_eq!(Tally::parse("test parses_it ... ok"), None);
        assert_eq!(Tally::parse("test result: strange"), None);
    }

    #[test]
    fn verbs_of_one_run_add_up() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tally");
        assert_eq!(add_to(&file, tally(5, 0, 1)).unwrap(), tally(5, 0, 1));
        assert_eq!(add_to(&file, tally(3, 1, 0)).unwrap(), tally(8, 1, 1));
    }
}
