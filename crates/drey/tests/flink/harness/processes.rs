//! What really runs: found in `/proc` and in the folders of the local backend, independent of what Drey says.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, kill_process};
use serde_json::Value;

pub(crate) use rustix::process::Signal;

/// A process with the data folder in its command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) command: String,
}

/// The processes with `folder` in their command lines, without `except`.
pub(crate) fn mentioning(folder: &Path, except: &[i32]) -> Vec<Process> {
    let folder = folder.display().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process may end while we look.
        let Ok(line) = fs::read(entry.path().join("cmdline")) else { continue };
        let command = String::from_utf8_lossy(&line).replace('\0', " ");
        if command.contains(&folder) && !except.contains(&pid) {
            found.push(Process { pid, command });
        }
    }
    found
}

/// Whether the process exists and has not ended: a zombie has.
pub(crate) fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().next());
    state.is_some_and(|state| state != "Z" && state != "X")
}

/// Sends a signal to one process.
pub(crate) fn send(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // It may have ended by itself.
        let _ = kill_process(pid, signal);
    }
}

/// Whether nobody listens on this port of the machine.
pub(crate) fn is_free(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_err()
}

/// The folder of one cluster.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    pub(crate) folder: PathBuf,
}

impl Cluster {
    /// All that have a folder; the tombstones of removed ones are kept apart, in `removed`.
    pub(crate) fn all(data_dir: &Path) -> Vec<Self> {
        let entries = fs::read_dir(data_dir.join("clusters")).into_iter().flatten().flatten();
        let clusters = entries.filter(|entry| entry.file_name() != "removed");
        clusters.map(|entry| Self { folder: entry.path() }).collect()
    }

    pub(crate) fn of(data_dir: &Path, job: &str) -> Self {
        Self { folder: data_dir.join("clusters").join(job) }
    }

    /// Names of what is in the folder.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut names: Vec<_> =
            entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The pid that a slot (`jobmanager`, `taskmanager-1`) recorded, while that process lives.
    pub(crate) fn pid(&self, slot: &str) -> Option<i32> {
        let text = fs::read_to_string(self.folder.join(format!("{slot}.pid"))).ok()?;
        let pid = text.lines().next()?.trim().parse().ok()?;
        is_alive(pid).then_some(pid)
    }

    /// Every recorded pid whose process lives.
    pub(crate) fn pids(&self) -> Vec<i32> {
        let names = self.names();
        let slots = names.iter().filter_map(|name| name.strip_suffix(".pid"));
        slots.filter_map(|slot| self.pid(slot)).collect()
    }

    /// REST, RPC and blob port.
    pub(crate) fn ports(&self) -> Vec<u16> {
        let Some(plan) = self.json("plan.json") else { return Vec::new() };
        let port =
            |name: &str| plan["ports"][name].as_u64().and_then(|port| u16::try_from(port).ok());
        ["rest", "rpc", "blob"].into_iter().filter_map(port).collect()
    }

    /// The Deployment that the cluster belongs to.
    pub(crate) fn deployment(&self) -> Option<String> {
        let job = self.json("wanted.json")?;
        Some(job["metadata"]["deploymentName"].as_str()?.to_owned())
    }

    /// Whether several Deployments may have their jobs here.
    pub(crate) fn is_shared(&self) -> bool {
        self.json("wanted.json").is_some_and(|wanted| wanted["sessionClusterId"].is_string())
    }

    fn json(&self, name: &str) -> Option<Value> {
        serde_json::from_slice(&fs::read(self.folder.join(name)).ok()?).ok()
    }
}
