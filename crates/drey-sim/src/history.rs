//! One history: the executor of the controllers' looks, and the order of events.
//!
//! A storm of some minutes, in which users edit and the world misbehaves (safety), then calm weather, in which
//! everything has to come to rest (liveness). The same seed gives the same history, step by step.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use drey_controller::{Board, Leadership, Memory, Metrics, Next, Reconciler, Waiters};
use drey_model::Kind;
use drey_store::{Object, Store};
use uuid::Uuid;

use crate::backend::FakeBackend;
use crate::core::{Core, Entry, MINUTE, Micros, SECOND, Shared, Task, micros};
use crate::coverage::Coverage;
use crate::flink::FakeFlink;
use crate::landlord::Goal;
use crate::oracle;
use crate::sim_world::SimWorld;
use crate::users::NAMESPACE;
use crate::wait::{now_or_never, poll_once};

/// How long everything may take to come to rest in calm weather.
const SETTLE: Micros = 100 * MINUTE;
/// Checks in a row that have to find everything at rest.
const CHECKS: u32 = 3;
/// Time that a look takes at least.
const LOOK: Micros = 500;
/// How late a replica notices a change when the hint is lost.
const FEED: Micros = 5 * SECOND;
const LEASE: &str = "controller";
const LEASE_TTL: Duration = Duration::from_secs(15);
const LEASE_EVERY: Micros = 5 * SECOND;

type Drey = Reconciler<SimWorld, FakeBackend, FakeFlink>;
type Look = Pin<Box<dyn Future<Output = (Next, Memory)> + Send>>;

/// How a history ended.
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// The first violation.
    pub violation: Option<String>,
    /// What happened, if it was to be told.
    pub story: String,
    /// What was exercised.
    pub coverage: Coverage,
    /// Looks taken.
    pub looks: u64,
    /// Simulated time.
    pub simulated: Micros,
}

/// A history under way.
pub struct History {
    pub(crate) core: Shared,
    pub(crate) store: Store,
    pub(crate) deployments: Vec<Uuid>,
    pub(crate) session_cluster: Option<Uuid>,
    pub(crate) goal: Goal,
    pub(crate) replicas: [Replica; 2],
    pub(crate) storm_ends: Micros,
    slots: BTreeMap<Task, Slot>,
    looks: u64,
    calm_checks: u32,
    is_over: bool,
}

/// One Drey process.
#[derive(Default)]
pub(crate) struct Replica {
    drey: Option<Arc<Drey>>,
    pub(crate) is_up: bool,
    /// It does not tend to its lease until then.
    pub(crate) paused_until: Micros,
    lives: u32,
    waiters: Waiters,
    epoch: Option<i64>,
    lease_at: Micros,
}

#[derive(Default)]
struct Slot {
    look: Option<Look>,
    memory: Memory,
    is_woken: bool,
    generation: u64,
    due: Option<jiff::Timestamp>,
}

/// Runs the history of this seed.
#[must_use]
pub fn run(seed: u64, is_told: bool) -> Outcome {
    let store = match now_or_never(Store::in_memory()) {
        Some(Ok(store)) => store,
        Some(Err(error)) => return broken(seed, error.to_string()),
        None => return broken(seed, "the store is not ready at once".to_owned()),
    };
    let core = Shared::new(Core::new(seed, store.clone(), is_told));
    {
        let mut core = core.lock();
        core.oracle.quota = core.weather.quota;
    }
    let mut history = History {
        core,
        store,
        deployments: Vec::new(),
        session_cluster: None,
        goal: Goal::default(),
        replicas: <[Replica; 2]>::default(),
        storm_ends: 0,
        slots: BTreeMap::new(),
        looks: 0,
        calm_checks: 0,
        is_over: false,
    };
    history.begin();
    history.go_on();
    let mut core = history.core.lock();
    Outcome {
        seed,
        violation: core.oracle.violation.take(),
        story: core.story.to_string(),
        coverage: std::mem::take(&mut core.coverage),
        looks: history.looks,
        simulated: core.now,
    }
}

