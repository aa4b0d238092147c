//! Counting Flink's restarts of a Deployment's job: how many, and when the recent ones were
//! (platform API reference §1.4, §3.7; Flink reference §7.3, §7.6).
//!
//! ```text
//! Flink: counter, begins at 0 with each JobManager ─┐
//!        times of the newest failures, a few only  ─┴─► note ─► JobFacts.counted      what of it is counted
//!                                                               DeploymentFacts.restarts   when, across Jobs
//! ```
//!
//! The counter says how many, the failures only when: Flink writes a failure down after the pause that follows it, so
//! the counter is ahead for a while. Everything is recorded, so neither a restart of Drey nor one of the JobManager
//! loses or repeats a restart. A recovery by Drey counts like one of Flink: to the user the job has restarted. What
//! belongs to one template is forgotten with it.

use drey_model::DesiredState;
use drey_model::diff::deviates;
use drey_model::seen::{FlinkJob, FlinkStatus};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::draft::Draft;

/// Older restarts interest no condition.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(60);
/// Restarts that are remembered; no verdict and no message needs more.
const REMEMBERED_MAX: usize = 100;

/// The recent restarts of a Deployment's job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Restarts {
    /// When they were, oldest first.
    pub at: Vec<Timestamp>,
    /// For people: the failure behind the newest one.
    pub cause: Option<String>,
}

impl Restarts {
    /// How many there were in the last `window`.
    pub(crate) fn within(&self, window: SignedDuration, now: Timestamp) -> usize {
        self.at.iter().filter(|at| now.duration_since(**at) <= window).count()
    }

    fn add(&mut self, at: impl IntoIterator<Item = Timestamp>, now: Timestamp) {
        self.at.extend(at.into_iter().map(|at| at.min(now)));
        self.at.retain(|at| now.duration_since(*at) <= REMEMBERED);
        self.at.sort_unstable();
        let surplus = self.at.len().saturating_sub(REMEMBERED_MAX);
        self.at.drain(..surplus);
    }
}

/// What is counted already of the restarts that Flink tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Counted {
    /// When the JobManager took the job on, by Flink's clock. Another JobManager counts from 0 again.
    pub since: Option<Timestamp>,
    /// Restarts under this JobManager.
    pub restarts: u32,
    /// Restarts under earlier ones, the changes from one to the next included.
    pub earlier: u32,
    /// When the newest of them was.
    pub until: Option<Timestamp>,
}

impl Counted {
    fn total(&self) -> i32 {
        i32::try_from(self.earlier.saturating_add(self.restarts)).unwrap_or(i32::MAX)
    }

    /// Takes in what Flink says; returns when the new restarts were.
    fn take(&mut self, job: &FlinkJob, now: Timestamp) -> Vec<Timestamp> {
        let mut new = Vec::new();
        match (self.since, job.since) {
            (Some(known), Some(since)) if since > known => {
                let earlier = self.earlier.saturating_add(self.restarts).saturating_add(1);
                *self = Self { since: Some(since), restarts: 0, earlier, until: self.until };
                new.push(since);
            }
            // An answer from before the change of JobManagers, late.
            (Some(known), Some(since)) if since < known => return new,
            (None, since @ Some(_)) => self.since = since,
            (Some(_) | None, Some(_) | None) => {}
        }
        // The failure that ended the job restarted nothing.
        let is_over = job.status == FlinkStatus::Failed;
        let failures = job.failures.iter().copied().skip(usize::from(is_over));
        let fresh: Vec<Timestamp> =
            failures.filter(|at| self.until.is_none_or(|until| *at > until)).collect();
        let count = match job.restarts {
            Some(counter) => counter.saturating_sub(self.restarts) as usize,
            None => fresh.len(),
        };
        // More than a Deployment remembers need no time.
        let counted = count.min(REMEMBERED_MAX);
        let known = fresh.len().min(counted);
        new.extend(&fresh[..known]);
        // The newest one may not be written down yet; others that are missing are older than what is.
        let oldest = fresh.get(..known).and_then(<[_]>::last).copied().unwrap_or(now);
        let is_pending = !job.is_fully_running();
        let missing = counted - known;
        new.extend((0..missing).map(|n| if is_pending && n == 0 { now } else { oldest }));
        self.restarts = self.restarts.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        self.until = new.iter().copied().max().max(self.until);
        new
    }
}

/// Takes in what a look at a running job tells of its restarts.
pub(crate) fn note(d: &mut Draft, id: Uuid, job: &FlinkJob) {
    let now = d.now;
    let Some(record) = d.job_mut(id) else { return };
    let new = record.facts.counted.take(job, now);
    let total = record.facts.counted.total();
    if let Some(started) = &mut record.job.status.started
        && started.observed_flink_job_restarts < total
    {
        started.observed_flink_job_restarts = total;
        started.last_update_time = now;
    }
    let restarts = &mut d.facts.restarts;
    if !new.is_empty() {
        restarts.add(new, now);
    }
    if let (Some(cause), false) = (&job.cause, restarts.at.is_empty())
        && restarts.cause.as_ref() != Some(cause)
    {
        restarts.cause = Some(cause.clone());
    }
}

