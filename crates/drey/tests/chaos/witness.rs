//! Someone who watches from the side, all the time: `/proc` and Flink's own REST API, never Drey.
//!
//! ```text
//! every 150 ms ─► /proc: whose processes live?            two Jobs at once, seen twice in a row ─► violation
//!              ─► each JobManager: which jobs live?       two live Flink jobs in one round      ─► violation
//!              ─► each live job: completed checkpoints    ─► acknowledged, with the time when this was seen
//! ```
//!
//! A stopped process cannot answer; that it lives is enough to count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::harness::Cluster;
use crate::http::Http;
use crate::processes::{self, Process, Role};

const INTERVAL: Duration = Duration::from_millis(150);
/// A JobManager that is stopped never answers.
const REQUEST: Duration = Duration::from_millis(500);
const TERMINAL: [&str; 4] = ["FINISHED", "CANCELED", "FAILED", "SUSPENDED"];

/// Milliseconds since the epoch, the clock of the journal.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

/// What was seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) looks: u64,
    pub(crate) answers: u64,
    /// Most JobManagers of live processes in one look.
    pub(crate) job_managers_max: usize,
    pub(crate) violations: BTreeSet<String>,
    /// When a completed checkpoint or savepoint was first seen, by Job and number.
    pub(crate) completed: BTreeMap<(String, u64), u64>,
    /// Jobs all of whose tasks ran at the last look.
    pub(crate) running: BTreeSet<String>,
}

/// A thread that looks until it is stopped.
pub(crate) struct Witness {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    thread: Option<JoinHandle<()>>,
}

impl Witness {
    pub(crate) fn watch(data_dir: PathBuf) -> Self {
        let (stop, seen) =
            (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Seen::default())));
        let (told, shared) = (Arc::clone(&stop), Arc::clone(&seen));
        let thread = std::thread::spawn(move || {
            let http = Http::new(REQUEST);
            let mut suspected: Option<String> = None;
            while !told.load(Ordering::SeqCst) {
                suspected = look(&http, &data_dir, suspected.as_deref(), &shared);
                std::thread::sleep(INTERVAL);
            }
        });
        Self { stop, seen, thread: Some(thread) }
    }

    /// What was seen so far.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    /// Ends the thread; says whether it had lived until now.
    pub(crate) fn stop(&mut self) -> bool {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.take().is_none_or(|thread| thread.join().is_ok())
    }
}

/// Looks once; returns what looks like two Jobs and has to be seen again to count, because the processes of one look
/// are read one after the other.
fn look(
    http: &Http,
    data_dir: &Path,
    suspected: Option<&str>,
    seen: &Mutex<Seen>,
) -> Option<String> {
    let all = processes::of(data_dir);
    let flink: Vec<&Process> =
        all.iter().filter(|p| [Role::JobManager, Role::TaskManager].contains(&p.role)).collect();
    let managers: Vec<&Process> =
        flink.iter().filter(|p| p.role == Role::JobManager).copied().collect();
    let jobs: BTreeSet<&String> = flink.iter().filter_map(|p| p.job.as_ref()).collect();
    let crowd = (jobs.len() > 1 || managers.len() > 1).then(|| {
        let one =
            |p: &&Process| format!("{:?} {} of {}", p.role, p.pid, p.job.as_deref().unwrap_or("?"));
        flink.iter().map(one).collect::<Vec<_>>().join(", ")
    });
    let answers: Vec<Answer> = jobs.iter().filter_map(|job| ask(http, data_dir, job)).collect();
    let live: Vec<&String> = answers.iter().flat_map(|answer| &answer.live).collect();

    let mut seen = seen.lock().unwrap();
    seen.looks += 1;
    seen.answers += u64::try_from(answers.len()).unwrap();
    seen.job_managers_max = seen.job_managers_max.max(managers.len());
    if crowd.is_some() && crowd.as_deref() == suspected {
        seen.violations.insert(format!(
            "processes of two Jobs at {}: {}",
            now(),
            crowd.clone().unwrap_or_default()
        ));
    }
    if live.len() > 1 {
        seen.violations.insert(format!("two live Flink jobs at {}: {live:?}", now()));
    }
    seen.running = answers.iter().filter(|a| a.is_running).map(|a| a.job.clone()).collect();
    let at = now();
    for answer in &answers {
        for id in &answer.completed {
            seen.completed.entry((answer.job.clone(), *id)).or_insert(at);
        }
    }
    crowd
}

/// What one JobManager says.
struct Answer {
    job: String,
    /// Flink jobs that have not ended.
    live: Vec<String>,
    is_running: bool,
    completed: Vec<u64>,
}

fn ask(http: &Http, data_dir: &Path, job: &str) -> Option<Answer> {
    let port = *Cluster::of(data_dir, job).ports().first()?;
    let base = format!("http://127.0.0.1:{port}/jobs");
    let overview = http.json(&format!("{base}/overview"))?;
    let id = job.replace('-', "");
    let jobs = overview["jobs"].as_array()?;
    let live = jobs
        .iter()
        .filter(|entry| !TERMINAL.contains(&entry["state"].as_str().unwrap_or_default()));
    let live = live.map(|entry| entry["jid"].to_string()).collect();
    let is_running = jobs.iter().any(|entry| {
        let tasks = &entry["tasks"];
        entry["jid"] == id.as_str()
            && entry["state"] == "RUNNING"
            && tasks["running"] == tasks["total"]
    });
    let checkpoints = http.json(&format!("{base}/{id}/checkpoints")).unwrap_or_default();
    let history = checkpoints["history"].as_array().cloned().unwrap_or_default();
    let done = history.iter().filter(|entry| entry["status"] == "COMPLETED");
    let completed = done.filter_map(|entry| entry["id"].as_u64()).collect();
    Some(Answer { job: job.to_owned(), live, is_running, completed })
}
