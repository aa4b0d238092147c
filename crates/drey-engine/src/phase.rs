//! Status words, conditions and the explanation: computed from facts, never set by hand
//! (seed 001, "Deployment Status" and "Deployment Conditions"; platform API reference §1.1.8, §3.7).

use drey_model::deployment::{
    ConditionKind, ConditionStatus, DeploymentCondition, DeploymentStatus, Running, UpgradeKind,
};
use drey_model::diff::deviates;
use drey_model::explanation::Explanation;
use drey_model::meta::{TRANSITIONING, TRANSITIONING_SINCE};
use drey_model::seen::Seen;
use drey_model::{DeploymentState, DesiredState, EventName, JobState};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::draft::{Draft, SaturatingAdd};
use crate::facts::{JobRecord, Rest, Transition};
use crate::plan::NewEvent;
use crate::restore::{self, Choice};
use crate::savepoint;

/// Pause between two looks at a stable job.
pub(crate) const STABLE_POLL: SignedDuration = SignedDuration::from_secs(6);
/// How long Flink may give no answer before the cluster counts as unreachable.
pub(crate) const UNREACHABLE_AFTER: SignedDuration = SignedDuration::from_secs(10);

const FAILING_WINDOW: SignedDuration = SignedDuration::from_mins(10);
const UNSTABLE_WINDOW: SignedDuration = SignedDuration::from_mins(60);
const RESTARTS_MIN: usize = 3;

/// Computes status, transition marks and explanation.
pub(crate) fn compute(d: &mut Draft) {
    let state = state(d);
    mark_transition(d, state);
    d.deployment.status = DeploymentStatus { state, running: running(d, state) };
    d.facts.explanation = explanation(d, state);
}

fn state(d: &Draft) -> DeploymentState {
    if d.facts.gave_up.is_some() {
        return DeploymentState::Failed;
    }
    let is_at_rest = d.jobs.iter().all(|r| r.is_settled() || r.is_orphan());
    match d.deployment.spec.state {
        DesiredState::Running => match d.active_job() {
            Some(job) if is_as_wanted(d, job) => DeploymentState::Running,
            Some(_) => DeploymentState::Transitioning,
            None if d.facts.rest == Rest::Finished => DeploymentState::Finished,
            None => DeploymentState::Transitioning,
        },
        DesiredState::Suspended if is_at_rest => DeploymentState::Suspended,
        DesiredState::Cancelled if is_at_rest => DeploymentState::Cancelled,
        DesiredState::Suspended | DesiredState::Cancelled => DeploymentState::Transitioning,
    }
}

fn is_as_wanted(d: &Draft, job: &JobRecord) -> bool {
    let keeps_old = d.deployment.spec.upgrade_strategy.kind == UpgradeKind::None;
    job.job.status.state == JobState::Started
        && (keeps_old || !deviates(&job.facts.launched, &d.deployment.spec))
        && savepoint::stop_in_progress(d, job.id()).is_none()
}

fn mark_transition(d: &mut Draft, state: DeploymentState) {
    let desired = d.deployment.spec.state;
    let is_moving = state == DeploymentState::Transitioning;
    match (&d.facts.transition, is_moving) {
        (None, true) => {
            let actual = d.deployment.status.state;
            let message = if actual == DeploymentState::Running && desired == DesiredState::Running
            {
                "RUNNING, but not as declared: a transition begins".to_owned()
            } else {
                format!("Desired {desired}, actual {actual}: a transition begins")
            };
            let event = NewEvent { name: EventName::StateTransitionIsNeeded, job: None, message };
            d.events.insert(0, event);
            d.facts.transition = Some(Transition { to: desired, since: d.now });
        }
        (Some(begun), false) => {
            let seconds = d.now.duration_since(begun.since).as_secs_f64();
            match state {
                DeploymentState::Finished => d.event(
                    EventName::TransitionedToFinishedState,
                    None,
                    "The job finished by itself; set the state to CANCELLED and to RUNNING to run it again",
                ),
                DeploymentState::Failed => {}
                DeploymentState::Running
                | DeploymentState::Suspended
                | DeploymentState::Cancelled
                | DeploymentState::Transitioning => {
                    let message = format!("Now {state}, after {seconds:.1} s");
                    d.event(EventName::StateTransitionIsCompleted, None, message);
                }
            }
            d.facts.transition = None;
        }
        (None, false) => {
            let was_running = d.deployment.status.state == DeploymentState::Running;
            if was_running && state == DeploymentState::Finished {
                d.event(
                    EventName::TransitionedToFinishedState,
                    None,
                    "The job finished by itself; set the state to CANCELLED and to RUNNING to run it again",
                );
            }
        }
        (Some(_), true) => {
            if let Some(transition) = &mut d.facts.transition {
                transition.to = desired;
            }
        }
    }
    annotate(d);
}

