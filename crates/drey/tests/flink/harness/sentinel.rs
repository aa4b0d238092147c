//! Someone who watches from the side, all the time: one Deployment, one live job.
//!
//! Asks every JobManager of the data folder, not Drey, and counts JobManager processes too: a job whose JobManager does
//! not answer may still be writing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::http::Http;
use super::processes::Cluster;

const INTERVAL: Duration = Duration::from_millis(100);
const TERMINAL: [&str; 4] = ["FINISHED", "CANCELED", "FAILED", "SUSPENDED"];

/// A thread that looks until it is stopped.
pub(super) struct Sentinel {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Sentinel {
    pub(super) fn watch(data_dir: &Path) -> Self {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (folder, told, violations) = (data_dir.to_owned(), Arc::clone(&stop), Arc::clone(&seen));
        let thread = std::thread::spawn(move || look_until(&folder, &told, &violations));
        Self { stop, seen, thread: Some(thread) }
    }

    /// Ends the thread; returns what it saw that must not be.
    pub(super) fn stop(&mut self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.seen.lock().unwrap().clone()
    }
}

fn look_until(data_dir: &PathBuf, stop: &AtomicBool, violations: &Mutex<Vec<String>>) {
    let http = Http::new(Duration::from_millis(300));
    while !stop.load(Ordering::SeqCst) {
        let first = look(&http, data_dir);
        // What is seen one after the other may not have been at once: what is too much has to be so twice.
        if !first.is_empty() {
            let again = look(&http, data_dir);
            let mut violations = violations.lock().unwrap();
            let confirmed = first.into_iter().filter(|what| again.contains(what));
            for what in confirmed {
                if !violations.contains(&what) {
                    violations.push(what);
                }
            }
        }
        std::thread::sleep(INTERVAL);
    }
}

/// What is too much at this moment.
fn look(http: &Http, data_dir: &Path) -> Vec<String> {
    let mut managers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut jobs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for cluster in Cluster::all(data_dir) {
        let Some(deployment) = cluster.deployment() else { continue };
        if let Some(pid) = cluster.pid("jobmanager") {
            managers.entry(deployment.clone()).or_default().push(format!("JobManager {pid}"));
        }
        jobs.entry(deployment).or_default().extend(live_jobs(http, &cluster));
    }
    let all = managers.into_iter().chain(jobs);
    let too_many = all.filter(|(_, names)| names.len() > 1);
    too_many.map(|(deployment, names)| format!("{deployment}: {}", names.join(", "))).collect()
}

fn live_jobs(http: &Http, cluster: &Cluster) -> Vec<String> {
    let ports = cluster.ports();
    let Some(port) = ports.first() else { return Vec::new() };
    let Some(overview) = http.json(&format!("http://127.0.0.1:{port}/jobs/overview")) else {
        return Vec::new();
    };
    let jobs = overview["jobs"].as_array().cloned().unwrap_or_default();
    let live = jobs.iter().filter(|job| !TERMINAL.contains(&job["state"].as_str().unwrap_or_default()));
    live.map(|job| format!("job {}", job["jid"])).collect()
}
