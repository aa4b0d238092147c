//! Writing Deployments.

use drey_model::deployment::Artifact;
use drey_model::document::Document;
use drey_model::write::{self, Accepted};
use drey_model::{Deployment, Kind, Problem};
use drey_store::{Object, Write};
use uuid::Uuid;

use super::setting::{Setting, hold};
use super::{Attempts, Writer, decode};
use crate::app::Shared;
use crate::ending::{GivenUp, at_rest};
use crate::error::Error;
use crate::wire::IfMatch;

type Outcome = Result<Accepted<Deployment>, Error>;

impl Shared {
    /// One Deployment, by id or name.
    pub(crate) async fn deployment(&self, ns: &str, name_or_id: &str) -> Result<Deployment, Error> {
        decode(&self.object_by_either(Kind::Deployment, ns, name_or_id).await?)
    }
}

impl Writer {
    /// Stores a new Deployment.
    pub(crate) async fn create_deployment(&self, ns: &str, document: &Document) -> Outcome {
        let mut attempts = Attempts::default();
        let mut looked_at = None;
        loop {
            attempts.next("the Deployment's target").await?;
            let setting = self.setting(ns).await?;
            let accepted = write::create_deployment(document, &setting.context());
            let mut accepted = accepted.map_err(|problems| Error::invalid(&problems))?;
            let held = self.check_secrets(None, &mut accepted).await?;
            self.look_first(None, &mut accepted, &setting, &mut looked_at).await?;
            if self.commit(&created(&accepted.object, &setting, held)?).await? {
                self.wake(accepted.object.metadata.id);
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
            let setting = self.setting(ns).await?;
            let mut accepted = write::patch_deployment(&current, document, &setting.context())
                .map_err(|problems| Error::invalid(&problems))?;
            let held = self.check_secrets(Some(&current), &mut accepted).await?;
            self.look_first(Some(&current), &mut accepted, &setting, &mut looked_at).await?;
            if let Some(done) = self.update(object, &setting, held, accepted).await? {
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
            if current.is_none() && Uuid::try_parse(name_or_id).is_ok() {
                return Err(Error::not_found(format!(
                    "No Deployment has the id {name_or_id}. To create one, PUT it under its name."
                )));
            }
            let setting = self.setting(ns).await?;
            let context = setting.context();
            let name = current.as_ref().map_or(name_or_id, |d| d.metadata.name.as_str());
            let mut accepted =
                write::replace_deployment(current.as_ref(), name, document, &context)
                    .map_err(|problems| Error::invalid(&problems))?;
            let held = self.check_secrets(current.as_ref(), &mut accepted).await?;
            self.look_first(current.as_ref(), &mut accepted, &setting, &mut looked_at).await?;
            let is_new = object.is_none();
            let done = match object {
                Some(object) => self.update(object, &setting, held, accepted).await?,
                None => self.insert(&setting, held, accepted).await?,
            };
            if let Some(done) = done {
                return Ok((is_new, done));
            }
        }
    }

    /// Has a transition that was given up tried again.
    pub(crate) async fn retry_deployment(
        &self,
        ns: &str,
        name: &str,
        if_match: &IfMatch,
    ) -> Result<Deployment, Error> {
        let mut attempts = Attempts::default();
        loop {
            attempts.next(name).await?;
            let mut object = self.object_by_either(Kind::Deployment, ns, name).await?;
            let current: Deployment = decode(&object)?;
            if_match.check(name, Some(current.metadata.resource_version))?;
            let Some(next) = write::retry_deployment(&current, self.world.now()) else {
                return Err(Error::conflict(format!(
                    "{name} is {}; only a FAILED Deployment can be tried again.",
                    current.status.state
                )));
            };
            let (id, revision) = (object.id, object.revision);
            object.encode(&next)?;
            let mut writes = vec![Write::Update(object, revision)];
            if let Some(cluster) = &next.spec.session_cluster_name {
                let row = self.store.get(Kind::SessionCluster, ns, cluster).await?;
                writes.extend(row.as_ref().map(hold));
            }
            if self.commit(&writes).await? {
                self.wake(id);
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
            at_rest(&self.store, &object, &current, GivenUp::Stay).await?;
            let (kind, id) = (Kind::Deployment, object.id);
            if self.commit(&[Write::Delete { kind, id, revision: object.revision }]).await? {
                self.wake(id);
                return Ok(current);
            }
        }
    }

    /// Refuses a Deployment whose artifact is not there; looks once at each artifact, however often the write is tried.
    async fn look_first(
        &self,
        before: Option<&Deployment>,
        accepted: &mut Accepted<Deployment>,
        setting: &Setting<'_>,
        looked_at: &mut Option<Looked>,
    ) -> Result<(), Error> {
        let after = &accepted.object;
        let artifact = &after.spec.template.spec.artifact;
        if looked_at.as_ref().is_none_or(|looked| looked.at != *artifact) {
            let found = self.preflight.check(before, after, setting.target_of(after)).await;
            if !found.problems.is_empty() {
                return Err(Error::invalid(&found.problems));
            }
            *looked_at = Some(Looked { at: artifact.clone(), warnings: found.warnings });
        }
        let warnings = looked_at.iter().flat_map(|looked| looked.warnings.clone());
        for warning in warnings {
            // What reads badly is not looked up, too.
            if accepted.warnings.iter().all(|known| known.path != warning.path) {
                accepted.warnings.push(warning);
            }
        }
        Ok(())
    }

    /// Stores the new document of `object`; `None` when somebody was faster.
    async fn update(
        &self,
        object: Object,
        setting: &Setting<'_>,
        held: Vec<Write>,
        accepted: Accepted<Deployment>,
    ) -> Result<Option<Accepted<Deployment>>, Error> {
        let (id, revision) = (object.id, object.revision);
        let before: Deployment = decode(&object)?;
        let mut changed = object;
        changed.encode(&accepted.object)?;
        let mut writes = vec![Write::Update(changed, revision)];
        writes.extend(setting.holds(Some(&before), &accepted.object));
        writes.extend(held);
        let done = self.commit(&writes).await?;
        if done {
            self.wake(id);
        }
        Ok(done.then_some(accepted))
    }

    /// Stores a Deployment that was not there; `None` when somebody was faster.
    async fn insert(
        &self,
        setting: &Setting<'_>,
        held: Vec<Write>,
        accepted: Accepted<Deployment>,
    ) -> Result<Option<Accepted<Deployment>>, Error> {
        let done = self.commit_put(&created(&accepted.object, setting, held)?).await?;
        if done {
            self.wake(accepted.object.metadata.id);
        }
        Ok(done.then_some(accepted))
    }
}

/// An artifact that was looked at.
struct Looked {
    at: Artifact,
    warnings: Vec<Problem>,
}

fn created(
    deployment: &Deployment,
    setting: &Setting<'_>,
    held: Vec<Write>,
) -> Result<Vec<Write>, Error> {
    let mut object = super::objects::row(
        Kind::Deployment,
        &deployment.metadata.namespace,
        &deployment.metadata.name,
        deployment.metadata.id,
    );
    object.open = true;
    object.encode(deployment)?;
    let mut writes = vec![Write::Create(object)];
    writes.extend(setting.holds(None, deployment));
    writes.extend(held);
    Ok(writes)
}
