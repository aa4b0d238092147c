//! Transition to RUNNING: create the Job, then see its cluster and its Flink job come up
//! (platform API reference §3.2.1, §3.5; seeds 001, 002).

use drey_model::causes::unstopped;
use drey_model::diff::{Launched, deviates};
use drey_model::job::{JobMetadata, JobSpec, JobTarget, Started};
use drey_model::meta::{Failure, SPEC_VERSION};
use drey_model::seen::{ClusterPhase, FlinkJob, FlinkStatus, Seen};
use drey_model::{EventName, Job, JobState, SessionRun};
use jiff::SignedDuration;
use uuid::Uuid;

use crate::backoff;
use crate::draft::{Draft, SaturatingAdd, next_mark};
use crate::facts::{How, JobFacts, JobRecord};
use crate::quota;
use crate::restarts;
use crate::restore::{self, Choice};
use crate::run;
use crate::session;
use crate::situation::Observation;

/// Why a start is given up that has nothing to restore; a snapshot that is registered takes it back.
pub(crate) const NO_SNAPSHOT: &str = "NoSnapshotToRestore";

/// How long fetching Flink and the artifact may take; a backend has a shorter limit of its own, with a better message.
pub(crate) const PREPARE: SignedDuration = SignedDuration::from_mins(40);
/// How long a launched cluster may take until its job runs.
const RUN: SignedDuration = SignedDuration::from_mins(5);
/// How long a job without failures may take until tasks run: restoring large state takes its time.
const RESTORE: SignedDuration = SignedDuration::from_mins(60);

/// Creates the next Job, unless attempts are used up, a pause holds, or there is nothing safe to start from.
pub(crate) fn create(d: &mut Draft) {
    let spec = &d.deployment.spec;
    let limit = usize::try_from(spec.max_job_creation_attempts.max(1)).unwrap_or(1);
    if d.facts.failed_starts.len() >= limit {
        let cause = d.facts.last_failure.as_ref().map_or("", |f| unstopped(&f.message));
        let message = format!(
            "{} of {limit} attempts to start a job failed. The last one: {cause}. Fix the cause and change the spec \
             (or set the state to CANCELLED and then to RUNNING) to try again",
            d.facts.failed_starts.len()
        );
        let event = EventName::TooManyFailedJobCreationAttempts;
        return d.give_up(event, None, "TooManyFailedJobCreationAttempts", message);
    }
    if let Some(at) = d.facts.not_before.filter(|at| *at > d.now) {
        let number = d.facts.failed_starts.len() + 1;
        let since = d.facts.last_failure.as_ref().map_or(d.now, |f| f.failed_at);
        return d.pause(format!("the pause before attempt {number} of {limit}"), since, at);
    }
    if session::waits_for_orphan(d) {
        return;
    }
    let Some(place) = place(d) else { return };
    if !quota::admits_launch(d) {
        return;
    }
    if restore::is_undecided(d) {
        return;
    }
    match restore::choose(d) {
        Choice::Stuck { why } => {
            d.give_up(EventName::GeneralFailure, None, NO_SNAPSHOT, why);
        }
        Choice::Empty => record_job(d, place, None),
        Choice::From { savepoint, location } => record_job(d, place, Some((savepoint, location))),
    }
}

/// Where a Job runs.
enum Place {
    /// A cluster of its own in this target.
    Own(JobTarget),
    /// This run of a SessionCluster.
    Shared(Box<SessionRun>),
}

fn place(d: &mut Draft) -> Option<Place> {
    if d.deployment.spec.session_cluster_name.is_some() {
        return session::run_to_use(d).map(|run| Place::Shared(Box::new(run)));
    }
    if let Some(target) = &d.target {
        return Some(Place::Own(JobTarget {
            kubernetes: target.spec.kubernetes.clone(),
            local: target.spec.local.clone(),
        }));
    }
    let message = match &d.deployment.spec.deployment_target_name {
        Some(name) => format!(
            "No DeploymentTarget '{name}' exists in this namespace; name another one, or create it and try again (drey start)"
        ),
        None => "spec.deploymentTargetName is not set; name the target to run in".to_owned(),
    };
    let event = EventName::ReferencedDeploymentTargetDoesNotExist;
    d.give_up(event, None, session::NO_REFERENCE, message);
    None
}

