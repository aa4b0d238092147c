//! Judging SessionClusters (docs/session-clusters.md): one run at a time, no stop under a job, no run ended without a
//! reason, and no word that was not seen.

use std::collections::{BTreeMap, BTreeSet};

use drey_engine::session_cluster::Run as StoredRun;
use drey_model::seen::TaskManager;
use drey_model::session_cluster::Tie;
use drey_model::{ClusterState, DesiredClusterState, SessionCluster};
use jiff::SignedDuration;
use uuid::Uuid;

use super::mirror::StoredCluster;
use super::{Oracle, Scene, StoredDeployment};
use crate::core::{Core, MINUTE, micros, short};
use crate::host::Host;
use crate::universe::{Cluster, JobManager, Universe};

/// How long launched processes may take until they take jobs.
const RUN: SignedDuration = SignedDuration::from_mins(5);
/// Starts that may fail in a row.
const ATTEMPTS_MAX: usize = 4;

/// What is remembered of SessionClusters.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Every run that was ever recorded.
    runs: BTreeSet<Uuid>,
    /// Starts that failed in a row.
    failed_starts: usize,
    /// TaskManagers that were ever chosen to go, by run.
    released: BTreeMap<Uuid, BTreeSet<String>>,
    /// What Flink listed the last time.
    listed: Vec<TaskManager>,
    /// Whether a run has ended or begun in calm weather.
    pub(super) is_shaken: bool,
}

fn is_gone(universe: &Universe, run: Uuid) -> bool {
    universe.clusters.get(&run).is_some_and(|c| c.is_removed)
}

fn is_up(universe: &Universe, run: Uuid) -> bool {
    let cluster = universe.clusters.get(&run);
    cluster.is_some_and(|c| !c.is_removed && c.job_manager == JobManager::Alive)
}

fn managers(cluster: &SessionCluster) -> i32 {
    cluster.spec.number_of_task_managers
}

impl Oracle {
    /// The backend launches a run: nothing of another one is left.
    pub(crate) fn launching(&mut self, run: Uuid, cluster: &Cluster, universe: &Universe) {
        let left = universe.hosts.keys().find(|other| {
            let of_same = universe.clusters.get(other).map(|c| c.deployment);
            **other != run && of_same == Some(cluster.deployment) && !is_gone(universe, **other)
        });
        if let Some(left) = left {
            self.object("two runs", || format!("{} while {} exists", short(run), short(*left)));
        }
    }

    /// Flink listed the TaskManagers of a run.
    pub(crate) fn listed(&mut self, list: &[TaskManager]) {
        self.ledger.listed = list.to_vec();
    }

    /// Whether this was a run that nothing is recorded of any more: a leader that was paused may be late.
    pub(super) fn is_past_run(&self, run: Uuid) -> bool {
        self.ledger.runs.contains(&run) && self.mirror.run(run).is_none()
    }

    /// Whether all of these were chosen and recorded before.
    pub(super) fn is_released(&self, run: Uuid, names: &[String]) -> bool {
        let chosen = self.ledger.released.get(&run);
        names.iter().all(|name| chosen.is_some_and(|chosen| chosen.contains(name)))
    }

    pub(super) fn judge_session_cluster(&mut self, new: &StoredCluster, scene: Scene<'_>) {
        let id = new.doc.metadata.id;
        let old = self.mirror.session_cluster.clone().filter(|c| c.doc.metadata.id == id);
        let Some(old) = old else {
            if scene.author.is_some() {
                self.object("foreign writer", || {
                    "the controller created a SessionCluster".to_owned()
                });
            }
            self.ledger.failed_starts = 0;
            return;
        };
        if scene.author.is_none() {
            if new.doc.status != old.doc.status || new.facts != old.facts {
                self.object("foreign writer", || "a user changed a cluster's status".to_owned());
            }
            return self.judge_stop(&old, new, scene.universe);
        }
        if new.doc.spec != old.doc.spec
            || new.doc.metadata.annotations != old.doc.metadata.annotations
        {
            self.object("lost update", || "the controller changed a cluster's spec".to_owned());
        }
        self.judge_session_cores(&old.facts, new, scene);
        self.judge_runs(&old, new, scene);
        if new.doc.spec.state == DesiredClusterState::Stopped {
            self.ledger.failed_starts = 0;
        }
        self.judge_cluster_failure(&old, new);
        self.judge_release(&old, new, scene.universe);
        if let Some(why) = self.untrue_cluster(new, scene.universe) {
            let state = new.doc.status.state;
            self.object("false status", || format!("the cluster is {state}, and {why}"));
        }
    }