fn annotate(d: &mut Draft) {
    let annotations = &mut d.deployment.metadata.annotations;
    let is_moving = d.facts.transition.is_some();
    annotations.insert(TRANSITIONING.to_owned(), is_moving.to_string());
    match &d.facts.transition {
        Some(t) => {
            let since = t.since.as_millisecond().to_string();
            annotations.insert(TRANSITIONING_SINCE.to_owned(), since);
        }
        None => {
            annotations.remove(TRANSITIONING_SINCE);
        }
    }
}

fn running(d: &mut Draft, state: DeploymentState) -> Option<Running> {
    if state != DeploymentState::Running {
        return None;
    }
    let job_id = d.active_job().map(JobRecord::id)?;
    let before = d.deployment.status.running.take().filter(|r| r.job_id == job_id);
    let transition_time = before.as_ref().map_or(d.now, |r| r.transition_time);
    let old = before.map(|r| r.conditions).unwrap_or_default();
    Some(Running { job_id, transition_time, conditions: conditions(d, job_id, &old) })
}

fn conditions(d: &Draft, job: Uuid, old: &[DeploymentCondition]) -> Vec<DeploymentCondition> {
    let seen = d.observation(job);
    let unreachable = seen
        .unreachable_since
        .filter(|since| d.now >= since.saturating_add_or_max(UNREACHABLE_AFTER));
    let kinds =
        [ConditionKind::ClusterUnreachable, ConditionKind::JobFailing, ConditionKind::JobUnstable];
    kinds
        .into_iter()
        .map(|kind| {
            let (status, reason, message) = match kind {
                ConditionKind::ClusterUnreachable => reachability(unreachable, &seen.job),
                ConditionKind::JobFailing => restarts(d, &seen.job, FAILING_WINDOW),
                ConditionKind::JobUnstable => restarts(d, &seen.job, UNSTABLE_WINDOW),
            };
            let earlier = old.iter().find(|c| c.kind == kind);
            match (status, earlier) {
                (None, Some(c)) => c.clone(),
                (status, earlier) => {
                    let status = status.unwrap_or(ConditionStatus::Unknown);
                    condition(kind, status, reason, message, earlier, d.now)
                }
            }
        })
        .collect()
}