fn broken(seed: u64, why: String) -> Outcome {
    let coverage = Coverage::default();
    Outcome { seed, violation: Some(why), story: String::new(), coverage, looks: 0, simulated: 0 }
}

impl History {
    fn begin(&mut self) {
        self.first_deployments();
        let mut core = self.core.lock();
        let replicas = if core.weather.is_replicated { 2 } else { 1 };
        for replica in 0..replicas {
            core.schedule(0, Entry::Start(replica));
        }
        self.storm_ends = core.rng.between(MINUTE, 7 * MINUTE);
        let (first, mishap, ends) =
            (core.rng.between(0, 20 * SECOND), core.weather.mishap_every, self.storm_ends);
        core.schedule(first, Entry::User);
        if core.is_session {
            core.schedule(first, Entry::Landlord);
        }
        if mishap > 0 {
            core.schedule(mishap * SECOND, Entry::Mishap);
        }
        core.schedule(ends, Entry::Calm);
    }

    fn go_on(&mut self) {
        while !self.is_over {
            let entry = self.core.lock().next_entry();
            let Some(entry) = entry else { break };
            self.step(entry);
            if self.core.lock().oracle.violation.is_some() {
                break;
            }
        }
    }

    fn step(&mut self, entry: Entry) {
        match entry {
            Entry::Poll(task) => self.poll(task),
            Entry::Due(task, generation) => self.due(task, generation),
            Entry::Deliver(delivery) => {
                let mut core = self.core.lock();
                delivery(&mut core);
                let now = core.now;
                let Core { oracle, universe, .. } = &mut *core;
                oracle.judge_world(universe, now);
            }
            Entry::World(change) => self.core.lock().change(change),
            Entry::User => self.user_acts(),
            Entry::Landlord => self.landlord_acts(),
            Entry::Mend => self.mend(),
            Entry::Mishap => self.mishap(),
            Entry::Lease(replica) => self.tend_lease(replica),
            Entry::Start(replica) => self.start(replica),
            Entry::Calm => self.calm(),
            Entry::Check => self.check(),
            Entry::End => self.end(),
        }
    }

    fn start(&mut self, replica: usize) {
        if self.replicas[replica].is_up {
            return;
        }
        self.replicas[replica].is_up = true;
        self.replicas[replica].lives += 1;
        self.replicas[replica].lease_at = 0;
        let is_replicated = self.core.lock().weather.is_replicated;
        if is_replicated {
            self.core.lock().schedule(0, Entry::Lease(replica));
        } else {
            self.lead(replica, None);
        }
    }

    /// A replica begins to act: as after a start of the process, it looks at everything.
    fn lead(&mut self, replica: usize, epoch: Option<i64>) {
        let core = self.core.clone();
        self.slots.retain(|(r, _), _| *r != replica);
        self.replicas[replica].epoch = epoch;
        self.replicas[replica].drey = Some(Arc::new(Reconciler {
            world: Arc::new(SimWorld { core: core.clone(), replica }),
            store: self.store.clone(),
            backend: Arc::new(FakeBackend(core.clone())),
            flink: Arc::new(FakeFlink(core.clone())),
            configure: Arc::new(|job: &drey_model::Job| job.spec.flink_configuration.clone()),
            configure_session: Arc::new(|run| run.flink_configuration.clone()),
            uploads: drey_controller::Uploads::default(),
            board: Board::default(),
            quota: core.lock().weather.quota,
            leadership: epoch.map(|epoch| Leadership { lease: LEASE.to_owned(), epoch }),
            metrics: Metrics::default(),
        }));
        core.lock().tell("drey", || format!("replica {replica} acts (epoch {epoch:?})"));
        for id in self.session_cluster.into_iter().chain(self.deployments.clone()) {
            self.wake_replica(replica, id, LOOK);
        }
    }

