//! Judging the end of a history: in calm weather everything comes to rest where the spec says, or stays FAILED for a
//! reason that holds.

use drey_model::quota::Cores;
use drey_model::seen::FlinkStatus;
use drey_model::{DeploymentState, DesiredState};
use uuid::Uuid;

use crate::core::Core;

/// Whether a Deployment is where it should be; `Err` says what is missing.
///
/// # Errors
/// What is not yet as it should be.
pub fn settled(core: &Core, id: Uuid) -> Result<(), String> {
    let Some(stored) = core.oracle.mirror.deployments.get(&id) else { return Ok(()) };
    let state = stored.doc.status.state;
    if stored.facts.seen_version != stored.doc.spec_version() {
        return Err("the newest spec was not looked at".to_owned());
    }
    if state == DeploymentState::Failed {
        return failed(core, id);
    }
    let open: Vec<_> = core.oracle.mirror.jobs_of(id).filter(|j| j.is_awaited()).collect();
    let live = core.universe.live(id);
    let desired = stored.doc.spec.state;
    match (desired, state) {
        (DesiredState::Running, DeploymentState::Running) => {
            let job = open.last().map(|j| j.doc.metadata.id);
            let run =
                job.and_then(|id| core.universe.clusters.get(&id)).and_then(|c| c.run.as_ref());
            match run.map(|r| r.status) {
                Some(FlinkStatus::Running) if open.len() == 1 => {
                    let world = (&core.universe, core.now);
                    let id = job.unwrap_or_default();
                    core.oracle.untrue_condition(stored, id, world).map_or(Ok(()), Err)
                }
                other => {
                    Err(format!("RUNNING with Flink's {other:?} and {} open Jobs", open.len()))
                }
            }
        }
        (DesiredState::Running, DeploymentState::Finished)
        | (DesiredState::Suspended, DeploymentState::Suspended)
        | (DesiredState::Cancelled, DeploymentState::Cancelled) => {
            if open.is_empty() && live.is_empty() {
                let held = stored.facts.claim.held;
                if held == Cores::ZERO { Ok(()) } else { Err(format!("{state} with {held} cores")) }
            } else {
                Err(format!("{state} with {} open Jobs and {} live ones", open.len(), live.len()))
            }
        }
        (DesiredState::Running, DeploymentState::Transitioning)
            if stored.facts.claim.refused.is_some() =>
        {
            core.oracle.waits_in_vain(stored, &core.universe).map_or(Ok(()), Err)
        }
        (DesiredState::Running, DeploymentState::Transitioning)
            if stored.doc.spec.session_cluster_name.is_some()
                && !core.oracle.is_cluster_serving() =>
        {
            // What the cluster waits for is judged there; a job that runs elsewhere goes on until it takes jobs.
            Ok(())
        }
        // With attempts that expire before the next one fails, what cannot start is tried for ever, as declared.
        (DesiredState::Running, DeploymentState::Transitioning)
            if stored.doc.spec.job_failure_expiration_time.is_some()
                && !core.oracle.can_start(id) =>
        {
            Ok(())
        }
        (desired, state) => {
            let why = &stored.facts.explanation.summary;
            Err(format!("{desired} is desired, and it is {state}: {why}"))
        }
    }
}

fn failed(core: &Core, id: Uuid) -> Result<(), String> {
    let Some(stored) = core.oracle.mirror.deployments.get(&id) else { return Ok(()) };
    let reason = stored.facts.gave_up.as_ref().map_or("", |f| f.reason.as_str());
    let desired = stored.doc.spec.state;
    match reason {
        "ClusterNotRemoved" | "CheckpointsNotListed" => {
            Err(format!("FAILED with {reason} in calm weather"))
        }
        "SessionClusterNotRunning" if core.oracle.is_cluster_serving() => {
            Err("it waits for a SessionCluster that is RUNNING".to_owned())
        }
        _ if desired == DesiredState::Cancelled => {
            Err(format!("FAILED with {reason} and CANCELLED is desired"))
        }
        // A replica whose clock is ahead takes the other's start for overdue.
        "TooManyFailedJobCreationAttempts"
            if core.oracle.can_start(id)
                && core.fresh_specs.contains(&id)
                && (core.oracle.epochs.0 == 0 || core.clocks[0] == core.clocks[1]) =>
        {
            Err("a start that can succeed was given up in calm weather".to_owned())
        }
        _ => Ok(()),
    }
}
