//! Someone who watches from the side, all the time: one Deployment, one live job.
//!
//! Asks every JobManager of the data folder, not Drey, and counts JobManager processes too: a job whose JobManager does
//! not answer may still be writing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::http::Http;
use super::processes::Cluster;

const INTERVAL: Duration = Duration::from_millis(100);
const TERMINAL: [&str; 4] = ["FINISHED", "CANCELED", "FAILED", "SUSPENDED"];

/// What was seen so far.
#[derive(Debug, Default, Clone)]
struct Sightings {
    /// Ids of all live Flink jobs.
    jobs: BTreeSet<String>,
    /// What must not be.
    violations: Vec<String>,
}

/// A thread that looks until it is stopped.
pub(super) struct Sentinel {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Sightings>>,
    thread: Option<JoinHandle<()>>,
}

impl Sentinel {
    pub(super) fn watch(data_dir: &Path) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let seen = Arc::<Mutex<Sightings>>::default();
        let (folder, told, sightings) = (data_dir.to_owned(), Arc::clone(&stop), Arc::clone(&seen));
        let thread = std::thread::spawn(move || look_until(&folder, &told, &sightings));
        Self { stop, seen, thread: Some(thread) }
    }

    /// Ends the thread; returns what it saw that must not be.
    pub(super) fn stop(&mut self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.seen.lock().unwrap().violations.clone()
    }

    /// Flink ids of all jobs that it saw alive so far: the proof that it looks.
    pub(super) fn jobs(&self) -> BTreeSet<String> {
        self.seen.lock().unwrap().jobs.clone()
    }
}

fn look_until(data_dir: &Path, stop: &AtomicBool, seen: &Mutex<Sightings>) {
    let http = Http::new(Duration::from_millis(300));
    while !stop.load(Ordering::SeqCst) {
        let first = look(&http, data_dir, seen);
        // What is seen one after the other may not have been at once: what is too much has to be so twice.
        if !first.is_empty() {
            let again = look(&http, data_dir, seen);
            let mut seen = seen.lock().unwrap();
            for what in first.into_iter().filter(|what| again.contains(what)) {
                if !seen.violations.contains(&what) {
                    seen.violations.push(what);
                }
            }
        }
        std::thread::sleep(INTERVAL);
    }
}

/// What is too much at this moment.
fn look(http: &Http, data_dir: &Path, seen: &Mutex<Sightings>) -> Vec<String> {
    let mut managers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut jobs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for cluster in Cluster::all(data_dir) {
        if cluster.is_shared() {
            // The tests name each Flink job after its Deployment.
            for (id, name) in live_jobs(http, &cluster) {
                seen.lock().unwrap().jobs.insert(id.clone());
                jobs.entry(name).or_default().push(id);
            }
            continue;
        }
        let Some(deployment) = cluster.deployment() else { continue };
        if let Some(pid) = cluster.pid("jobmanager") {
            managers.entry(deployment.clone()).or_default().push(format!("JobManager {pid}"));
        }
        let live: Vec<String> = live_jobs(http, &cluster).into_iter().map(|(id, _)| id).collect();
        seen.lock().unwrap().jobs.extend(live.clone());
        jobs.entry(deployment).or_default().extend(live);
    }
    let all = managers.into_iter().chain(jobs);
    let too_many = all.filter(|(_, names)| names.len() > 1);
    too_many.map(|(deployment, names)| format!("{deployment}: {}", names.join(", "))).collect()
}

/// Ids and names.
fn live_jobs(http: &Http, cluster: &Cluster) -> Vec<(String, String)> {
    let ports = cluster.ports();
    let Some(port) = ports.first() else { return Vec::new() };
    let Some(overview) = http.json(&format!("http://127.0.0.1:{port}/jobs/overview")) else {
        return Vec::new();
    };
    let jobs = overview["jobs"].as_array().cloned().unwrap_or_default();
    let live =
        jobs.iter().filter(|job| !TERMINAL.contains(&job["state"].as_str().unwrap_or_default()));
    let text =
        |job: &serde_json::Value, key: &str| job[key].as_str().unwrap_or_default().to_owned();
    live.map(|job| (text(job, "jid"), text(job, "name"))).collect()
}
