//! What must hold of every decision, whatever the world does (design brief, section 5). Called by the world itself, so
//! each scenario and each random history is checked.

use drey_engine::{Action, JobRecord, Plan, SavepointRecord, Situation, decide};
use drey_model::deployment::RestoreKind;
use drey_model::quota::{Cores, Limit, is_non_production};
use drey_model::{DeploymentState, DesiredState, JobState, SavepointOrigin, SavepointState, Seen};
use uuid::Uuid;

use super::World;

/// Checks one decision against the records before it.
pub(crate) fn check(world: &World, situation: &Situation, plan: &Plan) {
    new_jobs_are_safe(world, situation, plan);
    actions_follow_from_records(situation, plan);
    not_knowing_is_harmless(situation, plan);
    status_tells_the_facts(situation, plan);
    no_record_is_lost(situation, plan);
    cores_are_there(world, situation, plan);
}

/// A launch takes no more cores than it held or than are free; for want of them, nothing that runs is stopped.
fn cores_are_there(world: &World, situation: &Situation, plan: &Plan) {
    let Some(limit) = situation.quota.limit else { return };
    let others = situation.quota.others.iter().flatten().map(|holder| holder.cpu);
    let used: Cores = others.sum();
    for new in plan.jobs.iter().filter(|r| world.job(r.id()).is_none()) {
        let needs = Cores::of_job(&new.job);
        let is_free = used + needs <= limit.cpu + limit.tolerated;
        let is_counted = !is_non_production(&plan.deployment.metadata);
        assert!(
            is_free || !is_counted || needs <= situation.facts.claim.held,
            "{needs} cores are taken beside {used} of {limit:?}"
        );
        assert!(!is_counted || plan.facts.claim.held >= needs, "a launch that holds nothing");
    }
    if !is_non_production(&plan.deployment.metadata) {
        claim_is_true(situation, plan, limit, used);
    }
    if plan.facts.claim.refused.is_some() {
        let untouched = |r: &&JobRecord| r.job.status.state == JobState::Started;
        for before in situation.jobs.iter().filter(untouched) {
            let after = plan.jobs.iter().find(|r| r.id() == before.id());
            assert!(after.is_some_and(|r| r.facts.cancel.is_none()), "stopped for lack of cores");
        }
        let stops = |all: &[SavepointRecord]| {
            all.iter().filter(|r| r.facts.as_ref().is_some_and(|f| f.stop)).count()
        };
        assert!(
            stops(&plan.savepoints) <= stops(&situation.savepoints),
            "stopped for lack of cores"
        );
        assert!(plan.wake_at.is_some(), "nobody judges it again");
    }
}

/// What is held is what lives, and before a launch no more than was free; from the first step of an upgrade on, what the
/// next run needs.
fn claim_is_true(situation: &Situation, plan: &Plan, limit: Limit, used: Cores) {
    let held = plan.facts.claim.held;
    let needs = Cores::of_spec(&plan.deployment.spec);
    let living = plan.jobs.iter().filter(|r| r.facts.gone_at.is_none());
    let lives = living.map(|r| Cores::of_job(&r.job)).max().unwrap_or_default();
    assert!(held >= lives, "{held} are held while {lives} live");
    assert!(held <= lives.max(needs), "{held} are held for {needs} beside {lives}");
    let grown = situation.facts.claim.held;
    let ceiling = limit.cpu + limit.tolerated;
    assert!(
        held <= lives.max(grown) || used + held <= ceiling,
        "{held} are kept that are not there"
    );
    for before in situation.jobs.iter().filter(|r| r.job.status.state == JobState::Started) {
        let after = plan.jobs.iter().find(|r| r.id() == before.id());
        let is_replaced = after.is_some_and(|r| {
            let begins = r.facts.stops.len() > before.facts.stops.len();
            r.facts.end.is_none()
                && (begins || before.facts.cancel.is_none() && r.facts.cancel.is_some())
        });
        let is_to_follow = plan.deployment.spec.state == DesiredState::Running;
        assert!(
            !is_replaced || !is_to_follow || held >= needs,
            "a job is taken down for one that needs {needs}, and {held} are held"
        );
    }
}

