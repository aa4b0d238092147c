//! Reading lists and single objects, and what is known beyond what is stored.

use drey_model::deployment::{DeploymentState, DesiredState};
use drey_model::selector::Selector;
use drey_model::{Deployment, DeploymentTarget, Event, Explanation, Job, Kind, Savepoint};
use drey_store::{Filter, Object};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

use super::decode;
use crate::app::Shared;
use crate::error::Error;
use crate::metrics::DeploymentLabels;

/// Jobs, Savepoints or Events in one answer, the newest ones. The platform has no paging; `deploymentId` and `jobId`
/// narrow the list.
pub(crate) const LIST_MAX: usize = 10_000;
/// Rows that are read at once for it.
const PAGE_ROWS: u32 = 1_000;

/// A Deployment with what the controller thinks of it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explained {
    /// The Deployment.
    deployment: Deployment,
    /// Why it is where it is.
    explanation: Explanation,
    /// Number of the Deployment's last write, as in the watch.
    revision: i64,
    /// Jobs that are active.
    jobs: Vec<Job>,
    /// When the active Job's JobManager last gave a trustworthy answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_at: Option<Timestamp>,
}

/// The part of the controller's facts that is shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Facts {
    explanation: Explanation,
}

impl Shared {
    /// Deployments, newest first, whose labels a selector accepts.
    pub(crate) async fn deployments(
        &self,
        ns: &str,
        selector: Option<&str>,
    ) -> Result<Vec<Deployment>, Error> {
        let selector = selector.map(Selector::parse).transpose();
        let selector = selector.map_err(|why| {
            Error::bad_request(format!("Query parameter labelSelector cannot be read: {why}"))
        })?;
        let mut all: Vec<Deployment> = self.all(Kind::Deployment, within(ns)).await?;
        if let Some(selector) = selector {
            all.retain(|d| selector.matches(&d.metadata.labels));
        }
        Ok(all)
    }

    /// DeploymentTargets, newest first.
    pub(crate) async fn targets(&self, ns: &str) -> Result<Vec<DeploymentTarget>, Error> {
        self.all(Kind::DeploymentTarget, within(ns)).await
    }

    /// The newest Jobs.
    pub(crate) async fn jobs(&self, ns: &str, owner: Option<Uuid>) -> Result<Vec<Job>, Error> {
        let filter = Filter { owner, ..within(ns) };
        let jobs = self.newest(Kind::Job, filter, |_: &Job| true).await?;
        Ok(jobs.into_iter().map(|job| self.freshest(job)).collect())
    }

    /// One Job.
    pub(crate) async fn job(&self, ns: &str, id: &str) -> Result<Job, Error> {
        let object = self.object_by_id(Kind::Job, ns, id).await?;
        Ok(self.freshest(decode(&object)?))
    }

    /// The newest Savepoints.
    pub(crate) async fn savepoints(
        &self,
        ns: &str,
        owner: Option<Uuid>,
        job: Option<Uuid>,
    ) -> Result<Vec<Savepoint>, Error> {
        let wanted = |s: &Savepoint| job.is_none() || s.metadata.job_id == job;
        self.newest(Kind::Savepoint, Filter { owner, ..within(ns) }, wanted).await
    }

    /// The newest Events.
    pub(crate) async fn events(
        &self,
        ns: &str,
        owner: Option<Uuid>,
        job: Option<Uuid>,
    ) -> Result<Vec<Event>, Error> {
        let owner = match (owner, job) {
            (Some(owner), _) => Some(owner),
            (None, Some(job)) => match self.store.by_id(Kind::Job, job).await? {
                Some(job) => job.owner,
                None => return Ok(Vec::new()),
            },
            (None, None) => None,
        };
        let wanted = |e: &Event| job.is_none() || e.metadata.job_id == job;
        self.newest(Kind::Event, Filter { owner, ..within(ns) }, wanted).await
    }

