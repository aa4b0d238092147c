//! How the fake world changes by itself: clusters come up, jobs run, fail, finish, and write snapshots.

use drey_model::seen::FlinkStatus;
use uuid::Uuid;

use crate::core::{Core, Micros, SECOND, short};
use crate::universe::{Change, Cluster, JobManager, Operation, Origin, Progress, Run, Snapshot};

const MILLI: Micros = 1000;
/// Restarts after which Flink gives a job up.
const RESTARTS_MAX: usize = 4;

impl Core {
    /// Lets a change happen.
    pub fn change(&mut self, change: Change) {
        match change {
            Change::Prepared(id) => self.prepared(id),
            Change::RestUp(id) => self.rest_up(id),
            Change::Submitted(id) => self.submitted(id),
            Change::ManagerUp(id) => self.manager_up(id),
            Change::AllRunning(id) => self.all_running(id),
            Change::TaskFails(id) => self.task_fails(id, "a task threw an exception"),
            Change::Checkpoint(id, attempt) => self.checkpoint(id, attempt),
            Change::Finishes(id, attempt) => self.finishes(id, attempt),
            Change::Cancelled(id) => self.cancelled(id),
            Change::Removed(id) => self.removed(id),
            Change::SnapshotWritten(trigger) => self.snapshot_written(trigger),
            Change::OperationEnds(trigger) => self.operation_ends(trigger),
            Change::Registered(run, number) => self.registered(run, number),
            Change::Deregistered(run, number) => self.deregistered(run, number),
            Change::ManagerEnds(run, number) => self.manager_ends(run, number),
        }
        self.oracle.judge_world(&self.universe, self.now);
    }

    /// The cluster while it is wanted.
    fn cluster(&mut self, id: Uuid) -> Option<&mut Cluster> {
        self.universe.clusters.get_mut(&id).filter(|c| !c.is_removed)
    }

    fn alive(&mut self, id: Uuid) -> Option<&mut Cluster> {
        self.cluster(id).filter(|c| c.job_manager == JobManager::Alive)
    }

    fn prepared(&mut self, id: Uuid) {
        let Some(cluster) = self.cluster(id) else { return };
        if cluster.job_manager != JobManager::NotYet || cluster.is_removing {
            return;
        }
        if cluster.behaviour.is_missing {
            cluster.job_manager =
                JobManager::Dead("the artifact cannot be fetched: 404".to_owned());
            cluster.has_ended = true;
            return;
        }
        if self.start_fails(id) {
            return;
        }
        let Some(cluster) = self.cluster(id) else { return };
        cluster.job_manager = JobManager::Alive;
        self.tell("flink", || format!("JobManager of {} is up", short(id)));
        let rest = self.rng.between(50, 800) * MILLI;
        self.change_in(rest, Change::RestUp(id));
        self.start_managers(id);
    }

    /// Starts the TaskManagers that are missing.
    pub fn start_managers(&mut self, id: Uuid) {
        let Some(cluster) = self.alive(id).filter(|c| !c.is_removing) else { return };
        let missing = cluster.wanted.saturating_sub(cluster.managers + cluster.coming);
        cluster.coming += missing;
        for _ in 0..missing {
            let after = self.rng.between(50, 1500) * MILLI;
            self.change_in(after, Change::ManagerUp(id));
        }
    }

    fn rest_up(&mut self, id: Uuid) {
        if let Some(cluster) = self.alive(id) {
            cluster.is_rest_up = true;
            let after = self.rng.between(20, 600) * MILLI;
            self.change_in(after, Change::Submitted(id));
        }
    }

    pub(crate) fn submitted(&mut self, id: Uuid) {
        let now = self.now;
        let Some(cluster) = self.alive(id).filter(|c| !c.is_submitted) else { return };
        cluster.is_submitted = true;
        let cluster = cluster.clone();
        let restored =
            cluster.restore.as_deref().map(|location| self.universe.at(location).cloned());
        let why = match &restored {
            _ if cluster.behaviour.throws => Some("main() threw an exception".to_owned()),
            Some(None) => Some("Cannot find checkpoint or savepoint".to_owned()),
            Some(Some(_)) if cluster.behaviour.is_incompatible && !cluster.allows_loss => {
                Some("Cannot map checkpoint/savepoint state to the new program".to_owned())
            }
            Some(Some(_)) | None => None,
        };
        let records = restored.flatten().map_or(0, |s| s.records);
        let mut run = Run::new(records, cluster.wanted * 2);
        let has_failed = why.is_some();
        if has_failed {
            run.status = FlinkStatus::Failed;
            run.cause = why;
        }
        self.tell("flink", || {
            format!("job {} is {} with {records} records", short(id), run.status)
        });
        let dies = has_failed && cluster.host.is_none() && self.rng.chance(400);
        if let Some(cluster) = self.alive(id) {
            cluster.run = Some(run);
            cluster.has_ended |= has_failed;
        }
        if dies {
            self.kill_job_manager(id, "exit code 2");
        }
        self.oracle.launched(id, &self.universe, now);
        self.try_to_run(id);
    }

