//! One Savepoint from its record to COMPLETED or FAILED, whoever asked for it
//! (platform API reference §1.6, §3.12, Q30).
//!
//! The Savepoint's id is Flink's trigger id, and its directory is its own, so asking again is harmless, and a result
//! that Flink has forgotten is still found in storage.

use drey_model::meta::{Failure, SPEC_VERSION};
use drey_model::savepoint::{SavepointMetadata, SavepointSpec, SavepointType};
use drey_model::seen::{ClusterPhase, FlinkJob, Operation, Seen};
use drey_model::{EventName, JobState, Savepoint, SavepointOrigin, SavepointState};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::draft::{Draft, SaturatingAdd, next_mark};
use crate::facts::{JobRecord, SavepointFacts, SavepointRecord};
use crate::plan::Action;
use crate::situation::Observation;
use crate::{start, suspend};

/// Flink's own limit for a checkpoint when the configuration names none.
const FLINK_TIMEOUT: SignedDuration = SignedDuration::from_mins(10);
/// What Drey adds to Flink's limit before it stops waiting.
const SLACK: SignedDuration = SignedDuration::from_mins(2);
/// Pause after a request that was not answered, and before one that was accepted is repeated.
const RETRY: SignedDuration = SignedDuration::from_secs(2);
/// Pause before Flink is asked again for the result of a stop whose job has ended.
const ANSWER: SignedDuration = SignedDuration::from_millis(20);
/// How long a job may go on after its stop has completed, before the stop counts as failed.
const STOPPED_BY: SignedDuration = SignedDuration::from_mins(1);

/// What is known of a stop whose job has ended.
pub(crate) enum Settled {
    /// The snapshot is complete.
    Completed,
    /// There is none.
    Failed,
    /// Not known yet.
    NotYet,
    /// Never to be known: Flink has forgotten it, and Drey cannot list the storage.
    Untraceable,
}

/// Whether Drey can look into a directory: local files only.
pub(crate) fn is_listable(uri: &str) -> bool {
    uri.starts_with("file:") || uri.starts_with('/')
}

/// The directory below which the Job's savepoints go; `None` when its configuration has none.
pub(crate) fn base_directory(record: &JobRecord) -> Option<&str> {
    let configuration = &record.job.spec.flink_configuration;
    let key = |name: &str| configuration.get(name).map(String::as_str);
    let found =
        key("execution.checkpointing.savepoint-dir").or_else(|| key("state.savepoints.dir"));
    found.map(str::trim).filter(|text| !text.is_empty())
}

/// The stop of a Job that may still take effect: in progress, or complete with the job not yet seen to have ended.
pub(crate) fn stop_in_progress(d: &Draft, job: Uuid) -> Option<&SavepointRecord> {
    let stops = &d.job(job)?.facts.stops;
    d.savepoints.iter().find(|r| {
        let state = r.savepoint.status.state;
        stops.contains(&r.id())
            && matches!(state, SavepointState::Started | SavepointState::Completed)
    })
}

/// Records a stop-with-savepoint; the action follows from the record.
pub(crate) fn begin_stop(d: &mut Draft, job: Uuid, origin: SavepointOrigin, drain: bool) {
    let Some(id) = d.take_id() else { return };
    let Some(record) = d.job(job) else { return };
    let metadata = SavepointMetadata {
        id,
        namespace: record.job.metadata.namespace.clone(),
        created_at: d.now,
        modified_at: d.now,
        deployment_id: record.job.metadata.deployment_id,
        job_id: Some(job),
        origin,
        kind: SavepointType::Full,
        annotations: [(SPEC_VERSION.to_owned(), d.deployment.spec_version().to_string())].into(),
        resource_version: 0,
    };
    let savepoint = Savepoint::new(metadata, SavepointSpec::default(), SavepointState::Started);
    let Some(facts) = request_facts(d.now, record, id, true, drain) else { return };
    d.savepoints.push(SavepointRecord { savepoint, facts: Some(facts), open: true });
    d.job_facts(job, |f| f.stops.push(id));
    begun(d, id, job);
}

