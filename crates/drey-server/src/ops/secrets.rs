//! Writing SecretValues, and what Deployments have to do with them.
//!
//! The row's document is what is shown; the sealed value is in its facts, which nothing shows.

use std::collections::BTreeMap;

use drey_model::document::Document;
use drey_model::secret::{self, NewSecret, Reference, SecretValue};
use drey_model::write::{self, Accepted};
use drey_model::{Deployment, DesiredState, Kind, Problem, SessionCluster};
use drey_store::{Filter, Object, Write};

use super::objects::row;
use super::setting::hold;
use super::{Attempts, Writer, decode, names};
use crate::app::Shared;
use crate::error::Error;
use crate::wire::IfMatch;

type Outcome = Result<Accepted<SecretValue>, Error>;

impl Shared {
    /// SecretValues, newest first.
    pub(crate) async fn secrets(&self, ns: &str) -> Result<Vec<SecretValue>, Error> {
        let filter = Filter { namespace: Some(ns.to_owned()), ..Filter::default() };
        self.store.list(Kind::SecretValue, &filter).await?.iter().map(decode).collect()
    }

    /// One secret, by name, and whether its value can still be read.
    pub(crate) async fn secret(&self, ns: &str, name: &str) -> Outcome {
        let object = self.object_by_name(Kind::SecretValue, ns, name).await?;
        let unreadable = self.keyring.can_open(&object).err();
        let warnings = unreadable.map(|why| {
            Problem::new(
                "spec.value",
                format!("The value cannot be read: {why}. Jobs that need it fail to start."),
            )
        });
        Ok(Accepted { object: decode(&object)?, warnings: warnings.into_iter().collect() })
    }
}

impl Writer {
    /// Stores a new secret.
    pub(crate) async fn create_secret(&self, ns: &str, document: &Document) -> Outcome {
        let accepted = write::create_secret(document, &self.context(ns, &[]));
        let accepted = accepted.map_err(|problems| Error::invalid(&problems))?;
        let m = &accepted.object.secret.metadata;
        let object = row(Kind::SecretValue, &m.namespace, &m.name, m.id);
        let object = self.sealed(object, &accepted.object)?;
        self.commit(&[Write::Create(object)]).await?;
        Ok(shown(accepted))
    }

    /// Changes a secret.
    pub(crate) async fn patch_secret(
        &self,
        ns: &str,
        name: &str,
        document: &Document,
        if_match: &IfMatch,
    ) -> Outcome {
        let mut attempts = Attempts::default();
        loop {
            attempts.next(name).await?;
            let object = self.object_by_name(Kind::SecretValue, ns, name).await?;
            let current: SecretValue = decode(&object)?;
            if_match.check(name, Some(current.metadata.resource_version))?;
            let accepted = write::patch_secret(&current, document, &self.context(ns, &[]))
                .map_err(|problems| Error::invalid(&problems))?;
            let revision = object.revision;
            let changed = self.sealed(object, &accepted.object)?;
            if self.commit(&[Write::Update(changed, revision)]).await? {
                return Ok(shown(accepted));
            }
        }
    }

    /// Deletes a secret that no Deployment names. One that begins to name it meanwhile moves the secret's row.
    pub(crate) async fn delete_secret(
        &self,
        ns: &str,
        name: &str,
        if_match: &IfMatch,
    ) -> Result<SecretValue, Error> {
        let mut attempts = Attempts::default();
        loop {
            attempts.next(name).await?;
            let object = self.object_by_name(Kind::SecretValue, ns, name).await?;
            let current: SecretValue = decode(&object)?;
            if_match.check(name, Some(current.metadata.resource_version))?;
            self.check_unnamed(ns, name).await?;
            let (kind, id) = (object.kind, object.id);
            if self.commit(&[Write::Delete { kind, id, revision: object.revision }]).await? {
                return Ok(current);
            }
        }
    }

