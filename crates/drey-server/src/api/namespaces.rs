//! `/namespaces/v1/namespaces` (platform API reference §1.9, §2.4, §2.5.5), and what we add below `/ext/v1`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use drey_model::Namespace;
use drey_model::namespace;
use schemars::JsonSchema;
use serde::Serialize;

use crate::app::Shared;
use crate::auth::Caller;
use crate::error::Error;
use crate::ops::{Room, WrittenRoom};
use crate::wire::{IfMatch, Incoming, Reply};

type App = State<Arc<Shared>>;

/// The one action upon a namespace: `{ns}:setPreviewSessionCluster`.
const SET_PREVIEW: &str = "setPreviewSessionCluster";

/// Namespaces.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ListNamespacesResponse {
    /// The namespaces, by name.
    namespaces: Vec<Namespace>,
}

/// One namespace.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct NamespaceResponse {
    /// The namespace.
    namespace: Namespace,
}

/// A request of `:setPreviewSessionCluster`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SetPreviewSessionClusterRequest {
    /// `namespaces/<short>`; may be left out.
    name: Option<String>,
    /// The SessionCluster; none unsets it.
    preview_session_cluster_name: Option<String>,
}

/// Nothing more than that it worked.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EmptyResponse {}

/// Those that the caller may see.
pub(crate) async fn list(
    State(shared): App,
    Extension(caller): Extension<Caller>,
) -> Result<Reply, Error> {
    Ok(Reply::ok(ListNamespacesResponse { namespaces: shared.rooms(&caller).await? }))
}

/// One.
pub(crate) async fn get(State(shared): App, Path(ns): Path<String>) -> Result<Reply, Error> {
    Ok(shown(StatusCode::OK, shared.present_room(&ns).await?))
}

/// What it holds and what it waits for.
pub(crate) async fn explain(State(shared): App, Path(ns): Path<String>) -> Result<Reply, Error> {
    Ok(Reply::ok(shared.explain_room(&ns).await?))
}

/// Creates.
pub(crate) async fn create(
    State(shared): App,
    Incoming(document): Incoming,
) -> Result<Reply, Error> {
    Ok(written(StatusCode::CREATED, shared.create_room(&document).await?))
}

/// Replaces what an administrator or owner may write.
pub(crate) async fn put(
    State(shared): App,
    Path(ns): Path<String>,
    if_match: IfMatch,
    Incoming(document): Incoming,
) -> Result<Reply, Error> {
    let change = |current: &Namespace| namespace::replace(current, &document);
    Ok(written(StatusCode::OK, shared.change_room(&ns, &if_match, change).await?))
}

/// Changes what is given.
pub(crate) async fn patch(
    State(shared): App,
    Path(ns): Path<String>,
    if_match: IfMatch,
    Incoming(document): Incoming,
) -> Result<Reply, Error> {
    let change = |current: &Namespace| namespace::patch(current, &document);
    Ok(written(StatusCode::OK, shared.change_room(&ns, &if_match, change).await?))
}

/// `POST {ns}:setPreviewSessionCluster`. The router knows no parameter with a suffix, so it is told apart here.
pub(crate) async fn act(
    State(shared): App,
    Path(ns_and_action): Path<String>,
    Incoming(document): Incoming,
) -> Result<Reply, Error> {
    let Some((ns, SET_PREVIEW)) = ns_and_action.split_once(':') else {
        let message = "POST upon a namespace takes an action: NAMESPACE:setPreviewSessionCluster. Namespaces are made \
                       with POST /namespaces/v1/namespaces.";
        return Err(Error::not_found(message));
    };
    let change = |current: &Namespace| namespace::preview_session_cluster(current, &document);
    let done = shared.change_room(ns, &IfMatch::default(), change).await?;
    Ok(Reply::ok(EmptyResponse {}).with_warnings(&done.warnings))
}

/// Begins to delete; the answer shows it TERMINATING.
pub(crate) async fn delete(
    State(shared): App,
    Path(ns): Path<String>,
    if_match: IfMatch,
) -> Result<Reply, Error> {
    Ok(shown(StatusCode::OK, shared.end_room(&ns, &if_match).await?))
}

fn shown(status: StatusCode, room: Room) -> Reply {
    let version = room.version();
    Reply::new(status, NamespaceResponse { namespace: room.namespace }).at_version(version)
}

fn written(status: StatusCode, written: WrittenRoom) -> Reply {
    shown(status, written.room).with_warnings(&written.warnings)
}
