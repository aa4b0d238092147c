//! The TaskManagers of a run of a session cluster, and which jobs hold their slots.
//!
//! ```text
//!   backend starts ─► process alive ─► known to Flink ─► gives slots to jobs ─► killed or released ─► forgotten by Flink
//! ```
//!
//! A process that has ended is known to Flink for a while longer. Does not own when jobs run or fail ([`crate::changes`]).

use std::collections::{BTreeMap, BTreeSet};

use drey_model::seen::{Cluster as SeenCluster, TaskManager};
use uuid::Uuid;

use crate::core::{Core, MINUTE, Micros, SECOND, short};
use crate::universe::Change;

const MILLI: Micros = 1000;
/// How long one look may take.
const LOOK_MAX: Micros = 15 * SECOND;
/// Slots of each TaskManager.
pub const SLOTS: u32 = 2;
/// How long Flink may list a TaskManager that is gone (`heartbeat.timeout`).
const HEARTBEAT: Micros = 50 * SECOND;

/// A TaskManager process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Manager {
    number: u32,
    is_alive: bool,
    is_known: bool,
    is_ending: bool,
}

/// The TaskManagers of one run.
#[derive(Debug, Clone, Default)]
pub struct Host {
    managers: Vec<Manager>,
    started: u32,
    /// The TaskManagers whose slots a job holds, one entry for each slot.
    slots: BTreeMap<Uuid, Vec<u32>>,
    /// Its TaskManagers never find the JobManager.
    pub is_deaf: bool,
    /// Numbers of TaskManagers that Flink ever answered.
    pub listed: BTreeSet<usize>,
    /// Numbers of processes that the backend ever answered.
    pub shown: BTreeSet<u32>,
    /// The last of them with their times: several look at the same moment.
    shown_lately: Vec<(Micros, u32)>,
}

fn name(number: u32) -> String {
    format!("tm-{number}")
}

impl Host {
    /// The largest number of processes that whoever decides now may have been shown.
    pub(crate) fn shown_at_most(&self) -> u32 {
        self.shown_lately.iter().map(|(_, n)| *n).max().unwrap_or(0)
    }

    /// A run without TaskManagers yet.
    #[must_use]
    pub fn new(is_deaf: bool) -> Self {
        Self { is_deaf, ..Self::default() }
    }

    fn alive(&self, number: u32) -> Option<&Manager> {
        self.managers.iter().find(|m| m.number == number && m.is_alive)
    }

    fn used(&self, number: u32) -> u32 {
        self.slots.values().flatten().filter(|n| **n == number).count() as u32
    }

    /// Takes so many slots for a job, unless it has them; whether it has them then.
    fn take(&mut self, job: Uuid, need: u32) -> bool {
        if self.slots.contains_key(&job) {
            return true;
        }
        let usable = self.managers.iter().filter(|m| m.is_alive && m.is_known);
        let free = usable.flat_map(|m| (self.used(m.number)..SLOTS).map(|_| m.number));
        let chosen: Vec<u32> = free.take(need as usize).collect();
        let has_all = chosen.len() == need as usize;
        if has_all {
            self.slots.insert(job, chosen);
        }
        has_all
    }

    /// Jobs that hold a slot of this TaskManager.
    fn jobs_on(&self, number: u32) -> Vec<Uuid> {
        let on_it = self.slots.iter().filter(|(_, held)| held.contains(&number));
        on_it.map(|(job, _)| *job).collect()
    }

    /// What Flink lists.
    fn list(&self) -> Vec<TaskManager> {
        let known = self.managers.iter().filter(|m| m.is_known);
        let seen = known.map(|m| TaskManager {
            id: name(m.number),
            slots: SLOTS,
            free_slots: SLOTS.saturating_sub(self.used(m.number)),
        });
        seen.collect()
    }

    /// How many TaskManagers Flink knows.
    #[must_use]
    pub fn known(&self) -> usize {
        self.managers.iter().filter(|m| m.is_known).count()
    }
}

impl Core {
    /// Whether a job has what it needs to run, after taking it where it is free.
    pub(crate) fn take_slots(&mut self, id: Uuid) -> bool {
        let Some(cluster) = self.universe.clusters.get(&id) else { return false };
        let (host, need) = (cluster.host, cluster.slots);
        let Some(host) = host else { return cluster.managers >= cluster.wanted };
        let has_slots = self.universe.hosts.entry(host).or_default().take(id, need);
        if !has_slots {
            self.coverage.count("session", "job waits for slots");
        }
        has_slots
    }

    /// A job gives its slots back, and those that wait take them.
    pub(crate) fn free_slots(&mut self, id: Uuid) {
        let host = self.universe.clusters.get(&id).and_then(|c| c.host);
        let Some(run) = host else { return };
        let held = self.universe.hosts.get_mut(&run).and_then(|host| host.slots.remove(&id));
        if held.is_some() {
            self.offer_slots(run, id);
        }
    }

    fn offer_slots(&mut self, run: Uuid, but: Uuid) {
        for job in self.hosted(run) {
            if job != but {
                self.try_to_run(job);
            }
        }
    }

