//! Ending TaskManagers that a session cluster no longer needs, by the names that Flink knows them under.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::patience::blocking;
use super::process::{Signal, Slot};
use super::{Cluster, Shared};

const TICK: Duration = Duration::from_millis(50);

impl Shared {
    /// Asks the processes to end, and sees to it behind the caller's back that they do. Names of processes that are gone
    /// mean nothing.
    pub(super) async fn release(self: &Arc<Self>, run: Uuid, names: &[String]) -> io::Result<()> {
        let cluster = self.cluster(run);
        let names: BTreeSet<String> = names.iter().cloned().collect();
        let this = cluster.clone();
        let ask = move || {
            let mut asked = Vec::new();
            for slot in this.folder.task_managers()? {
                let Some(name) = slot.resource_id().filter(|name| names.contains(name)) else {
                    continue;
                };
                if slot.look()?.is_alive() {
                    slot.signal(Signal::TERM)?;
                    asked.push((slot, name));
                }
            }
            Ok(asked)
        };
        let asked = self.files.wait(format!("release of TaskManagers of {run}"), ask).await?;
        for (slot, name) in asked {
            tracing::info!(%run, task_manager = name, "TaskManager is no longer needed");
            self.tasks.spawn(self.clone().see_off(cluster.clone(), slot, name));
        }
        Ok(())
    }

    async fn see_off(self: Arc<Self>, cluster: Arc<Cluster>, slot: Slot, name: String) {
        let grace_ends = Instant::now() + self.config.limits.stop_grace;
        loop {
            tokio::select! {
                // The release is repeated by whoever comes next.
                () = self.cancel.cancelled() => return,
                () = tokio::time::sleep(TICK) => {}
            }
            let (this, name, folder) = (slot.clone(), name.clone(), cluster.folder.clone());
            let is_late = Instant::now() >= grace_ends;
            let end = move || {
                if this.resource_id().as_ref() != Some(&name) {
                    return Ok(true);
                }
                // Held meanwhile, so that nobody starts where the files go.
                if let Some(_lock) = this.claim()? {
                    folder.put_aside(&folder.root.join("scratch").join(&this.name))?;
                    return Ok(true);
                }
                if is_late && !this.signal(Signal::KILL)? {
                    this.kill_holders()?;
                }
                Ok(false)
            };
            match blocking(end).await {
                Ok(false) => {}
                Ok(true) => break,
                Err(error) => {
                    tracing::warn!(run = %cluster.id, %error, "TaskManager cannot be ended");
                    return;
                }
            }
        }
        // What it left may be gigabytes.
        self.delete_aside(&cluster);
        self.announce_end(&cluster).await;
    }
}