/// A run failed: recovery will restart it, unless something else is to run, or nothing.
pub(crate) fn note_failed_run(d: &mut Draft, id: Uuid, why: &str) {
    let spec = &d.deployment.spec;
    let is_to_go_on = spec.state == DesiredState::Running
        && d.job(id).is_some_and(|r| !deviates(&r.facts.launched, spec));
    if is_to_go_on {
        let now = d.now;
        d.facts.restarts.add([now], now);
        d.facts.restarts.cause = Some(why.to_owned());
    } else {
        d.facts.restarts = Restarts::default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    /// A job under the JobManager that began at `since`, with failures that many seconds after the beginning.
    fn job(since: i64, restarts: Option<u32>, failures: &[i64]) -> FlinkJob {
        FlinkJob {
            status: FlinkStatus::Running,
            tasks_running: 1,
            tasks_total: 1,
            since: Some(at(since)),
            restarts,
            failures: failures.iter().rev().map(|s| at(*s)).collect(),
            cause: None,
            checkpoint: None,
        }
    }

    #[test]
    fn a_restart_is_counted_once_and_has_the_time_of_its_failure() {
        let mut counted = Counted::default();
        assert_eq!(counted.take(&job(0, Some(2), &[3, 7]), at(10)), [at(7), at(3)]);
        assert_eq!(counted.take(&job(0, Some(2), &[3, 7]), at(16)), []);
        assert_eq!(counted.take(&job(0, Some(3), &[3, 7, 20]), at(22)), [at(20)]);
        assert_eq!(counted.total(), 3);
    }

    #[test]
    fn a_restart_that_flink_has_not_written_down_yet_is_not_counted_again_when_it_is() {
        let mut counted = Counted::default();
        let mut restarting = job(0, Some(1), &[]);
        restarting.status = FlinkStatus::Restarting;
        assert_eq!(counted.take(&restarting, at(10)), [at(10)]);
        assert_eq!(counted.take(&job(0, Some(1), &[9]), at(12)), []);
        assert_eq!(counted.total(), 1);
    }

    #[test]
    fn another_jobmanager_counts_from_zero_and_its_coming_is_a_restart() {
        let mut counted = Counted::default();
        counted.take(&job(0, Some(5), &[1, 2, 3, 4, 5]), at(10));
        assert_eq!(counted.take(&job(20, Some(0), &[]), at(21)), [at(20)]);
        assert_eq!(counted.total(), 6);
        // What a cache or a deposed JobManager still tells.
        assert_eq!(counted.take(&job(0, Some(5), &[1, 2, 3, 4, 5]), at(22)), []);
        assert_eq!(counted.take(&job(20, Some(1), &[30]), at(31)), [at(30)]);
        assert_eq!(counted.total(), 7);
    }

    #[test]
    fn restarts_in_a_long_absence_are_not_taken_for_recent_ones() {
        let mut counted = Counted::default();
        let listed: Vec<i64> = (0..16).map(|n| 100 + n).collect();
        let new = counted.take(&job(0, Some(50), &listed), at(9000));
        assert_eq!(new.len(), 50);
        assert!(new.iter().all(|t| *t <= at(115)), "{new:?}");
    }

    #[test]
    fn the_failure_that_ends_a_job_is_no_restart() {
        let mut counted = Counted::default();
        let mut failed = job(0, Some(1), &[5, 9]);
        failed.status = FlinkStatus::Failed;
        assert_eq!(counted.take(&failed, at(10)), [at(5)]);
    }

    #[test]
    fn without_a_counter_the_failures_count() {
        let mut counted = Counted::default();
        assert_eq!(counted.take(&job(0, None, &[5, 9]), at(10)).len(), 2);
        assert_eq!(counted.take(&job(0, Some(2), &[5, 9]), at(12)).len(), 0);
        assert_eq!(counted.take(&job(0, None, &[5, 9]), at(14)).len(), 0);
        assert_eq!(counted.total(), 2);
    }

    /// What happens to a job: a restart under the same JobManager, another JobManager, a look, a look without the
    /// counter, a look at an old answer.
    #[derive(Debug, Clone, Copy)]
    enum Turn {
        Restart,
        Failover,
        Look,
        LookWithoutMetrics,
        LookLate,
    }

    proptest! {
        /// Whatever happens between looks, the total never falls, never exceeds the truth, and reaches it once looked at.
        #[test]
        fn the_total_is_a_lower_bound_that_never_falls(turns in prop::collection::vec(prop::sample::select(vec![
            Turn::Restart, Turn::Restart, Turn::Failover, Turn::Look, Turn::Look, Turn::LookWithoutMetrics, Turn::LookLate,
        ]), 1..80)) {
            let mut counted = Counted::default();
            let (mut since, mut failures, mut before) = (0, Vec::new(), job(0, Some(0), &[]));
            // Failovers that were looked at count for one; restarts that nobody saw before one are lost.
            let mut truth = 0;
            for (second, turn) in (1_i64..).zip(turns) {
                let now = at(second * 10);
                let view = |metrics: bool| {
                    let counter = metrics.then_some(failures.len() as u32);
                    let listed: Vec<i64> = failures.iter().rev().take(16).rev().copied().collect();
                    job(since, counter, &listed)
                };
                let total = counted.total();
                match turn {
                    Turn::Restart => { before = view(true); failures.push(second * 10); truth += 1; }
                    Turn::Failover => { before = view(true); since = second * 10; failures.clear(); truth += 1; }
                    Turn::Look => {
                        counted.take(&view(true), now);
                        prop_assert_eq!(counted.restarts as usize, failures.len());
                    }
                    Turn::LookWithoutMetrics => { counted.take(&view(false), now); }
                    Turn::LookLate => { counted.take(&before, now); }
                }
                prop_assert!(counted.total() >= total);
                prop_assert!(counted.total() <= truth, "{} of {truth}", counted.total());
            }
        }
    }
}
