//! The storage of uploaded artifacts at the start of the server: a folder, or a bucket.
//!
//! ```text
//! nothing configured            <data folder>/artifacts/namespaces/<ns>/<file>
//! baseUri: file:///mnt/blobs    /mnt/blobs/artifacts/namespaces/<ns>/<file>
//! baseUri: s3://bucket/drey     s3://bucket/drey/artifacts/namespaces/<ns>/<file>     cargo feature `cloud`
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use drey_flink::artifact::Uploads;
use drey_server::{ARTIFACT_BYTES_MAX, ArtifactStorage};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use url::Url;

use super::options::ArtifactOptions;

/// The storage, for uploads and for launches.
///
/// # Errors
/// A base URI of another kind, a folder that cannot be made, a bucket whose settings are not right.
pub(super) fn open(
    options: &ArtifactOptions,
    data_dir: &Path,
) -> anyhow::Result<(ArtifactStorage, Uploads)> {
    let (store, base) = match &options.base_uri {
        None => folder(data_dir)?,
        Some(base) if base.scheme() == "file" => {
            let path = base.to_file_path();
            let path = path
                .map_err(|()| anyhow::anyhow!("artifacts.baseUri {base} names no absolute path"))?;
            folder(&path)?
        }
        Some(base) => bucket(base)?,
    };
    let bytes_max = options.max_bytes.unwrap_or(ARTIFACT_BYTES_MAX);
    let storage = ArtifactStorage::new(Arc::clone(&store), base.clone(), bytes_max);
    Ok((storage, Uploads { store, base, guarded: vec![data_dir.to_owned()] }))
}

fn folder(path: &Path) -> anyhow::Result<(Arc<dyn ObjectStore>, Url)> {
    let made = || -> anyhow::Result<PathBuf> {
        fs::create_dir_all(path)?;
        let path = fs::canonicalize(path)?;
        throw_away_remains(&path)?;
        Ok(path)
    };
    let path =
        made().with_context(|| format!("preparing the folder of artifacts {}", path.display()))?;
    let store = LocalFileSystem::new_with_prefix(&path)?.with_fsync(true);
    let Ok(base) = Url::from_directory_path(&path) else { bail!("{} has no URI", path.display()) };
    Ok((Arc::new(store), base))
}

/// What uploads left whose server died: `job.jar#1`, a name that no artifact can have.
fn throw_away_remains(base: &Path) -> io::Result<()> {
    let is_absent = |e: &io::Error| e.kind() == io::ErrorKind::NotFound;
    let namespaces = match fs::read_dir(base.join("artifacts/namespaces")) {
        Err(e) if is_absent(&e) => return Ok(()),
        other => other?,
    };
    for namespace in namespaces {
        let namespace = namespace?;
        if !namespace.file_type()?.is_dir() {
            continue;
        }
        for file in fs::read_dir(namespace.path())? {
            let file = file?;
            let name = file.file_name().to_string_lossy().into_owned();
            let suffix = name.rsplit_once('#').map(|(_, suffix)| suffix);
            if suffix.is_some_and(|s| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit())) {
                tracing::info!(path = %file.path().display(), "removing what an upload left");
                fs::remove_file(file.path())?;
            }
        }
    }
    Ok(())
}

#[cfg(feature = "cloud")]
fn bucket(base: &Url) -> anyhow::Result<(Arc<dyn ObjectStore>, Url)> {
    // Credentials and regions come from the environment, under the names that the clouds' own tools use.
    let opened = object_store::parse_url_opts(base, std::env::vars());
    let (store, prefix) = opened.with_context(|| format!("opening the storage {base}"))?;
    let mut base = base.clone();
    if let Ok(mut segments) = base.path_segments_mut() {
        segments.pop_if_empty().push("");
    }
    Ok((Arc::new(object_store::prefix::PrefixStore::new(store, prefix)), base))
}

#[cfg(not(feature = "cloud"))]
fn bucket(base: &Url) -> anyhow::Result<(Arc<dyn ObjectStore>, Url)> {
    bail!(
        "artifacts.baseUri {base}: this build of drey keeps artifacts in folders only (file:///…); build it with \
         --features cloud for s3:, gs: and az:"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_upload_left_goes_at_the_next_start_and_artifacts_stay() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("artifacts/namespaces/default");
        fs::create_dir_all(&folder).unwrap();
        for name in ["job.jar", "job.jar#1", "other.jar#22"] {
            fs::write(folder.join(name), "x").unwrap();
        }
        let (_, uploads) = open(&ArtifactOptions::default(), dir.path()).unwrap();
        let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["job.jar"]);
        assert!(uploads.base.as_str().ends_with('/'));
    }

    #[test]
    fn a_storage_of_another_kind_is_refused_with_a_reason() {
        let dir = tempfile::tempdir().unwrap();
        let base_uri = Some("ftp://host/x".parse().unwrap());
        let options = ArtifactOptions { base_uri, max_bytes: None };
        let error = format!("{:#}", open(&options, dir.path()).err().unwrap());
        assert!(error.contains("ftp://host/x"), "{error}");
    }
}
