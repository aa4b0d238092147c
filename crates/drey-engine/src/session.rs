//! Session mode: a Job on a cluster that it shares (platform API reference §3.8; seed 001, "Session Mode").
//!
//! ```text
//!   SessionCluster RUNNING? ─► Job recorded, bound to one run ─► fetch ─► submit (recorded first) ─► start.rs, run.rs …
//!                                                                              │ no answer
//!                                     its own id tells whether it took effect ◄┘
//! ```
//!
//! Owns what differs from a cluster of one's own: where a Job may start, its submission, and when it is gone. A Job is
//! gone when Flink says that its job has ended, or when no process of the run is left. A submission that was not answered
//! may take effect later, so for as long as a submission may take, its Job is not gone either.
//!
//! The processes are the SessionCluster's business ([`crate::session_cluster`]); nothing here starts or ends one.

use drey_model::meta::{FORCE_CANCELLATION, SUBMISSION_TIMEOUT};
use drey_model::seen::{ClusterPhase, FlinkJob, FlinkStatus, Program, Seen};
use drey_model::{ClusterState, EventName, Job, JobState, SessionRun};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::cancel;
use crate::draft::{Draft, SaturatingAdd, next_mark};
use crate::facts::{Cancel, How, JobRecord, SessionJob, Submission};
use crate::plan::Action;
use crate::run::Awaited;
use crate::session_cluster::SessionClusterRecord;
use crate::situation::Observation;
use crate::start;

/// Why a start is given up: what the spec names does not exist.
pub(crate) const NO_REFERENCE: &str = "ReferenceDoesNotExist";
/// Why a start is given up; a cluster that is RUNNING takes it back.
const NOT_RUNNING: &str = "SessionClusterNotRunning";
const NOT_SUBMITTED: &str = "SubmissionNotAnswered";

/// How long a submission may take unless an annotation says otherwise (seed 001).
const TIMEOUT: SignedDuration = SignedDuration::from_mins(5);
/// Pause after a request that was not sent.
const RETRY: SignedDuration = SignedDuration::from_secs(2);
/// Pause after a request that was not answered: main() may still be at work.
const REPEAT: SignedDuration = SignedDuration::from_secs(30);
/// Steps in which waits go on that only an answer may end.
const STEP: SignedDuration = SignedDuration::from_mins(5);

fn timeout(d: &Draft) -> SignedDuration {
    let text = d.deployment.metadata.annotations.get(SUBMISSION_TIMEOUT);
    let seconds = text.and_then(|t| t.trim().parse::<u32>().ok()).filter(|n| *n > 0);
    seconds.map_or(TIMEOUT, |n| SignedDuration::from_secs(i64::from(n)))
}

fn takes_jobs(record: &SessionClusterRecord) -> Option<&SessionRun> {
    let run = record.facts.run.as_ref().filter(|run| run.end.is_none())?;
    let state = record.cluster.status.state;
    matches!(state, ClusterState::Running | ClusterState::Updating).then_some(&run.launched)
}

/// Goes on by itself when the cluster that was missing is there.
pub(crate) fn resume(d: &mut Draft) {
    if d.session_cluster.as_ref().is_some_and(|record| takes_jobs(record).is_some()) {
        d.facts.cluster_awaited_since = None;
        d.resume_after(NOT_RUNNING);
    }
}

/// Whether a running job would be taken down for a cluster that takes no jobs now: then it goes on until that one does.
pub(crate) fn would_have_no_place(d: &mut Draft) -> bool {
    let Some(name) = d.deployment.spec.session_cluster_name.clone() else { return false };
    let cluster = d.session_cluster.as_ref();
    if cluster.is_some_and(|record| takes_jobs(record).is_some()) {
        return false;
    }
    let is = cluster.map_or("missing".to_owned(), |r| r.cluster.status.state.to_string());
    let since = d.facts.transition.as_ref().map_or(d.now, |t| t.since);
    let until = next_mark(since, STEP, d.now);
    let what = format!(
        "SessionCluster '{name}' to be RUNNING, it is {is}; the job that runs goes on until then"
    );
    d.wait(what, since, until);
    true
}

