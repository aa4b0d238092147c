//! The TaskManagers of a run: as many as the spec says, without a restart.
//!
//! More are started by the backend, which knows its processes. Fewer are ended by name, and Flink says which: idle ones
//! first, then those that serve the fewest slots. So nothing is ended while Flink gives no answer.

use drey_model::EventName;
use drey_model::seen::{ClusterPhase, Seen, TaskManager};
use jiff::{SignedDuration, Timestamp};

use super::{Draft, RUN, Run, SessionAction};
use crate::draft::{SaturatingAdd, next_mark};
use crate::phase::STABLE_POLL;

/// How long a TaskManager that was asked for may take to be seen as a process, the request for it included.
const ON_ITS_WAY: SignedDuration = SignedDuration::from_secs(30);
/// What is waited for while a cluster that takes jobs says nothing.
const NO_ANSWER: &str = "an answer from Flink about its TaskManagers";

/// Keeps with a run how many TaskManagers it is to have, and how many may live.
pub(super) fn count_processes(d: &mut Draft) {
    let wanted = d.cluster.spec.number_of_task_managers;
    let living = match &d.seen.cluster {
        Seen::Present(cluster) if cluster.phase == ClusterPhase::Alive => {
            Some(i32::try_from(cluster.task_managers).unwrap_or(i32::MAX))
        }
        Seen::Present(_) | Seen::Absent | Seen::Unknown { .. } => None,
    };
    let now = d.now;
    let before = d.run_mut(|run| {
        let before = std::mem::replace(&mut run.launched.spec.number_of_task_managers, wanted);
        if before != wanted {
            run.changed_at = Some(now);
        }
        // What is seen may not be all yet: a start goes on with the number that it began with, and what was asked for a
        // moment ago may be on its way also when less is wanted by now.
        run.changed_at = run.changed_at.map(|at| at.min(now));
        let is_settled = run.running_since.is_some_and(|running| {
            let since = run.changed_at.map(|at| at.max(running.min(now)));
            since.is_none_or(|at| now >= at.saturating_add_or_max(ON_ITS_WAY))
        });
        run.managers_max = match living {
            Some(living) if is_settled => living.max(wanted),
            living => run.managers_max.max(wanted).max(living.unwrap_or(0)),
        };
        (before, run.running_since.is_some(), run.scaled_to)
    });
    let Some((before, true, complete)) = before.filter(|(before, ..)| *before != wanted) else {
        return;
    };
    let (name, message) = if complete == wanted {
        (
            EventName::StateTransitionIsCompleted,
            format!("Not {before} but {} again", counted(wanted)),
        )
    } else {
        let message = format!("From {complete} to {}, without a restart", counted(wanted));
        (EventName::StateTransitionIsNeeded, message)
    };
    d.event(name, message);
}

/// Sees a living run until it takes jobs, and from then on.
pub(super) fn watch(d: &mut Draft, run: &Run, since: Timestamp, processes: u32) {
    let wanted = d.cluster.spec.number_of_task_managers;
    let registered = match &d.seen.task_managers {
        Seen::Present(all) => Some(count(all.iter().filter(|tm| tm.slots > 0).count())),
        Seen::Unknown { .. } | Seen::Absent => None,
    };
    let is_complete = registered == Some(wanted) && i64::from(processes) == i64::from(wanted);
    // Also before it takes jobs: it may have been started with more than are wanted by now.
    choose_to_release(d, wanted, processes);
    if run.running_since.is_none() {
        return match (is_complete, registered) {
            (true, _) => took_up(d, wanted),
            // Silence is no reason to end it.
            (false, None) => {
                d.wait("the JobManager to answer".to_owned(), since, next_mark(since, RUN, d.now));
            }
            (false, Some(n)) => {
                let what = format!("{} to register, {n} did", counted(wanted));
                d.wait_or_fail(&what, since, RUN);
            }
        };
    }
    if run.scaled_to != wanted {
        return scale(d, wanted, is_complete, registered);
    }
    if i64::from(processes) < i64::from(wanted) && !run.is_short {
        let message =
            format!("{processes} of {wanted} TaskManagers are alive; the others are started again");
        d.event(EventName::GeneralFailure, message);
    }
    let is_short = i64::from(processes) < i64::from(wanted);
    d.run_mut(|run| run.is_short = is_short);
    if registered.is_none() {
        d.await_answer(NO_ANSWER);
    }
    d.wake(d.now.saturating_add_or_max(STABLE_POLL));
}

