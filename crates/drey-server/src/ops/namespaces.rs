//! Namespaces: who manages them, and what a namespace on its way out waits for.

use drey_model::document::Document;
use drey_model::meta::DEFAULT_NAMESPACE;
use drey_model::namespace::{self, LifecyclePhase, Namespace, long_name};
use drey_model::role::{Access, Resource, allows};
use drey_model::{Deployment, Kind, Problem, SessionCluster, write};
use drey_store::{Filter, Store, Write};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

use super::{Attempts, Writer, cluster_at_rest, decode, stored_target};
use crate::app::Shared;
use crate::auth::Caller;
use crate::ending::{GivenUp, at_rest};
use crate::error::Error;
use crate::wire::IfMatch;

/// Deployments that are named as what a namespace waits for.
const WAITS_MAX: usize = 100;
/// What the schema writes for the namespace that it creates.
const EMPTY_DOC: &str = "{}";

/// A namespace with its version.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    pub(crate) namespace: Namespace,
    version: i64,
}

/// A namespace, and warnings about the document that it was made from.
pub(crate) struct WrittenRoom {
    pub(crate) room: Room,
    pub(crate) warnings: Vec<Problem>,
}

/// What a namespace holds, and what it waits for while it is being deleted.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExplainedNamespace {
    /// The namespace.
    namespace: Namespace,
    /// How many objects of each kind it holds.
    contents: BTreeMap<String, i64>,
    /// While it is TERMINATING: why it is still there, one line each.
    waiting_for: Vec<String>,
}

impl Room {
    /// From the store.
    fn of(row: &drey_store::Namespace) -> Self {
        // A document of which nothing can be read gives nobody a role, and its name is in the row.
        let mut namespace: Namespace = serde_json::from_str(&row.doc).unwrap_or_else(|error| {
            tracing::error!(namespace = row.name, %error, "a stored namespace cannot be read");
            Namespace::default()
        });
        namespace.name = long_name(&row.name);
        namespace.lifecycle_phase = match row.is_terminating {
            true => LifecyclePhase::Terminating,
            false => LifecyclePhase::Active,
        };
        Self { namespace, version: row.version }
    }

    pub(crate) fn is_terminating(&self) -> bool {
        self.namespace.lifecycle_phase == LifecyclePhase::Terminating
    }

    /// The version as entity tags have it.
    pub(crate) fn version(&self) -> i32 {
        i32::try_from(self.version).unwrap_or(i32::MAX)
    }
}

impl Shared {
    /// A namespace, if there is one.
    pub(crate) async fn room(&self, name: &str) -> Result<Option<Room>, Error> {
        Ok(self.store.namespace(name).await?.map(|row| Room::of(&row)))
    }

    /// A namespace that a request was let into.
    pub(crate) async fn present_room(&self, name: &str) -> Result<Room, Error> {
        let found = self.room(name).await?;
        found.ok_or_else(|| Error::not_found(format!("Namespace {name:?} is gone.")))
    }

    /// The namespaces that a caller may see, by name.
    pub(crate) async fn rooms(&self, caller: &Caller) -> Result<Vec<Namespace>, Error> {
        let admins = self.gate.as_ref().map_or(&[][..], |gate| &gate.settings.admins);
        let may = |namespace: &Namespace| {
            let roles = caller.roles(Some(namespace), admins);
            roles.iter().any(|role| allows(*role, Resource::Namespaces, Access::Get))
        };
        Ok(self.all_rooms().await?.into_iter().filter(may).collect())
    }

    /// All namespaces by name, for whoever then asks what a caller may see of them.
    pub(crate) async fn all_rooms(&self) -> Result<Vec<Namespace>, Error> {
        let rows = self.store.namespaces().await?;
        Ok(rows.iter().map(|row| Room::of(row).namespace).collect())
    }

    /// What a namespace holds and waits for.
    pub(crate) async fn explain_room(&self, name: &str) -> Result<ExplainedNamespace, Error> {
        let room = self.present_room(name).await?;
        let contents = self.store.contents(name).await?;
        let mut waiting_for = Vec::new();
        if room.is_terminating() {
            let filter = Filter { namespace: Some(name.to_owned()), ..Filter::default() };
            for row in self.store.list(Kind::Deployment, &filter).await? {
                let resting = match decode::<Deployment>(&row) {
                    Ok(deployment) => at_rest(&self.store, &row, &deployment, GivenUp::LetGo).await,
                    Err(error) => Err(error),
                };
                waiting_for.extend(resting.err().map(|error| error.message().to_owned()));
            }
            for row in self.store.list(Kind::SessionCluster, &filter).await? {
                let resting = decode::<SessionCluster>(&row)
                    .and_then(|cluster| cluster_at_rest(&row, &cluster));
                waiting_for.extend(resting.err().map(|error| error.message().to_owned()));
            }
            let more = waiting_for.len().saturating_sub(WAITS_MAX);
            waiting_for.truncate(WAITS_MAX);
            if more > 0 {
                waiting_for.push(format!("{more} more Deployments and SessionClusters."));
            }
        }
        let contents = contents.into_iter().map(|(kind, count)| (kind.to_string(), count));
        Ok(ExplainedNamespace {
            namespace: room.namespace,
            contents: contents.collect(),
            waiting_for,
        })
    }
}

