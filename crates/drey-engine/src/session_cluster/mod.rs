//! SessionClusters: what to do about one, given everything that is known about it (platform API reference §1.7, §3.9).
//!
//! ```text
//!            desired RUNNING                          desired STOPPED, or its JobManager is gone
//!   no run ────────────────► run (recorded) ─► up ──────────────────────────────────────────────► ending ─► no run
//!     ▲  after a pause, until attempts are used up                                                           │
//!     └──────────────────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A run is launched at most once, under an id of its own that is recorded first; a cluster that dies gets a new run when
//! every process of the old one is confirmed gone. So a Job that is bound to a run knows what became of it.
//!
//! Owns the decision ([`decide_session`]); `records.rs` has what it is made from and what it says, `manage.rs` keeps the
//! number of TaskManagers, `quota.rs` asks for its cores. Does not own the Deployments that run on it: that none of them
//! is active is checked where the desired state is written.

mod manage;
mod quota;
mod records;

use drey_model::causes::unstopped;
use drey_model::explanation::Wait;
use drey_model::job::JobTarget;
use drey_model::meta::Failure;
use drey_model::seen::{ClusterPhase, Seen};
use drey_model::session_cluster::{ClusterRunning, SessionClusterStatus};
use drey_model::{
    ClusterState, DeploymentTarget, DesiredClusterState, EventName, SessionCluster, SessionRun,
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::backoff;
use crate::draft::{SaturatingAdd, next_mark, next_poll, wake};
use crate::plan::NewEvent;
use crate::situation::Quota;

pub use records::{
    Run, RunEnd, SessionAction, SessionClusterRecord, SessionFacts, SessionObservation,
    SessionPlan, SessionReport, SessionSituation,
};

/// Starts that fail in a row before a person has to act, as of a Deployment that says nothing else.
const ATTEMPTS_MAX: usize = 4;
/// How long fetching Flink may take; a backend has a shorter limit of its own, with a better message.
const PREPARE: SignedDuration = SignedDuration::from_mins(40);
/// How long launched processes may take until they take jobs.
const RUN: SignedDuration = SignedDuration::from_mins(5);
/// How long the end of its processes may take before a person is told.
const CLEAR: SignedDuration = SignedDuration::from_mins(5);
/// After this long, a backend that has not finished removing a run is told again.
const REMIND: SignedDuration = SignedDuration::from_secs(10);
/// Failures of a running cluster that are remembered to pace recovery.
const RECENT: SignedDuration = SignedDuration::from_mins(10);

/// The working copy.
struct Draft {
    now: Timestamp,
    id: Uuid,
    cluster: SessionCluster,
    facts: SessionFacts,
    target: Option<DeploymentTarget>,
    quota: Quota,
    /// Whether this decision refused a launch for lack of cores.
    is_refused: bool,
    /// What was waited for at the last look.
    waited: Option<Wait>,
    seen: SessionObservation,
    events: Vec<NewEvent>,
    wake_at: Option<Timestamp>,
}

/// What to do about a SessionCluster, given everything that is known about it.
#[must_use]
pub fn decide_session(situation: SessionSituation) -> SessionPlan {
    let SessionSituation { now, id, record, target, quota, seen, reports } = situation;
    let SessionClusterRecord { cluster, facts } = record;
    let mut d = Draft {
        now,
        id,
        cluster,
        facts,
        target,
        quota,
        is_refused: false,
        waited: None,
        seen,
        events: Vec::new(),
        wake_at: None,
    };
    d.waited = d.facts.wait.take();
    absorb(&mut d, reports);
    if d.facts.run.as_ref().is_some_and(|run| run.end.is_none()) {
        advance(&mut d);
    }
    clear(&mut d);
    match d.cluster.spec.state {
        DesiredClusterState::Running => pursue_running(&mut d),
        DesiredClusterState::Stopped => pursue_stopped(&mut d),
    }
    quota::settle(&mut d);
    let actions = actions(&d);
    d.cluster.status = status(&d);
    SessionPlan {
        record: SessionClusterRecord { cluster: d.cluster, facts: d.facts },
        events: d.events,
        actions,
        wake_at: d.wake_at,
    }
}

fn absorb(d: &mut Draft, reports: Vec<SessionReport>) {
    let current = d.facts.run.as_ref().map(|run| run.launched.id);
    for report in reports {
        match report {
            SessionReport::EnsureRefused { run, why } if current == Some(run) => {
                d.end_run(&why, false);
                d.give_up("ClusterRefused", why);
            }
            SessionReport::RemovalAccepted { run } if current == Some(run) => {
                if let Some(run) = &mut d.facts.run {
                    run.removed = true;
                }
            }
            SessionReport::RemovalFailed { run, why } if current == Some(run) => {
                d.warn_once(
                    "ClusterNotRemoved",
                    format!("Its processes cannot be ended now: {why}"),
                );
            }
            SessionReport::EnsureRefused { .. }
            | SessionReport::RemovalAccepted { .. }
            | SessionReport::RemovalFailed { .. } => {}
        }
    }
}

/// Brings the record of a run up to what was seen.
fn advance(d: &mut Draft) {
    manage::count_processes(d);
    let Some(run) = d.facts.run.clone() else { return };
    let has_lived = run.alive_since.is_some();
    match d.seen.cluster.clone() {
        Seen::Unknown { why } => {
            let until = next_mark(run.since, RUN, d.now);
            d.wait(format!("an answer about the processes ({why})"), run.since, until);
        }
        Seen::Absent if has_lived => lost(d, "its JobManager is gone"),
        Seen::Absent => d.wait_or_fail("the cluster to be launched", run.since, PREPARE),
        Seen::Present(cluster) => match &cluster.phase {
            ClusterPhase::Dead { why } => lost(d, why),
            ClusterPhase::Preparing { what } => d.wait_or_fail(what, run.since, PREPARE),
            ClusterPhase::Alive => {
                let now = d.now;
                let since = d.run_mut(|run| *run.alive_since.get_or_insert(now)).unwrap_or(now);
                manage::watch(d, &run, since, cluster.task_managers);
            }
        },
    }
}

/// The run has ended without anybody's asking.
fn lost(d: &mut Draft, why: &str) {
    let Some(run) = &d.facts.run else { return };
    if run.running_since.is_none() {
        return fail_start(d, why);
    }
    let (now, id) = (d.now, run.launched.id);
    d.end_run(why, false);
    d.facts.failed_runs.retain(|at| now.duration_since(*at) <= RECENT);
    d.facts.failed_runs.push(now);
    let earlier = d.facts.failed_runs.len() - 1;
    d.facts.not_before = (earlier > 0).then(|| backoff::next_attempt(now, earlier, id));
    let message = format!(
        "The cluster has failed and is started again; Deployments on it are restored by their restore strategies: {why}"
    );
    d.fail(
        EventName::TerminatingASessionClusterDueToAnUnrecoverableFailure,
        "ClusterFailed",
        message,
    );
}

/// The run has failed before it took jobs: the attempt counts, and the next one pauses.
fn fail_start(d: &mut Draft, why: &str) {
    let Some(id) = d.facts.run.as_ref().map(|run| run.launched.id) else { return };
    d.end_run(why, false);
    d.facts.failed_starts.push(d.now);
    let failures = d.facts.failed_starts.len();
    d.facts.not_before = Some(backoff::next_attempt(d.now, failures, id));
    let message =
        format!("The cluster did not start (attempt {failures} of {ATTEMPTS_MAX}): {why}");
    d.fail(
        EventName::TerminatingASessionClusterDueToAnUnrecoverableFailure,
        "ClusterDidNotStart",
        message,
    );
}

/// Forgets a run that has ended once nothing of it is left.
fn clear(d: &mut Draft) {
    let Some(run) = &d.facts.run else { return };
    let Some(end) = run.end.clone() else { return };
    if d.seen.cluster != Seen::Absent || !run.removed {
        if d.now >= end.at.saturating_add_or_max(CLEAR) {
            let message = format!(
                "Its processes could not be confirmed to have ended for {} min; nothing else is started until they have",
                CLEAR.as_mins()
            );
            d.warn_once("ClusterNotRemoved", message);
        }
        let until = next_mark(end.at, CLEAR, d.now);
        return d.wait("its processes to end".to_owned(), end.at, until);
    }
    d.facts.run = None;
    if d.facts.last_failure.as_ref().is_some_and(|f| f.reason == "ClusterNotRemoved") {
        d.facts.last_failure = None;
    }
    d.wake(d.now);
}

fn pursue_running(d: &mut Draft) {
    if d.facts.run.is_some() || d.facts.gave_up.is_some() {
        return;
    }
    if d.facts.failed_starts.len() >= ATTEMPTS_MAX {
        let cause = d.facts.last_failure.as_ref().map_or("", |f| unstopped(&f.message));
        let message = format!(
            "{ATTEMPTS_MAX} attempts to start the cluster failed. The last one: {cause}. Set its state to STOPPED, fix the \
             cause, and set it to RUNNING"
        );
        return d.give_up("TooManyFailedAttempts", message);
    }
    if let Some(at) = d.facts.not_before.filter(|at| *at > d.now) {
        let since = d.facts.last_failure.as_ref().map_or(d.now, |f| f.failed_at);
        d.facts.wait =
            Some(Wait { what: "the pause before the next attempt".to_owned(), since, until: at });
        return d.wake(at);
    }
    let spec = &d.cluster.spec;
    let Some(target) = &d.target else {
        let message = format!(
            "No DeploymentTarget '{}' exists in this namespace. Set the state to STOPPED, name another one, or create it",
            spec.deployment_target_name
        );
        return d.give_up("ReferenceDoesNotExist", message);
    };
    let place =
        JobTarget { kubernetes: target.spec.kubernetes.clone(), local: target.spec.local.clone() };
    if !quota::admits_launch(d) {
        return;
    }
    let (spec, metadata) = (&d.cluster.spec, &d.cluster.metadata);
    let launched = SessionRun {
        id: d.id,
        session_cluster_id: metadata.id,
        name: metadata.name.clone(),
        namespace: metadata.namespace.clone(),
        spec: spec.clone(),
        // The system's additions are made when the run is recorded, because they depend on the backend.
        flink_configuration: spec.flink_configuration.clone(),
        target: place,
    };
    let managers = spec.number_of_task_managers;
    d.facts.not_before = None;
    d.facts.runs.insert(0, d.id);
    d.facts.runs.truncate(records::RUNS_MAX);
    d.facts.run = Some(Run {
        launched,
        since: d.now,
        alive_since: None,
        running_since: None,
        scaled_to: 0,
        managers_max: managers,
        changed_at: None,
        is_short: false,
        releasing: Vec::new(),
        end: None,
        removed: false,
    });
    // Nothing of it exists yet: its id was taken a moment ago.
    d.seen = SessionObservation { cluster: Seen::Absent, ..SessionObservation::default() };
    let message =
        format!("Starting one JobManager and {}, run {}", manage::counted(managers), d.id);
    d.event(EventName::SpinningUpAClusterForASessionCluster, message);
    d.wait_or_fail("the cluster to be launched", d.now, PREPARE);
}

fn pursue_stopped(d: &mut Draft) {
    d.facts.gave_up = None;
    d.facts.not_before = None;
    d.facts.failed_starts.clear();
    d.facts.failed_runs.clear();
    match &d.facts.run {
        Some(run) if run.end.is_none() => {
            d.end_run("its desired state is STOPPED", true);
        }
        Some(_) => {}
        None => {
            d.facts.last_failure = None;
            if d.cluster.status.state != ClusterState::Stopped {
                let message = "No process of it runs";
                d.event(EventName::SessionClusterSuccessfullyStopped, message);
            }
        }
    }
}

fn status(d: &Draft) -> SessionClusterStatus {
    let is_running = d.cluster.spec.state == DesiredClusterState::Running;
    let state = match (&d.facts.gave_up, &d.facts.run) {
        (Some(_), _) => ClusterState::Failed,
        (None, None) if is_running => ClusterState::Starting,
        (None, None) => ClusterState::Stopped,
        (None, Some(run)) => match (&run.end, run.running_since) {
            (Some(end), _) if end.is_wanted || !is_running => ClusterState::Stopping,
            (Some(_), _) | (None, None) => ClusterState::Starting,
            (None, Some(_)) if run.scaled_to == d.cluster.spec.number_of_task_managers => {
                ClusterState::Running
            }
            (None, Some(_)) => ClusterState::Updating,
        },
    };
    let failure = d.facts.gave_up.clone().or_else(|| d.facts.last_failure.clone());
    let takes_jobs = matches!(state, ClusterState::Running | ClusterState::Updating);
    let since = d.facts.run.as_ref().and_then(|run| run.running_since).filter(|_| takes_jobs);
    let before = &d.cluster.status;
    let is_same = before.state == state && before.failure == failure;
    let running = since.map(|started_at| {
        let earlier = before.running.as_ref().filter(|r| is_same && r.started_at == started_at);
        let last_update_time = earlier.map_or(d.now, |r| r.last_update_time);
        ClusterRunning { started_at, last_update_time }
    });
    SessionClusterStatus { state, failure, running }
}

/// The effects that the record calls for.
fn actions(d: &Draft) -> Vec<SessionAction> {
    let Some(run) = &d.facts.run else { return Vec::new() };
    let id = run.launched.id;
    if let Some(end) = &run.end {
        let is_slow = d.now >= end.at.saturating_add_or_max(REMIND);
        let is_due = !run.removed || is_slow;
        return if is_due { vec![SessionAction::Remove { run: id }] } else { Vec::new() };
    }
    manage::actions(d, run)
}

impl Draft {
    fn event(&mut self, name: EventName, message: impl Into<String>) {
        self.events.push(NewEvent { name, job: None, message: message.into() });
    }

    fn wake(&mut self, at: Timestamp) {
        wake(&mut self.wake_at, at);
    }

    /// Waits for something that has to be polled.
    fn wait(&mut self, what: String, since: Timestamp, until: Timestamp) {
        self.wake(next_poll(self.now, since, until));
        self.facts.wait = Some(Wait { what, since, until });
    }

    /// Says what is missing of a cluster that goes on all the same, and since when.
    fn await_answer(&mut self, what: &str) {
        let earlier = self.waited.as_ref().filter(|wait| wait.what == what);
        let since = earlier.map_or(self.now, |wait| wait.since);
        let until = next_mark(since, RUN, self.now);
        self.facts.wait = Some(Wait { what: what.to_owned(), since, until });
    }

    fn wait_or_fail(&mut self, what: &str, since: Timestamp, limit: SignedDuration) {
        let until = since.saturating_add_or_max(limit);
        if self.now < until {
            return self.wait(what.to_owned(), since, until);
        }
        fail_start(self, &format!("waited {} min for {what}", limit.as_mins()));
    }

    fn run_mut<T>(&mut self, change: impl FnOnce(&mut Run) -> T) -> Option<T> {
        self.facts.run.as_mut().map(change)
    }

    fn end_run(&mut self, why: &str, is_wanted: bool) {
        let end = RunEnd { at: self.now, why: why.to_owned(), is_wanted };
        if let Some(run) = self.facts.run.as_mut().filter(|run| run.end.is_none()) {
            run.end = Some(end);
        }
        // The removal that follows may go unanswered: the next look waits for it.
        self.wake(self.now);
    }

    fn fail(&mut self, event: EventName, reason: &str, message: String) {
        self.event(event, message.clone());
        self.facts.last_failure =
            Some(Failure { message, reason: reason.to_owned(), failed_at: self.now });
    }

    /// Tells once about something that may pass by itself.
    fn warn_once(&mut self, reason: &str, message: String) {
        if self.facts.last_failure.as_ref().is_none_or(|f| f.reason != reason) {
            self.fail(EventName::FailedToStopSessionCluster, reason, message);
        }
    }

    /// Gives it up: FAILED until its desired state is STOPPED.
    fn give_up(&mut self, reason: &str, message: String) {
        let event = EventName::TerminatingASessionClusterDueToAnUnrecoverableFailure;
        self.fail(event, reason, message);
        self.facts.gave_up.clone_from(&self.facts.last_failure);
    }
}
