//! Taking, registering and forgetting Savepoints.

use drey_model::document::Document;
use drey_model::event::EventMetadata;
use drey_model::write::{self, Accepted, NewSavepoint};
use drey_model::{Event, EventName, Job, Kind, Savepoint, SavepointState};
use drey_store::{Filter, Object, Write};
use uuid::Uuid;

use super::objects::row;
use super::{Attempts, Writer, decode};
use crate::app::Shared;
use crate::error::Error;
use crate::wire::IfMatch;

/// Snapshots that are looked at again when one is forgotten, the newest ones.
const REOPENED_MAX: u32 = 100;

impl Shared {
    /// One Savepoint, by id.
    pub(crate) async fn savepoint(&self, ns: &str, id: &str) -> Result<Savepoint, Error> {
        decode(&self.object_by_id(Kind::Savepoint, ns, id).await?)
    }
}

impl Writer {
    /// Records a snapshot to take of the active Job, or one that exists already.
    pub(crate) async fn create_savepoint(
        &self,
        ns: &str,
        document: &Document,
    ) -> Result<Accepted<Savepoint>, Error> {
        let owner = write::savepoint_deployment_id(document);
        let owner = owner.map_err(|problems| Error::invalid(&problems))?;
        let mut attempts = Attempts::default();
        loop {
            attempts.next("the Deployment").await?;
            let found = self.store.deployment(owner).await?.filter(|(d, _)| d.namespace == ns);
            let Some((deployment, open)) = found else {
                return Err(Error::not_found(format!(
                    "No Deployment {owner} in namespace {ns:?}."
                )));
            };
            let active = active_job(&open)?;
            let context = self.context(ns, &[]);
            let accepted = write::create_savepoint(document, &context, &decode(&deployment)?);
            let accepted = bound(accepted.map_err(|problems| Error::invalid(&problems))?, active)?;
            let guard =
                Write::Guard { kind: Kind::Deployment, id: owner, revision: deployment.revision };
            if self.commit(&[guard, Write::Create(stored(&accepted.object)?)]).await? {
                self.wake(owner);
                return Ok(accepted);
            }
        }
    }

    /// Forgets a Savepoint; its data stays.
    pub(crate) async fn delete_savepoint(
        &self,
        ns: &str,
        id: &str,
        is_forced: bool,
        if_match: &IfMatch,
    ) -> Result<Savepoint, Error> {
        let mut attempts = Attempts::default();
        loop {
            attempts.next("the Savepoint").await?;
            let object = self.object_by_id(Kind::Savepoint, ns, id).await?;
            let savepoint: Savepoint = decode(&object)?;
            if_match.check(id, Some(savepoint.metadata.resource_version))?;
            check_forgettable(&savepoint, is_forced)?;
            let owner = savepoint.metadata.deployment_id;
            let mut writes = vec![Write::Delete {
                kind: Kind::Savepoint,
                id: object.id,
                revision: object.revision,
            }];
            if let Some(deployment) = self.store.by_id(Kind::Deployment, owner).await? {
                writes.push(Write::Create(self.forgotten(&deployment, &savepoint)?));
            }
            if object.open {
                writes.extend(self.reopened(owner, object.id).await?);
            }
            if self.commit(&writes).await? {
                self.wake(owner);
                return Ok(savepoint);
            }
        }
    }

    /// Shows the controller the older snapshots again, which it had put aside in favour of the one that goes away: the
    /// next start restores from the newest that is left. It puts the others aside again by itself.
    async fn reopened(&self, owner: Uuid, without: Uuid) -> Result<Vec<Write>, Error> {
        let filter = Filter { owner: Some(owner), limit: Some(REOPENED_MAX), ..Filter::default() };
        let mut writes = Vec::new();
        for mut row in self.store.list(Kind::Savepoint, &filter).await? {
            let savepoint: Savepoint = decode(&row)?;
            let is_complete = savepoint.status.state == SavepointState::Completed;
            if row.id != without && !row.open && is_complete {
                let revision = row.revision;
                row.open = true;
                writes.push(Write::Update(row, revision));
            }
        }
        Ok(writes)
    }

