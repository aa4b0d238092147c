//! What a cluster is doing: read from its folder, with a few words from memory.
//!
//! No subprocess, no network, no lock that anyone waits for: well below a millisecond, so that it can be asked often.
//! Where the file system hangs, the answer is `Unknown` after a few seconds.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use drey_model::seen::{Cluster as SeenCluster, ClusterPhase, Seen};
use uuid::Uuid;

use super::folder::Mark;
use super::{Cluster, Shared, flink};

/// A process that we started has ended: how long its exit code may take to be written down.
const EXIT_PATIENCE: Duration = Duration::from_secs(1);

impl Shared {
    pub(super) async fn inspect(self: &Arc<Self>, id: Uuid) -> Seen<SeenCluster> {
        let known = self.clusters.lock().is_ok_and(|c| c.contains_key(&id));
        let cluster = self.cluster(id);
        let pending = cluster.now().exit_recorded.clone().filter(|done| !*done.borrow());
        let mut seen = self.look(&cluster).await;
        if let (
            Ok(Seen::Present(SeenCluster { phase: ClusterPhase::Dead { .. }, .. })),
            Some(mut done),
        ) = (&seen, pending)
        {
            // Worth a moment: the exit code is half of the reason. An error means that it will never be known.
            let _ = tokio::time::timeout(EXIT_PATIENCE, done.wait_for(|done| *done)).await;
            seen = self.look(&cluster).await;
        }
        if !known && matches!(seen, Ok(Seen::Absent)) {
            self.forget_if_idle(&cluster);
        }
        seen.unwrap_or_else(|e| Seen::unknown(format!("the cluster's folder cannot be read: {e}")))
    }

    async fn look(&self, cluster: &Arc<Cluster>) -> io::Result<Seen<SeenCluster>> {
        let this = cluster.clone();
        self.files.wait(format!("look at {}", cluster.id), move || this.look()).await
    }
}

impl Cluster {
    fn look(&self) -> io::Result<Seen<SeenCluster>> {
        let (preparing, removing, failed) = {
            let now = self.now();
            (now.preparing.clone(), now.removing, now.failed.clone())
        };
        if !self.folder.exists()? {
            return Ok(Seen::Absent);
        }
        // Before the mark, the lock is held by Drey itself: it is still preparing.
        let is_launched = self.folder.has(Mark::Launched)?;
        let is_alive = is_launched && self.folder.job_manager().look()?.is_alive();
        let mut task_managers = 0;
        for slot in self.folder.task_managers()? {
            task_managers += u32::from(slot.look()?.is_alive());
        }
        let rest = if is_launched { self.rest()? } else { None };
        let present = |phase| Ok(Seen::Present(SeenCluster { phase, rest, task_managers }));
        if is_alive {
            return present(ClusterPhase::Alive);
        }
        if self.folder.has(Mark::Removed)? {
            if !removing && preparing.is_none() && !self.folder.is_inhabited()? {
                return Ok(Seen::Absent);
            }
            // One who looks only now shall read why it died, and not that the remains are being cleared.
            let why = self.why_before_removal(failed)?;
            let why = why.unwrap_or_else(|| "it is being removed".to_owned());
            return present(ClusterPhase::Dead { why });
        }
        if let Some(why) = self.why_not_launched(failed)? {
            return present(ClusterPhase::Dead { why });
        }
        if is_launched {
            return present(ClusterPhase::Dead { why: self.why() });
        }
        // It may be wanted, but whoever prepared it is gone, and nothing will come of that.
        Ok(match preparing {
            Some(what) => present(ClusterPhase::Preparing { what })?,
            None => Seen::Absent,
        })
    }

    /// What came of the preparation, if it failed.
    fn why_not_launched(&self, failed: Option<String>) -> io::Result<Option<String>> {
        let recorded = self.folder.read(Mark::Failed)?;
        Ok(recorded.map(|why| String::from_utf8_lossy(&why).into_owned()).or(failed))
    }

    /// Why the cluster was dead before its removal, if it was: ends during a removal are not recorded.
    fn why_before_removal(&self, failed: Option<String>) -> io::Result<Option<String>> {
        if let Some(why) = self.why_not_launched(failed)? {
            return Ok(Some(why));
        }
        let known = self.now().why.clone();
        Ok(known.or_else(|| self.folder.job_manager().exit().map(|_| self.why())))
    }

    /// Why the JobManager died; found out once, as soon as its exit code is known or can never be.
    fn why(&self) -> String {
        let is_final = {
            let now = self.now();
            if let Some(why) = &now.why {
                return why.clone();
            }
            now.exit_recorded.as_ref().is_none_or(|done| *done.borrow())
        };
        let slot = self.folder.job_manager();
        let why = self.why_died(&slot);
        if is_final {
            self.now().why = Some(why.clone());
        }
        why
    }

    /// Once launched, the plan never changes; before, another preparation may choose other ports.
    fn rest(&self) -> io::Result<Option<String>> {
        if let Some(rest) = &self.now().rest {
            return Ok(Some(rest.clone()));
        }
        let rest = flink::Plan::read(&self.folder)?.map(|plan| plan.rest());
        self.now().rest.clone_from(&rest);
        Ok(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::super::process::Signal;
    use super::super::tests::{World, absent, alive, dead, noted};
    use crate::ClusterBackend;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_removal_after_a_death_keeps_the_reason() {
        let world = World::new();
        let (backend, job) = (world.open().await, world.job());
        let id = job.metadata.id;
        backend.ensure(&job).await.unwrap();
        alive(&backend, id, 2).await;
        noted(&world, "jm", 1).await;
        assert!(world.folder(id).job_manager().signal(Signal::KILL).unwrap());
        let why = dead(&backend, id).await;
        assert!(why.contains("signal 9"), "{why}");
        let cluster = backend.shared.cluster(id);
        // While this is held nobody clears the folder.
        let turn = cluster.turn.lock().await;
        backend.remove(id).await.unwrap();
        assert_eq!(dead(&backend, id).await, why);
        cluster.now().why = None;
        assert_eq!(
            dead(&backend, id).await,
            why,
            "a Drey that was started meanwhile knows it, too"
        );
        drop(turn);
        absent(&backend, id).await;
    }
}
