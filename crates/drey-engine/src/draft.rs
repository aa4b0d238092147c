//! The working copy that the leaves of a decision write on.
//!
//! Owns bookkeeping only: finding records, taking ids, collecting events and wake-up times. What to do is decided in
//! the leaves.

use std::collections::BTreeMap;

use drey_model::explanation::Wait;
use drey_model::meta::Failure;
use drey_model::{Deployment, DeploymentTarget, EventName, JobState, Seen};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::facts::{
    Cancel, DeploymentFacts, End, How, JobFacts, JobRecord, Restarts, SavepointRecord,
};
use crate::plan::NewEvent;
use crate::session_cluster::SessionClusterRecord;
use crate::situation::{Observation, Quota, Report, Situation};

pub(crate) struct Draft {
    pub(crate) now: Timestamp,
    ids: Vec<Uuid>,
    pub(crate) deployment: Deployment,
    pub(crate) facts: DeploymentFacts,
    pub(crate) target: Option<DeploymentTarget>,
    pub(crate) quota: Quota,
    /// Whether this decision refused a launch for lack of cores.
    pub(crate) is_refused: bool,
    pub(crate) session_cluster: Option<SessionClusterRecord>,
    pub(crate) jobs: Vec<JobRecord>,
    pub(crate) savepoints: Vec<SavepointRecord>,
    observed: BTreeMap<Uuid, Observation>,
    pub(crate) reports: Vec<Report>,
    pub(crate) events: Vec<NewEvent>,
    pub(crate) waits: Vec<Wait>,
    /// The Job that this decision submits, with the SHA-256 of its program.
    pub(crate) submitting: Option<(Uuid, String)>,
    pub(crate) wake_at: Option<Timestamp>,
}

impl Draft {
    pub(crate) fn new(s: Situation) -> Self {
        let mut ids = s.ids;
        ids.reverse();
        let mut jobs = s.jobs;
        jobs.sort_by_key(|r| r.facts.ordinal);
        Self {
            now: s.now,
            ids,
            deployment: s.deployment,
            facts: s.facts,
            target: s.target,
            quota: s.quota,
            is_refused: false,
            session_cluster: s.session_cluster,
            jobs,
            savepoints: s.savepoints,
            observed: s.observed,
            reports: s.reports,
            events: Vec::new(),
            waits: Vec::new(),
            submitting: None,
            wake_at: None,
        }
    }

    /// A fresh id, or `None` when the situation brought too few: then the next round goes on.
    pub(crate) fn take_id(&mut self) -> Option<Uuid> {
        let id = self.ids.pop();
        if id.is_none() {
            self.wake(self.now);
        }
        id
    }

    pub(crate) fn observation(&self, job: Uuid) -> Observation {
        self.observed.get(&job).cloned().unwrap_or_default()
    }

    /// Notes that nothing of a Job exists yet: its id was taken a moment ago.
    pub(crate) fn observe_nothing(&mut self, job: Uuid) {
        let seen = Observation { cluster: Seen::Absent, ..Observation::default() };
        self.observed.insert(job, seen);
    }

    pub(crate) fn event(&mut self, name: EventName, job: Option<Uuid>, message: impl Into<String>) {
        self.events.push(NewEvent { name, job, message: message.into() });
    }

    /// Asks to be looked at again at `at` or earlier.
    pub(crate) fn wake(&mut self, at: Timestamp) {
        wake(&mut self.wake_at, at);
    }

    /// Waits for something that has to be polled; the longer it takes, the rarer the looks.
    pub(crate) fn wait(&mut self, what: impl Into<String>, since: Timestamp, until: Timestamp) {
        self.wake(next_poll(self.now, since, until));
        self.waits.push(Wait { what: what.into(), since, until });
    }

    /// Waits for a point in time only.
    pub(crate) fn pause(&mut self, what: impl Into<String>, since: Timestamp, until: Timestamp) {
        self.wake(until.max(self.now));
        self.waits.push(Wait { what: what.into(), since, until });
    }

    pub(crate) fn job(&self, id: Uuid) -> Option<&JobRecord> {
        self.jobs.iter().find(|r| r.id() == id)
    }

