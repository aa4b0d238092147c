//! Telling that a process has ended at the moment it ends, so that nobody has to wait for the next look.
//!
//! ```text
//!   our own child      ─► reaped (start.rs) ─┐
//!   an adopted process ─► its lock is probed ─┴─► its owner's id, to whoever listens
//! ```
//!
//! A hint only: what has happened is for `inspect` to say, and a hint that is lost costs the wait for the next look.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use uuid::Uuid;

use super::folder::Mark;
use super::patience::blocking;
use super::process::Slot;
use super::wanted::Wanted;
use super::{Cluster, LocalBackend, Shared};

/// Between two probes of the processes that an earlier Drey has started.
const PROBE_INTERVAL: Duration = Duration::from_millis(500);

/// Hints that may wait for a slow listener; it misses the oldest.
pub(super) const HINTS_MAX: usize = 256;

impl LocalBackend {
    /// Ids of Deployments and SessionClusters of which a process has just ended.
    #[must_use]
    pub fn process_ends(&self) -> broadcast::Receiver<Uuid> {
        self.shared.ends.subscribe()
    }
}

impl Shared {
    /// Says that a process of the cluster has ended.
    pub(super) async fn announce_end(&self, cluster: &Arc<Cluster>) {
        let this = cluster.clone();
        let wanted = blocking(move || this.folder.read(Mark::Wanted)).await;
        let wanted = wanted.ok().flatten().map(|text| serde_json::from_slice::<Wanted>(&text));
        if let Some(Ok(wanted)) = wanted {
            // Nobody listens while the server starts or stops.
            let _ = self.ends.send(wanted.owner());
        }
    }

    /// Probes the processes that were alive when this backend opened, until the last of them has ended.
    pub(super) async fn watch_adopted(self: Arc<Self>, mut adopted: Vec<(Arc<Cluster>, Slot)>) {
        while !adopted.is_empty() {
            tokio::select! {
                () = self.cancel.cancelled() => return,
                () = tokio::time::sleep(PROBE_INTERVAL) => {}
            }
            let probe = move || {
                let is_alive = |slot: &Slot| slot.look().map_or(true, |look| look.is_alive());
                Ok(adopted.into_iter().partition(|(_, slot)| is_alive(slot)))
            };
            let Ok((alive, ended)) = blocking(probe).await else { return };
            adopted = alive;
            let ended: Vec<(Arc<Cluster>, Slot)> = ended;
            for (cluster, _) in &ended {
                self.announce_end(cluster).await;
            }
        }
    }

    pub(super) fn living(&self) -> std::io::Result<Vec<(Arc<Cluster>, Slot)>> {
        let mut living = Vec::new();
        for id in self.list()? {
            let cluster = self.cluster(id);
            for slot in cluster.folder.slots()? {
                if slot.look()?.is_alive() {
                    living.push((cluster.clone(), slot));
                }
            }
        }
        Ok(living)
    }
}