fn request_facts(
    now: Timestamp,
    record: &JobRecord,
    id: Uuid,
    stop: bool,
    drain: bool,
) -> Option<SavepointFacts> {
    let base = base_directory(record)?.trim_end_matches('/');
    let timeout = record.job.spec.flink_configuration.get("execution.checkpointing.timeout");
    let timeout = timeout.and_then(|text| drey_model::duration::parse(text).ok());
    let limit = timeout.unwrap_or(FLINK_TIMEOUT).saturating_add(SLACK);
    Some(SavepointFacts {
        ordinal: record.facts.ordinal,
        directory: format!("{base}/{id}"),
        stop,
        drain,
        accepted: false,
        not_before: now,
        complete_by: now.saturating_add_or_max(limit),
        completed_at: None,
        noticed_at: None,
    })
}

fn begun(d: &mut Draft, id: Uuid, job: Uuid) {
    if let Some(record) = find(d, id) {
        record.savepoint.spec.flink_savepoint_id = Some(id);
    }
    let message = format!("Savepoint {id} of Job {job} is to be taken");
    d.event(EventName::NeedToTriggerASavepoint, Some(job), message);
    d.wake(d.now);
}

fn find(d: &mut Draft, id: Uuid) -> Option<&mut SavepointRecord> {
    d.savepoints.iter_mut().find(|r| r.id() == id)
}

/// Brings a Savepoint's record up to what was seen.
pub(crate) fn advance(d: &mut Draft, id: Uuid) {
    let Some(record) = d.savepoints.iter().find(|r| r.id() == id) else { return };
    match (record.savepoint.status.state, record.facts.clone()) {
        (SavepointState::Started, None) => adopt_request(d, id),
        (SavepointState::Started, Some(facts)) => watch(d, id, &facts),
        (SavepointState::Completed, None) => adopt_registered(d, id),
        (SavepointState::Completed, Some(facts)) => expect_end(d, id, &facts),
        (
            SavepointState::Failed
            | SavepointState::PendingDeletion
            | SavepointState::Deleting
            | SavepointState::FailedDeletion,
            _,
        ) => forget_when_over(d, id),
    }
}

/// A user asked for a savepoint: bind it to the running Job.
fn adopt_request(d: &mut Draft, id: Uuid) {
    let running = d.active_job().filter(|r| r.job.status.state == JobState::Started);
    let Some(job) = running else {
        let why = "no job of this Deployment is running";
        d.event(
            EventName::TransitioningToFailedStateBecauseJobNotStarted,
            None,
            format!("Savepoint {id} cannot be taken: {why}"),
        );
        return fail(d, id, why);
    };
    let (job_id, facts) = (job.id(), request_facts(d.now, job, id, false, false));
    let Some(facts) = facts else {
        let why = "the effective configuration has no savepoint directory (execution.checkpointing.savepoint-dir)";
        d.event(
            EventName::JobIsNotConfiguredWithSavepointSupport,
            Some(job_id),
            format!("Savepoint {id} cannot be taken: {why}"),
        );
        return fail(d, id, why);
    };
    if let Some(record) = find(d, id) {
        record.savepoint.metadata.job_id = Some(job_id);
        record.facts = Some(facts);
    }
    begun(d, id, job_id);
}

/// A user registered a snapshot: it counts as the newest of its time.
fn adopt_registered(d: &mut Draft, id: Uuid) {
    let ordinal = d.facts.ordinal;
    if let Some(record) = find(d, id) {
        // Not now: a checkpoint may have completed between its registration and this look.
        let completed_at = Some(record.savepoint.metadata.created_at);
        record.facts = Some(SavepointFacts { ordinal, completed_at, ..SavepointFacts::default() });
    }
    hold(d, SavepointOrigin::Copied);
    d.resume_after(start::NO_SNAPSHOT);
}

fn hold(d: &mut Draft, origin: SavepointOrigin) {
    d.facts.holds_state = true;
    d.facts.holds_savepoint |= origin != SavepointOrigin::RetainedCheckpoint;
}