    pub(crate) fn job_mut(&mut self, id: Uuid) -> Option<&mut JobRecord> {
        self.jobs.iter_mut().find(|r| r.id() == id)
    }

    pub(crate) fn job_facts(&mut self, id: Uuid, change: impl FnOnce(&mut JobFacts)) {
        if let Some(record) = self.job_mut(id) {
            change(&mut record.facts);
        }
    }

    /// The Job that runs or is meant to run: the newest one whose end is not recorded.
    pub(crate) fn active_job(&self) -> Option<&JobRecord> {
        self.jobs.iter().rev().find(|r| r.facts.end.is_none())
    }

    /// Jobs that have ended and are not yet cleaned up. Nobody waits for orphans, except a new Job.
    pub(crate) fn is_clearing(&self) -> bool {
        self.jobs.iter().any(|r| r.facts.end.is_some() && !r.is_settled() && !r.is_orphan())
    }

    /// Begins to cancel a Job.
    pub(crate) fn cancel(&mut self, id: Uuid, event: EventName, why: &str) {
        let now = self.now;
        let Some(record) = self.job_mut(id) else { return };
        if record.facts.cancel.is_some() || record.facts.end.is_some() {
            return;
        }
        record.job.status.state = JobState::Terminating;
        record.facts.cancel = Some(Cancel {
            since: now,
            failures: 0,
            accepted_at: None,
            not_before: now,
            why: why.to_owned(),
        });
        self.event(event, Some(id), format!("Cancelling Job {id}: {why}"));
    }

    /// State may lie where nobody can look for it. Everything that is known now is older, whatever completes late of it;
    /// what a user registers from here on is newer.
    pub(crate) fn go_blind(&mut self) {
        self.facts.ordinal += 1;
        self.facts.blind_ordinal = self.facts.ordinal;
    }

    /// A job finished by itself: what it had computed is delivered, and the next run starts anew.
    pub(crate) fn forget_state(&mut self) {
        self.facts.holds_state = false;
        self.facts.holds_savepoint = false;
        self.facts.blind_ordinal = 0;
        self.facts.finished_ordinal = self.facts.ordinal;
    }

    /// Records that a run has ended (`confirmed`), or is to be ended without asking Flink.
    pub(crate) fn end(&mut self, id: Uuid, how: How, why: &str, confirmed: bool) {
        let now = self.now;
        let seen = self.observation(id).job;
        let checkpoint = seen.present().and_then(|j| j.checkpoint.clone());
        let last_word = seen.present().filter(|j| j.status.is_terminal());
        let last_word = last_word.map_or("UNKNOWN".to_owned(), |j| j.status.to_string());
        let Some(record) = self.job_mut(id) else { return };
        if record.facts.end.is_some() {
            return;
        }
        record.facts.end = Some(End { how, at: now, why: why.to_owned(), confirmed });
        record.facts.swept = matches!(how, How::Finished | How::Stopped);
        record.facts.last_checkpoint = checkpoint;
        if !matches!(how, How::Failed | How::FailedToStart) {
            // What comes next is a beginning, not a restart.
            self.facts.restarts = Restarts::default();
        }
        let Some(record) = self.job_mut(id) else { return };
        if let Some(started) = &mut record.job.status.started {
            started.observed_flink_job_status = last_word;
        }
        // The removal that follows may go unanswered: the next look waits for it.
        self.wake(now);
        if self.job(id).is_some_and(|r| r.facts.session.is_none()) {
            let message = format!("Removing the cluster of Job {id}: {why}");
            self.event(EventName::AwaitForAClusterToTeardown, Some(id), message);
        }
        if confirmed {
            self.close_state(id);
        } else if let Some(record) = self.job_mut(id) {
            record.job.status.state = JobState::Terminating;
        }
    }

