//! Ends what was started, however this program ends: by return, by panic, by Ctrl-C or SIGTERM.
//!
//! Owns a list of what is to be ended. A [`Guard`] enters something and ends it when dropped; the signal handler ends
//! all that is left. Processes are known by pid; those of a data folder by the pid files that their own wrappers wrote,
//! and only while the process with that pid is still the one that wrote it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::proc;

/// Something to end.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Duty {
    /// One child of ours, not yet waited for, so its pid is its own.
    Child(i32),
    /// All Flink processes of a server's data folder.
    Clusters(PathBuf),
    /// A temporary folder. Comes last: processes write into it.
    Folder(PathBuf),
}

static DUTIES: Mutex<Vec<Duty>> = Mutex::new(Vec::new());

fn duties() -> MutexGuard<'static, Vec<Duty>> {
    DUTIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends its processes when dropped.
#[derive(Debug)]
pub(crate) struct Guard(Duty);

impl Guard {
    /// For a child. Drop it before the child is waited for.
    pub(crate) fn child(pid: u32) -> Self {
        Self::new(Duty::Child(i32::try_from(pid).unwrap_or(0)))
    }

    /// For all clusters of a server.
    pub(crate) fn clusters(data_dir: &Path) -> Self {
        Self::new(Duty::Clusters(data_dir.to_owned()))
    }

    /// Leaves it alone: it has ended and was waited for.
    pub(crate) fn forget(self) {
        duties().retain(|duty| *duty != self.0);
        std::mem::forget(self);
    }

    fn new(duty: Duty) -> Self {
        duties().push(duty.clone());
        Self(duty)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        duties().retain(|duty| *duty != self.0);
        end(&self.0);
    }
}

/// A temporary folder.
#[derive(Debug)]
pub(crate) struct Folder {
    _guard: Guard,
    folder: tempfile::TempDir,
}

impl Folder {
    pub(crate) fn new(prefix: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix(prefix).tempdir();
        let folder = folder.context("making a temporary folder")?;
        Ok(Self { _guard: Guard::new(Duty::Folder(folder.path().to_owned())), folder })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn end(duty: &Duty) {
    match duty {
        Duty::Folder(path) => {
            // What cannot be deleted stays for the system's own housekeeping.
            let _ = std::fs::remove_dir_all(path);
        }
        Duty::Child(pid) => kill(*pid),
        Duty::Clusters(data_dir) => {
            // The server is gone; a cluster that it was just starting writes its pid file within milliseconds.
            for _ in 0..3 {
                pid_files(data_dir).iter().filter_map(|file| proc::recorded(file)).for_each(kill);
                std::thread::sleep(Duration::from_millis(30));
            }
        }
    }
}

fn kill(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Pid files of all clusters of a data folder.
pub(crate) fn pid_files(data_dir: &Path) -> Vec<PathBuf> {
    let clusters = std::fs::read_dir(data_dir.join("clusters")).into_iter().flatten().flatten();
    let files = clusters.flat_map(|c| std::fs::read_dir(c.path()).into_iter().flatten().flatten());
    files.map(|f| f.path()).filter(|f| f.extension().is_some_and(|e| e == "pid")).collect()
}

/// From now on, SIGINT and SIGTERM end what was started, and then this program.
pub(crate) fn on_signals() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("preparing for signals")?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            eprintln!("drey-bench: stopping what was started");
            // Servers first: they would start anew what they see end.
            let mut all = std::mem::take(&mut *duties());
            all.sort_by_key(|duty| match duty {
                Duty::Child(_) => 0,
                Duty::Clusters(_) => 1,
                Duty::Folder(_) => 2,
            });
            all.iter().for_each(end);
            std::process::exit(130);
        });
    });
    Ok(())
}
