//! Judging Jobs and Savepoints: when they may be created, cancelled and ended, and whether their records are true.

use drey_engine::facts::How;
use drey_model::deployment::UpgradeKind;
use drey_model::diff::deviates;
use drey_model::meta::FORCE_CANCELLATION;
use drey_model::seen::FlinkStatus;
use drey_model::{DesiredState, JobState, SavepointOrigin, SavepointState};
use jiff::SignedDuration;
use uuid::Uuid;

use super::{Oracle, Scene, StoredJob, StoredSavepoint};
use crate::core::{micros, short};
use crate::universe::{Cluster, JobManager, Origin, Universe};

/// How long a started cluster may take until every task runs.
const RUN: SignedDuration = SignedDuration::from_mins(5);
/// How long a cancellation waits for Flink.
const CANCEL: SignedDuration = SignedDuration::from_mins(3);
const CANCEL_FAILURES: u32 = 5;

/// Whether Flink's own JobManager would still call this job alive.
fn is_alive(universe: &Universe, id: Uuid) -> bool {
    universe.clusters.get(&id).is_some_and(|c| {
        let has_job = c.run.as_ref().is_some_and(|r| !r.status.is_terminal());
        has_job && c.job_manager == JobManager::Alive && !c.is_removed
    })
}

impl Oracle {
    pub(super) fn judge_job(&mut self, new: &StoredJob, scene: Scene<'_>) {
        let id = new.doc.metadata.id;
        if scene.author.is_none() {
            return self.object("foreign writer", || format!("a user wrote Job {}", short(id)));
        }
        let old = self.mirror.jobs.get(&id).cloned();
        let Some(old) = old else { return self.judge_new_job(new, scene) };
        // On a SessionCluster what is left of a run that is over is cancelled, too; that it is over is judged below.
        let is_begun = old.facts.cancel.is_none() && new.facts.cancel.is_some();
        if is_begun && new.facts.end.is_none() {
            self.judge_cancel(new);
        }
        if old.facts.end.is_none() && new.facts.end.is_some() {
            self.judge_end(new, scene);
        }
        // Nothing of it, and nothing can come any more: a launch may still be on its way.
        let cluster = scene.universe.clusters.get(&id);
        let is_removed = cluster.map_or(new.facts.session.is_some(), Cluster::is_gone);
        if old.facts.gone_at.is_none() && new.facts.gone_at.is_some() && !is_removed {
            self.object("false record", || {
                format!("Job {} is recorded as gone and is not", short(id))
            });
        }
        let run = scene.universe.clusters.get(&id).and_then(|c| c.run.as_ref());
        let told = new.doc.status.started.as_ref().map_or(0, |s| s.observed_flink_job_restarts);
        if run.is_some_and(|run| told as usize > run.failures.len()) {
            self.object("false record", || {
                format!("Job {} is said to have restarted {told} times", short(id))
            });
        }
        let state = new.doc.status.state;
        let is_final = state.is_terminal() && !old.doc.status.state.is_terminal();
        if !old.is_orphan() && new.is_orphan() {
            self.judge_orphan(new);
        }
        let is_final = is_final && !new.is_orphan();
        if is_final && new.facts.alive_since.is_some() && is_alive(scene.universe, id) {
            self.object("false status", || {
                format!("Job {} is {state} and its Flink job lives", short(id))
            });
        }
        if state == JobState::Started && old.doc.status.state != JobState::Started {
            let cluster = scene.universe.clusters.get(&id);
            let has_run = cluster
                .is_some_and(|c| c.has_ended || c.run.as_ref().is_some_and(|r| r.attempt > 0));
            if !has_run {
                self.object("false status", || {
                    format!("Job {} is STARTED and never ran", short(id))
                });
            }
            self.failed_starts.remove(&new.doc.metadata.deployment_id);
        }
    }

    fn judge_new_job(&mut self, new: &StoredJob, scene: Scene<'_>) {
        let (id, deployment) = (new.doc.metadata.id, new.doc.metadata.deployment_id);
        let Some(owner) = self.mirror.deployments.get(&deployment).cloned() else {
            return self.object("orphan", || format!("Job {} without a Deployment", short(id)));
        };
        let spec = &owner.doc.spec;
        if spec.state != DesiredState::Running {
            self.object("unwanted job", || {
                format!("a Job is created while {} is desired", spec.state)
            });
        }
        if new.facts.launched.template != spec.template {
            self.object("unwanted job", || "a new Job does not follow the template".to_owned());
        }
        if owner.facts.rest == drey_engine::facts::Rest::Finished {
            self.object("unwanted job", || {
                "a job that finished by itself is started again".to_owned()
            });
        }
        let given_up = owner.facts.gave_up.as_ref().filter(|g| !super::status::may_pass(&g.reason));
        if given_up.is_some() && owner.facts.seen_version == owner.doc.spec_version() {
            self.object("limits", || {
                "a Job is created although the transition was given up".to_owned()
            });
        }
        let open = self.mirror.jobs_of(deployment).find(|j| j.is_awaited());
        let open = open.map(|j| j.doc.metadata.id);
        if let Some(other) = open {
            self.object("two jobs", || {
                format!("{} while {} is not closed", short(id), short(other))
            });
        }
        let left = self
            .mirror
            .jobs_of(deployment)
            .map(|j| j.doc.metadata.id)
            .find(|other| scene.universe.clusters.get(other).is_some_and(|c| !c.is_gone()));
        if let Some(other) = left {
            self.object("two clusters", || {
                format!("{} while {} is not gone", short(id), short(other))
            });
        }
        self.judge_cores(new, &owner.doc, scene);
        self.judge_attempt(new, deployment);
        self.judge_restore(new, &owner, scene);
    }

