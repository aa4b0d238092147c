//! What the store held, object by object, as its change feed told. The oracle reads records through this and through
//! nothing of the controller.

use std::collections::{BTreeMap, BTreeSet};

use drey_engine::session_cluster::Run;
use drey_engine::{DeploymentFacts, JobFacts, SavepointFacts, SessionFacts};
use drey_model::{Deployment, Event, Job, Savepoint, SessionCluster};
use drey_store::Object;
use uuid::Uuid;

/// A Deployment as stored.
#[derive(Debug, Clone)]
pub struct StoredDeployment {
    /// The document.
    pub doc: Deployment,
    /// The controller's facts.
    pub facts: DeploymentFacts,
}

/// A Job as stored.
#[derive(Debug, Clone)]
pub struct StoredJob {
    /// The document.
    pub doc: Job,
    /// The controller's facts.
    pub facts: JobFacts,
    /// Whether the controller still has something to do with it.
    pub is_open: bool,
}

impl StoredJob {
    /// Whether a user gave it up while Flink did not cancel it.
    #[must_use]
    pub fn is_orphan(&self) -> bool {
        self.facts.session.as_ref().is_some_and(|session| session.orphaned_at.is_some())
    }

    /// Whether something waits for it. What may only appear late is watched, and nothing waits for it.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        let may_be_late = self.facts.session.as_ref().is_some_and(|s| s.late.is_some());
        self.is_open && !may_be_late
    }
}

/// A Savepoint as stored.
#[derive(Debug, Clone)]
pub struct StoredSavepoint {
    /// The document.
    pub doc: Savepoint,
    /// The controller's facts.
    pub facts: Option<SavepointFacts>,
}

/// A SessionCluster as stored.
#[derive(Debug, Clone)]
pub struct StoredCluster {
    /// The document.
    pub doc: SessionCluster,
    /// The controller's facts.
    pub facts: SessionFacts,
}

/// One change, decoded.
#[derive(Debug, Clone)]
pub enum Change {
    /// A Deployment was written.
    Deployment(Box<StoredDeployment>),
    /// A Job was written.
    Job(Box<StoredJob>),
    /// A Savepoint was written.
    Savepoint(Box<StoredSavepoint>),
    /// A line was logged.
    Event(Box<Event>),
    /// A SessionCluster was written.
    SessionCluster(Box<StoredCluster>),
    /// Something was deleted.
    Gone(Uuid),
    /// Nothing that matters here.
    Other,
}

/// The store's contents.
#[derive(Debug, Default)]
pub struct Mirror {
    /// By id.
    pub deployments: BTreeMap<Uuid, StoredDeployment>,
    /// By id, in order of creation.
    pub jobs: BTreeMap<Uuid, StoredJob>,
    /// By id.
    pub savepoints: BTreeMap<Uuid, StoredSavepoint>,
    /// The only SessionCluster, while there is one.
    pub session_cluster: Option<StoredCluster>,
    /// What was deleted.
    pub gone: BTreeSet<Uuid>,
    /// Locations of Savepoints that were deleted.
    pub forgotten: BTreeSet<String>,
    /// The last revision that was read.
    pub revision: i64,
}

impl Mirror {
    /// Decodes a row of the change feed.
    ///
    /// # Errors
    /// When the row is not what its kind says.
    pub fn decode(row: &Object) -> Result<Change, drey_store::Error> {
        use drey_model::Kind;
        if row.deleted {
            return Ok(Change::Gone(row.id));
        }
        Ok(match row.kind {
            Kind::Deployment => Change::Deployment(Box::new(StoredDeployment {
                doc: row.decode()?,
                facts: row.decode_facts()?,
            })),
            Kind::Job => Change::Job(Box::new(StoredJob {
                doc: row.decode()?,
                facts: row.decode_facts()?,
                is_open: row.open,
            })),
            Kind::Savepoint => Change::Savepoint(Box::new(StoredSavepoint {
                doc: row.decode()?,
                facts: row.facts.as_ref().map(|_| row.decode_facts()).transpose()?,
            })),
            Kind::Event => Change::Event(Box::new(row.decode()?)),
            Kind::SessionCluster => Change::SessionCluster(Box::new(StoredCluster {
                doc: row.decode()?,
                facts: row.decode_facts()?,
            })),
            Kind::DeploymentTarget | Kind::DeploymentDefaults | Kind::SecretValue => Change::Other,
        })
    }

    /// Takes a change in.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Deployment(d) => {
                self.deployments.insert(d.doc.metadata.id, *d);
            }
            Change::Job(j) => {
                self.jobs.insert(j.doc.metadata.id, *j);
            }
            Change::Savepoint(s) => {
                self.savepoints.insert(s.doc.metadata.id, *s);
            }
            Change::SessionCluster(cluster) => self.session_cluster = Some(*cluster),
            Change::Gone(id) => {
                self.deployments.remove(&id);
                if self.session_cluster.as_ref().is_some_and(|c| c.doc.metadata.id == id) {
                    self.session_cluster = None;
                }
                self.jobs.remove(&id);
                let savepoint = self.savepoints.remove(&id);
                self.forgotten.extend(savepoint.and_then(|s| s.doc.spec.savepoint_location));
                self.gone.insert(id);
            }
            Change::Event(_) | Change::Other => {}
        }
    }

    /// The run of the SessionCluster, if this is the one.
    #[must_use]
    pub fn run(&self, id: Uuid) -> Option<&Run> {
        self.shared()?.run.as_ref().filter(|run| run.launched.id == id)
    }

    /// The controller's facts about the SessionCluster.
    #[must_use]
    pub fn shared(&self) -> Option<&SessionFacts> {
        self.session_cluster.as_ref().map(|cluster| &cluster.facts)
    }

    /// The Jobs of a Deployment, the oldest first.
    pub fn jobs_of(&self, deployment: Uuid) -> impl DoubleEndedIterator<Item = &StoredJob> {
        self.jobs.values().filter(move |j| j.doc.metadata.deployment_id == deployment)
    }
}