    fn step_down(&mut self, replica: usize) {
        self.slots.retain(|(r, _), _| *r != replica);
        self.replicas[replica].drey = None;
        self.replicas[replica].epoch = None;
        self.core.lock().oracle.epochs.1[replica] = None;
    }

    /// A replica dies with everything it had in memory, and is started again.
    pub(crate) fn crash(&mut self, replica: usize) {
        if !self.replicas[replica].is_up {
            return;
        }
        self.step_down(replica);
        self.replicas[replica].is_up = false;
        let mut core = self.core.lock();
        let after = core.rng.between(100_000, 20 * SECOND);
        core.tell("drey", || format!("replica {replica} is dead for {} s", after / SECOND));
        core.schedule(after, Entry::Start(replica));
    }

    fn tend_lease(&mut self, replica: usize) {
        if !self.replicas[replica].is_up {
            return;
        }
        let (now, clock) = {
            let mut core = self.core.lock();
            if core.now < self.replicas[replica].lease_at {
                return;
            }
            self.replicas[replica].lease_at = core.now + LEASE_EVERY;
            core.schedule(LEASE_EVERY, Entry::Lease(replica));
            (core.now, core.clock(replica))
        };
        if self.replicas[replica].paused_until > now {
            return;
        }
        let holder = format!("replica-{replica}-{}", self.replicas[replica].lives);
        let lease = now_or_never(self.store.acquire_lease(LEASE, &holder, LEASE_TTL, clock));
        match lease {
            Some(Ok(Some(lease))) => {
                {
                    let oracle = &mut self.core.lock().oracle;
                    oracle.epochs.0 = lease.epoch;
                    oracle.epochs.1[replica] = Some(lease.epoch);
                }
                if self.replicas[replica].epoch != Some(lease.epoch)
                    || self.replicas[replica].drey.is_none()
                {
                    self.lead(replica, Some(lease.epoch));
                }
            }
            Some(Ok(None)) if self.replicas[replica].drey.is_some() => {
                self.core.lock().tell("drey", || format!("replica {replica} steps down"));
                self.step_down(replica);
            }
            // The database cannot be written just now; whoever leads goes on until somebody else can.
            Some(Ok(None) | Err(_)) | None => {}
        }
    }

    /// A hint that a Deployment has changed.
    pub(crate) fn wake(&mut self, id: Uuid) {
        for replica in 0..2 {
            let is_heard = self.core.lock().rng.chance(850);
            self.wake_replica(replica, id, if is_heard { LOOK } else { FEED });
        }
    }

    fn wake_replica(&mut self, replica: usize, id: Uuid, after: Micros) {
        if self.replicas[replica].drey.is_none() {
            return;
        }
        let slot = self.slots.entry((replica, id)).or_default();
        if slot.look.is_some() {
            slot.is_woken = true;
            return;
        }
        slot.due = None;
        slot.generation += 1;
        let generation = slot.generation;
        self.core.lock().schedule(after, Entry::Due((replica, id), generation));
    }

    fn due(&mut self, task: Task, generation: u64) {
        let Some(slot) = self.slots.get_mut(&task) else { return };
        if slot.generation != generation || slot.look.is_some() {
            return;
        }
        if let Some(at) = slot.due {
            let mut core = self.core.lock();
            let left = micros(at) - micros(core.clock(task.0));
            if left > 0 {
                // The clock went back meanwhile.
                return core.schedule(left, Entry::Due(task, generation));
            }
        }
        let Some(drey) = self.replicas[task.0].drey.clone() else { return };
        let mut memory = std::mem::take(&mut slot.memory);
        self.replicas[task.0].waiters.begin(&mut memory);
        let id = task.1;
        slot.is_woken = false;
        slot.look = Some(Box::pin(async move {
            let next = drey.reconcile(id, &mut memory).await;
            (next, memory)
        }));
        self.looks += 1;
        self.poll(task);
    }

