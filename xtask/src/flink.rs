//! `test-flink`: the tests of drey's own binary against a real Flink, once per version.
//!
//! ```text
//! cargo build -p drey --features faults          the binary under test
//! drey flink install <version> --python          also a test: this is how users get Flink and PyFlink
//! javac, jar                                     the fixture jobs, against that version
//! cargo test -p drey --test flink                finds all three through DREY_TEST_BIN, _JAR and _FLINK
//! ```
//!
//! One test at a time: each starts JVMs, and a laptop has two cores.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::run;
use crate::suite::cargo_test;
use crate::tally::{self, Tally};

/// The newest 1.x and a 2.x: what most users run, and the two ends of the differences.
pub(crate) const VERSIONS: &str = "1.20.5,2.2.1";

const FIXTURES: &str = "crates/drey/tests/fixtures/flink-jobs/src/drey/fixtures";

/// The oldest Java that a supported Flink runs on.
const JAVA_RELEASE: &str = "11";

/// Runs the suite for every version, also after a failure.
pub(crate) fn test(versions: &[String], filter: Option<&str>) -> Result<bool> {
    let mut total = Tally::default();
    match build() {
        Ok(binary) => {
            for version in versions {
                total += suite(&binary, version, filter).unwrap_or_else(|e| failed(version, &e));
            }
        }
        Err(error) => total += failed("all versions", &error),
    }
    tally::close(total)
}

fn failed(what: &str, error: &anyhow::Error) -> Tally {
    eprintln!("\nxtask: Flink {what}: {error:#}");
    Tally::of(false)
}

fn suite(binary: &Path, version: &str, filter: Option<&str>) -> Result<Tally> {
    let jar = prepare(binary, version)?;
    let python = run::run(run::command(binary).args(["flink", "install", version, "--python"]))?;
    ensure!(python, "`drey flink install {version} --python` failed");
    let mut cargo = run::cargo()?;
    cargo.args(["test", "-p", "drey", "--features", "faults", "--test", "flink", "--"]);
    cargo.args(["--test-threads", "1"]).args(filter);
    cargo.env("DREY_TEST_BIN", binary).env("DREY_TEST_JAR", jar).env("DREY_TEST_FLINK", version);
    eprintln!("\n── Flink {version}");
    cargo_test(&mut cargo)
}

/// Installs that Flink and compiles the fixture jobs against it; returns their jar.
pub(crate) fn prepare(binary: &Path, version: &str) -> Result<PathBuf> {
    let installed = run::run(run::command(binary).args(["flink", "install", version]))?;
    ensure!(installed, "`drey flink install {version}` failed");
    let home = run::capture(run::command(binary).args(["flink", "path", version]))?;
    fixtures(Path::new(home.trim()), version)
}

/// Builds drey with fault injection and returns the path of the binary.
pub(crate) fn build() -> Result<PathBuf> {
    let built = run::run(run::cargo()?.args(["build", "-p", "drey", "--features", "faults"]))?;
    ensure!(built, "drey does not build");
    Ok(target()?.join("debug").join(format!("drey{}", std::env::consts::EXE_SUFFIX)))
}

/// Compiles the fixture jobs against the Flink in `home` into one jar.
fn fixtures(home: &Path, version: &str) -> Result<PathBuf> {
    let libraries = home.join("lib");
    ensure!(libraries.is_dir(), "{} is no Flink: it has no lib/", home.display());
    let folder = target()?.join("flink-fixtures").join(version);
    let classes = folder.join("classes");
    if classes.exists() {
        std::fs::remove_dir_all(&classes).context("removing the old classes")?;
    }
    std::fs::create_dir_all(&classes).with_context(|| format!("creating {}", classes.display()))?;

    let mut javac = run::command("javac");
    javac.args(["--release", JAVA_RELEASE, "-cp"]).arg(libraries.join("*")).arg("-d").arg(&classes);
    let compiled = run::run(javac.args(sources(&run::root()?.join(FIXTURES))?));
    ensure!(
        compiled.context("the fixture jobs need a JDK, 17 for example")?,
        "the fixture jobs do not compile"
    );

    let jar = folder.join("drey-fixtures.jar");
    let mut pack = run::command("jar");
    pack.arg("cfe").arg(&jar).arg("drey.fixtures.CounterJob").arg("-C").arg(&classes).arg(".");
    ensure!(run::run(&mut pack)?, "the fixture jobs cannot be packed");
    Ok(jar)
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let paths = entries.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>()?;
    let mut java: Vec<_> =
        paths.into_iter().filter(|p| p.extension().is_some_and(|e| e == "java")).collect();
    ensure!(!java.is_empty(), "{} has no Java sources", folder.display());
    java.sort();
    Ok(java)
}

/// The target directory that cargo uses here.
pub(crate) fn target() -> Result<PathBuf> {
    let text =
        run::capture(run::cargo()?.args(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: serde_json::Value =
        serde_json::from_str(&text).context("reading cargo metadata")?;
    let target = metadata["target_directory"]
        .as_str()
        .context("cargo metadata names the target directory")?;
    Ok(PathBuf::from(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sources_are_the_java_files_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["B.java", "A.java", "README.md"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let found = sources(folder.path()).unwrap();
        assert_eq!(found, ["A.java", "B.java"].map(|n| folder.path().join(n)));
    }

    #[test]
    fn a_folder_without_lib_is_no_flink() {
        let folder = tempfile::tempdir().unwrap();
        let error = fixtures(folder.path(), "2.2.1").unwrap_err();
        assert!(error.to_string().contains("no lib/"), "{error}");
    }
}
