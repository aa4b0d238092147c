//! How often what goes wrong. Each history draws its own weather: a few faults often and the others never finds more
//! than all of them a little ("swarm testing", Groce et al., 2012).

use drey_model::quota::{Cores, Limit};

use crate::rng::Rng;

/// Chances per mille, per occasion.
#[derive(Debug, Clone, Default)]
pub struct Weather {
    /// A call takes noticeable time.
    pub slow: u32,
    /// A request never arrives.
    pub lost: u32,
    /// A request is carried out, and its answer never arrives.
    pub answer_lost: u32,
    /// A request arrives after its sender has given up.
    pub late: u32,
    /// A request arrives twice.
    pub twice: u32,
    /// 503, nothing was done.
    pub election: u32,
    /// Flink describes a job as it was a moment ago.
    pub stale: u32,
    /// A controller dies at a fault point.
    pub crash: u32,
    /// A controller hesitates at a fault point.
    pub hesitate: u32,
    /// A savepoint fails.
    pub savepoint_fails: u32,
    /// A savepoint never ends.
    pub savepoint_hangs: u32,
    /// The savepoint of a stop completes, and the job goes on.
    pub stop_fails: u32,
    /// The JobManager dies between the savepoint of a stop and the end of its job.
    pub dies_stopping: u32,
    /// The backend cannot do as asked this time.
    pub ensure_fails: u32,
    /// A removal, a preparation takes minutes.
    pub dawdles: u32,
    /// The JobManager of a session cluster ends as soon as it is started.
    pub cluster_start_fails: u32,
    /// The TaskManagers of a run of a session cluster never find their JobManager.
    pub deaf_managers: u32,
    /// Flink never cancels a job on a session cluster.
    pub cancel_hangs: u32,
    /// Weights of mishaps, in the order of [`Mishap::ALL`].
    pub mishaps: Vec<(u32, Mishap)>,
    /// Mean seconds between two mishaps; 0: none.
    pub mishap_every: i64,
    /// How many cores may be used.
    pub quota: Option<Limit>,
    /// Whether two replicas lead in turn.
    pub is_replicated: bool,
    /// Whether the weather is calm now.
    pub is_calm: bool,
}

/// Something bad that happens by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// A JobManager is killed.
    JobManagerKilled,
    /// A TaskManager is killed.
    TaskManagerKilled,
    /// A task fails.
    TaskFails,
    /// Somebody cancels the job with Flink's own tools.
    CancelledOutside,
    /// A JobManager forgets its job.
    JobVanishes,
    /// A JobManager forgets the results of operations.
    ResultsForgotten,
    /// A JobManager cannot be reached for a while.
    FlinkUnreachable,
    /// The backend does not answer for a while.
    BackendUnreachable,
    /// The storage does not answer for a while.
    StorageUnreachable,
    /// The database's disk is full for a while.
    DiskFull,
    /// The database cannot be written for a while.
    DiskReadOnly,
    /// A controller's clock jumps forward.
    ClockForward,
    /// A controller's clock jumps back.
    ClockBack,
    /// A controller is killed.
    Crash,
    /// A controller stops tending to its lease and goes on believing that it leads.
    LeaderPaused,
}

impl Mishap {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::JobManagerKilled,
        Self::TaskManagerKilled,
        Self::TaskFails,
        Self::CancelledOutside,
        Self::JobVanishes,
        Self::ResultsForgotten,
        Self::FlinkUnreachable,
        Self::BackendUnreachable,
        Self::StorageUnreachable,
        Self::DiskFull,
        Self::DiskReadOnly,
        Self::ClockForward,
        Self::ClockBack,
        Self::Crash,
        Self::LeaderPaused,
    ];
}

impl Weather {
    /// The weather of a history.
    #[must_use]
    pub fn drawn(rng: &mut Rng) -> Self {
        let mut some = |often: u32, per_mille: u32| {
            if rng.chance(often) { 1 + rng.below(u64::from(per_mille)) as u32 } else { 0 }
        };
        let mut weather = Self {
            slow: some(500, 400),
            lost: some(350, 120),
            answer_lost: some(400, 300),
            late: some(300, 200),
            twice: some(300, 200),
            election: some(350, 200),
            stale: some(350, 300),
            crash: some(400, 60),
            hesitate: some(300, 300),
            savepoint_fails: some(400, 700),
            savepoint_hangs: some(120, 300),
            stop_fails: some(300, 500),
            dies_stopping: some(300, 500),
            ensure_fails: some(250, 300),
            dawdles: some(120, 200),
            ..Self::default()
        };
        weather.mishaps = Mishap::ALL.iter().map(|m| (some(500, 10), *m)).collect();
        weather.is_replicated = rng.chance(350);
        // A Deployment needs 2 or 3 cores, and there are up to 3 of them: there is not always room for all.
        weather.quota = rng.chance(300).then(|| Limit {
            cpu: Cores::new(rng.pick(&[2.5, 3.0, 4.0, 5.0])),
            tolerated: Cores::new(rng.pick(&[0.0, 0.5, 1.0])),
        });
        let is_stormy = weather.mishaps.iter().any(|(weight, _)| *weight > 0);
        weather.mishap_every = if is_stormy { rng.pick(&[0, 5, 10, 20, 40, 60]) } else { 0 };
        weather
    }

    /// What goes wrong with session clusters.
    pub fn draw_for_session(&mut self, rng: &mut Rng) {
        let mut some = |often: u32, per_mille: u32| {
            if rng.chance(often) { 1 + rng.below(u64::from(per_mille)) as u32 } else { 0 }
        };
        self.cluster_start_fails = some(300, 700);
        self.deaf_managers = some(150, 300);
        self.cancel_hangs = some(300, 500);
    }

    /// How many Deployments there are: enough to be in each other's way when cores are few.
    pub fn deployments(&self, rng: &mut Rng) -> usize {
        match self.quota {
            Some(_) => rng.between(2, 3) as usize,
            None if rng.chance(120) => 2,
            None => 1,
        }
    }

    /// Nothing goes wrong any more.
    pub fn calm_down(&mut self) {
        let (quota, is_replicated) = (self.quota, self.is_replicated);
        *self = Self { quota, is_replicated, is_calm: true, ..Self::default() };
    }
}
