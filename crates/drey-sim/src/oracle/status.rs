//! Judging what a Deployment says of itself (invariants 6, 7) and why it gave up (invariant 4).

use drey_engine::facts::{How, Rest};
use drey_model::deployment::RestoreKind;
use drey_model::meta::{TRANSITIONING, TRANSITIONING_SINCE};
use drey_model::{Deployment, DeploymentState, DesiredState, JobState};
use uuid::Uuid;

use super::{Oracle, Scene, StoredDeployment};
use crate::universe::{Behaviour, Universe};

/// Reasons to give up that pass by themselves: not seeing for 5 minutes.
const PASSING: [&str; 2] = ["ClusterNotRemoved", "CheckpointsNotListed"];
/// Reasons that pass when what was missing comes: a snapshot that is registered, a stop that completes late.
const REVOCABLE: [&str; 3] =
    ["NoSnapshotToRestore", "TooManyFailedSuspensionAttempts", "SessionClusterNotRunning"];

impl Oracle {
    pub(super) fn judge_deployment(&mut self, new: &StoredDeployment, scene: Scene<'_>) {
        let id = new.doc.metadata.id;
        let Some(old) = self.mirror.deployments.get(&id).cloned() else {
            if scene.author.is_some() {
                self.object("foreign writer", || "the controller created a Deployment".to_owned());
            }
            return;
        };
        if scene.author.is_none() {
            if new.doc.status != old.doc.status || new.facts != old.facts {
                self.object("foreign writer", || "a user changed status".to_owned());
            }
            return;
        }
        if users_part(&new.doc) != users_part(&old.doc) {
            self.object("lost update", || {
                "the controller changed what only users write".to_owned()
            });
        }
        if new.facts.seen_version != old.facts.seen_version {
            // What failed in this very decision counts already.
            let counted = &new.facts.failed_starts;
            self.failed_starts.entry(id).or_default().retain(|at| counted.contains(at));
        }
        let starts = new.facts.failed_starts.len();
        let counted = self.failed_starts.get(&id).map_or(0, Vec::len);
        if starts > counted {
            self.object("limits", || {
                format!("{starts} failed starts are counted, and there were {counted}")
            });
        }
        if new.facts.failed_savepoints > old.facts.failed_savepoints + 1 {
            self.object("limits", || "one failed savepoint is counted twice".to_owned());
        }
        self.judge_giving_up(&old, new, scene);
        self.judge_state(new, scene.universe);
        if new.facts.explanation.desired != new.doc.spec.state
            || new.facts.explanation.actual != new.doc.status.state
        {
            self.object("false status", || "the explanation contradicts the status".to_owned());
        }
    }

    fn judge_giving_up(
        &mut self,
        old: &StoredDeployment,
        new: &StoredDeployment,
        scene: Scene<'_>,
    ) {
        let is_new_spec = new.facts.seen_version != old.facts.seen_version;
        match (&old.facts.gave_up, &new.facts.gave_up) {
            (Some(failure), None) if !is_new_spec => {
                if may_pass(&failure.reason) {
                    return;
                }
                self.object("limits", || {
                    format!("{} was taken back without a new spec", failure.reason)
                });
            }
            (None, Some(failure)) => {
                if let Some(why) = self.unjustified(&failure.reason, new, scene) {
                    self.object("false failure", || format!("{}: {why}", failure.reason));
                }
            }
            (Some(_) | None, _) => {}
        }
        let is_failed = new.doc.status.state == DeploymentState::Failed;
        if is_failed != new.facts.gave_up.is_some() {
            self.object("false status", || {
                "FAILED without having given up, or the other way".to_owned()
            });
        }
    }