/// The run that a new Job is to be submitted to; `None` while there is none.
pub(crate) fn run_to_use(d: &mut Draft) -> Option<SessionRun> {
    let name = d.deployment.spec.session_cluster_name.clone()?;
    let Some(record) = &d.session_cluster else {
        let message = format!(
            "No SessionCluster '{name}' exists in this namespace; name another one, or create it and try again (drey start)"
        );
        d.give_up(EventName::GeneralFailure, None, NO_REFERENCE, message);
        return None;
    };
    if let Some(run) = takes_jobs(record) {
        return Some(run.clone());
    }
    let state = record.cluster.status.state;
    let since = d.facts.cluster_awaited_since.unwrap_or(d.now);
    if d.facts.cluster_awaited_since.is_none() {
        d.facts.cluster_awaited_since = Some(since);
        let message = format!("Waiting for SessionCluster '{name}' to be RUNNING; it is {state}");
        d.event(EventName::AwaitingForAClusterToSpinUp, None, message);
    }
    let limit = timeout(d);
    let is_coming = match state {
        ClusterState::Starting | ClusterState::Running | ClusterState::Updating => true,
        ClusterState::Stopped | ClusterState::Stopping | ClusterState::Failed => false,
    };
    // What is on its way has deadlines of its own, and FAILED at their end.
    let until = match is_coming {
        true => next_mark(since, limit, d.now),
        false => since.saturating_add_or_max(limit),
    };
    if d.now < until {
        d.wait(format!("SessionCluster '{name}' to be RUNNING, it is {state}"), since, until);
        return None;
    }
    let message = format!(
        "SessionCluster '{name}' has not been RUNNING for {} s; it is {state}. Start it (drey start sessioncluster/{name}): \
         this Deployment then goes on by itself",
        limit.as_secs()
    );
    d.give_up(EventName::GeneralFailure, None, NOT_RUNNING, message);
    None
}

/// What binds a Job to a run.
pub(crate) fn binding(run: &SessionRun) -> SessionJob {
    SessionJob {
        name: run.name.clone(),
        run: run.id,
        artifact: None,
        submission: None,
        orphaned_at: None,
    }
}

/// The members that session mode takes from the cluster (platform API reference §1.1.4).
pub(crate) fn take_from_cluster(job: &mut Job, run: &SessionRun) {
    job.metadata.session_cluster_name = Some(run.name.clone());
    let spec = &mut job.spec;
    spec.number_of_task_managers = run.spec.number_of_task_managers;
    spec.resources.clone_from(&run.spec.resources);
    spec.logging.clone_from(&run.spec.logging);
    spec.kubernetes.clone_from(&run.spec.kubernetes);
    spec.artifact.flink_version.clone_from(&run.spec.flink_version);
    spec.artifact.flink_image_registry.clone_from(&run.spec.flink_image_registry);
    spec.artifact.flink_image_repository.clone_from(&run.spec.flink_image_repository);
    spec.artifact.flink_image_tag.clone_from(&run.spec.flink_image_tag);
    // The user's lines are put over these when the Job is recorded.
    spec.flink_configuration.clone_from(&run.flink_configuration);
}

/// Sees a STARTING Job through its submission.
pub(crate) fn advance_start(d: &mut Draft, id: Uuid, seen: &Observation) {
    let Some(record) = d.job(id) else { return };
    let Some(session) = record.facts.session.clone() else { return };
    let created = record.job.metadata.created_at;
    match &seen.cluster {
        Seen::Unknown { why } => start::wait_for_answer(d, created, why),
        Seen::Absent => d.end_start(id, "its session cluster is gone", true),
        Seen::Present(cluster) => match &cluster.phase {
            ClusterPhase::Dead { why } => {
                d.end_start(id, &format!("its session cluster ended: {why}"), true);
            }
            ClusterPhase::Preparing { what } => start::wait_for_answer(d, created, what),
            ClusterPhase::Alive => match &seen.job {
                Seen::Unknown { why } => start::wait_for_answer(d, created, why),
                Seen::Absent => prepare(d, id, &session, seen),
                Seen::Present(job) => {
                    let since = note_submitted(d, id);
                    let slots = slots(d, id, job, cluster.task_managers);
                    start::watch_job(d, id, job, since, &slots);
                }
            },
        },
    }
}

