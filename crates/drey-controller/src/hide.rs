//! Takes secrets out of what Flink says about a job before it is recorded: reasons of failures go into events and status.
//!
//! Only texts for people are changed. Locations of snapshots are not: they hold no secrets, since the settings that make
//! them may not (`drey_model::validate::READ_KEYS`). What the backend says is without secrets already.

use drey_cluster::ClusterBackend;
use drey_engine::{JobRecord, Report};
use drey_model::secret::{self, mask::Mask};
use drey_model::seen::{FlinkJob, Operation, Seen};
use uuid::Uuid;

/// What must not be shown of one job.
pub(crate) enum Hiding {
    /// Nothing.
    Nothing,
    /// These values.
    Values(Mask),
    /// Whatever was said: the values are not known.
    Everything,
}

impl Hiding {
    /// What must not be shown of this Job; asks only about Jobs that may have secrets. In session mode the processes have
    /// those of the cluster, also where the Job's own configuration hides their names.
    pub(crate) async fn of<B: ClusterBackend>(backend: &B, record: &JobRecord) -> Self {
        let is_alone = record.facts.session.is_none();
        if is_alone && secret::job_references(&record.job.spec).is_empty() {
            return Self::Nothing;
        }
        match backend.mask(record.cluster()).await {
            Ok(mask) => Self::Values(mask),
            Err(error) => {
                tracing::warn!(job = %record.id(), %error, "secrets of a job cannot be hidden; its reasons are not shown");
                Self::Everything
            }
        }
    }

    fn text(&self, text: &mut String) {
        match self {
            Self::Nothing => {}
            Self::Values(mask) => *text = mask.text(text),
            Self::Everything => {
                *text = "(not shown, since its secrets cannot be hidden at the moment)".to_owned();
            }
        }
    }

    /// The answer of a look without secrets.
    pub(crate) fn job(&self, mut seen: Seen<FlinkJob>) -> Seen<FlinkJob> {
        match &mut seen {
            Seen::Present(job) => job.cause.iter_mut().for_each(|cause| self.text(cause)),
            Seen::Unknown { why } => self.text(why),
            Seen::Absent => {}
        }
        seen
    }

    /// The progress of an operation without secrets.
    pub(crate) fn operation(&self, mut seen: Seen<Operation>) -> Seen<Operation> {
        match &mut seen {
            Seen::Present(Operation::Failed { why }) | Seen::Unknown { why } => self.text(why),
            Seen::Present(Operation::InProgress | Operation::Completed { .. }) | Seen::Absent => {}
        }
        seen
    }

    /// The outcome of an action without secrets.
    pub(crate) fn report(&self, mut report: Report) -> Report {
        match &mut report {
            Report::CancelFailed { why, .. }
            | Report::SavepointRefused { why, .. }
            | Report::SavepointUnanswered { why, .. }
            | Report::SubmitRefused { why, .. }
            | Report::SubmitFailed { why, .. }
            | Report::SubmitUnanswered { why, .. }
            | Report::EnsureRefused { why, .. }
            | Report::EnsureFailed { why, .. }
            | Report::RemovalFailed { why, .. } => self.text(why),
            Report::RemovalAccepted { .. }
            | Report::SubmitAccepted { .. }
            | Report::SubmitPostponed { .. }
            | Report::CancelAccepted { .. }
            | Report::SavepointAccepted { .. } => {}
        }
        report
    }
}

/// What must not be shown of the Job with this id, if it is among these.
pub(crate) async fn among<B: ClusterBackend>(backend: &B, jobs: &[JobRecord], id: Uuid) -> Hiding {
    match jobs.iter().find(|record| record.id() == id) {
        Some(record) => Hiding::of(backend, record).await,
        None => Hiding::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_lose_their_secrets_and_locations_stay() {
        let hiding = Hiding::Values(Mask::of(["hunter2"]));
        let failed = Seen::Present(Operation::Failed { why: "bad password hunter2".to_owned() });
        let Seen::Present(Operation::Failed { why }) = hiding.operation(failed) else { panic!() };
        assert_eq!(why, "bad password ******");
        let unknown = hiding.job(Seen::unknown("no route to hunter2.example"));
        assert_eq!(unknown, Seen::unknown("no route to ******.example"));
        let location = "file:///hunter2/sp".to_owned();
        let done = Seen::Present(Operation::Completed { location });
        assert_eq!(hiding.operation(done.clone()), done);
        let savepoint = Uuid::nil();
        let report = Report::SavepointRefused { savepoint, why: "hunter2".to_owned() };
        let Report::SavepointRefused { why, .. } = Hiding::Everything.report(report) else {
            panic!()
        };
        assert!(why.starts_with("(not shown"), "{why}");
    }
}
