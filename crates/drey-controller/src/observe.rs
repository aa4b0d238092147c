//! Looks at the world of one Deployment: processes, Flink jobs, operations, storage. Changes nothing.
//!
//! Everything is asked at once and each call has a deadline of its own, so a look takes as long as its slowest answer,
//! and never longer than a few seconds.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use drey_cluster::ClusterBackend;
use drey_engine::{Observation, SavepointRecord};
use drey_flink::FlinkApi;
use drey_model::seen::{Cluster, ClusterPhase, Operation, Seen};
use drey_model::{JobState, SavepointState};
use futures::future::join_all;
use jiff::Timestamp;
use uuid::Uuid;

use crate::handle::{Board, Knowledge};
use crate::hide::Hiding;
use crate::load::Loaded;

/// Since when looks at a Job's Flink job have given no answer.
pub(crate) type Unreachable = HashMap<Uuid, Timestamp>;

/// Looks at every Job that is not closed, and at the places of Savepoints in progress.
pub(crate) async fn observe<B: ClusterBackend, F: FlinkApi>(
    backend: &B,
    flink: &F,
    loaded: &Loaded,
) -> BTreeMap<Uuid, Observation> {
    let mut ids: BTreeSet<Uuid> = loaded.jobs.iter().map(drey_engine::JobRecord::id).collect();
    let pending = loaded.savepoints.iter().filter(|r| is_pending(r));
    ids.extend(pending.filter_map(|r| r.savepoint.metadata.job_id));
    let looks =
        ids.into_iter().map(|id| async move { (id, look(backend, flink, loaded, id).await) });
    join_all(looks).await.into_iter().collect()
}

/// Whether a Savepoint may still become complete: in progress, or given up while Flink may be working on it.
fn is_pending(record: &SavepointRecord) -> bool {
    let state = record.savepoint.status.state;
    matches!(state, SavepointState::Started | SavepointState::Failed)
}

async fn look<B: ClusterBackend, F: FlinkApi>(
    backend: &B,
    flink: &F,
    loaded: &Loaded,
    id: Uuid,
) -> Observation {
    let Some(record) = loaded.jobs.iter().find(|r| r.id() == id) else {
        // The Job is closed; only the directories of its Savepoints are still of interest.
        let mut seen = Observation { cluster: Seen::Absent, ..Observation::default() };
        look_into_directories(backend, loaded, id, true, &mut seen).await;
        return seen;
    };
    let cluster = backend.inspect(record.cluster()).await;
    let mut seen = Observation { cluster, ..Observation::default() };
    let has_ended = record.facts.end.is_some();
    match (live_rest(&seen.cluster), has_ended) {
        (Some(rest), false) => {
            let operations = operations(flink, &rest, loaded, id);
            let (job, operations) = futures::join!(flink.job(&rest, id), operations);
            let hiding = Hiding::of(backend, record).await;
            seen.job = hiding.job(job);
            seen.operations =
                operations.into_iter().map(|(id, seen)| (id, hiding.operation(seen))).collect();
        }
        // Its cluster goes on without it, so only Flink can say whether the job is gone.
        (Some(rest), true) if record.asks_flink() => {
            let job = flink.job(&rest, id).await;
            seen.job = Hiding::of(backend, record).await.job(job);
        }
        (Some(_) | None, _) => {}
    }
    let is_starting = record.job.status.state == JobState::Starting;
    if record.facts.session.is_some() && is_starting && seen.job == Seen::Absent {
        seen.program = Some(backend.program(id).await);
    }
    let is_over = has_ended
        || seen.cluster == Seen::Absent
        || is_dead(&seen.cluster)
        || seen.job == Seen::Absent
        || seen.job.present().is_some_and(|j| j.status.is_terminal());
    look_into_directories(backend, loaded, id, is_over, &mut seen).await;
    let is_away = seen.cluster == Seen::Absent && record.facts.session.is_none();
    let is_gone = is_away || record.facts.gone_at.is_some();
    if has_ended && is_gone && !record.facts.swept {
        seen.retained = Some(backend.retained_checkpoint(&record.job).await);
    }
    seen
}

fn is_dead(cluster: &Seen<Cluster>) -> bool {
    cluster.present().is_some_and(|c| matches!(c.phase, ClusterPhase::Dead { .. }))
}

/// The REST address of a JobManager that is alive.
pub(crate) fn live_rest(cluster: &Seen<Cluster>) -> Option<String> {
    let cluster = cluster.present()?;
    (cluster.phase == ClusterPhase::Alive).then(|| cluster.rest.clone()).flatten()
}

