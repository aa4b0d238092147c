//! Programs on this machine: every artifact is copied into the cache under the hash of its content.
//!
//! ```text
//! file:///a/job.jar ─┐
//! https://h/job.jar ─┼─► artifacts/.tmp/x ──hash, limit──► artifacts/<sha256>/job.jar
//! what was uploaded ─┘
//! ```
//!
//! A later overwrite of the file or of what a URL serves cannot change a job that runs. Artifacts are fetched again for
//! each Job, since a jar behind the same URI may be a new one, unless the URI promises a hash that the cache has. Owns
//! URIs, limits and hashes of artifacts; credentials in a URI are used and never shown. Dropping a future abandons the
//! work and leaves nothing behind. What nobody has used for long is pruned ([`cache`]). What was uploaded is only for
//! Deployments of its namespace ([`uploads`]). Does not own which artifacts a Job has, nor the class to start
//! ([`crate::jar`]).

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use drey_model::causes::causes;
use futures::{Stream, StreamExt};
use object_store::ObjectStoreExt as _;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;
use url::Url;

use crate::hash::{hex, sha256_of};
use crate::jar;

pub(crate) mod cache;
mod uploads;

pub use cache::prune;
pub use uploads::Uploads;

use uploads::Source;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A download that stands still for this long is dead.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// 2 GiB at 1.2 MB/s.
const FETCH_TIMEOUT: Duration = Duration::from_mins(30);
const ARTIFACT_BYTES_MAX: u64 = 2 << 30;
const REDIRECTS_MAX: usize = 5;
const CHUNK_BYTES: usize = 1 << 18;
const NAME_CHARS_MAX: usize = 200;

/// An artifact in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Where it is; the content of this path never changes.
    pub path: PathBuf,
    /// Its SHA-256, hex digits.
    pub sha256: String,
}

impl Fetched {
    /// What is at a path: an artifact stands in a folder that is named after its content, of any other file the content
    /// is read.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn at(path: PathBuf) -> std::io::Result<Self> {
        let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        let is_hash = |name: &&str| name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
        let sha256 = match folder.filter(is_hash) {
            Some(name) => name.to_owned(),
            None => sha256_of(&path)?,
        };
        Ok(Self { path, sha256 })
    }
}

/// Why an artifact cannot be had. No variant shows credentials.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a URI that can be fetched.
    #[error("reading the artifact URI {uri}: {why}")]
    Uri {
        /// The URI, without credentials.
        uri: String,
        /// What is wrong with it.
        why: String,
    },
    /// Fetching failed.
    #[error("fetching {uri}: {why}")]
    Fetch {
        /// The URI, without credentials.
        uri: String,
        /// What happened.
        why: String,
    },
    /// It belongs to another namespace, or is none of an artifact's business.
    #[error(
        "fetching {uri}: that place is not for Deployments of this namespace; upload the artifact to this namespace \
         and use the URI that the upload answers"
    )]
    Refused {
        /// The URI, without credentials.
        uri: String,
    },
    /// The content is not what the URI promises.
    #[error("checking {uri}: its SHA-256 is {actual}, but the URI demands {expected}")]
    Hash {
        /// The URI, without credentials.
        uri: String,
        /// From the URI's fragment.
        expected: String,
        /// Of the content.
        actual: String,
    },
    /// The content is not a jar.
    #[error("opening {uri} as a jar")]
    Jar {
        /// The URI, without credentials.
        uri: String,
        /// What is wrong with it.
        #[source]
        source: jar::Error,
    },
    /// Reading or writing in the cache.
    #[error("{what} {}", path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// There is no HTTP client.
    #[error("setting up the HTTP client")]
    Http(#[source] reqwest::Error),
}

impl Error {
    fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}

/// The artifacts of this machine.
#[derive(Debug, Clone)]
pub struct Artifacts {
    dir: PathBuf,
    http: reqwest::Client,
    uploads: Option<Uploads>,
    namespace: Option<String>,
}