    /// A user stops it: no Deployment is active there.
    fn judge_stop(&mut self, old: &StoredCluster, new: &StoredCluster, universe: &Universe) {
        let is_stop = old.doc.spec.state == DesiredClusterState::Running
            && new.doc.spec.state == DesiredClusterState::Stopped;
        if !is_stop {
            return;
        }
        let name = &new.doc.metadata.name;
        let of_jobs = self.mirror.jobs.values().find(|job| {
            let session = job.facts.session.as_ref();
            let session = session.filter(|s| s.orphaned_at.is_none() && s.late.is_none());
            let is_alive =
                universe.clusters.get(&job.doc.metadata.id).is_some_and(Cluster::is_live);
            session.is_some_and(|s| s.name == *name) && (job.is_open || is_alive)
        });
        let has_news =
            |d: &StoredDeployment| d.facts.explanation.spec_version < d.doc.spec_version();
        let of_deployments = self.mirror.deployments.values().find(|d| {
            let is_broken = old.doc.status.state == ClusterState::Failed;
            !is_broken && Tie::of(&d.doc, name, false, has_news(d)).is_active()
        });
        let user = of_jobs.map(|j| j.doc.metadata.id).or(of_deployments.map(|d| d.doc.metadata.id));
        if let Some(user) = user {
            self.object("stopped under a job", || format!("{} uses the cluster", short(user)));
        }
    }

    /// Runs follow one another, and none ends or begins without a reason.
    fn judge_runs(&mut self, old: &StoredCluster, new: &StoredCluster, scene: Scene<'_>) {
        let universe = scene.universe;
        let known = |run: &StoredRun| run.launched.id;
        let (before, after) = (old.facts.run.as_ref(), new.facts.run.as_ref());
        let (was, is) = (before.map(known), after.map(known));
        if let Some(was) = was.filter(|was| is != Some(*was) && !is_gone(universe, *was)) {
            self.object("false record", || format!("run {} is forgotten and not gone", short(was)));
        }
        if let Some(is) = is.filter(|is| was != Some(*is)) {
            self.judge_new_run(is, new, universe);
        }
        let before = before.filter(|run| was == is && run.end.is_none());
        let Some((before, after)) = before.zip(after) else { return };
        if before.running_since.is_none() && after.running_since.is_some() {
            self.ledger.failed_starts = 0;
        }
        if before.scaled_to != after.scaled_to {
            self.judge_count(after, universe);
        }
        let Some(end) = &after.end else { return };
        self.ledger.is_shaken |= self.calm_since.is_some();
        let id = after.launched.id;
        let is_alive = is_up(universe, id);
        if end.is_wanted {
            if new.doc.spec.state != DesiredClusterState::Stopped {
                self.object("unwanted stop", || format!("run {} is wanted", short(id)));
            }
        } else if before.running_since.is_some() {
            if is_alive {
                self.object("healthy cluster ended", || format!("run {}: {}", short(id), end.why));
            }
        } else {
            self.ledger.failed_starts += 1;
            let since = after.alive_since.unwrap_or(after.since);
            let is_due = end.at.duration_since(since) >= RUN && self.is_cluster_known(id, universe);
            let is_refused = !universe.clusters.contains_key(&id);
            let is_deaf = universe.hosts.get(&id).is_some_and(|host| host.is_deaf);
            // Nothing stood in its way any more, and there was time.
            let is_late = |since| micros(end.at) - since >= MINUTE;
            if is_alive && !is_deaf && !self.has_jumped && self.calm_since.is_some_and(is_late) {
                self.object("not settled", || {
                    format!("run {} was given up in calm weather: {}", short(id), end.why)
                });
            }
            if is_alive && !is_due && !is_refused && !self.has_jumped {
                self.object("healthy cluster ended", || {
                    format!("run {} did not start: {}", short(id), end.why)
                });
            }
        }
    }

