//! Finding the optimised `drey`: given by the user, or built now.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// The program to measure. `cargo run` names its cargo in `CARGO`; without it, what was built before is taken.
pub(crate) fn find(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(given) = given {
        ensure!(given.is_file(), "{} is not a file", given.display());
        return Ok(given.to_owned());
    }
    if let Some(cargo) = std::env::var_os("CARGO") {
        let mut build = Command::new(cargo);
        build.args(["build", "--release", "-p", "drey"]).stdin(Stdio::null());
        ensure!(build.status().context("starting cargo")?.success(), "drey does not build");
    }
    let own = std::env::current_exe().context("finding the folder of this program")?;
    let profile =
        own.parent().and_then(Path::parent).context("this program lies in no target folder")?;
    let binary = profile.join("release").join("drey");
    ensure!(
        binary.is_file(),
        "there is no {}; build it: cargo build --release -p drey",
        binary.display()
    );
    Ok(binary)
}
