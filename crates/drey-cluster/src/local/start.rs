//! Starting processes: the JobManager once, TaskManagers as often as needed.
//!
//! ```text
//!   claim the JobManager's lock ─► launched or removed? stop ─► ports, files, plan ─► launched (synced) ─► spawn
//! ```
//!
//! A crash before `launched` launches nothing. A crash after it leaves a mark without a lock holder, which means dead.
//! Everything from the claim to the spawn happens under the lock, so it happens once, whoever tries.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Child;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::flink::{self, Parts, Plan};
use super::folder::Mark;
use super::patience::blocking;
use super::process::{Exit, Slot};
use super::wanted::Wanted;
use super::{Cluster, Shared, logs, ports};

/// A TaskManager that lived this long did not die of its start.
const SETTLED: Duration = Duration::from_secs(120);
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// TaskManagers that one turn starts. The next turn starts more, of as many as are wanted then: who has asked for far too
/// many can take it back.
const STARTS_MAX: usize = 4;

/// Starts of one TaskManager slot by this Drey.
#[derive(Debug, Clone, Copy)]
pub(super) struct Starts {
    /// In a row, each too short.
    count: u32,
    last: Instant,
}

impl Starts {
    /// The first replacement is immediate; then 2 s, 4 s, … after the last start.
    fn not_before(self) -> Instant {
        let wait = match self.count {
            0 | 1 => Duration::ZERO,
            n => Duration::from_secs(1 << (n - 1).min(6)).min(BACKOFF_MAX),
        };
        self.last + wait
    }
}

impl Shared {
    /// Launches the JobManager, if that never happened before, and its TaskManagers. Errors mean that nothing was or
    /// will be launched.
    pub(super) async fn launch(
        self: &Arc<Self>,
        cluster: &Arc<Cluster>,
        wanted: &Wanted,
        parts: Parts,
    ) -> Result<(), String> {
        let slot = cluster.folder.job_manager();
        let (shared, this, record, claiming) =
            (self.clone(), cluster.clone(), wanted.clone(), slot.clone());
        let launch = move || {
            let claimed = claiming.claim().map_err(|e| format!("cannot lock its folder: {e}"));
            Ok(match claimed {
                Ok(Some(lock)) => shared.launch_claimed(&this, &record, parts, lock),
                Ok(None) => Ok(None),
                Err(why) => Err(why),
            })
        };
        // Before the spawn: nobody may take an exit that is not recorded yet for one that never will be.
        let (announce, recorded) = watch::channel(false);
        cluster.now().exit_recorded = Some(recorded);
        let launched = blocking(launch).await.map_err(|e| e.to_string()).flatten();
        let Some(child) = launched.inspect_err(|_| cluster.now().exit_recorded = None)? else {
            cluster.now().exit_recorded = None;
            return Ok(());
        };
        self.reap(cluster, slot, child, Some(announce));
        let (shared, this, wanted) = (self.clone(), cluster.clone(), wanted.clone());
        let start = move || {
            shared.start_task_managers(&this, &wanted).inspect_err(|error| {
                logs::note(&this.logs, &format!("TaskManagers could not be started: {error}"));
            })
        };
        if let Err(error) = blocking(start).await {
            // The next ensure tries again.
            tracing::warn!(job = %cluster.id, %error, "TaskManagers could not be started");
        }
        Ok(())
    }

    /// The part under the lock; `None` when the launch is not to be.
    fn launch_claimed(
        &self,
        cluster: &Cluster,
        wanted: &Wanted,
        parts: Parts,
        lock: File,
    ) -> Result<Option<Child>, String> {
        let said = |what: &'static str| move |e: io::Error| format!("{what}: {e}");
        let folder = &cluster.folder;
        if folder.has(Mark::Launched).map_err(said("cannot read its folder"))? {
            return Ok(None);
        }
        let taken = self.taken_ports().map_err(said("cannot read other clusters' ports"))?;
        let reserved = ports::reserve(&taken).map_err(said("cannot find free ports"))?;
        let plan = Plan::new(reserved.ports, parts);
        let program = flink::lay_out(&plan, wanted, folder, &cluster.logs)?;
        plan.write(folder).map_err(said("cannot record its ports"))?;
        folder.put(Mark::Launched, b"").map_err(said("cannot record its launch"))?;
        // Whoever removes writes the tombstone first and looks at the lock then; we do it the other way round. One of
        // us sees the other.
        if folder.has(Mark::Removed).map_err(said("cannot read its folder"))? {
            return Ok(None);
        }
        drop(reserved);
        let child = folder.job_manager().spawn(lock, &program);
        let child = child.map_err(said("cannot start the JobManager's process"))?;
        tracing::info!(job = %cluster.id, pid = child.id(), rest = plan.rest(), "JobManager started");
        logs::note(&cluster.logs, &format!("JobManager started, {}", plan.rest()));
        Ok(Some(child))
    }