    /// Whether the last looks at a run gave answers.
    fn is_cluster_known(&self, run: Uuid, universe: &Universe) -> bool {
        let answer = |what| self.answers.get(&(run, what)).copied().unwrap_or(true);
        let asks_flink = universe.clusters.get(&run).is_some_and(Cluster::answers);
        answer("cluster") && (!asks_flink || answer("task-managers"))
    }

    fn judge_new_run(&mut self, run: Uuid, new: &StoredCluster, universe: &Universe) {
        self.ledger.is_shaken |= self.calm_since.is_some();
        let left = self.ledger.runs.iter().find(|other| !is_gone(universe, **other)).copied();
        if let Some(left) = left {
            self.object("two runs", || format!("{} while {} is not gone", short(run), short(left)));
        }
        if !self.ledger.runs.insert(run) {
            self.object("false record", || format!("run {} is launched again", short(run)));
        }
        if new.doc.spec.state != DesiredClusterState::Running {
            self.object("unwanted run", || format!("{} while STOPPED is desired", short(run)));
        }
        let failed = self.ledger.failed_starts;
        if failed >= ATTEMPTS_MAX {
            self.object("limits", || format!("start {} of a cluster", failed + 1));
        }
    }

    /// A number of TaskManagers is only told when it was seen.
    fn judge_count(&mut self, run: &StoredRun, universe: &Universe) {
        let count = u32::try_from(run.scaled_to).unwrap_or(0);
        let host = universe.hosts.get(&run.launched.id);
        let was_seen =
            host.is_some_and(|h| h.listed.contains(&(count as usize)) && h.shown.contains(&count));
        if !was_seen {
            self.object("false record", || format!("nobody ever saw {count} TaskManagers"));
        }
    }

    /// Idle TaskManagers go first, and no more than there are too many. Judged where one controller looks.
    fn judge_release(&mut self, old: &StoredCluster, new: &StoredCluster, universe: &Universe) {
        let Some(run) = &new.facts.run else { return };
        let id = run.launched.id;
        let had = old.facts.run.as_ref().is_some_and(|r| !r.releasing.is_empty());
        if !had && !run.releasing.is_empty() && self.epochs.0 == 0 {
            let used = |tm: &&TaskManager| tm.slots.saturating_sub(tm.free_slots);
            let (go, stay): (Vec<_>, Vec<_>) =
                self.ledger.listed.iter().partition(|tm| run.releasing.contains(&tm.id));
            let busiest = go.iter().map(used).max();
            let is_rude = stay.iter().map(used).min().is_some_and(|idlest| busiest > Some(idlest));
            let shown = universe.hosts.get(&id).map_or(0, Host::shown_at_most);
            let surplus = i64::from(shown) - i64::from(managers(&new.doc));
            if is_rude || run.releasing.len() as i64 > surplus {
                let names = run.releasing.join(", ");
                self.object("wrong TaskManagers go", || format!("{names} of {surplus} too many"));
            }
        }
        self.ledger.released.entry(id).or_default().extend(run.releasing.iter().cloned());
    }

    /// FAILED for a reason that holds, and until it is stopped.
    fn judge_cluster_failure(&mut self, old: &StoredCluster, new: &StoredCluster) {
        let spec = &new.doc.spec;
        match (&old.facts.gave_up, &new.facts.gave_up) {
            (None, Some(failure)) => {
                let holds = match failure.reason.as_str() {
                    "TooManyFailedAttempts" => self.ledger.failed_starts >= ATTEMPTS_MAX,
                    "ClusterRefused" => {
                        let options = spec.flink_configuration.get(crate::universe::OPTIONS);
                        options.is_some_and(|o| o.contains("refused"))
                    }
                    "ReferenceDoesNotExist" => spec.deployment_target_name != "local",
                    _ => false,
                };
                if !holds {
                    let failed = self.ledger.failed_starts;
                    self.object("false failure", || {
                        format!("the cluster: {} after {failed} failed starts", failure.reason)
                    });
                }
            }
            (Some(_), None) if spec.state == DesiredClusterState::Running => {
                self.object("limits", || {
                    "a cluster that was given up goes on by itself".to_owned()
                });
            }
            (Some(_) | None, _) => {}
        }
    }