/// What the cluster has for a job to run on, and what to do while none of its tasks got a slot.
fn slots(d: &Draft, id: Uuid, job: &FlinkJob, managers: u32) -> String {
    let are = if managers == 1 { " of the cluster is" } else { "s of the cluster are" };
    let up = format!("{managers} TaskManager{are} up");
    let is_stuck = job.status == FlinkStatus::Running && job.tasks_running == 0;
    let Some(record) = d.job(id).filter(|_| is_stuck) else { return up };
    let of_each = record.job.spec.flink_configuration.get("taskmanager.numberOfTaskSlots");
    let of_each = of_each.and_then(|n| n.trim().parse::<i64>().ok()).unwrap_or(1);
    let (all, needed) = (of_each.saturating_mul(managers.into()), record.job.spec.parallelism);
    let name = record.job.metadata.session_cluster_name.as_deref().unwrap_or_default();
    let lack = if all < i64::from(needed) {
        format!("the job needs {needed} slots and the cluster has {all}")
    } else {
        format!("if this lasts, other jobs hold the cluster's slots ({all})")
    };
    format!("{up}, {lack} (more of them: drey scale sc/{name} COUNT)")
}

/// When the job was first seen in Flink.
fn note_submitted(d: &mut Draft, id: Uuid) -> Timestamp {
    let now = d.now;
    let mut since = now;
    d.job_facts(id, |f| {
        since = *f.alive_since.get_or_insert(now);
        // The id is taken now, whatever becomes of requests under way.
        if let Some(submission) = f.session.as_mut().and_then(|s| s.submission.as_mut()) {
            submission.is_open = false;
            submission.silent_at = None;
            submission.accepted = true;
        }
    });
    since
}

fn prepare(d: &mut Draft, id: Uuid, session: &SessionJob, seen: &Observation) {
    let created = d.job(id).map_or(d.now, |r| r.job.metadata.created_at);
    match (&seen.program, &session.submission) {
        (Some(Seen::Present(Program::Ready { sha256, .. })), submission) => {
            submit(d, id, sha256, submission.clone());
        }
        (_, Some(submission)) => await_submission(d, id, submission),
        (Some(Seen::Present(Program::Preparing { what })), None) => {
            start::wait_or_fail(d, id, what, created, start::PREPARE);
        }
        (Some(Seen::Present(Program::Failed { why })), None) => d.end_start(id, why, true),
        (None | Some(Seen::Absent | Seen::Unknown { .. }), None) => {
            start::wait_or_fail(d, id, "the artifact to be fetched", created, start::PREPARE);
        }
    }
}

/// Records the next request to submit the job, if one is due; the action follows from the record.
fn submit(d: &mut Draft, id: Uuid, sha256: &str, before: Option<Submission>) {
    let now = d.now;
    let Some(before) = before else {
        let first = Submission {
            since: now,
            sent_at: now,
            is_open: true,
            silent_at: None,
            not_before: now.saturating_add_or_max(REPEAT),
            accepted: false,
        };
        let name = d.job(id).and_then(|r| r.facts.session.as_ref()).map(|s| s.name.clone());
        let name = name.unwrap_or_default();
        d.job_facts(id, |f| {
            if let Some(session) = &mut f.session {
                session.artifact = Some(sha256.to_owned());
                session.submission = Some(first);
            }
        });
        let message = format!("Submitting the job to SessionCluster '{name}'");
        d.event(EventName::AwaitingAJobToStart, Some(id), message);
        d.submitting = Some(id);
        let until = now.saturating_add_or_max(timeout(d));
        return d.wait("Flink to take the job", now, until);
    };
    let is_over = now >= before.since.saturating_add_or_max(timeout(d));
    if before.accepted || is_over || now < before.not_before {
        return await_submission(d, id, &before);
    }
    submission(d, id, |s| {
        if s.is_open {
            s.silent_at = Some(s.sent_at);
        }
        s.sent_at = now;
        s.is_open = true;
        s.not_before = now.saturating_add_or_max(REPEAT);
    });
    d.submitting = Some(id);
    let until = before.since.saturating_add_or_max(timeout(d));
    d.wait("Flink to take the job", before.since, until);
}

