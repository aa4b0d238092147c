//! Session mode: a Job on a cluster that it shares (platform API reference §3.8; seed 001, "Session Mode").
//!
//! ```text
//!   SessionCluster RUNNING? ─► Job recorded, bound to one run ─► fetch ─► submit (submission.rs) ─► start.rs, run.rs …
//! ```
//!
//! Owns what differs from a cluster of one's own: where a Job may start, and when it is gone. A Job is gone when Flink
//! says that its job has ended, or when no process of the run is left. A submission that was not answered may take effect
//! later, so its Job is not gone before it has had time for that; should it come even later, it is cancelled.
//!
//! The processes are the SessionCluster's business ([`crate::session_cluster`]); nothing here starts or ends one.

use drey_model::meta::FORCE_CANCELLATION;
use drey_model::seen::{ClusterPhase, FlinkJob, FlinkStatus, Seen};
use drey_model::{ClusterState, DesiredClusterState, EventName, Job, JobState, SessionRun};
use jiff::SignedDuration;
use uuid::Uuid;

use crate::cancel;
use crate::draft::{Draft, SaturatingAdd, next_mark};
use crate::facts::{Cancel, How, JobRecord, Late, SessionJob};
use crate::plan::Action;
use crate::run::Awaited;
use crate::session_cluster::SessionClusterRecord;
use crate::situation::Observation;
use crate::start;
use crate::submission::{self, timeout};

/// Why a start is given up: what the spec names does not exist.
pub(crate) const NO_REFERENCE: &str = "ReferenceDoesNotExist";
/// Why a start is given up; a cluster that is RUNNING takes it back.
const NOT_RUNNING: &str = "SessionClusterNotRunning";

/// Steps in which waits go on that only an answer may end.
const STEP: SignedDuration = SignedDuration::from_mins(5);
/// How long a JobManager may not know a job that it once knew before that counts as the job's end.
const MISSING: SignedDuration = SignedDuration::from_secs(10);
/// Pause between looks for a job that may appear late.
const LATE: SignedDuration = SignedDuration::from_secs(10);

fn takes_jobs(record: &SessionClusterRecord) -> Option<&SessionRun> {
    // One that is about to stop takes none, also before anything of that is seen.
    let is_wanted = record.cluster.spec.state == DesiredClusterState::Running;
    let run = record.facts.run.as_ref().filter(|run| is_wanted && run.end.is_none())?;
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
        late: None,
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
                Seen::Absent => submission::prepare(d, id, &session, seen),
                Seen::Present(job) => {
                    let since = submission::taken(d, id);
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
        None => {
            cancel::note_finish(d, id, seen);
            return d.end(id, How::Cancelled, &cancel.why, true);
        }
        Some(_) if is_forced(d, id) => return orphan(d, id),
        Some(what) => what,
    };
    let until = next_mark(cancel.since, STEP, d.now);
    d.wait(what, cancel.since, until);
}

/// Why a Flink job may be alive, now or later; `None` when it cannot be.
fn still_there(d: &mut Draft, id: Uuid, seen: &Observation) -> Option<String> {
    let record = d.job(id)?;
    let submission = |record: &JobRecord| record.facts.session.as_ref()?.submission.clone();
    let was_sent = submission(record).is_some();
    let was_alive = record.facts.alive_since.is_some();
    match &seen.cluster {
        Seen::Absent => None,
        Seen::Unknown { why } => Some(format!("an answer about the session cluster ({why})")),
        Seen::Present(cluster) => match (&cluster.phase, &seen.job) {
            (ClusterPhase::Dead { .. }, _) => {
                Some("the processes of its session cluster to end".to_owned())
            }
            (ClusterPhase::Preparing { .. }, _) => None,
            (ClusterPhase::Alive, Seen::Present(job)) if job.status.is_terminal() => None,
            (ClusterPhase::Alive, Seen::Present(_)) => {
                d.job_facts(id, |f| f.missing_since = None);
                Some("Flink to cancel the job".to_owned())
            }
            (ClusterPhase::Alive, Seen::Absent) if was_alive => unknown_for_now(d, id),
            // Nothing was ever sent.
            (ClusterPhase::Alive, _) if !was_alive && !was_sent => None,
            (ClusterPhase::Alive, Seen::Unknown { why }) => {
                Some(format!("an answer from Flink about the job ({why})"))
            }
            (ClusterPhase::Alive, Seen::Absent) => {
                submission::count_unknown(d, id);
                let unsettled = d.job(id).and_then(submission).filter(submission::is_unsettled)?;
                (!submission::has_outlasted(d, &unsettled)).then(|| {
                    "a submission that was not answered, which may still take effect".to_owned()
                })
            }
        },
    }
}