fn record_job(d: &mut Draft, place: Place, from: Option<(Uuid, String)>) {
    let Some(id) = d.take_id() else { return };
    d.facts.ordinal += 1;
    d.facts.not_before = None;
    let (restored, location) = from.unzip();
    let origin = location.as_ref().map_or("with empty state".to_owned(), |l| format!("from {l}"));
    let (target, run) = match place {
        Place::Own(target) => (target, None),
        Place::Shared(run) => (run.target.clone(), Some(run)),
    };
    let mut job = Job::new(job_metadata(d, id), job_spec(d, target, location));
    if let Some(run) = &run {
        session::take_from_cluster(&mut job, run);
    }
    let facts = JobFacts {
        ordinal: d.facts.ordinal,
        launched: Launched::of(&d.deployment.spec),
        restored,
        session: run.as_deref().map(session::binding),
        ..JobFacts::default()
    };
    d.jobs.push(JobRecord { job, facts });
    d.observe_nothing(id);
    let attempt = d.facts.failed_starts.len() + 1;
    let limit = d.deployment.spec.max_job_creation_attempts;
    let created = format!("Creating Job {id} {origin} (attempt {attempt} of {limit})");
    d.event(EventName::CreatingANewJob, Some(id), created);
    d.wake(d.now);
    if run.is_some() {
        return;
    }
    d.event(
        EventName::SpinningUpAClusterForAJob,
        Some(id),
        "Starting one JobManager and its TaskManagers".to_owned(),
    );
    d.event(
        EventName::AwaitingForAClusterToSpinUp,
        Some(id),
        "Waiting for Flink, the artifact and the JobManager process",
    );
}

fn job_metadata(d: &Draft, id: Uuid) -> JobMetadata {
    let deployment = &d.deployment.metadata;
    let mut annotations = d.deployment.spec.template.metadata.annotations.clone();
    annotations.insert(SPEC_VERSION.to_owned(), d.deployment.spec_version().to_string());
    JobMetadata {
        id,
        namespace: deployment.namespace.clone(),
        created_at: d.now,
        modified_at: d.now,
        terminated_at: None,
        deployment_id: deployment.id,
        deployment_name: deployment.name.clone(),
        session_cluster_name: None,
        annotations,
        resource_version: 0,
    }
}

/// The template, resolved. The system's additions to the configuration are made when the Job is recorded, because they
/// depend on the backend.
fn job_spec(d: &Draft, target: JobTarget, savepoint_location: Option<String>) -> JobSpec {
    let template = &d.deployment.spec.template.spec;
    JobSpec {
        artifact: template.artifact.clone(),
        parallelism: template.effective_parallelism(),
        number_of_task_managers: template.effective_task_managers(),
        resources: template.resources.clone(),
        flink_configuration: template.flink_configuration.clone(),
        user_flink_configuration: template.flink_configuration.clone(),
        logging: template.logging.clone(),
        kubernetes: template.kubernetes.clone(),
        deployment_target: target,
        savepoint_location,
        allow_non_restored_state: d.deployment.spec.restore_strategy.allow_non_restored_state,
    }
}

/// Sees a STARTING Job on its way.
pub(crate) fn advance(d: &mut Draft, id: Uuid, seen: &Observation) {
    let Some(record) = d.job(id) else { return };
    if record.facts.session.is_some() {
        return session::advance_start(d, id, seen);
    }
    let created = record.job.metadata.created_at;
    let wanted = record.job.spec.number_of_task_managers;
    let has_lived = record.facts.alive_since.is_some();
    match &seen.cluster {
        Seen::Unknown { why } => wait_for_answer(d, created, why),
        Seen::Absent if has_lived => d.end_start(id, "its JobManager is gone", true),
        Seen::Absent => wait_or_fail(d, id, "the cluster to be launched", created, PREPARE),
        Seen::Present(cluster) => match &cluster.phase {
            ClusterPhase::Dead { why } => d.end_start(id, why, true),
            ClusterPhase::Preparing { what } => wait_or_fail(d, id, what, created, PREPARE),
            ClusterPhase::Alive => {
                let since = note_alive(d, id);
                match &seen.job {
                    Seen::Unknown { why } => wait_for_answer(d, since, why),
                    Seen::Absent => {
                        wait_or_fail(d, id, "the JobManager to submit the job", since, RUN);
                    }
                    Seen::Present(job) => {
                        let managers =
                            format!("{}/{wanted} TaskManagers are up", cluster.task_managers);
                        watch_job(d, id, job, since, &managers);
                    }
                }
            }
        },
    }
}

fn note_alive(d: &mut Draft, id: Uuid) -> jiff::Timestamp {
    let now = d.now;
    let Some(record) = d.job_mut(id) else { return now };
    if let Some(since) = record.facts.alive_since {
        return since;
    }
    record.facts.alive_since = Some(now);
    let text = "The JobManager process is up; waiting for its job to run".to_owned();
    d.event(EventName::AwaitingAJobToStart, Some(id), text);
    now
}

