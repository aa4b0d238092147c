//! What has to hold of every step of the model (design §5), judged by the small world.

use drey_engine::facts::How;
use drey_model::deployment::RestoreKind;
use drey_model::{DeploymentState, DesiredState};

use super::state::{State, Step};
use super::world::{Phase, Snapshot};

/// Judges a step.
///
/// # Errors
/// What is wrong.
pub(super) fn step(before: &State, step: Step, after: &State) -> Result<(), String> {
    let live = after.world.clusters.iter().filter(|c| c.is_live()).count();
    if live > 1 {
        return Err("two live Flink jobs".to_owned());
    }
    if matches!(step, Step::Look | Step::LookBlind | Step::Decide) {
        decision(before, after)?;
    }
    let state = after.deployment.status.state;
    let is_at_rest = matches!(state, DeploymentState::Suspended | DeploymentState::Cancelled);
    let is_new = before.deployment.status.state != state;
    if is_at_rest && is_new && live > 0 {
        return Err(format!("{state} while a Flink job lives"));
    }
    Ok(())
}

fn decision(before: &State, after: &State) -> Result<(), String> {
    if after.jobs.len() > before.jobs.len() + 1 {
        return Err("two Jobs at once".to_owned());
    }
    if after.jobs.len() > before.jobs.len() {
        created(before, after)?;
    }
    for (old, new) in before.jobs.iter().zip(&after.jobs) {
        let Some(end) = new.facts.end.as_ref().filter(|_| old.facts.end.is_none()) else {
            continue;
        };
        let cluster = after.world.cluster(new.id());
        let is_healthy = cluster.is_some_and(|c| c.is_live() && c.phase == Phase::Alive);
        let is_wish = end.how == How::Cancelled && new.facts.cancel.is_some();
        if is_healthy && !is_wish && end.how != How::FailedToStart {
            return Err(format!("a healthy Job is recorded as ended: {end:?}"));
        }
        if is_healthy && end.confirmed {
            return Err(format!("the end of a live Job is confirmed: {end:?}"));
        }
    }
    Ok(())
}

fn created(before: &State, after: &State) -> Result<(), String> {
    let Some(job) = after.jobs.last() else { return Ok(()) };
    if after.deployment.spec.state != DesiredState::Running {
        return Err("a Job that nobody wants".to_owned());
    }
    if let Some(other) = after.jobs[..before.jobs.len()].iter().find(|r| !r.is_closed()) {
        return Err(format!("a Job while {} is not closed", other.id()));
    }
    let restore = after.deployment.spec.restore_strategy.kind;
    let is_asked = |s: &&Snapshot| match restore {
        RestoreKind::LatestState => true,
        RestoreKind::LatestSavepoint => s.directory.is_some(),
        RestoreKind::None => false,
    };
    let location = |s: &Snapshot| s.seen.location.clone();
    let all = || after.world.snapshots.iter().rev().filter(is_asked);
    let newest = all().find(|s| !s.is_disowned).map(location);
    let chosen = job.job.spec.savepoint_location.clone();
    // The savepoint of a stop that failed late is complete all the same; only nothing newer may be left out for it.
    let is_last = chosen.is_some() && chosen == all().next().map(location);
    if chosen != newest && !is_last {
        return Err(format!("a Job starts from {chosen:?}, and the newest is {newest:?}"));
    }
    Ok(())
}

impl State {
    /// One line.
    pub(super) fn summary(&self) -> String {
        let jobs: Vec<String> = self
            .jobs
            .iter()
            .map(|r| {
                format!(
                    "{}:{}{}",
                    r.facts.ordinal,
                    r.job.status.state,
                    if r.is_closed() { "(closed)" } else { "" }
                )
            })
            .collect();
        let world: Vec<String> =
            self.world.clusters.iter().map(|c| format!("{:?}/{:?}", c.phase, c.job)).collect();
        let savepoints: Vec<String> =
            self.savepoints.iter().map(|r| format!("{:?}", r.savepoint.status.state)).collect();
        format!(
            "{} → {}  jobs {jobs:?}  savepoints {savepoints:?}  world {world:?} {:?}",
            self.deployment.status.state,
            self.deployment.spec.state,
            self.world.stops.iter().map(|s| s.progress).collect::<Vec<_>>(),
        )
    }
}
