//! The life of a Job after it was created: running, ending, being cleared away
//! (platform API reference §3.6; design invariants 1 and 4).

use drey_model::causes::unstopped;
use drey_model::deployment::RestoreKind;
use drey_model::meta::{Failure, SPEC_VERSION};
use drey_model::savepoint::{SavepointMetadata, SavepointSpec, SavepointType};
use drey_model::seen::{ClusterPhase, FlinkJob, FlinkStatus, Seen, Snapshot};
use drey_model::{DesiredState, EventName, JobState, Savepoint, SavepointOrigin, SavepointState};
use jiff::SignedDuration;
use uuid::Uuid;

use crate::backoff;
use crate::cancel;
use crate::draft::{Draft, SaturatingAdd, next_mark};
use crate::facts::{How, JobRecord, Rest, SavepointFacts, SavepointRecord};
use crate::phase::{STABLE_POLL, UNREACHABLE_AFTER};
use crate::restarts;
use crate::savepoint;
use crate::situation::{Observation, Report};
use crate::{session, start, submission, suspend};

/// How long a reachable JobManager may not know a started job before that counts as the job's end.
const MISSING: SignedDuration = SignedDuration::from_secs(10);
/// How long Flink has to say why a job failed.
const REASON: SignedDuration = SignedDuration::from_secs(10);
/// How long the end of a cluster, or the look for its checkpoints, may take before a person is told.
const CLEAR: SignedDuration = SignedDuration::from_mins(5);
/// Failures of running jobs that are remembered to pace recovery.
const RECENT: SignedDuration = SignedDuration::from_mins(10);

/// What stands in the place of Flink's word when Flink does not answer.
const UNKNOWN: &str = "UNKNOWN";

const NOT_REMOVED: &str = "ClusterNotRemoved";
const NOT_LISTED: &str = "CheckpointsNotListed";
const NOT_LAUNCHED: &str = "ClusterNotLaunched";
const NOT_ENOUGH: &str = "TaskManagerLost";

/// Takes in what became of the last actions.
pub(crate) fn absorb_reports(d: &mut Draft) {
    let now = d.now;
    for report in std::mem::take(&mut d.reports) {
        match report {
            Report::EnsureRefused { job, why } => {
                let state = d.job(job).map(|r| r.job.status.state);
                if state == Some(JobState::Starting)
                    && d.job(job).is_some_and(|r| r.facts.end.is_none())
                {
                    d.event(EventName::FailedToCreateClusterForJob, Some(job), why.clone());
                    d.end_start(job, &why, false);
                }
            }
            Report::EnsureFailed { job, why } => {
                let message = format!("The cluster of Job {job} cannot be launched now: {why}");
                let event = EventName::FailedToCreateClusterForJob;
                d.warn_once(event, job, NOT_LAUNCHED, message);
            }
            Report::RemovalFailed { job, why } => {
                let message = format!("The cluster of Job {job} cannot be removed now: {why}");
                d.warn_once(EventName::GeneralFailure, job, NOT_REMOVED, message);
            }
            Report::RemovalAccepted { job } => d.job_facts(job, |f| f.removed = true),
            Report::SubmitAccepted { job } => submission::accepted(d, job),
            Report::SubmitRefused { job, why } => submission::refused(d, job, &why),
            Report::SubmitPostponed { job } => submission::postponed(d, job),
            Report::SubmitFailed { job, why } => submission::not_sent(d, job, &why),
            Report::SubmitUnanswered { job, why } => submission::unanswered(d, job, &why),
            Report::CancelAccepted { job } => cancel::accepted(d, job),
            Report::CancelFailed { job, .. } => d.job_facts(job, |f| {
                if let Some(cancel) = &mut f.cancel {
                    cancel.failures += 1;
                    cancel.not_before = now.saturating_add_or_max(cancel::RETRY);
                }
            }),
            Report::SavepointAccepted { savepoint } => savepoint::accepted(d, savepoint),
            Report::SavepointRefused { savepoint, why } => {
                let message = format!("Flink refused Savepoint {savepoint}: {why}");
                let event = EventName::AnUnRecoverableFailureWhileTriggeringASavepoint;
                d.event(event, None, message);
                savepoint::fail(d, savepoint, &why);
            }
            Report::SavepointUnanswered { savepoint, why } => {
                savepoint::unanswered(d, savepoint, &why);
            }
        }
    }
}