    /// A process of a TaskManager has come up; it has yet to find the JobManager.
    pub(crate) fn host_manager_up(&mut self, run: Uuid) {
        let host = self.universe.hosts.entry(run).or_default();
        host.started += 1;
        let number = host.started;
        host.managers.push(Manager { number, is_alive: true, is_known: false, is_ending: false });
        if !host.is_deaf {
            let after = self.rng.between(50, 2500) * MILLI;
            self.change_in(after, Change::Registered(run, number));
        }
    }

    /// Flink gets to know a TaskManager.
    pub(crate) fn registered(&mut self, run: Uuid, number: u32) {
        let Some(host) = self.universe.hosts.get_mut(&run) else { return };
        if let Some(manager) = host.managers.iter_mut().find(|m| m.number == number && m.is_alive) {
            manager.is_known = true;
            self.offer_slots(run, run);
        }
    }

    /// Flink notices that a TaskManager is gone.
    pub(crate) fn deregistered(&mut self, run: Uuid, number: u32) {
        if let Some(host) = self.universe.hosts.get_mut(&run) {
            host.managers.retain(|m| m.number != number || m.is_alive);
        }
    }

    /// Ends TaskManagers by name, orderly: those that are gone are passed over.
    pub(crate) fn release(&mut self, run: Uuid, names: &[String]) {
        let Some(host) = self.universe.hosts.get_mut(&run) else { return };
        let mut asked = Vec::new();
        for manager in &mut host.managers {
            if manager.is_alive && !manager.is_ending && names.contains(&name(manager.number)) {
                manager.is_ending = true;
                asked.push(manager.number);
            }
        }
        for number in asked {
            let is_busy = self.universe.hosts.get(&run).is_some_and(|h| h.used(number) > 0);
            let kind =
                if is_busy { "busy TaskManager released" } else { "idle TaskManager released" };
            self.coverage.count("session", kind);
            self.tell("backend", || format!("{} of {} is to end", name(number), short(run)));
            let mut after = self.rng.between(20, 2000) * MILLI;
            if self.rng.chance(self.weather.dawdles) {
                after = self.rng.between(10 * SECOND, 2 * MINUTE);
                self.fault("release slow", || format!("{} s", after / SECOND));
            }
            self.change_in(after, Change::ManagerEnds(run, number));
        }
    }

    /// A TaskManager process ends: its jobs restart on what is left, or wait.
    pub(crate) fn manager_ends(&mut self, run: Uuid, number: u32) {
        let Some(host) = self.universe.hosts.get_mut(&run) else { return };
        let Some(manager) = host.managers.iter_mut().find(|m| m.number == number && m.is_alive)
        else {
            return;
        };
        manager.is_alive = false;
        let is_orderly = manager.is_ending;
        let jobs = host.jobs_on(number);
        if let Some(cluster) = self.universe.clusters.get_mut(&run) {
            cluster.managers = cluster.managers.saturating_sub(1);
        }
        self.tell("flink", || format!("{} of {} has ended", name(number), short(run)));
        let late = if is_orderly { SECOND } else { HEARTBEAT };
        let after = self.rng.between(20 * MILLI, late);
        self.change_in(after, Change::Deregistered(run, number));
        for job in jobs {
            self.free_slots(job);
            self.task_fails(job, "TaskManager is no longer reachable");
            self.try_to_run(job);
        }
    }

    /// A living TaskManager of a run is killed.
    pub(crate) fn kill_one_of(&mut self, run: Uuid) {
        let Some(host) = self.universe.hosts.get(&run) else { return };
        let alive: Vec<u32> = host
            .managers
            .iter()
            .filter(|m| host.alive(m.number).is_some())
            .map(|m| m.number)
            .collect();
        if !alive.is_empty() {
            let number = self.rng.pick(&alive);
            if let Some(m) = self
                .universe
                .hosts
                .get_mut(&run)
                .and_then(|h| h.managers.iter_mut().find(|m| m.number == number))
            {
                m.is_ending = false;
            }
            self.manager_ends(run, number);
        }
    }

    /// The processes and the memory of a run are gone.
    pub(crate) fn clear_host(&mut self, run: Uuid, is_removed: bool) {
        if let Some(host) = self.universe.hosts.get_mut(&run) {
            host.slots.clear();
            if is_removed {
                host.managers.clear();
            }
        }
    }

    /// The TaskManagers that a JobManager knows.
    pub(crate) fn task_managers(&mut self, run: Uuid) -> Vec<TaskManager> {
        let host = self.universe.hosts.entry(run).or_default();
        let list = host.list();
        host.listed.insert(list.len());
        self.oracle.listed(&list);
        list
    }

    /// Notes what the backend shows of a run.
    pub(crate) fn note_shown(&mut self, id: Uuid, seen: Option<&SeenCluster>) {
        if let (Some(host), Some(cluster)) = (self.universe.hosts.get_mut(&id), seen) {
            host.shown.insert(cluster.task_managers);
            host.shown_lately.retain(|(at, _)| *at + LOOK_MAX >= self.now);
            host.shown_lately.push((self.now, cluster.task_managers));
        }
    }
}