    /// Warns of secrets that a Deployment names and the namespace lacks. An upgrade of a Deployment that shall run is
    /// refused for them: the running job would be taken down for one that cannot start.
    ///
    /// Returns what has to be written beside the Deployment, so that a secret that it begins to name cannot be deleted
    /// by somebody who did not see that.
    pub(crate) async fn check_secrets(
        &self,
        before: Option<&Deployment>,
        accepted: &mut Accepted<Deployment>,
    ) -> Result<Vec<Write>, Error> {
        let after = &accepted.object;
        let wanted = secret::references(&after.spec);
        let (found, missing) = self.look_up(&after.metadata.namespace, wanted).await?;
        let named_before = before.map(|before| secret::references(&before.spec));
        let is_new = |row: &&Object| {
            !named_before.iter().flatten().any(|reference| reference.name == row.name)
        };
        let held = found.values().filter(is_new).map(hold).collect();
        let is_running = |d: &&Deployment| d.spec.state == DesiredState::Running;
        let running = before.filter(is_running).filter(|_| is_running(&after));
        // What is missing already harms no more than before.
        let named = running.map(|before| secret::references(&before.spec));
        let is_tolerated = |name: &str| {
            named.as_ref().is_none_or(|named| named.iter().any(|reference| reference.name == name))
        };
        let (warnings, problems): (Vec<_>, Vec<_>) =
            missing.into_iter().partition(|(reference, _)| is_tolerated(&reference.name));
        if problems.is_empty() {
            accepted.warnings.extend(warnings.into_iter().map(|(_, warning)| warning));
            return Ok(held);
        }
        let problems: Vec<Problem> = problems.into_iter().map(|(_, problem)| problem).collect();
        Err(Error::invalid(&problems))
    }

    /// The same for a SessionCluster, of which nothing runs that would be taken down: it warns.
    pub(super) async fn check_cluster_secrets(
        &self,
        before: Option<&SessionCluster>,
        accepted: &mut Accepted<SessionCluster>,
    ) -> Result<Vec<Write>, Error> {
        let after = &accepted.object;
        let wanted = secret::cluster_references(&after.spec);
        let (found, missing) = self.look_up(&after.metadata.namespace, wanted).await?;
        let named_before = before.map(|before| secret::cluster_references(&before.spec));
        let is_new = |row: &&Object| {
            !named_before.iter().flatten().any(|reference| reference.name == row.name)
        };
        let held = found.values().filter(is_new).map(hold).collect();
        accepted.warnings.extend(missing.into_values());
        Ok(held)
    }

    /// The rows of the secrets that are there, by name, and what to say of the others.
    async fn look_up(
        &self,
        ns: &str,
        wanted: Vec<Reference>,
    ) -> Result<(BTreeMap<String, Object>, BTreeMap<Reference, Problem>), Error> {
        let (mut found, mut missing) = (BTreeMap::new(), BTreeMap::new());
        for reference in wanted {
            let name = &reference.name;
            if let Some(row) = self.store.get(Kind::SecretValue, ns, name).await? {
                found.insert(name.clone(), row);
            } else {
                let message = format!(
                    "No SecretValue '{name}' in namespace '{ns}': a job cannot start without it. Create it, or write \
                     $${{{name}}} if the text ${{{name}}} is meant."
                );
                let problem = Problem::new(reference.path.clone(), message);
                missing.insert(reference, problem);
            }
        }
        Ok((found, missing))
    }

    /// The row with the document, and with the value if there is one.
    fn sealed(&self, mut object: Object, new: &NewSecret) -> Result<Object, Error> {
        object.encode(&new.secret)?;
        if let Some(value) = &new.value {
            let sealed = self.keyring.seal(value, &object).map_err(|error| {
                Error::internal(
                    "The value could not be encrypted. Nothing was changed.",
                    error.to_string(),
                )
            })?;
            object.encode_facts(&sealed)?;
        }
        Ok(object)
    }

    /// 409 while a Deployment names the secret (Q2).
    async fn check_unnamed(&self, ns: &str, name: &str) -> Result<(), Error> {
        let is_named = |references: Vec<Reference>| references.iter().any(|r| r.name == name);
        let mut deployments = self.deployments(ns, None).await?;
        deployments.retain(|d| is_named(secret::references(&d.spec)));
        let mut clusters = self.session_clusters(ns).await?;
        clusters.retain(|c| is_named(secret::cluster_references(&c.spec)));
        let deployments = deployments.into_iter().map(|d| d.metadata.name).collect();
        let clusters = clusters.into_iter().map(|c| c.metadata.name).collect();
        let users: Vec<String> = [("deployment", deployments), ("session cluster", clusters)]
            .into_iter()
            .filter_map(|(noun, users)| told(noun, users))
            .collect();
        if users.is_empty() {
            return Ok(());
        }
        Err(Error::conflict(format!(
            "Secret {name} is used by {}, which could not start again without it. Take ${{{name}}} out of them first. To \
             change the value, PATCH it.",
            users.join(" and ")
        )))
    }
}

/// `2 deployments (a, b)`.
fn told(noun: &str, mut users: Vec<String>) -> Option<String> {
    users.sort();
    let plural = if users.len() == 1 { "" } else { "s" };
    let shown = names(users.iter().map(String::as_str));
    (!users.is_empty()).then(|| format!("{} {noun}{plural} ({shown})", users.len()))
}

fn shown(accepted: Accepted<NewSecret>) -> Accepted<SecretValue> {
    Accepted { object: accepted.object.secret, warnings: accepted.warnings }
}
