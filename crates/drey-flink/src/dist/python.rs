//! PyFlink: a virtual environment with the packages that Python programs of one Flink version need, made once.
//!
//! ```text
//! a Python that fits ─► venv in python/<version> ─► pip: apache-flink, without its jars ─► pip: what it requires ─► mark
//! ```
//!
//! The jars of `apache-flink-libraries` are left out: they are the installed Flink. An environment cannot be moved, so it
//! grows in its own place, under a lock, and counts from the moment when its mark is there; whatever has no mark is
//! removed and made again. Owns the environment; the Python that it is made from is the user's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

use super::{Cache, Error, Progress, blocking};
use crate::versions::{self, Version};

/// 250 MB at 200 kB/s.
const PIP_TIMEOUT: Duration = Duration::from_mins(30);
const PROBE_TIMEOUT: Duration = Duration::from_secs(20);
const FOLDER: &str = "python";
/// Written last.
const MARK: &str = "drey-complete";
/// What of pip's complaint is shown.
const WHY_CHARS_MAX: usize = 600;

/// Prints the minor version, if it can make environments.
const PROBE: &str = "import sys, venv, ensurepip; print(sys.version_info[0], sys.version_info[1])";
/// Prints what PyFlink requires, without the package of the jars.
const REQUIREMENTS: &str = "import importlib.metadata as m\n\
    for line in m.requires('apache-flink') or []:\n\
    \x20   if not line.startswith('apache-flink-libraries'): print(line)";

impl Cache {
    /// The interpreter with PyFlink of this version, if it is installed.
    #[must_use]
    pub fn python(&self, version: &Version) -> Option<PathBuf> {
        let home = self.python_home(version);
        let python = home.join("bin").join("python");
        (home.join(MARK).is_file() && python.is_file()).then_some(python)
    }

    /// Installs PyFlink of exactly this version from PyPI, unless it is there already. Minutes on a slow line; dropping
    /// the future abandons the work, and a later call begins again.
    ///
    /// # Errors
    /// No Python that fits, or packages that cannot be had; the error says what to do.
    pub async fn install_python(
        &self,
        version: &Version,
        progress: &dyn Progress,
    ) -> Result<PathBuf, Error> {
        let version = versions::resolve(version)?;
        if let Some(python) = self.python(&version) {
            return Ok(python);
        }
        let _lock = self.lock(FOLDER, version, progress).await?;
        if let Some(python) = self.python(&version) {
            return Ok(python);
        }
        let base = base(version).await?;
        let home = self.python_home(&version);
        if home.exists() {
            let unfinished = home.clone();
            let remove =
                move || fs::remove_dir_all(&unfinished).map_err(Error::io("removing", &unfinished));
            blocking(remove).await?;
        }
        progress.step(&format!("making a Python environment for Flink {version}"));
        let folder = home.display().to_string();
        run(version, &base, &["-m", "venv", &folder]).await?;
        let python = home.join("bin").join("python");
        progress.step(&format!("installing PyFlink {version} and its packages, about 500 MB"));
        let package = format!("apache-flink=={version}");
        run(version, &python, &[&PIP_INSTALL[..], &["--no-deps", &package]].concat()).await?;
        let listed = run(version, &python, &["-c", REQUIREMENTS]).await?;
        let wanted = home.join("requirements.txt");
        fs::write(&wanted, listed.stdout).map_err(Error::io("writing", &wanted))?;
        let wanted = wanted.display().to_string();
        run(version, &python, &[&PIP_INSTALL[..], &["-r", &wanted]].concat()).await?;
        run(version, &python, &["-c", "import pyflink.table, pyflink.datastream"]).await?;
        let mark = home.join(MARK);
        fs::write(&mark, version.to_string()).map_err(Error::io("writing", &mark))?;
        self.python(&version).ok_or(Error::Interrupted)
    }

    fn python_home(&self, version: &Version) -> PathBuf {
        self.root.join(FOLDER).join(version.to_string())
    }
}

const PIP_INSTALL: [&str; 6] =
    ["-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--quiet"];

