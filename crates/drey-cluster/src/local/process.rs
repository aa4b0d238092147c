//! One process slot: a place in a cluster's folder that holds at most one process at a time.
//!
//! Liveness is a lock, never a guess. The slot's lock file is locked by Drey, and the *open file description* that
//! carries the lock becomes the child's standard input. The kernel keeps the lock exactly as long as that description
//! is open, which is exactly as long as the process lives: through `exec`, through Drey's own death, and not a moment
//! longer.
//!
//! ```text
//!   Drey    claim: open + flock ──► spawn(stdin = lock) ──► closes its copy        any Drey: flock refused = alive
//!   child                            sh: writes <slot>.pid (pid, start time), renames it, then becomes the program
//! ```
//!
//! The child writes its own pid file before it becomes the program, so a crash of Drey right after the spawn loses
//! nothing. A signal is sent only when the lock is held *and* the recorded pid still has the recorded start time.
//!
//! It does not decide when to start or to end a process.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, kill_process, kill_process_group};
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};

pub(super) use rustix::process::Signal;

/// Writes who we are, then becomes the program: `$0` is the pid file, `$@` the program with its arguments.
const WRAPPER: &str = r#"set -e
if [ -r "/proc/$$/stat" ]; then IFS= read -r born < "/proc/$$/stat"; else born=$(ps -o lstart= -p "$$"); fi
printf '%s\n%s\n' "$$" "$born" > "$0.new"
mv "$0.new" "$0"
exec "$@""#;

/// How long a claim waits for other readers' probes, which last microseconds.
const CLAIM_PATIENCE: Duration = Duration::from_secs(2);

/// What to run in a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    /// The executable.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables added to the scrubbed environment.
    pub env: Vec<(&'static str, OsString)>,
    /// Further variables that it must not inherit.
    pub env_remove: &'static [&'static str],
    /// Working directory.
    pub cwd: PathBuf,
    /// Where standard output and standard error are appended.
    pub output: PathBuf,
}

/// What a slot holds right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// No process was ever started here.
    Never,
    /// A process lives here; who it is, unless it has not written its pid file yet.
    Alive(Option<Identity>),
    /// The process that was here has ended.
    Ended,
}

impl Look {
    pub(super) fn is_alive(&self) -> bool {
        matches!(self, Self::Alive(_))
    }
}

/// A process, safe against the reuse of its pid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pid: i32,
    start: String,
}

/// How a process ended, as its parent saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Exit {
    pub code: Option<i32>,
    pub signal: Option<i32>,
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        use std::os::unix::process::ExitStatusExt;
        Self { code: status.code(), signal: status.signal() }
    }
}

/// A place for one process.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    folder: PathBuf,
    /// For example `jobmanager`, `taskmanager-1`.
    pub name: String,
}

impl Slot {
    pub(super) fn new(folder: &Path, name: impl Into<String>) -> Self {
        Self { folder: folder.to_owned(), name: name.into() }
    }

    fn file(&self, extension: &str) -> PathBuf {
        self.folder.join(format!("{}.{extension}", self.name))
    }

