//! Gets the package of a release: from PyPI by the user's own pip, or from the archive of the foundation.
//!
//! pip knows the user's index, proxy and certificates; that is why it is asked, and no registry is spoken to directly.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use drey_model::causes::causes;
use futures::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::{Error, Progress, blocking};
use crate::hash;
use crate::versions::{self, Version};

/// 330 MB at 200 kB/s.
const PIP_TIMEOUT: Duration = Duration::from_mins(30);
const PYTHON_TIMEOUT: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A download that stands still for this long is dead.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Twice the largest release.
const ARCHIVE_BYTES_MAX: u64 = 2 << 30;
const PROGRESS_EVERY: Duration = Duration::from_millis(300);

/// A package on this machine.
pub(super) struct Package {
    /// An archive, or a folder.
    pub(super) path: PathBuf,
    /// Whether its hash was compared.
    pub(super) is_verified: bool,
}

/// Fetches `apache-flink-libraries` with pip.
pub(super) async fn pypi(
    version: Version,
    temp: &Path,
    progress: &dyn Progress,
) -> Result<Package, Error> {
    let fail = |why: String| Error::Fetch { version, from: "PyPI".to_owned(), why };
    let python = python().await.ok_or_else(|| {
        fail("neither python3 nor python with pip is on the PATH; install python3-pip".to_owned())
    })?;
    let release = versions::known(&version);
    let hash = release.and_then(|r| r.sha256);
    let (pip_temp, out) = (temp.join("pip"), temp.join("package"));
    for dir in [&pip_temp, &out] {
        fs::create_dir_all(dir).map_err(Error::io("creating", dir))?;
    }
    let wanted = temp.join("requirements.txt");
    let pin = hash.map(|hash| format!(" --hash=sha256:{hash}")).unwrap_or_default();
    let text = format!("apache-flink-libraries=={version}{pin}\n");
    fs::write(&wanted, text).map_err(Error::io("writing", &wanted))?;
    let mut pip = pip(python, &wanted, &out, &pip_temp);
    pip.args(hash.map(|_| "--require-hashes"));
    progress.step(&format!("downloading Flink {version} from PyPI"));
    let dirs = [pip_temp.as_path(), out.as_path()];
    let watch = watch(&dirs, release.and_then(|r| r.package_bytes), progress);
    let run = tokio::time::timeout(PIP_TIMEOUT, pip.output());
    let output =
        tokio::select! { output = run => output, () = watch => return Err(Error::Interrupted) };
    let late = |_| fail(format!("pip was not done after {} min", PIP_TIMEOUT.as_secs() / 60));
    let output = output.map_err(late)?;
    let output = output.map_err(|error| fail(format!("starting pip failed: {error}")))?;
    let package = first_in(&out, |name| name.starts_with("apache_flink_libraries-"));
    match package.or_else(|| unpacked(&pip_temp)) {
        Some(path) => Ok(Package { path, is_verified: hash.is_some() }),
        None => Err(fail(explain(&String::from_utf8_lossy(&output.stderr), version))),
    }
}

fn pip(python: &str, wanted: &Path, out: &Path, pip_temp: &Path) -> Command {
    let mut pip = Command::new(python);
    // `--no-clean` leaves the unpacked source package behind even when pip cannot build its metadata, which nobody needs.
    pip.args(["-m", "pip", "download", "--no-deps", "--no-clean", "--no-input"]).args([
        "--disable-pip-version-check",
        "--progress-bar",
        "off",
        "--quiet",
    ]);
    pip.arg("-d").arg(out).arg("-r").arg(wanted).env("TMPDIR", pip_temp);
    pip.stdin(Stdio::null()).kill_on_drop(true);
    pip
}

/// The address of a release archive.
pub(super) fn release_url(version: Version) -> String {
    format!(
        "https://archive.apache.org/dist/flink/flink-{version}/flink-{version}-bin-scala_2.12.tgz"
    )
}