/// Sees a submitted job until its tasks run.
pub(crate) fn watch_job(
    d: &mut Draft,
    id: Uuid,
    job: &FlinkJob,
    since: jiff::Timestamp,
    managers: &str,
) {
    let cause = job.cause.clone();
    match job.status {
        FlinkStatus::Failed => {
            if let Some(why) = run::why_failed(d, id, job) {
                d.end_start(id, &why, true);
            }
        }
        FlinkStatus::Canceled => d.end_start(id, "the job was cancelled from outside", true),
        FlinkStatus::Finished => mark_started(d, id, job),
        FlinkStatus::Initializing
        | FlinkStatus::Created
        | FlinkStatus::Running
        | FlinkStatus::Failing
        | FlinkStatus::Cancelling
        | FlinkStatus::Restarting
        | FlinkStatus::Suspended
        | FlinkStatus::Reconciling => {
            if job.is_fully_running() || (job.tasks_running > 0 && is_batch(d, id)) {
                return mark_started(d, id, job);
            }
            let is_calm = job.status == FlinkStatus::Running && cause.is_none();
            if is_calm && job.tasks_running > 0 && d.now >= since.saturating_add_or_max(RUN) {
                // Some tasks run and none fails: those that wait for others, or have ended, are no reason to end it.
                return mark_started(d, id, job);
            }
            let limit = if is_calm && job.tasks_running == 0 { RESTORE } else { RUN };
            let mut what = format!(
                "all tasks to run: {}/{} do, {managers}, Flink says {}",
                job.tasks_running, job.tasks_total, job.status
            );
            if let Some(cause) = cause {
                what = format!("{what}; its last failure: {cause}");
            }
            wait_or_fail(d, id, &what, since, limit);
        }
    }
}

/// Whether the job runs its tasks one stage after the other, so that they never all run at once.
fn is_batch(d: &Draft, id: Uuid) -> bool {
    let mode = d.job(id).and_then(|r| r.job.spec.flink_configuration.get("execution.runtime-mode"));
    mode.is_some_and(|mode| mode.trim().eq_ignore_ascii_case("BATCH"))
}

/// Nothing is known, so nothing ends: the deadline moves along until there is an answer.
pub(crate) fn wait_for_answer(d: &mut Draft, since: jiff::Timestamp, why: &str) {
    d.wait(format!("an answer about the cluster ({why})"), since, next_mark(since, RUN, d.now));
}

pub(crate) fn wait_or_fail(
    d: &mut Draft,
    id: Uuid,
    what: &str,
    since: jiff::Timestamp,
    limit: SignedDuration,
) {
    let until = since.saturating_add_or_max(limit);
    if d.now < until {
        return d.wait(what, since, until);
    }
    let why = format!("waited {} min for {what}", limit.as_mins());
    d.end_start(id, &why, false);
}

fn mark_started(d: &mut Draft, id: Uuid, job: &FlinkJob) {
    let now = d.now;
    let Some(record) = d.job_mut(id) else { return };
    record.job.status.state = JobState::Started;
    record.job.status.started = Some(Started {
        started_at: now,
        flink_job_id: record.job.flink_job_id(),
        last_update_time: now,
        observed_flink_job_restarts: 0,
        observed_flink_job_status: job.status.to_string(),
    });
    restarts::note(d, id, job);
    d.facts.failed_starts.clear();
    d.facts.not_before = None;
    d.facts.last_failure = None;
    d.facts.rest = crate::facts::Rest::Cancelled;
    d.event(EventName::JobSuccessfullyStarted, Some(id), format!("Job {id} runs"));
    d.wake(now);
}

impl Draft {
    /// Ends a Job that did not start: the attempt counts, and the next one pauses.
    pub(crate) fn end_start(&mut self, id: Uuid, why: &str, confirmed: bool) {
        self.end(id, How::FailedToStart, why, confirmed);
        let launched = self.job(id).map(|r| &r.facts.launched);
        if launched.is_some_and(|launched| deviates(launched, &self.deployment.spec)) {
            // It says nothing about the spec that is wanted now, so it is no attempt at it.
            let message = format!("Job {id}, of an older template, did not start: {why}");
            return self.event(EventName::FailedCreatingANewJob, Some(id), message);
        }
        self.facts.failed_starts.push(self.now);
        let failures = self.facts.failed_starts.len();
        self.facts.not_before = Some(backoff::next_attempt(self.now, failures, id));
        self.facts.last_failure = Some(Failure {
            message: why.to_owned(),
            reason: "JobDidNotStart".to_owned(),
            failed_at: self.now,
        });
        let limit = self.deployment.spec.max_job_creation_attempts;
        let message = format!("Job {id} did not start (attempt {failures} of {limit}): {why}");
        self.event(EventName::FailedCreatingANewJob, Some(id), message);
    }
}