/// Design invariants 1, 2 and 3.
fn new_jobs_are_safe(world: &World, situation: &Situation, plan: &Plan) {
    let is_new = |r: &&JobRecord| world.job(r.id()).is_none();
    let new: Vec<&JobRecord> = plan.jobs.iter().filter(is_new).collect();
    assert!(new.len() <= 1, "two Jobs in one decision");
    let Some(job) = new.first() else { return };
    for other in plan.jobs.iter().filter(|r| r.id() != job.id()) {
        assert!(other.is_settled(), "{} is created while {} is not closed", job.id(), other.id());
        assert!(!other.may_live(), "{} is created while {} may live", job.id(), other.id());
    }
    assert_eq!(situation.deployment.spec.state, DesiredState::Running, "a Job that nobody wants");
    let kind = situation.deployment.spec.restore_strategy.kind;
    let expected = newest(world, plan, kind);
    assert_eq!(
        job.job.spec.savepoint_location, expected,
        "the restore point is the newest allowed one"
    );
    let held = match kind {
        RestoreKind::LatestState => plan.facts.holds_state,
        RestoreKind::LatestSavepoint => plan.facts.holds_savepoint,
        RestoreKind::None => false,
    };
    assert!(expected.is_some() || !held, "a Job starts empty although there was state");
}

/// The newest complete snapshot of all that ever were, not only of those handed to the engine.
fn newest(world: &World, plan: &Plan, kind: RestoreKind) -> Option<String> {
    let known = |id: Uuid| plan.savepoints.iter().any(|r| r.id() == id);
    let closed = world.savepoints.iter().filter(|r| !known(r.id()));
    let all = plan.savepoints.iter().chain(closed);
    let allowed = all.filter(|r| {
        let is_retained = r.savepoint.metadata.origin == SavepointOrigin::RetainedCheckpoint;
        r.savepoint.status.state == SavepointState::Completed
            && match kind {
                RestoreKind::LatestState => true,
                RestoreKind::LatestSavepoint => !is_retained,
                RestoreKind::None => false,
            }
    });
    allowed.max_by_key(|r| r.age_key()).and_then(|r| r.savepoint.spec.savepoint_location.clone())
}

/// Design invariant 5: each effect is called for by a record of the same plan.
fn actions_follow_from_records(situation: &Situation, plan: &Plan) {
    for action in &plan.actions {
        let record = plan.jobs.iter().find(|r| r.id() == action.job());
        let record = record.unwrap_or_else(|| panic!("{action:?} is about no Job of the plan"));
        let (end, state) = (&record.facts.end, record.job.status.state);
        match action {
            Action::EnsureCluster(job) => {
                assert!(
                    end.is_none() && !record.facts.removed,
                    "a cluster for a Job that has ended"
                );
                assert_eq!(**job, record.job, "what is launched is what is recorded");
                let seen = situation.observed.get(&record.id());
                let is_absent = seen.is_some_and(|s| s.cluster == Seen::Absent);
                let is_relaunch = record.facts.alive_since.is_some() && is_absent;
                assert!(!is_relaunch, "a JobManager that had lived is launched a second time");
            }
            Action::Fetch(_) => assert!(end.is_none() && record.facts.session.is_some()),
            Action::Submit(job) => {
                assert!(end.is_none(), "a submission of a Job that has ended");
                assert_eq!(**job, record.job, "what is submitted is what is recorded");
                let submission = record.facts.session.as_ref().and_then(|s| s.submission.as_ref());
                assert!(submission.is_some_and(|s| s.is_open), "a submission nobody recorded");
                let seen = situation.observed.get(&record.id());
                let is_absent = seen.is_some_and(|s| s.job == Seen::Absent);
                assert!(is_absent, "a submission of a job that Flink may have");
            }
            Action::Cancel { .. } if record.facts.session.is_some() => {
                assert!(record.facts.cancel.is_some(), "a cancellation nobody recorded");
            }
            Action::Cancel { .. } => {
                assert!(
                    record.facts.cancel.is_some() && end.is_none(),
                    "a cancellation nobody recorded"
                );
                assert_eq!(state, JobState::Terminating);
            }
            Action::RemoveCluster { .. } => {
                assert!(end.is_some(), "the cluster of a Job that has not ended");
            }
            Action::Snapshot { savepoint, directory, stop, .. } => {
                let own = plan.savepoints.iter().find(|r| r.id() == *savepoint);
                let own = own.unwrap_or_else(|| panic!("{action:?} has no Savepoint"));
                let facts = own.facts.as_ref().unwrap_or_else(|| panic!("{action:?} has no facts"));
                assert_eq!((&facts.directory, facts.stop), (directory, *stop));
                assert_eq!(own.savepoint.status.state, SavepointState::Started);
                assert!(directory.ends_with(&savepoint.to_string()), "its directory is its own");
            }
        }
    }
}