fn watch(d: &mut Draft, id: Uuid, facts: &SavepointFacts) {
    let Some(job) = find(d, id).and_then(|r| r.savepoint.metadata.job_id) else { return };
    let seen = d.observation(job);
    let now = d.now;
    let created = find(d, id).map_or(now, |r| r.savepoint.metadata.created_at);
    if has_ended(d, job, &seen) {
        if matches!(settle(d, id, &seen, "the job ended"), Settled::NotYet) {
            let until = next_mark(created, facts.complete_by.duration_since(created), now);
            d.wait("a look at the savepoint's directory", created, until);
        }
        return;
    }
    match (seen.operations.get(&id), seen.directories.get(&id)) {
        // When it was complete decides which snapshot is the newest, and only the storage knows.
        (Some(Seen::Present(Operation::Completed { .. })), Some(Seen::Unknown { .. }))
            if is_listable(&facts.directory) =>
        {
            let until = next_mark(created, facts.complete_by.duration_since(created), now);
            return d.wait("a look at the savepoint's directory", created, until);
        }
        (Some(Seen::Present(Operation::Completed { location })), directory) => {
            let at = directory.and_then(Seen::present).map_or(d.now, |s| s.completed_at);
            return complete(d, id, &location.clone(), at);
        }
        (Some(Seen::Present(Operation::Failed { why })), _) => {
            d.event(
                EventName::TransitioningToFailedStateBecauseSavepointFailedInFlink,
                Some(job),
                format!("Flink could not take Savepoint {id}: {why}"),
            );
            return fail(d, id, &why.clone());
        }
        // Flink knows nothing of it (any more), but it is there: it was taken, and the answer was lost.
        (Some(Seen::Absent), Some(Seen::Present(snapshot))) if !facts.stop => {
            return complete(d, id, &snapshot.location.clone(), snapshot.completed_at);
        }
        (
            Some(Seen::Present(Operation::InProgress) | Seen::Unknown { .. } | Seen::Absent) | None,
            _,
        ) => {}
    }
    if d.now >= facts.complete_by
        && !matches!(seen.operations.get(&id), Some(Seen::Unknown { .. }) | None)
    {
        return fail_late(d, id, "Flink did not complete it in time");
    }
    let until = next_mark(created, facts.complete_by.duration_since(created), d.now);
    d.wait("Flink to complete the savepoint", created, until);
}

/// Whether the run is over as far as its savepoints are concerned: no operation can complete any more.
fn has_ended(d: &Draft, job: Uuid, seen: &Observation) -> bool {
    let is_recorded = d.job(job).is_none_or(|r| r.facts.end.is_some());
    let is_dead = match &seen.cluster {
        Seen::Absent => true,
        Seen::Present(cluster) => matches!(cluster.phase, ClusterPhase::Dead { .. }),
        Seen::Unknown { .. } => false,
    };
    let operation_is_open = seen
        .operations
        .values()
        .any(|o| matches!(o, Seen::Present(Operation::Completed { .. } | Operation::InProgress)));
    let is_terminal = seen.job.present().is_some_and(|j| j.status.is_terminal());
    is_recorded || is_dead || (is_terminal && !operation_is_open)
}

/// Settles a Savepoint whose job has ended by what lies in its directory.
pub(crate) fn settle(d: &mut Draft, id: Uuid, seen: &Observation, why: &str) -> Settled {
    let now = d.now;
    let Some(record) = find(d, id) else { return Settled::Failed };
    if record.savepoint.status.state == SavepointState::Completed {
        return Settled::Completed;
    }
    let directory = seen.directories.get(&id);
    let can_look = record.facts.as_ref().is_none_or(|facts| is_listable(&facts.directory));
    match (seen.operations.get(&id), directory) {
        (Some(Seen::Present(Operation::Completed { location })), None | Some(Seen::Absent)) => {
            complete(d, id, location, now);
            return Settled::Completed;
        }
        (Some(Seen::Present(Operation::Completed { location })), _) if !can_look => {
            complete(d, id, location, now);
            return Settled::Completed;
        }
        // What lies in the directory also says when it was complete.
        (Some(_) | None, _) => {}
    }
    // Flink is about to say how it went. A JobManager whose answer nobody has fetched takes 5 s longer to end.
    let is_answering =
        matches!(seen.operations.get(&id), Some(Seen::Present(Operation::InProgress)));
    if is_answering && record.facts.as_ref().is_some_and(|facts| now < facts.complete_by) {
        d.wake(now.saturating_add_or_max(ANSWER));
        return Settled::NotYet;
    }
    match seen.directories.get(&id) {
        Some(Seen::Present(snapshot)) => {
            complete(d, id, &snapshot.location, snapshot.completed_at);
            Settled::Completed
        }
        Some(Seen::Absent) => {
            if record.savepoint.status.state == SavepointState::Started {
                // The run is over: this is no attempt that a retry could improve, so it is not counted.
                mark_failed(
                    d,
                    id,
                    &format!("the run ended before the savepoint was complete: {why}"),
                );
            }
            Settled::Failed
        }
        Some(Seen::Unknown { .. }) if !can_look => {
            if record.savepoint.status.state == SavepointState::Started {
                let why = "Flink has forgotten how it went, and its storage cannot be listed";
                mark_failed(d, id, why);
            }
            Settled::Untraceable
        }
        Some(Seen::Unknown { .. }) | None => {
            d.wake(d.now.saturating_add_or_max(SignedDuration::from_secs(1)));
            Settled::NotYet
        }
    }
}

