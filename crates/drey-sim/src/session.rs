//! Session mode in the fake world: clusters that jobs share, programs, submissions.

use drey_model::meta::{Metadata, TextMap};
use drey_model::seen::{Jar, Program, TaskManager};
use drey_model::session_cluster::{DesiredClusterState, SessionClusterSpec};
use drey_model::{DeploymentSpec, Job, Kind, SessionCluster, SessionRun};
use drey_store::Write;
use uuid::Uuid;

use crate::core::{Core, SECOND, short};
use crate::history::{History, row};
use crate::universe::{Behaviour, Change, Cluster, JobManager};
use crate::users::NAMESPACE;

const MILLI: i64 = 1000;
/// The session cluster's name.
const SHARED: &str = "shared";

impl History {
    /// The session cluster that Deployments share; it is wanted for the whole history.
    pub(crate) fn create_session_cluster(&mut self) {
        let id = self.core.lock().id();
        let name = SHARED.to_owned();
        let metadata =
            Metadata { id, name, namespace: NAMESPACE.to_owned(), ..Metadata::default() };
        let spec = SessionClusterSpec {
            state: DesiredClusterState::Running,
            deployment_target_name: "local".to_owned(),
            ..SessionClusterSpec::default()
        };
        let cluster = SessionCluster::new(metadata, spec);
        self.write(&[Write::Create(row(Kind::SessionCluster, SHARED, id, None, &cluster))]);
        self.session_cluster = Some(id);
    }
}

/// On the session cluster, or on a cluster of its own.
pub(crate) fn share(spec: &mut DeploymentSpec, is_shared: bool) {
    spec.session_cluster_name = is_shared.then(|| SHARED.to_owned());
    spec.deployment_target_name = (!is_shared).then(|| "local".to_owned());
}

impl Core {
    /// Jobs that were submitted to a cluster.
    pub fn hosted(&self, host: Uuid) -> Vec<Uuid> {
        let jobs = self.universe.clusters.iter().filter(|(_, c)| c.host == Some(host));
        jobs.map(|(id, _)| *id).collect()
    }

    /// Launches a run, once ever, or replaces its lost TaskManagers.
    pub(crate) fn ensure_session(&mut self, run: &SessionRun) {
        if let Some(cluster) = self.universe.clusters.get(&run.id) {
            if cluster.job_manager == JobManager::Alive {
                self.start_managers(run.id);
            }
            return;
        }
        self.tell("backend", || format!("session cluster {} is being prepared", short(run.id)));
        self.universe.clusters.insert(run.id, Cluster::shared(run));
        let after = self.rng.between(20, 1500) * MILLI;
        self.change_in(after, Change::Prepared(run.id));
    }

    /// Fetches a program.
    pub(crate) fn fetch(&mut self, job: &Job) -> Result<(), String> {
        let behaviour = Behaviour::of(job.spec.artifact.jar_uri.as_deref());
        if behaviour.is_refused {
            return Err("this target does not run such programs".to_owned());
        }
        let program = match behaviour.is_missing {
            true => Program::Failed { why: "the artifact cannot be fetched: 404".to_owned() },
            false => Program::Ready {
                path: "/cache/job.jar".into(),
                sha256: job.spec.artifact.jar_uri.clone().unwrap_or_default().replace('/', "-"),
                class: "a.Main".to_owned(),
                args: Vec::new(),
                settings: TextMap::new(),
            },
        };
        self.universe.programs.insert(job.metadata.id, program);
        Ok(())
    }

    /// The TaskManagers that a JobManager knows.
    pub(crate) fn task_managers(&self, run: Uuid) -> Vec<TaskManager> {
        let count = self.universe.clusters.get(&run).map_or(0, |c| c.managers);
        let manager = |n| TaskManager { id: format!("tm-{n}"), slots: 4, free_slots: 4 };
        (0..count).map(manager).collect()
    }

    /// The programs that were uploaded to it.
    pub(crate) fn jars(&self, run: Uuid) -> Vec<Jar> {
        let names = self.universe.jars.get(&run).into_iter().flatten();
        names.map(|name| Jar { id: name.clone(), name: name.clone() }).collect()
    }

    /// Runs a program as a job under the id that it was given, of which there is only ever one.
    pub(crate) fn submit(&mut self, run: Uuid, job: &Job, jar: &str) -> Result<(), &'static str> {
        let id = job.metadata.id;
        if self.universe.clusters.contains_key(&id) {
            return Ok(());
        }
        if !self.universe.jars.get(&run).is_some_and(|names| names.contains(jar)) {
            return Err("no such program");
        }
        let cluster = Cluster::hosted(job, run);
        if cluster.behaviour.throws {
            return Err("main() threw an exception");
        }
        self.tell("flink", || format!("job {} is submitted to {}", short(id), short(run)));
        self.oracle.preparing(id, &cluster, &self.universe);
        self.universe.clusters.insert(id, cluster);
        self.submitted(id);
        if self.rng.chance(self.weather.dawdles) {
            let until = self.now + self.rng.between(SECOND, 20 * SECOND);
            self.universe.flink_out_until.insert(id, until);
        }
        Ok(())
    }
}
