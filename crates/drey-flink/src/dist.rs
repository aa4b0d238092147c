//! Flink distributions on this machine: one folder per version in a per-user cache, installed once, shared by all jobs.
//!
//! ```text
//! folder | archive | PyPI (the user's own pip) | release archive
//!        └─► .tmp-<version>/ ──hash──unpack──► .tmp-<version>/flink ──rename──► flink/<version>/{lib,opt,plugins,bin}
//! ```
//!
//! Everything happens in a temporary folder under a lock per version, and one rename ends it: a version is either
//! complete or not there, whoever was interrupted. Owns the cache and the order of sources; [`fetch`] gets packages and
//! [`unpack`] opens them. Does not own which versions exist ([`crate::versions`]).

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::launch::{Flink, class_path_order};
use crate::versions::{self, Version};

mod fetch;
mod python;
mod unpack;

/// Where a distribution comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `FLINK_HOME` if it holds the version, else PyPI, else the release archive.
    Auto,
    /// A folder with `lib/`, or an archive: `.whl`, `.tar.gz`, `.tgz`.
    Path(PathBuf),
    /// The package `apache-flink-libraries`, fetched by the user's own pip.
    PyPi,
    /// The archive of the Apache Software Foundation.
    Release,
}

/// Who wants to know how far an installation is.
pub trait Progress: Send + Sync {
    /// A new step began; `text` is for people.
    fn step(&self, text: &str);
    /// Bytes of the current download.
    fn bytes(&self, done: u64, total: Option<u64>);
}

/// Nobody wants to know.
#[derive(Debug, Clone, Copy)]
pub struct Quiet;

impl Progress for Quiet {
    fn step(&self, text: &str) {
        tracing::debug!(text, "installing Flink");
    }
    fn bytes(&self, _done: u64, _total: Option<u64>) {}
}

/// An installed distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Folder, version and class path.
    pub flink: Flink,
    /// How it got here.
    pub origin: Origin,
}

/// How a distribution got into the cache.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Origin {
    /// For people: the package, the URL or the folder.
    pub source: String,
    /// Whether its hash is the one that Drey knows, or that the publisher gave.
    pub is_verified: bool,
}

/// Why a distribution cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing says where the cache is.
    #[error("finding the cache folder: set DREY_CACHE or HOME")]
    NoCache,
    /// The version is not usable.
    #[error(transparent)]
    Version(#[from] versions::Error),
    /// Reading or writing in the cache.
    #[error("{what} {}{}", path.display(), space(source))]
    Io {
        /// What was being done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The package could not be fetched.
    #[error("fetching Flink {version} from {from}: {why}")]
    Fetch {
        /// The version.
        version: Version,
        /// PyPI or a URL.
        from: String,
        /// What happened, and what to do.
        why: String,
    },
    /// No source had it.
    #[error(
        "installing Flink {version}: {}. Download it elsewhere and name the folder or archive, or set FLINK_HOME",
        tried.join("; ")
    )]
    NoSource {
        /// The version.
        version: Version,
        /// What each source said.
        tried: Vec<String>,
    },
    /// The file is not what it should be.
    #[error("checking {}: its SHA-256 is {actual}, but {expected} was expected; the file is damaged or not genuine", path.display())]
    Hash {
        /// The file.
        path: PathBuf,
        /// What it should be.
        expected: String,
        /// What it is.
        actual: String,
    },
    /// The file is not a distribution.
    #[error("unpacking {}: {why}", path.display())]
    Unpack {
        /// The archive or folder.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A background thread died.
    #[error("installing Flink: the work was interrupted")]
    Interrupted,
}

impl Error {
    fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}

fn space(error: &std::io::Error) -> &'static str {
    let is_full = error.kind() == std::io::ErrorKind::StorageFull;
    if is_full { " (an installation needs about 700 MB of free space)" } else { "" }
}

