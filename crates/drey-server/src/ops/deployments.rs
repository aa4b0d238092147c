//! Writing Deployments.

use drey_model::deployment::Artifact;
use drey_model::document::Document;
use drey_model::write::{self, Accepted, WriteContext};
use drey_model::{Deployment, DeploymentState, DeploymentTarget, Job, Kind};
use drey_store::{Filter, Object, Write};
use uuid::Uuid;

use super::{Attempts, decode};
use crate::app::Shared;
use crate::error::Error;
use crate::wire::IfMatch;

type Outcome = Result<Accepted<Deployment>, Error>;

impl Shared {
    /// One Deployment, by id or name.
    pub(crate) async fn deployment(&self, ns: &str, name_or_id: &str) -> Result<Deployment, Error> {
        decode(&self.object_by_either(Kind::Deployment, ns, name_or_id).await?)
    }

    /// Stores a new Deployment.
    pub(crate) async fn create_deployment(&self, ns: &str, document: &Document) -> Outcome {
        let mut attempts = Attempts::default();
        let mut looked_at = None;
        loop {
            attempts.next("the Deployment's target").await?;
            let targets = self.target_rows(ns).await?;
            let accepted = write::create_deployment(document, &self.context(ns, &targets.decoded));
            let mut accepted = accepted.map_err(|problems| Error::invalid(&problems))?;
            self.check_secrets(None, &mut accepted).await?;
            self.look_first(None, &accepted.object, &targets, &mut looked_at).await?;
            if self.commit(&created(&accepted.object, &targets)?).await? {
                self.handle.wake(accepted.object.metadata.id);
                return Ok(accepted);
            }
        }
    }

    /// Changes what the document gives.
    pub(crate) async fn patch_deployment(
        &self,
        ns: &str,
        name_or_id: &str,
        document: &Document,
        if_match: &IfMatch,
    ) -> Outcome {
        let _turn = self.turns.take(name_or_id).await;
        let mut attempts = Attempts::default();
        let mut looked_at = None;
        loop {
            attempts.next(name_or_id).await?;
            let object = self.object_by_either(Kind::Deployment, ns, name_or_id).await?;
            let current: Deployment = decode(&object)?;
            if_match.check(&current.metadata.name, Some(current.metadata.resource_version))?;
            let targets = self.target_rows(ns).await?;
            let context = self.context(ns, &targets.decoded);
            let mut accepted = write::patch_deployment(&current, document, &context)
                .map_err(|problems| Error::invalid(&problems))?;
            self.check_secrets(Some(&current), &mut accepted).await?;
            self.look_first(Some(&current), &accepted.object, &targets, &mut looked_at).await?;
            if let Some(done) = self.update(object, &targets, accepted).await? {
                return Ok(done);
            }
        }
    }

    /// Replaces the whole, or creates it; says whether it is new.
    pub(crate) async fn put_deployment(
        &self,
        ns: &str,
        name_or_id: &str,
        document: &Document,
        if_match: &IfMatch,
    ) -> Result<(bool, Accepted<Deployment>), Error> {
        let _turn = self.turns.take(name_or_id).await;
        let mut attempts = Attempts::default();
        let mut looked_at = None;
        loop {
            attempts.next(name_or_id).await?;
            let object = self.present(Kind::Deployment, ns, name_or_id).await?;
            let current: Option<Deployment> = object.as_ref().map(decode).transpose()?;
            let version = current.as_ref().map(|d| d.metadata.resource_version);
            if_match.check(name_or_id, version)?;
            let targets = self.target_rows(ns).await?;
            let context = self.context(ns, &targets.decoded);
            let name = current.as_ref().map_or(name_or_id, |d| d.metadata.name.as_str());
            let mut accepted =
                write::replace_deployment(current.as_ref(), name, document, &context)
                    .map_err(|problems| Error::invalid(&problems))?;
            self.check_secrets(current.as_ref(), &mut accepted).await?;
            self.look_first(current.as_ref(), &accepted.object, &targets, &mut looked_at).await?;
            let is_new = object.is_none();
            let done = match object {
                Some(object) => self.update(object, &targets, accepted).await?,
                None => self.insert(&targets, accepted).await?,
            };
            if let Some(done) = done {
                return Ok((is_new, done));
            }
        }
    }

    /// Has a transition that was given up tried again.
    pub(crate) async fn retry_deployment(&self, ns: &str, name: &str) -> Result<Deployment, Error> {
        let mut attempts = Attempts::default();
        loop {
            attempts.next(name).await?;
            let mut object = self.object_by_either(Kind::Deployment, ns, name).await?;
            let current: Deployment = decode(&object)?;
            let Some(next) = write::retry_deployment(&current, self.world.now()) else {
                return Err(Error::conflict(format!(
                    "{name} is {}; only a FAILED Deployment can be tried again.",
                    current.status.state
                )));
            };
            let (id, revision) = (object.id, object.revision);
            object.encode(&next)?;
            if self.commit(&[Write::Update(object, revision)]).await? {
                self.handle.wake(id);
                return Ok(next);
            }
        }
    }

    /// Deletes a Deployment that is at rest, and everything it owns.
    pub(crate) async fn delete_deployment(
        &self,
        ns: &str,
        name_or_id: &str,
        if_match: &IfMatch,
    ) -> Result<Deployment, Error> {
        let mut attempts = Attempts::default();
        loop {
            attempts.next(name_or_id).await?;
            let object = self.object_by_either(Kind::Deployment, ns, name_or_id).await?;
            let current: Deployment = decode(&object)?;
            if_match.check(&current.metadata.name, Some(current.metadata.resource_version))?;
            self.check_at_rest(&object, &current).await?;
            let (kind, id) = (Kind::Deployment, object.id);
            if self.commit(&[Write::Delete { kind, id, revision: object.revision }]).await? {
                self.handle.wake(id);
                return Ok(current);
            }
        }
    }

