//! The fake backend. Keeps the contract of [`ClusterBackend`] to the letter: a cluster is launched once ever, what is
//! dead stays dead, and after a removal nothing comes.

use drey_cluster::logs::{Chunk, File, Query};
use drey_cluster::{ClusterBackend, Error};
use drey_model::secret::mask::Mask;
use drey_model::seen::{Cluster as SeenCluster, Program, Seen, Snapshot as SeenSnapshot};
use drey_model::{Job, SessionRun};
use uuid::Uuid;

use crate::ask::{Call, Reply, ask};
use crate::core::{Core, MINUTE, Micros, SECOND, Shared, short};
use crate::oracle::Effect;
use crate::universe::{Change, Cluster, JobManager, Origin};

const MILLI: Micros = 1000;

/// The fake backend.
pub struct FakeBackend(pub Shared);

impl FakeBackend {
    fn call(&self, name: &'static str, is_effect: bool) -> Call {
        Call { name, is_effect, out_until: self.0.lock().universe.backend_out_until }
    }

    fn storage_call(&self, name: &'static str) -> Call {
        Call { name, is_effect: false, out_until: self.0.lock().universe.storage_out_until }
    }
}

fn silent(what: &str) -> Error {
    let source = std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time");
    Error::Failed { what: what.to_owned(), source }
}

fn seen<T>(reply: Reply<Option<T>>) -> Seen<T> {
    match reply {
        Reply::Done(Some(value)) => Seen::Present(value),
        Reply::Done(None) => Seen::Absent,
        Reply::Unavailable => Seen::unknown("503"),
        Reply::TimedOut => Seen::unknown("no answer in time"),
    }
}

impl ClusterBackend for FakeBackend {
    async fn ensure(&self, job: &Job) -> Result<(), Error> {
        self.0.lock().intends(&Effect::Ensure(job));
        let job = job.clone();
        let call = self.call("ensure", true);
        match ask(&self.0, call, move |core| core.ensure(&job)).await {
            Reply::Done(Ok(())) => Ok(()),
            Reply::Done(Err(Some(why))) => Err(Error::Refused(why)),
            Reply::Done(Err(None)) | Reply::Unavailable | Reply::TimedOut => {
                Err(silent("starting a cluster"))
            }
        }
    }

    async fn ensure_session(&self, run: &SessionRun) -> Result<(), Error> {
        self.0.lock().intends(&Effect::EnsureSession(run));
        let run = run.clone();
        let call = self.call("ensure-session", true);
        match ask(&self.0, call, move |core| core.ensure_session(&run)).await {
            Reply::Done(Ok(())) => Ok(()),
            Reply::Done(Err(why)) => Err(Error::Refused(why)),
            Reply::Unavailable | Reply::TimedOut => Err(silent("starting a session cluster")),
        }
    }

    async fn release(&self, run: Uuid, task_managers: &[String]) -> Result<(), Error> {
        self.0.lock().intends(&Effect::Release(run, task_managers));
        let names = task_managers.to_vec();
        let call = self.call("release", true);
        match ask(&self.0, call, move |core| core.release(run, &names)).await {
            Reply::Done(()) => Ok(()),
            Reply::Unavailable | Reply::TimedOut => Err(silent("ending TaskManagers")),
        }
    }

    async fn fetch(&self, job: &Job) -> Result<(), Error> {
        let job = job.clone();
        let call = self.call("fetch", true);
        match ask(&self.0, call, move |core| core.fetch(&job)).await {
            Reply::Done(Ok(())) => Ok(()),
            Reply::Done(Err(why)) => Err(Error::Refused(why)),
            Reply::Unavailable | Reply::TimedOut => Err(silent("fetching a program")),
        }
    }

    async fn program(&self, job_id: Uuid) -> Seen<Program> {
        let call = self.call("program", false);
        seen(
            ask(&self.0, call, move |core: &mut Core| core.universe.programs.get(&job_id).cloned())
                .await,
        )
    }

    async fn inspect(&self, job_id: Uuid) -> Seen<SeenCluster> {
        let call = self.call("inspect", false);
        let answer = ask(&self.0, call, move |core: &mut Core| {
            let seen = core.universe.clusters.get(&job_id).and_then(|c| c.seen(job_id));
            core.note_shown(job_id, seen.as_ref());
            seen
        });
        let seen = seen(answer.await);
        self.0.lock().oracle.answered(job_id, "cluster", !matches!(seen, Seen::Unknown { .. }));
        seen
    }

