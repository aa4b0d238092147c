//! Judging what a new Job starts from (invariants 2 and 3), by the true order of completion.

use drey_model::SavepointState;
use drey_model::deployment::RestoreKind;
use uuid::Uuid;

use super::{Oracle, Scene, StoredDeployment, StoredJob};
use crate::core::short;
use crate::universe::{Origin, Progress, Snapshot, Universe};

impl Oracle {
    pub(super) fn judge_restore(
        &mut self,
        new: &StoredJob,
        owner: &StoredDeployment,
        scene: Scene<'_>,
    ) {
        let id = new.doc.metadata.id;
        let deployment = owner.doc.metadata.id;
        let kind = owner.doc.spec.restore_strategy.kind;
        if self.blind.contains(&deployment) {
            return;
        }
        let chosen = new.doc.spec.savepoint_location.as_deref();
        let newest = self.newest_allowed(deployment, kind, scene.universe).cloned();
        match (chosen, newest) {
            (None, None) => {
                if self.has_held(deployment, kind, scene.universe, false) {
                    self.object("started empty", || {
                        format!("Job {} starts empty under {kind}; state existed", short(id))
                    });
                }
            }
            (None, Some(newest)) => self.object("started empty", || {
                format!(
                    "Job {} starts empty under {kind} although {} exists",
                    short(id),
                    newest.location
                )
            }),
            (Some(chosen), None) => self.object("wrong restore", || {
                format!("Job {} starts from {chosen}, which {kind} does not allow", short(id))
            }),
            (Some(chosen), Some(newest)) if chosen != newest.location => {
                let found = scene.universe.at(chosen);
                let is_registered = |s: &Snapshot| matches!(s.origin, Origin::Registered(_));
                // A registered snapshot is dated by Drey's clock, others by the storage's: after a jump they cannot
                // be told apart.
                let is_excused =
                    self.has_jumped && (is_registered(&newest) || found.is_some_and(is_registered));
                if !is_excused {
                    self.object("wrong restore", || {
                        format!(
                            "Job {} starts from {chosen}, and {} is newer",
                            short(id),
                            newest.location
                        )
                    });
                }
            }
            (Some(_), Some(_)) => {}
        }
    }

    /// The newest snapshot that this strategy allows.
    pub(super) fn newest_allowed<'a>(
        &self,
        deployment: Uuid,
        kind: RestoreKind,
        universe: &'a Universe,
    ) -> Option<&'a Snapshot> {
        universe.newest(|s| s.deployment == deployment && self.is_allowed(s, kind, universe))
    }

    fn is_allowed(&self, snapshot: &Snapshot, kind: RestoreKind, universe: &Universe) -> bool {
        let is_kind = match kind {
            RestoreKind::LatestState => true,
            RestoreKind::LatestSavepoint => snapshot.origin != Origin::Checkpoint,
            RestoreKind::None => false,
        };
        is_kind && self.is_known_of(snapshot, universe)
    }

    /// Whether Drey has to know of a snapshot: one whose operation failed is in storage, and is of nobody's concern.
    fn is_known_of(&self, snapshot: &Snapshot, universe: &Universe) -> bool {
        match snapshot.origin {
            Origin::Checkpoint => !self.mirror.forgotten.contains(&snapshot.location),
            Origin::Registered(id) => self.mirror.savepoints.contains_key(&id),
            Origin::Savepoint { trigger, is_stop } => {
                let Some(record) = self.mirror.savepoints.get(&trigger) else { return false };
                let progress = universe.operations.get(&trigger).map(|o| &o.progress);
                let has_failed = matches!(progress, Some(Progress::Failed(_)));
                match record.doc.status.state {
                    SavepointState::Failed => is_stop && !has_failed,
                    SavepointState::Started => !has_failed,
                    // A request that arrives twice may write a second one, which nobody waits for.
                    SavepointState::Completed
                    | SavepointState::PendingDeletion
                    | SavepointState::Deleting
                    | SavepointState::FailedDeletion => {
                        record.doc.spec.savepoint_location.as_ref() == Some(&snapshot.location)
                    }
                }
            }
        }
    }

    /// Whether a Deployment ever completed a snapshot that this strategy asks for, since a Job last finished by itself.
    /// Leniently, what Drey may believe counts as well: one whose record a user deleted, one of a job that finished unseen.
    pub(super) fn has_held(
        &self,
        deployment: Uuid,
        kind: RestoreKind,
        universe: &Universe,
        is_lenient: bool,
    ) -> bool {
        let since = self.finished_at.get(&deployment).copied().unwrap_or(0);
        let is_forgotten = |id| is_lenient && self.mirror.gone.contains(&id);
        universe.snapshots.iter().skip(since).any(|s| {
            let is_asked = match (kind, s.origin) {
                (RestoreKind::None, _) | (RestoreKind::LatestSavepoint, Origin::Checkpoint) => {
                    false
                }
                (RestoreKind::LatestState, Origin::Checkpoint) => true,
                (_, Origin::Registered(id)) => {
                    self.mirror.savepoints.contains_key(&id) || is_forgotten(id)
                }
                (_, Origin::Savepoint { trigger, .. }) => {
                    let record = self.mirror.savepoints.get(&trigger);
                    let is_complete = |r: &super::StoredSavepoint| {
                        r.doc.status.state == SavepointState::Completed
                    };
                    record.is_some_and(is_complete) || is_forgotten(trigger)
                }
            };
            // That a job finished by itself may have gone unseen.
            let is_over = s.job.is_some_and(|j| self.finished.contains(&j)) && !is_lenient;
            s.deployment == deployment && is_asked && !is_over
        })
    }
}
