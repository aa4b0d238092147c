//! The folder of one cluster: its marks, its slots, its scratch space.
//!
//! ```text
//!   clusters/<job id>/       while something of the cluster exists
//!     wanted.json            the Job or the session run it is for         ─┐ marks: written to a new file, synced,
//!     plan.json              ports, Java, Flink, jars that were chosen     │ renamed, directory synced. A mark that
//!     secrets.json           values that were filled in, if any            │
//!     launched               the JobManager's only launch was begun        │ exists is complete and survives a crash
//!     failed                 nothing was or will be launched; says why     │
//!     jobmanager.lock        held as long as the process lives; .pid, .exit, .id beside it
//!     taskmanager-1.lock     …                                             │
//!     conf/  run/  scratch/  configuration; working directory; temporary files
//!     aside/                 temporary files of dead processes, on their way out
//!   clusters/removed/<job id>  the tombstone: nothing ever starts again   ─┘
//! ```
//!
//! Tombstones stand apart, so that whoever walks through the clusters meets only those that exist.
//!
//! It knows names and how to write them safely; what they mean together is decided in `mod.rs`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::process::{Slot, absent_is_fine};

/// The marks of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Wanted,
    Plan,
    Secrets,
    Launched,
    Failed,
    Removed,
}

impl Mark {
    fn file_name(self) -> &'static str {
        match self {
            Self::Wanted => "wanted.json",
            Self::Plan => "plan.json",
            Self::Secrets => "secrets.json",
            Self::Launched => "launched",
            Self::Failed => "failed",
            // The folder of all tombstones.
            Self::Removed => "removed",
        }
    }
}

/// The folder with the temporary files of dead processes.
const ASIDE: &str = "aside";
/// Files that appear while a folder is being deleted: a process may write its last words.
const DELETE_ATTEMPTS_MAX: u32 = 3;

/// One cluster's folder.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    pub root: PathBuf,
    tombstone: PathBuf,
}

impl Folder {
    /// The folder of one cluster below the folder of all.
    pub(super) fn new(clusters: &Path, id: Uuid) -> Self {
        let id = id.to_string();
        let tombstone = clusters.join(Mark::Removed.file_name()).join(&id);
        Self { root: clusters.join(id), tombstone }
    }

    /// Makes the folder.
    pub(super) fn create(&self) -> io::Result<()> {
        create_private(&self.root)?;
        self.root.parent().map_or(Ok(()), sync_directory)
    }

    pub(super) fn exists(&self) -> io::Result<bool> {
        self.root.try_exists()
    }

    pub(super) fn has(&self, mark: Mark) -> io::Result<bool> {
        self.path(mark).try_exists()
    }

    pub(super) fn read(&self, mark: Mark) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path(mark)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    /// Writes a mark so that it is either absent or complete, and stays after a power cut.
    pub(super) fn put(&self, mark: Mark, content: &[u8]) -> io::Result<()> {
        let path = self.path(mark);
        let folder = path.parent().unwrap_or(&self.root);
        // A name of its own: two writers of the same mark do not disturb each other.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        sync_directory(folder)
    }

    fn path(&self, mark: Mark) -> PathBuf {
        match mark {
            Mark::Removed => self.tombstone.clone(),
            Mark::Wanted | Mark::Plan | Mark::Secrets | Mark::Launched | Mark::Failed => {
                self.root.join(mark.file_name())
            }
        }
    }

    pub(super) fn job_manager(&self) -> Slot {
        Slot::new(&self.root, "jobmanager")
    }

    /// The slot of the TaskManager with this number, from 1.
    pub(super) fn task_manager(&self, number: u32) -> Slot {
        Slot::new(&self.root, format!("taskmanager-{number}"))
    }

    /// Every slot that was ever used.
    pub(super) fn slots(&self) -> io::Result<Vec<Slot>> {
        let mut slots = Vec::new();
        for name in self.names()? {
            if let Some(slot) = name.strip_suffix(".lock") {
                slots.push(Slot::new(&self.root, slot));
            }
        }
        slots.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(slots)
    }

    /// TaskManager slots that were ever used.
    pub(super) fn task_managers(&self) -> io::Result<Vec<Slot>> {
        let mut slots = self.slots()?;
        slots.retain(|s| s.name.starts_with("taskmanager-"));
        Ok(slots)
    }