    /// Whether a process lives here. Reads two small files and takes no longer than that.
    pub(super) fn look(&self) -> io::Result<Look> {
        let lock = match OpenOptions::new().read(true).open(self.file("lock")) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Look::Never),
            other => other?,
        };
        // Shared, so that two probes do not take each other for a process.
        match lock.try_lock_shared() {
            Ok(()) => return Ok(Look::Ended),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(e)) => return Err(e),
        }
        let identity = self.identity()?;
        // A child of the process may have inherited the lock and outlived it.
        if identity.as_ref().is_some_and(Identity::is_provably_gone) {
            return Ok(Look::Ended);
        }
        Ok(Look::Alive(identity))
    }

    /// Whether anything at all, the process or one of its children, still holds the lock.
    pub(super) fn is_held(&self) -> io::Result<bool> {
        match OpenOptions::new().read(true).open(self.file("lock")) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
            Ok(lock) => match lock.try_lock_shared() {
                Ok(()) => Ok(false),
                Err(TryLockError::WouldBlock) => Ok(true),
                Err(TryLockError::Error(e)) => Err(e),
            },
        }
    }

    /// Takes the slot for a new process; `None` when one lives here already. May block for a moment.
    pub(super) fn claim(&self) -> io::Result<Option<File>> {
        let path = self.file("lock");
        let lock = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let deadline = Instant::now() + CLAIM_PATIENCE;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Some(lock)),
                Err(TryLockError::Error(e)) => return Err(e),
                Err(TryLockError::WouldBlock) => {}
            }
            // Refused by a process, or for an instant by a probe. Only a process refuses probes.
            if self.is_held()? || Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Takes the slot as [`Slot::claim`] does, also from children that outlived its process and kept the lock: nobody
    /// would end them otherwise, and no process could ever start here again.
    pub(super) fn take_over(&self) -> io::Result<Option<File>> {
        let claimed = self.claim()?;
        if claimed.is_some() || self.look()?.is_alive() {
            return Ok(claimed);
        }
        self.kill_holders()?;
        let deadline = Instant::now() + CLAIM_PATIENCE;
        while self.is_held()? && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.claim()
    }

    /// Starts the program here. `lock` comes from [`Slot::claim`] and goes to the child.
    pub(super) fn spawn(&self, lock: File, program: &Program) -> io::Result<Child> {
        for stale in ["pid", "exit"] {
            absent_is_fine(fs::remove_file(self.file(stale)))?;
        }
        let output = OpenOptions::new().append(true).create(true).open(&program.output)?;
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(WRAPPER).arg(self.file("pid")).arg(&program.program);
        command.args(&program.args).current_dir(&program.cwd).process_group(0);
        scrub(&mut command);
        for name in program.env_remove {
            command.env_remove(name);
        }
        command.envs(program.env.iter().map(|(k, v)| (k, v)));
        command.stdin(Stdio::from(lock)).stderr(output.try_clone()?).stdout(output);
        command.spawn()
    }

    /// Writes down the name under which Flink will know the process that is started next.
    pub(super) fn name_process(&self, resource_id: &str) -> io::Result<()> {
        fs::write(self.file("id"), resource_id)
    }

    /// The name under which Flink knows the process, or knew the last one.
    pub(super) fn resource_id(&self) -> Option<String> {
        fs::read_to_string(self.file("id")).ok()
    }

    /// Writes down how the process ended.
    pub(super) fn record_exit(&self, exit: Exit) -> io::Result<()> {
        let fresh = self.file("exit.new");
        fs::write(&fresh, serde_json::to_vec(&exit)?)?;
        fs::rename(fresh, self.file("exit"))
    }

    /// Deletes what [`Slot::record_exit`] has written.
    pub(super) fn forget_exit(&self) -> io::Result<()> {
        absent_is_fine(fs::remove_file(self.file("exit")))
    }

    /// How the last process ended, if a Drey was there to see it.
    pub(super) fn exit(&self) -> Option<Exit> {
        let text = fs::read(self.file("exit")).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Sends a signal to the process here, or, for `KILL`, to its whole group. `false`: no process that is surely
    /// ours was found, and nothing was sent.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<bool> {
        let Look::Alive(Some(identity)) = self.look()? else { return Ok(false) };
        let Some(pid) = identity.verified() else { return Ok(false) };
        let sent = match signal {
            Signal::KILL => kill_process_group(pid, signal).or_else(|_| kill_process(pid, signal)),
            _ => kill_process(pid, signal),
        };
        match sent {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::SRCH) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// Kills whatever has our lock file as its standard input: children that outlived the process. Linux only.
    pub(super) fn kill_holders(&self) -> io::Result<()> {
        use std::os::unix::fs::MetadataExt;
        let ours = fs::metadata(self.file("lock"))?;
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|t| t.parse().ok()) else {
                continue;
            };
            let Ok(stdin) = fs::metadata(entry.path().join("fd/0")) else { continue };
            let is_ours = (stdin.dev(), stdin.ino()) == (ours.dev(), ours.ino());
            if let Some(pid) = Pid::from_raw(pid).filter(|_| is_ours) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        Ok(())
    }

    fn identity(&self) -> io::Result<Option<Identity>> {
        match fs::read_to_string(self.file("pid")) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
            Ok(text) => Ok(Identity::parse(&text)),
        }
    }
}

impl Identity {
    fn parse(text: &str) -> Option<Self> {
        let (pid, born) = text.split_once('\n')?;
        let born = born.trim();
        let start = start_time(born).unwrap_or(born).to_owned();
        Some(Self { pid: pid.trim().parse().ok()?, start })
    }

    /// The pid, if it belongs to the recorded process at this moment.
    fn verified(&self) -> Option<Pid> {
        let now = if cfg!(target_os = "linux") {
            let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
            start_time(stat.trim())?.to_owned()
        } else {
            let mut ps = std::process::Command::new("ps");
            let output = ps.args(["-o", "lstart=", "-p", &self.pid.to_string()]).output().ok()?;
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        (now == self.start).then(|| Pid::from_raw(self.pid)).flatten()
    }

    /// Known only where looking costs no subprocess.
    fn is_provably_gone(&self) -> bool {
        cfg!(target_os = "linux") && Path::new("/proc/self/stat").exists() && {
            match fs::read_to_string(format!("/proc/{}/stat", self.pid)) {
                Ok(stat) => start_time(stat.trim()).is_some_and(|now| now != self.start),
                Err(e) => e.kind() == io::ErrorKind::NotFound,
            }
        }
    }
}

/// Field 22 of a line of `/proc/<pid>/stat`: ticks between boot and the start of the process. The second field is the
/// program's name in parentheses and may contain anything, so counting begins behind the last parenthesis.
fn start_time(stat: &str) -> Option<&str> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name.split_whitespace().nth(22 - 3)
}

/// Flink must not inherit Drey's settings, nor another Flink's folders (`FLINK_LIB_DIR` moves `usrlib`).
fn scrub(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let is_ours =
            name.to_str().is_some_and(|n| n.starts_with("DREY_") || n.starts_with("FLINK_"));
        if is_ours {
            command.env_remove(name);
        }
    }
}

/// Turns "it was not there" into success.
pub(super) fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_behind_a_hostile_program_name() {
        let stat = "77 (a) b (c) S 1 77 77 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2";
        assert_eq!(start_time(stat), Some("987654"));
        assert_eq!(start_time("nonsense"), None);
    }

    #[test]
    fn a_pid_file_keeps_the_start_time_of_either_system() {
        let linux =
            Identity::parse("7\n7 (sh) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 99 1\n");
        assert_eq!(linux, Some(Identity { pid: 7, start: "99".to_owned() }));
        let other = Identity::parse("7\nSat Nov 21 10:00:00 2026\n");
        assert_eq!(other.unwrap().start, "Sat Nov 21 10:00:00 2026");
        assert_eq!(Identity::parse("garbage"), None);
    }
}
