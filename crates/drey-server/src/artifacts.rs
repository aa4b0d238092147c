//! The storage of uploaded artifacts: where they are, and how large they may be.
//!
//! The binary says which storage; `object_store` makes a folder and a bucket look alike. A file becomes visible whole,
//! when its last byte is there; until then there is only what the storage keeps aside.

use std::sync::Arc;

use object_store::ObjectStore;
use reqwest::Url;
use tokio::sync::Semaphore;

/// Largest artifact unless configured otherwise, as on the platform (platform API reference §1.12): 50 MB.
pub const ARTIFACT_BYTES_MAX: u64 = 50_000_000;
/// Uploads at once; each holds a few pieces of [`crate::ops`] in memory.
const UPLOADS_MAX: usize = 8;

/// The storage of uploaded artifacts.
#[derive(Clone)]
pub struct ArtifactStorage {
    pub(crate) store: Arc<dyn ObjectStore>,
    base: Url,
    pub(crate) bytes_max: u64,
    pub(crate) turns: Arc<Semaphore>,
}

impl ArtifactStorage {
    /// A storage below this URI, which ends in a slash.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>, base: Url, bytes_max: u64) -> Self {
        Self { store, base, bytes_max, turns: Arc::new(Semaphore::new(UPLOADS_MAX)) }
    }

    /// The URI of what lies at a path.
    pub(crate) fn uri(&self, path: &str) -> String {
        let mut uri = self.base.clone();
        if let Ok(mut segments) = uri.path_segments_mut() {
            segments.pop_if_empty().extend(path.split('/'));
        }
        uri.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_shows_the_path_below_the_base() {
        for (base, uri) in [
            ("file:///var/lib/drey/", "file:///var/lib/drey/artifacts/namespaces/a/my%20job.jar"),
            ("s3://bucket/", "s3://bucket/artifacts/namespaces/a/my%20job.jar"),
            ("s3://bucket/x/", "s3://bucket/x/artifacts/namespaces/a/my%20job.jar"),
        ] {
            let store = Arc::new(object_store::memory::InMemory::new());
            let storage = ArtifactStorage::new(store, base.parse().expect("a URL"), 1);
            assert_eq!(storage.uri("artifacts/namespaces/a/my job.jar"), uri);
        }
    }
}
