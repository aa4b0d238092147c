//! What a cluster is wanted for: a Job of its own, or a SessionCluster that takes jobs.
//!
//! The rest of the backend treats both alike; what differs is said here.

use drey_flink::launch::Entry;
use drey_flink::program::Program;
use drey_model::job::JobTarget;
use drey_model::meta::TextMap;
use drey_model::secret::{self, Reference};
use drey_model::{Job, SessionRun};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Whose cluster it is; written down before anything is prepared.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Wanted {
    Application(Box<Job>),
    Session(Box<SessionRun>),
}

impl Wanted {
    /// Names the cluster.
    pub(super) fn id(&self) -> Uuid {
        match self {
            Self::Application(job) => job.metadata.id,
            Self::Session(run) => run.id,
        }
    }

    /// Who is told when a process ends: the Deployment or the SessionCluster.
    pub(super) fn owner(&self) -> Uuid {
        match self {
            Self::Application(job) => job.metadata.deployment_id,
            Self::Session(run) => run.session_cluster_id,
        }
    }

    /// For people.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Application(job) => format!("Job {}", job.metadata.id),
            Self::Session(run) => format!("SessionCluster {}", run.name),
        }
    }

    pub(super) fn target(&self) -> &JobTarget {
        match self {
            Self::Application(job) => &job.spec.deployment_target,
            Self::Session(run) => &run.target,
        }
    }

    /// Whose secrets it may have.
    pub(super) fn namespace(&self) -> &str {
        match self {
            Self::Application(job) => &job.metadata.namespace,
            Self::Session(run) => &run.namespace,
        }
    }

    /// The secrets that it is launched with.
    pub(super) fn references(&self) -> Vec<Reference> {
        match self {
            Self::Application(job) => secret::job_references(&job.spec),
            Self::Session(run) => secret::run_references(run),
        }
    }

    /// The same with its secrets filled in; otherwise the names that have no value.
    pub(super) fn filled<'v>(
        &self,
        value: impl Fn(&str) -> Option<&'v str>,
    ) -> Result<Self, Vec<String>> {
        Ok(match self {
            Self::Application(job) => {
                let spec = secret::filled(&job.spec, value)?;
                Self::Application(Box::new(Job { spec, ..(**job).clone() }))
            }
            Self::Session(run) => Self::Session(Box::new(secret::run_filled(run, value)?)),
        })
    }

    pub(super) fn flink_version(&self) -> Option<&str> {
        match self {
            Self::Application(job) => job.spec.artifact.flink_version.as_deref(),
            Self::Session(run) => run.spec.flink_version.as_deref(),
        }
    }

    pub(super) fn task_managers(&self) -> u32 {
        let wanted = match self {
            Self::Application(job) => job.spec.number_of_task_managers,
            Self::Session(run) => run.spec.number_of_task_managers,
        };
        u32::try_from(wanted).unwrap_or(0)
    }

    pub(super) fn configuration(&self) -> &TextMap {
        match self {
            Self::Application(job) => &job.spec.flink_configuration,
            Self::Session(run) => &run.flink_configuration,
        }
    }

    /// As `drey-flink` wants it; a SessionCluster has no program.
    pub(super) fn entry<'a>(&'a self, program: &'a Program) -> Entry<'a> {
        match self {
            Self::Application(job) => Entry::Application { job, program },
            Self::Session(run) => Entry::Session(run),
        }
    }
}
