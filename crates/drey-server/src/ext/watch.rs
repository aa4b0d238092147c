//! `GET /ext/v1/watch`: every change of every object, as server-sent events.
//!
//! ```text
//! ?after=REV or Last-Event-ID: REV        neither, or REV is too old
//!            │                                  RESET (only when too old: forget everything)
//!            │                                  ADDED …      present objects, without ids
//!            │                                  SNAPSHOT_END id: R
//!            ▼                                      │
//!   ADDED | MODIFIED | DELETED, id: revision  ◄─────┘  from R on
//! ```
//!
//! Data is `{"type","revision","object"}`. The store keeps the last write of each object, so several quick changes
//! show as one, and an object that was created and changed between two looks shows as MODIFIED: treat both as "this is
//! it now". Delivery is at least once. A DELETED object is its last document. An Event that is trimmed leaves no trace.
//! A write of the controller's private facts shows as MODIFIED with an equal resourceVersion.
//!
//! The stream reads the store only as fast as the client reads the stream: a slow client costs one page of memory, and
//! when it lags so far that traces of deletions are gone, it gets a RESET and a new snapshot. The store's hint only
//! says when to look; what is seen is always the store's own order.
//!
//! `kinds=Deployment,Job` and `namespace=default` narrow the stream. It holds only what the caller may read; roles are
//! looked up again for every page, and a stream whose caller is no longer known ends.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as Line, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use drey_model::Kind;
use drey_model::causes::causes;
use drey_model::role::{Access, Resource, Role, allows};
use drey_store::{Filter, Object};
use futures::Stream;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use strum::VariantArray;
use tokio::sync::watch::Receiver;

use crate::app::Shared;
use crate::auth::{Caller, forbidden};
use crate::error::Error;
use crate::wire::Params;

/// Objects read at once.
const PAGE: u32 = 200;
/// Other processes write without our hint, so the store is looked at this often anyway.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// A comment this often shows both ends that the connection lives.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Streams open at once; beyond it 503.
const CLIENTS_MAX: i64 = 1_000;
/// Events in a snapshot, the newest ones.
const SNAPSHOT_EVENTS_MAX: u32 = 1_000;

/// Opens a stream.
pub(crate) async fn get(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Error> {
    let interest = Interest::of(&params)?;
    let audience = Audience::of(&shared, caller).await?;
    if let Some(namespace) = &interest.namespace {
        audience.check(&shared, namespace)?;
    }
    let after = match headers.get("last-event-id").and_then(|v| v.to_str().ok()) {
        Some(id) if !id.is_empty() => Some(revision(id)?),
        _ => params.text("after").map(revision).transpose()?,
    };
    let seat = Seat::take(&shared)?;
    let stream = lines(Watch::new(shared, interest, audience, after), seat);
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE).text("still here");
    Ok(Sse::new(stream).keep_alive(keep_alive).into_response())
}

fn revision(text: &str) -> Result<i64, Error> {
    let parsed = text.trim().parse().ok().filter(|n: &i64| *n >= 0);
    parsed.ok_or_else(|| {
        Error::bad_request(
            "after and Last-Event-ID must be a revision: the id of an event of this stream.",
        )
    })
}

/// What a client wants to hear of.
#[derive(Debug)]
struct Interest {
    kinds: Vec<Kind>,
    namespace: Option<String>,
}

impl Interest {
    fn of(params: &Params) -> Result<Self, Error> {
        let mut kinds = Vec::new();
        for name in params.text("kinds").unwrap_or("").split(',').filter(|n| !n.trim().is_empty()) {
            let kind = Kind::from_str(name.trim()).map_err(|_| {
                let known: Vec<String> = Kind::VARIANTS.iter().map(ToString::to_string).collect();
                let name: String = name.chars().take(100).collect();
                Error::bad_request(format!("kinds: {name:?} is not one of {}.", known.join(", ")))
            })?;
            kinds.push(kind);
        }
        if kinds.is_empty() {
            kinds = Kind::VARIANTS.to_vec();
        }
        Ok(Self { kinds, namespace: params.text("namespace").map(str::to_owned) })
    }

    fn covers(&self, object: &Object) -> bool {
        self.kinds.contains(&object.kind)
            && self.namespace.as_ref().is_none_or(|ns| *ns == object.namespace)
    }
}