type Verdict = (Option<ConditionStatus>, &'static str, String);

fn reachability<T>(unreachable: Option<Timestamp>, job: &Seen<T>) -> Verdict {
    match (unreachable, job) {
        (Some(since), _) => (
            Some(ConditionStatus::True),
            "NoAnswer",
            format!(
                "No answer from the Flink REST API since {since}; nothing is changed because of it"
            ),
        ),
        (None, Seen::Unknown { .. }) => (None, "NotObserved", "Not observed yet".to_owned()),
        (None, Seen::Present(_) | Seen::Absent) => {
            (Some(ConditionStatus::False), "Answers", "The Flink REST API answers".to_owned())
        }
    }
}

/// The verdict about restarts in a window; `None` when the job was not seen this time, so the old verdict stays.
fn restarts<T>(d: &Draft, job: &Seen<T>, window: SignedDuration) -> Verdict {
    let Seen::Present(_) = job else {
        return (None, "NotObserved", "Not observed yet".to_owned());
    };
    let count = d.facts.restarts.within(window, d.now);
    let minutes = window.as_mins();
    if count >= RESTARTS_MIN {
        let cause = d.facts.restarts.cause.as_deref().and_then(|cause| cause.lines().next());
        let cause = cause.map(|cause| format!("; the last failure: {cause}")).unwrap_or_default();
        let message = format!("{count} restarts within {minutes} min{cause}");
        (Some(ConditionStatus::True), "Restarting", message)
    } else {
        let message = format!("Fewer than {RESTARTS_MIN} restarts within {minutes} min");
        (Some(ConditionStatus::False), "Steady", message)
    }
}

fn condition(
    kind: ConditionKind,
    status: ConditionStatus,
    reason: &str,
    message: String,
    earlier: Option<&DeploymentCondition>,
    now: Timestamp,
) -> DeploymentCondition {
    let since = earlier.filter(|c| c.status == status).map(|c| c.last_transition_time);
    let same = earlier.filter(|c| c.status == status && c.message == message);
    DeploymentCondition {
        kind,
        status,
        reason: reason.to_owned(),
        last_transition_time: since.unwrap_or(now),
        last_update_time: same.map_or(now, |c| c.last_update_time),
        message,
    }
}

/// How a RUNNING Deployment is: a condition that holds, a template that waits, or nothing to say.
fn running_summary(d: &Draft) -> String {
    let running = d.deployment.status.running.as_ref();
    let mut conditions = running.iter().flat_map(|r| &r.conditions);
    let held = conditions.find(|c| c.status == ConditionStatus::True);
    let is_silent = |job: &JobRecord| matches!(d.observation(job.id()).job, Seen::Unknown { .. });
    let is_seen = !d.active_job().is_some_and(is_silent);
    let state = if is_seen { "RUNNING" } else { "RUNNING when last seen" };
    if let Some(condition) = held {
        return format!("{state}, but {}: {}", condition.kind, condition.message);
    }
    if !is_seen {
        return format!("{state}; Flink gives no answer at the moment");
    }
    if d.active_job().is_some_and(|job| deviates(&job.facts.launched, &d.deployment.spec)) {
        return "RUNNING with an earlier template: upgradeStrategy NONE leaves the new one to the next start"
            .to_owned();
    }
    "RUNNING, as it should be".to_owned()
}

fn explanation(d: &Draft, state: DeploymentState) -> Explanation {
    let spec = &d.deployment.spec;
    let name = &d.deployment.metadata.name;
    // The last one is the nearest to the goal: savepoints come first, then Jobs, then what is pursued.
    let wait = d.waits.last().cloned();
    let summary = match (&d.facts.gave_up, &wait, state) {
        (Some(failure), _, _) => failure.message.clone(),
        (None, Some(wait), DeploymentState::Transitioning) => {
            format!("On the way to {}: waiting for {}", spec.state, wait.what)
        }
        (None, _, DeploymentState::Transitioning) => format!("On the way to {}", spec.state),
        (None, _, DeploymentState::Running) => running_summary(d),
        (None, _, _) => format!("{state}, as it should be"),
    };
    let next = match (&d.facts.gave_up, d.active_job()) {
        (None, _) if d.facts.claim.refused.is_some() => vec![
            "drey quota      who uses the cores".to_owned(),
            format!("drey edit deployment {name}      ask for fewer"),
        ],
        (None, _) => Vec::new(),
        (Some(_), Some(_)) => vec![
            match spec.state {
                DesiredState::Running => format!("drey start {name}      try again"),
                DesiredState::Suspended | DesiredState::Cancelled => {
                    format!("drey start {name}      keep the job that still runs")
                }
            },
            format!("drey cancel {name}     end it; its newest checkpoint is kept"),
        ],
        (Some(_), None) => vec![
            format!("drey events {name}"),
            format!("drey edit deployment {name}      fix the cause; a changed spec starts anew"),
            format!("drey start {name}      try again as it is"),
        ],
    };
    Explanation {
        spec_version: d.deployment.spec_version(),
        desired: spec.state,
        actual: state,
        summary,
        wait,
        next_attempt_at: d.facts.not_before.filter(|at| *at > d.now && d.facts.gave_up.is_none()),
        failed_job_attempts: u32::try_from(d.facts.failed_starts.len()).unwrap_or(u32::MAX),
        max_job_attempts: u32::try_from(spec.max_job_creation_attempts).unwrap_or(0),
        failed_savepoint_attempts: d.facts.failed_savepoints,
        max_savepoint_attempts: u32::try_from(spec.max_savepoint_creation_attempts).unwrap_or(0),
        failure: d.facts.gave_up.clone().or_else(|| d.facts.last_failure.clone()),
        active_job_id: d.active_job().map(JobRecord::id),
        has_checkpoint: d.active_job().is_some_and(|job| job.facts.checkpointed),
        restores_from: match restore::choose(d) {
            Choice::From { location, .. } => Some(location),
            Choice::Empty | Choice::Stuck { .. } => None,
        },
        next,
    }
}