    async fn remove(&self, job_id: Uuid) -> Result<(), Error> {
        self.0.lock().intends(&Effect::Remove(job_id));
        let call = self.call("remove", true);
        match ask(&self.0, call, move |core| core.remove(job_id)).await {
            Reply::Done(()) => Ok(()),
            Reply::Unavailable | Reply::TimedOut => Err(silent("removing a cluster")),
        }
    }

    async fn retained_checkpoint(&self, job: &Job) -> Seen<SeenSnapshot> {
        let id = job.metadata.id;
        let call = self.storage_call("retained-checkpoint");
        let answer = ask(&self.0, call, move |core: &mut Core| {
            let of_job =
                core.universe.newest(|s| s.job == Some(id) && s.origin == Origin::Checkpoint);
            of_job.map(crate::universe::Snapshot::seen)
        });
        seen(answer.await)
    }

    async fn savepoint_in(&self, directory: &str) -> Seen<SeenSnapshot> {
        let directory = directory.to_owned();
        let call = self.storage_call("savepoint-in");
        let answer = ask(&self.0, call, move |core: &mut Core| {
            core.universe.newest(|s| s.directory == directory).map(crate::universe::Snapshot::seen)
        });
        seen(answer.await)
    }

    async fn list(&self) -> Result<Vec<Uuid>, Error> {
        let core = self.0.lock();
        let existing =
            core.universe.clusters.iter().filter(|(_, c)| !c.is_removed && c.host.is_none());
        Ok(existing.map(|(id, _)| *id).collect())
    }

    async fn mask(&self, _: Uuid) -> Result<Mask, Error> {
        Ok(Mask::default())
    }

    async fn log(&self, _: Uuid, query: &Query) -> Result<Chunk, Error> {
        Err(Error::NotFound(query.file.clone()))
    }

    async fn log_files(&self, _: Uuid) -> Result<Vec<File>, Error> {
        Ok(Vec::new())
    }
}

impl Core {
    /// Refused with a reason, or failed this time without one.
    fn ensure(&mut self, job: &Job) -> Result<(), Option<String>> {
        let id = job.metadata.id;
        if let Some(cluster) = self.universe.clusters.get(&id) {
            if cluster.job_manager == JobManager::Alive {
                self.start_managers(id);
            }
            return Ok(());
        }
        if !self.weather.is_calm && self.rng.chance(self.weather.ensure_fails) {
            self.fault("ensure fails", || short(id));
            return Err(None);
        }
        let cluster = Cluster::of(job);
        if cluster.behaviour.is_refused {
            return Err(Some("this target does not run such programs".to_owned()));
        }
        self.tell("backend", || {
            format!("cluster {} is being prepared, to start from {:?}", short(id), cluster.restore)
        });
        self.oracle.preparing(id, &cluster, &self.universe);
        self.universe.clusters.insert(id, cluster);
        let mut after = self.rng.between(20, 1500) * MILLI;
        if self.rng.chance(self.weather.dawdles) {
            after = self.rng.between(MINUTE, 20 * MINUTE);
            self.fault("preparation slow", || format!("{} needs {} s", short(id), after / SECOND));
        }
        self.change_in(after, Change::Prepared(id));
        Ok(())
    }

    fn remove(&mut self, id: Uuid) {
        let tombstone = || Cluster { is_removed: true, ..Cluster::of(&empty_job(id)) };
        let cluster = self.universe.clusters.entry(id).or_insert_with(tombstone);
        if cluster.is_removed || cluster.is_removing {
            return;
        }
        cluster.is_removing = true;
        self.tell("backend", || format!("cluster {} is being removed", short(id)));
        let mut after = self.rng.between(20, 4000) * MILLI;
        if self.rng.chance(self.weather.dawdles) {
            after = self.rng.between(MINUTE, 8 * MINUTE);
            self.fault("removal slow", || format!("{} needs {} s", short(id), after / SECOND));
        }
        self.change_in(after, Change::Removed(id));
    }
}

fn empty_job(id: Uuid) -> Job {
    use drey_model::job::{JobMetadata, JobSpec};
    Job::new(JobMetadata { id, ..JobMetadata::default() }, JobSpec::default())
}