/// A JobManager does not know a job that it once knew; `None` when that has lasted.
fn unknown_for_now(d: &mut Draft, id: Uuid) -> Option<String> {
    let now = d.now;
    let since = d.job(id).and_then(|r| r.facts.missing_since).unwrap_or(now).min(now);
    d.job_facts(id, |f| f.missing_since = Some(since));
    let until = since.saturating_add_or_max(MISSING);
    d.wake(until);
    (now < until).then(|| "the JobManager to know the job again".to_owned())
}

/// Sees an ended Job until its Flink job is gone; `None` when it is.
pub(crate) fn clear(d: &mut Draft, id: Uuid, seen: &Observation) -> Option<Awaited> {
    let Some(what) = still_there(d, id, seen) else {
        note_late(d, id, seen);
        return None;
    };
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

/// A Job is taken for gone: should a request still be unanswered, its Flink job may appear all the same.
fn note_late(d: &mut Draft, id: Uuid, seen: &Observation) {
    let is_alive = seen.cluster.present().is_some_and(|c| c.phase == ClusterPhase::Alive);
    let Some(session) = d.job(id).and_then(|r| r.facts.session.as_ref()) else { return };
    let is_unsettled = session.submission.as_ref().is_some_and(submission::is_unsettled);
    if is_alive && is_unsettled && seen.job == Seen::Absent {
        set_late(d, id, Some(Late::Awaited));
    }
}

fn set_late(d: &mut Draft, id: Uuid, late: Option<Late>) {
    d.job_facts(id, |f| {
        if let Some(session) = &mut f.session {
            session.late = late;
        }
    });
}

/// Watches for the Flink job of a Job that nobody waits for any more, and cancels it should it appear: another Job may
/// run in its place.
pub(crate) fn watch_late(d: &mut Draft, id: Uuid, seen: &Observation) {
    let has_ended = |job: &FlinkJob| job.status.is_terminal();
    let late = d.job(id).and_then(|r| r.facts.session.as_ref()).and_then(|s| s.late);
    match (&seen.cluster, &seen.job, late) {
        (Seen::Absent, ..) => return set_late(d, id, None),
        (_, Seen::Present(job), _) if has_ended(job) => return set_late(d, id, None),
        (_, Seen::Present(_), Some(Late::Awaited)) => {
            let (at, why) = (d.now, "it appeared after its time".to_owned());
            let request = Cancel { since: at, failures: 0, accepted_at: None, not_before: at, why };
            d.job_facts(id, |f| f.cancel = Some(request));
            set_late(d, id, Some(Late::Appeared));
            let message = format!(
                "The Flink job {} of Job {id} appeared although its submission had been given up long ago; it is cancelled",
                id.simple()
            );
            d.event(EventName::GeneralFailure, Some(id), message);
        }
        (_, Seen::Absent, Some(Late::Appeared)) => return set_late(d, id, None),
        (_, Seen::Present(_) | Seen::Absent | Seen::Unknown { .. }, _) => {}
    }
    d.wake(d.now.saturating_add_or_max(LATE));
}

/// Whether a Flink job that was given up may still be alive: no other may run beside it.
pub(crate) fn waits_for_orphan(d: &mut Draft) -> bool {
    let orphan = d.jobs.iter().find(|r| r.is_orphan() && !r.is_settled());
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
    if !is_alive || !record.asks_flink() {
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
    if d.submitting.as_ref().is_some_and(|(id, _)| *id == record.id()) {
        return Some(Action::Submit(Box::new(record.job.clone())));
    }
    match &seen.program {
        Some(Seen::Absent) => Some(Action::Fetch(Box::new(record.job.clone()))),
        Some(Seen::Present(_) | Seen::Unknown { .. }) | None => None,
    }
}