fn await_submission(d: &mut Draft, id: Uuid, submission: &Submission) {
    let limit = timeout(d);
    let until = submission.since.saturating_add_or_max(limit);
    if d.now >= until {
        let why = format!("its submission has not succeeded within {} s", limit.as_secs());
        let is_settled = silent_since(submission).is_none();
        return d.end_start(id, &why, is_settled);
    }
    if submission.not_before > d.now {
        d.wake(submission.not_before);
    }
    d.wait("Flink to take the job", submission.since, until);
}

fn submission(d: &mut Draft, id: Uuid, change: impl FnOnce(&mut Submission)) {
    d.job_facts(id, |f| {
        if let Some(submission) = f.session.as_mut().and_then(|s| s.submission.as_mut()) {
            change(submission);
        }
    });
}

/// When the last request was sent that may still take effect.
fn silent_since(submission: &Submission) -> Option<Timestamp> {
    submission.is_open.then_some(submission.sent_at).max(submission.silent_at)
}

/// Flink has the job.
pub(crate) fn accepted(d: &mut Draft, id: Uuid) {
    submission(d, id, |s| {
        s.is_open = false;
        s.silent_at = None;
        s.accepted = true;
    });
    d.resume_after(NOT_SUBMITTED);
}

/// Flink answered that it will not run the job. An earlier request that has no answer may still take effect.
pub(crate) fn refused(d: &mut Draft, id: Uuid, why: &str) {
    submission(d, id, |s| s.is_open = false);
    let Some(record) = d.job(id).filter(|r| r.facts.end.is_none()) else { return };
    let submission = record.facts.session.as_ref().and_then(|s| s.submission.as_ref());
    let is_settled = submission.is_none_or(|s| silent_since(s).is_none());
    if record.job.status.state == JobState::Starting {
        d.end_start(id, why, is_settled);
    }
}

/// The request never left: it is as if it had not been recorded.
pub(crate) fn not_sent(d: &mut Draft, id: Uuid, why: &str) {
    let now = d.now;
    submission(d, id, |s| {
        s.is_open = false;
        s.not_before = now.saturating_add_or_max(RETRY);
    });
    warn(d, id, format!("Job {id} could not be submitted and will be again: {why}"));
}

/// Flink did not answer: whether the job appears tells how it went.
pub(crate) fn unanswered(d: &mut Draft, id: Uuid, why: &str) {
    let message = format!(
        "The submission of Job {id} was not answered and may still take effect; its id will tell: {why}"
    );
    warn(d, id, message);
}

fn warn(d: &mut Draft, id: Uuid, message: String) {
    d.warn_once(EventName::GeneralFailure, id, NOT_SUBMITTED, message);
}

/// Whether the Job is the one that a user wants to be given up.
fn is_forced(d: &Draft, id: Uuid) -> bool {
    let text = d.deployment.metadata.annotations.get(FORCE_CANCELLATION);
    text.and_then(|t| Uuid::try_parse(t.trim()).ok()) == Some(id)
}

/// Gives a Job up that Flink does not cancel, at a user's wish, and names what may be left behind.
fn orphan(d: &mut Draft, id: Uuid) {
    let now = d.now;
    let Some(name) = d.job(id).and_then(|r| r.facts.session.as_ref()).map(|s| s.name.clone())
    else {
        return;
    };
    d.end(id, How::Cancelled, "given up at the user's wish", false);
    d.job_facts(id, |f| {
        if let Some(session) = &mut f.session {
            session.orphaned_at = Some(now);
        }
    });
    d.close_state(id);
    let message = format!(
        "Job {id} is no longer waited for, as the annotation {FORCE_CANCELLATION} asks. Its Flink job {} may go on running \
         on SessionCluster '{name}'; it ends with that cluster at the latest, and no other Job of this Deployment starts before",
        id.simple()
    );
    d.event(EventName::GeneralFailure, Some(id), message);
}

/// Sees a TERMINATING Job to its end. Flink is waited for as long as it takes: nothing but its word, or the end of the
/// cluster, tells that the job is over (seed 001, "Force Cancellation").
pub(crate) fn advance_cancel(d: &mut Draft, id: Uuid, seen: &Observation, cancel: &Cancel) {
    let what = match still_there(d, id, seen) {
        None => return d.end(id, How::Cancelled, &cancel.why, true),
        Some(_) if is_forced(d, id) => return orphan(d, id),
        Some(what) => what,
    };
    let until = next_mark(cancel.since, STEP, d.now);
    d.wait(what, cancel.since, until);
}