    /// A Deployment, why it is where it is, and its active Jobs.
    pub(crate) async fn explained(&self, ns: &str, name_or_id: &str) -> Result<Explained, Error> {
        let named = self.object_by_either(Kind::Deployment, ns, name_or_id).await?;
        let (object, open) = match self.store.deployment(named.id).await? {
            Some(found) => found,
            None => (named, Vec::new()),
        };
        let facts: Facts = object.decode_facts()?;
        let open = open.iter().filter(|o| o.kind == Kind::Job);
        let jobs: Vec<Job> = open.map(decode).collect::<Result<_, _>>()?;
        let jobs: Vec<Job> = jobs.into_iter().map(|job| self.freshest(job)).collect();
        let known = jobs.iter().filter_map(|j| self.handle.knowledge(j.metadata.id));
        Ok(Explained {
            deployment: decode(&object)?,
            explanation: facts.explanation,
            revision: object.revision,
            observed_at: known.map(|k| k.observed_at).max(),
            jobs,
        })
    }

    /// Counts for `/metrics`.
    pub(crate) async fn count_deployments(
        &self,
    ) -> Result<BTreeMap<(String, String, String), i64>, Error> {
        let mut counts = BTreeMap::new();
        for object in self.store.list(Kind::Deployment, &Filter::default()).await? {
            // A damaged row is somebody's problem, but not the scraper's.
            let Ok(states) = object.decode::<States>() else {
                continue;
            };
            let key =
                (object.namespace, states.spec.state.to_string(), states.status.state.to_string());
            *counts.entry(key).or_insert(0) += 1;
        }
        Ok(counts)
    }

    /// Brings the figures of `/metrics` that live in the store up to date.
    pub(crate) async fn refresh_metrics(&self) {
        let counts = self.count_deployments().await.unwrap_or_else(|e| {
            tracing::warn!(status = %e.status(), "Deployments cannot be counted: the store cannot be read");
            BTreeMap::new()
        });
        if let Ok(all) = self.quota_use().await {
            self.metrics.set_cores(self.quota, &all.holders);
        }
        self.metrics.set_deployments(counts.into_iter().map(
            |((namespace, desired, actual), n)| {
                (DeploymentLabels { namespace, desired, actual }, n)
            },
        ));
    }

    /// The Job with the freshest facts that this process has: volatile figures are not written to the store.
    fn freshest(&self, mut job: Job) -> Job {
        if job.status.state.is_terminal() {
            return job;
        }
        if let Some(started) = &mut job.status.started
            && let Some(known) = self.handle.knowledge(job.metadata.id)
        {
            started.last_update_time = started.last_update_time.max(known.observed_at);
            started.observed_flink_job_status = known.flink_status;
        }
        job
    }

    /// The newest objects that are wanted, up to [`LIST_MAX`]. What is not wanted takes no room among them.
    async fn newest<T: serde::de::DeserializeOwned>(
        &self,
        kind: Kind,
        filter: Filter,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<Vec<T>, Error> {
        let mut kept = Vec::new();
        let mut filter = Filter { limit: Some(PAGE_ROWS), ..filter };
        loop {
            let page = self.store.list(kind, &filter).await?;
            filter.before = page.last().map(|object| object.id);
            for object in &page {
                let item = decode(object)?;
                if kept.len() < LIST_MAX && wanted(&item) {
                    kept.push(item);
                }
            }
            if page.len() < PAGE_ROWS as usize || kept.len() >= LIST_MAX {
                return Ok(kept);
            }
        }
    }

    async fn all<T: serde::de::DeserializeOwned>(
        &self,
        kind: Kind,
        filter: Filter,
    ) -> Result<Vec<T>, Error> {
        let objects: Vec<Object> = self.store.list(kind, &filter).await?;
        objects.iter().map(decode).collect()
    }
}

fn within(ns: &str) -> Filter {
    Filter { namespace: Some(ns.to_owned()), ..Filter::default() }
}

/// As much of a Deployment as counting needs.
#[derive(Debug, Deserialize)]
struct States {
    spec: Desired,
    #[serde(default)]
    status: Actual,
}

#[derive(Debug, Deserialize)]
struct Desired {
    state: DesiredState,
}

#[derive(Debug, Default, Deserialize)]
struct Actual {
    state: DeploymentState,
}
