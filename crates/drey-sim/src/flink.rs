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
    fn call(&self, name: &'static str, job: Uuid, is_effect: bool) -> Call {
        let core = self.0.lock();
        let out_until = core.universe.flink_out_until.get(&job).copied().unwrap_or(0);
        Call { name, is_effect, out_until }
    }

    async fn look<T: Send + 'static>(
        &self,
        name: &'static str,
        job: Uuid,
        work: impl Fn(&mut Core) -> Option<T> + Send + Sync + 'static,
    ) -> Seen<T> {
        let call = self.call(name, job, false);
        let answer = ask(&self.0, call, move |core| match reaches(core, job) {
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

    async fn act(
        &self,
        what: &'static str,
        job: Uuid,
        work: impl Fn(&mut Core) -> Result<(), &'static str> + Send + Sync + 'static,
    ) -> Result<(), Error> {
        let call = self.call(what, job, true);
        let answer = ask(&self.0, call, move |core| match reaches(core, job) {
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

fn reaches(core: &Core, job: Uuid) -> bool {
    core.universe.clusters.get(&job).is_some_and(crate::universe::Cluster::answers)
}

impl FlinkApi for FakeFlink {
    async fn job(&self, _: &str, job_id: Uuid) -> Seen<FlinkJob> {
        let seen = self.look("job", job_id, move |core| {
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

    async fn operation(&self, _: &str, job_id: Uuid, trigger_id: Uuid) -> Seen<SeenOperation> {
        self.look("operation", job_id, move |core| {
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

    async fn savepoint(&self, _: &str, t: &Trigger) -> Result<(), Error> {
        self.0.lock().intends(&Effect::Snapshot(t, false));
        let (job, t) = (t.job_id, t.clone());
        let work = move |core: &mut Core| {
            core.begin_operation(t.job_id, t.trigger_id, &t.directory, false)
        };
        self.act("take a savepoint", job, work).await
    }

    async fn stop(&self, _: &str, t: &Trigger, _drain: bool) -> Result<(), Error> {
        self.0.lock().intends(&Effect::Snapshot(t, true));
        let (job, t) = (t.job_id, t.clone());
        let work =
            move |core: &mut Core| core.begin_operation(t.job_id, t.trigger_id, &t.directory, true);
        self.act("stop with a savepoint", job, work).await
    }

    async fn cancel(&self, _: &str, job_id: Uuid) -> Result<(), Error> {
        self.0.lock().intends(&Effect::Cancel(job_id));
        let work = move |core: &mut Core| {
            if core.cancel_job(job_id) { Ok(()) } else { Err("job not found") }
        };
        self.act("cancel the job", job_id, work).await
    }

    async fn task_managers(&self, _: &str) -> Seen<Vec<TaskManager>> {
        Seen::Present(Vec::new())
    }

    async fn jars(&self, _: &str) -> Seen<Vec<Jar>> {
        Seen::Present(Vec::new())
    }

    async fn upload(&self, _: &str, _: &Path, name: &str) -> Result<String, Error> {
        Ok(name.to_owned())
    }

    async fn delete_jar(&self, _: &str, _: &str) -> Result<(), Error> {
        Ok(())
    }

    async fn run(&self, _: &str, _: Submission<'_>) -> Result<(), Error> {
        Err(Error::Refused { what: "run", why: "histories have no session clusters".to_owned() })
    }
}