    fn manager_up(&mut self, id: Uuid) {
        if let Some(cluster) = self.alive(id).filter(|c| c.coming > 0) {
            cluster.coming -= 1;
            cluster.managers += 1;
            if self.universe.hosts.contains_key(&id) {
                return self.host_manager_up(id);
            }
            self.try_to_run(id);
        }
    }

    /// Runs the tasks of a job that waits for slots and has them.
    pub fn try_to_run(&mut self, id: Uuid) {
        let Some(cluster) = self.alive(id) else { return };
        let Some(run) = &cluster.run else { return };
        let waits = matches!(run.status, FlinkStatus::Created | FlinkStatus::Restarting);
        if waits && !cluster.behaviour.is_starved && self.take_slots(id) {
            let after = self.rng.between(10, 300) * MILLI;
            self.change_in(after, Change::AllRunning(id));
        }
    }

    fn all_running(&mut self, id: Uuid) {
        let now = self.now;
        let is_calm = self.weather.is_calm;
        let has_slots = self.take_slots(id);
        let Some(cluster) = self.alive(id) else { return };
        let behaviour = cluster.behaviour;
        let Some(run) = &mut cluster.run else { return };
        let waits = matches!(run.status, FlinkStatus::Created | FlinkStatus::Restarting);
        if !waits || !has_slots {
            return;
        }
        run.about_to_change(now);
        run.status = FlinkStatus::Running;
        run.running = run.total;
        run.counting_since = Some(now);
        run.is_stopping = false;
        run.attempt += 1;
        let attempt = run.attempt;
        let after = self.rng.between(2, 30) * SECOND;
        self.change_in(after, Change::Checkpoint(id, attempt));
        if behaviour.is_flaky && !is_calm && self.rng.chance(600) {
            let after = self.rng.between(1, 60) * SECOND;
            self.change_in(after, Change::TaskFails(id));
        }
        if behaviour.is_finite {
            let after = self.rng.between(5, 90) * SECOND;
            self.change_in(after, Change::Finishes(id, attempt));
        }
    }

    /// A task fails: Flink restarts the job, or gives it up.
    pub fn task_fails(&mut self, id: Uuid, why: &str) {
        let now = self.now;
        let Some(cluster) = self.alive(id) else { return };
        let Some(run) = cluster.run.as_mut().filter(|r| r.status == FlinkStatus::Running) else {
            return;
        };
        run.about_to_change(now);
        run.running = 0;
        run.counting_since = None;
        run.records = run.safe_records;
        run.failures.push(now);
        run.cause = Some(why.to_owned());
        run.is_stopping = false;
        let is_over = run.failures.len() > RESTARTS_MAX;
        run.status = if is_over { FlinkStatus::Failed } else { FlinkStatus::Restarting };
        cluster.has_ended |= is_over;
        let status = if is_over { "FAILED" } else { "RESTARTING" };
        self.tell("flink", || format!("job {} is {status}: {why}", short(id)));
        self.fail_operations(id, "the job is not running any more");
        self.free_slots(id);
        self.try_to_run(id);
    }

    fn checkpoint(&mut self, id: Uuid, attempt: u32) {
        let now = self.now;
        let Some(cluster) = self.alive(id) else { return };
        let deployment = cluster.deployment;
        let Some(run) =
            cluster.run.as_mut().filter(|r| r.attempt == attempt && r.is_fully_running())
        else {
            return;
        };
        let after = 20 * SECOND;
        if run.is_stopping {
            return self.change_in(after, Change::Checkpoint(id, attempt));
        }
        run.checkpoints += 1;
        let number = run.checkpoints;
        let records = run.records_at(now);
        let location = format!("file:///checkpoints/{}/chk-{number}", id.simple());
        let snapshot = Snapshot {
            directory: String::new(),
            location,
            deployment,
            job: Some(id),
            origin: Origin::Checkpoint,
            records,
            completed_at: now,
            is_deleted: false,
        };
        run.safe_records = records;
        run.newest = Some(snapshot.seen());
        self.delete_checkpoints(id);
        self.tell("flink", || {
            format!("job {} completed chk-{number} with {records} records", short(id))
        });
        self.universe.snapshots.push(snapshot);
        self.change_in(after, Change::Checkpoint(id, attempt));
    }

    fn delete_checkpoints(&mut self, id: Uuid) {
        for old in &mut self.universe.snapshots {
            if old.job == Some(id) && old.origin == Origin::Checkpoint {
                old.is_deleted = true;
            }
        }
    }

