//! What users do to the SessionCluster: they start, scale, stop, mend, break and delete it, one step at a time towards a
//! goal, send away who is in the way, and give up jobs that Flink does not cancel. Their writes are checked as the server
//! checks them.

use drey_engine::DeploymentFacts;
use drey_engine::facts::Late;
use drey_model::meta::{FORCE_CANCELLATION, Metadata};
use drey_model::session_cluster::{DesiredClusterState, SessionClusterSpec, Tie};
use drey_model::{ClusterState, Deployment, DesiredState, Job, Kind, SessionCluster};
use drey_store::{Filter, Object, Write};
use serde::Deserialize;
use uuid::Uuid;

use crate::core::{Core, Entry, MINUTE, SECOND, short};
use crate::history::{History, row};
use crate::host::SLOTS;
use crate::session::{SHARED, share};
use crate::universe::OPTIONS;
use crate::users::NAMESPACE;
use crate::wait::now_or_never;

/// What users want of the cluster just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Goal {
    /// It runs.
    #[default]
    Up,
    /// So many TaskManagers.
    Scale,
    /// Stopped, perhaps changed, and started again.
    Restart,
    /// Deleted, and created anew.
    Replace,
    /// Stopped for good.
    Down,
}

/// How often users choose what.
const GOALS: [(u32, Goal); 5] =
    [(3, Goal::Up), (6, Goal::Scale), (4, Goal::Restart), (2, Goal::Replace), (1, Goal::Down)];

/// What the server reads of the controller's facts about a Job.
#[derive(Default, Deserialize)]
#[serde(default)]
struct JobFacts {
    session: Option<Session>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    name: String,
    #[serde(default)]
    orphaned_at: Option<jiff::Timestamp>,
    #[serde(default)]
    late: Option<Late>,
}

/// What the server reads of the controller's facts about a SessionCluster.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ClusterFacts {
    run: Option<serde_json::Value>,
}

fn managers(core: &mut Core) -> i32 {
    core.rng.between(1, 3) as i32
}

/// JVM options: most let the cluster run.
fn options(core: &mut Core) -> &'static str {
    core.rng.weighted(&[(8, "-good"), (2, "-throws"), (1, "-refused")])
}

impl History {
    /// The session cluster that Deployments share.
    pub(crate) fn create_session_cluster(&mut self) {
        let (id, spec) = {
            let mut core = self.core.lock();
            let is_late = core.rng.chance(300);
            if is_late {
                core.coverage.count("session", "created stopped");
            }
            let state =
                if is_late { DesiredClusterState::Stopped } else { DesiredClusterState::Running };
            let spec = SessionClusterSpec {
                state,
                deployment_target_name: "local".to_owned(),
                number_of_task_managers: managers(&mut core),
                ..SessionClusterSpec::default()
            };
            (core.id(), spec)
        };
        let name = SHARED.to_owned();
        let now = self.core.lock().true_time();
        let metadata = Metadata {
            id,
            name,
            namespace: NAMESPACE.to_owned(),
            created_at: now,
            modified_at: now,
            ..Metadata::default()
        };
        let text = describe(&spec);
        let cluster = SessionCluster::new(metadata, spec);
        if self.write(&[Write::Create(row(Kind::SessionCluster, SHARED, id, None, &cluster))]) {
            self.session_cluster = Some(id);
            let mut core = self.core.lock();
            core.has_shared = true;
            core.tell("user", || format!("creates the session cluster: {text}"));
            drop(core);
            self.wake(id);
        }
    }

    /// A user takes a step, and the next one is put on the agenda.
    pub(crate) fn landlord_acts(&mut self) {
        {
            let mut core = self.core.lock();
            if core.now >= self.storm_ends {
                return;
            }
            let after = core.rng.between(SECOND, 25 * SECOND);
            core.schedule(after, Entry::Landlord);
        }
        self.step_to_goal();
    }

    fn step_to_goal(&mut self) {
        let Some((object, cluster)) = self.shared() else {
            if self.session_cluster.is_none() && self.core.lock().rng.chance(600) {
                self.create_session_cluster();
            }
            return;
        };
        let is_stopped = cluster.spec.state == DesiredClusterState::Stopped;
        let is_done = match self.goal {
            Goal::Up => is_stopped && self.edit_cluster(object, &cluster, start),
            Goal::Scale => self.edit_cluster(object, &cluster, scale),
            Goal::Down => is_stopped || self.stop(object, &cluster),
            Goal::Restart if !is_stopped => {
                self.stop(object, &cluster);
                false
            }
            Goal::Restart => self.change_and_start(object, &cluster),
            Goal::Replace if !is_stopped => {
                self.stop(object, &cluster);
                false
            }
            Goal::Replace => self.delete_cluster(&object, &cluster),
        };
        let mut core = self.core.lock();
        // Users lose patience now and then.
        if is_done || core.rng.chance(80) || self.goal == Goal::Up {
            self.goal = core.rng.weighted(&GOALS);
        }
    }

