//! Taking a cluster down, for good.
//!
//! ```text
//!   tombstone (synced) ─► cancel the preparation ─► SIGTERM to all ─► grace ─► SIGKILL until no lock is held
//!                                               ─► take secrets out of the logs ─► delete the folder ─► prune old logs
//! ```
//!
//! The tombstone comes first, so an interrupted removal is continued by the next Drey, and nothing ever starts again. It
//! stays for a day.
//! A process is gone when its lock is free, whatever its pid means by then.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::folder::Mark;
use super::patience::blocking;
use super::process::Signal;
use super::{Cluster, Shared, logs};

const TICK: Duration = Duration::from_millis(50);
/// A process that SIGKILL does not end hangs in the kernel; asking more often does not help.
const KILL_INTERVAL: Duration = Duration::from_secs(1);

impl Shared {
    /// Marks the cluster as removed and begins to end its processes.
    pub(super) fn remove(self: &Arc<Self>, id: Uuid) -> io::Result<()> {
        let cluster = self.cluster(id);
        cluster.cancel.cancel();
        let marked = cluster.mark_removed();
        // On a full disk the tombstone may have to wait, but ending the processes must not.
        if cluster.folder.exists()? || cluster.now().preparing.is_some() {
            self.begin_removal(&cluster);
        } else {
            self.forget_if_idle(&cluster);
        }
        marked
    }

    pub(super) fn begin_removal(self: &Arc<Self>, cluster: &Arc<Cluster>) {
        if std::mem::replace(&mut cluster.now().removing, true) {
            return;
        }
        cluster.cancel.cancel();
        let (shared, cluster) = (self.clone(), cluster.clone());
        self.tasks.spawn(async move {
            let stop = shared.cancel.clone();
            tokio::select! {
                () = stop.cancelled() => {}
                () = shared.take_down(&cluster) => {}
            }
        });
    }

    async fn take_down(self: &Arc<Self>, cluster: &Arc<Cluster>) {
        let _turn = cluster.turn.lock().await;
        tracing::info!(job = %cluster.id, "removing the cluster");
        let grace_ends = Instant::now() + self.config.limits.stop_grace;
        let mut asked = BTreeSet::new();
        loop {
            let overdue = Instant::now().checked_duration_since(grace_ends);
            let mut wait = if overdue > Some(KILL_INTERVAL) { KILL_INTERVAL } else { TICK };
            let is_grace_over = overdue.is_some();
            let (this, told) = (cluster.clone(), asked.clone());
            let end = move || this.end_processes(told, is_grace_over);
            match blocking(end).await {
                Ok(None) => break,
                Ok(Some(told)) => asked = told,
                Err(error) => {
                    tracing::warn!(job = %cluster.id, %error, "processes cannot be ended yet");
                    wait = KILL_INTERVAL;
                }
            }
            tokio::time::sleep(wait).await;
        }
        tracing::info!(job = %cluster.id, "cluster removed");
        let (shared, this) = (self.clone(), cluster.clone());
        let cleared = blocking(move || {
            this.scrub_logs()?;
            logs::note(&this.logs, "all processes have ended, removed");
            this.folder.clear()?;
            shared.prune_logs()
        })
        .await;
        if let Err(error) = cleared {
            tracing::warn!(job = %cluster.id, %error, "files of a removed cluster remain");
        }
        cluster.now().removing = false;
        self.forget_if_idle(cluster);
    }

    /// Deletes logs of Jobs that are gone, beyond the limits.
    pub(super) fn prune_logs(&self) -> io::Result<()> {
        let present: BTreeSet<Uuid> = self.list()?.into_iter().collect();
        let mut ended: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(self.config.data_dir.join("logs"))? {
            let entry = entry?;
            let id = entry.file_name().to_str().and_then(|n| n.parse::<Uuid>().ok());
            if id.is_some_and(|id| !present.contains(&id)) {
                ended.push(entry.path());
            }
        }
        let limits = &self.config.limits;
        logs::prune(ended, limits.old_logs_jobs_max, limits.old_logs_bytes_max)
    }
}

impl Cluster {
    /// Writes the tombstone, once.
    fn mark_removed(&self) -> io::Result<()> {
        if !self.folder.has(Mark::Removed)? {
            self.folder.put(Mark::Removed, b"")?;
        }
        Ok(())
    }

    /// Signals what still lives; `None` when nothing does and the tombstone stands. `asked`: who got SIGTERM already.
    fn end_processes(
        &self,
        mut asked: BTreeSet<String>,
        is_grace_over: bool,
    ) -> io::Result<Option<BTreeSet<String>>> {
        let mut is_gone = true;
        for slot in self.folder.slots()? {
            if !slot.is_held()? {
                continue;
            }
            is_gone = false;
            if !asked.contains(&slot.name) && slot.signal(Signal::TERM)? {
                asked.insert(slot.name.clone());
            }
            if is_grace_over && !slot.signal(Signal::KILL)? {
                slot.kill_holders()?;
            }
        }
        if is_gone {
            self.mark_removed()?;
            return Ok(None);
        }
        Ok(Some(asked))
    }
}