/// Brings a Job's records up to what was seen.
pub(crate) fn advance(d: &mut Draft, id: Uuid) {
    let seen = d.observation(id);
    // Of one that has ended for certain a stale answer may tell what is gone since.
    if let Some(job) = seen.job.present().filter(|_| d.job(id).is_some_and(JobRecord::may_live)) {
        note_checkpoint(d, id, job);
    }
    let Some(record) = d.job(id) else { return };
    if record.facts.end.is_some() {
        return clear(d, id, &seen);
    }
    match record.job.status.state {
        JobState::Starting | JobState::Standby => start::advance(d, id, &seen),
        JobState::Started => watch(d, id, &seen),
        JobState::Terminating => cancel::advance(d, id),
        JobState::Failed | JobState::Terminated | JobState::Finished => {}
    }
}

fn note_checkpoint(d: &mut Draft, id: Uuid, job: &FlinkJob) {
    // Flink still tells of the checkpoints of a job that has finished, and has deleted them.
    if job.checkpoint.is_some() && job.status != FlinkStatus::Finished {
        d.job_facts(id, |f| f.checkpointed = true);
        d.facts.holds_state = true;
    }
}

fn watch(d: &mut Draft, id: Uuid, seen: &Observation) {
    match &seen.cluster {
        Seen::Unknown { .. } => note_unreachable(d, id, seen),
        Seen::Absent => lost(d, id, seen, "its JobManager is gone"),
        Seen::Present(cluster) => match &cluster.phase {
            ClusterPhase::Dead { why } => lost(d, id, seen, why),
            ClusterPhase::Preparing { .. } | ClusterPhase::Alive => watch_job(d, id, seen),
        },
    }
}

fn watch_job(d: &mut Draft, id: Uuid, seen: &Observation) {
    match &seen.job {
        Seen::Unknown { .. } => note_unreachable(d, id, seen),
        Seen::Absent => missing(d, id, seen),
        Seen::Present(job) => {
            d.job_facts(id, |f| f.missing_since = None);
            restarts::note(d, id, job);
            note_status(d, id, &job.status.to_string());
            match job.status {
                FlinkStatus::Finished => finished(d, id, seen),
                FlinkStatus::Failed => {
                    if let Some(why) = why_failed(d, id, job) {
                        lost(d, id, seen, &why);
                    }
                }
                FlinkStatus::Canceled => {
                    lost(d, id, seen, "the job was cancelled from outside Drey");
                }
                FlinkStatus::Initializing
                | FlinkStatus::Created
                | FlinkStatus::Running
                | FlinkStatus::Failing
                | FlinkStatus::Cancelling
                | FlinkStatus::Restarting
                | FlinkStatus::Suspended
                | FlinkStatus::Reconciling => {
                    let calm = job.is_fully_running();
                    note_task_managers(d, id, seen, calm);
                    let next = if calm { STABLE_POLL } else { SignedDuration::from_secs(1) };
                    d.wake(d.now.saturating_add_or_max(next));
                }
            }
        }
    }
}

/// Tells of TaskManagers that are gone, once until they are back. Those of a shared cluster are that one's business.
fn note_task_managers(d: &mut Draft, id: Uuid, seen: &Observation, calm: bool) {
    if d.job(id).is_some_and(|r| r.facts.session.is_some()) {
        return;
    }
    if calm {
        d.resume_after(NOT_LAUNCHED);
    }
    let wanted = d.job(id).map_or(0, |r| r.job.spec.number_of_task_managers);
    let alive = seen.cluster.present().map_or(0, |c| c.task_managers);
    if i64::from(alive) < i64::from(wanted) {
        let message =
            format!("{alive} of {wanted} TaskManagers are alive; the others are started again");
        d.warn_once(EventName::GeneralFailure, id, NOT_ENOUGH, message);
    } else {
        d.resume_after(NOT_ENOUGH);
    }
}

fn note_unreachable(d: &mut Draft, id: Uuid, seen: &Observation) {
    d.job_facts(id, |f| f.missing_since = None);
    let since = seen.unreachable_since.unwrap_or(d.now);
    let from = since.saturating_add_or_max(UNREACHABLE_AFTER);
    if d.now >= from {
        note_status(d, id, UNKNOWN);
        d.wake(d.now.saturating_add_or_max(STABLE_POLL));
    } else {
        d.wake(from.min(d.now.saturating_add_or_max(SignedDuration::from_secs(1))));
    }
}