    /// Whether some slot is in use.
    pub(super) fn is_inhabited(&self) -> io::Result<bool> {
        for slot in self.slots()? {
            if slot.is_held()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Deletes the folder with everything in it; the tombstone stays.
    pub(super) fn clear(&self) -> io::Result<()> {
        let mut attempt = 1;
        loop {
            match absent_is_fine(fs::remove_dir_all(&self.root)) {
                Err(e)
                    if e.kind() == io::ErrorKind::DirectoryNotEmpty
                        && attempt < DELETE_ATTEMPTS_MAX =>
                {
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    /// Moves a folder of temporary files out of the way, which takes no time, however large it is.
    pub(super) fn put_aside(&self, path: &Path) -> io::Result<()> {
        if !path.try_exists()? {
            return Ok(());
        }
        let aside = self.root.join(ASIDE);
        create_private(&aside)?;
        fs::rename(path, aside.join(Uuid::new_v4().to_string()))
    }

    /// Deletes what was put aside, which may take long.
    pub(super) fn delete_aside(&self) -> io::Result<()> {
        let entries = match fs::read_dir(self.root.join(ASIDE)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        for entry in entries {
            absent_is_fine(fs::remove_dir_all(entry?.path()))?;
        }
        Ok(())
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(&self.root) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        entries.map(|e| Ok(e?.file_name().to_string_lossy().into_owned())).collect()
    }
}

/// Ids of all clusters below the folder of all; tombstones are not among them.
pub(super) fn ids(clusters: &Path) -> io::Result<Vec<Uuid>> {
    let mut ids = Vec::new();
    for entry in fs::read_dir(clusters)? {
        let name = entry?.file_name();
        ids.extend(name.to_str().and_then(|n| n.parse::<Uuid>().ok()));
    }
    Ok(ids)
}

/// Makes the folder of all clusters.
pub(super) fn create_all(clusters: &Path) -> io::Result<()> {
    create_private(&clusters.join(Mark::Removed.file_name()))
}

/// Deletes tombstones that are older than `age`.
pub(super) fn bury(clusters: &Path, age: Duration) -> io::Result<()> {
    for entry in fs::read_dir(clusters.join(Mark::Removed.file_name()))? {
        let entry = entry?;
        let made = entry.metadata()?.modified()?;
        // As long as something of the cluster is left, its tombstone says that the removal goes on.
        let is_cleared = !clusters.join(entry.file_name()).try_exists()?;
        if is_cleared && SystemTime::now().duration_since(made).is_ok_and(|old| old > age) {
            absent_is_fine(fs::remove_file(entry.path()))?;
        }
    }
    Ok(())
}

/// Makes a folder that only its owner can read: configurations and logs may hold passwords.
pub(super) fn create_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tombstone_outlives_its_cluster_and_is_buried_in_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let clusters = dir.path();
        create_all(clusters).unwrap();
        let id = Uuid::now_v7();
        let folder = Folder::new(clusters, id);
        folder.create().unwrap();
        fs::create_dir_all(folder.root.join("run/deep")).unwrap();
        folder.put(Mark::Wanted, b"{}").unwrap();
        folder.put(Mark::Removed, b"").unwrap();
        bury(clusters, Duration::ZERO).unwrap();
        assert_eq!((ids(clusters).unwrap(), folder.has(Mark::Removed).unwrap()), (vec![id], true));
        folder.clear().unwrap();
        folder.clear().unwrap();
        assert_eq!((ids(clusters).unwrap(), folder.has(Mark::Removed).unwrap()), (vec![], true));
        bury(clusters, Duration::from_secs(3600)).unwrap();
        assert!(folder.has(Mark::Removed).unwrap());
        bury(clusters, Duration::ZERO).unwrap();
        assert!(!folder.has(Mark::Removed).unwrap());
    }

    #[test]
    fn what_is_put_aside_makes_room_at_once_and_is_deleted_later() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path(), Uuid::now_v7());
        folder.delete_aside().unwrap();
        let scratch = folder.root.join("scratch/taskmanager-1");
        fs::create_dir_all(scratch.join("state")).unwrap();
        folder.put_aside(&scratch).unwrap();
        folder.put_aside(&scratch).unwrap();
        assert!(!scratch.exists());
        assert_eq!(fs::read_dir(folder.root.join(ASIDE)).unwrap().count(), 1);
        folder.delete_aside().unwrap();
        assert_eq!(fs::read_dir(folder.root.join(ASIDE)).unwrap().count(), 0);
    }
}
