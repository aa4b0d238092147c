//! Transition to SUSPENDED, and the stop of a stateful upgrade: stop-with-savepoint in one step, with a limited number
//! of attempts (platform API reference §3.2.3, §3.5; seeds 001, 002).

use drey_model::causes::unstopped;
use drey_model::meta::{Failure, STOP_WITH_DRAIN};
use drey_model::seen::Seen;
use drey_model::{DesiredState, EventName, SavepointOrigin};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::backoff;
use crate::draft::{Draft, SaturatingAdd, next_mark};
use crate::facts::Rest;
use crate::savepoint;

/// Why a stop is given up; a stop that completes late takes it back.
pub(crate) const TOO_MANY: &str = "TooManyFailedSuspensionAttempts";

/// How long a job may take to have all tasks running before a savepoint is tried; then the attempt counts as failed.
const READY: SignedDuration = SignedDuration::from_mins(1);

/// Begins the next stop-with-savepoint of a running Job, unless one is in progress or attempts are used up.
pub(crate) fn stop(d: &mut Draft, id: Uuid, origin: SavepointOrigin) {
    if savepoint::stop_in_progress(d, id).is_some() {
        return;
    }
    let limit =
        u32::try_from(d.deployment.spec.max_savepoint_creation_attempts.max(1)).unwrap_or(1);
    if d.facts.failed_savepoints >= limit {
        return give_up(d, id, limit);
    }
    if let Some(at) = d.facts.not_before.filter(|at| *at > d.now) {
        let number = d.facts.failed_savepoints + 1;
        let since = d.facts.last_failure.as_ref().map_or(d.now, |f| f.failed_at);
        return d.pause(
            format!("the pause before savepoint attempt {number} of {limit}"),
            since,
            at,
        );
    }
    let since = d.facts.not_before.or(d.facts.transition.as_ref().map(|t| t.since));
    let started = d.job(id).and_then(|r| r.job.status.started.as_ref()).map(|s| s.started_at);
    let since = since.unwrap_or(d.now).max(started.unwrap_or(Timestamp::MIN));
    match d.observation(id).job {
        Seen::Present(job) if job.is_fully_running() => begin(d, id, origin),
        Seen::Present(job) => {
            let until = since.saturating_add_or_max(READY);
            if d.now >= until {
                let why =
                    format!("the job had no running tasks for 1 min (Flink says {})", job.status);
                return count_failure(d, id, &why);
            }
            d.wait(format!("all tasks to run, Flink says {}", job.status), since, until);
        }
        Seen::Absent | Seen::Unknown { .. } => {
            let until = next_mark(since, READY, d.now);
            d.wait("an answer from Flink before the savepoint is asked for", since, until);
        }
    }
}

fn begin(d: &mut Draft, id: Uuid, origin: SavepointOrigin) {
    let drain = d.deployment.metadata.annotations.get(STOP_WITH_DRAIN).is_some_and(|v| v == "true");
    let Some(record) = d.job(id) else { return };
    if savepoint::base_directory(record).is_none() {
        let message = "The configuration has no savepoint directory (execution.checkpointing.savepoint-dir), \
                       so the job cannot be stopped with its state"
            .to_owned();
        let event = EventName::JobIsNotConfiguredWithSavepointSupport;
        return d.give_up(event, Some(id), "NoSavepointDirectory", message);
    }
    d.event(
        EventName::CreatingASavepointBeforeSuspension,
        Some(id),
        format!(
            "Stopping Job {id} with a savepoint{}",
            if drain { " and draining it" } else { "" }
        ),
    );
    savepoint::begin_stop(d, id, origin, drain);
}

/// Counts a stop that failed; the next attempt pauses.
pub(crate) fn count_failure(d: &mut Draft, id: Uuid, why: &str) {
    d.facts.failed_savepoints += 1;
    let failures = d.facts.failed_savepoints;
    d.facts.not_before = Some(backoff::next_attempt(d.now, failures as usize, id));
    d.facts.last_failure = Some(Failure {
        message: why.to_owned(),
        reason: "SavepointFailed".to_owned(),
        failed_at: d.now,
    });
    let limit = d.deployment.spec.max_savepoint_creation_attempts;
    let message =
        format!("Stopping Job {id} with a savepoint failed (attempt {failures} of {limit}): {why}");
    d.event(EventName::AnUnrecoverableFailureWhileTakingASavepoint, Some(id), message);
    d.wake(d.now);
}

fn give_up(d: &mut Draft, id: Uuid, limit: u32) {
    let cause = d.facts.last_failure.as_ref().map_or("", |f| unstopped(&f.message));
    let choice = match d.deployment.spec.state {
        DesiredState::Running => {
            "as it was. Change the spec or `drey start` to try the upgrade again"
        }
        DesiredState::Suspended | DesiredState::Cancelled => {
            "on. `drey suspend` tries again, `drey start` keeps it"
        }
    };
    let message = format!(
        "{} of {limit} attempts to stop Job {id} with a savepoint failed. The last one: {cause}. The job was left to run \
         {choice}, `drey cancel` ends it",
        d.facts.failed_savepoints
    );
    let event = EventName::TooManyFailedSuspensionAttempts;
    d.give_up(event, Some(id), TOO_MANY, message);
}

/// SUSPENDED with nothing to stop (platform API reference Q27).
pub(crate) fn settle_without_job(d: &mut Draft) {
    if d.facts.rest != Rest::Suspended {
        d.event(
            EventName::CouldNotFindAJobToSuspend,
            None,
            "No job was running, so there was nothing to take a savepoint of",
        );
    }
    d.facts.rest = Rest::Suspended;
}

/// The job runs as declared and no stop is wanted any more: earlier attempts to stop it do not matter.
pub(crate) fn forget_failures(d: &mut Draft) {
    if d.facts.failed_savepoints > 0 {
        d.facts.failed_savepoints = 0;
        d.facts.not_before = None;
        d.facts.last_failure = None;
    }
}