/// Stores Flink's word only when it changes: a stable job causes no writes.
fn note_status(d: &mut Draft, id: Uuid, status: &str) {
    let now = d.now;
    let Some(started) = d.job_mut(id).and_then(|r| r.job.status.started.as_mut()) else { return };
    if started.observed_flink_job_status != status {
        status.clone_into(&mut started.observed_flink_job_status);
        if status != UNKNOWN {
            started.last_update_time = now;
        }
    }
}

fn missing(d: &mut Draft, id: Uuid, seen: &Observation) {
    let now = d.now;
    let Some(since) = d.job(id).map(|r| r.facts.missing_since.unwrap_or(now).min(now)) else {
        return;
    };
    d.job_facts(id, |f| f.missing_since = Some(since));
    let until = since.saturating_add_or_max(MISSING);
    if now < until {
        return d.wait("the JobManager to know the job again", since, until);
    }
    if stop_outcome(d, id, seen, "the JobManager no longer knows the job") {
        d.event(
            EventName::TransitioningToFailedStateBecauseOfAMissingJob,
            Some(id),
            format!(
                "The JobManager answers and has not known Job {id} for {} s",
                MISSING.as_secs()
            ),
        );
        fail(d, id, "the JobManager no longer knows the job", false);
    }
}

fn finished(d: &mut Draft, id: Uuid, seen: &Observation) {
    if stop_outcome(d, id, seen, "the job finished before the savepoint was taken") {
        d.end(id, How::Finished, "the job finished by itself", true);
        d.forget_state();
        d.facts.rest = Rest::Finished;
        d.event(EventName::JobSuccessfullyFinished, Some(id), format!("Job {id} has finished"));
    }
}

/// Why the job failed; `None`: that is waited for. Flink keeps what it tells of a job's failures for a few seconds, so
/// that it may say FAILED before it says why, and with the cluster the reason would go.
pub(crate) fn why_failed(d: &mut Draft, id: Uuid, job: &FlinkJob) -> Option<String> {
    if job.cause.is_some() {
        return job.cause.clone();
    }
    let now = d.now;
    let since = d.job(id).and_then(|r| r.facts.failed_since).unwrap_or(now).min(now);
    d.job_facts(id, |f| f.failed_since = Some(since));
    let until = since.saturating_add_or_max(REASON);
    if now >= until {
        return Some("Flink reports the job as FAILED and does not say why".to_owned());
    }
    d.wait("Flink to say why the job failed", since, until);
    None
}

fn lost(d: &mut Draft, id: Uuid, seen: &Observation, why: &str) {
    if stop_outcome(d, id, seen, why) {
        fail(d, id, why, true);
    }
}

/// Settles a stop that was under way when the run ended. Returns whether the run ended for another reason; `false`:
/// it is settled as stopped, or has to be looked into first.
fn stop_outcome(d: &mut Draft, id: Uuid, seen: &Observation, why: &str) -> bool {
    let stops = d.job(id).map(|r| r.facts.stops.clone()).unwrap_or_default();
    let mut is_clear = true;
    for stop in stops.into_iter().rev() {
        match savepoint::settle(d, stop, seen, why) {
            savepoint::Settled::Completed => {
                d.end(id, How::Stopped, "stopped with a savepoint", true);
                if !is_finished(seen) {
                    // A stop can fail after its savepoint, and then the job goes on: something newer may lie there.
                    d.job_facts(id, |f| f.swept = false);
                }
                d.facts.rest = Rest::Suspended;
                d.facts.failed_savepoints = 0;
                d.facts.not_before = None;
                d.facts.last_failure = None;
                d.resume_after(suspend::TOO_MANY);
                return false;
            }
            savepoint::Settled::Untraceable if is_finished(seen) => {
                d.end(id, How::Stopped, "stopped with a savepoint whose place is not known", true);
                d.go_blind();
                d.facts.rest = Rest::Suspended;
                return false;
            }
            savepoint::Settled::Failed | savepoint::Settled::Untraceable => {}
            savepoint::Settled::NotYet => is_clear = false,
        }
    }
    is_clear
}