/// A Python that PyFlink of this version has packages for: the default one if it fits, else the newest that does.
async fn base(version: Version) -> Result<PathBuf, Error> {
    let (oldest, newest) = version.python_3();
    let mut found = Vec::new();
    let named = (oldest..=newest).rev().map(|minor| format!("python3.{minor}"));
    for name in ["python3".to_owned(), "python".to_owned()].into_iter().chain(named) {
        let mut probe = Command::new(&name);
        probe.args(["-c", PROBE]).stdin(Stdio::null()).kill_on_drop(true);
        let Ok(Ok(output)) = tokio::time::timeout(PROBE_TIMEOUT, probe.output()).await else {
            continue;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let numbers: Vec<u32> = text.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        match numbers.as_slice() {
            [3, minor] if (oldest..=newest).contains(minor) => return Ok(PathBuf::from(name)),
            [major, minor] => found.push(format!("{name} is {major}.{minor}")),
            _ => {}
        }
    }
    let there = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
    let why = format!(
        "PyFlink {version} needs Python 3.{oldest} to 3.{newest} with venv and pip, and there is {there}. Install one \
         (Debian, Ubuntu: apt install python3 python3-venv), or name an interpreter that has apache-flink {version} in \
         flinkConfiguration: python.executable"
    );
    Err(failed(version, why))
}

fn failed(version: Version, why: String) -> Error {
    Error::Fetch { version, from: "PyPI (apache-flink)".to_owned(), why }
}

async fn run(version: Version, program: &Path, args: &[&str]) -> Result<Output, Error> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    // Somebody's own environment must not get into this one.
    command.env_remove("PYTHONPATH").env_remove("PYTHONHOME").env_remove("PIP_USER");
    let fail = |why: String| failed(version, why);
    let output = tokio::time::timeout(PIP_TIMEOUT, command.output()).await;
    let output = output
        .map_err(|_| fail(format!("it was not done after {} min", PIP_TIMEOUT.as_secs() / 60)))?;
    let output = output.map_err(|e| fail(format!("starting {} failed: {e}", program.display())))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(fail(complaint(&output)))
}

/// The last errors of pip or Python.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(if output.stderr.is_empty() {
        &output.stdout
    } else {
        &output.stderr
    });
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let errors: Vec<&str> = lines.iter().copied().filter(|l| l.starts_with("ERROR:")).collect();
    let told = if errors.is_empty() { lines.last().copied().into_iter().collect() } else { errors };
    let told = told.join(" ");
    let told = if told.is_empty() { format!("it ended with {}", output.status) } else { told };
    told.chars().take(WHY_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn an_environment_counts_from_its_mark_on() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, version) = (Cache::at(dir.path().to_owned()), "2.2.1".parse().unwrap());
        let home = dir.path().join("python/2.2.1");
        fs::create_dir_all(home.join("bin")).unwrap();
        fs::write(home.join("bin/python"), "").unwrap();
        assert_eq!(cache.python(&version), None);
        fs::write(home.join(MARK), "2.2.1").unwrap();
        assert_eq!(cache.python(&version), Some(home.join("bin/python")));
        assert_eq!(cache.python(&"2.2.0".parse().unwrap()), None);
    }

    #[test]
    fn of_a_failure_the_errors_are_told_or_else_the_last_words() {
        let told = |stdout: &str, stderr: &str| {
            let (stdout, stderr) = (stdout.as_bytes().to_vec(), stderr.as_bytes().to_vec());
            complaint(&Output { status: ExitStatusExt::from_raw(256), stdout, stderr })
        };
        let pip = "WARNING: old\nERROR: no version\nERROR: no distribution\n[notice] new pip\n";
        assert_eq!(told("", pip), "ERROR: no version ERROR: no distribution");
        assert_eq!(told("", "Traceback\nModuleNotFoundError: venv\n"), "ModuleNotFoundError: venv");
        assert_eq!(told("Error: ensurepip is missing\n", ""), "Error: ensurepip is missing");
        assert_eq!(told("", ""), "it ended with exit status: 1");
    }
}