impl Writer {
    /// Stores a new namespace.
    pub(crate) async fn create_room(&self, document: &Document) -> Result<WrittenRoom, Error> {
        let accepted = namespace::create(document, self.world.now());
        let accepted = accepted.map_err(|problems| Error::invalid(&problems))?;
        let short = accepted.object.short_name().to_owned();
        let doc = encoded(&accepted.object)?;
        let is_new = if self.is_rehearsal() {
            self.store.namespace(&short).await?.is_none()
        } else {
            // As namespace `default` has it from the first start.
            let target = stored_target(&write::local_target(&self.context(&short, &[])))?;
            self.store.create_namespace(&short, &doc, &[Write::Create(target)]).await?
        };
        if !is_new {
            return Err(Error::conflict(format!(
                "Namespace {short:?} already exists. Choose another name, or change the existing one with PATCH or PUT."
            )));
        }
        if !self.is_rehearsal() {
            // An upload that was cut off while a former namespace of this name ended may have left a file.
            self.delete_artifacts(&short).await?;
        }
        let room = Room { namespace: accepted.object, version: 1 };
        Ok(WrittenRoom { room, warnings: accepted.warnings })
    }

    /// Changes a namespace in the way that `change` says.
    pub(crate) async fn change_room(
        &self,
        name: &str,
        if_match: &IfMatch,
        change: impl Fn(&Namespace) -> Result<drey_model::Accepted<Namespace>, Vec<Problem>>,
    ) -> Result<WrittenRoom, Error> {
        let mut attempts = Attempts::default();
        loop {
            attempts.next(name).await?;
            let current = self.present_room(name).await?;
            if_match.check(name, Some(current.version()))?;
            if current.is_terminating() {
                return Err(Error::conflict(format!(
                    "Namespace {name:?} is being deleted; nothing of it can be changed."
                )));
            }
            let accepted = change(&current.namespace);
            let accepted = accepted.map_err(|problems| Error::invalid(&problems))?;
            let doc = encoded(&accepted.object)?;
            if self.is_rehearsal()
                || self.store.update_namespace(name, current.version, &doc).await?
            {
                let room = Room { namespace: accepted.object, version: current.version + 1 };
                return Ok(WrittenRoom { room, warnings: accepted.warnings });
            }
        }
    }

    /// Begins to empty a namespace, which then goes by itself ([`crate::ending`]).
    pub(crate) async fn end_room(&self, name: &str, if_match: &IfMatch) -> Result<Room, Error> {
        let mut attempts = Attempts::default();
        loop {
            attempts.next(name).await?;
            let current = self.present_room(name).await?;
            if_match.check(name, Some(current.version()))?;
            if name == DEFAULT_NAMESPACE {
                return Err(Error::conflict(
                    "Namespace \"default\" is where clients look when they are told nothing, so it cannot be deleted. \
                     Delete what is in it instead.",
                ));
            }
            if self.is_rehearsal() {
                let lifecycle_phase = LifecyclePhase::Terminating;
                let namespace = Namespace { lifecycle_phase, ..current.namespace };
                return Ok(Room { namespace, ..current });
            }
            if current.is_terminating() {
                return Ok(current);
            }
            if self.store.end_namespace(name, current.version).await? {
                self.ending.notify_one();
                tracing::info!(namespace = name, "a namespace is being deleted");
                return self.present_room(name).await;
            }
        }
    }
}

/// Writes down since when namespace `default` is there, once.
pub(crate) async fn complete_default_namespace(
    store: &Store,
    now: Timestamp,
) -> Result<(), drey_store::Error> {
    let Some(row) = store.namespace(DEFAULT_NAMESPACE).await? else { return Ok(()) };
    if row.doc == EMPTY_DOC {
        let namespace = Namespace {
            name: long_name(DEFAULT_NAMESPACE),
            create_time: now,
            ..Namespace::default()
        };
        let doc = serde_json::to_string(&namespace).unwrap_or_else(|_| EMPTY_DOC.to_owned());
        store.update_namespace(DEFAULT_NAMESPACE, row.version, &doc).await?;
    }
    Ok(())
}

fn encoded(namespace: &Namespace) -> Result<String, Error> {
    serde_json::to_string(namespace)
        .map_err(|e| Error::internal("The namespace cannot be stored.", e.to_string()))
}
