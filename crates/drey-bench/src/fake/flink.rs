//! A fake JobManager in application mode: one job that runs at once, saves at once, stops at once.
//!
//! Reads what a real one would read: the port from `config.yaml`, the job id from the command line. Its checkpoint is a
//! new one at every look, since a control plane that writes such news down would be caught by that.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::control::{Diary, Effect, Mode};
use super::rest::{self, Reply, Request};
use crate::clock::now_us;

/// The program's argument that names the mode to begin with.
const MODE: &str = "--mode";

/// The job and what happened to it.
struct Job {
    id: String,
    started_us: u64,
    requests: AtomicU64,
    diary: Option<Diary>,
    inner: Mutex<Inner>,
}

struct Inner {
    mode: Mode,
    state: &'static str,
    /// Savepoints by trigger id.
    savepoints: Vec<(String, String)>,
}

/// The process.
pub(crate) fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(2).collect();
    match run(&args, now_us()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fake Flink: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String], started_us: u64) -> Result<()> {
    let after = |name: &str| args.iter().position(|a| a == name).and_then(|at| args.get(at + 1));
    let conf = after("--configDir").context("no --configDir")?;
    let id = after("--job-id").context("no --job-id")?.clone();
    let mode = after(MODE).and_then(|word| Mode::of(word)).unwrap_or(Mode::Normal);
    let port = port(Path::new(conf))?;
    let diary = after(Diary::ARGUMENT).map(Diary::at);
    if let Some(diary) = &diary {
        diary.note(Effect::Start, started_us);
    }
    let inner = Mutex::new(Inner { mode, state: "RUNNING", savepoints: Vec::new() });
    let job = Job { id, started_us, requests: AtomicU64::new(0), diary, inner };
    rest::serve(port, move |request| job.answer(request))
}

fn port(conf: &Path) -> Result<u16> {
    let text = std::fs::read_to_string(conf.join("config.yaml")).context("reading config.yaml")?;
    let value = text.lines().find_map(|line| line.strip_prefix("rest.port:"));
    let value = value.context("config.yaml has no rest.port")?.trim().trim_matches('"');
    value.parse().context("reading rest.port")
}

impl Job {
    fn answer(&self, request: &Request) -> Reply {
        if let Some(word) = request.path.strip_prefix("/bench/") {
            return self.control(word);
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let now = now_us();
        let Ok(mut inner) = self.inner.lock() else { return Reply::Never };
        let path = request.path.strip_prefix("/v1/jobs/").unwrap_or_default();
        let path = path.strip_prefix(&self.id).unwrap_or(path);
        let is_end = matches!((request.method.as_str(), path), ("POST", "/stop") | ("PATCH", ""));
        if let (true, Some(diary)) = (is_end, &self.diary) {
            diary.note(Effect::End, now);
        }
        let is_hanging = match inner.mode {
            Mode::Normal => false,
            Mode::Silent => true,
            Mode::AllButOne => path == "/checkpoints",
        };
        if is_hanging {
            return Reply::Never;
        }
        match (request.method.as_str(), path) {
            ("GET", "overview") => self.overview(&inner, now),
            ("GET", "/metrics") => ok(&json!([{ "id": "numRestarts", "value": "0" }])),
            ("GET", "/checkpoints") => checkpoints(now),
            ("GET", "/exceptions") => ok(&json!({ "exceptionHistory": { "entries": [] } })),
            ("POST", "/stop") => save(&mut inner, &request.body, true),
            ("POST", "/savepoints") => save(&mut inner, &request.body, false),
            ("PATCH", "") => {
                inner.state = "CANCELED";
                Reply::Json(202, "{}".to_owned())
            }
            ("GET", other) => operation(&inner, other),
            _ => unknown(),
        }
    }

    fn control(&self, word: &str) -> Reply {
        if let (Some(mode), Ok(mut inner)) = (Mode::of(word), self.inner.lock()) {
            inner.mode = mode;
        }
        ok(&json!({ "requests": self.requests.load(Ordering::Relaxed) }))
    }

    fn overview(&self, inner: &Inner, now_us: u64) -> Reply {
        let running = u32::from(inner.state == "RUNNING") * 2;
        ok(&json!({ "jobs": [{
            "jid": self.id, "name": "fake", "start-time": self.started_us / 1000, "end-time": -1,
            "duration": now_us.saturating_sub(self.started_us) / 1000, "state": inner.state,
            "last-modification": self.started_us / 1000,
            "tasks": {
                "running": running, "canceling": 0, "canceled": 0, "total": 2, "created": 0, "scheduled": 0,
                "deploying": 0, "reconciling": 0, "finished": 2 - running, "initializing": 0, "failed": 0,
            },
        }] }))
    }
}

/// As much as a real Flink tells of a small job with one checkpoint after the other.
fn checkpoints(now_us: u64) -> Reply {
    let (ms, number) = (now_us / 1000, now_us / 1_000_000);
    let one = |number: u64| {
        json!({
            "className": "completed", "id": number, "status": "COMPLETED", "is_savepoint": false,
            "trigger_timestamp": ms - 20, "latest_ack_timestamp": ms - 5, "end_to_end_duration": 15,
            "checkpointed_size": 4711, "state_size": 4711, "processed_data": 0, "persisted_data": 0,
            "num_subtasks": 2, "num_acknowledged_subtasks": 2, "checkpoint_type": "CHECKPOINT", "tasks": {},
            "external_path": format!("file:/tmp/none/chk-{number}"), "discarded": false,
        })
    };
    let history: Vec<Value> = (0..10).map(|back| one(number - back)).collect();
    ok(&json!({
        "counts": { "restored": 0, "total": number, "in_progress": 0, "completed": number, "failed": 0 },
        "latest": { "completed": one(number), "savepoint": null, "failed": null, "restored": null },
        "history": history,
    }))
}

/// Writes a savepoint, as empty as the job.
fn save(inner: &mut Inner, body: &[u8], is_stop: bool) -> Reply {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    // Flink spells the directory of a stop in camel case, and that of a savepoint in kebab case.
    let directory =
        asked["targetDirectory"].as_str().or_else(|| asked["target-directory"].as_str());
    let (Some(directory), Some(trigger)) = (directory, asked["triggerId"].as_str()) else {
        return unknown();
    };
    let short = trigger.get(..12).unwrap_or(trigger);
    let base = directory.strip_prefix("file://").unwrap_or(directory);
    let place = PathBuf::from(base).join(format!("savepoint-{short}"));
    let written = std::fs::create_dir_all(&place)
        .and_then(|()| std::fs::write(place.join("_metadata"), b"x"));
    if written.is_err() {
        return Reply::Json(
            500,
            json!({ "errors": ["the savepoint cannot be written"] }).to_string(),
        );
    }
    let location = format!("file:{}", place.display());
    inner.savepoints.push((trigger.to_owned(), location));
    if is_stop {
        inner.state = "FINISHED";
    }
    Reply::Json(202, json!({ "request-id": trigger }).to_string())
}

fn operation(inner: &Inner, path: &str) -> Reply {
    let trigger = path.strip_prefix("/savepoints/").unwrap_or_default();
    match inner.savepoints.iter().find(|(known, _)| known == trigger) {
        Some((_, location)) => ok(&json!({
            "status": { "id": "COMPLETED" }, "operation": { "location": location, "failure-cause": null },
        })),
        None => unknown(),
    }
}

fn ok(body: &Value) -> Reply {
    Reply::Json(200, body.to_string())
}

fn unknown() -> Reply {
    Reply::Json(404, json!({ "errors": ["Unable to load requested file."] }).to_string())
}