    /// The job ends by itself or stops: its checkpoints go.
    fn end_well(&mut self, id: Uuid) {
        let now = self.now;
        let Some(cluster) = self.alive(id) else { return };
        let Some(run) = &mut cluster.run else { return };
        run.about_to_change(now);
        run.status = FlinkStatus::Finished;
        run.running = 0;
        run.counting_since = None;
        cluster.has_ended = true;
        self.delete_checkpoints(id);
        self.free_slots(id);
        self.tell("flink", || format!("job {} is FINISHED", short(id)));
    }

    fn finishes(&mut self, id: Uuid, attempt: u32) {
        let Some(cluster) = self.alive(id) else { return };
        if cluster
            .run
            .as_ref()
            .is_some_and(|r| r.attempt == attempt && r.is_fully_running() && !r.is_stopping)
        {
            self.oracle.finished.insert(id);
            self.end_well(id);
            self.fail_operations(id, "the job has finished");
        }
    }

    /// Flink begins to cancel a job. Whether the JobManager knew it.
    pub fn cancel_job(&mut self, id: Uuid) -> bool {
        let now = self.now;
        let Some(run) = self.alive(id).and_then(|c| c.run.as_mut()) else { return false };
        if !run.status.is_terminal() && run.status != FlinkStatus::Cancelling {
            run.about_to_change(now);
            run.status = FlinkStatus::Cancelling;
            run.running = 0;
            run.counting_since = None;
            self.fail_operations(id, "the job is being cancelled");
            if self.hangs_cancelling(id) {
                return true;
            }
            let after = self.rng.between(20, 1500) * MILLI;
            self.change_in(after, Change::Cancelled(id));
        }
        true
    }

    fn cancelled(&mut self, id: Uuid) {
        let now = self.now;
        let Some(cluster) = self.alive(id) else { return };
        if let Some(run) = cluster.run.as_mut().filter(|r| r.status == FlinkStatus::Cancelling) {
            run.about_to_change(now);
            run.status = FlinkStatus::Canceled;
            cluster.has_ended = true;
            self.tell("flink", || format!("job {} is CANCELED", short(id)));
            self.free_slots(id);
        }
    }

    fn removed(&mut self, id: Uuid) {
        if let Some(cluster) = self.universe.clusters.get_mut(&id) {
            cluster.is_removed = true;
            cluster.managers = 0;
            cluster.has_ended = true;
            self.clear_host(id, true);
            self.tell("backend", || format!("cluster {} is gone", short(id)));
            for hosted in self.hosted(id) {
                self.removed(hosted);
            }
        }
    }

    /// The JobManager process ends; its TaskManagers stay.
    pub fn kill_job_manager(&mut self, id: Uuid, why: &str) {
        if let Some(host) = self.alive(id).and_then(|c| c.host) {
            return self.kill_job_manager(host, why);
        }
        self.job_manager_ends(id, why);
        for hosted in self.hosted(id) {
            self.job_manager_ends(hosted, why);
        }
    }

    fn job_manager_ends(&mut self, id: Uuid, why: &str) {
        if let Some(cluster) = self.alive(id) {
            cluster.job_manager = JobManager::Dead(why.to_owned());
            cluster.has_ended = true;
            self.clear_host(id, false);
            self.lose_operations(id);
        }
    }

    /// What was under way is lost with the JobManager's memory of its job.
    fn lose_operations(&mut self, id: Uuid) {
        self.universe.operations.retain(|_, o| o.job != id || o.progress != Progress::InProgress);
    }

    /// A TaskManager process ends.
    pub fn kill_manager(&mut self, id: Uuid) {
        let run = self.alive(id).and_then(|c| c.host).unwrap_or(id);
        if self.universe.hosts.contains_key(&run) {
            return self.kill_one_of(run);
        }
        if let Some(cluster) = self.alive(id).filter(|c| c.managers > 0) {
            cluster.managers -= 1;
            self.task_fails(id, "TaskManager is no longer reachable");
        }
    }

    /// The JobManager no longer knows its job.
    pub fn vanish(&mut self, id: Uuid) {
        if let Some(cluster) = self.alive(id) {
            cluster.run = None;
            cluster.has_ended = true;
            self.lose_operations(id);
            self.free_slots(id);
        }
    }

    fn fail_operations(&mut self, job: Uuid, why: &str) {
        for operation in self.universe.operations.values_mut() {
            if operation.job == job && operation.progress == Progress::InProgress {
                operation.progress = Progress::Failed(why.to_owned());
            }
        }
    }