    fn shared(&self) -> Option<(Object, SessionCluster)> {
        let object = self.read(Kind::SessionCluster, self.session_cluster?)?;
        let cluster = object.decode().ok()?;
        Some((object, cluster))
    }

    fn edit_cluster(
        &mut self,
        mut object: Object,
        before: &SessionCluster,
        change: impl FnOnce(&mut Core, &mut SessionClusterSpec),
    ) -> bool {
        let mut cluster = before.clone();
        change(&mut self.core.lock(), &mut cluster.spec);
        if cluster.spec == before.spec {
            return true;
        }
        cluster.metadata.resource_version += 1;
        cluster.metadata.modified_at = self.core.lock().true_time();
        let (id, revision) = (object.id, object.revision);
        if object.encode(&cluster).is_err() || !self.write(&[Write::Update(object, revision)]) {
            return false;
        }
        let mut core = self.core.lock();
        count_edit(&mut core, before, &cluster.spec);
        core.tell("user", || format!("edits the session cluster: {}", describe(&cluster.spec)));
        drop(core);
        self.wake(id);
        true
    }

    /// Stops it unless a Deployment is active there; then that one is sent away first.
    fn stop(&mut self, object: Object, cluster: &SessionCluster) -> bool {
        let keeper =
            self.ties().into_iter().find(|(_, tie)| cluster.is_kept_by(*tie)).map(|(id, _)| id);
        let Some(keeper) = keeper else {
            return self
                .edit_cluster(object, cluster, |_, s| s.state = DesiredClusterState::Stopped);
        };
        self.core.lock().coverage.count("session", "stop refused");
        if self.core.lock().rng.chance(800) {
            self.edit(keeper, send_away);
        }
        false
    }

    fn change_and_start(&mut self, object: Object, cluster: &SessionCluster) -> bool {
        let is_at_rest = cluster.is_at_rest();
        if !is_at_rest && self.core.lock().rng.chance(700) {
            return false;
        }
        self.edit_cluster(object, cluster, |core, spec| {
            if is_at_rest && core.rng.chance(700) {
                let options = options(core);
                spec.flink_configuration.insert(OPTIONS.to_owned(), options.to_owned());
                let name = if core.rng.chance(100) { "nowhere" } else { "local" };
                spec.deployment_target_name = name.to_owned();
            }
            start(core, spec);
        })
    }

    /// Deletes it when it is at rest and nothing refers to it.
    fn delete_cluster(&mut self, object: &Object, cluster: &SessionCluster) -> bool {
        let tied = self.ties().into_iter().find(|(_, tie)| tie.exists());
        if let Some((id, _)) = tied {
            self.edit(id, |_, deployment| share(&mut deployment.spec, false));
            return false;
        }
        let facts: ClusterFacts = object.decode_facts().unwrap_or_default();
        if !cluster.is_at_rest() || facts.run.is_some() {
            return false;
        }
        let (kind, id) = (Kind::SessionCluster, object.id);
        if !self.write(&[Write::Delete { kind, id, revision: object.revision }]) {
            return false;
        }
        self.session_cluster = None;
        let mut core = self.core.lock();
        core.has_shared = false;
        core.coverage.count("session", "deleted");
        core.tell("user", || format!("deletes the session cluster {}", short(id)));
        drop(core);
        self.wake(id);
        true
    }

    /// What the Deployments have to do with it.
    fn ties(&self) -> Vec<(Uuid, Tie)> {
        let has_job = |id: Uuid| {
            let filter = Filter { owner: Some(id), ..Filter::default() };
            let jobs = now_or_never(self.store.list(Kind::Job, &filter)).and_then(Result::ok);
            jobs.unwrap_or_default().iter().filter(|row| row.open).any(|row| {
                let facts: Option<JobFacts> = row.decode_facts().ok();
                let session = facts.and_then(|f| f.session);
                session.is_some_and(|s| {
                    s.name == SHARED && s.orphaned_at.is_none() && s.late.is_none()
                })
            })
        };
        let mut ties = Vec::new();
        for id in &self.deployments {
            let row = self.read(Kind::Deployment, *id);
            let Some(row) = row else { continue };
            let (Ok(d), Ok(facts)) = (row.decode::<Deployment>(), row.decode_facts()) else {
                continue;
            };
            let facts: DeploymentFacts = facts;
            let has_news = facts.explanation.spec_version < d.spec_version();
            ties.push((*id, Tie::of(&d, SHARED, has_job(*id), has_news)));
        }
        ties
    }

