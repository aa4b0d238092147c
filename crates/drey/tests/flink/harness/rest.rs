//! The REST API in the words of the tests, and waiting: for a condition, with a deadline, never for a time.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::Answer;
use super::processes::Cluster;
use super::server::Server;

/// One Flink start takes 6 s alone; this is for a machine with four other builds on it.
const DEADLINE: Duration = Duration::from_secs(90);
const INTERVAL: Duration = Duration::from_millis(50);
/// The vertex with the `count` operator of the fixture jobs; the same in every version.
const COUNT_VERTEX: &str = "b71731f1c0df9c3076c4a455334d0ad6";
const API: &str = "/api/v1/namespaces/default";

/// The text at a JSON pointer; empty when there is none.
pub(crate) fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Flink's id of a Job.
pub(crate) fn flink_id(job: &str) -> String {
    job.replace('-', "")
}

impl Server {
    /// Waits until `look` finds something.
    pub(crate) fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < deadline, "waited {DEADLINE:?} for {what}");
            std::thread::sleep(INTERVAL);
        }
    }

    /// An answer of the server; an error when it gave none.
    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let base = self.base.as_deref().ok_or("the server does not run")?;
        self.http.call(method, &format!("{base}{path}"), body)
    }

    /// An answer that has to be a success.
    pub(crate) fn done(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let answer = self.call(method, path, body).unwrap();
        assert!(answer.status < 300, "{method} {path}: {answer:?}");
        answer.json()
    }

    pub(crate) fn try_get(&self, path: &str) -> Value {
        self.call("GET", path, None).map(|answer| answer.json()).unwrap_or_default()
    }

    pub(crate) fn try_list(&self, path: &str) -> Vec<Value> {
        let list = self.try_get(&format!("{API}/{path}"));
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// Declares a Deployment.
    pub(crate) fn create(&self, document: &Value) -> Value {
        self.done("POST", &format!("{API}/deployments"), Some(document))
    }

    /// Uploads an artifact; its URI.
    #[track_caller]
    pub(crate) fn upload(&self, artifacts: &str, filename: &str, content: &[u8]) -> String {
        let url = format!("{}{artifacts}:upload", self.base.as_deref().expect("a server"));
        let answer = self.http.upload(&url, filename, content).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        text(&answer.json(), "/artifact/uri")
    }

    pub(crate) fn patch(&self, name: &str, change: &Value) -> Value {
        self.done("PATCH", &format!("{API}/deployments/{name}"), Some(change))
    }

    /// The same when the server may die of it; whether it was accepted.
    pub(crate) fn try_patch(&self, name: &str, change: &Value) -> bool {
        let answer = self.call("PATCH", &format!("{API}/deployments/{name}"), Some(change));
        answer.is_ok_and(|answer| answer.status < 300)
    }

    /// Sets the desired state.
    pub(crate) fn want(&self, name: &str, state: &str) {
        self.patch(name, &json!({ "spec": { "state": state } }));
    }

    pub(crate) fn deployment(&self, name: &str) -> Value {
        self.try_get(&format!("{API}/deployments/{name}"))
    }

    pub(crate) fn state(&self, name: &str) -> String {
        text(&self.deployment(name), "/status/state")
    }

    /// Waits for a state of the Deployment.
    pub(crate) fn reach(&self, name: &str, state: &str) -> Value {
        self.until(&format!("{name} to be {state}"), || {
            let deployment = self.deployment(name);
            (text(&deployment, "/status/state") == state).then_some(deployment)
        })
    }

    /// Wants RUNNING and waits for it; returns the Job.
    pub(crate) fn start_job(&self, name: &str) -> String {
        self.want(name, "RUNNING");
        self.running(name, "")
    }

    /// Waits until a Job other than `old` runs; returns it.
    pub(crate) fn running(&self, name: &str, old: &str) -> String {
        self.until(&format!("{name} to be RUNNING with a new Job"), || {
            let deployment = self.deployment(name);
            let job = text(&deployment, "/status/running/jobId");
            (text(&deployment, "/status/state") == "RUNNING" && job != old).then_some(job)
        })
    }

    /// Wants CANCELLED and waits for it.
    pub(crate) fn cancel(&self, name: &str) {
        self.want(name, "CANCELLED");
        self.reach(name, "CANCELLED");
    }

    fn of(&self, kind: &str, name: &str) -> Vec<Value> {
        let id = text(&self.deployment(name), "/metadata/id");
        let mut all = self.try_list(&format!("{kind}?deploymentId={id}"));
        all.reverse();
        all
    }

    /// The Deployment's Jobs, oldest first.
    pub(crate) fn jobs(&self, name: &str) -> Vec<Value> {
        self.of("jobs", name)
    }

    pub(crate) fn job(&self, id: &str) -> Value {
        self.try_get(&format!("{API}/jobs/{id}"))
    }

    /// The Deployment's Savepoints of one origin, oldest first.
    pub(crate) fn savepoints(&self, name: &str, origin: &str) -> Vec<Value> {
        let mut all = self.of("savepoints", name);
        all.retain(|savepoint| text(savepoint, "/metadata/origin") == origin);
        all
    }

    /// The one Savepoint of that origin, which must be complete.
    pub(crate) fn only_savepoint(&self, name: &str, origin: &str) -> Value {
        let all = self.savepoints(name, origin);
        assert_eq!(all.len(), 1, "{origin}: {all:#?}");
        assert_eq!(text(&all[0], "/status/state"), "COMPLETED", "{all:#?}");
        all[0].clone()
    }

    /// Asks for a savepoint; returns its id.
    pub(crate) fn take_savepoint(&self, name: &str) -> String {
        let id = text(&self.deployment(name), "/metadata/id");
        let body = json!({ "metadata": { "deploymentId": id } });
        text(&self.done("POST", &format!("{API}/savepoints"), Some(&body)), "/metadata/id")
    }

    /// The same when the server may die of it; whether it was accepted.
    pub(crate) fn try_take_savepoint(&self, name: &str) -> bool {
        let id = text(&self.deployment(name), "/metadata/id");
        let body = json!({ "metadata": { "deploymentId": id } });
        let answer = self.call("POST", &format!("{API}/savepoints"), Some(&body));
        answer.is_ok_and(|answer| answer.status < 300)
    }

    /// Names and messages of the Deployment's events, oldest first.
    pub(crate) fn events(&self, name: &str) -> Vec<(String, String)> {
        let all = self.of("events", name);
        all.iter()
            .map(|event| (text(event, "/metadata/name"), text(event, "/spec/message")))
            .collect()
    }

    /// Messages of the events with this name.
    pub(crate) fn events_named(&self, name: &str, event: &str) -> Vec<String> {
        let all = self.events(name).into_iter();
        all.filter(|(name, _)| name == event).map(|(_, message)| message).collect()
    }

    /// A condition's status.
    pub(crate) fn condition(&self, name: &str, kind: &str) -> String {
        let deployment = self.deployment(name);
        let conditions =
            deployment["status"]["running"]["conditions"].as_array().cloned().unwrap_or_default();
        let found = conditions.iter().find(|c| text(c, "/type") == kind);
        found.map(|c| text(c, "/status")).unwrap_or_default()
    }

    /// What Flink answers on this path, through Drey's proxy.
    pub(crate) fn flink(&self, job: &str, path: &str) -> Value {
        self.try_get(&format!("/flink-ui/v1/namespaces/default/jobs/{job}/{path}"))
    }

    /// Records that the job has counted so far.
    pub(crate) fn counted(&self, job: &str) -> u64 {
        let path = format!(
            "jobs/{}/vertices/{COUNT_VERTEX}/subtasks/metrics?get=count.fixtureTotal",
            flink_id(job)
        );
        self.until("the job's own count", || {
            let answer = self.flink(job, &path);
            let sum = answer.pointer("/0/sum").and_then(Value::as_f64)?;
            (sum > 0.0).then_some(sum as u64)
        })
    }

    /// With how many records each start of the counting operator of a Job began, from the logs API; waits for
    /// `starts` of them.
    pub(crate) fn restored(&self, job: &str, starts: usize) -> Vec<u64> {
        self.until(&format!("{starts} lines about restored state of Job {job}"), || {
            let found = self.restored_so_far(job);
            (found.len() >= starts).then_some(found)
        })
    }

    fn restored_so_far(&self, job: &str) -> Vec<u64> {
        let lines = self.printed(job);
        let lines = lines.iter().filter(|line| line.starts_with("FIXTURE open"));
        lines.filter_map(|line| line.rsplit_once("restored=")?.1.trim().parse().ok()).collect()
    }

    /// What the TaskManagers of a Job have printed so far, from the logs API.
    pub(crate) fn printed(&self, job: &str) -> Vec<String> {
        let logs = format!("/ext/v1/namespaces/default/jobs/{job}/logs");
        let files = self.try_get(&logs)["items"].as_array().cloned().unwrap_or_default();
        let names = files.iter().map(|file| text(file, "/name"));
        let outputs =
            names.filter(|name| name.starts_with("taskmanager-") && name.ends_with(".out"));
        let mut lines = Vec::new();
        for name in outputs {
            let answer = self.call("GET", &format!("{logs}/{name}?offset=0&limit=1000000"), None);
            let Ok(output) = answer else { continue };
            lines.extend(output.body.lines().map(str::to_owned));
        }
        lines
    }

    /// Waits until a checkpoint of the Job is complete on disk that holds something: one that began after the job had
    /// begun to count.
    pub(crate) fn checkpointed(&self, job: &str) {
        self.counted(job);
        let before = self.newest_checkpoint(job);
        self.until("another complete checkpoint", || {
            (self.newest_checkpoint(job) != before).then_some(())
        });
    }

    /// The newest complete checkpoint of a Job, by its number.
    pub(crate) fn newest_checkpoint(&self, job: &str) -> Option<PathBuf> {
        let folder = self.data_dir().join("flink-jobs/namespaces/default/jobs").join(job);
        let folder = folder.join("checkpoints").join(flink_id(job));
        let numbers = fs::read_dir(&folder).into_iter().flatten().flatten().filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let is_complete = entry.path().join("_metadata").exists();
            name.strip_prefix("chk-")?.parse::<u64>().ok().filter(|_| is_complete)
        });
        numbers.max().map(|number| folder.join(format!("chk-{number}")))
    }

    /// Complete savepoints of a Deployment on disk: what Flink really took.
    pub(crate) fn savepoints_on_disk(&self, name: &str) -> Vec<PathBuf> {
        let id = text(&self.deployment(name), "/metadata/id");
        let root = self.data_dir().join("flink-savepoints/namespaces/default/deployments").join(id);
        let level = |folder: PathBuf| {
            fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path())
        };
        let taken = level(root).flat_map(level);
        taken.filter(|path| path.join("_metadata").exists()).collect()
    }

    /// Asserts that no process of this data folder runs and no cluster has left a folder.
    pub(crate) fn assert_nothing_left(&self) {
        let left = self.left();
        assert!(left.is_empty(), "left behind: {left:#?}");
    }

    /// Waits for the same. FINISHED says that the job is over, not yet its cluster.
    pub(crate) fn until_nothing_left(&self) {
        self.until("nothing to be left", || self.left().is_empty().then_some(()));
    }

    fn left(&self) -> Vec<String> {
        let processes = self.processes().into_iter().map(|process| format!("{process:?}"));
        let clusters = Cluster::all(&self.data_dir()).into_iter();
        let clusters = clusters.map(|c| format!("{}: {:?}", c.folder.display(), c.names()));
        processes.chain(clusters).collect()
    }
}