fn complete(d: &mut Draft, id: Uuid, location: &str, at: Timestamp) {
    let now = d.now;
    let Some(record) = find(d, id) else { return };
    let (job, origin) = (record.savepoint.metadata.job_id, record.savepoint.metadata.origin);
    record.savepoint.status.state = SavepointState::Completed;
    record.savepoint.status.failure = None;
    record.savepoint.spec.savepoint_location = Some(location.to_owned());
    record.open = true;
    let (mut is_stop, mut ordinal) = (false, 0);
    if let Some(facts) = &mut record.facts {
        facts.completed_at = Some(at);
        facts.noticed_at = Some(now);
        (is_stop, ordinal) = (facts.stop, facts.ordinal);
    }
    if ordinal > d.facts.finished_ordinal {
        hold(d, origin);
    }
    let message = format!("Savepoint {id} is complete: {location}");
    d.event(EventName::TransitionedToCompleted, job, message);
    if is_stop {
        let message = format!("The job stops with Savepoint {id}");
        d.event(EventName::FoundACompletedSavepointReadyForSuspension, job, message);
    }
    d.wake(d.now);
}

/// A stop that is complete has ended its job within milliseconds; if the job goes on all the same, the stop has failed.
fn expect_end(d: &mut Draft, id: Uuid, facts: &SavepointFacts) {
    let Some(job) = find(d, id).and_then(|r| r.savepoint.metadata.job_id) else { return };
    let is_awaited =
        d.job(job).is_some_and(|r| r.facts.stops.contains(&id) && r.facts.end.is_none());
    if !facts.stop || !is_awaited {
        return;
    }
    let since = facts.noticed_at.or(facts.completed_at).unwrap_or(d.now);
    let until = since.saturating_add_or_max(STOPPED_BY);
    let is_running = d.observation(job).job.present().is_some_and(FlinkJob::is_fully_running);
    if d.now >= until && is_running {
        drop_stop(d, job, id);
        suspend::count_failure(d, job, "the savepoint was taken, but the job went on");
    } else {
        d.wait("the job to end after its savepoint", since, next_mark(since, STOPPED_BY, d.now));
    }
}

/// A Savepoint that failed is of no more interest, except the stop of a run that goes on: Flink may complete it late.
fn forget_when_over(d: &mut Draft, id: Uuid) {
    let is_wanted = d.jobs.iter().any(|r| r.facts.stops.contains(&id) && !r.is_closed());
    if let Some(record) = find(d, id) {
        record.open = is_wanted;
    }
}

/// Flink accepted the request.
pub(crate) fn accepted(d: &mut Draft, id: Uuid) {
    let now = d.now;
    let Some(record) = find(d, id) else { return };
    let job = record.savepoint.metadata.job_id;
    let Some(facts) = &mut record.facts else { return };
    facts.not_before = now.saturating_add_or_max(RETRY);
    if !facts.accepted {
        facts.accepted = true;
        let is_suspension = record.savepoint.metadata.origin == SavepointOrigin::Suspend;
        let message = format!("Flink has begun Savepoint {id}");
        d.event(EventName::SuccessfullyTriggeredASavepoint, job, message);
        let (event, message) = if is_suspension {
            let event = EventName::AwaitingSavepointCompletionToTransitionToSuspended;
            (event, "Waiting for the savepoint; then the Deployment is SUSPENDED")
        } else {
            (EventName::AwaitingForASavepointToComplete, "Waiting for the savepoint to complete")
        };
        d.event(event, job, message);
    }
}

