//! Transition to CANCELLED: Flink's cancel API, then the cluster goes. After 3 minutes, or 5 requests that failed, the
//! cluster goes without waiting for Flink any longer (seed 002, "Transitions to CANCELLED"). On a shared cluster nothing
//! can go in the job's place, so there Flink is waited for ([`session::advance_cancel`]).

use drey_model::EventName;
use drey_model::seen::{ClusterPhase, FlinkStatus, Seen};
use jiff::SignedDuration;
use uuid::Uuid;

use crate::draft::{Draft, SaturatingAdd};
use crate::facts::{How, JobRecord};
use crate::plan::Action;
use crate::session;
use crate::situation::Observation;

const DEADLINE: SignedDuration = SignedDuration::from_mins(3);
const FAILURES_MAX: u32 = 5;
/// Pause after a request that failed.
pub(crate) const RETRY: SignedDuration = SignedDuration::from_secs(1);
/// Pause after a request that was accepted and has not ended the job.
pub(crate) const REPEAT: SignedDuration = SignedDuration::from_secs(10);

/// Sees a TERMINATING Job to its end.
pub(crate) fn advance(d: &mut Draft, id: Uuid) {
    let seen = d.observation(id);
    let Some(record) = d.job(id).filter(|r| r.facts.end.is_none()) else { return };
    let Some(cancel) = record.facts.cancel.clone() else { return };
    if record.facts.session.is_some() {
        return session::advance_cancel(d, id, &seen, &cancel);
    }
    let has_started = record.job.status.started.is_some();
    let confirmed = match &seen.cluster {
        Seen::Absent => Some(true),
        Seen::Unknown { .. } => None,
        Seen::Present(cluster) => match cluster.phase {
            ClusterPhase::Dead { .. } => Some(true),
            ClusterPhase::Preparing { .. } => Some(false),
            ClusterPhase::Alive => match &seen.job {
                Seen::Present(job) if job.status.is_terminal() => Some(true),
                Seen::Present(_) => None,
                Seen::Absent => Some(false),
                Seen::Unknown { .. } if has_started => None,
                Seen::Unknown { .. } => Some(false),
            },
        },
    };
    if let Some(confirmed) = confirmed {
        note_finish(d, id, &seen);
        d.end(id, How::Cancelled, &cancel.why, confirmed);
        return;
    }
    let until = cancel.since.saturating_add_or_max(DEADLINE);
    if d.now >= until || cancel.failures >= FAILURES_MAX {
        let why = format!(
            "{}; Flink did not cancel it ({} requests failed, {} s passed), so its cluster is removed",
            cancel.why,
            cancel.failures,
            d.now.duration_since(cancel.since).as_secs()
        );
        d.event(EventName::FoundAStoppedJobAndWillTerminateIt, Some(id), why.clone());
        d.end(id, How::Cancelled, &why, false);
        return;
    }
    d.wait("Flink to cancel the job", cancel.since, until);
}

/// A job that finished by itself before it could be cancelled has taken its checkpoints with it.
pub(crate) fn note_finish(d: &mut Draft, id: Uuid, seen: &Observation) {
    let has_finished = seen.job.present().is_some_and(|j| j.status == FlinkStatus::Finished);
    if has_finished && d.job(id).is_some_and(|r| r.facts.stops.is_empty()) {
        d.forget_state();
        d.job_facts(id, |f| f.checkpointed = false);
    }
}

/// The request that a cancellation under way calls for: none while Flink is at it.
pub(crate) fn request(d: &Draft, record: &JobRecord, seen: &Observation) -> Option<Action> {
    let is_due = record.facts.cancel.as_ref().is_some_and(|c| c.not_before <= d.now);
    let is_going = seen.job.present().is_some_and(|j| j.status == FlinkStatus::Cancelling);
    (is_due && !is_going).then(|| Action::Cancel { job: record.id() })
}

/// Flink accepted the cancellation.
pub(crate) fn accepted(d: &mut Draft, id: Uuid) {
    let now = d.now;
    let Some(cancel) = d.job_mut(id).and_then(|r| r.facts.cancel.as_mut()) else { return };
    let is_first = cancel.accepted_at.is_none();
    cancel.accepted_at = Some(now);
    cancel.not_before = now.saturating_add_or_max(REPEAT);
    if is_first {
        let message = "Flink has accepted the cancellation; waiting for the job to end";
        d.event(EventName::AwaitingAJobToTerminate, Some(id), message);
    }
}
