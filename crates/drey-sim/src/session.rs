//! Session mode in the fake world: clusters that jobs share, programs, submissions.

use drey_model::meta::TextMap;
use drey_model::seen::{Jar, Program};
use drey_model::{DeploymentSpec, Job, SessionRun};
use uuid::Uuid;

use crate::core::{Core, MINUTE, SECOND, short};
use crate::host::Host;
use crate::universe::{Behaviour, Change, Cluster, JobManager};

const MILLI: i64 = 1000;
/// The session cluster's name.
pub(crate) const SHARED: &str = "shared";

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

    /// Launches a run, once ever, or starts the TaskManagers that it lacks.
    ///
    /// # Errors
    /// Refused, with a reason.
    pub(crate) fn ensure_session(&mut self, run: &SessionRun) -> Result<(), String> {
        let wanted = u32::try_from(run.spec.number_of_task_managers).unwrap_or(1);
        if let Some(cluster) = self.universe.clusters.get_mut(&run.id) {
            cluster.wanted = wanted;
            if cluster.job_manager == JobManager::Alive {
                self.start_managers(run.id);
            }
            return Ok(());
        }
        let cluster = Cluster::shared(run);
        if cluster.behaviour.is_refused {
            return Err("this target does not run such clusters".to_owned());
        }
        self.tell("backend", || format!("session cluster {} is being prepared", short(run.id)));
        self.oracle.launching(run.id, &cluster, &self.universe);
        let is_deaf = self.rng.chance(self.weather.deaf_managers);
        if is_deaf {
            self.fault("taskmanagers never register", || short(run.id));
        }
        self.universe.clusters.insert(run.id, cluster);
        self.universe.hosts.insert(run.id, Host::new(is_deaf));
        let mut after = self.rng.between(20, 1500) * MILLI;
        if self.rng.chance(self.weather.dawdles) {
            after = self.rng.between(MINUTE, 20 * MINUTE);
            self.fault("preparation slow", || format!("{} s", after / SECOND));
        }
        self.change_in(after, Change::Prepared(run.id));
        Ok(())
    }

    /// Whether the JobManager of a run ends as soon as it was started.
    pub(crate) fn start_fails(&mut self, run: Uuid) -> bool {
        let Some(cluster) = self.universe.clusters.get(&run) else { return true };
        if !self.universe.hosts.contains_key(&run) {
            return false;
        }
        let is_broken = cluster.behaviour.throws;
        if !is_broken && !self.rng.chance(self.weather.cluster_start_fails) {
            return false;
        }
        self.fault("session cluster start fails", || short(run));
        if let Some(cluster) = self.universe.clusters.get_mut(&run) {
            cluster.job_manager = JobManager::Dead("exit code 1".to_owned());
            cluster.has_ended = true;
        }
        true
    }

    /// Whether Flink never cancels this job, on a cluster that it shares.
    pub(crate) fn hangs_cancelling(&mut self, id: Uuid) -> bool {
        let is_shared = self.universe.clusters.get(&id).is_some_and(|c| c.host.is_some());
        let hangs = is_shared && self.rng.chance(self.weather.cancel_hangs);
        if hangs {
            self.fault("cancellation hangs", || short(id));
        }
        hangs
    }

    /// In calm weather Flink cancels what it was asked to.
    pub(crate) fn end_hanging_cancellations(&mut self) {
        let jobs: Vec<Uuid> = self.universe.clusters.keys().copied().collect();
        for id in jobs {
            self.change_in(SECOND, Change::Cancelled(id));
        }
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