/// Fetches the release archive.
pub(super) async fn release(
    version: Version,
    temp: &Path,
    progress: &dyn Progress,
) -> Result<Package, Error> {
    let url = release_url(version);
    let fail = |why: String| Error::Fetch { version, from: url.clone(), why };
    let http = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .build()
        .map_err(|error| fail(causes(&error)))?;
    progress.step(&format!("downloading Flink {version} from {url}"));
    let path = temp.join(format!("flink-{version}.tgz"));
    let get = async |url: &str| {
        let response = http.get(url).send().await.and_then(reqwest::Response::error_for_status);
        response.map_err(|error| fail(causes(&error.without_url())))
    };
    let response = get(&url).await?;
    let total = response.content_length();
    let mut body = response.bytes_stream();
    let mut file = tokio::fs::File::create(&path).await.map_err(Error::io("creating", &path))?;
    let mut done = 0;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| fail(causes(&error.without_url())))?;
        done += chunk.len() as u64;
        if done > ARCHIVE_BYTES_MAX {
            return Err(fail(format!("it is larger than {ARCHIVE_BYTES_MAX} bytes")));
        }
        file.write_all(&chunk).await.map_err(Error::io("writing", &path))?;
        progress.bytes(done, total);
    }
    file.flush().await.map_err(Error::io("writing", &path))?;
    let text = get(&format!("{url}.sha512")).await?.text().await;
    let text = text.map_err(|error| fail(causes(&error.without_url())))?;
    let expected = text.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    let hashed = path.clone();
    let actual =
        blocking(move || hash::sha512_of(&hashed).map_err(Error::io("reading", &hashed))).await?;
    if actual != expected {
        return Err(Error::Hash { path, expected, actual });
    }
    Ok(Package { path, is_verified: true })
}

/// A Python that has pip.
async fn python() -> Option<&'static str> {
    for name in ["python3", "python"] {
        let mut probe = Command::new(name);
        probe.args(["-m", "pip", "--version"]).stdin(Stdio::null()).kill_on_drop(true);
        let probe = tokio::time::timeout(PYTHON_TIMEOUT, probe.output()).await;
        if probe.is_ok_and(|output| output.is_ok_and(|output| output.status.success())) {
            return Some(name);
        }
    }
    None
}

/// Reports the growth of the download folders; never ends.
async fn watch(dirs: &[&Path], total: Option<u64>, progress: &dyn Progress) {
    loop {
        tokio::time::sleep(PROGRESS_EVERY).await;
        let done = dirs.iter().map(|dir| packages_bytes(dir)).max().unwrap_or(0);
        if done > 0 {
            progress.bytes(total.map_or(done, |total| done.min(total)), total);
        }
    }
}

/// Bytes of the package files in a folder and its direct sub-folders.
fn packages_bytes(dir: &Path) -> u64 {
    let entries = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten();
    let bytes = |dir: &Path| {
        let files =
            entries(dir).filter(|e| e.file_name().to_string_lossy().starts_with("apache_flink"));
        files.filter_map(|e| e.metadata().ok()).filter(fs::Metadata::is_file).map(|m| m.len()).sum()
    };
    let below: u64 = entries(dir).map(|e| bytes(&e.path())).sum();
    below.max(bytes(dir))
}

fn first_in(dir: &Path, matches: impl Fn(&str) -> bool) -> Option<PathBuf> {
    let entries = fs::read_dir(dir).ok()?.flatten();
    let mut hits = entries.filter(|e| matches(&e.file_name().to_string_lossy()));
    hits.next().map(|e| e.path())
}

/// The source package that pip unpacked before it failed to build metadata.
fn unpacked(pip_temp: &Path) -> Option<PathBuf> {
    let work = first_in(pip_temp, |name| name.starts_with("pip-download-"))?;
    let root = first_in(&work, |name| name.starts_with("apache-flink-libraries"))?;
    root.join("deps").join("lib").is_dir().then_some(root)
}

/// The part of pip's complaint that a person can use.
fn explain(stderr: &str, version: Version) -> String {
    let errors: Vec<&str> =
        stderr.lines().map(str::trim).filter(|l| l.starts_with("ERROR:")).collect();
    let text = errors
        .last()
        .or(stderr.lines().rev().find(|l| !l.trim().is_empty()).as_ref())
        .map(|l| l.trim());
    let text = text.unwrap_or("pip failed and said nothing").trim_start_matches("ERROR: ");
    if stderr.contains("No matching distribution found") {
        let known = versions::known_list();
        return format!(
            "there is no package of version {version} ({text}); known releases are {known}"
        );
    }
    if stderr.contains("DO NOT MATCH THE HASHES") {
        return format!(
            "the package is not the genuine one: its hash is not the one that Drey knows ({text})"
        );
    }
    format!("pip said: {text}")
}
