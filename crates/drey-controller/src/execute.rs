//! Carries out the actions of a plan, and reports. Results are not interpreted here; no call is retried here.

use std::collections::BTreeMap;

use drey_cluster::{ClusterBackend, Error as BackendError};
use drey_engine::{Action, Observation, Report};
use drey_flink::api::Error as FlinkError;
use drey_flink::{FlinkApi, Trigger};
use drey_model::causes::causes;
use uuid::Uuid;

use crate::observe::live_rest;
use crate::submit::{Uploads, submit};

/// Carries out one action.
pub(crate) async fn execute<B: ClusterBackend, F: FlinkApi>(
    backend: &B,
    flink: &F,
    uploads: &Uploads,
    seen: &BTreeMap<Uuid, Observation>,
    action: &Action,
) -> Option<Report> {
    let rest = seen.get(&action.job()).and_then(|o| live_rest(&o.cluster));
    match (action, rest) {
        (Action::EnsureCluster(job), _) => {
            report_ensure(job.metadata.id, backend.ensure(job).await)
        }
        (Action::Fetch(job), _) => report_ensure(job.metadata.id, backend.fetch(job).await),
        (Action::Submit(job), rest) => {
            let program = seen.get(&job.metadata.id).and_then(|o| o.program.as_ref());
            Some(submit(flink, uploads, rest, program, job).await)
        }
        (Action::RemoveCluster { job }, _) => match backend.remove(*job).await {
            Ok(()) => Some(Report::RemovalAccepted { job: *job }),
            Err(error) => {
                let why = causes(&error);
                tracing::warn!(job = %job, why, "removing a cluster; it is tried again");
                Some(Report::RemovalFailed { job: *job, why })
            }
        },
        (Action::Cancel { job }, None) => Some(Report::CancelFailed {
            job: *job,
            why: "its JobManager has no address".to_owned(),
        }),
        (Action::Cancel { job }, Some(rest)) => Some(match flink.cancel(&rest, *job).await {
            Ok(()) => Report::CancelAccepted { job: *job },
            Err(error) => Report::CancelFailed { job: *job, why: error.to_string() },
        }),
        (Action::Snapshot { savepoint, .. }, None) => Some(Report::SavepointUnanswered {
            savepoint: *savepoint,
            why: "the JobManager has no address".to_owned(),
        }),
        (Action::Snapshot { job, savepoint, directory, stop, drain }, Some(rest)) => {
            let trigger =
                Trigger { job_id: *job, trigger_id: *savepoint, directory: directory.clone() };
            let answer = match stop {
                true => flink.stop(&rest, &trigger, *drain).await,
                false => flink.savepoint(&rest, &trigger).await,
            };
            Some(report_snapshot(*savepoint, answer))
        }
    }
}

fn report_ensure(job: Uuid, answer: Result<(), BackendError>) -> Option<Report> {
    match answer {
        Ok(()) => None,
        Err(BackendError::Refused(why)) => Some(Report::EnsureRefused { job, why }),
        Err(error @ (BackendError::Failed { .. } | BackendError::NotFound(_))) => {
            let why = causes(&error);
            tracing::warn!(%job, why, "ensuring a cluster; it is tried again");
            Some(Report::EnsureFailed { job, why })
        }
    }
}

fn report_snapshot(savepoint: Uuid, answer: Result<(), FlinkError>) -> Report {
    match answer {
        Ok(()) => Report::SavepointAccepted { savepoint },
        Err(error @ FlinkError::Refused { .. }) => {
            Report::SavepointRefused { savepoint, why: error.to_string() }
        }
        Err(error @ (FlinkError::Unknown { .. } | FlinkError::NotAsked { .. })) => {
            Report::SavepointUnanswered { savepoint, why: error.to_string() }
        }
    }
}