/// Design invariant 4: while nothing of any Job is known, nothing ends because of it. What the user asked for and
/// what was under way goes on.
fn not_knowing_is_harmless(situation: &Situation, plan: &Plan) {
    let knows_nothing = situation.jobs.iter().all(|r| {
        let seen = situation.observed.get(&r.id());
        seen.is_none_or(|s| {
            matches!(s.cluster, Seen::Unknown { .. }) && matches!(s.job, Seen::Unknown { .. })
        })
    });
    let wants_job = situation.deployment.spec.state == DesiredState::Running;
    let living: Vec<Uuid> =
        situation.jobs.iter().filter(|r| r.facts.end.is_none()).map(JobRecord::id).collect();
    if !knows_nothing || !wants_job || living.len() != 1 || !situation.reports.is_empty() {
        return;
    }
    let before = situation.jobs.iter().find(|r| r.facts.end.is_none());
    let after = plan.jobs.iter().find(|r| living.contains(&r.id()));
    let (Some(before), Some(after)) = (before, after) else { return };
    let launched = drey_model::diff::deviates(&before.facts.launched, &situation.deployment.spec);
    if before.facts.cancel.is_some() || launched {
        return;
    }
    assert_eq!(after.facts.end, None, "a Job ended although nothing was seen");
    assert_eq!(after.facts.cancel, None, "a Job is cancelled although nothing was seen");
    assert_eq!(plan.jobs.len(), situation.jobs.len(), "a Job is created although nothing was seen");
    assert!(
        plan.facts.gave_up.is_none() || situation.facts.gave_up.is_some(),
        "given up although nothing was seen: {:?}",
        plan.facts.gave_up
    );
}

/// Design invariant 7, and the platform's rule about `status.running`.
fn status_tells_the_facts(situation: &Situation, plan: &Plan) {
    let status = &plan.deployment.status;
    assert_eq!(status.state == DeploymentState::Failed, plan.facts.gave_up.is_some());
    assert_eq!(status.state == DeploymentState::Running, status.running.is_some());
    assert_eq!(status.state == DeploymentState::Transitioning, plan.facts.transition.is_some());
    let living = plan.jobs.iter().filter(|r| r.may_live() && !r.is_orphan()).count();
    let is_resting =
        matches!(status.state, DeploymentState::Suspended | DeploymentState::Cancelled);
    assert!(!is_resting || living == 0, "{} with a Job that may live", status.state);
    for record in &plan.jobs {
        let is_final = record.job.status.state.is_terminal();
        assert!(!is_final || record.facts.end.is_some(), "a final state without a recorded end");
        assert_eq!(is_final, record.job.metadata.terminated_at.is_some());
    }
    let seen = status.running.as_ref().and_then(|running| situation.observed.get(&running.job_id));
    if seen.is_some_and(|seen| matches!(seen.job, Seen::Unknown { .. })) {
        let summary = &plan.facts.explanation.summary;
        assert!(!summary.contains("as it should be"), "nobody saw it: {summary}");
    }
    if status.state == DeploymentState::Transitioning {
        assert!(
            plan.wake_at.is_some(),
            "in transition, and never looked at again: {:?}",
            plan.facts
        );
    }
}

fn no_record_is_lost(situation: &Situation, plan: &Plan) {
    for old in &situation.jobs {
        assert!(plan.jobs.iter().any(|r| r.id() == old.id()));
    }
    for old in &situation.savepoints {
        assert!(plan.savepoints.iter().any(|r| r.id() == old.id()));
    }
}

/// Checks a situation in which nothing is due: the same look again changes nothing, and a transition says what it waits
/// for (design invariant 8).
pub(crate) fn check_rest(world: &mut World) {
    let situation = world.same_situation();
    let (first, second) = (decide(situation.clone()), decide(situation.clone()));
    assert!(is_same(&first, &second), "a decision is repeatable");
    assert_eq!(first.events, Vec::new(), "events of a situation that has not changed");
    assert_eq!(
        first.jobs,
        sorted(&situation.jobs),
        "Jobs change in a situation that has not changed"
    );
    assert_eq!(
        first.savepoints, situation.savepoints,
        "Savepoints change in a situation that has not changed"
    );
    assert_eq!(
        first.deployment, situation.deployment,
        "the status changes in a situation that has not changed"
    );
    assert_eq!(first.facts, situation.facts, "facts change in a situation that has not changed");
    if world.state() == DeploymentState::Transitioning {
        let explanation = world.explanation();
        assert!(
            explanation.wait.is_some(),
            "in transition without a visible wait: {explanation:?}"
        );
    }
}

/// Whether two plans are equal.
pub(crate) fn is_same(a: &Plan, b: &Plan) -> bool {
    (&a.deployment, &a.facts, &a.jobs, &a.savepoints)
        == (&b.deployment, &b.facts, &b.jobs, &b.savepoints)
        && (&a.events, &a.actions, a.wake_at) == (&b.events, &b.actions, b.wake_at)
}

fn sorted(jobs: &[JobRecord]) -> Vec<JobRecord> {
    let mut jobs = jobs.to_vec();
    jobs.sort_by_key(|r| r.facts.ordinal);
    jobs
}
