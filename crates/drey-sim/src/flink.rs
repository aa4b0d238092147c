//! The fake Flink: one JobManager per Job, behind the address that the backend gave out.

use std::path::Path;

use drey_flink::api::Error;
use drey_flink::{FlinkApi, Submission, Trigger};
use drey_model::seen::{FlinkJob, Jar, Operation as SeenOperation, Seen, TaskManager};
use uuid::Uuid;

use crate::ask::{Call, Reply, ask};
use crate::core::{Core, Shared};
use crate::oracle::Effect;
use crate::universe::Progress;

/// The fake Flink.
pub struct FakeFlink(pub Shared);

/// What a JobManager that can be reached says.
enum Answer<T> {
    /// Connection refused.
    Refused,
    /// An answer.
    Says(T),
}

impl FakeFlink {
    pub(crate) fn call(&self, name: &'static str, job: Uuid, is_effect: bool) -> Call {
        let core = self.0.lock();
        let out_until = core.universe.flink_out_until.get(&job).copied().unwrap_or(0);
        Call { name, is_effect, out_until }
    }

    pub(crate) async fn look<T: Send + 'static>(
        &self,
        name: &'static str,
        (rest, job): (&str, Uuid),
        work: impl Fn(&mut Core) -> Option<T> + Send + Sync + 'static,
    ) -> Seen<T> {
        let call = self.call(name, job, false);
        let place = place(rest);
        let answer = ask(&self.0, call, move |core| match reaches(core, place) {
            true => Answer::Says(work(core)),
            false => Answer::Refused,
        });
        match answer.await {
            Reply::Done(Answer::Says(Some(value))) => Seen::Present(value),
            Reply::Done(Answer::Says(None)) => Seen::Absent,
            Reply::Done(Answer::Refused) => Seen::unknown("connection refused"),
            Reply::Unavailable => Seen::unknown("503: leader election"),
            Reply::TimedOut => Seen::unknown("no answer in time"),
        }
    }

    pub(crate) async fn act(
        &self,
        what: &'static str,
        (rest, job): (&str, Uuid),
        work: impl Fn(&mut Core) -> Result<(), &'static str> + Send + Sync + 'static,
    ) -> Result<(), Error> {
        let call = self.call(what, job, true);
        let place = place(rest);
        let answer = ask(&self.0, call, move |core| match reaches(core, place) {
            true => Answer::Says(work(core)),
            false => Answer::Refused,
        });
        let unknown = |why: &str| Err(Error::Unknown { what, why: why.to_owned() });
        match answer.await {
            Reply::Done(Answer::Says(Ok(()))) => Ok(()),
            Reply::Done(Answer::Says(Err(why))) => {
                Err(Error::Refused { what, why: why.to_owned() })
            }
            Reply::Done(Answer::Refused) => unknown("connection refused"),
            Reply::Unavailable => unknown("503: leader election"),
            Reply::TimedOut => unknown("no answer in time"),
        }
    }
}

/// The cluster behind an address: a Job's own, or one that it shares.
pub(crate) fn place(rest: &str) -> Uuid {
    rest.strip_prefix("http://").and_then(|id| id.parse().ok()).unwrap_or_default()
}

fn reaches(core: &Core, place: Uuid) -> bool {
    core.universe.clusters.get(&place).is_some_and(crate::universe::Cluster::answers)
}

impl FlinkApi for FakeFlink {
    async fn job(&self, rest: &str, job_id: Uuid) -> Seen<FlinkJob> {
        let seen = self.look("job", (rest, job_id), move |core| {
            let run = core.universe.clusters.get(&job_id)?.run.clone()?;
            let stale =
                core.rng.chance(core.weather.stale).then(|| run.stale_view(core.now)).flatten();
            if stale.is_some() {
                core.fault("stale answer", || "job".to_owned());
            }
            Some(stale.unwrap_or_else(|| run.view()))
        });
        let seen = seen.await;
        self.0.lock().oracle.answered(job_id, "job", !matches!(seen, Seen::Unknown { .. }));
        seen
    }

    async fn operation(&self, rest: &str, job_id: Uuid, trigger_id: Uuid) -> Seen<SeenOperation> {
        self.look("operation", (rest, job_id), move |core| {
            let operation =
                core.universe.operations.get(&trigger_id).filter(|o| !o.is_forgotten)?;
            Some(match operation.progress.clone() {
                Progress::InProgress => SeenOperation::InProgress,
                Progress::Completed(location) => SeenOperation::Completed { location },
                Progress::Failed(why) => SeenOperation::Failed { why },
            })
        })
        .await
    }

    async fn savepoint(&self, rest: &str, t: &Trigger) -> Result<(), Error> {
        self.0.lock().intends(&Effect::Snapshot(t, false));
        let (job, t) = (t.job_id, t.clone());
        let work = move |core: &mut Core| {
            core.begin_operation(t.job_id, t.trigger_id, &t.directory, false)
        };
        self.act("take a savepoint", (rest, job), work).await
    }

    async fn stop(&self, rest: &str, t: &Trigger, _drain: bool) -> Result<(), Error> {
        self.0.lock().intends(&Effect::Snapshot(t, true));
        let (job, t) = (t.job_id, t.clone());
        let work =
            move |core: &mut Core| core.begin_operation(t.job_id, t.trigger_id, &t.directory, true);
        self.act("stop with a savepoint", (rest, job), work).await
    }

    async fn cancel(&self, rest: &str, job_id: Uuid) -> Result<(), Error> {
        self.0.lock().intends(&Effect::Cancel(job_id));
        let work = move |core: &mut Core| {
            if core.cancel_job(job_id) { Ok(()) } else { Err("job not found") }
        };
        self.act("cancel the job", (rest, job_id), work).await
    }

    async fn task_managers(&self, rest: &str) -> Seen<Vec<TaskManager>> {
        let run = place(rest);
        let seen = self
            .look("task-managers", (rest, run), move |core| Some(core.task_managers(run)))
            .await;
        let is_answer = !matches!(seen, Seen::Unknown { .. });
        self.0.lock().oracle.answered(run, "task-managers", is_answer);
        seen
    }

    async fn jars(&self, rest: &str) -> Seen<Vec<Jar>> {
        let run = place(rest);
        self.look("jars", (rest, run), move |core| Some(core.jars(run))).await
    }

    async fn upload(&self, rest: &str, _: &Path, name: &str) -> Result<String, Error> {
        let (run, jar) = (place(rest), name.to_owned());
        let work = move |core: &mut Core| {
            core.universe.jars.entry(run).or_default().insert(jar.clone());
            Ok(())
        };
        self.act("upload", (rest, run), work).await.map(|()| name.to_owned())
    }

    async fn delete_jar(&self, rest: &str, jar: &str) -> Result<(), Error> {
        let (run, jar) = (place(rest), jar.to_owned());
        let work = move |core: &mut Core| {
            core.coverage.count("session", "program deleted");
            core.universe.jars.entry(run).or_default().remove(&jar);
            Ok(())
        };
        self.act("delete a program", (rest, run), work).await
    }

    async fn run(&self, rest: &str, s: Submission<'_>) -> Result<(), Error> {
        self.0.lock().intends(&Effect::Submit(s.job));
        let (run, job, jar) = (place(rest), s.job.clone(), s.jar.to_owned());
        let id = job.metadata.id;
        let work = move |core: &mut Core| core.submit(run, &job, &jar);
        match self.act("run the job", (rest, id), work).await {
            Err(Error::Refused { what, why }) if why == "no such program" => {
                Err(Error::NotAsked { what, why })
            }
            other => other,
        }
    }
}