    /// Flink begins an operation, or goes on with the one that has this trigger id.
    ///
    /// # Errors
    /// When Flink refuses.
    pub fn begin_operation(
        &mut self,
        job: Uuid,
        trigger: Uuid,
        directory: &str,
        is_stop: bool,
    ) -> Result<(), &'static str> {
        if self.universe.operations.get(&trigger).is_some_and(|o| !o.is_forgotten) {
            return Ok(());
        }
        let Some(run) = self.alive(job).and_then(|c| c.run.as_ref()) else {
            return Err("job not found");
        };
        if run.status.is_terminal() {
            return Err("the job has ended");
        }
        let progress = if run.is_fully_running() && !run.is_stopping {
            Progress::InProgress
        } else {
            Progress::Failed("Not all required tasks are currently running".to_owned())
        };
        let runs = progress == Progress::InProgress;
        let directory = directory.to_owned();
        let begun = self.now;
        let operation = Operation { job, is_stop, directory, progress, is_forgotten: false, begun };
        self.universe.operations.insert(trigger, operation);
        self.tell("flink", || format!("operation {} begins (stop: {is_stop})", short(trigger)));
        let hangs = self.weather.savepoint_hangs;
        if runs && self.rng.chance(hangs) {
            self.fault("savepoint hangs", || short(trigger));
        } else if runs {
            let after = self.rng.between(20, 3000) * MILLI;
            self.change_in(after, Change::SnapshotWritten(trigger));
        }
        Ok(())
    }

    fn snapshot_written(&mut self, trigger: Uuid) {
        let now = self.now;
        let Some(operation) = self.universe.operations.get(&trigger).cloned() else { return };
        if operation.progress != Progress::InProgress || self.alive(operation.job).is_none() {
            return;
        }
        if self.rng.chance(self.weather.savepoint_fails) {
            self.fault("savepoint fails", || short(trigger));
            if let Some(o) = self.universe.operations.get_mut(&trigger) {
                o.progress = Progress::Failed("Checkpoint expired before completing".to_owned());
            }
            if self.rng.chance(300) {
                self.task_fails(operation.job, "an operator threw in snapshotState");
            }
            return;
        }
        let Some(cluster) = self.alive(operation.job) else { return };
        let deployment = cluster.deployment;
        let Some(run) = &mut cluster.run else { return };
        if operation.is_stop && run.is_stopping {
            // Flink's tasks allow one synchronous savepoint at a time.
            if let Some(o) = self.universe.operations.get_mut(&trigger) {
                o.progress = Progress::Failed("another stop is in progress".to_owned());
            }
            return;
        }
        run.is_stopping |= operation.is_stop;
        let tail = trigger.simple().to_string();
        let number = self.universe.snapshots.len();
        let location = format!("{}/savepoint-{}-{number}", operation.directory, &tail[26..]);
        let Some(run) = self.alive(operation.job).and_then(|c| c.run.as_ref()) else { return };
        let snapshot = Snapshot {
            location,
            directory: operation.directory.clone(),
            deployment,
            job: Some(operation.job),
            origin: Origin::Savepoint { trigger, is_stop: operation.is_stop },
            records: run.records_at(now),
            completed_at: now,
            is_deleted: false,
        };
        self.tell("flink", || {
            format!(
                "savepoint {} is complete in storage with {} records",
                short(trigger),
                snapshot.records
            )
        });
        self.universe.snapshots.push(snapshot);
        if operation.is_stop && self.rng.chance(self.weather.dies_stopping) {
            self.fault("savepoint completes, jobmanager dies", || short(operation.job));
            return self.kill_job_manager(operation.job, "killed");
        }
        let after = self.rng.between(0, 2000) * MILLI;
        self.change_in(after, Change::OperationEnds(trigger));
    }

    fn operation_ends(&mut self, trigger: Uuid) {
        let Some(operation) = self.universe.operations.get(&trigger).cloned() else { return };
        if operation.progress != Progress::InProgress || self.alive(operation.job).is_none() {
            return;
        }
        let written = self.universe.newest(|s| s.directory == operation.directory);
        let Some(location) = written.map(|s| s.location.clone()) else { return };
        if operation.is_stop && self.rng.chance(self.weather.stop_fails) {
            self.fault("savepoint completes, stop fails", || short(trigger));
            return self.task_fails(operation.job, "the job failed to stop after its savepoint");
        }
        if operation.is_stop {
            self.end_well(operation.job);
            self.fail_operations_but(operation.job, trigger);
        }
        if let Some(o) = self.universe.operations.get_mut(&trigger) {
            o.progress = Progress::Completed(location);
        }
    }

    fn fail_operations_but(&mut self, job: Uuid, trigger: Uuid) {
        for (id, operation) in &mut self.universe.operations {
            if operation.job == job && *id != trigger && operation.progress == Progress::InProgress
            {
                operation.progress = Progress::Failed("the job has stopped".to_owned());
            }
        }
    }
}