    /// The line of the event log that says what was forgotten: a later start may restore from something older.
    fn forgotten(&self, deployment: &Object, savepoint: &Savepoint) -> Result<Object, Error> {
        let id = self.world.id();
        let location = savepoint.spec.savepoint_location.as_deref().unwrap_or("no location");
        let message = format!(
            "The record of savepoint {} ({location}, {}) was deleted by a user. Its data was not removed. The next \
             start restores from the newest snapshot that is left; register this one again to use it.",
            savepoint.metadata.id, savepoint.status.state
        );
        let metadata = EventMetadata {
            id,
            name: EventName::External,
            namespace: deployment.namespace.clone(),
            created_at: self.world.now(),
            deployment_id: Some(deployment.id),
            job_id: savepoint.metadata.job_id,
            session_cluster_id: None,
            resource_name: Some(deployment.name.clone()),
            resource_version: 1,
        };
        let mut object = row(Kind::Event, &deployment.namespace, &id.to_string(), id);
        object.owner = Some(deployment.id);
        object.encode(&Event::new(metadata, message))?;
        Ok(object)
    }
}

/// What to store: a snapshot to take is one of the active Job, under a trigger id that is the Savepoint's own.
fn bound(
    accepted: Accepted<NewSavepoint>,
    active: Option<Job>,
) -> Result<Accepted<Savepoint>, Error> {
    let object = match (accepted.object, active) {
        (NewSavepoint::Register(savepoint), _) => savepoint,
        (NewSavepoint::Trigger(mut savepoint), Some(job)) => {
            savepoint.metadata.job_id = Some(job.metadata.id);
            savepoint.spec.flink_savepoint_id = Some(savepoint.metadata.id);
            savepoint
        }
        (NewSavepoint::Trigger(_), None) => {
            return Err(Error::bad_request(
                "No active job for a deployment. A savepoint is taken of a running job: set spec.state to RUNNING \
                 first. To register a snapshot that exists, give spec.savepointLocation and spec.flinkSavepointId.",
            ));
        }
    };
    Ok(Accepted { object, warnings: accepted.warnings })
}

/// 409 for a snapshot that is being taken or removed, and for one that is of use unless that is meant.
fn check_forgettable(savepoint: &Savepoint, is_forced: bool) -> Result<(), Error> {
    let id = savepoint.metadata.id;
    match (savepoint.status.state, is_forced) {
        (SavepointState::Started, _) => Err(Error::conflict(format!(
            "Savepoint {id} is being taken. Wait until it is COMPLETED or FAILED, then delete it."
        ))),
        (SavepointState::Failed | SavepointState::FailedDeletion, _) | (_, true) => Ok(()),
        (
            state @ (SavepointState::Completed
            | SavepointState::PendingDeletion
            | SavepointState::Deleting),
            false,
        ) => Err(Error::conflict(format!(
            "Savepoint {id} is {state}, and this version does not remove snapshot data. Add ?force=true to delete only \
             the record: the data stays in storage, and no start restores from it any more."
        ))),
    }
}

/// The Job that a snapshot can be asked of: the newest one that has not ended.
fn active_job(open: &[Object]) -> Result<Option<Job>, Error> {
    let jobs = open.iter().filter(|o| o.kind == Kind::Job).map(decode::<Job>);
    for job in jobs {
        let job = job?;
        if !job.status.state.is_terminal() {
            return Ok(Some(job));
        }
    }
    Ok(None)
}

/// The row of a Savepoint. It is open for the controller, which takes it, or weighs it against the other snapshots.
fn stored(savepoint: &Savepoint) -> Result<Object, Error> {
    let m = &savepoint.metadata;
    let mut object = row(Kind::Savepoint, &m.namespace, &m.id.to_string(), m.id);
    object.owner = Some(m.deployment_id);
    object.open = true;
    object.encode(savepoint)?;
    Ok(object)
}