    /// What is wrong with the status of a SessionCluster.
    fn untrue_cluster(&self, new: &StoredCluster, universe: &Universe) -> Option<&'static str> {
        let (spec, status) = (&new.doc.spec, &new.doc.status);
        let is_wanted = spec.state == DesiredClusterState::Running;
        let has_failed = new.facts.gave_up.is_some();
        let run = new.facts.run.as_ref();
        let open = run.filter(|run| run.end.is_none());
        let takes_jobs = open.filter(|run| run.running_since.is_some());
        let is_complete = takes_jobs.is_some_and(|run| run.scaled_to == managers(&new.doc));
        let is_serving = matches!(status.state, ClusterState::Running | ClusterState::Updating);
        if is_serving != status.running.is_some() {
            return Some("status.running does not say so");
        }
        if (status.state == ClusterState::Failed) != has_failed {
            return Some("it was given up, or the other way round");
        }
        let is_true = match status.state {
            ClusterState::Stopped => {
                !is_wanted && self.ledger.runs.iter().all(|run| is_gone(universe, *run))
            }
            ClusterState::Starting => is_wanted && takes_jobs.is_none(),
            ClusterState::Running => is_wanted && is_complete,
            ClusterState::Updating => is_wanted && takes_jobs.is_some() && !is_complete,
            ClusterState::Stopping => {
                run.is_some_and(|r| r.end.as_ref().is_some_and(|e| e.is_wanted || !is_wanted))
            }
            ClusterState::Failed => status.failure.is_some() && is_wanted,
        };
        (!is_true).then_some("its records say something else")
    }

    /// Whether jobs can run on the SessionCluster at rest.
    pub(super) fn is_cluster_serving(&self) -> bool {
        let state = self.mirror.session_cluster.as_ref().map(|c| c.doc.status.state);
        matches!(state, Some(ClusterState::Running | ClusterState::Updating))
    }
}

/// Whether the SessionCluster equals its spec; `Err` says what is missing.
///
/// # Errors
/// What is not yet as it should be.
pub fn cluster_settled(core: &Core) -> Result<(), String> {
    let Some(stored) = &core.oracle.mirror.session_cluster else { return Ok(()) };
    let state = stored.doc.status.state;
    let living = |run: &&Uuid| !is_gone(&core.universe, **run);
    let left: Vec<Uuid> = core.oracle.ledger.runs.iter().filter(living).copied().collect();
    match (stored.doc.spec.state, state) {
        (DesiredClusterState::Stopped, ClusterState::Stopped) if left.is_empty() => Ok(()),
        (DesiredClusterState::Running, ClusterState::Failed) if left.is_empty() => Ok(()),
        (DesiredClusterState::Running, ClusterState::Starting)
            if stored.facts.claim.refused.is_some() =>
        {
            core.oracle.shared_waits_in_vain(&core.universe).map_or(Ok(()), Err)
        }
        (DesiredClusterState::Running, ClusterState::Running) => {
            let run = stored.facts.run.as_ref().map(|run| run.launched.id);
            let wanted = usize::try_from(managers(&stored.doc)).unwrap_or(0);
            let cluster = run.and_then(|run| core.universe.clusters.get(&run));
            let alive = cluster.map_or(0, |c| c.managers as usize);
            let known = run.and_then(|r| core.universe.hosts.get(&r)).map_or(0, Host::known);
            if run.is_some_and(|r| left == [r]) && alive == wanted && known == wanted {
                Ok(())
            } else {
                Err(format!(
                    "the cluster is RUNNING with {alive} of {wanted} TaskManagers, {known} registered, {} runs",
                    left.len()
                ))
            }
        }
        (desired, state) => Err(format!("{desired} is desired of the cluster, and it is {state}")),
    }
}
