//! Writing DeploymentTargets.

use drey_model::document::{Content, Document, Node};
use drey_model::write::{self, Accepted};
use drey_model::{Deployment, DeploymentTarget, Kind, Problem};
use drey_store::{Filter, Object, Write};
use serde_json::json;

use super::defaults;
use super::objects::row;
use super::setting::refers;
use super::{Attempts, Writer, decode, names};
use crate::app::Shared;
use crate::error::Error;
use crate::wire::IfMatch;

type Outcome = Result<Accepted<DeploymentTarget>, Error>;

impl Shared {
    /// One target, by name.
    pub(crate) async fn target(&self, ns: &str, name: &str) -> Result<DeploymentTarget, Error> {
        decode(&self.object_by_name(Kind::DeploymentTarget, ns, name).await?)
    }
}

impl Writer {
    /// Stores a new target.
    pub(crate) async fn create_target(&self, ns: &str, document: &Document) -> Outcome {
        let mut attempts = Attempts::default();
        loop {
            attempts.next("the target").await?;
            let accepted = write::create_target(document, &self.context(ns, &[]));
            let accepted = accepted.map_err(|problems| Error::invalid(&problems))?;
            if self.commit(&[Write::Create(stored(&accepted.object)?)]).await? {
                return Ok(accepted);
            }
        }
    }

    /// Replaces labels and annotations, or creates the target; says whether it is new.
    pub(crate) async fn put_target(
        &self,
        ns: &str,
        name: &str,
        document: &Document,
        if_match: &IfMatch,
    ) -> Result<(bool, Accepted<DeploymentTarget>), Error> {
        let mut attempts = Attempts::default();
        loop {
            attempts.next(name).await?;
            let object = self.store.get(Kind::DeploymentTarget, ns, name).await?;
            let current: Option<DeploymentTarget> = object.as_ref().map(decode).transpose()?;
            let version = current.as_ref().map(|t| t.metadata.resource_version);
            if_match.check(name, version)?;
            let context = self.context(ns, &[]);
            let accepted = match &current {
                Some(current) => write::replace_target(current, document, &context),
                None => write::create_target(&named(document, name)?, &context),
            };
            let accepted = accepted.map_err(|problems| Error::invalid(&problems))?;
            if let Some(current) = current.filter(|current| says_nothing_new(&accepted, current)) {
                return Ok((false, Accepted { object: current, warnings: accepted.warnings }));
            }
            let is_new = object.is_none();
            let write = match object {
                Some(row) => update(row, &accepted.object)?,
                None => Write::Create(stored(&accepted.object)?),
            };
            let done = if is_new {
                self.commit_put(&[write]).await?
            } else {
                self.commit(&[write]).await?
            };
            if done {
                return Ok((is_new, accepted));
            }
        }
    }

    /// Deletes a target that nothing refers to.
    ///
    /// A Deployment (or defaults) that begins to refer to it between the check and the deletion moves this row to a new revision:
    /// whichever of the two commits second finds the row changed (or gone), and looks again.
    pub(crate) async fn delete_target(
        &self,
        ns: &str,
        name: &str,
        if_match: &IfMatch,
    ) -> Result<DeploymentTarget, Error> {
        let mut attempts = Attempts::default();
        loop {
            attempts.next(name).await?;
            let object = self.object_by_name(Kind::DeploymentTarget, ns, name).await?;
            let current: DeploymentTarget = decode(&object)?;
            if_match.check(name, Some(current.metadata.resource_version))?;
            self.check_unused(&object).await?;
            let (kind, id) = (object.kind, object.id);
            if self.commit(&[Write::Delete { kind, id, revision: object.revision }]).await? {
                return Ok(current);
            }
        }
    }

