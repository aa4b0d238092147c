//! A real Flink and a real job: installed by `drey flink install`, compiled by the JDK.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::cleanup::Folder;
use crate::documents::FLINK_VERSION;
use crate::scene::Setting;

const SOURCES: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../drey/tests/fixtures/flink-jobs/src/drey/fixtures");

/// The jar with the counter.
pub(super) struct Jar {
    pub(super) path: PathBuf,
    _folder: Folder,
}

/// Installs Flink, if it is not, and compiles the test jobs against it.
pub(super) fn jar(setting: &Setting) -> Result<Jar> {
    run(Command::new(&setting.binary).args(["flink", "install", FLINK_VERSION]))?;
    let home = run(Command::new(&setting.binary).args(["flink", "path", FLINK_VERSION]))?;
    let folder = Folder::new("drey-bench-jar-")?;
    let classes = folder.path().join("classes");
    let mut javac = Command::new("javac");
    javac.args(["--release", "11", "-cp"]).arg(Path::new(home.trim()).join("lib").join("*"));
    javac.arg("-d").arg(&classes);
    for entry in std::fs::read_dir(SOURCES).with_context(|| format!("reading {SOURCES}"))? {
        javac.arg(entry?.path());
    }
    run(&mut javac).context("the job needs a JDK, 17 for example")?;
    let path = folder.path().join("fixtures.jar");
    run(Command::new("jar").arg("cf").arg(&path).arg("-C").arg(&classes).arg("."))?;
    Ok(Jar { path, _folder: folder })
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("starting {}", command.get_program().display()))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {errors}", command.get_program().display());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
