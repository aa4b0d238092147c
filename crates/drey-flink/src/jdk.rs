//! The Java that runs Flink: `JAVA_HOME` first, then the `PATH`.
//!
//! Owns finding it and asking it for its version. A Java that is there but too old is an error that names both.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

const VERSION_TIMEOUT: Duration = Duration::from_secs(20);

/// A Java installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jdk {
    /// The `java` program.
    pub java: PathBuf,
    /// The compiler, when it is a development kit.
    pub javac: Option<PathBuf>,
    /// Its feature version: 11, 17, 21.
    pub version: u32,
}

/// Why there is no usable Java.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// None was found.
    #[error(
        "looking for Java: there is none in JAVA_HOME or on the PATH. Flink needs Java {min} or newer; install one \
         (Debian, Ubuntu: apt install openjdk-17-jre-headless; macOS: brew install openjdk@17) or set JAVA_HOME"
    )]
    None {
        /// The oldest that would do.
        min: u32,
    },
    /// It is too old.
    #[error(
        "checking {}: it is Java {version}, and Flink needs {min} or newer. Install a newer one or set JAVA_HOME",
        java.display()
    )]
    TooOld {
        /// The program.
        java: PathBuf,
        /// Its version.
        version: u32,
        /// The oldest that would do.
        min: u32,
    },
    /// It does not answer.
    #[error("asking {} for its version: {why}", java.display())]
    Broken {
        /// The program.
        java: PathBuf,
        /// What happened.
        why: String,
    },
}

/// Finds a Java of at least version `min`.
///
/// # Errors
/// None, a broken one, or one that is too old.
pub async fn find(min: u32) -> Result<Jdk, Error> {
    let java = candidates("java").into_iter().next().ok_or(Error::None { min })?;
    let version = version_of(&java).await?;
    if version < min {
        return Err(Error::TooOld { java, version, min });
    }
    let javac = compiler_beside(&java).or_else(|| candidates("javac").into_iter().next());
    Ok(Jdk { java, javac, version })
}

/// The compiler of the kit that a `java` belongs to; `None` when it is a runtime only.
#[must_use]
pub fn compiler_beside(java: &Path) -> Option<PathBuf> {
    let javac = java.canonicalize().ok()?.parent()?.join("javac");
    javac.is_file().then_some(javac)
}

fn candidates(program: &str) -> Vec<PathBuf> {
    let home = std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty());
    let home = home.map(|home| PathBuf::from(home).join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = home.into_iter().chain(std::env::split_paths(&path));
    dirs.map(|dir| dir.join(program)).filter(|file| file.is_file()).collect()
}

async fn version_of(java: &Path) -> Result<u32, Error> {
    let broken = |why: String| Error::Broken { java: java.to_owned(), why };
    let mut command = Command::new(java);
    command.arg("-version").stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(VERSION_TIMEOUT, command.output()).await;
    let output = output.map_err(|_| broken("it does not answer".to_owned()))?;
    let output = output.map_err(|error| broken(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stderr);
    parse(&text)
        .ok_or_else(|| broken(format!("it said: {}", text.lines().next().unwrap_or("nothing"))))
}

/// `openjdk version "17.0.15" …`, `java version "1.8.0_392"`, `openjdk version "21" …`.
fn parse(text: &str) -> Option<u32> {
    let quoted = text.split('"').nth(1)?;
    let mut numbers = quoted.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    let first = numbers.next()?.ok()?;
    if first == 1 { numbers.next()?.ok() } else { Some(first) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_java_spells_them() {
        assert_eq!(parse("openjdk version \"17.0.15\" 2025-04-15"), Some(17));
        assert_eq!(parse("java version \"1.8.0_392\""), Some(8));
        assert_eq!(
            parse("Picked up JAVA_TOOL_OPTIONS: -Dx\nopenjdk version \"21-ea\" x"),
            Some(21)
        );
        assert_eq!(parse("bash: no"), None);
    }
}