fn is_finished(seen: &Observation) -> bool {
    seen.job.present().is_some_and(|j| j.status == FlinkStatus::Finished)
}

/// A run that had started has failed: recovery is the next start's business, at a pace.
fn fail(d: &mut Draft, id: Uuid, why: &str, confirmed: bool) {
    let now = d.now;
    d.end(id, How::Failed, why, confirmed);
    restarts::note_failed_run(d, id, why);
    d.facts.failed_runs.retain(|at| now.duration_since(*at) <= RECENT);
    d.facts.failed_runs.push(now);
    let earlier = d.facts.failed_runs.len() - 1;
    d.facts.not_before = (earlier > 0).then(|| backoff::next_attempt(now, earlier, id));
    let message = format!("Job {id} failed: {why}");
    d.facts.last_failure =
        Some(Failure { message: message.clone(), reason: "JobFailed".to_owned(), failed_at: now });
    d.event(EventName::TerminatingAJobDueToAnUnrecoverableFailure, Some(id), message);
    if d.deployment.spec.state == DesiredState::Suspended {
        let why = unstopped(why);
        let message = format!(
            "Job {id} failed before its savepoint was complete: {why}. Its newest retained checkpoint is kept. Set the \
             state to RUNNING to go on from there, or to CANCELLED"
        );
        let event = EventName::TransitioningToFailedStateBecauseOfAMissingJob;
        d.give_up(event, Some(id), "JobFailedWhileSuspending", message);
    }
}

/// Why an ended Job cannot be closed yet.
pub(crate) struct Awaited {
    /// For people.
    pub(crate) what: String,
    /// What a person is told when it takes long.
    pub(crate) warning: String,
}

/// Clears an ended Job away: processes first, then the look for a retained checkpoint.
fn clear(d: &mut Draft, id: Uuid, seen: &Observation) {
    let now = d.now;
    let Some(record) = d.job(id) else { return };
    if record.is_settled() {
        return session::watch_late(d, id, seen);
    }
    let Some(ended_at) = record.facts.end.as_ref().map(|e| e.at) else { return };
    if record.facts.gone_at.is_none() {
        let awaited = match &record.facts.session {
            Some(_) => session::clear(d, id, seen),
            None => (seen.cluster != Seen::Absent || !record.facts.removed).then(|| Awaited {
                what: "the cluster to be torn down".to_owned(),
                warning: format!(
                    "The processes of Job {id} could not be confirmed to have ended for {} min; nothing else is \
                     started until they have",
                    CLEAR.as_mins()
                ),
            }),
        };
        if let Some(Awaited { what, warning }) = awaited {
            let is_awaited = d.job(id).is_some_and(|r| !r.is_orphan());
            if is_awaited && now >= ended_at.saturating_add_or_max(CLEAR) {
                d.warn_once(EventName::GeneralFailure, id, NOT_REMOVED, warning);
            }
            return d.wait(what, ended_at, next_mark(ended_at, CLEAR, now));
        }
        d.job_facts(id, |f| f.gone_at = Some(now));
        d.close_state(id);
        d.resume_after(NOT_REMOVED);
    }
    if late_stops_are_settled(d, id, seen) {
        return sweep(d, id, seen);
    }
    let until = next_mark(ended_at, CLEAR, now);
    d.wait("a look at the directory of its savepoint", ended_at, until);
}

/// Settles stops that were given up as too slow: Flink may have completed them all the same, and then they are the
/// newest state.
fn late_stops_are_settled(d: &mut Draft, id: Uuid, seen: &Observation) -> bool {
    let stops = d.job(id).filter(|r| !r.facts.swept).map(|r| r.facts.stops.clone());
    let mut is_settled = true;
    for stop in stops.unwrap_or_default() {
        let settled = savepoint::settle(d, stop, seen, "the run ended");
        is_settled &= !matches!(settled, savepoint::Settled::NotYet);
    }
    is_settled
}

