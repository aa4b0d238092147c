//! One data directory, one server.
//!
//! The lock is held by an open file, so it ends with the process, however that ends; the pid inside is for people.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::folder::create_private;

/// The data directory, locked for this process as long as the value lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Why a data directory could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another server works there.
    #[error("{} is in use by another Drey server (pid {pid}); stop it, or choose another data directory", .path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Who uses it, as that process wrote it.
        pid: String,
    },
    /// The directory cannot be used.
    #[error("cannot lock {}", .path.display())]
    Unusable {
        /// The lock file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl DataDir {
    /// Makes the directory if needed, for its owner only, and locks it; returns at once when another process has it.
    pub fn lock(path: &Path) -> Result<Self, Error> {
        let lock_path = path.join("drey.lock");
        let unusable = |source| Error::Unusable { path: lock_path.clone(), source };
        create_private(path).map_err(unusable)?;
        let path = fs::canonicalize(path).map_err(unusable)?;
        let options = OpenOptions::new().read(true).write(true).create(true).clone();
        let mut lock = options.clone().truncate(false).open(&lock_path).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let _ = lock.read_to_string(&mut pid);
                let pid = if pid.trim().is_empty() { "unknown" } else { pid.trim() }.to_owned();
                return Err(Error::InUse { path, pid });
            }
        }
        lock.set_len(0).map_err(unusable)?;
        writeln!(lock, "{}", std::process::id()).map_err(unusable)?;
        Ok(Self { path, _lock: lock })
    }

    /// The directory, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_directory_is_its_owners_and_an_old_one_stays_as_it_is() {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let dir = tempfile::tempdir().unwrap();
        let (new, old) = (dir.path().join("new"), dir.path().join("old"));
        fs::create_dir(&old).unwrap();
        fs::set_permissions(&old, fs::Permissions::from_mode(0o750)).unwrap();
        let locks = [&new, &old].map(|path| DataDir::lock(path).unwrap());
        assert_eq!(locks.each_ref().map(|lock| mode(lock.path())), [0o700, 0o750]);
    }

    #[test]
    fn the_second_server_is_refused_and_told_who_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::lock(dir.path()).unwrap();
        let refused = DataDir::lock(dir.path()).unwrap_err().to_string();
        assert!(refused.contains(&format!("pid {}", std::process::id())), "{refused}");
        drop(first);
        DataDir::lock(dir.path()).unwrap();
    }
}