/// Flink did not answer: the request is repeated, with the same trigger id.
pub(crate) fn unanswered(d: &mut Draft, id: Uuid, why: &str) {
    let now = d.now;
    let Some(record) = find(d, id) else { return };
    let job = record.savepoint.metadata.job_id;
    let Some(facts) = &mut record.facts else { return };
    let is_first = facts.not_before <= record.savepoint.metadata.created_at;
    facts.not_before = now.saturating_add_or_max(RETRY);
    // Once: it is asked for again every few seconds, for minutes.
    if is_first {
        let message = format!("Savepoint {id} will be asked for again: {why}");
        d.event(EventName::RecoverableFailureWhileTriggeringASavepoint, job, message);
    }
}

fn drop_stop(d: &mut Draft, job: Uuid, id: Uuid) {
    d.job_facts(job, |f| f.stops.retain(|stop| *stop != id));
}

/// Ends a Savepoint as FAILED because Flink said so: it will not take effect any more.
pub(crate) fn fail(d: &mut Draft, id: Uuid, why: &str) {
    let job = find(d, id).and_then(|r| r.savepoint.metadata.job_id);
    fail_late(d, id, why);
    if let Some(job) = job {
        drop_stop(d, job, id);
    }
    forget_when_over(d, id);
}

/// Ends a Savepoint as FAILED; a stop counts as a failed attempt, and its job goes on. Flink may complete it late.
fn fail_late(d: &mut Draft, id: Uuid, why: &str) {
    let Some(record) = find(d, id).filter(|r| r.savepoint.status.state == SavepointState::Started)
    else {
        return;
    };
    let is_stop = record.facts.as_ref().is_some_and(|f| f.stop);
    let job = record.savepoint.metadata.job_id;
    mark_failed(d, id, why);
    forget_when_over(d, id);
    if let (true, Some(job)) = (is_stop, job) {
        suspend::count_failure(d, job, why);
    }
}

fn mark_failed(d: &mut Draft, id: Uuid, why: &str) {
    let now = d.now;
    let Some(record) = find(d, id) else { return };
    record.savepoint.status.state = SavepointState::Failed;
    record.savepoint.status.failure = Some(Failure {
        message: why.to_owned(),
        reason: "SavepointFailed".to_owned(),
        failed_at: now,
    });
    record.open = false;
    let job = record.savepoint.metadata.job_id;
    // The failure of a stop is told where it is counted.
    if record.facts.as_ref().is_none_or(|facts| !facts.stop) {
        let message = format!("Savepoint {id} failed: {why}");
        d.event(EventName::AnUnrecoverableFailureWhileTakingASavepoint, job, message);
    }
}

/// The request that a Savepoint in progress calls for: none while Flink works on it or does not answer.
pub(crate) fn request(d: &Draft, record: &SavepointRecord) -> Option<Action> {
    let facts = record.facts.as_ref()?;
    let job = record.savepoint.metadata.job_id?;
    let job_record = d.job(job)?;
    let is_running =
        job_record.job.status.state == JobState::Started && job_record.facts.end.is_none();
    let seen = d.observation(job);
    let is_unheard_of = match seen.operations.get(&record.id()) {
        None => !facts.accepted,
        Some(Seen::Absent) => true,
        Some(Seen::Present(_) | Seen::Unknown { .. }) => false,
    };
    let is_reachable = seen.job.present().is_some_and(|j| !j.status.is_terminal());
    let is_due = facts.not_before <= d.now;
    (is_running && is_unheard_of && is_reachable && is_due).then(|| Action::Snapshot {
        job,
        savepoint: record.id(),
        directory: facts.directory.clone(),
        stop: facts.stop,
        drain: facts.drain,
    })
}
