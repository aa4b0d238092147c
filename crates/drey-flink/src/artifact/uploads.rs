//! Uploaded artifacts as a source of programs, and the walls between namespaces.
//!
//! ```text
//! <base>artifacts/namespaces/<ns>/job.jar     only for Deployments of <ns>
//! anything else below a guarded folder        for nobody: databases, keys, other jobs' files
//! ```
//!
//! Paths are compared after links and dots are resolved. This keeps a crafted URI out; a program that runs as the
//! server's user reads what that user may read, whatever is checked here.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use drey_model::artifact_file;
use object_store::ObjectStore;
use url::Url;

/// Where uploaded artifacts are.
#[derive(Clone)]
pub struct Uploads {
    /// The storage; paths begin below the base.
    pub store: Arc<dyn ObjectStore>,
    /// Its URI, ending in a slash.
    pub base: Url,
    /// Folders of this machine of which only artifacts may be read.
    pub guarded: Vec<PathBuf>,
}

impl fmt::Debug for Uploads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uploads")
            .field("base", &super::redacted(&self.base))
            .finish_non_exhaustive()
    }
}

/// What a URI is to a namespace.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Not ours.
    Elsewhere,
    /// An artifact of the namespace: a file of this machine.
    File(PathBuf),
    /// An artifact of the namespace: this path of the storage.
    Object(String),
}

impl Uploads {
    /// What a URI is to a namespace; `None`: not to be read by it. Looks at the file system.
    pub(super) fn source(&self, url: &Url, namespace: Option<&str>) -> Option<Source> {
        if url.scheme() == "file" {
            return self.file(url, namespace);
        }
        match self.path_of(url) {
            None => Some(Source::Elsewhere),
            Some(path) => is_own(&path, namespace).then_some(Source::Object(path)),
        }
    }

    fn file(&self, url: &Url, namespace: Option<&str>) -> Option<Source> {
        // What does not exist or has no path is told by whoever tries to read it.
        let Some(path) = url.to_file_path().ok().and_then(|path| path.canonicalize().ok()) else {
            return Some(Source::Elsewhere);
        };
        let below = |folder: &Path| {
            let rest = path.strip_prefix(folder.canonicalize().ok()?).ok()?;
            Some(rest.to_str().unwrap_or_default().to_owned())
        };
        let base = if self.base.scheme() == "file" { self.base.to_file_path().ok() } else { None };
        let stored = base.and_then(|base| below(&base));
        let is_guarded = self.guarded.iter().any(|folder| below(folder).is_some());
        match stored {
            Some(stored) if is_own(&stored, namespace) => Some(Source::File(path)),
            Some(stored) if stored.starts_with("artifacts/namespaces/") => None,
            Some(_) | None if is_guarded => None,
            Some(_) | None => Some(Source::Elsewhere),
        }
    }

    /// The path below the base that a URI names, decoded; `None`: it is elsewhere.
    fn path_of(&self, url: &Url) -> Option<String> {
        let is_same = url.scheme() == self.base.scheme()
            && url.host_str() == self.base.host_str()
            && url.port_or_known_default() == self.base.port_or_known_default();
        let rest = url.path().strip_prefix(self.base.path()).filter(|_| is_same)?;
        // Compared as the storage will read it. What it cannot read is nobody's.
        let path = object_store::path::Path::from_url_path(rest);
        Some(path.map_or_else(|_| String::new(), |path| path.to_string()))
    }
}

fn is_own(path: &str, namespace: Option<&str>) -> bool {
    artifact_file::parse_path(path).is_some_and(|(owner, _)| Some(owner) == namespace)
}
