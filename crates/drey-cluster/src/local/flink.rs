//! What a cluster is made of and how its processes are called: between our slots and the command lines of `drey-flink`.
//!
//! ```text
//!   Wanted ─► fetch.rs: java, Flink, program ─► Parts ┐
//!                                   ports ───────┴─► Plan (plan.json) ─► lay_out: files, JobManager's command
//!                                                                    └─► task_manager: its command, any time later
//! ```

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use drey_flink::launch::{self, Dirs, Flink, Launch};
use drey_flink::program::Program;
use drey_model::Job;
use drey_model::causes::causes;
use serde::{Deserialize, Serialize};

use super::folder::{Folder, Mark};
use super::ports::Ports;
use super::process;
use super::wanted::Wanted;

/// Where Flink keeps temporary files.
const TEMPORARY_DIRS: &str = "io.tmp.dirs";

/// What had to be found or fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parts {
    pub java: PathBuf,
    pub home: PathBuf,
    pub version: String,
    pub class_path: Vec<PathBuf>,
    // Its members stand among these since before there was a type for them; those of a session cluster are empty.
    #[serde(flatten)]
    pub program: Program,
}

/// Everything that was chosen for one cluster, written down before its launch. TaskManagers of later days are started
/// by the same plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    pub ports: Ports,
    parts: Parts,
}

impl Plan {
    pub(super) fn new(ports: Ports, parts: Parts) -> Self {
        Self { ports, parts }
    }

    pub(super) fn read(folder: &Folder) -> io::Result<Option<Self>> {
        let text = folder.read(Mark::Plan)?;
        text.map(|t| serde_json::from_slice(&t).map_err(io::Error::from)).transpose()
    }

    pub(super) fn write(&self, folder: &Folder) -> io::Result<()> {
        folder.put(Mark::Plan, &serde_json::to_vec_pretty(self)?)
    }

    /// Files of the artifact cache that the cluster runs from.
    pub(super) fn artifacts(self) -> impl Iterator<Item = PathBuf> {
        let Program { jar, dependencies, files, .. } = self.parts.program;
        std::iter::once(jar)
            .filter(|jar| !jar.as_os_str().is_empty())
            .chain(dependencies)
            .chain(files)
    }

    /// Base URL of the JobManager's REST API.
    pub(super) fn rest(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.rest)
    }
}

/// Where the Job's checkpoints go.
pub(super) fn checkpoint_directory(job: &Job) -> Option<String> {
    drey_flink::config::checkpoint_dir(&job.spec.flink_configuration).map(str::to_owned)
}

/// The folder of the Job's own checkpoints in there.
pub(super) fn checkpoint_folder(job: &Job) -> String {
    let subfolder = job.spec.flink_configuration.get("execution.checkpointing.create-subdir");
    let is_shared = subfolder.is_some_and(|value| value.trim().eq_ignore_ascii_case("false"));
    if is_shared { String::new() } else { job.flink_job_id() }
}

/// Writes the cluster's files and says how to start its JobManager.
pub(super) fn lay_out(
    plan: &Plan,
    wanted: &Wanted,
    folder: &Folder,
    logs: &Path,
) -> Result<process::Program, String> {
    with_launch(plan, wanted, folder, logs, "jobmanager", |launch| {
        let said = |e: io::Error| format!("cannot write the cluster's files: {e}");
        let dirs = launch.dirs;
        for directory in [&dirs.run, &dirs.conf, &dirs.scratch, &dirs.logs] {
            fs::create_dir_all(directory).map_err(said)?;
        }
        for file in launch::files(launch) {
            write_private(&file.path, &file.text).map_err(said)?;
        }
        // A cluster whose TaskManagers cannot be called must not be launched either.
        launch::task_manager(launch, "check").map_err(|e| causes(&e))?;
        let command = launch::job_manager(launch).map_err(|e| causes(&e))?;
        Ok(program(command, logs, "jobmanager"))
    })
}

