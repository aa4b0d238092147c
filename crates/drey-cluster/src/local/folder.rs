//! The folder of one cluster: its marks, its slots, its scratch space.
//!
//! ```text
//!   clusters/<job id>/
//!     wanted.json          the Job: there shall be a cluster            ─┐ marks: written to a new file, synced,
//!     plan.json            ports, Java, Flink, jars that were chosen     │ renamed, directory synced. A mark that
//!     launched             the JobManager's only launch was begun        │ exists is complete and survives a crash
//!     failed               nothing was or will be launched; says why     │
//!     removed              the tombstone: nothing ever starts again     ─┘
//!     jobmanager.lock      held as long as the process lives; .pid and .exit beside it
//!     taskmanager-1.lock   …
//!     conf/  run/          configuration; working directory and scratch files
//! ```
//!
//! It knows names and how to write them safely; what they mean together is decided in `mod.rs`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::process::{Slot, absent_is_fine};

/// The marks of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Wanted,
    Plan,
    Launched,
    Failed,
    Removed,
}

impl Mark {
    fn file_name(self) -> &'static str {
        match self {
            Self::Wanted => "wanted.json",
            Self::Plan => "plan.json",
            Self::Launched => "launched",
            Self::Failed => "failed",
            Self::Removed => "removed",
        }
    }
}

/// One cluster's folder.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    pub root: PathBuf,
}

impl Folder {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Makes the folder. Readable by its owner only: configuration may hold passwords.
    pub(super) fn create(&self) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.root)?;
        self.root.parent().map_or(Ok(()), sync_directory)
    }

    pub(super) fn exists(&self) -> io::Result<bool> {
        self.root.try_exists()
    }

    pub(super) fn has(&self, mark: Mark) -> io::Result<bool> {
        self.root.join(mark.file_name()).try_exists()
    }

    pub(super) fn read(&self, mark: Mark) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.root.join(mark.file_name())) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    /// Writes a mark so that it is either absent or complete, and stays after a power cut.
    pub(super) fn put(&self, mark: Mark, content: &[u8]) -> io::Result<()> {
        // A name of its own: two writers of the same mark do not disturb each other.
        let mut file = tempfile::NamedTempFile::new_in(&self.root)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(self.root.join(mark.file_name()))?;
        sync_directory(&self.root)
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

    /// Whether there is more here than a tombstone.
    pub(super) fn has_remains(&self) -> io::Result<bool> {
        Ok(self.names()?.iter().any(|n| n != Mark::Removed.file_name()))
    }

    /// Deletes everything but the tombstone.
    pub(super) fn clear(&self) -> io::Result<()> {
        for name in self.names()? {
            if name == Mark::Removed.file_name() {
                continue;
            }
            let path = self.root.join(name);
            // The record of an exit may come and go meanwhile.
            let is_folder = fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir());
            absent_is_fine(if is_folder {
                fs::remove_dir_all(path)
            } else {
                fs::remove_file(path)
            })?;
        }
        Ok(())
    }

    /// Deletes the tombstone too, once it is older than `age`.
    pub(super) fn bury(&self, age: Duration) -> io::Result<()> {
        let made = fs::metadata(self.root.join(Mark::Removed.file_name()))?.modified()?;
        if SystemTime::now().duration_since(made).is_ok_and(|old| old > age) {
            fs::remove_dir_all(&self.root)?;
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

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clearing_leaves_the_tombstone_only() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path().join("a"));
        folder.create().unwrap();
        fs::create_dir_all(folder.root.join("run/deep")).unwrap();
        folder.put(Mark::Wanted, b"{}").unwrap();
        folder.put(Mark::Removed, b"").unwrap();
        assert!(folder.has_remains().unwrap());
        folder.clear().unwrap();
        assert!(!folder.has_remains().unwrap());
        assert!(folder.has(Mark::Removed).unwrap());
        assert!(!folder.has(Mark::Wanted).unwrap());
    }
}
