//! Stores a plan: every changed record and every event in one transaction, guarded by what was read.

use drey_engine::{Action, JobRecord, NewEvent, Plan, SavepointRecord};
use drey_model::event::EventMetadata;
use drey_model::meta::TextMap;
use drey_model::{Event, Job, Kind, SessionRun};
use drey_store::{Object, Store, Write};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::load::Loaded;

/// Renders the configuration that a Job's cluster will run with.
pub type Configure = dyn Fn(&Job) -> TextMap + Send + Sync;

/// Renders the configuration that a run of a SessionCluster will have.
pub type ConfigureSession = dyn Fn(&SessionRun) -> TextMap + Send + Sync;

/// The name and epoch of the lease under which this controller leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leadership {
    /// Name of the lease.
    pub lease: String,
    /// Its epoch when it was acquired.
    pub epoch: i64,
}

/// Completes what the engine cannot know: the configuration of new Jobs, which depends on the backend.
pub(crate) fn configure_new_jobs(plan: &mut Plan, loaded: &Loaded, configure: &Configure) {
    for record in &mut plan.jobs {
        if !loaded.revisions.contains_key(&record.id()) {
            record.job.spec.flink_configuration = configure(&record.job);
        }
    }
    for action in &mut plan.actions {
        if let Action::EnsureCluster(job) | Action::Fetch(job) | Action::Submit(job) = action {
            let id = job.metadata.id;
            if let Some(record) = plan.jobs.iter().find(|r| r.id() == id) {
                **job = record.job.clone();
            }
        }
    }
}

/// The writes that turn what was loaded into what was planned; empty when nothing changed.
pub(crate) fn writes(
    loaded: &Loaded,
    plan: &mut Plan,
    now: Timestamp,
    mut fresh_id: impl FnMut() -> Uuid,
) -> Result<Vec<Write>, serde_json::Error> {
    let mut writes = Vec::new();
    for record in &mut plan.jobs {
        writes.extend(job_write(loaded, record, now)?);
    }
    writes.extend(cluster_guard(loaded, plan));
    for record in &mut plan.savepoints {
        writes.extend(savepoint_write(loaded, record, now)?);
    }
    for event in &plan.events {
        writes.push(Write::Create(event_object(plan, event, fresh_id(), now)?));
    }
    let is_doc_changed = plan.deployment != loaded.deployment;
    if is_doc_changed {
        plan.deployment.metadata.resource_version += 1;
        plan.deployment.metadata.modified_at = now;
    }
    let m = &plan.deployment.metadata;
    if is_doc_changed || plan.facts != loaded.facts {
        let object = Object {
            kind: Kind::Deployment,
            namespace: m.namespace.clone(),
            name: m.name.clone(),
            id: m.id,
            owner: None,
            open: true,
            revision: 0,
            doc: serde_json::to_string(&plan.deployment)?,
            facts: Some(serde_json::to_string(&plan.facts)?),
            deleted: false,
        };
        writes.push(Write::Update(object, loaded.revision));
    } else if !writes.is_empty() {
        writes.push(Write::Guard { kind: Kind::Deployment, id: m.id, revision: loaded.revision });
    }
    Ok(writes)
}

/// A new Job is bound to a run of its SessionCluster only if that is as it was read: it may have been told to stop since.
fn cluster_guard(loaded: &Loaded, plan: &Plan) -> Option<Write> {
    let is_new = |r: &JobRecord| !loaded.revisions.contains_key(&r.id());
    let is_bound = plan.jobs.iter().any(|r| is_new(r) && r.facts.session.is_some());
    let (cluster, revision) = (loaded.session_cluster.as_ref()?, loaded.cluster_revision?);
    let id = cluster.cluster.metadata.id;
    is_bound.then_some(Write::Guard { kind: Kind::SessionCluster, id, revision })
}

fn job_write(
    loaded: &Loaded,
    record: &mut JobRecord,
    now: Timestamp,
) -> Result<Option<Write>, serde_json::Error> {
    if loaded.jobs.iter().any(|old| old == record) {
        return Ok(None);
    }
    record.job.metadata.resource_version += 1;
    record.job.metadata.modified_at = now;
    let m = &record.job.metadata;
    let object = child(
        Kind::Job,
        &m.namespace,
        m.id,
        m.deployment_id,
        !record.is_closed(),
        &record.job,
        Some(&record.facts),
    )?;
    Ok(Some(put(loaded, object)))
}

fn savepoint_write(
    loaded: &Loaded,
    record: &mut SavepointRecord,
    now: Timestamp,
) -> Result<Option<Write>, serde_json::Error> {
    let old = loaded.savepoints.iter().find(|old| old.id() == record.id());
    if old == Some(record) {
        return Ok(None);
    }
    if old.is_none_or(|old| old.savepoint != record.savepoint) {
        record.savepoint.metadata.resource_version += 1;
        record.savepoint.metadata.modified_at = now;
    }
    let m = &record.savepoint.metadata;
    let object = child(
        Kind::Savepoint,
        &m.namespace,
        m.id,
        m.deployment_id,
        record.open,
        &record.savepoint,
        record.facts.as_ref(),
    )?;
    Ok(Some(put(loaded, object)))
}

fn put(loaded: &Loaded, object: Object) -> Write {
    match loaded.revisions.get(&object.id) {
        Some(revision) => Write::Update(object, *revision),
        None => Write::Create(object),
    }
}

pub(crate) fn child<D: Serialize, F: Serialize>(
    kind: Kind,
    namespace: &str,
    id: Uuid,
    owner: Uuid,
    open: bool,
    doc: &D,
    facts: Option<&F>,
) -> Result<Object, serde_json::Error> {
    Ok(Object {
        kind,
        namespace: namespace.to_owned(),
        name: id.to_string(),
        id,
        owner: Some(owner),
        open,
        revision: 0,
        doc: serde_json::to_string(doc)?,
        facts: facts.map(serde_json::to_string).transpose()?,
        deleted: false,
    })
}

fn event_object(
    plan: &Plan,
    event: &NewEvent,
    id: Uuid,
    now: Timestamp,
) -> Result<Object, serde_json::Error> {
    let m = &plan.deployment.metadata;
    let metadata = EventMetadata {
        id,
        name: event.name,
        namespace: m.namespace.clone(),
        created_at: now,
        deployment_id: Some(m.id),
        job_id: event.job,
        session_cluster_id: None,
        resource_name: Some(m.name.clone()),
        resource_version: 1,
    };
    let doc = Event::new(metadata, event.message.clone());
    child(Kind::Event, &m.namespace, id, m.id, false, &doc, None::<&()>)
}

/// Stores the writes. An effect without a write of its own is still checked against the lease, so that a controller
/// that was deposed does nothing. Returns the revision of the last write, if there was one.
pub(crate) async fn commit(
    store: &Store,
    mut writes: Vec<Write>,
    leadership: Option<&Leadership>,
    has_actions: bool,
) -> Result<Option<i64>, drey_store::Error> {
    let has_writes = !writes.is_empty();
    if let (Some(lead), true) = (leadership, has_writes || has_actions) {
        writes.insert(0, Write::Fence { lease: lead.lease.clone(), epoch: lead.epoch });
    }
    if writes.is_empty() {
        return Ok(None);
    }
    let revision = store.commit(&writes).await?;
    Ok(has_writes.then_some(revision))
}
