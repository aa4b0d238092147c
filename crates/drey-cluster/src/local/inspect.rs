//! What a cluster is doing: read from its folder, with a few words from memory.
//!
//! No subprocess, no network, no lock that anyone waits for: well below a millisecond, so that it can be asked often.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use drey_model::seen::{Cluster as SeenCluster, ClusterPhase, Seen};
use uuid::Uuid;

use super::folder::Mark;
use super::{Cluster, Shared, blocking, death, flink};

/// A process that we started has ended: how long its exit code may take to be written down.
const EXIT_PATIENCE: Duration = Duration::from_secs(1);

impl Shared {
    pub(super) async fn inspect(self: &Arc<Self>, id: Uuid) -> Seen<SeenCluster> {
        let known = self.clusters.lock().is_ok_and(|c| c.contains_key(&id));
        let cluster = self.cluster(id);
        let pending = cluster.now().exit_recorded.clone().filter(|done| !*done.borrow());
        let looked = cluster.clone();
        let mut seen = blocking(move || looked.look()).await;
        if let (
            Ok(Seen::Present(SeenCluster { phase: ClusterPhase::Dead { .. }, .. })),
            Some(mut done),
        ) = (&seen, pending)
        {
            // Worth a moment: the exit code is half of the reason. An error means that it will never be known.
            let _ = tokio::time::timeout(EXIT_PATIENCE, done.wait_for(|done| *done)).await;
            seen = blocking({
                let cluster = cluster.clone();
                move || cluster.look()
            })
            .await;
        }
        if !known && matches!(seen, Ok(Seen::Absent)) {
            self.forget_if_idle(&cluster);
        }
        seen.unwrap_or_else(|e| Seen::unknown(format!("the cluster's folder cannot be read: {e}")))
    }

    /// Ids of clusters of which more than a tombstone is left.
    pub(super) fn list(&self) -> io::Result<Vec<Uuid>> {
        let mut ids = Vec::new();
        for id in self.known()? {
            let cluster = self.cluster(id);
            if !cluster.folder.has(Mark::Removed)? || cluster.folder.has_remains()? {
                ids.push(id);
            } else {
                self.forget_if_idle(&cluster);
            }
        }
        Ok(ids)
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
            return present(ClusterPhase::Dead { why: "it is being removed".to_owned() });
        }
        if let Some(why) = self.folder.read(Mark::Failed)? {
            let why = String::from_utf8_lossy(&why).into_owned();
            return present(ClusterPhase::Dead { why });
        }
        if let Some(why) = failed {
            return present(ClusterPhase::Dead { why });
        }
        if is_launched {
            return present(ClusterPhase::Dead { why: self.why() });
        }
        if !self.folder.has(Mark::Wanted)? {
            return Ok(Seen::Absent);
        }
        let what = preparing.unwrap_or_else(|| "waiting for the preparation to begin".to_owned());
        present(ClusterPhase::Preparing { what })
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
        let why = death::why(&slot, &self.logs);
        if is_final {
            self.now().why = Some(why.clone());
        }
        why
    }

    /// Once launched, the plan never changes; before, a resumed preparation may choose other ports.
    fn rest(&self) -> io::Result<Option<String>> {
        if let Some(rest) = &self.now().rest {
            return Ok(Some(rest.clone()));
        }
        let rest = flink::Plan::read(&self.folder)?.map(|plan| plan.rest());
        self.now().rest.clone_from(&rest);
        Ok(rest)
    }
}