fn took_up(d: &mut Draft, managers: i32) {
    let now = d.now;
    d.run_mut(|run| {
        run.running_since = Some(now);
        run.scaled_to = managers;
    });
    d.facts.failed_starts.clear();
    d.facts.not_before = None;
    d.facts.last_failure = None;
    let message = format!("The cluster takes jobs, with {}", counted(managers));
    d.event(EventName::SessionClusterSuccessfullyStarted, message);
    d.wake(now.saturating_add_or_max(STABLE_POLL));
}

/// UPDATING, until the number of TaskManagers is the one that the spec says.
fn scale(d: &mut Draft, wanted: i32, is_complete: bool, registered: Option<i32>) {
    if is_complete {
        d.run_mut(|run| run.scaled_to = wanted);
        let message = format!("The cluster has {}", counted(wanted));
        d.event(EventName::StateTransitionIsCompleted, message);
        return d.wake(d.now.saturating_add_or_max(STABLE_POLL));
    }
    let since = d.cluster.metadata.modified_at.min(d.now);
    let known = registered.map_or("no answer from Flink".to_owned(), |n| format!("now {n}"));
    let until = next_mark(since, RUN, d.now);
    d.wait(format!("{} to take jobs, {known}", counted(wanted)), since, until);
}

/// The effects that a run calls for that goes on.
pub(super) fn actions(d: &Draft, run: &Run) -> Vec<SessionAction> {
    let wanted = d.cluster.spec.number_of_task_managers;
    let ensure = || SessionAction::Ensure(Box::new(run.launched.clone()));
    let cluster = match &d.seen.cluster {
        Seen::Absent if run.alive_since.is_none() => return vec![ensure()],
        Seen::Absent | Seen::Unknown { .. } => return Vec::new(),
        Seen::Present(cluster) if cluster.phase == ClusterPhase::Alive => cluster,
        Seen::Present(_) => return Vec::new(),
    };
    let id = run.launched.id;
    let surplus = i64::from(cluster.task_managers) - i64::from(wanted);
    let mut actions = Vec::new();
    if surplus < 0 {
        actions.push(ensure());
    }
    if surplus > 0 && !run.releasing.is_empty() {
        actions.push(SessionAction::Release { run: id, task_managers: run.releasing.clone() });
    }
    let jars = d.seen.jars.iter().flatten().filter(|jar| !d.seen.needed.contains(&jar.name));
    actions.extend(jars.map(|jar| SessionAction::DeleteJar { run: id, jar: jar.clone() }));
    actions
}

/// Records which TaskManagers are to go; once chosen they stay chosen until they are gone, whatever they do meanwhile,
/// unless more are wanted again.
fn choose_to_release(d: &mut Draft, wanted: i32, processes: u32) {
    let Seen::Present(all) = d.seen.task_managers.clone() else { return };
    let (wanted, processes) = (usize::try_from(wanted).unwrap_or(0), processes as usize);
    let surplus = processes.saturating_sub(wanted);
    // Flink names the dead for a while, and of those that were chosen it may be them.
    let surplus_named = processes.max(all.len()).saturating_sub(wanted);
    d.run_mut(|run| {
        run.releasing.retain(|id| surplus > 0 && all.iter().any(|tm| tm.id == *id));
        // More are wanted again than when they were chosen: the others go on.
        run.releasing.truncate(surplus_named);
        if run.releasing.is_empty() {
            run.releasing = idlest(&all, surplus, processes);
        }
    });
}

/// The TaskManagers to end: idle ones first. None while Flink knows of another number than there are processes: one of
/// those that it names may be gone already, and then too many would go.
fn idlest(all: &[TaskManager], surplus: usize, processes: usize) -> Vec<String> {
    if all.len() != processes {
        return Vec::new();
    }
    let mut order: Vec<&TaskManager> = all.iter().collect();
    order.sort_by_key(|tm| (tm.slots.saturating_sub(tm.free_slots), tm.id.as_str()));
    order.into_iter().take(surplus).map(|tm| tm.id.clone()).collect()
}

/// `1 TaskManager`, `2 TaskManagers`.
pub(super) fn counted(n: i32) -> String {
    format!("{n} TaskManager{}", if n == 1 { "" } else { "s" })
}

fn count(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}
