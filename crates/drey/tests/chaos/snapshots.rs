//! Every snapshot that somebody was told is complete, from all three who tell: the job, Flink, and Drey.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::harness::{Server, text};
use crate::journal::Run;
use crate::proof::{Acknowledged, Acknowledgements};
use crate::witness::Seen;

const MAGIC: u32 = 0x4960_672d;
const ORIGINS: [&str; 4] =
    ["USER_REQUEST", "SUSPEND", "SUSPEND_AND_UPGRADE", "RETAINED_CHECKPOINT"];

/// A Savepoint of which Drey says that it is complete.
pub(crate) struct Claimed {
    pub(crate) origin: &'static str,
    pub(crate) location: String,
    job: String,
    at: u64,
}

impl Claimed {
    /// Flink's number of it; `None`: it cannot be read.
    pub(crate) fn number(&self) -> Option<u64> {
        number(&PathBuf::from(self.location.strip_prefix("file://")?).join("_metadata"))
    }
}

/// All complete Savepoints that the API shows.
pub(crate) fn claimed(server: &Server, name: &str) -> Vec<Claimed> {
    let mut all = Vec::new();
    for origin in ORIGINS {
        let complete = server
            .savepoints(name, origin)
            .into_iter()
            .filter(|s| text(s, "/status/state") == "COMPLETED");
        all.extend(complete.map(|s| Claimed {
            origin,
            location: text(&s, "/spec/savepointLocation"),
            job: text(&s, "/metadata/jobId"),
            at: millis(&text(&s, "/metadata/modifiedAt")),
        }));
    }
    all
}

fn millis(timestamp: &str) -> u64 {
    let at: Timestamp = timestamp.parse().unwrap();
    u64::try_from(at.as_millisecond()).unwrap()
}

/// Puts together who was told what and when.
pub(crate) fn acknowledged(
    runs: &[Run],
    seen: &Seen,
    claimed: &[Claimed],
    data_dir: &Path,
) -> Acknowledgements {
    let heard = runs
        .iter()
        .flat_map(|run| run.completed.iter().map(|(id, at)| (run.job.clone(), *id, *at)));
    let answered = seen.completed.iter().map(|((job, id), at)| (job.clone(), *id, *at));
    let shown = claimed.iter().filter_map(|c| Some((c.job.clone(), c.number()?, c.at)));
    let all = heard
        .chain(answered)
        .chain(shown)
        .map(|(job, id, at)| Acknowledged { job, id, at })
        .collect();
    let mut savepoints = BTreeSet::new();
    collect(&data_dir.join("flink-savepoints"), &mut savepoints);
    Acknowledgements { all, savepoints }
}

/// Numbers of all snapshots below a folder.
fn collect(folder: &Path, numbers: &mut BTreeSet<u64>) {
    numbers.extend(number(&folder.join("_metadata")));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            collect(&entry.path(), numbers);
        }
    }
}

/// The checkpoint number at the head of a `_metadata` file: magic, version, number, all big-endian.
fn number(metadata: &Path) -> Option<u64> {
    let bytes = fs::read(metadata).ok()?;
    let magic = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?);
    let number = u64::from_be_bytes(bytes.get(8..16)?.try_into().ok()?);
    (magic == MAGIC).then_some(number)
}
