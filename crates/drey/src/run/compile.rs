//! The jar of the demo: compiled on this machine, for the Flink that will run it, and kept.
//!
//! The source travels inside the binary. The jar's folder is named after the hash of source, Flink version and recipe,
//! and appears by one rename: so it is complete or not there, and never stale.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use drey_flink::dist::Installed;
use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::failure::{Exit, Failure};

/// Class with `main`.
const ENTRY_CLASS: &str = "io.drey.examples.TopSpeedWindowing";
/// Name of the jar.
const JAR: &str = "top-speed-windowing.jar";
/// Java level of the classes: every Flink that Drey runs accepts it.
const RELEASE: &str = "11";

macro_rules! source {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!(
                "../../../../examples/top-speed-windowing/src/io/drey/examples/",
                $name
            )),
        )
    };
}

/// The program, file by file.
const SOURCES: &[(&str, &str)] = &[
    source!("Drive.java"),
    source!("Options.java"),
    source!("Reading.java"),
    source!("TopSpeedWindowing.java"),
];

/// The jar for this Flink; compiles it unless it is there already.
///
/// # Errors
/// When the compiler or the disk refuses.
pub(crate) async fn jar(cache: &Path, flink: &Installed, javac: &Path) -> anyhow::Result<PathBuf> {
    let folder = cache.join("demo").join(key(&flink.flink.version.to_string()));
    let target = folder.join(JAR);
    if target.is_file() {
        return Ok(target);
    }
    let temp = cache.join("demo").join(format!(".tmp-{}", std::process::id()));
    let made = make(&temp, flink, javac).await;
    if made.is_ok() {
        // Another process may have been faster with the same content; then this fails, and the jar is there.
        let _ = std::fs::rename(temp.join("out"), &folder);
    }
    let _ = std::fs::remove_dir_all(&temp);
    made?;
    anyhow::ensure!(target.is_file(), "moving the demo's jar to {}", target.display());
    Ok(target)
}

fn key(version: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("1\n{RELEASE}\n{ENTRY_CLASS}\n{version}\n"));
    for (name, text) in SOURCES {
        hash.update(format!("{name} {}\n", text.len()));
        hash.update(text);
    }
    let digest = hash.finalize();
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{version}-{hex}")
}

async fn make(temp: &Path, flink: &Installed, javac: &Path) -> anyhow::Result<()> {
    let (sources, classes, out) = (temp.join("src"), temp.join("classes"), temp.join("out"));
    for folder in [&sources, &classes, &out] {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    let mut command = Command::new(javac);
    command
        .args(["--release", RELEASE, "-nowarn", "-cp"])
        .arg(flink.flink.home.join("lib").join("*"));
    command.arg("-d").arg(&classes);
    for (name, text) in SOURCES {
        let file = sources.join(name);
        std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
        command.arg(file);
    }
    tool(command, "javac").await?;
    // The jar tool lies beside the compiler.
    let jar = javac.canonicalize().unwrap_or_else(|_| javac.to_owned()).with_file_name("jar");
    let mut command = Command::new(jar);
    command.args(["--create", "--file"]).arg(out.join(JAR));
    command.args(["--main-class", ENTRY_CLASS, "-C"]).arg(&classes).arg(".");
    tool(command, "jar").await
}

async fn tool(mut command: Command, name: &str) -> anyhow::Result<()> {
    let output = command.kill_on_drop(true).output().await;
    let output = output.with_context(|| format!("starting {name}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let failure =
        Failure::new(Exit::No, format!("compiling the demo: {name} ended with {}", output.status));
    Err(failure.why(said).into())
}
