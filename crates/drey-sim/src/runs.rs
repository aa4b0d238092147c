//! Many histories: on a few threads, each history on one.

use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::coverage::Coverage;
use crate::history::{self, Outcome};

/// What many histories gave.
#[derive(Default)]
pub struct Total {
    /// Histories that ended.
    pub histories: u64,
    /// Looks taken.
    pub looks: u64,
    /// Simulated microseconds.
    pub simulated: i64,
    /// What was exercised.
    pub coverage: Coverage,
    /// Seeds that failed, with the violation.
    pub failures: Vec<(u64, String)>,
    /// Real time.
    pub took: Duration,
}

/// How to run.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// The first seed.
    pub first: u64,
    /// How many seeds.
    pub histories: u64,
    /// Threads.
    pub threads: usize,
    /// Stop after so many failures.
    pub failures_max: usize,
}

/// Runs histories `first..first + histories`.
#[must_use]
pub fn run(order: Order) -> Total {
    let began = Instant::now();
    let next = AtomicU64::new(0);
    let is_enough = AtomicBool::new(false);
    let total = Mutex::new(Total::default());
    std::thread::scope(|scope| {
        for thread in 0..order.threads.max(1) {
            let (next, is_enough, total) = (&next, &is_enough, &total);
            scope.spawn(move || {
                pin(thread);
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= order.histories || is_enough.load(Ordering::Relaxed) {
                        break;
                    }
                    let outcome = one(order.first.wrapping_add(number), false);
                    let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                    total.take(outcome);
                    if total.failures.len() >= order.failures_max {
                        is_enough.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let mut total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    total.failures.sort();
    total.took = began.elapsed();
    total
}

/// Binds this thread, and SQLite's threads that it will start, to one processor: they only ever take turns, and a turn
/// on the same processor costs half. Where that isn't possible, histories are just slower.
fn pin(thread: usize) {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let processors: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|n| allowed.is_set(*n)).collect();
    if let Some(processor) = processors.get(thread % processors.len().max(1)) {
        let mut one = CpuSet::new();
        one.set(*processor);
        // A refusal costs speed only.
        let _ = sched_setaffinity(None, &one);
    }
}

/// Runs one history; a panic counts as a violation.
#[must_use]
pub fn one(seed: u64, is_told: bool) -> Outcome {
    catch_unwind(|| history::run(seed, is_told)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|t| (*t).to_owned()));
        Outcome {
            seed,
            violation: Some(format!("panic: {}", text.unwrap_or_default())),
            story: String::new(),
            coverage: Coverage::default(),
            looks: 0,
            simulated: 0,
        }
    })
}

impl Total {
    fn take(&mut self, outcome: Outcome) {
        self.histories += 1;
        self.looks += outcome.looks;
        self.simulated += outcome.simulated;
        self.coverage.add(&outcome.coverage);
        self.failures.extend(outcome.violation.map(|v| (outcome.seed, v)));
    }
}