    /// 409 while a Deployment, or the defaults of Deployments, refers to the target.
    async fn check_unused(&self, target: &Object) -> Result<(), Error> {
        let defaults = self.defaults_row(&target.namespace).await?.object;
        if defaults::names(&defaults, target) {
            return Err(Error::conflict(format!(
                "Target {} is the one of deployment-defaults: Deployments that name none run there. Take it out of \
                 spec of the defaults first.",
                target.name
            )));
        }
        let filter = Filter { namespace: Some(target.namespace.clone()), ..Filter::default() };
        let mut users = Vec::new();
        for row in self.store.list(Kind::Deployment, &filter).await? {
            let deployment: Deployment = decode(&row)?;
            if refers(&deployment, &target.name, target.id) {
                users.push(row.name);
            }
        }
        self.check_no_cluster(target).await?;
        if users.is_empty() {
            return Ok(());
        }
        users.sort();
        let noun = if users.len() == 1 { "deployment" } else { "deployments" };
        Err(Error::conflict(format!(
            "Target {} is used by {} {noun} ({}). Move or delete them first.",
            target.name,
            users.len(),
            names(users.iter().map(String::as_str))
        )))
    }
}

impl Writer {
    /// 409 while a SessionCluster refers to the target.
    async fn check_no_cluster(&self, target: &Object) -> Result<(), Error> {
        let clusters = self.session_clusters(&target.namespace).await?;
        let users = clusters.iter().filter(|c| c.spec.deployment_target_name == target.name);
        let mut users: Vec<&str> = users.map(|c| c.metadata.name.as_str()).collect();
        if users.is_empty() {
            return Ok(());
        }
        users.sort_unstable();
        let noun = if users.len() == 1 { "session cluster" } else { "session clusters" };
        Err(Error::conflict(format!(
            "Target {} is used by {} {noun} ({}). Move or delete them first.",
            target.name,
            users.len(),
            names(users)
        )))
    }
}

/// A document that is put under `name`: with that name, or with none, which then is filled in.
fn named(document: &Document, name: &str) -> Result<Document, Error> {
    if let Some(given) = document.name() {
        if given == name {
            return Ok(document.clone());
        }
        let message = format!("Expected {name:?}, as in the path, or nothing; found {given:?}.");
        return Err(Error::invalid(&[Problem::new("metadata.name", message)]));
    }
    let mut named = document.clone();
    if let Content::Map(members) = &mut named.root.content {
        let is_metadata = |key: &String| key.eq_ignore_ascii_case("metadata");
        match members.iter_mut().find(|(key, _)| is_metadata(key)) {
            Some((_, Node { content: Content::Map(metadata), .. })) => {
                metadata.retain(|(key, _)| !key.eq_ignore_ascii_case("name"));
                metadata.push(("name".to_owned(), Node::from_value(&json!(name))));
            }
            Some((_, other)) if other.is_null() => {
                *other = Node::from_value(&json!({ "name": name }));
            }
            // Of another type, which is a problem that the model reports.
            Some(_) => {}
            None => {
                members.push(("metadata".to_owned(), Node::from_value(&json!({ "name": name }))));
            }
        }
    }
    Ok(named)
}

/// The row of a new target.
pub(crate) fn stored(target: &DeploymentTarget) -> Result<Object, drey_store::Error> {
    let m = &target.metadata;
    let mut object = row(Kind::DeploymentTarget, &m.namespace, &m.name, m.id);
    object.encode(target)?;
    Ok(object)
}

/// Whether a write leaves a target as it is: then it has no new version either, and whoever applies the same file again
/// and again hears that nothing has changed.
fn says_nothing_new(accepted: &Accepted<DeploymentTarget>, current: &DeploymentTarget) -> bool {
    let mut same = accepted.object.clone();
    same.metadata.resource_version = current.metadata.resource_version;
    same.metadata.modified_at = current.metadata.modified_at;
    same == *current
}

fn update(mut object: Object, target: &DeploymentTarget) -> Result<Write, Error> {
    let revision = object.revision;
    object.encode(target)?;
    Ok(Write::Update(object, revision))
}