impl Artifacts {
    /// Artifacts below `cache` ([`crate::dist::Cache::root`]); the folder is created.
    ///
    /// # Errors
    /// The folder cannot be created, or the system offers no usable TLS.
    pub fn new(cache: &Path) -> Result<Self, Error> {
        let dir = cache.join("artifacts");
        let temp = dir.join(".tmp");
        fs::create_dir_all(&temp).map_err(Error::io("creating", &temp))?;
        let redirects = reqwest::redirect::Policy::custom(|attempt| {
            let was_secure = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
            if attempt.previous().len() > REDIRECTS_MAX {
                attempt.error("too many redirects")
            } else if was_secure && attempt.url().scheme() != "https" {
                attempt.error("it redirects from https to plain http")
            } else {
                attempt.follow()
            }
        });
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .timeout(FETCH_TIMEOUT)
            .redirect(redirects)
            .build()
            .map_err(Error::Http)?;
        Ok(Self { dir, http, uploads: None, namespace: None })
    }

    /// The same, with what was uploaded.
    #[must_use]
    pub fn with(self, uploads: Option<Uploads>) -> Self {
        Self { uploads, ..self }
    }

    /// The same, for Deployments of this namespace.
    #[must_use]
    pub fn of(&self, namespace: &str) -> Self {
        Self { namespace: Some(namespace.to_owned()), ..self.clone() }
    }

    /// Fetches any file. A fragment `#sha256=<64 hex digits>` is verified.
    ///
    /// # Errors
    /// A URI of another kind than `file:` and `http(s):`, content that cannot be had, is too large, or is not what the
    /// fragment demands.
    pub async fn fetch(&self, uri: &str) -> Result<Fetched, Error> {
        let url = self.parse(uri)?;
        let expected = promised(&url)?;
        let source = self.source(&url).await?;
        if let Some(sha256) = expected.clone() {
            let (dir, name) = (self.dir.join(&sha256), file_name(&url));
            let cached = tokio::task::spawn_blocking(move || cache::find(&dir, &name)).await;
            if let Some(path) = cached.ok().flatten() {
                return Ok(Fetched { path, sha256 });
            }
        }
        let (temp, actual) = match source {
            Source::File(path) => self.copy(&url, path).await?,
            Source::Object(path) => self.load(&url, &path).await?,
            Source::Elsewhere if url.scheme() == "file" => {
                let bad = |()| Error::Uri {
                    uri: redacted(&url),
                    why: "it names no absolute path".to_owned(),
                };
                self.copy(&url, url.to_file_path().map_err(bad)?).await?
            }
            Source::Elsewhere => self.download(&url).await?,
        };
        if let Some(expected) = expected.filter(|expected| *expected != actual) {
            return Err(Error::Hash { uri: redacted(&url), expected, actual });
        }
        let (dir, name) = (self.dir.join(&actual), file_name(&url));
        let path = blocking(&url, move || cache::keep(temp, &dir, &name)).await?;
        Ok(Fetched { path, sha256: actual })
    }

    /// Fetches a jar, and names the Main-Class of its manifest if it has one.
    ///
    /// # Errors
    /// As [`Self::fetch`]; content that is not a jar.
    pub async fn fetch_jar(&self, uri: &str) -> Result<(Fetched, Option<String>), Error> {
        let fetched = self.fetch(uri).await?;
        let path = fetched.path.clone();
        let uri =
            || self.parse(uri).map_or_else(|_| "the artifact".to_owned(), |url| redacted(&url));
        let class = tokio::task::spawn_blocking(move || jar::main_class(&path)).await;
        let class = class.map_err(|_| Error::Fetch { uri: uri(), why: interrupted() })?;
        let class = class.map_err(|source| Error::Jar { uri: uri(), source })?;
        Ok((fetched, class))
    }

    /// A URI that can be fetched: one of the storage of uploads may have any scheme.
    fn parse(&self, uri: &str) -> Result<Url, Error> {
        let base = self.uploads.as_ref().map(|uploads| &uploads.base);
        let ours = Url::parse(uri.trim())
            .ok()
            .filter(|url| base.is_some_and(|b| b.scheme() == url.scheme()));
        ours.filter(|url| url.scheme() != "file").map_or_else(|| parse(uri), Ok)
    }