    /// Gives an ended Job its final word. Call it once the Flink job is known to be over.
    pub(crate) fn close_state(&mut self, id: Uuid) {
        let now = self.now;
        let Some(record) = self.job_mut(id) else { return };
        let Some(end) = record.facts.end.clone() else { return };
        if record.job.status.state.is_terminal() {
            return;
        }
        record.job.metadata.terminated_at = Some(now);
        record.job.status.state = match end.how {
            How::Finished | How::Stopped => JobState::Finished,
            How::Cancelled => JobState::Terminated,
            How::FailedToStart | How::Failed => JobState::Failed,
        };
        if matches!(end.how, How::FailedToStart | How::Failed) {
            let reason = match end.how {
                How::FailedToStart => "JobDidNotStart",
                How::Failed | How::Finished | How::Stopped | How::Cancelled => "JobFailed",
            };
            record.job.status.failure =
                Some(Failure { message: end.why, reason: reason.to_owned(), failed_at: end.at });
        }
    }

    /// Tells once about something that keeps the transition from going on, and that may pass by itself.
    pub(crate) fn warn_once(&mut self, event: EventName, job: Uuid, reason: &str, message: String) {
        if self.facts.last_failure.as_ref().is_some_and(|f| f.reason == reason) {
            return;
        }
        self.event(event, Some(job), message.clone());
        self.note_failure(reason, message);
    }

    /// Shows a failure until something succeeds.
    pub(crate) fn note_failure(&mut self, reason: &str, message: String) {
        self.facts.last_failure =
            Some(Failure { message, reason: reason.to_owned(), failed_at: self.now });
    }

    /// Gives the transition up: FAILED until the spec changes.
    pub(crate) fn give_up(
        &mut self,
        event: EventName,
        job: Option<Uuid>,
        reason: &str,
        message: String,
    ) {
        if self.facts.gave_up.is_some() {
            return;
        }
        self.event(event, job, message.clone());
        let failure = Failure { message, reason: reason.to_owned(), failed_at: self.now };
        self.facts.last_failure = Some(failure.clone());
        self.facts.gave_up = Some(failure);
    }
}

impl Draft {
    /// Takes back a giving-up or a warning for `reason`, now that what was missing is there.
    pub(crate) fn resume_after(&mut self, reason: &str) {
        if self.facts.gave_up.as_ref().is_some_and(|f| f.reason == reason) {
            self.facts.gave_up = None;
        }
        if self.facts.last_failure.as_ref().is_some_and(|f| f.reason == reason) {
            self.facts.last_failure = None;
        }
    }
}

/// Adding a duration to a time without overflow.
pub(crate) trait SaturatingAdd {
    fn saturating_add_or_max(self, duration: SignedDuration) -> Timestamp;
}

impl SaturatingAdd for Timestamp {
    fn saturating_add_or_max(self, duration: SignedDuration) -> Timestamp {
        self.checked_add(duration).unwrap_or(Timestamp::MAX)
    }
}

/// The first of `since + step`, `since + 2 × step`, … that lies after `now`: a deadline that moves on in steps, for
/// waits that nothing but an answer may end.
pub(crate) fn next_mark(since: Timestamp, step: SignedDuration, now: Timestamp) -> Timestamp {
    let step_ms = step.as_millis().max(1);
    let passed = now.duration_since(since).as_millis().max(0) / step_ms;
    let ahead = (passed + 1).saturating_mul(step_ms).min(i128::from(i64::MAX)) as i64;
    since.saturating_add_or_max(SignedDuration::from_millis(ahead))
}

/// Moves a time to look again to an earlier one.
pub(crate) fn wake(wake_at: &mut Option<Timestamp>, at: Timestamp) {
    *wake_at = Some(wake_at.map_or(at, |w| w.min(at)));
}

/// When to look again at something that has been waited for since then: the longer it takes, the rarer, and at its
/// deadline.
pub(crate) fn next_poll(now: Timestamp, since: Timestamp, until: Timestamp) -> Timestamp {
    // A clock that was set back makes `since` the future: no reason to hurry until it is past.
    let age = now.duration_since(since).abs();
    now.saturating_add_or_max(poll_interval(age)).min(until.max(now))
}

/// How long to wait between two looks at something that began `elapsed` ago: a tenth of that, within limits.
fn poll_interval(elapsed: SignedDuration) -> SignedDuration {
    let tenth = SignedDuration::from_millis((elapsed.as_millis() / 10).clamp(0, 60_000) as i64);
    tenth.clamp(SignedDuration::from_millis(50), SignedDuration::from_secs(2))
}