async fn operations<F: FlinkApi>(
    flink: &F,
    rest: &str,
    loaded: &Loaded,
    job: Uuid,
) -> BTreeMap<Uuid, Seen<Operation>> {
    let pending = savepoints_of(loaded, job);
    let asked = pending.map(|r| async move { (r.id(), flink.operation(rest, job, r.id()).await) });
    join_all(asked).await.into_iter().collect()
}

fn savepoints_of(loaded: &Loaded, job: Uuid) -> impl Iterator<Item = &SavepointRecord> {
    let of_job = move |r: &&SavepointRecord| r.savepoint.metadata.job_id == Some(job);
    loaded.savepoints.iter().filter(of_job).filter(|r| is_pending(r) && r.facts.is_some())
}

/// Looks into a Savepoint's directory where the operation alone does not tell: it is unknown to Flink, it is complete
/// (for the time of completion), or the run is over.
async fn look_into_directories<B: ClusterBackend>(
    backend: &B,
    loaded: &Loaded,
    job: Uuid,
    is_over: bool,
    seen: &mut Observation,
) {
    for record in savepoints_of(loaded, job) {
        let answer = seen.operations.get(&record.id());
        let is_needed = is_over
            || matches!(answer, Some(Seen::Absent | Seen::Present(Operation::Completed { .. })));
        if let (true, Some(facts)) = (is_needed, &record.facts) {
            let found = backend.savepoint_in(&facts.directory).await;
            seen.directories.insert(record.id(), found);
        }
    }
}

/// Keeps track of how long answers have been missing, and shows the freshest facts to readers.
pub(crate) fn note(
    seen: &mut BTreeMap<Uuid, Observation>,
    unreachable: &mut Unreachable,
    board: &Board,
    now: Timestamp,
) {
    unreachable.retain(|id, _| seen.contains_key(id));
    let mut board = match board.lock() {
        Ok(board) => board,
        Err(poisoned) => poisoned.into_inner(),
    };
    for (id, observation) in seen {
        let is_silent = matches!(observation.job, Seen::Unknown { .. })
            && !matches!(observation.cluster, Seen::Absent)
            && !is_dead(&observation.cluster);
        if is_silent {
            // Silence begins with the last answer, and not with the end of the first look that had none.
            let answered = board.get(id).map(|known| known.observed_at);
            let since = *unreachable.entry(*id).or_insert(answered.unwrap_or(now).min(now));
            observation.unreachable_since = Some(since);
            if let Some(known) = board.get_mut(id) {
                known.flink_status = "UNKNOWN".to_owned();
            }
        } else {
            unreachable.remove(id);
        }
        let mut is_over = observation.cluster == Seen::Absent;
        if let Seen::Present(job) = &observation.job {
            let known = Knowledge { observed_at: now, flink_status: job.status.to_string() };
            board.insert(*id, known);
            // On a shared cluster nothing else tells that this was the last look.
            is_over |= job.status.is_terminal();
        }
        if is_over {
            board.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use drey_model::seen::{FlinkJob, FlinkStatus};

    use super::*;

    fn seen(job: Seen<FlinkJob>) -> BTreeMap<Uuid, Observation> {
        let phase = ClusterPhase::Alive;
        let cluster = Seen::Present(Cluster { phase, rest: None, task_managers: 1 });
        BTreeMap::from([(Uuid::nil(), Observation { cluster, job, ..Observation::default() })])
    }

    #[test]
    fn silence_is_counted_from_the_last_answer() {
        let (mut unreachable, board) = (Unreachable::new(), Board::default());
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut since = |look, second| {
            let mut seen = seen(look);
            note(&mut seen, &mut unreachable, &board, at(second));
            seen[&Uuid::nil()].unreachable_since
        };
        let silence = || Seen::unknown("timed out");
        let answer = FlinkJob {
            status: FlinkStatus::Running,
            tasks_running: 1,
            tasks_total: 1,
            since: None,
            restarts: None,
            failures: Vec::new(),
            cause: None,
            checkpoint: None,
        };
        assert_eq!(since(silence(), 0), Some(at(0)), "before there was any");
        assert_eq!(since(silence(), 5), Some(at(0)));
        assert_eq!(since(Seen::Present(answer), 10), None);
        assert_eq!(since(silence(), 19), Some(at(10)));
        assert_eq!(since(silence(), 23), Some(at(10)));
        assert_eq!(board.lock().unwrap()[&Uuid::nil()].flink_status, "UNKNOWN");
    }
}