    async fn source(&self, url: &Url) -> Result<Source, Error> {
        let Some(uploads) = self.uploads.clone() else { return Ok(Source::Elsewhere) };
        let (asked, namespace) = (url.clone(), self.namespace.clone());
        let look = move || Ok(uploads.source(&asked, namespace.as_deref()));
        let refused = || Error::Refused { uri: redacted(url) };
        let source = blocking(url, look).await?.ok_or_else(refused)?;
        let is_fetchable = matches!(url.scheme(), "file" | "http" | "https");
        if source == Source::Elsewhere && !is_fetchable {
            let why = "only file:, http:, https: and uploaded artifacts can be fetched here";
            return Err(Error::Uri { uri: redacted(url), why: why.to_owned() });
        }
        Ok(source)
    }

    /// Keeps a file that was made here, under its hash like any other; only its owner can read it.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub async fn put(&self, name: &str, content: Vec<u8>) -> Result<Fetched, Error> {
        let sha256 = hex(&Sha256::digest(&content));
        let (temp, dir, name) = (self.dir.join(".tmp"), self.dir.join(&sha256), name.to_owned());
        let work = move || {
            if let Some(path) = cache::find(&dir, &name) {
                return Ok(path);
            }
            let mut file =
                NamedTempFile::new_in(&temp).map_err(Error::io("creating a file in", &temp))?;
            file.write_all(&content).map_err(Error::io("writing", &temp))?;
            cache::keep(file, &dir, &name)
        };
        let kept = tokio::task::spawn_blocking(work).await;
        let path = kept
            .map_err(|_| Error::Fetch { uri: "a file made here".to_owned(), why: interrupted() })?;
        Ok(Fetched { path: path?, sha256 })
    }

    async fn temp(&self, url: &Url) -> Result<NamedTempFile, Error> {
        let dir = self.dir.join(".tmp");
        let make =
            move || NamedTempFile::new_in(&dir).map_err(Error::io("creating a file in", &dir));
        blocking(url, make).await
    }

    async fn copy(&self, url: &Url, path: PathBuf) -> Result<(NamedTempFile, String), Error> {
        let fail = |why: String| Error::Fetch { uri: redacted(url), why };
        let temp = self.temp(url).await?;
        let work = tokio::task::spawn_blocking(move || copy(&path, temp)).await;
        work.map_err(|_| fail(interrupted()))?.map_err(|error| fail(error.to_string()))
    }

    async fn download(&self, url: &Url) -> Result<(NamedTempFile, String), Error> {
        let fail = |why: String| Error::Fetch { uri: redacted(url), why };
        let lost = |error: reqwest::Error| fail(causes(&error.without_url()));
        let mut bare = url.clone();
        bare.set_fragment(None);
        let response = self.http.get(bare).send().await.map_err(lost)?;
        if !response.status().is_success() {
            return Err(fail(format!("the server answered {}", response.status())));
        }
        if response.content_length().is_some_and(|n| n > ARTIFACT_BYTES_MAX) {
            return Err(fail(too_large()));
        }
        self.keep(url, response.bytes_stream().map(|chunk| chunk.map_err(lost))).await
    }

    /// From the storage of uploads.
    async fn load(&self, url: &Url, path: &str) -> Result<(NamedTempFile, String), Error> {
        let fail = |error: object_store::Error| Error::Fetch {
            uri: redacted(url),
            why: match error {
                object_store::Error::NotFound { .. } => "no such artifact was uploaded".to_owned(),
                other => causes(&other),
            },
        };
        let Some(uploads) = &self.uploads else {
            return Err(Error::Refused { uri: redacted(url) });
        };
        let path = object_store::path::Path::from(path);
        let found = uploads.store.get(&path).await.map_err(fail)?;
        self.keep(url, found.into_stream().map(|chunk| chunk.map_err(fail))).await
    }

    /// Writes what arrives, and hashes it.
    async fn keep(
        &self,
        url: &Url,
        mut body: impl Stream<Item = Result<Bytes, Error>> + Unpin,
    ) -> Result<(NamedTempFile, String), Error> {
        let temp = self.temp(url).await?;
        let path = temp.path().to_owned();
        let file = temp.as_file().try_clone().map_err(Error::io("opening", &path))?;
        let mut file = tokio::fs::File::from_std(file);
        let mut digest = Sha256::new();
        let mut bytes = 0;
        while let Some(chunk) = body.next().await {
            let chunk = chunk?;
            bytes += chunk.len() as u64;
            if bytes > ARTIFACT_BYTES_MAX {
                return Err(Error::Fetch { uri: redacted(url), why: too_large() });
            }
            digest.update(&chunk);
            file.write_all(&chunk).await.map_err(Error::io("writing", &path))?;
        }
        // The last chunk may still be on its way, and may still fail.
        file.flush().await.map_err(Error::io("writing", &path))?;
        Ok((temp, hex(&digest.finalize())))
    }
}