/// How to start the TaskManager with this number, with an empty scratch folder: its predecessor may have left gigabytes
/// of state there, which are put aside for somebody to delete ([`Folder::delete_aside`]).
pub(super) fn task_manager(
    plan: &Plan,
    wanted: &Wanted,
    folder: &Folder,
    logs: &Path,
    number: u32,
    resource_id: &str,
) -> Result<process::Program, String> {
    let slot = format!("taskmanager-{number}");
    with_launch(plan, wanted, folder, logs, &slot, |launch| {
        let scratch = &launch.dirs.scratch;
        let renewed = folder.put_aside(scratch).and_then(|()| fs::create_dir_all(scratch));
        renewed.map_err(|e| format!("cannot make {}: {e}", scratch.display()))?;
        let mut command = launch::task_manager(launch, resource_id).map_err(|e| causes(&e))?;
        // The cluster's configuration names the JobManager's scratch folder.
        if !wanted.configuration().contains_key(TEMPORARY_DIRS) {
            let mut own = OsString::from(format!("-D{TEMPORARY_DIRS}="));
            own.push(scratch);
            command.args.push(own);
        }
        Ok(program(command, logs, &slot))
    })
}

/// Configurations may hold passwords, and the path of a process's configuration is for everyone to see.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

fn with_launch<T>(
    plan: &Plan,
    wanted: &Wanted,
    folder: &Folder,
    logs: &Path,
    slot: &str,
    then: impl FnOnce(&Launch<'_>) -> Result<T, String>,
) -> Result<T, String> {
    let parts = plan.parts.clone();
    let version = parts.version.parse().map_err(|e| causes(&e))?;
    let flink = Flink { home: parts.home, version, class_path: parts.class_path };
    let entry = wanted.entry(&parts.program);
    let dirs = Dirs {
        run: folder.root.join("run"),
        conf: folder.root.join("conf"),
        logs: logs.to_owned(),
        scratch: folder.root.join("scratch").join(slot),
    };
    let Ports { rest, rpc, blob } = plan.ports;
    let ports = launch::Ports { rest, rpc, blob };
    let java = &parts.java;
    then(&Launch { entry, java, flink: &flink, ports, dirs: &dirs })
}

/// The command of drey-flink as a program of ours, with its log under the name of its slot: a replaced TaskManager
/// goes on in the same files.
fn program(command: launch::Command, logs: &Path, slot: &str) -> process::Program {
    const LOG_FILE: &str = "-Dlog.file=";
    let mut args = command.args;
    for arg in &mut args {
        if arg.to_str().is_some_and(|a| a.starts_with(LOG_FILE)) {
            let mut renamed = OsString::from(LOG_FILE);
            renamed.push(logs.join(format!("{slot}.log")));
            *arg = renamed;
        }
    }
    process::Program {
        program: command.program,
        args,
        env: command.env,
        env_remove: command.env_remove,
        cwd: command.dir,
        output: logs.join(format!("{slot}.out")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cluster outlives the Drey that started it, so its plan is read by later ones.
    #[test]
    fn the_plan_of_an_older_drey_can_be_read() {
        let text = r#"{"ports": {"rest": 1, "rpc": 2, "blob": 3}, "parts": {"java": "/java", "home": "/flink",
            "version": "2.2.1", "class_path": ["/flink/lib/flink-dist-2.2.1.jar"], "jar": "/a.jar",
            "dependencies": ["/b.jar"], "manifest_class": "a.Main"}}"#;
        let plan: Plan = serde_json::from_str(text).unwrap();
        let again: Plan = serde_json::from_slice(&serde_json::to_vec(&plan).unwrap()).unwrap();
        assert_eq!(plan, again);
        assert_eq!(
            plan.artifacts().collect::<Vec<_>>(),
            [Path::new("/a.jar"), Path::new("/b.jar")]
        );
    }
}