/// Who listens, and what they may read by namespace.
struct Audience {
    caller: Caller,
    roles: BTreeMap<String, Vec<Role>>,
}

impl Audience {
    async fn of(shared: &Shared, caller: Caller) -> Result<Self, Error> {
        let admins = shared.gate.as_ref().map_or(&[][..], |gate| &gate.settings.admins);
        let all = shared.all_rooms().await?;
        let roles = all.iter().map(|namespace| {
            let roles = caller.roles(Some(namespace), admins);
            (namespace.short_name().to_owned(), roles)
        });
        Ok(Self { roles: roles.collect(), caller })
    }

    /// What the caller may read as of now; `false` when they are no longer known, or nobody can say.
    async fn refresh(&mut self, shared: &Shared) -> bool {
        if self.caller == Caller::Everyone {
            return true;
        }
        let Ok(Some(caller)) = self.caller.again(shared).await else { return false };
        let Ok(now) = Self::of(shared, caller).await else { return false };
        *self = now;
        true
    }

    /// 403 unless the caller may read something there.
    fn check(&self, shared: &Shared, namespace: &str) -> Result<(), Error> {
        let is_known = self.roles.get(namespace).is_some_and(|roles| !roles.is_empty());
        if is_known || shared.gate.is_none() {
            return Ok(());
        }
        let (resource, access) = (Resource::Deployments, Access::List);
        Err(forbidden(&self.caller, &[], resource, access, Some(namespace)))
    }

    fn may_read(&self, object: &Object) -> bool {
        // Access control that is off lets everything through, also traces of namespaces that are gone.
        if self.caller == Caller::Everyone {
            return true;
        }
        let resource = resource_of(object.kind);
        let roles = self.roles.get(&object.namespace);
        roles.is_some_and(|roles| roles.iter().any(|role| allows(*role, resource, Access::Get)))
    }
}

/// The row of the access matrix that a kind belongs to.
fn resource_of(kind: Kind) -> Resource {
    match kind {
        Kind::Deployment => Resource::Deployments,
        Kind::DeploymentTarget => Resource::DeploymentTargets,
        Kind::DeploymentDefaults => Resource::DeploymentDefaults,
        Kind::Job => Resource::Jobs,
        Kind::Savepoint => Resource::Savepoints,
        Kind::Event => Resource::Events,
        Kind::SecretValue => Resource::SecretValues,
        Kind::SessionCluster => Resource::SessionClusters,
    }
}

/// A place among the streams that are open; given back when the stream is dropped.
struct Seat(Arc<Shared>);

impl Seat {
    fn take(shared: &Arc<Shared>) -> Result<Self, Error> {
        let seat = Self(Arc::clone(shared));
        if shared.metrics.watch_clients.inc() < CLIENTS_MAX {
            return Ok(seat);
        }
        Err(Error::unavailable(format!(
            "{CLIENTS_MAX} clients watch already. Close one, or try again later."
        )))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.metrics.watch_clients.dec();
    }
}

/// One event of the stream before it is text.
#[derive(Debug)]
struct Item {
    name: &'static str,
    id: Option<i64>,
    data: Data,
}

/// The data of one event.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Change")]
pub(crate) struct Data {
    /// `ADDED`, `MODIFIED`, `DELETED`, `SNAPSHOT_END` or `RESET`.
    #[serde(rename = "type")]
    name: &'static str,
    /// Of the write that it tells of.
    revision: i64,
    /// The object as it is now; of a DELETED one, as it was last.
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<Value>,
}

/// Where a stream stands.
struct Watch {
    shared: Arc<Shared>,
    interest: Interest,
    audience: Audience,
    /// The revision up to which the client knows everything; `None`: it needs a snapshot.
    after: Option<i64>,
    hint: Receiver<i64>,
    ready: VecDeque<Item>,
}

fn lines(mut watch: Watch, seat: Seat) -> impl Stream<Item = Result<Line, Infallible>> {
    async_stream::stream! {
        let _seat = seat;
        while let Some(item) = watch.next().await {
            let mut line = Line::default().event(item.name);
            if let Some(id) = item.id {
                line = line.id(id.to_string());
            }
            match line.json_data(&item.data) {
                Ok(line) => yield Ok(line),
                Err(_) => break,
            }
        }
    }
}