    /// Starts TaskManagers that are missing, if nobody else is at it.
    pub(super) async fn replace_task_managers(
        self: &Arc<Self>,
        cluster: &Arc<Cluster>,
        wanted: &Wanted,
    ) -> io::Result<()> {
        let Ok(turn) = cluster.turn.clone().try_lock_owned() else { return Ok(()) };
        let (shared, this, wanted) = (self.clone(), cluster.clone(), wanted.clone());
        let start = move || {
            // To the end of the work, also if nobody waits for it any more.
            let _turn = turn;
            shared.start_task_managers(&this, &wanted)
        };
        self.files.wait(format!("TaskManagers of {}", cluster.id), start).await
    }

    /// Files, locks and forks: call it where it may block, inside of the runtime.
    fn start_task_managers(
        self: &Arc<Self>,
        cluster: &Arc<Cluster>,
        wanted: &Wanted,
    ) -> io::Result<()> {
        let folder = &cluster.folder;
        if !folder.job_manager().look()?.is_alive() {
            return Ok(());
        }
        for number in cluster.due(wanted.task_managers().max(1))? {
            let slot = folder.task_manager(number);
            let Some(lock) = slot.take_over()? else { continue };
            // In this order: see launch_claimed.
            if folder.has(Mark::Removed)? || !folder.job_manager().look()?.is_alive() {
                return Ok(());
            }
            let Some(plan) = Plan::read(folder)? else { return Ok(()) };
            // Flink remembers the dead ones, so each run has a name of its own.
            let unique = Uuid::new_v4().simple().to_string();
            let resource_id = format!("tm-{number}-{}", unique.get(..8).unwrap_or(&unique));
            let (folder, logs) = (&cluster.folder, &cluster.logs);
            let wanted = &cluster.filled(wanted)?;
            let program = flink::task_manager(&plan, wanted, folder, logs, number, &resource_id);
            let program = program.map_err(|why| io::Error::other(cluster.hide(&why)))?;
            slot.name_process(&resource_id)?;
            let child = slot.spawn(lock, &program)?;
            tracing::info!(job = %cluster.id, number, pid = child.id(), "TaskManager started");
            logs::note(&cluster.logs, &format!("TaskManager {number} started"));
            cluster.started(number);
            self.reap(cluster, slot, child, None);
            self.delete_aside(cluster);
        }
        Ok(())
    }

    /// Deletes the temporary files of dead processes, behind everyone's back: they may be many gigabytes.
    pub(super) fn delete_aside(self: &Arc<Self>, cluster: &Arc<Cluster>) {
        let (stop, this) = (self.cancel.clone(), cluster.clone());
        self.tasks.spawn(async move {
            let job = this.id;
            tokio::select! {
                // What is left goes with the next start of a process, or with the cluster.
                () = stop.cancelled() => {}
                deleted = blocking(move || this.folder.delete_aside()) => {
                    if let Err(error) = deleted {
                        tracing::warn!(%job, %error, "old temporary files could not be deleted");
                    }
                }
            }
        });
    }

