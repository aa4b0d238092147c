//! Clusters that Drey started, as their folders and `/proc` show them.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::clock::wait_for;
use crate::fake::control::rest_address;
use crate::proc;

const LIMIT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(5);
pub(super) const FROM: &str = "--fromSavepoint";

/// A cluster of one Job.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    data_dir: PathBuf,
    job: String,
}

/// How the processes of a cluster were called, and what of that belongs to the one cluster only.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) job_manager: Vec<String>,
    pub(super) task_manager: Vec<String>,
    pub(super) environment: Vec<String>,
    /// Name and text of the files in `conf`.
    pub(super) files: Vec<(String, String)>,
    pub(super) data_dir: String,
    pub(super) job: String,
    /// REST, RPC, blob.
    pub(super) ports: [u16; 3],
}

impl Cluster {
    /// The ids of all clusters so far.
    pub(super) fn all(data_dir: &Path) -> BTreeSet<String> {
        let entries = fs::read_dir(data_dir.join("clusters")).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    /// Waits for one that is launched and not among `known`.
    pub(super) fn next(data_dir: &Path, known: &BTreeSet<String>) -> Result<Self> {
        let job = wait_for("a new cluster", LIMIT, POLL, || {
            let mut fresh = Self::all(data_dir).into_iter().filter(|job| !known.contains(job));
            Ok(fresh.find(|job| data_dir.join("clusters").join(job).join("launched").exists()))
        })?;
        Ok(Self { data_dir: data_dir.to_owned(), job })
    }

    fn folder(&self) -> PathBuf {
        self.data_dir.join("clusters").join(&self.job)
    }

    pub(super) fn rest(&self) -> Result<SocketAddr> {
        rest_address(&self.data_dir, &self.job)
    }

    pub(super) fn flink_id(&self) -> String {
        self.job.replace('-', "")
    }

    fn pid(&self, slot: &str) -> Result<i32> {
        let file = self.folder().join(format!("{slot}.pid"));
        proc::recorded(&file).with_context(|| format!("{} names no living process", file.display()))
    }

    /// What it was restored from.
    pub(super) fn savepoint(&self) -> Result<Option<String>> {
        let args = proc::arguments(self.pid("jobmanager")?)?;
        let place = args.iter().position(|arg| arg == FROM);
        Ok(place.and_then(|at| args.get(at + 1)).cloned())
    }

    /// Everything that a hand needs to do the same.
    pub(super) fn model(&self, data_dir: &Path) -> Result<Model> {
        let folder = self.folder();
        let pid = self.pid("jobmanager")?;
        let mut files = Vec::new();
        for entry in fs::read_dir(folder.join("conf")).context("reading the configuration")? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            files.push((name, fs::read_to_string(entry.path())?));
        }
        let plan: Value = serde_json::from_slice(&fs::read(folder.join("plan.json"))?)?;
        let port = |name: &str| {
            let port = plan["ports"][name].as_u64().and_then(|port| u16::try_from(port).ok());
            port.with_context(|| format!("the plan has no {name} port"))
        };
        Ok(Model {
            job_manager: proc::arguments(pid)?,
            task_manager: proc::arguments(self.pid("taskmanager-1")?)?,
            environment: proc::environment(pid)?,
            files,
            data_dir: data_dir.display().to_string(),
            job: self.job.clone(),
            ports: [port("rest")?, port("rpc")?, port("blob")?],
        })
    }
}
