//! The housekeeping task: outputs are cut while their processes run, and every hour what is old goes.
//!
//! What it does every few seconds costs as much as there are clusters; what grows with the past is looked at hourly.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use drey_flink::artifact;
use tokio::time::MissedTickBehavior;

use super::flink::Plan;
use super::folder::Mark;
use super::patience::blocking;
use super::{Shared, folder, logs};

const TIDY_INTERVAL: Duration = Duration::from_hours(1);

/// How long a tombstone refuses a removed cluster: the controller forgets a removed Job at once, and one that lost its
/// lead stops within seconds.
const TOMBSTONE_AGE: Duration = Duration::from_hours(24);

impl Shared {
    /// Runs until the backend ends.
    pub(super) async fn keep(self: Arc<Self>) {
        let mut looks = tokio::time::interval(self.config.limits.output_check_interval);
        let mut hours = tokio::time::interval(TIDY_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.cancel.cancelled() => return,
                _ = looks.tick() => {
                    let shared = self.clone();
                    if let Err(error) = blocking(move || shared.cap_outputs()).await {
                        tracing::warn!(%error, "process outputs could not be cut");
                    }
                }
                _ = hours.tick() => {
                    let shared = self.clone();
                    if let Err(error) = blocking(move || { shared.tidy(); Ok(()) }).await {
                        tracing::warn!(%error, "the data directory could not be tidied");
                    }
                }
            }
        }
    }

    fn cap_outputs(&self) -> io::Result<()> {
        for id in self.list()? {
            // Its logs may be being written anew, without secrets.
            if self.folder(id).has(Mark::Removed)? {
                continue;
            }
            logs::cap_outputs(&self.logs_folder(id), self.config.limits.output_bytes_max)?;
        }
        Ok(())
    }

    /// Each chore for itself: one that fails leaves the others undisturbed.
    fn tidy(self: &Arc<Self>) {
        if let Err(error) = self.continue_removals() {
            tracing::warn!(%error, "removals could not be continued");
        }
        if let Err(error) = folder::bury(&self.clusters_folder(), TOMBSTONE_AGE) {
            tracing::warn!(%error, "old tombstones could not be deleted");
        }
        if let Err(error) = self.prune_logs() {
            tracing::warn!(%error, "old logs could not be deleted");
        }
        if let Err(error) = self.prune_artifacts() {
            tracing::warn!(%error, "unused artifacts could not be deleted");
        }
    }

    /// A plan that cannot be read may use anything, so nothing is deleted then.
    fn prune_artifacts(&self) -> io::Result<()> {
        let mut in_use = BTreeSet::new();
        for id in self.list()? {
            if let Some(plan) = Plan::read(&self.folder(id))? {
                in_use.extend(plan.artifacts());
            }
        }
        artifact::prune(&self.config.cache, &in_use, SystemTime::now())
    }
}