/// A URI as it may be shown: without user, password and query, which may be a signature.
#[must_use]
pub fn redacted(url: &Url) -> String {
    let mut url = url.clone();
    let is_secret = !url.username().is_empty() || url.password().is_some();
    if is_secret && (url.set_username("").is_err() || url.set_password(None).is_err()) {
        return format!("{}://…", url.scheme());
    }
    if url.query().is_some() && url.scheme() != "file" {
        url.set_query(Some("…"));
    }
    url.set_fragment(None);
    url.as_str().replace("?%E2%80%A6", "?…")
}

fn parse(uri: &str) -> Result<Url, Error> {
    let trimmed = uri.trim();
    // The text itself may hold a password: it is shown only as far as it cannot.
    let scheme = trimmed.split_once(':').map_or("", |(scheme, _)| scheme);
    let fail = |why: &str| Error::Uri { uri: format!("{scheme}:…"), why: why.to_owned() };
    if trimmed.starts_with('/') {
        return Url::from_file_path(trimmed).map_err(|()| fail("it names no absolute path"));
    }
    let url = Url::parse(trimmed).map_err(|error| fail(&error.to_string()))?;
    match url.scheme() {
        "file" if !url.path().is_empty() && trimmed.contains(":/") => Ok(url),
        "file" => Err(fail("the path must be absolute: write file:///folder/job.jar")),
        "http" | "https" => Ok(url),
        _ => Err(fail("only file:, http: and https: can be fetched here")),
    }
}

/// The hash in the fragment. Other fragments mean nothing.
fn promised(url: &Url) -> Result<Option<String>, Error> {
    let Some(hash) = url.fragment().and_then(|fragment| fragment.strip_prefix("sha256=")) else {
        return Ok(None);
    };
    let is_hash = hash.len() == 64 && hash.chars().all(|c| c.is_ascii_hexdigit());
    let why = "the fragment sha256= must be followed by 64 hex digits";
    let bad = || Error::Uri { uri: redacted(url), why: why.to_owned() };
    is_hash.then(|| Some(hash.to_ascii_lowercase())).ok_or_else(bad)
}

/// The last segment of the path, made harmless.
fn file_name(url: &Url) -> String {
    let last = match url.to_file_path() {
        Ok(path) if url.scheme() == "file" => {
            path.file_name().map(|name| name.to_string_lossy().into_owned())
        }
        _ => url.path_segments().and_then(|mut all| all.next_back()).map(str::to_owned),
    };
    let is_safe = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '+');
    let safe = |c: char| if is_safe(c) { c } else { '_' };
    let name: String = last.unwrap_or_default().chars().map(safe).collect();
    let length = name.chars().count();
    // The end holds the extension.
    let name: String = name.chars().skip(length.saturating_sub(NAME_CHARS_MAX)).collect();
    let name = name.trim_start_matches('.');
    if name.is_empty() { "artifact".to_owned() } else { name.to_owned() }
}

fn copy(from: &Path, mut temp: NamedTempFile) -> std::io::Result<(NamedTempFile, String)> {
    let mut file = File::open(from)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("it is not a file"));
    }
    let mut digest = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut bytes = 0;
    loop {
        let n = file.read(&mut chunk)?;
        if n == 0 {
            return Ok((temp, hex(&digest.finalize())));
        }
        bytes += n as u64;
        if bytes > ARTIFACT_BYTES_MAX {
            return Err(std::io::Error::other(too_large()));
        }
        digest.update(&chunk[..n]);
        temp.write_all(&chunk[..n])?;
    }
}

/// Runs file work where it may block.
async fn blocking<T: Send + 'static>(
    url: &Url,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let stopped = |_| Error::Fetch { uri: redacted(url), why: interrupted() };
    tokio::task::spawn_blocking(work).await.map_err(stopped)?
}

fn too_large() -> String {
    format!("it is larger than {} MiB", ARTIFACT_BYTES_MAX >> 20)
}

fn interrupted() -> String {
    "the work was interrupted".to_owned()
}

#[cfg(test)]
mod tests;
