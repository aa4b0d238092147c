//! The housekeeping task: outputs are cut while their processes run.

use std::io;
use std::sync::Arc;

use tokio::time::MissedTickBehavior;

use super::{Shared, blocking, logs};

impl Shared {
    /// Runs until the backend ends.
    pub(super) async fn keep(self: Arc<Self>) {
        let shared = self.clone();
        if let Err(error) = blocking(move || shared.prune_logs()).await {
            tracing::warn!(%error, "old logs could not be deleted");
        }
        let mut ticks = tokio::time::interval(self.config.limits.output_check_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.cancel.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let shared = self.clone();
            if let Err(error) = blocking(move || shared.cap_outputs()).await {
                tracing::warn!(%error, "process outputs could not be cut");
            }
        }
    }

    fn cap_outputs(&self) -> io::Result<()> {
        for id in self.list()? {
            logs::cap_outputs(&self.logs_folder(id), self.config.limits.output_bytes_max)?;
        }
        Ok(())
    }
}
