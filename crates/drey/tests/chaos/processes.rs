//! What really runs of this data folder, from `/proc` alone: which part it plays, for which job, stopped or not.
//!
//! Reads none of Drey's records: a JobManager that Drey has forgotten still counts.

use std::fs;
use std::path::Path;

/// The part that a process plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    JobManager,
    TaskManager,
    /// A process that is being started, or that asks for Java's version.
    Other,
}

/// A live process with the data folder in its command line.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) role: Role,
    /// The Job whose folder is in the command line.
    pub(crate) job: Option<String>,
    pub(crate) is_stopped: bool,
}

/// All of them; zombies have ended.
pub(crate) fn of(data_dir: &Path) -> Vec<Process> {
    let folder = data_dir.display().to_string();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| look(pid, &folder)).collect()
}

/// The live processes of one role.
pub(crate) fn playing(data_dir: &Path, role: Role) -> Vec<Process> {
    of(data_dir).into_iter().filter(|process| process.role == role).collect()
}

fn look(pid: i32, folder: &str) -> Option<Process> {
    // A process may end while we look.
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&line).replace('\0', " ");
    if !command.contains(folder) {
        return None;
    }
    let state = state(pid)?;
    let role = if command.contains("ClusterEntryPoint") || command.contains("ClusterEntrypoint") {
        Role::JobManager
    } else if command.contains("TaskManagerRunner") {
        Role::TaskManager
    } else if command.contains(" serve ") {
        Role::Server
    } else {
        Role::Other
    };
    let job =
        command.split_once(&format!("{folder}/clusters/")).and_then(|(_, rest)| rest.get(..36));
    let is_alive = state != 'Z' && state != 'X';
    is_alive.then(|| Process { pid, role, job: job.map(str::to_owned), is_stopped: state == 'T' })
}

fn state(pid: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}