    /// Attempts are limited and spaced (seed 001; platform API reference Q23).
    fn judge_attempt(&mut self, new: &StoredJob, deployment: Uuid) {
        let Some(owner) = self.mirror.deployments.get(&deployment) else { return };
        let spec = &owner.doc.spec;
        let (limit, expires) =
            (spec.max_job_creation_attempts, spec.job_failure_expiration_time.is_some());
        let is_same_spec = owner.facts.seen_version == owner.doc.spec_version();
        let failed = self.failed_starts.get(&deployment).filter(|_| is_same_spec);
        let Some((last, count)) = failed.and_then(|f| Some((*f.last()?, f.len()))) else { return };
        if !expires && count >= usize::try_from(limit).unwrap_or(1) {
            self.object("limits", || format!("attempt {} of {limit} to start a job", count + 1));
        }
        let doublings = u32::try_from(count.saturating_sub(1).min(8)).unwrap_or(8);
        let pause = SignedDuration::from_secs((1_i64 << doublings).min(300));
        let waited = new.doc.metadata.created_at.duration_since(last);
        if !expires && !self.has_jumped && waited < pause {
            self.object("limits", || format!("attempt {} after {waited}, not {pause}", count + 1));
        }
    }

    fn judge_cancel(&mut self, new: &StoredJob) {
        let id = new.doc.metadata.id;
        let Some(owner) = self.mirror.deployments.get(&new.doc.metadata.deployment_id) else {
            return;
        };
        let spec = &owner.doc.spec;
        let has_started = new.doc.status.started.is_some();
        let is_replaced = deviates(&new.facts.launched, spec);
        let is_legitimate = match (spec.state, spec.upgrade_strategy.kind) {
            (DesiredState::Cancelled, _) => true,
            (DesiredState::Running, UpgradeKind::Stateless) => is_replaced,
            (DesiredState::Running, UpgradeKind::Stateful) => is_replaced && !has_started,
            (DesiredState::Running, UpgradeKind::None) | (DesiredState::Suspended, _) => false,
        };
        if !is_legitimate {
            let (state, kind) = (spec.state, spec.upgrade_strategy.kind);
            self.object("unwanted cancellation", || {
                format!("{} while {state} ({kind})", short(id))
            });
        }
    }

    /// A run is ended by its own end, by a wish, or by a deadline after an answer; never by silence (invariant 4).
    fn judge_end(&mut self, new: &StoredJob, scene: Scene<'_>) {
        let id = new.doc.metadata.id;
        let Some(end) = &new.facts.end else { return };
        let has_ended = scene.universe.clusters.get(&id).is_some_and(|c| c.has_ended);
        let deployment = new.doc.metadata.deployment_id;
        match end.how {
            How::Finished => {
                if !self.finished.contains(&id) {
                    self.object("false record", || {
                        format!("Job {} did not finish by itself", short(id))
                    });
                }
                self.finished_at.insert(deployment, scene.universe.snapshots.len());
            }
            How::Stopped => {
                let is_of_stop = |o: Origin| matches!(o, Origin::Savepoint { is_stop: true, .. });
                let found = scene.universe.newest(|s| s.job == Some(id) && is_of_stop(s.origin));
                if found.is_none() || !has_ended {
                    self.object("false record", || format!("Job {} was not stopped", short(id)));
                }
            }
            How::Failed if !has_ended => {
                self.object("healthy job ended", || {
                    format!("Job {} is recorded as failed: {}", short(id), end.why)
                });
            }
            How::Failed => {}
            How::FailedToStart => {
                let elapsed = end.at.duration_since(new.doc.metadata.created_at);
                let is_refused = !scene.universe.clusters.contains_key(&id);
                let is_due = elapsed >= RUN && self.is_known(id, scene.universe);
                if !has_ended && !is_refused && !is_due && !self.has_jumped {
                    self.object("healthy job ended", || {
                        format!("Job {} did not start after {elapsed}: {}", short(id), end.why)
                    });
                }
                // A Job of an older template is no attempt at the new one.
                let owner = self.mirror.deployments.get(&deployment);
                if owner.is_some_and(|o| !deviates(&new.facts.launched, &o.doc.spec)) {
                    self.failed_starts.entry(deployment).or_default().push(end.at);
                }
            }
            How::Cancelled => self.judge_cancelled(new, scene),
        }
        // A launch that arrives late, after a look that found nothing, is no matter: the removal that follows ends it.
        let was_seen = new.facts.alive_since.is_some();
        if end.confirmed && was_seen && is_alive(scene.universe, id) {
            self.object("false record", || {
                format!("the end of Job {} is confirmed and it lives", short(id))
            });
        }
    }