impl Watch {
    fn new(
        shared: Arc<Shared>,
        interest: Interest,
        audience: Audience,
        after: Option<i64>,
    ) -> Self {
        let hint = shared.store.hint();
        Self { shared, interest, audience, after, hint, ready: VecDeque::new() }
    }

    /// The next event; `None` when the server stops or the store fails. The client comes back with its last id.
    async fn next(&mut self) -> Option<Item> {
        loop {
            if self.shared.shutdown.is_cancelled() {
                return None;
            }
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
            if !self.audience.refresh(&self.shared).await {
                return None;
            }
            if let Err(e) = self.read().await {
                tracing::warn!(error = causes(&e), "a watch ended: the store cannot be read");
                return None;
            }
        }
    }

    /// Reads a page; waits when there is none.
    async fn read(&mut self) -> Result<(), drey_store::Error> {
        let Some(after) = self.after else {
            return self.snapshot().await;
        };
        self.hint.borrow_and_update();
        let page = self.shared.store.changes(after, PAGE).await?;
        // Asked after the page was read: traces may be purged in between.
        let is_behind = self.shared.store.oldest_change().await? > after;
        if is_behind || (page.is_empty() && self.shared.store.revision().await? < after) {
            self.after = None;
            self.ready.push_back(Item::mark("RESET", None, after));
            return Ok(());
        }
        let Some(last) = page.last() else {
            self.wait().await;
            return Ok(());
        };
        self.after = Some(last.revision);
        let covers = |o: &&Object| self.interest.covers(o) && self.audience.may_read(o);
        let covered = page.iter().filter(covers);
        self.ready.extend(covered.map(Item::change));
        Ok(())
    }

    /// Everything that is there, as of a revision that was read before, so that nothing falls in between.
    async fn snapshot(&mut self) -> Result<(), drey_store::Error> {
        let revision = self.shared.store.revision().await?;
        for kind in &self.interest.kinds {
            let limit = (*kind == Kind::Event).then_some(SNAPSHOT_EVENTS_MAX);
            let namespace = self.interest.namespace.clone();
            let filter = Filter { namespace, limit, ..Filter::default() };
            let present = self.shared.store.list(*kind, &filter).await?;
            let readable = present.iter().rev().filter(|o| self.audience.may_read(o));
            self.ready.extend(readable.map(Item::present));
        }
        self.ready.push_back(Item::mark("SNAPSHOT_END", Some(revision), revision));
        self.after = Some(revision);
        Ok(())
    }

    async fn wait(&mut self) {
        tokio::select! {
            // An error means that the store is gone, which the next read says.
            _ = self.hint.changed() => {}
            () = tokio::time::sleep(POLL_INTERVAL) => {}
            () = self.shared.shutdown.cancelled() => {}
        }
    }
}

impl Item {
    /// A change since some revision.
    fn change(object: &Object) -> Self {
        let doc = document(object);
        let version = doc.as_ref().and_then(|d| d.pointer("/metadata/resourceVersion")?.as_i64());
        let name = match (object.deleted, version) {
            (true, _) => "DELETED",
            (false, Some(1)) => "ADDED",
            (false, _) => "MODIFIED",
        };
        let data = Data { name, revision: object.revision, object: doc };
        Self { name, id: Some(object.revision), data }
    }

    /// An object of a snapshot.
    fn present(object: &Object) -> Self {
        let data = Data { name: "ADDED", revision: object.revision, object: document(object) };
        Self { name: "ADDED", id: None, data }
    }

    fn mark(name: &'static str, id: Option<i64>, revision: i64) -> Self {
        Self { name, id, data: Data { name, revision, object: None } }
    }
}

/// The document; its identity alone when it is damaged, so that one bad row does not end every watch.
fn document(object: &Object) -> Option<Value> {
    let parsed = serde_json::from_str(&object.doc).ok();
    parsed.or_else(|| {
        let metadata = serde_json::json!({
            "id": object.id, "name": object.name, "namespace": object.namespace,
        });
        Some(serde_json::json!({ "kind": object.kind, "apiVersion": "v1", "metadata": metadata }))
    })
}