    /// The last wish, in calm weather: mostly a cluster that runs, with slots for all.
    pub(crate) fn last_wish_of_cluster(&mut self) {
        let Some((object, cluster)) = self.shared() else { return };
        let needed: i32 = self.slots_needed();
        let floor = (needed + SLOTS as i32 - 1) / SLOTS as i32;
        let fits = move |core: &mut Core, spec: &mut SessionClusterSpec| {
            spec.number_of_task_managers = managers(core).max(floor);
        };
        let (is_mended, is_down) = {
            let mut core = self.core.lock();
            (core.rng.chance(850), core.rng.chance(100))
        };
        let is_stopped = cluster.spec.state == DesiredClusterState::Stopped;
        let is_broken = cluster.status.state == ClusterState::Failed || is_stopped;
        if is_broken && is_mended {
            if !is_stopped {
                // A second step starts it again.
                self.core.lock().schedule(5 * SECOND, Entry::Mend);
                self.stop(object, &cluster);
                return;
            }
            if !cluster.is_at_rest() {
                self.core.lock().schedule(5 * SECOND, Entry::Mend);
                return;
            }
            let is_written = self.edit_cluster(object, &cluster, |core, spec| {
                fits(core, spec);
                spec.flink_configuration.clear();
                spec.deployment_target_name = "local".to_owned();
                start(core, spec);
            });
            if is_written {
                self.core.lock().coverage.count("session", "mended in calm weather");
            }
            return;
        }
        if is_down && !is_broken && self.stop(object, &cluster) {
            return;
        }
        if let Some((object, cluster)) = self.shared() {
            self.edit_cluster(object, &cluster, fits);
        }
    }

    /// The second step of mending.
    pub(crate) fn mend(&mut self) {
        let Some((_, cluster)) = self.shared() else { return };
        if cluster.spec.state == DesiredClusterState::Running {
            return;
        }
        if !cluster.is_at_rest() {
            return self.core.lock().schedule(MINUTE / 4, Entry::Mend);
        }
        self.last_wish_of_cluster();
    }

    /// Whether this time a user gives a job up that Flink does not cancel.
    pub(crate) fn is_forcing(&self) -> bool {
        let mut core = self.core.lock();
        core.is_session && core.rng.chance(80)
    }

    /// Names the newest Job of a Deployment as the one to give up.
    pub(crate) fn force(&mut self, id: Uuid) {
        let filter = Filter { owner: Some(id), ..Filter::default() };
        let rows = now_or_never(self.store.list(Kind::Job, &filter)).and_then(Result::ok);
        let Some(job) = rows.unwrap_or_default().iter().filter(|j| j.open).map(|j| j.id).max()
        else {
            return;
        };
        self.core.lock().coverage.count("session", "force cancellation asked for");
        self.edit(id, |_, deployment| {
            let key = FORCE_CANCELLATION.to_owned();
            deployment.metadata.annotations.insert(key, job.to_string());
        });
    }

    fn slots_needed(&self) -> i32 {
        let rows = self.deployments.iter().filter_map(|id| self.read(Kind::Deployment, *id));
        let needs = rows.filter_map(|row| row.decode::<Deployment>().ok()).map(|d| {
            let jobs = now_or_never(self.store.open_jobs(NAMESPACE)).and_then(Result::ok);
            let jobs =
                jobs.unwrap_or_default().into_iter().filter(|j| j.owner == Some(d.metadata.id));
            let running = jobs.filter_map(|j| j.decode::<Job>().ok()).map(|j| j.spec.parallelism);
            running.chain(d.spec.template.spec.parallelism).max().unwrap_or(1)
        });
        needs.sum()
    }
}

fn start(_: &mut Core, spec: &mut SessionClusterSpec) {
    spec.state = DesiredClusterState::Running;
}

fn scale(core: &mut Core, spec: &mut SessionClusterSpec) {
    spec.number_of_task_managers = managers(core);
}

/// A Deployment that is in the way goes to rest, or to a cluster of its own.
fn send_away(core: &mut Core, deployment: &mut Deployment) {
    match core.rng.weighted(&[(3, 0), (3, 1), (2, 2)]) {
        0 => deployment.spec.state = DesiredState::Suspended,
        1 => deployment.spec.state = DesiredState::Cancelled,
        _ => share(&mut deployment.spec, false),
    }
}

fn count_edit(core: &mut Core, before: &SessionCluster, after: &SessionClusterSpec) {
    let (was, is) = (before.spec.number_of_task_managers, after.number_of_task_managers);
    let is_serving = matches!(before.status.state, ClusterState::Running | ClusterState::Updating);
    let stopped = before.spec.state == DesiredClusterState::Stopped;
    let is_stopped = after.state == DesiredClusterState::Stopped;
    let kinds = [
        (is_serving && is > was, "scaled up while serving"),
        (is_serving && is < was, "scaled down while serving"),
        (before.status.state == ClusterState::Starting && is != was, "scaled while starting"),
        (!stopped && is_stopped, "stopped"),
        (
            !stopped && is_stopped && before.status.state == ClusterState::Failed,
            "stopped when FAILED",
        ),
        (stopped && !is_stopped, "started"),
        (
            stopped && !is_stopped && before.status.state == ClusterState::Stopping,
            "started while STOPPING",
        ),
    ];
    for (_, name) in kinds.iter().filter(|(is_so, _)| *is_so) {
        core.coverage.count("session", name);
    }
}

fn describe(spec: &SessionClusterSpec) -> String {
    let options = spec.flink_configuration.get(OPTIONS).map_or("", String::as_str);
    let (state, target) = (spec.state, &spec.deployment_target_name);
    format!("{state}, {} TaskManagers, target {target}, {options}", spec.number_of_task_managers)
}
