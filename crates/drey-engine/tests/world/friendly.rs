//! A world that cooperates: every effect that was asked for comes about within a few seconds.

use drey_engine::{Action, Quota};
use drey_model::seen::{Cluster, ClusterPhase, FlinkStatus, Operation, Snapshot};
use drey_model::{JobState, SavepointState, Seen};
use jiff::SignedDuration;
use uuid::Uuid;

use super::{Answers, Round, World, cluster, flink_job};

impl World {
    /// Ends all trouble, then lets time pass while everything asked for happens, until nothing is left to do.
    /// Returns what was decided, or `None` if that takes more than `looks_max` looks.
    pub(crate) fn cooperate(&mut self, looks_max: usize) -> Option<Vec<Round>> {
        self.answers = Answers::default();
        self.is_raw = false;
        self.quota = Quota::default();
        self.clear_doubt();
        let mut rounds = Vec::new();
        for _ in 0..looks_max {
            self.serve_session_mode();
            let new = self.settle();
            let is_quiet = new.iter().all(|r| r.actions.is_empty() && r.events.is_empty());
            for action in new.iter().flat_map(|r| &r.actions) {
                self.come_about(action);
            }
            rounds.extend(new);
            self.run_on();
            if is_quiet && self.is_settled() {
                return Some(rounds);
            }
            let soon = self.now + SignedDuration::from_secs(1);
            self.now = self.wake_at.map_or(soon, |at| at.max(soon));
        }
        None
    }

    /// Whether status and desire agree, or a person has to act, and nothing is in progress.
    pub(crate) fn is_settled(&self) -> bool {
        use drey_model::DeploymentState as S;
        let is_open = |state: SavepointState| state == SavepointState::Started;
        self.state() != S::Transitioning
            && !self.savepoints.iter().any(|r| is_open(r.savepoint.status.state))
            && self.jobs.iter().all(|r| r.facts.end.is_none() || r.is_closed())
    }

    /// Every unknown answer becomes one: what is not known to be there is not there.
    fn clear_doubt(&mut self) {
        let pending: Vec<Uuid> = self.jobs.iter().map(drey_engine::JobRecord::id).collect();
        for id in pending {
            let sight = self.sight(id);
            if matches!(sight.cluster, Seen::Unknown { .. }) {
                sight.cluster = cluster(ClusterPhase::Alive, 2);
            }
            if matches!(sight.job, Seen::Unknown { .. }) {
                sight.job = Seen::Present(flink_job(FlinkStatus::Running, 2, 2));
            }
            if matches!(sight.retained, Seen::Unknown { .. }) {
                sight.retained = Seen::Absent;
            }
            for answer in
                sight.operations.values_mut().filter(|a| matches!(a, Seen::Unknown { .. }))
            {
                *answer = Seen::Absent;
            }
            for answer in
                sight.directories.values_mut().filter(|a| matches!(a, Seen::Unknown { .. }))
            {
                *answer = Seen::Absent;
            }
        }
    }

    fn come_about(&mut self, action: &Action) {
        let now = self.now;
        let sight = self.sight(action.job());
        match action {
            Action::EnsureCluster(job) => {
                let managers = u32::try_from(job.spec.number_of_task_managers).unwrap_or(1);
                sight.cluster = cluster(ClusterPhase::Alive, managers);
                sight.job = Seen::Present(flink_job(FlinkStatus::Running, 2, 2));
            }
            Action::Fetch(_) => {}
            Action::Submit(_) => {
                sight.job = Seen::Present(flink_job(FlinkStatus::Running, 2, 2));
            }
            Action::Cancel { .. } => {
                sight.job = Seen::Present(flink_job(FlinkStatus::Canceled, 0, 2));
            }
            Action::RemoveCluster { .. } => sight.cluster = Seen::Absent,
            Action::Snapshot { savepoint, stop, directory, .. } => {
                let location = format!("{directory}/savepoint");
                let done = Operation::Completed { location: location.clone() };
                sight.operations.insert(*savepoint, Seen::Present(done));
                sight
                    .directories
                    .insert(*savepoint, Seen::Present(Snapshot { location, completed_at: now }));
                if *stop {
                    sight.job = Seen::Present(flink_job(FlinkStatus::Finished, 0, 2));
                }
            }
        }
    }

    /// What is under way goes on: jobs that are not at an end run, cancellations end, operations end.
    fn run_on(&mut self) {
        let terminating: Vec<(Uuid, JobState)> = self
            .jobs
            .iter()
            .filter(|r| r.facts.end.is_none())
            .map(|r| (r.id(), r.job.status.state))
            .collect();
        for (id, state) in terminating {
            let sight = self.sight(id);
            match &mut sight.cluster {
                Seen::Present(c) if matches!(c.phase, ClusterPhase::Preparing { .. }) => {
                    c.phase = ClusterPhase::Alive;
                    c.task_managers = 2;
                    sight.job = Seen::Present(flink_job(FlinkStatus::Running, 2, 2));
                }
                Seen::Present(_) | Seen::Absent | Seen::Unknown { .. } => {}
            }
            if let Seen::Present(job) = &mut sight.job {
                let is_cancelling = job.status == FlinkStatus::Cancelling;
                if is_cancelling && state == JobState::Terminating {
                    *job = flink_job(FlinkStatus::Canceled, 0, 2);
                } else if !job.status.is_terminal() {
                    *job = flink_job(FlinkStatus::Running, 2, 2);
                }
            }
            for answer in sight.operations.values_mut() {
                if *answer == Seen::Present(Operation::InProgress) {
                    *answer =
                        Seen::Present(Operation::Failed { why: "it took too long".to_owned() });
                }
            }
        }
    }
}

pub(crate) fn is_alive(cluster: &Seen<Cluster>) -> bool {
    cluster.present().is_some_and(|c| c.phase == ClusterPhase::Alive)
}

pub(super) fn is_dead(cluster: &Seen<Cluster>) -> bool {
    cluster.present().is_some_and(|c| matches!(c.phase, ClusterPhase::Dead { .. }))
}
