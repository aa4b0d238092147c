//! Which Deployments to look at, and when: at most one look per Deployment at a time, many Deployments at once.
//!
//! A wake-up carries no information but the id. Pure bookkeeping: no clock, no tasks.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use jiff::Timestamp;
use uuid::Uuid;

use crate::reconcile::{Memory, Next};

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    slots: HashMap<Uuid, Slot>,
    urgent: VecDeque<Uuid>,
    scans: VecDeque<Uuid>,
    timers: BinaryHeap<Reverse<(Timestamp, Uuid)>>,
}

#[derive(Debug, Default)]
struct Slot {
    /// Present while no look is under way.
    memory: Option<Memory>,
    is_queued: bool,
    is_running: bool,
    is_woken: bool,
    due: Option<Timestamp>,
    revision: i64,
}

impl Queue {
    /// Somebody asked for a look.
    pub(crate) fn wake(&mut self, id: Uuid) {
        let slot = self.slots.entry(id).or_default();
        if slot.is_running {
            slot.is_woken = true;
        } else if !slot.is_queued {
            slot.is_queued = true;
            self.urgent.push_back(id);
        }
    }

    /// A row of the change feed: wakes unless this controller has seen or written that revision itself.
    pub(crate) fn changed(&mut self, id: Uuid, revision: i64) {
        if self.slots.get(&id).is_none_or(|slot| slot.revision < revision) {
            self.wake(id);
        }
    }

    /// A look that nobody waits for.
    pub(crate) fn scan(&mut self, id: Uuid) {
        let slot = self.slots.entry(id).or_default();
        if !slot.is_running && !slot.is_queued {
            slot.is_queued = true;
            self.scans.push_back(id);
        }
    }

    /// Moves everything that is due at `now` to the front, and takes the next one to look at; users' wishes go first.
    pub(crate) fn take(&mut self, now: Timestamp, scans_too: bool) -> Option<(Uuid, Memory)> {
        while let Some(Reverse((at, id))) = self.timers.peek().copied() {
            if at > now {
                break;
            }
            self.timers.pop();
            // A timer that was replaced by a later decision is stale.
            if self.slots.get(&id).is_some_and(|slot| slot.due == Some(at)) {
                self.wake(id);
            }
        }
        let scan = if scans_too { self.scans.pop_front() } else { None };
        let id = match self.urgent.pop_front() {
            Some(id) => {
                if let Some(scan) = scan {
                    self.scans.push_front(scan);
                }
                id
            }
            None => scan?,
        };
        let slot = self.slots.entry(id).or_default();
        slot.is_queued = false;
        slot.is_running = true;
        slot.is_woken = false;
        slot.due = None;
        Some((id, slot.memory.take().unwrap_or_default()))
    }

    /// A look has ended.
    pub(crate) fn done(&mut self, id: Uuid, memory: Memory, next: Next) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        slot.is_running = false;
        slot.revision = memory.revision;
        slot.memory = (!memory.is_empty()).then_some(memory);
        let is_woken = std::mem::take(&mut slot.is_woken);
        match next {
            Next::Gone => {
                self.slots.remove(&id);
            }
            Next::Now => self.wake(id),
            Next::At(at) => {
                slot.due = Some(at);
                self.timers.push(Reverse((at, id)));
                if is_woken {
                    self.wake(id);
                }
            }
            Next::Idle if is_woken => self.wake(id),
            Next::Idle => {}
        }
    }

    /// When the next timer is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn taken(queue: &mut Queue, now: i64) -> Option<u128> {
        queue.take(at(now), true).map(|(id, _)| id.as_u128())
    }

    #[test]
    fn a_deployment_woken_many_times_is_looked_at_once_and_again_when_woken_meanwhile() {
        let mut queue = Queue::default();
        let id = Uuid::from_u128(1);
        queue.wake(id);
        queue.wake(id);
        assert_eq!(taken(&mut queue, 0), Some(1));
        assert_eq!(taken(&mut queue, 0), None);
        queue.wake(id);
        assert_eq!(taken(&mut queue, 0), None, "one look at a time");
        queue.done(id, Memory::default(), Next::Idle);
        assert_eq!(taken(&mut queue, 0), Some(1));
        queue.done(id, Memory::default(), Next::Idle);
        assert_eq!(taken(&mut queue, 0), None);
    }

    #[test]
    fn a_users_wish_goes_before_scans_and_timers_fire_when_due() {
        let mut queue = Queue::default();
        for n in 1..=3 {
            queue.scan(Uuid::from_u128(n));
        }
        queue.wake(Uuid::from_u128(9));
        assert_eq!(taken(&mut queue, 0), Some(9));
        queue.done(Uuid::from_u128(9), Memory::default(), Next::At(at(5)));
        assert_eq!(queue.next_due(), Some(at(5)));
        assert_eq!(taken(&mut queue, 4), Some(1));
        assert_eq!(taken(&mut queue, 5), Some(9));
    }

    #[test]
    fn only_foreign_revisions_wake() {
        let mut queue = Queue::default();
        let id = Uuid::from_u128(1);
        queue.changed(id, 7);
        assert_eq!(taken(&mut queue, 0), Some(1));
        let mut memory = Memory::default();
        memory.revision = 8;
        queue.done(id, memory, Next::Idle);
        queue.changed(id, 8);
        assert_eq!(taken(&mut queue, 0), None);
        queue.changed(id, 9);
        assert_eq!(taken(&mut queue, 0), Some(1));
    }

    #[test]
    fn a_timer_that_was_replaced_does_not_fire() {
        let mut queue = Queue::default();
        let id = Uuid::from_u128(1);
        queue.wake(id);
        taken(&mut queue, 0);
        queue.done(id, Memory::default(), Next::At(at(5)));
        queue.wake(id);
        taken(&mut queue, 1);
        queue.done(id, Memory::default(), Next::At(at(50)));
        assert_eq!(taken(&mut queue, 10), None);
        assert_eq!(taken(&mut queue, 50), Some(1));
    }
}