    /// Refuses a Deployment whose artifact is not there; looks once at each artifact, however often the write is tried.
    async fn look_first(
        &self,
        before: Option<&Deployment>,
        after: &Deployment,
        targets: &TargetRows,
        looked_at: &mut Option<Artifact>,
    ) -> Result<(), Error> {
        let artifact = &after.spec.template.spec.artifact;
        if looked_at.as_ref() == Some(artifact) {
            return Ok(());
        }
        let problems = self.preflight.check(before, after, &targets.decoded).await;
        if !problems.is_empty() {
            return Err(Error::invalid(&problems));
        }
        *looked_at = Some(artifact.clone());
        Ok(())
    }

    /// 409 while a Flink job may be alive.
    async fn check_at_rest(&self, object: &Object, current: &Deployment) -> Result<(), Error> {
        let name = &current.metadata.name;
        match current.status.state {
            DeploymentState::Cancelled
            | DeploymentState::Suspended
            | DeploymentState::Finished
            | DeploymentState::Failed => {}
            state @ (DeploymentState::Running | DeploymentState::Transitioning) => {
                return Err(Error::conflict(format!(
                    "{name} is {state}. Cancel it first: set spec.state to CANCELLED, wait until status.state is \
                     CANCELLED, then delete it."
                )));
            }
        }
        // A Job is open until its cluster is gone, which may be after its end.
        let open = self.store.deployment(object.id).await?.map(|(_, open)| open);
        let Some(row) = open.iter().flatten().find(|row| row.kind == Kind::Job) else {
            return Ok(());
        };
        let job: Job = decode(row)?;
        Err(Error::conflict(format!(
            "{name} is {}, but its Job {} is still {} and may hold resources. Set spec.state to CANCELLED and wait \
             until the Job has ended, then delete it.",
            current.status.state, job.metadata.id, job.status.state
        )))
    }

    /// Stores the new document of `object`; `None` when somebody was faster.
    async fn update(
        &self,
        object: Object,
        targets: &TargetRows,
        accepted: Accepted<Deployment>,
    ) -> Result<Option<Accepted<Deployment>>, Error> {
        let (id, revision) = (object.id, object.revision);
        let before: Deployment = decode(&object)?;
        let mut changed = object;
        changed.encode(&accepted.object)?;
        let mut writes = vec![Write::Update(changed, revision)];
        writes.extend(targets.hold(Some(&before), &accepted.object));
        let done = self.commit(&writes).await?;
        if done {
            self.handle.wake(id);
        }
        Ok(done.then_some(accepted))
    }

    /// Stores a Deployment that was not there; `None` when somebody was faster.
    async fn insert(
        &self,
        targets: &TargetRows,
        accepted: Accepted<Deployment>,
    ) -> Result<Option<Accepted<Deployment>>, Error> {
        match self.store.commit(&created(&accepted.object, targets)?).await {
            Ok(_) => {
                self.handle.wake(accepted.object.metadata.id);
                Ok(Some(accepted))
            }
            // Created by somebody else since we looked: then this PUT replaces that one.
            Err(drey_store::Error::Conflict { .. } | drey_store::Error::Taken { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn context<'a>(
        &'a self,
        ns: &'a str,
        targets: &'a [DeploymentTarget],
    ) -> WriteContext<'a> {
        WriteContext {
            now: self.world.now(),
            id: self.world.id(),
            namespace: ns,
            layers: &self.layers,
            targets,
        }
    }

    async fn target_rows(&self, ns: &str) -> Result<TargetRows, Error> {
        let filter = Filter { namespace: Some(ns.to_owned()), ..Filter::default() };
        let rows = self.store.list(Kind::DeploymentTarget, &filter).await?;
        let decoded = rows.iter().map(decode).collect::<Result<_, _>>()?;
        Ok(TargetRows { rows, decoded })
    }
}

/// The targets of a namespace, as rows and as what they say.
struct TargetRows {
    rows: Vec<Object>,
    decoded: Vec<DeploymentTarget>,
}

impl TargetRows {
    /// Moves the target's row to a new revision when a Deployment begins to refer to it, so that a deletion of the
    /// target that did not see this reference fails. A guard would not do: it leaves the row as it is, and the deletion
    /// would find what it had read.
    fn hold(&self, before: Option<&Deployment>, after: &Deployment) -> Option<Write> {
        let row = self.rows.iter().find(|row| refers(after, &row.name, row.id))?;
        let is_new = !before.is_some_and(|before| refers(before, &row.name, row.id));
        is_new.then(|| Write::Update(row.clone(), row.revision))
    }
}

/// Whether a Deployment refers to this target.
pub(super) fn refers(deployment: &Deployment, target_name: &str, target_id: Uuid) -> bool {
    let spec = &deployment.spec;
    spec.deployment_target_name.as_deref() == Some(target_name)
        || spec.deployment_target_id == Some(target_id)
}

fn created(deployment: &Deployment, targets: &TargetRows) -> Result<Vec<Write>, Error> {
    let mut object = super::objects::row(
        Kind::Deployment,
        &deployment.metadata.namespace,
        &deployment.metadata.name,
        deployment.metadata.id,
    );
    object.open = true;
    object.encode(deployment)?;
    let mut writes = vec![Write::Create(object)];
    writes.extend(targets.hold(None, deployment));
    Ok(writes)
}
