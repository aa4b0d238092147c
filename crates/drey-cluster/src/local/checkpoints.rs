//! Snapshots on disk: what a run left behind.
//!
//! ```text
//!   <checkpoint directory>/<flink job id>/chk-17/_metadata         complete: _metadata is written last
//!                                         chk-18/                  not complete
//!   <savepoint's own directory>/savepoint-3f29aa-…/_metadata
//! ```
//!
//! The newest checkpoint is the one with the highest number; modification times lie. Storage that cannot be listed
//! from here is `Unknown`, never `Absent`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use drey_model::seen::{Seen, Snapshot};
use jiff::Timestamp;

const METADATA: &str = "_metadata";

/// The newest complete checkpoint of a run below `directory`, a URI.
pub(super) fn retained(directory: &str, flink_job_id: &str) -> Seen<Snapshot> {
    look(directory, |root| newest_checkpoint(&root.join(flink_job_id)))
}

/// The complete snapshot in `directory`, a URI that belongs to one savepoint.
pub(super) fn savepoint_in(directory: &str) -> Seen<Snapshot> {
    look(directory, only_savepoint)
}

fn look(uri: &str, find: impl FnOnce(&Path) -> io::Result<Option<Snapshot>>) -> Seen<Snapshot> {
    let Some(path) = local_path(uri) else {
        return Seen::unknown(format!("{uri} is not a directory on this machine"));
    };
    match find(&path) {
        Ok(Some(snapshot)) => Seen::Present(snapshot),
        Ok(None) => Seen::Absent,
        Err(e) => Seen::unknown(format!("cannot list {uri}: {e}")),
    }
}

fn newest_checkpoint(run: &Path) -> io::Result<Option<Snapshot>> {
    let mut numbers = Vec::new();
    for name in names(run)? {
        if let Some(number) = name.strip_prefix("chk-").and_then(|n| n.parse::<u64>().ok()) {
            numbers.push((number, name));
        }
    }
    numbers.sort_unstable();
    for (_, name) in numbers.into_iter().rev() {
        if let Some(snapshot) = complete(&run.join(name))? {
            return Ok(Some(snapshot));
        }
    }
    Ok(None)
}

fn only_savepoint(directory: &Path) -> io::Result<Option<Snapshot>> {
    let mut newest = complete(directory)?;
    for name in names(directory)?.into_iter().filter(|n| n.starts_with("savepoint-")) {
        let found = complete(&directory.join(name))?;
        if found.as_ref().map(|s| s.completed_at) > newest.as_ref().map(|s| s.completed_at) {
            newest = found;
        }
    }
    Ok(newest)
}

/// The snapshot in this directory, if its last file is there.
fn complete(directory: &Path) -> io::Result<Option<Snapshot>> {
    let modified = match fs::metadata(directory.join(METADATA)) {
        Err(e) if is_absence(&e) => return Ok(None),
        other => other?.modified()?,
    };
    let completed_at = Timestamp::try_from(modified).map_err(io::Error::other)?;
    Ok(Some(Snapshot { location: format!("file://{}", directory.display()), completed_at }))
}

fn names(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    entries.map(|e| Ok(e?.file_name().to_string_lossy().into_owned())).collect()
}

fn is_absence(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The path of a `file:` URI (with any number of slashes) or of a bare absolute path. Flink does not decode `%20`, so
/// neither does this.
fn local_path(uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("file:").unwrap_or(uri);
    let path = rest.trim_start_matches('/').trim_end_matches('/');
    rest.starts_with('/').then(|| PathBuf::from(format!("/{path}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finish(directory: &Path, age_seconds: u64) {
        fs::create_dir_all(directory).unwrap();
        let file = fs::File::create(directory.join(METADATA)).unwrap();
        let time = std::time::SystemTime::now() - std::time::Duration::from_secs(age_seconds);
        file.set_modified(time).unwrap();
    }

    #[test]
    fn the_highest_complete_number_wins_over_a_younger_file() {
        let dir = tempfile::tempdir().unwrap();
        let uri = format!("file://{}", dir.path().display());
        assert_eq!(retained(&uri, "a"), Seen::Absent);
        finish(&dir.path().join("a/chk-9"), 0);
        finish(&dir.path().join("a/chk-10"), 500);
        fs::create_dir_all(dir.path().join("a/chk-11")).unwrap();
        finish(&dir.path().join("b/chk-99"), 0);
        for spelling in [uri.clone(), uri.replace("file://", "file:"), uri.replace("file://", "")] {
            let Seen::Present(found) = retained(&spelling, "a") else { panic!("{spelling}") };
            assert_eq!(found.location, format!("{uri}/a/chk-10"));
        }
    }

    #[test]
    fn only_a_complete_savepoint_counts() {
        let dir = tempfile::tempdir().unwrap();
        let uri = format!("file://{}/one/", dir.path().display());
        assert_eq!(savepoint_in(&uri), Seen::Absent);
        fs::create_dir_all(dir.path().join("one/savepoint-1-2")).unwrap();
        assert_eq!(savepoint_in(&uri), Seen::Absent);
        finish(&dir.path().join("one/savepoint-1-2"), 3);
        let Seen::Present(found) = savepoint_in(&uri) else { panic!() };
        assert!(found.location.ends_with("/one/savepoint-1-2"), "{found:?}");
    }

    #[test]
    fn storage_that_cannot_be_listed_is_unknown() {
        assert!(matches!(retained("s3://bucket/ckp", "a"), Seen::Unknown { .. }));
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "a file in place of the directory").unwrap();
        let uri = format!("file://{}", dir.path().display());
        assert!(matches!(retained(&uri, "a"), Seen::Unknown { .. }));
    }
}