    /// A Job is given up only when its end is waited for, and if the user named it (seed 001, "Force Cancellation").
    fn judge_orphan(&mut self, new: &StoredJob) {
        let id = new.doc.metadata.id;
        let owner = self.mirror.deployments.get(&new.doc.metadata.deployment_id);
        let named = owner.and_then(|o| o.doc.metadata.annotations.get(FORCE_CANCELLATION));
        let is_named = named.is_some_and(|text| *text == id.to_string());
        if !is_named || (new.facts.cancel.is_none() && new.facts.end.is_none()) {
            self.object("job given up", || format!("nobody asked for {}", short(id)));
        }
    }

    fn judge_cancelled(&mut self, new: &StoredJob, scene: Scene<'_>) {
        let id = new.doc.metadata.id;
        let (Some(end), Some(cancel)) = (&new.facts.end, &new.facts.cancel) else {
            return self
                .object("false record", || format!("Job {} was not to be cancelled", short(id)));
        };
        let is_patient =
            cancel.failures >= CANCEL_FAILURES || end.at.duration_since(cancel.since) >= CANCEL;
        let cluster = scene.universe.clusters.get(&id);
        let is_running =
            cluster.and_then(|c| c.run.as_ref()).is_some_and(|r| r.status == FlinkStatus::Running);
        if self.finished.contains(&id) {
            self.over_at.insert(new.doc.metadata.deployment_id, scene.universe.snapshots.len());
        }
        let has_started = new.doc.status.started.is_some();
        let is_alive = is_alive(scene.universe, id) && !new.is_orphan();
        if has_started && is_running && is_alive && !is_patient {
            self.object("hasty end", || {
                format!("Job {} was ended without asking Flink", short(id))
            });
        }
    }

    pub(super) fn judge_savepoint(&mut self, new: &StoredSavepoint, scene: Scene<'_>) {
        let id = new.doc.metadata.id;
        if scene.author.is_none() {
            return;
        }
        let old = self.mirror.savepoints.get(&id);
        let was = old.map(|s| s.doc.status.state);
        let state = new.doc.status.state;
        if state == SavepointState::Completed && was != Some(SavepointState::Completed) {
            let location = new.doc.spec.savepoint_location.as_deref();
            let found = location.and_then(|l| scene.universe.at(l));
            let is_retained = new.doc.metadata.origin == SavepointOrigin::RetainedCheckpoint;
            if found.is_none() && is_retained && scene.universe.storage_out_until > 0 {
                // Recorded from hearsay: the storage did not answer for minutes, and nobody wanted the state.
                self.blind.insert(new.doc.metadata.deployment_id);
                return;
            }
            let Some(found) = found else {
                return self
                    .object("false record", || format!("Savepoint {} does not exist", short(id)));
            };
            let at = new.facts.as_ref().and_then(|f| f.completed_at).map(micros);
            let is_registered = matches!(found.origin, Origin::Registered(_));
            if !is_registered && at.is_some_and(|at| (at - found.completed_at).abs() > 1) {
                self.object("false record", || {
                    format!(
                        "Savepoint {} completed at {}, not at {at:?}",
                        short(id),
                        found.completed_at
                    )
                });
            }
        }
        let is_stop = new.facts.as_ref().is_some_and(|f| f.stop);
        if was.is_none() && is_stop && state == SavepointState::Started {
            self.judge_stop_attempt(new);
        }
    }

    fn judge_stop_attempt(&mut self, new: &StoredSavepoint) {
        let m = &new.doc.metadata;
        let Some(owner) = self.mirror.deployments.get(&m.deployment_id) else { return };
        let spec = &owner.doc.spec;
        let job = m.job_id.and_then(|id| self.mirror.jobs.get(&id));
        let is_replaced = job.is_some_and(|j| deviates(&j.facts.launched, spec));
        let is_wanted = match spec.state {
            DesiredState::Suspended => true,
            DesiredState::Running => {
                is_replaced && spec.upgrade_strategy.kind == UpgradeKind::Stateful
            }
            DesiredState::Cancelled => false,
        };
        let earlier = self.mirror.savepoints.values().filter(|s| {
            s.doc.metadata.job_id == m.job_id
                && s.doc.metadata.annotations == m.annotations
                && s.facts.as_ref().is_some_and(|f| f.stop)
        });
        let (count, limit) = (earlier.count(), spec.max_savepoint_creation_attempts);
        if !is_wanted {
            self.object("unwanted stop", || {
                format!("Savepoint {} stops a job that is wanted", short(m.id))
            });
        }
        if count >= usize::try_from(limit).unwrap_or(1) {
            self.object("limits", || format!("attempt {} of {limit} to stop a job", count + 1));
        }
    }
}
