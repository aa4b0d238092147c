//! Which snapshot a new Job starts from (platform API reference §3.4; design invariants 2 and 3).
//!
//! A restore strategy never falls back in silence: when it demands a snapshot, none can be found and one existed once,
//! the answer is [`Choice::Stuck`].

use drey_model::deployment::RestoreKind;
use drey_model::{SavepointOrigin, SavepointState};
use uuid::Uuid;

use crate::draft::Draft;
use crate::facts::SavepointRecord;

/// The snapshot that a new Job starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// None: the strategy asks for none, or there has never been one.
    Empty,
    /// This one.
    From { savepoint: Uuid, location: String },
    /// One is needed, existed, and is not there.
    Stuck { why: String },
}

/// Chooses by `spec.restoreStrategy`.
pub(crate) fn choose(d: &Draft) -> Choice {
    let kind = d.deployment.spec.restore_strategy.kind;
    let held = match kind {
        RestoreKind::None => return Choice::Empty,
        RestoreKind::LatestState => d.facts.holds_state,
        RestoreKind::LatestSavepoint => d.facts.holds_savepoint,
    };
    let is_blind = kind == RestoreKind::LatestState && d.facts.blind_ordinal > 0;
    match newest(&d.savepoints, kind) {
        Some((savepoint, _)) if is_blind && is_outdated(d, savepoint) => {
            left_behind(kind, "LATEST_SAVEPOINT to go back to an older one")
        }
        Some((savepoint, location)) => Choice::From { savepoint, location },
        None if is_blind => left_behind(kind, "NONE to start empty"),
        None if held => Choice::Stuck {
            why: format!(
                "restoreStrategy {kind} needs a snapshot; this Deployment completed one before, and none can be found now. \
                 Starting empty would lose its state. Register a snapshot (POST savepoints with spec.savepointLocation), \
                 or set restoreStrategy NONE to start empty on purpose"
            ),
        },
        None => Choice::Empty,
    }
}

fn left_behind(kind: RestoreKind, otherwise: &str) -> Choice {
    Choice::Stuck {
        why: format!(
            "restoreStrategy {kind} needs the newest snapshot, and the state that the last Job left behind cannot be \
             looked for. Register it (POST savepoints with spec.savepointLocation), or set restoreStrategy {otherwise} \
             on purpose"
        ),
    }
}

/// Whether a later run may have left newer state than this snapshot where Drey could not look.
fn is_outdated(d: &Draft, savepoint: Uuid) -> bool {
    let record = d.savepoints.iter().find(|r| r.id() == savepoint);
    record.is_some_and(|r| r.age_key().0 < d.facts.blind_ordinal)
}

/// Whether a run that has ended may have left a snapshot of which is not known yet whether it is complete. Nothing is
/// restored until that is known: it may be the newest.
pub(crate) fn is_undecided(d: &Draft) -> bool {
    let has_ended = |job: Uuid| d.job(job).is_none_or(|r| r.facts.end.is_some());
    d.deployment.spec.restore_strategy.kind != RestoreKind::None
        && d.savepoints.iter().any(|r| {
            r.savepoint.status.state == SavepointState::Started
                && r.savepoint.metadata.job_id.is_some_and(has_ended)
        })
}

/// The newest complete snapshot that `kind` allows.
pub(crate) fn newest(savepoints: &[SavepointRecord], kind: RestoreKind) -> Option<(Uuid, String)> {
    let candidate = savepoints.iter().filter(|r| allows(kind, r)).max_by_key(|r| r.age_key())?;
    let location = candidate.savepoint.spec.savepoint_location.clone()?;
    Some((candidate.id(), location))
}

fn allows(kind: RestoreKind, record: &SavepointRecord) -> bool {
    let complete = record.savepoint.status.state == SavepointState::Completed
        && record.savepoint.spec.savepoint_location.is_some();
    let retained = record.savepoint.metadata.origin == SavepointOrigin::RetainedCheckpoint;
    match kind {
        RestoreKind::LatestState => complete,
        RestoreKind::LatestSavepoint => complete && !retained,
        RestoreKind::None => false,
    }
}

/// Closes every complete snapshot that no restore strategy would choose any more: what stays open is the newest of
/// all and the newest savepoint. The stop of a run whose end was not seen yet stays open too: it tells how the run ends.
pub(crate) fn close_superseded(d: &mut Draft) {
    let keep = [RestoreKind::LatestState, RestoreKind::LatestSavepoint]
        .map(|kind| newest(&d.savepoints, kind).map(|(id, _)| id));
    let running = d.jobs.iter().filter(|r| r.facts.end.is_none());
    let awaited: Vec<Uuid> = running.flat_map(|r| r.facts.stops.clone()).collect();
    for record in &mut d.savepoints {
        if record.savepoint.status.state == SavepointState::Completed {
            record.open = keep.contains(&Some(record.id())) || awaited.contains(&record.id());
        }
    }
}