    /// Waits for the end of a child and writes down how it ended.
    fn reap(
        self: &Arc<Self>,
        cluster: &Arc<Cluster>,
        slot: Slot,
        mut child: Child,
        announce: Option<watch::Sender<bool>>,
    ) {
        let (shared, cluster, stop) = (self.clone(), cluster.clone(), self.cancel.clone());
        self.tasks.spawn(async move {
            // The child lives on when we stop; the next Drey adopts it without its exit code.
            let status = tokio::select! {
                () = stop.cancelled() => return,
                status = child.wait() => status,
            };
            let (this, dead) = (cluster.clone(), slot.clone());
            let record = move || this.record_exit(&dead, status?.into());
            let recorded = blocking(record).await;
            if let Err(error) = recorded {
                tracing::debug!(job = %cluster.id, slot = slot.name, %error, "exit not recorded");
            }
            if let Some(announce) = announce {
                announce.send_replace(true);
            }
            shared.announce_end(&cluster).await;
            if !cluster.now().removing {
                let (this, dead) = (cluster.clone(), slot.clone());
                let why = blocking(move || {
                    let why = this.why_died(&dead);
                    logs::note(&this.logs, &format!("{why}{}", this.outlook(&dead)));
                    Ok(why)
                })
                .await
                .unwrap_or_else(|e| e.to_string());
                tracing::warn!(job = %cluster.id, slot = slot.name, why, "process ended");
            }
        });
    }

    /// Ports of clusters that are not removed.
    fn taken_ports(&self) -> io::Result<BTreeSet<u16>> {
        let mut taken = BTreeSet::new();
        for id in self.list()? {
            if let Some(plan) = Plan::read(&self.folder(id))? {
                taken.extend(plan.ports.all());
            }
        }
        Ok(taken)
    }
}

impl Cluster {
    /// Writes down how a process ended, unless its folder is being cleared or has been: nothing may come back there.
    fn record_exit(&self, slot: &Slot, exit: Exit) -> io::Result<()> {
        if self.folder.has(Mark::Removed)? {
            return Ok(());
        }
        slot.record_exit(exit)?;
        // The tombstone may have come meanwhile. It is older than the clearing, so one of the two deletes the file.
        if self.folder.has(Mark::Removed)? { slot.forget_exit() } else { Ok(()) }
    }

    /// The slots to start now so that `wanted` TaskManagers come to live: those with the lowest numbers that hold none and
    /// are not paused. Which ones live does not matter, since those that are no longer needed are not the last ones.
    fn due(&self, wanted: u32) -> io::Result<Vec<u32>> {
        let mut alive = 0;
        for slot in self.folder.task_managers()? {
            alive += u32::from(slot.look()?.is_alive());
        }
        let mut missing = wanted.saturating_sub(alive);
        let mut due = Vec::new();
        for number in 1..=u32::MAX {
            if missing == 0 || due.len() == STARTS_MAX {
                break;
            }
            if !self.folder.task_manager(number).look()?.is_alive() {
                missing -= 1;
                if self.may_start(number) {
                    due.push(number);
                }
            }
        }
        Ok(due)
    }

    fn may_start(&self, number: u32) -> bool {
        let starts = self.now().starts.get(&number).copied();
        starts.is_none_or(|s| s.last.elapsed() >= SETTLED || Instant::now() >= s.not_before())
    }

    fn started(&self, number: u32) {
        let last = Instant::now();
        let mut now = self.now();
        let starts = now.starts.entry(number).or_insert(Starts { count: 0, last });
        let count = if starts.last.elapsed() >= SETTLED { 1 } else { starts.count + 1 };
        *starts = Starts { count, last };
    }

    /// When a dead TaskManager comes back, for people.
    fn outlook(&self, slot: &Slot) -> String {
        let number = slot.name.strip_prefix("taskmanager-").and_then(|n| n.parse().ok());
        let starts = number.and_then(|n: u32| self.now().starts.get(&n).copied());
        let wait = starts.map(|s| s.not_before().saturating_duration_since(Instant::now()));
        match wait.map(|w| w.as_secs()) {
            None | Some(0) => String::new(),
            Some(wait) => format!("; it ends again and again, next start in {wait} s or later"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_manager_that_dies_at_once_is_started_less_and_less_often() {
        let last = Instant::now();
        let wait = |count| Starts { count, last }.not_before().duration_since(last).as_secs();
        assert_eq!([1, 2, 3, 4, 7, 40].map(wait), [0, 2, 4, 8, 60, 60]);
    }
}
