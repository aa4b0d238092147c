//! The parent of every decision: absorb what was seen, pursue what is wanted, derive the effects.
//!
//! All branching between leaves is here; the leaves are straight lines.

use drey_model::deployment::UpgradeKind;
use drey_model::diff::deviates;
use drey_model::duration;
use drey_model::seen::{ClusterPhase, Seen};
use drey_model::{DesiredState, EventName, JobState, SavepointOrigin, SavepointState};

use jiff::SignedDuration;

use crate::draft::{Draft, SaturatingAdd};
use crate::facts::{DeploymentFacts, JobRecord, Rest, Restarts};
use crate::plan::{Action, Plan};
use crate::situation::Situation;
use crate::{
    backoff, cancel, phase, quota, restore, run, savepoint, session, start, submission, suspend,
    upgrade,
};

/// After this long, a backend that has not finished removing a cluster is told again.
const REMIND: SignedDuration = SignedDuration::from_secs(10);

/// What to do about a Deployment, given everything that is known about it.
///
/// A settled situation yields a plan without actions and without changes.
#[must_use]
pub fn decide(situation: Situation) -> Plan {
    let mut d = Draft::new(situation);
    notice_new_spec(&mut d);
    run::absorb_reports(&mut d);
    for id in d.savepoints.iter().map(crate::SavepointRecord::id).collect::<Vec<_>>() {
        savepoint::advance(&mut d, id);
    }
    for id in d.jobs.iter().map(JobRecord::id).collect::<Vec<_>>() {
        run::advance(&mut d, id);
    }
    end_all_but_newest(&mut d);
    session::resume(&mut d);
    match d.deployment.spec.state {
        DesiredState::Running => pursue_running(&mut d),
        DesiredState::Suspended => pursue_suspended(&mut d),
        DesiredState::Cancelled => pursue_cancelled(&mut d),
    }
    submission::record(&mut d);
    restore::close_superseded(&mut d);
    quota::settle(&mut d);
    phase::compute(&mut d);
    let actions = actions(&mut d);
    Plan {
        deployment: d.deployment,
        facts: d.facts,
        jobs: d.jobs,
        savepoints: d.savepoints,
        events: d.events,
        actions,
        wake_at: d.wake_at,
    }
}

/// A changed spec is the manual intervention that a FAILED Deployment waits for: limits count from zero again.
fn notice_new_spec(d: &mut Draft) {
    let version = d.deployment.spec_version();
    if d.facts.seen_version != version {
        d.facts = DeploymentFacts {
            seen_version: version,
            failed_starts: Vec::new(),
            failed_runs: Vec::new(),
            failed_savepoints: 0,
            not_before: None,
            last_failure: None,
            gave_up: None,
            cluster_awaited_since: None,
            ..std::mem::take(&mut d.facts)
        };
        if d.active_job().is_none() {
            // What starts next is a beginning, not a restart.
            d.facts.restarts = Restarts::default();
        }
    }
    let expiration = d.deployment.spec.job_failure_expiration_time.as_deref();
    let expiration = expiration.and_then(|text| duration::parse(text).ok());
    backoff::forget_expired(&mut d.facts.failed_starts, expiration, d.now);
}

/// Two live Jobs cannot come about by our own doing; should they be found all the same, the older ones go.
fn end_all_but_newest(d: &mut Draft) {
    let living: Vec<_> =
        d.jobs.iter().filter(|r| r.facts.end.is_none()).map(JobRecord::id).collect();
    let Some((_, older)) = living.split_last() else { return };
    for id in older {
        let why = "a newer Job of this Deployment exists, and only one may run";
        d.cancel(*id, EventName::MultipleNonTerminalJobs, why);
    }
}

fn pursue_running(d: &mut Draft) {
    let Some(active) = d.active_job() else {
        if d.facts.gave_up.is_none() && d.facts.rest != Rest::Finished && !d.is_clearing() {
            start::create(d);
        }
        return;
    };
    let (id, state) = (active.id(), active.job.status.state);
    let is_deviating = deviates(&active.facts.launched, &d.deployment.spec);
    let strategy = d.deployment.spec.upgrade_strategy.kind;
    let is_held = d.facts.gave_up.is_some() || savepoint::stop_in_progress(d, id).is_some();
    if !is_held && !is_deviating && state == JobState::Started {
        suspend::forget_failures(d);
    }
    if is_held || !is_deviating || strategy == UpgradeKind::None {
        return;
    }
    if state == JobState::Started && session::would_have_no_place(d) {
        return;
    }
    match state {
        JobState::Starting | JobState::Standby => upgrade::supersede(d, id),
        JobState::Started => {
            if quota::admits_upgrade(d, id) {
                upgrade::replace(d, id, strategy);
            }
        }
        JobState::Terminating | JobState::Failed | JobState::Terminated | JobState::Finished => {}
    }
}

fn pursue_suspended(d: &mut Draft) {
    let Some(active) = d.active_job() else {
        if d.facts.gave_up.is_none() && !d.is_clearing() && d.facts.rest != Rest::Suspended {
            suspend::settle_without_job(d);
        }
        return;
    };
    let (id, state) = (active.id(), active.job.status.state);
    if state == JobState::Started && d.facts.gave_up.is_none() {
        suspend::stop(d, id, SavepointOrigin::Suspend);
    }
}

fn pursue_cancelled(d: &mut Draft) {
    match d.active_job().map(JobRecord::id) {
        Some(id) => {
            d.cancel(id, EventName::FoundAJobToTerminate, "the desired state is CANCELLED");
            // The cancellation has begun in this very decision: what was seen may already settle it.
            cancel::advance(d, id);
        }
        None if !d.is_clearing() => d.facts.rest = Rest::Cancelled,
        None => {}
    }
}

/// The effects that the records call for, in their order.
fn actions(d: &mut Draft) -> Vec<Action> {
    let mut actions = Vec::new();
    for record in &d.jobs {
        let seen = d.observation(record.id());
        if record.facts.session.is_some() {
            actions.extend(session::action(d, record, &seen));
            continue;
        }
        if let Some(end) = &record.facts.end {
            let is_slow = d.now >= end.at.saturating_add_or_max(REMIND);
            if record.facts.gone_at.is_none() && (!record.facts.removed || is_slow) {
                actions.push(Action::RemoveCluster { job: record.id() });
            }
            continue;
        }
        match record.job.status.state {
            JobState::Starting | JobState::Standby | JobState::Started => {
                if needs_processes(&seen.cluster, record) {
                    actions.push(Action::EnsureCluster(Box::new(record.job.clone())));
                }
            }
            JobState::Terminating => actions.extend(cancel::request(d, record, &seen)),
            JobState::Failed | JobState::Terminated | JobState::Finished => {}
        }
    }
    for record in &d.savepoints {
        if record.savepoint.status.state == SavepointState::Started {
            actions.extend(savepoint::request(d, record));
        }
    }
    actions
}

/// Whether something of the cluster is missing that [`Action::EnsureCluster`] brings. A JobManager that was seen alive is
/// never launched again for the same Job: it would run the job a second time.
fn needs_processes(cluster: &Seen<drey_model::seen::Cluster>, record: &JobRecord) -> bool {
    let wanted = record.job.spec.number_of_task_managers;
    match cluster {
        Seen::Absent => record.facts.alive_since.is_none(),
        Seen::Present(c) => match c.phase {
            ClusterPhase::Alive => i64::from(c.task_managers) < i64::from(wanted),
            ClusterPhase::Preparing { .. } | ClusterPhase::Dead { .. } => false,
        },
        Seen::Unknown { .. } => false,
    }
}
