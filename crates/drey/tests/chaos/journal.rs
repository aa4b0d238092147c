//! The job's own story: the lines that `count` prints with `--journal-ms`, put together into runs.
//!
//! ```text
//! JOURNAL open     run=… at=… total=<restored> checkpoint=<restored from>      a run begins
//! JOURNAL beat     run=… at=… total=<so far>                                   it counts
//! JOURNAL snapshot run=… at=… total=<in it>    checkpoint=<id>                 it hands out its state
//! JOURNAL complete run=… at=… total=<so far>   checkpoint=<id>                 Flink has acknowledged that snapshot
//! ```
//!
//! A run is one life of the operator: a Job has one per start of its tasks. The files lie in `logs/<job>`; nothing of
//! what Drey says is read here.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// One life of the counting operator.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Run {
    /// The Job, as its log folder is called.
    pub(crate) job: String,
    /// When it opened, and when it last said something, in milliseconds since the epoch.
    pub(crate) opened: u64,
    pub(crate) last: u64,
    /// What it began with, and the checkpoint that this came from; 0 for none.
    pub(crate) restored: u64,
    pub(crate) from: u64,
    /// The total when it last said something.
    pub(crate) total: u64,
    /// Totals by checkpoint.
    pub(crate) snapshots: BTreeMap<u64, u64>,
    /// When it heard that a checkpoint was complete.
    pub(crate) completed: BTreeMap<u64, u64>,
}

/// All runs in order of time. `Err`: the journal contradicts itself or is incomplete.
pub(crate) fn read(data_dir: &Path) -> Result<Vec<Run>, String> {
    let mut runs = BTreeMap::new();
    let folders = fs::read_dir(data_dir.join("logs")).map_err(|e| format!("no logs: {e}"))?;
    for folder in folders.flatten() {
        let job = folder.file_name().to_string_lossy().into_owned();
        let files = fs::read_dir(folder.path()).into_iter().flatten().flatten();
        for file in files.filter(|file| is_output(&file.file_name().to_string_lossy())) {
            let bytes =
                fs::read(file.path()).map_err(|e| format!("{}: {e}", file.path().display()))?;
            for line in String::from_utf8_lossy(&bytes).lines() {
                take(&mut runs, &job, line);
            }
        }
    }
    let mut runs: Vec<Run> = runs.into_values().collect();
    if let Some(run) = runs.iter().find(|run| run.opened == 0) {
        return Err(format!("a run of Job {} has lines, and none about its beginning", run.job));
    }
    runs.sort_by_key(|run| run.opened);
    Ok(runs)
}

fn is_output(name: &str) -> bool {
    name.starts_with("taskmanager-") && name.contains(".out")
}

/// Adds one line; a line that a `kill -9` cut off is left out.
fn take(runs: &mut BTreeMap<String, Run>, job: &str, line: &str) {
    let Some((_, entry)) = line.split_once("JOURNAL ") else { return };
    let mut words = entry.split_whitespace();
    let what = words.next().unwrap_or_default();
    let values: BTreeMap<_, _> = words.filter_map(|word| word.split_once('=')).collect();
    let number = |name: &str| values.get(name)?.parse::<u64>().ok();
    let (Some(run), Some(at), Some(total)) = (values.get("run"), number("at"), number("total"))
    else {
        return;
    };
    let Some(checkpoint) = number("checkpoint") else { return };
    let run = runs.entry((*run).to_owned()).or_default();
    job.clone_into(&mut run.job);
    run.last = run.last.max(at);
    run.total = run.total.max(total);
    match what {
        "open" => (run.opened, run.restored, run.from) = (at, total, checkpoint),
        "snapshot" => drop(run.snapshots.insert(checkpoint, total)),
        "complete" => drop(run.completed.insert(checkpoint, at)),
        _ => {}
    }
}
