//! The small world of the model: clusters, jobs, operations, snapshots; each step is one that the search chooses.

use drey_engine::Observation;
use drey_model::seen::{
    Cluster as SeenCluster, ClusterPhase, FlinkJob, FlinkStatus, Operation, Seen,
    Snapshot as SeenSnapshot,
};
use jiff::Timestamp;
use uuid::Uuid;

/// How far the processes of a Job are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Phase {
    Preparing,
    Alive,
    Dead,
    Gone,
}

/// The processes of a Job and its Flink job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// The Job.
    pub id: Uuid,
    /// How far.
    pub phase: Phase,
    /// Whether it is being removed.
    pub is_removing: bool,
    /// Flink's word; `None` before the job was submitted.
    pub job: Option<FlinkStatus>,
    /// Its newest checkpoint.
    pub checkpoint: Option<SeenSnapshot>,
    /// How many it completed.
    pub checkpoints: u8,
}

impl Cluster {
    /// Whether its tasks may write.
    #[must_use]
    pub fn is_live(&self) -> bool {
        let has_process = matches!(self.phase, Phase::Alive | Phase::Dead);
        has_process && self.job.is_some_and(|s| !s.is_terminal())
    }
}

/// How far an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Progress {
    Begun,
    Written,
    Done,
    Failed,
}

/// A stop under a trigger id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// Trigger id.
    pub id: Uuid,
    /// The Job.
    pub job: Uuid,
    /// Where to.
    pub directory: String,
    /// How far.
    pub progress: Progress,
}

/// A complete snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// As seen.
    pub seen: SeenSnapshot,
    /// Of this Job.
    pub job: Uuid,
    /// The savepoint's own directory; `None`: a checkpoint.
    pub directory: Option<String>,
    /// Whether its operation failed all the same.
    pub is_disowned: bool,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct World {
    /// In order of launch.
    pub clusters: Vec<Cluster>,
    /// In order of request.
    pub stops: Vec<Stop>,
    /// In order of completion.
    pub snapshots: Vec<Snapshot>,
}

/// What the world can do next; a number says to which cluster or stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Move {
    ComesUp(u8),
    Submits(u8),
    Runs(u8),
    Checkpoints(u8),
    IsCancelled(u8),
    IsGone(u8),
    Writes(u8),
    Ends(u8),
    // What goes wrong.
    Dies(u8),
    JobFails(u8),
    StopFails(u8),
}

impl Move {
    /// Whether it costs one of the failures.
    #[must_use]
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Dies(_) | Self::JobFails(_) | Self::StopFails(_))
    }

    /// To which cluster or stop.
    fn place(self) -> u8 {
        match self {
            Self::ComesUp(n)
            | Self::Submits(n)
            | Self::Runs(n)
            | Self::Checkpoints(n)
            | Self::IsCancelled(n)
            | Self::IsGone(n)
            | Self::Writes(n)
            | Self::Ends(n)
            | Self::Dies(n)
            | Self::JobFails(n)
            | Self::StopFails(n) => n,
        }
    }

    /// Whether time waits for it.
    #[must_use]
    pub fn is_due(self) -> bool {
        !self.is_failure() && !matches!(self, Self::Checkpoints(_))
    }
}

impl World {
    /// The cluster of a Job.
    pub fn cluster(&self, id: Uuid) -> Option<&Cluster> {
        self.clusters.iter().find(|c| c.id == id)
    }

    fn cluster_mut(&mut self, id: Uuid) -> Option<&mut Cluster> {
        self.clusters.iter_mut().find(|c| c.id == id)
    }

