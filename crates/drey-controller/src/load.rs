//! Reads one Deployment's records from the store.

use std::collections::HashMap;

use drey_engine::{DeploymentFacts, JobRecord, SavepointRecord, SessionClusterRecord};
use drey_model::diff::deviates;
use drey_model::quota::{Cores, Limit, is_non_production};
use drey_model::{Deployment, DeploymentTarget, DesiredState, Kind};
use drey_store::{Object, Store};
use uuid::Uuid;

use crate::quota::{Figures, figures};

/// The records as they were read, with the revisions to write them back against.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub(crate) deployment: Deployment,
    pub(crate) facts: DeploymentFacts,
    pub(crate) target: Option<DeploymentTarget>,
    pub(crate) figures: Figures,
    pub(crate) session_cluster: Option<SessionClusterRecord>,
    pub(crate) jobs: Vec<JobRecord>,
    pub(crate) savepoints: Vec<SavepointRecord>,
    /// Revision of the Deployment.
    pub(crate) revision: i64,
    /// Revision of the SessionCluster that the Deployment names.
    pub(crate) cluster_revision: Option<i64>,
    /// Revisions of Jobs and Savepoints.
    pub(crate) revisions: HashMap<Uuid, i64>,
}

/// Reads a Deployment and what the controller still has to do with; `None` when it is gone.
pub(crate) async fn load(
    store: &Store,
    id: Uuid,
    limit: Option<Limit>,
) -> Result<Option<Loaded>, drey_store::Error> {
    let Some((object, children)) = store.deployment(id).await? else { return Ok(None) };
    let deployment: Deployment = object.decode()?;
    let mut loaded = Loaded {
        facts: object.decode_facts()?,
        deployment,
        target: None,
        figures: Figures::none(limit),
        session_cluster: None,
        jobs: Vec::new(),
        savepoints: Vec::new(),
        revision: object.revision,
        cluster_revision: None,
        revisions: HashMap::new(),
    };
    for child in children {
        add_child(&mut loaded, &child)?;
    }
    let needs_target = loaded.jobs.iter().all(|r| r.facts.end.is_some());
    let name = loaded.deployment.spec.deployment_target_name.as_deref();
    if let (true, Some(name)) = (needs_target, name) {
        let namespace = &loaded.deployment.metadata.namespace;
        let target = store.get(Kind::DeploymentTarget, namespace, name).await?;
        loaded.target = target.map(|o| o.decode()).transpose()?;
    }
    if let Some(name) = loaded.deployment.spec.session_cluster_name.as_deref() {
        let namespace = &loaded.deployment.metadata.namespace;
        let cluster = store.get(Kind::SessionCluster, namespace, name).await?;
        loaded.cluster_revision = cluster.as_ref().map(|object| object.revision);
        loaded.session_cluster = cluster.as_ref().map(session_cluster).transpose()?;
    }
    if let (Some(limit), true) = (limit, may_ask_for_cores(&loaded)) {
        loaded.figures = figures(store, limit, id).await?;
    }
    Ok(Some(loaded))
}

/// Whether the decision may ask for cores that it does not hold: to launch a Job, or to take one down that another is to
/// follow.
fn may_ask_for_cores(loaded: &Loaded) -> bool {
    let Deployment { metadata, spec, .. } = &loaded.deployment;
    if is_non_production(metadata) || Cores::of_spec(spec) <= loaded.facts.claim.held {
        return false;
    }
    let is_as_wanted = |r: &JobRecord| r.facts.end.is_none() && !deviates(&r.facts.launched, spec);
    spec.state == DesiredState::Running && !loaded.jobs.iter().any(is_as_wanted)
}

/// A SessionCluster with its facts.
pub(crate) fn session_cluster(object: &Object) -> Result<SessionClusterRecord, drey_store::Error> {
    Ok(SessionClusterRecord { cluster: object.decode()?, facts: object.decode_facts()? })
}

fn add_child(loaded: &mut Loaded, child: &Object) -> Result<(), drey_store::Error> {
    match child.kind {
        Kind::Job => {
            let record = JobRecord { job: child.decode()?, facts: child.decode_facts()? };
            loaded.jobs.push(record);
        }
        Kind::Savepoint => {
            let facts = child.facts.as_ref().map(|_| child.decode_facts()).transpose()?;
            let record = SavepointRecord { savepoint: child.decode()?, facts, open: child.open };
            loaded.savepoints.push(record);
        }
        Kind::Deployment
        | Kind::DeploymentTarget
        | Kind::DeploymentDefaults
        | Kind::SessionCluster
        | Kind::SecretValue
        | Kind::Event => {
            return Ok(());
        }
    }
    loaded.revisions.insert(child.id, child.revision);
    Ok(())
}