/// The per-user cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache of this user: `DREY_CACHE`, else `$XDG_CACHE_HOME/drey`, else `~/.cache/drey`.
    ///
    /// # Errors
    /// Neither is set.
    pub fn open() -> Result<Self, Error> {
        let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let xdg = || var("XDG_CACHE_HOME").filter(|p| p.is_absolute()).map(|p| p.join("drey"));
        let home = || var("HOME").map(|p| p.join(".cache").join("drey"));
        let root = var("DREY_CACHE").or_else(xdg).or_else(home).ok_or(Error::NoCache)?;
        Ok(Self::at(std::path::absolute(&root).unwrap_or(root)))
    }

    /// A cache in a folder of the caller's choice; created on the first installation.
    #[must_use]
    pub fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder of the cache.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Every complete distribution, newest first.
    #[must_use]
    pub fn installed(&self) -> Vec<Installed> {
        let Ok(entries) = fs::read_dir(self.root.join("flink")) else {
            return Vec::new();
        };
        let names = entries.flatten().filter_map(|e| e.file_name().into_string().ok());
        let versions = names.filter_map(|name| name.parse::<Version>().ok());
        let mut all: Vec<Installed> = versions.filter_map(|v| self.exactly(v)).collect();
        all.sort_by_key(|i| std::cmp::Reverse(i.flink.version));
        all
    }

    /// The distribution that `version` means: exactly that one, or the newest installed one of a line.
    #[must_use]
    pub fn find(&self, version: &Version) -> Option<Installed> {
        if version.patch.is_some() {
            return self.exactly(*version);
        }
        self.installed().into_iter().find(|i| version.covers(&i.flink.version))
    }

    /// Where a version is, or would be.
    #[must_use]
    pub fn path(&self, version: &Version) -> PathBuf {
        self.root.join("flink").join(version.to_string())
    }

    /// Installs the release that `version` means, unless it is there already. Minutes on a slow line; dropping the
    /// future abandons the download and leaves nothing that a later call does not clean up.
    ///
    /// # Errors
    /// An unusable version, or no source that has it; the error says what to do.
    pub async fn install(
        &self,
        version: &Version,
        source: &Source,
        progress: &dyn Progress,
    ) -> Result<Installed, Error> {
        let version = versions::resolve(version)?;
        if let Some(installed) = self.exactly(version) {
            return Ok(installed);
        }
        let _lock = self.lock("flink", version, progress).await?;
        // Someone else may have installed it while we waited.
        if let Some(installed) = self.exactly(version) {
            return Ok(installed);
        }
        let temp = Temp::fresh(self.root.join("flink").join(format!(".tmp-{version}")))?;
        let work = Work { version, temp: temp.0.clone(), progress };
        let (folder, origin) = work.make(source).await?;
        let target = self.path(&version);
        let done = blocking(move || finish(&folder, &target, &origin)).await;
        drop(temp);
        done?;
        self.exactly(version).ok_or(Error::Interrupted)
    }

    fn exactly(&self, version: Version) -> Option<Installed> {
        let home = self.path(&version);
        let flink = open(&home).filter(|flink| flink.version == version)?;
        let origin = fs::read(home.join("origin.json")).ok();
        let origin = origin.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Some(Installed { flink, origin })
    }

    async fn lock(
        &self,
        folder: &str,
        version: Version,
        progress: &dyn Progress,
    ) -> Result<File, Error> {
        let dir = self.root.join(folder);
        let path = dir.join(format!(".lock-{version}"));
        fs::create_dir_all(&dir).map_err(Error::io("creating", &dir))?;
        let file = File::create(&path).map_err(Error::io("creating", &path))?;
        if file.try_lock().is_ok() {
            return Ok(file);
        }
        progress.step("waiting for another installation of the same version");
        blocking(move || file.lock().map(|()| file).map_err(Error::io("locking", &path))).await
    }
}

/// The distribution in a folder, wherever it is; `None` when the folder holds none.
#[must_use]
pub fn open(home: &Path) -> Option<Flink> {
    let entries = fs::read_dir(home.join("lib")).ok()?;
    let is_jar = |path: &PathBuf| path.extension().is_some_and(|e| e == "jar");
    let mut class_path: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(is_jar).collect();
    class_path_order(&mut class_path);
    let dist = class_path.last()?.file_stem()?.to_str()?;
    let version = dist.strip_prefix("flink-dist-")?;
    // Before 1.15 the name ended in the Scala version.
    let version = version.split('_').next_back()?.parse().ok()?;
    Some(Flink { home: home.to_owned(), version, class_path })
}

/// A temporary folder that vanishes when dropped, and whose remains the next one removes.
struct Temp(PathBuf);

impl Temp {
    fn fresh(path: PathBuf) -> Result<Self, Error> {
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("removing", &path)(error));
            }
            _ => fs::create_dir_all(&path).map_err(Error::io("creating", &path))?,
        }
        Ok(Self(path))
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "removing a temporary folder");
        }
    }
}

