//! `check`: the three judges that need no test to run: rustfmt, clippy and [tidy](crate::tidy).
//!
//! All three run even when the first one complains, so that one round shows everything there is to fix.

use anyhow::Result;

use crate::tally::Tally;
use crate::{run, tidy};

/// Format, lints, tidy; each counts as one test.
pub(crate) fn all() -> Result<Tally> {
    let mut tally = Tally::default();
    tally += component("rustfmt", "fmt", &["--all", "--check"])?;
    // With fault injection: the suites on real Flink exist only with it, and are to be seen by the lints.
    let code = ["--workspace", "--all-targets", "--features", "drey/faults"];
    let strict = [&code[..], &["--", "-D", "warnings"]].concat();
    tally += component("clippy", "clippy", &strict)?;
    tally += Tally::of(tidy::report(&run::root()?)?);
    Ok(tally)
}

/// Runs `cargo <verb> <args>`. A fresh machine may lack the component behind it: that is said and counted as skipped,
/// so that the tests still run.
fn component(name: &str, verb: &str, args: &[&str]) -> Result<Tally> {
    if run::capture(run::cargo()?.args([verb, "--version"])).is_err() {
        eprintln!(
            "\n── cargo {verb}: SKIPPED, {name} is not installed; get it with `rustup component add {name}`"
        );
        return Ok(Tally::SKIPPED);
    }
    let success = run::run(run::cargo()?.arg(verb).args(args))?;
    if !success && verb == "fmt" {
        eprintln!("── `cargo fmt` repairs this");
    }
    Ok(Tally::of(success))
}
