//! One `drey serve` with a data folder of its own: started, talked to, stopped.
//!
//! Dropping it kills the server, then what the server started, then deletes the folder.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::cleanup::{Folder, Guard};
use crate::clock;
use crate::fake::JavaHome;
use crate::http::Http;
use crate::scene::Setting;

const LISTENING: &str = "listening on http://";
const START: Duration = Duration::from_secs(60);
const DEPLOYMENTS: &str = "/api/v1/namespaces/default/deployments";

/// A data folder, whose clusters end with it.
pub(crate) struct Data {
    // In this order: what runs in the folder ends before the folder does.
    _clusters: Guard,
    folder: Folder,
}

impl Data {
    pub(crate) fn new() -> Result<Self> {
        let folder = Folder::new("drey-bench-")?;
        Ok(Self { _clusters: Guard::clusters(&folder.path().join("data")), folder })
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

/// A running server.
pub(crate) struct Server {
    guard: Option<Guard>,
    child: Child,
    pub(crate) http: Http,
    data_dir: PathBuf,
    /// Just before the spawn.
    pub(crate) spawned_at: Instant,
}

impl Server {
    /// Starts a server on `data`; its Flinks are fakes when a home is given, and real ones otherwise.
    pub(crate) fn start(setting: &Setting, data: &Data, home: Option<&JavaHome>) -> Result<Self> {
        let data_dir = data.path();
        let log = data.folder.path().join("serve.log");
        let log = File::options().create(true).append(true).open(log).context("opening a log")?;
        let mut command = Command::new(&setting.binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(&data_dir);
        for name in ["RUST_LOG", "DREY_CONFIG", "DREY_LISTEN", "DREY_DATA_DIR", "DREY_LOG_FORMAT"] {
            command.env_remove(name);
        }
        if let Some(home) = home {
            command.env("JAVA_HOME", home.path()).env("DREY_CACHE", home.cache());
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let spawned_at = Instant::now();
        let mut child = command.spawn().context("starting drey serve")?;
        let guard = Some(Guard::child(child.id()));
        let stdout = child.stdout.take().context("standard output is piped")?;
        let address = listening(BufReader::new(stdout));
        let address = address.with_context(|| format!("drey serve on {}", data_dir.display()))?;
        Ok(Self { guard, child, http: Http::new(address), data_dir, spawned_at })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Declares a Deployment.
    pub(crate) fn create(&mut self, deployment: &Value) -> Result<()> {
        let answer = self.http.call("POST", DEPLOYMENTS, Some(deployment))?;
        answer.success("declaring a Deployment").map(|_| ())
    }

    /// Changes a Deployment; returns when the request was sent, by [`clock::now_us`].
    pub(crate) fn patch(&mut self, name: &str, change: &Value) -> Result<u64> {
        let sent = clock::now_us();
        let answer = self.http.call("PATCH", &format!("{DEPLOYMENTS}/{name}"), Some(change))?;
        answer.success("changing a Deployment")?;
        Ok(sent)
    }

    pub(crate) fn deployment(&mut self, name: &str) -> Result<Value> {
        self.http.get(&format!("{DEPLOYMENTS}/{name}"))?.success("reading a Deployment")
    }

    /// All of them; returns how many.
    pub(crate) fn list(&mut self) -> Result<usize> {
        let list = self.http.get(DEPLOYMENTS)?.success("listing Deployments")?;
        Ok(list["items"].as_array().map_or(0, Vec::len))
    }

    /// The id of the Job that runs for a Deployment, once it is RUNNING with one other than `before`.
    pub(crate) fn running_job(&mut self, name: &str, before: &str) -> Result<String> {
        let what = format!("{name} to be RUNNING");
        clock::wait_for(&what, START * 2, Duration::from_millis(25), || {
            let deployment = self.deployment(name)?;
            let status = &deployment["status"];
            let job = status["running"]["jobId"].as_str().unwrap_or_default();
            let is_there = status["state"] == "RUNNING" && !job.is_empty() && job != before;
            Ok(is_there.then(|| job.to_owned()))
        })
    }

    /// Waits for a state of a Deployment.
    pub(crate) fn wait_for_state(&mut self, name: &str, state: &str) -> Result<()> {
        let what = format!("{name} to be {state}");
        clock::wait_for(&what, START * 2, Duration::from_millis(25), || {
            Ok((self.deployment(name)?["status"]["state"] == state).then_some(()))
        })
    }

    /// A counter of `/metrics`.
    pub(crate) fn counter(&mut self, name: &str) -> Result<f64> {
        let answer = self.http.get("/metrics")?;
        let text = String::from_utf8_lossy(&answer.body);
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let value = line.and_then(|line| line.trim().parse().ok());
        value.with_context(|| format!("/metrics has no {name}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Kills; only then is the pid given back.
        self.guard = None;
        let _ = self.child.wait();
    }
}

/// The address in the line that the server prints when it serves. The rest of its output is read and forgotten, or it
/// would block on a full pipe.
fn listening(stdout: impl BufRead + Send + 'static) -> Result<SocketAddr> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let deadline = Instant::now() + START;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let line = lines.recv_timeout(left).context("it ended or said nothing; see serve.log")?;
        if let Some(address) = line.strip_prefix(LISTENING) {
            return address.trim().parse().context("reading its address");
        }
    }
}
