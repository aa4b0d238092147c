//! Files of the artifact cache: finding, keeping and forgetting them.
//!
//! ```text
//! artifacts/<sha256>/job.jar      the folder's modification time says when the artifact was last used
//! artifacts/.tmp/…                downloads that are not complete
//! driver/<version>-<hash>/…       drivers of this Drey and of older ones, used and forgotten like artifacts
//! ```
//!
//! Putting a file into a folder marks it as used, so a mark needs no clock but the file system's.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

use super::Error;
use crate::driver;

/// An artifact that no Job has used for this long is removed.
const UNUSED_MAX: Duration = Duration::from_hours(30 * 24);
/// Temporary files of a server that died are removed after this time.
const TEMP_AGE_MAX: Duration = Duration::from_hours(24);

/// The artifact in the folder of its hash, under the wanted name; another name of the same content will do.
pub(super) fn find(dir: &Path, name: &str) -> Option<PathBuf> {
    let path = dir.join(name);
    let is_there = || path.is_file();
    let found = is_there() || {
        let other = fs::read_dir(dir).ok()?.flatten().map(|e| e.path()).find(|p| p.is_file())?;
        fs::hard_link(other, &path).is_ok() || is_there()
    };
    if !found {
        return None;
    }
    mark_as_used(dir);
    // It may have been pruned between the look and the mark.
    is_there().then_some(path)
}

/// Moves a complete download to its place.
pub(super) fn keep(temp: NamedTempFile, dir: &Path, name: &str) -> Result<PathBuf, Error> {
    fs::create_dir_all(dir).map_err(Error::io("creating", dir))?;
    let path = dir.join(name);
    temp.persist(&path).map_err(|error| Error::io("writing", &path)(error.error))?;
    Ok(path)
}

/// Removes artifacts and drivers below `cache` that were not used for 30 days, and remains of downloads. `in_use`: files
/// of clusters that exist; they stay, and count as used now, also for other servers that share the cache.
///
/// # Errors
/// The cache cannot be listed.
pub fn prune(cache: &Path, in_use: &BTreeSet<PathBuf>, now: SystemTime) -> io::Result<()> {
    let (dir, drivers) = (cache.join("artifacts"), cache.join(driver::FOLDER));
    let hash_of = |path: &PathBuf| path.parent()?.file_name().map(OsString::from);
    let in_use: BTreeSet<OsString> = in_use.iter().filter_map(hash_of).collect();
    for (name, path, age) in entries(&dir, now)?.into_iter().chain(entries(&drivers, now)?) {
        if in_use.contains(&name) {
            mark_as_used(&path);
        } else if path.is_dir() && !is_hidden(&name) && age > UNUSED_MAX {
            tracing::debug!(path = %path.display(), "removing an artifact that nobody uses");
            let _ = fs::remove_dir_all(path);
        }
    }
    for (_, path, age) in entries(&dir.join(".tmp"), now)? {
        if age > TEMP_AGE_MAX {
            let _ = fs::remove_file(path);
        }
    }
    Ok(())
}

/// What is in a folder, with its age; nothing when there is no folder.
fn entries(dir: &Path, now: SystemTime) -> io::Result<Vec<(OsString, PathBuf, Duration)>> {
    let listed = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in listed {
        let entry = entry?;
        // It may vanish meanwhile, and a time in the future is young.
        let Ok(changed) = entry.metadata().and_then(|meta| meta.modified()) else { continue };
        let age = now.duration_since(changed).unwrap_or_default();
        found.push((entry.file_name(), entry.path(), age));
    }
    Ok(found)
}

/// Nothing but age depends on it: a cache that cannot be written to is not pruned either.
pub(crate) fn mark_as_used(dir: &Path) {
    drop(NamedTempFile::new_in(dir));
}

/// Whether it is a lock or unfinished work.
fn is_hidden(name: &OsString) -> bool {
    name.to_string_lossy().starts_with('.')
}
