//! The verdict on a story: was acknowledged state lost, and did two copies run at once? Pure: values in, values out.
//!
//! ```text
//! a snapshot is acknowledged   when the job heard so (journal), when Flink said so (witness), when Drey said so (API)
//! snapshots are ordered        by Job, then by number: Flink's numbers grow within a Job
//! a new Job's first run        must begin with the newest snapshot acknowledged before it opened, or a newer one
//! a later run of the same Job  is Flink's own restart: from the newest checkpoint; savepoints do not count there
//! what a run begins with       must be, to the record, what an earlier run handed out under that number
//! lives of two Jobs            must not overlap, to the millisecond
//! ```
//!
//! Flink fences the runs within one Job itself; an overlap there is counted and shown, and is no fault of Drey.

use std::collections::{BTreeMap, BTreeSet};

use crate::journal::Run;

/// A snapshot that somebody was told is complete.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledged {
    pub(crate) job: String,
    pub(crate) id: u64,
    pub(crate) at: u64,
}

/// What is known besides the runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Acknowledgements {
    pub(crate) all: Vec<Acknowledged>,
    /// Numbers that belong to savepoints, whose Job is not told apart.
    pub(crate) savepoints: BTreeSet<u64>,
}

/// One beginning of the counting.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    pub(crate) job: String,
    pub(crate) opened: u64,
    /// Whether the Job is new; else Flink restarted its tasks.
    pub(crate) is_first: bool,
    pub(crate) from: u64,
    pub(crate) restored: u64,
    /// The newest snapshot acknowledged before: number and total.
    pub(crate) floor: Option<(u64, u64)>,
    /// What is wrong with it.
    pub(crate) fault: Option<String>,
}

/// What the story proves.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdict {
    pub(crate) starts: Vec<Start>,
    /// Lives of two Jobs at once.
    pub(crate) overlaps: Vec<String>,
    /// Runs of one Job at once.
    pub(crate) inner_overlaps: Vec<String>,
}

/// Age of a snapshot: the Job's place in the story, then its number. `None`: empty.
type Age = Option<(usize, u64)>;

/// Judges runs that are in order of time.
pub(crate) fn judge(runs: &[Run], acknowledged: &Acknowledgements) -> Verdict {
    let mut verdict = Verdict::default();
    let mut order: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, run) in runs.iter().enumerate() {
        let next = order.len();
        let is_first = !order.contains_key(run.job.as_str());
        let place = *order.entry(run.job.as_str()).or_insert(next);
        let earlier = Earlier { runs: &runs[..at], order: &order, place, acknowledged };
        verdict.starts.push(if is_first { earlier.new_job(run) } else { earlier.restart(run) });
    }
    for (at, run) in runs.iter().enumerate() {
        for later in runs[at + 1..].iter().filter(|later| later.opened <= run.last) {
            let text = format!(
                "a run of {} opened at {}, one of {} was still counting at {}",
                later.job, later.opened, run.job, run.last
            );
            let is_inner = later.job == run.job;
            if is_inner { verdict.inner_overlaps.push(text) } else { verdict.overlaps.push(text) }
        }
    }
    verdict
}

/// What came before a run.
struct Earlier<'a> {
    runs: &'a [Run],
    order: &'a BTreeMap<&'a str, usize>,
    place: usize,
    acknowledged: &'a Acknowledgements,
}

impl Earlier<'_> {
    fn new_job(&self, run: &Run) -> Start {
        let known = self.acknowledged.all.iter().filter(|a| a.at < run.opened);
        let known = known.filter_map(|a| Some((*self.order.get(a.job.as_str())?, a.id)));
        let floor: Age = known.filter(|(place, _)| *place < self.place).max();
        self.start(run, true, floor)
    }

    fn restart(&self, run: &Run) -> Start {
        let own = self.acknowledged.all.iter().filter(|a| a.job == run.job && a.at < run.opened);
        let checkpoints = own.filter(|a| !self.acknowledged.savepoints.contains(&a.id));
        let newest = checkpoints.map(|a| (self.place, a.id)).max();
        let begun = self.runs.iter().find(|earlier| earlier.job == run.job);
        let floor = newest.or_else(|| begun.and_then(|first| self.source(first).ok()?));
        self.start(run, false, floor)
    }

    fn start(&self, run: &Run, is_first: bool, floor: Age) -> Start {
        let fault = match self.source(run) {
            Err(fault) => Some(fault),
            Ok(source) if source < floor => Some("acknowledged state is lost".to_owned()),
            Ok(_) => None,
        };
        let floor = floor.map(|age| (age.1, self.total(age).unwrap_or_default()));
        let (from, restored) = (run.from, run.restored);
        Start { job: run.job.clone(), opened: run.opened, is_first, from, restored, floor, fault }
    }

    /// The snapshot that a run began with.
    fn source(&self, run: &Run) -> Result<Age, String> {
        if run.from == 0 {
            let is_empty = run.restored == 0;
            return if is_empty { Ok(None) } else { Err("counts from nowhere".to_owned()) };
        }
        let givers = self.runs.iter().filter(|r| r.snapshots.get(&run.from) == Some(&run.restored));
        let places = givers.filter_map(|giver| self.order.get(giver.job.as_str()));
        let newest = places.max().ok_or_else(|| {
            format!("no earlier run handed out {} as checkpoint {}", run.restored, run.from)
        });
        newest.map(|place| Some((*place, run.from)))
    }

    fn total(&self, (place, id): (usize, u64)) -> Option<u64> {
        let of_job = self.runs.iter().filter(|r| self.order.get(r.job.as_str()) == Some(&place));
        of_job.filter_map(|r| r.snapshots.get(&id).copied()).next_back()
    }
}

/// Whether this judge sees what it is there for: a good story passes, and each planted fault is found.
pub(crate) fn is_awake() -> bool {
    let run = |job: &str, opened: u64, from: u64, restored: u64, given: (u64, u64)| Run {
        job: job.to_owned(),
        opened,
        last: opened + 9,
        restored,
        from,
        total: given.1,
        snapshots: BTreeMap::from([given]),
        completed: BTreeMap::new(),
    };
    let told = |job: &str, id: u64, at: u64| Acknowledged { job: job.to_owned(), id, at };
    let acknowledged = Acknowledgements {
        all: vec![told("a", 1, 15), told("a", 2, 25), told("b", 4, 35)],
        savepoints: BTreeSet::from([4]),
    };
    let good = vec![
        run("a", 10, 0, 0, (1, 100)),
        run("a", 20, 1, 100, (2, 200)),
        run("b", 30, 2, 200, (4, 400)),
        run("b", 40, 2, 200, (5, 500)),
    ];
    let is_fine = |runs: &[Run]| {
        let verdict = judge(runs, &acknowledged);
        verdict.starts.iter().all(|start| start.fault.is_none()) && verdict.overlaps.is_empty()
    };
    let spoilt = |at: usize, spoil: &dyn Fn(&mut Run)| {
        let mut runs = good.clone();
        spoil(&mut runs[at]);
        runs
    };
    is_fine(&good)
        && !is_fine(&spoilt(2, &|run| (run.from, run.restored) = (1, 100)))
        && !is_fine(&spoilt(2, &|run| (run.from, run.restored) = (0, 0)))
        && !is_fine(&spoilt(2, &|run| run.restored = 199))
        && !is_fine(&spoilt(1, &|run| (run.from, run.restored) = (0, 0)))
        && !is_fine(&spoilt(1, &|run| run.last = 30))
        && !is_fine(&spoilt(3, &|run| (run.from, run.restored) = (1, 100)))
}
