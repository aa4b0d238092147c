//! What goes wrong by itself, when the agenda says so.

use uuid::Uuid;

use crate::ask::LATEST;
use crate::core::{Core, Entry, MINUTE, SECOND, short};
use crate::history::History;
use crate::universe::{Cluster, Progress};
use crate::wait::now_or_never;
use crate::weather::Mishap;

impl History {
    /// Something bad happens, and the next time is put on the agenda.
    pub(crate) fn mishap(&mut self) {
        let (mishap, replica) = {
            let mut core = self.core.lock();
            if core.weather.mishap_every == 0 {
                return;
            }
            let every = core.weather.mishap_every * SECOND;
            let after = core.rng.between(every / 4, 2 * every);
            core.schedule(after, Entry::Mishap);
            let mishaps = core.weather.mishaps.clone();
            let replicas = if core.weather.is_replicated { 2 } else { 1 };
            (core.rng.weighted(&mishaps), core.rng.below(replicas) as usize)
        };
        match mishap {
            Mishap::Crash => {
                self.core.lock().fault("crash", || format!("of replica {replica}"));
                self.crash(replica);
            }
            Mishap::LeaderPaused => {
                let mut core = self.core.lock();
                let pause = core.rng.between(10 * SECOND, 2 * MINUTE);
                self.replicas[replica].paused_until = core.now + pause;
                core.fault("leader paused", || {
                    format!("replica {replica} for {} s", pause / SECOND)
                });
            }
            Mishap::ClockForward | Mishap::ClockBack => self.core.lock().jump(mishap, replica),
            Mishap::DiskFull | Mishap::DiskReadOnly => self.core.lock().break_store(mishap),
            Mishap::BackendUnreachable | Mishap::StorageUnreachable | Mishap::FlinkUnreachable => {
                self.core.lock().cut_off(mishap);
            }
            Mishap::JobManagerKilled
            | Mishap::TaskManagerKilled
            | Mishap::TaskFails
            | Mishap::CancelledOutside
            | Mishap::JobVanishes
            | Mishap::ResultsForgotten => self.core.lock().hurt(mishap),
        }
    }
}

impl Core {
    fn jump(&mut self, mishap: Mishap, replica: usize) {
        let most = if self.rng.chance(300) { 20 * MINUTE } else { MINUTE };
        let by = self.rng.between(SECOND, most);
        let (by, name) = match mishap {
            Mishap::ClockForward => (by, "clock forward"),
            _ => (-by, "clock back"),
        };
        self.clocks[replica] += by;
        self.set_back += (-by).max(0);
        self.oracle.has_jumped = true;
        self.fault(name, || format!("replica {replica} by {} s", by / SECOND));
    }

    fn cut_off(&mut self, mishap: Mishap) {
        let most = if self.rng.chance(300) { 7 * MINUTE } else { 40 * SECOND };
        let until = self.now + self.rng.between(SECOND, most);
        let seconds = (until - self.now) / SECOND;
        match mishap {
            Mishap::BackendUnreachable => {
                self.universe.backend_out_until = until;
                self.fault("backend unreachable", || format!("for {seconds} s"));
            }
            Mishap::StorageUnreachable => {
                self.universe.storage_out_until = until;
                self.fault("storage unreachable", || format!("for {seconds} s"));
            }
            _ => {
                let jobs = self.universe.running_jobs();
                if jobs.is_empty() {
                    return;
                }
                let job = self.rng.pick(&jobs);
                self.universe.flink_out_until.insert(job, until);
                self.fault("flink unreachable", || format!("{} for {seconds} s", short(job)));
            }
        }
    }

    /// A session cluster is hit whether or not a job runs there.
    fn hurt_session_cluster(&mut self, mishap: Mishap) -> bool {
        let is_up = |id: &&Uuid| self.universe.clusters.get(id).is_some_and(Cluster::answers);
        let Some(run) = self.universe.hosts.keys().find(is_up).copied() else { return false };
        match mishap {
            Mishap::JobManagerKilled => {
                self.fault("session jobmanager killed", || short(run));
                self.kill_job_manager(run, "killed by signal 9");
            }
            Mishap::TaskManagerKilled => {
                self.fault("session taskmanager killed", || short(run));
                self.kill_one_of(run);
            }
            _ => return false,
        }
        true
    }

    fn hurt(&mut self, mishap: Mishap) {
        if self.is_session && self.rng.chance(400) && self.hurt_session_cluster(mishap) {
            return;
        }
        let jobs = self.universe.running_jobs();
        if jobs.is_empty() {
            return;
        }
        let id = self.rng.pick(&jobs);
        match mishap {
            Mishap::JobManagerKilled => {
                self.fault("jobmanager killed", || short(id));
                self.kill_job_manager(id, "killed by signal 9");
            }
            Mishap::TaskManagerKilled => {
                self.fault("taskmanager killed", || short(id));
                self.kill_manager(id);
            }
            Mishap::TaskFails => {
                self.fault("task failed", || short(id));
                self.task_fails(id, "a task threw an exception");
            }
            Mishap::CancelledOutside => {
                self.fault("cancelled from outside", || short(id));
                self.cancel_job(id);
            }
            Mishap::JobVanishes => {
                self.fault("job vanished", || short(id));
                self.vanish(id);
            }
            _ => {
                // Flink remembers for five minutes, which is longer than any request is under way.
                let long_ago = self.now - LATEST;
                let all = self.universe.operations.values_mut().filter(|o| o.job == id);
                let mut count = 0;
                for operation in
                    all.filter(|o| o.progress != Progress::InProgress && o.begun < long_ago)
                {
                    operation.is_forgotten = true;
                    count += 1;
                }
                if count > 0 {
                    self.fault("results forgotten", || format!("{count} of {}", short(id)));
                }
            }
        }
    }

    /// The database cannot be written for a while: really, by means of SQLite itself.
    fn break_store(&mut self, mishap: Mishap) {
        let (sql, name) = match mishap {
            Mishap::DiskFull => ("PRAGMA max_page_count = 1", "disk full"),
            _ => ("PRAGMA query_only = ON", "disk read-only"),
        };
        let after = self.rng.between(SECOND, 2 * MINUTE);
        self.fault(name, || format!("for {} s", after / SECOND));
        self.run_sql(sql);
        self.oracle.is_store_broken = true;
        self.schedule(after, Entry::Deliver(Box::new(Self::repair_store)));
    }

    /// The database can be written again.
    pub(crate) fn repair_store(&mut self) {
        self.run_sql("PRAGMA max_page_count = 1073741823");
        self.run_sql("PRAGMA query_only = OFF");
        self.oracle.is_store_broken = false;
    }

    fn run_sql(&mut self, sql: &'static str) {
        match now_or_never(self.store.raw(sql)) {
            Some(Ok(())) => {}
            other => self.oracle.object("simulator", || format!("{sql}: {other:?}")),
        }
    }
}
