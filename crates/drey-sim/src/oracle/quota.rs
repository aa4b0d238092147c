//! Judging the CPU quota: no launch takes more cores than there are, nobody at rest holds any, and nobody waits while
//! there is room (seed 002, "CPU Quota").
//!
//! What is used is added up from Jobs and from the clusters that really exist, not from the controller's claims.

use drey_engine::SessionFacts;
use drey_model::meta::NON_PRODUCTION;
use drey_model::quota::Claim;
use drey_model::{Deployment, DeploymentState, DesiredState, Job};
use uuid::Uuid;

use super::mirror::StoredCluster;
use super::{Oracle, Scene, StoredDeployment, StoredJob};
use crate::core::short;
use crate::universe::Universe;

/// Thousandths of a core: programs here ask for the default, one for each process. A Job in session mode has none of its
/// own.
fn cores(job: &Job) -> u64 {
    match job.metadata.session_cluster_name {
        Some(_) => 0,
        None => of_processes(job.spec.number_of_task_managers),
    }
}

fn of_processes(task_managers: i32) -> u64 {
    1000 * (1 + u64::try_from(task_managers).unwrap_or(0))
}

fn is_counted(deployment: &Deployment) -> bool {
    deployment.metadata.annotations.get(NON_PRODUCTION).is_none_or(|value| value != "true")
}

fn thousandths(cores: drey_model::quota::Cores) -> u64 {
    (f64::from(cores) * 1000.0).round() as u64
}

impl Oracle {
    /// What everybody uses but this Deployment or SessionCluster.
    ///
    /// A SessionCluster that grows is counted and not judged. So what follows a launch that was judged before it grew may
    /// stand beside more than there is, and is judged as if it had not grown.
    fn used_beside(&self, id: Uuid, universe: &Universe, is_judged_before: bool) -> u64 {
        self.used_by_jobs(id, universe) + self.used_by_shared(id, universe, is_judged_before)
    }

    /// As many TaskManagers as live, and as are to be started.
    fn used_by_shared(&self, beside: Uuid, universe: &Universe, is_judged_before: bool) -> u64 {
        let run = self.mirror.shared().and_then(|facts| facts.run.as_ref());
        let Some(run) = run.filter(|run| run.launched.session_cluster_id != beside) else {
            return 0;
        };
        let cluster = universe.clusters.get(&run.launched.id);
        if cluster.is_some_and(|c| c.is_removed) {
            return 0;
        }
        if is_judged_before {
            return of_processes(1);
        }
        let living =
            cluster.map_or(0, |c| i32::try_from(c.managers + c.coming).unwrap_or(i32::MAX));
        of_processes(living.max(run.launched.spec.number_of_task_managers))
    }

    fn used_by_jobs(&self, deployment: Uuid, universe: &Universe) -> u64 {
        let others = self.mirror.jobs.values().filter(|job| {
            let id = job.doc.metadata.id;
            let owner = job.doc.metadata.deployment_id;
            let is_gone = universe.clusters.get(&id).is_some_and(|c| c.is_removed);
            let owner_counts =
                self.mirror.deployments.get(&owner).is_some_and(|d| is_counted(&d.doc));
            owner != deployment && owner_counts && job.is_open && !is_gone
        });
        others.map(|job| cores(&job.doc)).sum()
    }

    /// A Job is created: its cores are there.
    pub(super) fn judge_cores(&mut self, new: &StoredJob, owner: &Deployment, scene: Scene<'_>) {
        let Some(limit) = self.quota.filter(|_| is_counted(owner)) else { return };
        let needs = cores(&new.doc);
        let id = owner.metadata.id;
        let held = self.mirror.deployments.get(&id).map_or(0, |d| thousandths(d.facts.claim.held));
        let used = self.used_beside(id, scene.universe, held >= needs);
        // A SessionCluster that grows is not judged, and may use more than there is.
        if needs > 0 && used + needs > thousandths(limit.cpu) + thousandths(limit.tolerated) {
            self.object("quota", || {
                let id = short(new.doc.metadata.id);
                format!("Job {id} takes {needs} beside {used} of {limit:?}")
            });
        }
    }

    /// A SessionCluster was written: if it launches a run, the cores for it are there.
    pub(super) fn judge_session_cores(
        &mut self,
        old: &SessionFacts,
        new: &StoredCluster,
        scene: Scene<'_>,
    ) {
        let (Some(limit), Some(run)) = (self.quota, &new.facts.run) else { return };
        if self.mirror.run(run.launched.id).is_some() {
            return;
        }
        let used = self.used_beside(run.launched.session_cluster_id, scene.universe, false);
        let needs = of_processes(run.launched.spec.number_of_task_managers);
        // It holds them still, from a run that has failed.
        let is_new = thousandths(old.claim.held) < needs;
        if is_new && used + needs > thousandths(limit.ceiling()) {
            self.object("quota", || {
                let id = short(run.launched.id);
                format!("run {id} takes {needs} beside {used} of {limit:?}")
            });
        }
    }

    /// Why a SessionCluster that waits for cores should not; `None` when it has to.
    pub(super) fn shared_waits_in_vain(&self, universe: &Universe) -> Option<String> {
        let used = self.used_by_jobs(Uuid::nil(), universe) + self.awaited(Uuid::nil());
        self.mirror.shared().and_then(|facts| self.in_vain(&facts.claim, used))
    }

    /// Why a Deployment that waits for cores should not; `None` when it has to.
    pub(super) fn waits_in_vain(
        &self,
        stored: &StoredDeployment,
        universe: &Universe,
    ) -> Option<String> {
        let id = stored.doc.metadata.id;
        let used = self.used_beside(id, universe, false) + self.awaited(id);
        self.in_vain(&stored.facts.claim, used)
    }

    /// What others may keep for a next attempt while nothing of them runs: what that attempt needs, and no more.
    fn awaited(&self, beside: Uuid) -> u64 {
        let others = self.mirror.deployments.values().filter(|d| {
            let id = d.doc.metadata.id;
            let goes_on = d.doc.spec.state == DesiredState::Running
                && d.doc.status.state == DeploymentState::Transitioning
                && d.facts.claim.refused.is_none();
            id != beside
                && goes_on
                && is_counted(&d.doc)
                && !self.mirror.jobs_of(id).any(|job| job.is_open)
        });
        let of_deployments = others.map(|d| match d.doc.spec.session_cluster_name {
            Some(_) => 0,
            None => of_processes(d.doc.spec.template.spec.effective_task_managers()),
        });
        of_deployments.sum()
    }

    fn in_vain(&self, claim: &Claim, used: u64) -> Option<String> {
        let Some(limit) = self.quota else { return Some("there is no quota".to_owned()) };
        let Some(refusal) = &claim.refused else {
            return Some("it waits for something else".to_owned());
        };
        let fits = used + thousandths(refusal.needs) <= thousandths(limit.ceiling());
        fits.then(|| format!("there is room for {} beside {used}", refusal.needs))
    }
}