    /// Everything that can happen next.
    #[must_use]
    pub fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        for (n, c) in (0_u8..).zip(&self.clusters) {
            match (c.phase, c.job) {
                (Phase::Preparing, _) if !c.is_removing => moves.push(Move::ComesUp(n)),
                (Phase::Alive, None) => moves.extend([Move::Submits(n), Move::Dies(n)]),
                (Phase::Alive, Some(FlinkStatus::Created)) => {
                    moves.extend([Move::Runs(n), Move::Dies(n), Move::JobFails(n)]);
                }
                (Phase::Alive, Some(FlinkStatus::Running)) => {
                    moves.extend([Move::Dies(n), Move::JobFails(n)]);
                    let is_stopping =
                        self.stops.iter().any(|s| s.job == c.id && s.progress == Progress::Written);
                    let has_failed =
                        self.stops.iter().any(|s| s.job == c.id && s.progress == Progress::Failed);
                    let most = if has_failed { 2 } else { 1 };
                    if c.checkpoints < most && !is_stopping {
                        moves.push(Move::Checkpoints(n));
                    }
                }
                (Phase::Alive, Some(FlinkStatus::Cancelling)) => {
                    moves.extend([Move::IsCancelled(n), Move::Dies(n)]);
                }
                _ => {}
            }
            if c.is_removing && c.phase != Phase::Gone {
                moves.push(Move::IsGone(n));
            }
        }
        for (n, s) in (0_u8..).zip(&self.stops) {
            let is_running = self
                .cluster(s.job)
                .is_some_and(|c| c.phase == Phase::Alive && c.job == Some(FlinkStatus::Running));
            match s.progress {
                Progress::Begun if is_running => {
                    moves.extend([Move::Writes(n), Move::StopFails(n)]);
                }
                Progress::Written if is_running => {
                    moves.extend([Move::Ends(n), Move::StopFails(n)]);
                }
                _ => {}
            }
        }
        moves
    }

    /// Lets something happen.
    pub fn apply(&mut self, m: Move, now: Timestamp) {
        let place = usize::from(m.place());
        match m {
            Move::ComesUp(_) => self.clusters[place].phase = Phase::Alive,
            Move::Submits(_) => self.clusters[place].job = Some(FlinkStatus::Created),
            Move::Runs(_) => self.clusters[place].job = Some(FlinkStatus::Running),
            Move::Checkpoints(_) => {
                let id = self.clusters[place].id;
                self.clusters[place].checkpoints += 1;
                let location = format!("chk/{id}/{}", self.clusters[place].checkpoints);
                let seen = SeenSnapshot { location, completed_at: now };
                self.snapshots.retain(|s| s.job != id || s.directory.is_some());
                self.clusters[place].checkpoint = Some(seen.clone());
                self.snapshots.push(Snapshot {
                    seen,
                    job: id,
                    directory: None,
                    is_disowned: false,
                });
            }
            Move::IsCancelled(_) => self.clusters[place].job = Some(FlinkStatus::Canceled),
            Move::IsGone(_) => self.clusters[place].phase = Phase::Gone,
            Move::Dies(_) => self.clusters[place].phase = Phase::Dead,
            Move::JobFails(_) => {
                self.clusters[place].job = Some(FlinkStatus::Failed);
                self.fail_stops(self.clusters[place].id);
            }
            Move::Writes(_) => {
                let (job, directory) = (self.stops[place].job, self.stops[place].directory.clone());
                let seen = SeenSnapshot { location: format!("{directory}/sp"), completed_at: now };
                self.snapshots.push(Snapshot {
                    seen,
                    job,
                    directory: Some(directory),
                    is_disowned: false,
                });
                self.stops[place].progress = Progress::Written;
            }
            Move::Ends(_) => {
                let job = self.stops[place].job;
                self.stops[place].progress = Progress::Done;
                self.snapshots.retain(|s| s.job != job || s.directory.is_some());
                if let Some(c) = self.cluster_mut(job) {
                    c.job = Some(FlinkStatus::Finished);
                }
            }
            Move::StopFails(_) => {
                self.stops[place].progress = Progress::Failed;
                let directory = self.stops[place].directory.clone();
                self.disown(&directory);
            }
        }
    }

    fn disown(&mut self, directory: &str) {
        for s in &mut self.snapshots {
            s.is_disowned |= s.directory.as_deref() == Some(directory);
        }
    }

    fn fail_stops(&mut self, job: Uuid) {
        let under_way =
            |s: &Stop| s.job == job && matches!(s.progress, Progress::Begun | Progress::Written);
        let failed: Vec<u8> =
            (0_u8..).zip(&self.stops).filter(|(_, s)| under_way(s)).map(|(n, _)| n).collect();
        for n in failed {
            self.apply(Move::StopFails(n), Timestamp::UNIX_EPOCH);
        }
    }

    /// The backend is told to have a cluster.
    pub fn ensure(&mut self, id: Uuid) {
        if self.cluster(id).is_none() {
            self.clusters.push(Cluster {
                id,
                phase: Phase::Preparing,
                is_removing: false,
                job: None,
                checkpoint: None,
                checkpoints: 0,
            });
        }
    }

    /// The backend is told to remove a cluster.
    pub fn remove(&mut self, id: Uuid) {
        match self.cluster_mut(id) {
            Some(c) => c.is_removing = true,
            None => self.clusters.push(Cluster {
                id,
                phase: Phase::Gone,
                is_removing: true,
                job: None,
                checkpoint: None,
                checkpoints: 0,
            }),
        }
    }

    /// Flink is told to cancel; whether it knows the job.
    pub fn cancel(&mut self, id: Uuid) -> bool {
        let Some(c) = self.cluster_mut(id).filter(|c| c.phase == Phase::Alive) else {
            return false;
        };
        match c.job {
            None => false,
            Some(s) if s.is_terminal() => true,
            Some(_) => {
                c.job = Some(FlinkStatus::Cancelling);
                self.fail_stops(id);
                true
            }
        }
    }

    /// Flink is told to stop; `Err`: it refuses.
    #[expect(clippy::result_unit_err, reason = "the model needs no words for a refusal")]
    pub fn stop(&mut self, id: Uuid, job: Uuid, directory: &str) -> Result<(), ()> {
        if self.stops.iter().any(|s| s.id == id) {
            return Ok(());
        }
        let status = self.cluster(job).filter(|c| c.phase == Phase::Alive).and_then(|c| c.job);
        let progress = match status {
            None => return Err(()),
            Some(s) if s.is_terminal() => return Err(()),
            Some(FlinkStatus::Running) => Progress::Begun,
            Some(_) => Progress::Failed,
        };
        self.stops.push(Stop { id, job, directory: directory.to_owned(), progress });
        Ok(())
    }

    /// A look at a Job; `savepoints` are the pending ones with their directories.
    #[must_use]
    pub fn look(
        &self,
        job: Uuid,
        has_ended: bool,
        is_swept: bool,
        savepoints: &[(Uuid, String)],
    ) -> Observation {
        let cluster = self.cluster(job);
        let mut seen = Observation { cluster: seen_cluster(cluster), ..Observation::default() };
        let alive = cluster.filter(|c| c.phase == Phase::Alive && !has_ended);
        if let Some(c) = alive {
            seen.job = c.job.map_or(Seen::Absent, |s| Seen::Present(describe(s, c)));
            for (id, _) in savepoints {
                seen.operations.insert(*id, self.operation(*id));
            }
        }
        let is_over = has_ended
            || alive.is_none()
            || seen.job.present().is_some_and(|j| j.status.is_terminal());
        for (id, directory) in savepoints {
            let answer = seen.operations.get(id);
            let is_open =
                matches!(answer, Some(Seen::Absent | Seen::Present(Operation::Completed { .. })));
            if is_over || is_open {
                let found = self.snapshots.iter().find(|s| s.directory.as_ref() == Some(directory));
                seen.directories
                    .insert(*id, found.map_or(Seen::Absent, |s| Seen::Present(s.seen.clone())));
            }
        }
        if has_ended && seen.cluster == Seen::Absent && !is_swept {
            let newest =
                self.snapshots.iter().rev().find(|s| s.job == job && s.directory.is_none());
            seen.retained = Some(newest.map_or(Seen::Absent, |s| Seen::Present(s.seen.clone())));
        }
        seen
    }

    fn operation(&self, id: Uuid) -> Seen<Operation> {
        let Some(stop) = self.stops.iter().find(|s| s.id == id) else { return Seen::Absent };
        Seen::Present(match stop.progress {
            Progress::Begun | Progress::Written => Operation::InProgress,
            Progress::Done => Operation::Completed { location: format!("{}/sp", stop.directory) },
            Progress::Failed => Operation::Failed { why: "it failed".to_owned() },
        })
    }
}

fn seen_cluster(cluster: Option<&Cluster>) -> Seen<SeenCluster> {
    let Some(c) = cluster else { return Seen::Absent };
    let phase = match c.phase {
        Phase::Preparing => ClusterPhase::Preparing { what: "the artifact".to_owned() },
        Phase::Alive => ClusterPhase::Alive,
        Phase::Dead => ClusterPhase::Dead { why: "killed".to_owned() },
        Phase::Gone => return Seen::Absent,
    };
    Seen::Present(SeenCluster { phase, rest: Some("http://model".to_owned()), task_managers: 1 })
}

fn describe(status: FlinkStatus, cluster: &Cluster) -> FlinkJob {
    FlinkJob {
        status,
        tasks_running: u32::from(status == FlinkStatus::Running),
        tasks_total: 1,
        since: None,
        restarts: Some(0),
        failures: Vec::new(),
        // That Flink may say so only later is left to the scenarios: it would double the deadlines.
        cause: (status == FlinkStatus::Failed).then(|| "it broke".to_owned()),
        checkpoint: cluster.checkpoint.clone(),
    }
}