    fn poll(&mut self, task: Task) {
        let Some(look) = self.slots.get_mut(&task).and_then(|slot| slot.look.as_mut()) else {
            return;
        };
        self.core.lock().current = Some(task);
        let done = poll_once(look.as_mut());
        let dying = {
            let mut core = self.core.lock();
            core.sync();
            core.current = None;
            core.dying.take()
        };
        if let Some(replica) = dying {
            return self.crash(replica);
        }
        if let Some((next, memory)) = done {
            self.looked(task, next, memory);
        }
    }

    fn looked(&mut self, task: Task, next: Next, mut memory: Memory) {
        for id in std::mem::take(&mut memory.wakes) {
            self.wake_replica(task.0, id, LOOK);
        }
        {
            let mut core = self.core.lock();
            let clock = core.clock(task.0);
            core.oracle.look_ended(task, next, clock);
        }
        for id in self.replicas[task.0].waiters.end(task.1, &memory) {
            self.wake_replica(task.0, id, LOOK);
        }
        let Some(slot) = self.slots.get_mut(&task) else { return };
        slot.look = None;
        slot.memory = memory;
        slot.generation += 1;
        let is_woken = std::mem::take(&mut slot.is_woken);
        let generation = slot.generation;
        let mut core = self.core.lock();
        let after = match next {
            Next::Gone => {
                drop(core);
                self.slots.remove(&task);
                return;
            }
            _ if is_woken => LOOK,
            Next::Now => LOOK,
            Next::At(at) => {
                slot.due = Some(at);
                (micros(at) - micros(core.clock(task.0))).max(LOOK)
            }
            Next::Idle => return,
        };
        if is_woken || next == Next::Now {
            slot.due = None;
        }
        core.schedule(after, Entry::Due(task, generation));
    }

    fn calm(&mut self) {
        for replica in &mut self.replicas {
            replica.paused_until = 0;
        }
        {
            let mut core = self.core.lock();
            core.weather.calm_down();
            core.oracle.calm_since = Some(core.now);
            if core.is_session {
                core.end_hanging_cancellations();
            }
            core.repair_store();
            core.universe.flink_out_until.clear();
            core.universe.backend_out_until = 0;
            core.universe.storage_out_until = 0;
            core.tell("world", || "the weather is calm from here on".to_owned());
            // A deadline that was set before a clock went back is that much later.
            let settle = SETTLE + core.set_back;
            core.schedule(settle, Entry::End);
            core.schedule(5 * SECOND, Entry::Check);
        }
        self.last_wishes();
        self.last_wish_of_cluster();
    }

    fn check(&mut self) {
        let mut core = self.core.lock();
        let is_settled = oracle::cluster_settled(&core).is_ok()
            && self.deployments.iter().all(|id| oracle::settled(&core, *id).is_ok());
        self.calm_checks = if is_settled { self.calm_checks + 1 } else { 0 };
        self.is_over = self.calm_checks >= CHECKS;
        core.schedule(5 * SECOND, Entry::Check);
    }

    fn end(&mut self) {
        self.is_over = true;
        let mut core = self.core.lock();
        let late = self.deployments.iter().find_map(|id| oracle::settled(&core, *id).err());
        let late = late.or_else(|| oracle::cluster_settled(&core).err());
        let why = late.unwrap_or_else(|| "it never rests".to_owned());
        core.oracle.object("not settled", || why);
    }
}

/// An object as the store takes it.
pub(crate) fn row<T: serde::Serialize>(
    kind: Kind,
    name: &str,
    id: Uuid,
    owner: Option<Uuid>,
    doc: &T,
) -> Object {
    Object {
        kind,
        namespace: NAMESPACE.to_owned(),
        name: name.to_owned(),
        id,
        owner,
        open: true,
        revision: 0,
        doc: serde_json::to_string(doc).unwrap_or_default(),
        facts: None,
        deleted: false,
    }
}