fn sweep(d: &mut Draft, id: Uuid, seen: &Observation) {
    let now = d.now;
    let Some(record) = d.job(id).filter(|r| !r.facts.swept) else { return };
    let gone_at = record.facts.gone_at.unwrap_or(now);
    let was_stopped = record.facts.end.as_ref().is_some_and(|e| e.how == How::Stopped);
    let was_checkpointed = record.facts.checkpointed && !was_stopped;
    match &seen.retained {
        None => {
            let until = next_mark(gone_at, CLEAR, now);
            return d.wait("a look at its checkpoints", gone_at, until);
        }
        Some(Seen::Unknown { why }) => {
            if !sweep_blindly(d, id, why) {
                let until = next_mark(gone_at, CLEAR, now);
                return d.wait(format!("a look at its checkpoints ({why})"), gone_at, until);
            }
        }
        Some(Seen::Absent) => {
            if was_checkpointed {
                let message = format!(
                    "Job {id} had completed checkpoints and left none behind; check \
                     execution.checkpointing.externalized-checkpoint-retention"
                );
                d.event(EventName::GeneralFailure, Some(id), message);
            }
        }
        Some(Seen::Present(snapshot)) => {
            if !record_retained(d, id, &snapshot.clone()) {
                return;
            }
        }
    }
    d.job_facts(id, |f| f.swept = true);
    d.resume_after(NOT_LISTED);
}

/// Closes a Job whose checkpoints cannot be looked for: at once where Drey can never list the storage, after a while
/// where a person no longer wants its state. Returns whether it did.
fn sweep_blindly(d: &mut Draft, id: Uuid, why: &str) -> bool {
    let Some(record) = d.job(id) else { return false };
    let last = record.facts.last_checkpoint.clone();
    let (gone_at, was_checkpointed) = (record.facts.gone_at, record.facts.checkpointed);
    let directory = record.job.spec.flink_configuration.get("execution.checkpointing.dir");
    let is_listable = directory.is_none_or(|uri| savepoint::is_listable(uri));
    let is_overdue = gone_at.is_some_and(|at| d.now >= at.saturating_add_or_max(CLEAR));
    let is_unwanted = d.deployment.spec.state == DesiredState::Cancelled
        || d.deployment.spec.restore_strategy.kind == RestoreKind::None;
    let message = format!("The checkpoints that Job {id} left behind cannot be looked for: {why}");
    if is_listable && !(is_overdue && is_unwanted) {
        if is_overdue {
            d.warn_once(EventName::GeneralFailure, id, NOT_LISTED, message);
        }
        return false;
    }
    match last {
        Some(checkpoint) if !is_listable => record_retained(d, id, &checkpoint),
        // The last one seen need not be the last one completed, and none seen need not mean none completed.
        last => {
            if was_checkpointed || is_listable {
                let seen = last.map(|c| format!("; the newest that was seen is {}", c.location));
                d.go_blind();
                let message = message + &seen.unwrap_or_default();
                d.event(EventName::GeneralFailure, Some(id), message);
            }
            true
        }
    }
}

fn record_retained(d: &mut Draft, id: Uuid, snapshot: &Snapshot) -> bool {
    let Some(savepoint_id) = d.take_id() else { return false };
    let Some(record) = d.job(id) else { return false };
    let (now, ordinal) = (d.now, record.facts.ordinal);
    let metadata = SavepointMetadata {
        id: savepoint_id,
        namespace: record.job.metadata.namespace.clone(),
        created_at: now,
        modified_at: now,
        deployment_id: record.job.metadata.deployment_id,
        job_id: Some(id),
        origin: SavepointOrigin::RetainedCheckpoint,
        kind: SavepointType::Unknown,
        annotations: record
            .job
            .metadata
            .annotations
            .get_key_value(SPEC_VERSION)
            .map(|(k, v)| (k.clone(), v.clone()))
            .into_iter()
            .collect(),
        resource_version: 0,
    };
    let spec = SavepointSpec {
        savepoint_location: Some(snapshot.location.clone()),
        flink_savepoint_id: Some(Uuid::nil()),
    };
    let savepoint = Savepoint::new(metadata, spec, SavepointState::Completed);
    let facts = SavepointFacts {
        ordinal,
        completed_at: Some(snapshot.completed_at),
        ..SavepointFacts::default()
    };
    d.savepoints.push(SavepointRecord { savepoint, facts: Some(facts), open: true });
    d.facts.holds_state = true;
    let message = format!("Kept the checkpoint that Job {id} left behind: {}", snapshot.location);
    d.event(EventName::TransitionedToCompleted, Some(id), message);
    true
}