/// Why a Flink job may be alive, now or later; `None` when it cannot be.
fn still_there(d: &mut Draft, id: Uuid, seen: &Observation) -> Option<String> {
    let record = d.job(id)?;
    let session = record.facts.session.as_ref();
    let submission = session.and_then(|s| s.submission.as_ref());
    let silent = submission.and_then(silent_since);
    match &seen.cluster {
        Seen::Absent => None,
        Seen::Unknown { why } => Some(format!("an answer about the session cluster ({why})")),
        Seen::Present(cluster) => match (&cluster.phase, &seen.job) {
            (ClusterPhase::Dead { .. }, _) => {
                Some("the processes of its session cluster to end".to_owned())
            }
            (ClusterPhase::Preparing { .. }, _) => None,
            (ClusterPhase::Alive, Seen::Present(job)) if job.status.is_terminal() => None,
            (ClusterPhase::Alive, Seen::Present(_)) => Some("Flink to cancel the job".to_owned()),
            // Nothing was ever sent.
            (ClusterPhase::Alive, _) if submission.is_none() => None,
            (ClusterPhase::Alive, Seen::Unknown { why }) => {
                Some(format!("an answer from Flink about the job ({why})"))
            }
            (ClusterPhase::Alive, Seen::Absent) => {
                let until = silent?.saturating_add_or_max(timeout(d));
                d.wake(until.max(d.now));
                (d.now < until).then(|| {
                    "a submission that was not answered, which may still take effect".to_owned()
                })
            }
        },
    }
}

/// Sees an ended Job until its Flink job is gone; `None` when it is.
pub(crate) fn clear(d: &mut Draft, id: Uuid, seen: &Observation) -> Option<Awaited> {
    let what = still_there(d, id, seen)?;
    if is_forced(d, id) && d.job(id).is_some_and(|r| !r.is_orphan()) {
        orphan(d, id);
    }
    let (now, is_alive) = (d.now, seen.job.present().is_some());
    d.job_facts(id, |f| {
        if is_alive && f.cancel.is_none() {
            let why = "its run is over".to_owned();
            f.cancel =
                Some(Cancel { since: now, failures: 0, accepted_at: None, not_before: now, why });
        }
    });
    let warning = format!(
        "The Flink job {} of Job {id} could not be confirmed to have ended: waiting for {what}. Nothing else is started \
         until it has; the annotation {FORCE_CANCELLATION}: {id} gives it up",
        id.simple()
    );
    Some(Awaited { what, warning })
}

/// Whether a Flink job that was given up may still be alive: no other may run beside it.
pub(crate) fn waits_for_orphan(d: &mut Draft) -> bool {
    let orphan = d.jobs.iter().find(|r| r.is_orphan() && !r.is_closed());
    let Some((id, since)) =
        orphan.map(|r| (r.id(), r.facts.end.as_ref().map_or(d.now, |end| end.at)))
    else {
        return false;
    };
    let what = format!("the Flink job {} to end, which was given up", id.simple());
    d.wait(what, since, next_mark(since, STEP, d.now));
    true
}

/// The effect that the record of a Job calls for.
pub(crate) fn action(d: &Draft, record: &JobRecord, seen: &Observation) -> Option<Action> {
    let is_alive = seen.cluster.present().is_some_and(|c| c.phase == ClusterPhase::Alive);
    if !is_alive || record.facts.gone_at.is_some() {
        return None;
    }
    let may_run = seen.job.present().is_some_and(|j| !j.status.is_terminal());
    if record.facts.end.is_some() || record.job.status.state == JobState::Terminating {
        return may_run.then(|| cancel::request(d, record, seen)).flatten();
    }
    let is_starting = record.job.status.state == JobState::Starting;
    if !is_starting || seen.job != Seen::Absent {
        return None;
    }
    if d.submitting == Some(record.id()) {
        return Some(Action::Submit(Box::new(record.job.clone())));
    }
    match &seen.program {
        Some(Seen::Absent) => Some(Action::Fetch(Box::new(record.job.clone()))),
        Some(Seen::Present(_) | Seen::Unknown { .. }) | None => None,
    }
}