    /// Why this reason to give up does not hold; `None` when it does.
    pub(super) fn unjustified(
        &self,
        reason: &str,
        new: &StoredDeployment,
        scene: Scene<'_>,
    ) -> Option<String> {
        let (id, spec) = (new.doc.metadata.id, &new.doc.spec);
        let starts = self.failed_starts.get(&id).map_or(0, Vec::len);
        let is_due = |count: usize, limit: i32| count >= usize::try_from(limit).unwrap_or(1);
        let is_true = match reason {
            "TooManyFailedJobCreationAttempts" => is_due(starts, spec.max_job_creation_attempts),
            "TooManyFailedSuspensionAttempts" => {
                is_due(new.facts.failed_savepoints as usize, spec.max_savepoint_creation_attempts)
            }
            "NoSnapshotToRestore" => {
                let kind = spec.restore_strategy.kind;
                let is_there = self.newest_allowed(id, kind, scene.universe).is_some();
                // Storage that could not be listed while nobody wanted the state may hold something, and something newer.
                let is_blind = new.facts.blind_ordinal > 0 && kind == RestoreKind::LatestState;
                is_blind || !is_there && self.has_held(id, kind, scene.universe, true)
            }
            "ReferenceDoesNotExist" => spec.deployment_target_name.as_deref() != Some("local"),
            "NoSavepointDirectory" => true,
            "SessionClusterNotRunning" => spec.session_cluster_name.is_some(),
            "JobFailedWhileSuspending" => spec.state == DesiredState::Suspended,
            _ if PASSING.contains(&reason) => true,
            _ => false,
        };
        (!is_true).then(|| format!("starts {starts}, savepoints {}", new.facts.failed_savepoints))
    }

    fn judge_state(&mut self, new: &StoredDeployment, universe: &Universe) {
        let id = new.doc.metadata.id;
        let state = new.doc.status.state;
        let mut live = universe.live(id);
        let jobs: Vec<_> = self.mirror.jobs_of(id).cloned().collect();
        // Those that a user gave up may live.
        live.retain(|id| !jobs.iter().any(|j| j.doc.metadata.id == *id && j.is_orphan()));
        let last = jobs.last();
        let contradiction = match state {
            DeploymentState::Suspended | DeploymentState::Cancelled if !live.is_empty() => {
                Some("a Flink job lives")
            }
            DeploymentState::Suspended if new.facts.rest != Rest::Suspended => {
                Some("it did not come to rest so")
            }
            DeploymentState::Suspended if new.doc.spec.state != DesiredState::Suspended => {
                Some("it is not desired")
            }
            DeploymentState::Cancelled if new.doc.spec.state != DesiredState::Cancelled => {
                Some("it is not desired")
            }
            DeploymentState::Finished => {
                let end = last.and_then(|j| j.facts.end.as_ref());
                (end.is_none_or(|e| e.how != How::Finished))
                    .then_some("the last Job did not finish")
            }
            DeploymentState::Running => {
                let job = new.doc.status.running.as_ref().map(|r| r.job_id);
                let job = job.and_then(|id| jobs.iter().find(|j| j.doc.metadata.id == id));
                let is_started = job.is_some_and(|j| {
                    j.doc.status.state == JobState::Started && j.facts.end.is_none()
                });
                (!is_started).then_some("no started Job is behind it")
            }
            DeploymentState::Suspended
            | DeploymentState::Cancelled
            | DeploymentState::Transitioning
            | DeploymentState::Failed => None,
        };
        if let Some(why) = contradiction {
            self.object("false status", || format!("{state}, and {why}"));
        }
    }

    /// Whether a start of what the Deployment wants can succeed at all.
    pub(super) fn can_start(&self, id: Uuid) -> bool {
        self.mirror.deployments.get(&id).is_some_and(|d| {
            let jar = d.doc.spec.template.spec.artifact.jar_uri.as_deref();
            let behaviour = Behaviour::of(jar);
            !behaviour.never_starts()
                && !behaviour.is_incompatible
                && match d.doc.spec.session_cluster_name {
                    Some(_) => self.is_cluster_serving() && !self.ledger.is_shaken,
                    None => d.doc.spec.deployment_target_name.as_deref() == Some("local"),
                }
        })
    }
}

/// Whether a reason to give up may pass without a new spec.
pub(super) fn may_pass(reason: &str) -> bool {
    PASSING.contains(&reason) || REVOCABLE.contains(&reason)
}

/// A Deployment without what the controller writes.
fn users_part(doc: &Deployment) -> Deployment {
    let mut doc = doc.clone();
    doc.status = Default::default();
    doc.metadata.resource_version = 0;
    doc.metadata.modified_at = Default::default();
    doc.metadata.annotations.remove(TRANSITIONING);
    doc.metadata.annotations.remove(TRANSITIONING_SINCE);
    doc
}
