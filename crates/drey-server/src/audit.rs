//! The audit log: who changed what, who was refused, and how it ended.
//!
//! ```text
//! change   entry without a status ─► the handler ─► status        a crash in between leaves the entry, without status
//! refusal  entry with its status                                  at most so many a minute; the rest is counted
//! ```
//!
//! It is kept while access control is on: before that nobody is known. Reading leaves no entry, except of this log.
//! Entries never hold bodies, queries, headers or secrets: method, route, namespace and the name of the object.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use drey_store::AuditEntry;
use serde_json::Value;

use crate::app::Shared;
use crate::auth::Bucket;
use crate::error::Error;
use crate::middleware::{Address, RequestId};
use crate::wire::{DRY_RUN, Payload};

/// Refusals that are recorded in a row; then one more each [`REFUSAL_PAUSE_MS`]. An enemy who is refused without end
/// must not fill the disk.
const REFUSALS_BURST: i64 = 120;
const REFUSAL_PAUSE_MS: i64 = 1_000;
/// What an entry says of a dry run.
const REHEARSED: &str = "dry run: nothing was changed";
/// Characters of a name that a client chose.
const NAME_CHARS_MAX: usize = 300;

/// What is known of a request before it is carried out.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) actor: String,
    pub(crate) address: Option<IpAddr>,
    pub(crate) method: String,
    pub(crate) route: String,
    pub(crate) namespace: String,
    pub(crate) object: String,
    pub(crate) request_id: String,
}

impl Entry {
    /// By whom, and as what; the rest from the head of the request.
    pub(crate) fn of(head: &Parts, actor: String, route: &str) -> Self {
        Self {
            actor,
            address: head.extensions.get::<Address>().and_then(|address| address.0),
            method: head.method.to_string(),
            route: route.to_owned(),
            namespace: String::new(),
            object: String::new(),
            request_id: head.extensions.get::<RequestId>().map_or("", |id| &id.0).to_owned(),
        }
    }
}

/// How many refusals there is still room for, and how many were left out.
pub(crate) struct Refusals(Mutex<(Bucket, u64)>);

impl Default for Refusals {
    fn default() -> Self {
        Self(Mutex::new((Bucket::new(REFUSALS_BURST, REFUSAL_PAUSE_MS), 0)))
    }
}

impl Refusals {
    /// Room for one; how many were left out since the last. `None`: no room.
    fn take(&self, now: jiff::Timestamp) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0.wait_ms(now) > 0 {
            state.1 += 1;
            return None;
        }
        state.0.add(now);
        Some(std::mem::take(&mut state.1))
    }
}

/// Carries out a change between the two writes of its entry. What cannot be recorded is not done.
pub(crate) async fn around(
    shared: &Shared,
    entry: Entry,
    work: impl Future<Output = Response>,
) -> Response {
    if shared.gate.is_none() {
        return work.await;
    }
    let row = row(shared, entry, None, String::new());
    let id = row.id;
    if let Err(error) = shared.store.add_audit(&row).await {
        return Error::from(error).into_response();
    }
    let response = work.await;
    let (status, made) = (response.status().as_u16(), made(&response));
    let detail = if response.headers().contains_key(DRY_RUN) { REHEARSED } else { "" };
    if let Err(error) = shared.store.settle_audit(id, status, &made, detail).await {
        tracing::warn!(%error, %id, "the outcome of a request is missing in the audit log");
    }
    response
}

/// Records something that has happened and is of note although it changed no object: a login.
pub(crate) async fn noted(shared: &Shared, entry: Entry, status: StatusCode) -> Result<(), Error> {
    let row = row(shared, entry, Some(status.as_u16()), String::new());
    Ok(shared.store.add_audit(&row).await?)
}

/// Records a request that was not let in, while there is room.
pub(crate) async fn refused(shared: &Shared, entry: Entry, status: StatusCode) {
    let Some(gate) = &shared.gate else { return };
    let Some(left_out) = gate.refusals.take(shared.world.now()) else { return };
    let detail = match left_out {
        0 => String::new(),
        n => format!("{n} refusals before this one were not recorded"),
    };
    let row = row(shared, entry, Some(status.as_u16()), detail);
    if let Err(error) = shared.store.add_audit(&row).await {
        tracing::warn!(%error, "a refusal is missing in the audit log");
    }
}

fn row(shared: &Shared, entry: Entry, status: Option<u16>, detail: String) -> AuditEntry {
    let short = |text: String| text.chars().take(NAME_CHARS_MAX).collect::<String>();
    AuditEntry {
        id: shared.world.id(),
        at: shared.world.now(),
        actor: short(entry.actor),
        address: entry.address.map(|address| address.to_string()).unwrap_or_default(),
        method: entry.method,
        route: entry.route,
        namespace: short(entry.namespace),
        object: short(entry.object),
        request_id: entry.request_id,
        status,
        detail,
    }
}

/// The name of what was made, of an answer that says 201; of an upload, which the path does not name, always.
fn made(response: &Response) -> String {
    if !response.status().is_success() {
        return String::new();
    }
    let payload = response.extensions().get::<Payload>().and_then(Payload::json);
    let Some(body) = payload.and_then(|body| serde_json::from_slice::<Value>(&body).ok()) else {
        return String::new();
    };
    let places: &[&str] = match response.status() {
        StatusCode::CREATED => {
            &["/metadata/name", "/metadata/id", "/namespace/name", "/apiToken/name"]
        }
        _ => &["/artifact/filename"],
    };
    let name = places.iter().find_map(|place| body.pointer(place)?.as_str());
    name.unwrap_or_default().chars().take(NAME_CHARS_MAX).collect()
}