/// One installation, under the lock.
struct Work<'a> {
    version: Version,
    temp: PathBuf,
    progress: &'a dyn Progress,
}

impl Work<'_> {
    /// Makes the distribution inside of the temporary folder.
    async fn make(&self, source: &Source) -> Result<(PathBuf, Origin), Error> {
        match source {
            Source::Path(path) => {
                self.take_path(path.clone(), path.display().to_string(), false).await
            }
            Source::PyPi => self.take_pypi().await,
            Source::Release => self.take_release().await,
            Source::Auto => self.take_any().await,
        }
    }

    async fn take_any(&self) -> Result<(PathBuf, Origin), Error> {
        let home = std::env::var_os("FLINK_HOME").filter(|h| !h.is_empty()).map(PathBuf::from);
        let home = home.filter(|h| open(h).is_some_and(|flink| flink.version == self.version));
        if let Some(home) = home {
            return self.take_path(home, "FLINK_HOME".to_owned(), false).await;
        }
        let first = match self.take_pypi().await {
            Ok(done) => return Ok(done),
            Err(error @ Error::Fetch { .. }) => error,
            // A damaged package or a full disk will not get better elsewhere.
            Err(error) => return Err(error),
        };
        self.progress.step(&format!("{first}; trying the release archive"));
        self.take_release().await.map_err(|second| Error::NoSource {
            version: self.version,
            tried: vec![first.to_string(), second.to_string()],
        })
    }

    async fn take_pypi(&self) -> Result<(PathBuf, Origin), Error> {
        let package = fetch::pypi(self.version, &self.temp, self.progress).await?;
        let from = format!("PyPI: apache-flink-libraries {}", self.version);
        self.take_path(package.path, from, package.is_verified).await
    }

    async fn take_release(&self) -> Result<(PathBuf, Origin), Error> {
        let package = fetch::release(self.version, &self.temp, self.progress).await?;
        self.take_path(package.path, fetch::release_url(self.version), package.is_verified).await
    }

    /// From a folder or an archive that is on this machine.
    async fn take_path(
        &self,
        path: PathBuf,
        source: String,
        is_verified: bool,
    ) -> Result<(PathBuf, Origin), Error> {
        let (version, target) = (self.version, self.temp.join("flink"));
        self.progress.step(&format!("unpacking Flink {version}"));
        let is_verified = blocking(move || {
            let is_known = path.is_file() && has_known_hash(&path, version)?;
            unpack::any(&path, &target)?;
            check(&path, &target, version)?;
            Ok(is_verified || is_known)
        })
        .await?;
        if !is_verified {
            self.progress.step("the package could not be verified: its hash is not known to Drey");
        }
        Ok((self.temp.join("flink"), Origin { source, is_verified }))
    }
}

/// Whether the archive is the very package that Drey knows. A PyPI package of a known version with another hash is
/// refused; any other archive is merely unknown.
fn has_known_hash(path: &Path, version: Version) -> Result<bool, Error> {
    let Some(expected) = versions::known(&version).and_then(|release| release.sha256) else {
        return Ok(false);
    };
    let actual = unpack::sha256(path)?;
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    if actual == expected {
        return Ok(true);
    }
    if name.starts_with("apache_flink_libraries-") {
        return Err(Error::Hash { path: path.to_owned(), expected: expected.to_owned(), actual });
    }
    Ok(false)
}

fn check(from: &Path, home: &Path, version: Version) -> Result<(), Error> {
    let why = match open(home) {
        Some(flink) if flink.version == version => return Ok(()),
        Some(flink) => format!("it holds Flink {}, not {version}", flink.version),
        None => "it holds no lib/flink-dist-*.jar, so it is not a Flink distribution".to_owned(),
    };
    Err(Error::Unpack { path: from.to_owned(), why })
}

/// Puts a finished distribution in its place.
fn finish(folder: &Path, target: &Path, origin: &Origin) -> Result<(), Error> {
    let file = folder.join("origin.json");
    let text = serde_json::to_vec_pretty(origin).unwrap_or_default();
    fs::write(&file, text).map_err(Error::io("writing", &file))?;
    // Whatever is there did not count as installed.
    if target.exists() {
        fs::remove_dir_all(target).map_err(Error::io("removing", target))?;
    }
    fs::rename(folder, target).map_err(Error::io("moving Flink to", target))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Error::Interrupted))
}

#[cfg(test)]
mod tests;
