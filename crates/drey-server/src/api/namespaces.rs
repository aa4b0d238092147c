//! `/namespaces/v1/namespaces` (platform API reference §1.9, §2.4, §2.5.5), and what we add below `/ext/v1`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use drey_model::namespace;
use drey_model::{Accepted, Namespace};
use schemars::JsonSchema;
use serde::Serialize;

use crate::app::Shared;
use crate::auth::Caller;
use crate::error::Error;
use crate::ops::{Writer, WrittenRoom};
use crate::wire::{IfMatch, Incoming, Reply};

type App = State<Arc<Shared>>;

/// The one action upon a namespace: `{ns}:setPreviewSessionCluster`.
/// What is possible on a namespace.
const METHODS: &str = "GET,HEAD,PUT,PATCH,DELETE";
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
    let room = shared.present_room(&ns).await?;
    let version = room.version();
    Ok(Reply::ok(NamespaceResponse { namespace: room.namespace }).at_version(version))
}

/// What it holds and what it waits for.
pub(crate) async fn explain(State(shared): App, Path(ns): Path<String>) -> Result<Reply, Error> {
    Ok(Reply::ok(shared.explain_room(&ns).await?))
}

/// Creates.
pub(crate) async fn create(writer: Writer, Incoming(document): Incoming) -> Result<Reply, Error> {
    let made = writer.create_room(&document).await?;
    Ok(written(&writer, StatusCode::CREATED, made))
}

/// Replaces what an administrator or owner may write.
pub(crate) async fn put(
    writer: Writer,
    Path(ns): Path<String>,
    if_match: IfMatch,
    Incoming(document): Incoming,
) -> Result<Reply, Error> {
    let change = |current: &Namespace| namespace::replace(current, &document);
    let done = writer.change_room(&ns, &if_match, change).await?;
    Ok(written(&writer, StatusCode::OK, done))
}

/// Changes what is given.
pub(crate) async fn patch(
    writer: Writer,
    Path(ns): Path<String>,
    if_match: IfMatch,
    Incoming(document): Incoming,
) -> Result<Reply, Error> {
    let change = |current: &Namespace| namespace::patch(current, &document);
    let done = writer.change_room(&ns, &if_match, change).await?;
    Ok(written(&writer, StatusCode::OK, done))
}

/// The methods of a namespace, or of an action upon one; `None`: another path. The router takes them for one path.
pub(crate) fn methods(path: &str) -> Option<&'static str> {
    let rest = path.strip_prefix("/namespaces/v1/namespaces/")?;
    Some(if rest.contains(':') { "POST" } else { METHODS })
}

/// `POST {ns}:setPreviewSessionCluster`. The router knows no parameter with a suffix, so it is told apart here.
pub(crate) async fn act(
    writer: Writer,
    Path(ns_and_action): Path<String>,
    Incoming(document): Incoming,
) -> Result<Reply, Error> {
    let message = "POST upon a namespace takes an action: NAMESPACE:setPreviewSessionCluster. Namespaces are made with \
                   POST /namespaces/v1/namespaces.";
    let ns = match ns_and_action.split_once(':') {
        Some((ns, SET_PREVIEW)) => ns,
        Some(_) => return Err(Error::not_found(message)),
        None => {
            let refused = Error::new(StatusCode::METHOD_NOT_ALLOWED, message);
            return Err(refused.with_header(header::ALLOW, HeaderValue::from_static(METHODS)));
        }
    };
    let change = |current: &Namespace| namespace::preview_session_cluster(current, &document);
    let done = writer.change_room(ns, &IfMatch::default(), change).await?;
    Ok(writer.done(EmptyResponse {}).with_warnings(&done.warnings))
}

/// Begins to delete; the answer shows it TERMINATING.
pub(crate) async fn delete(
    writer: Writer,
    Path(ns): Path<String>,
    if_match: IfMatch,
) -> Result<Reply, Error> {
    let room = writer.end_room(&ns, &if_match).await?;
    Ok(written(&writer, StatusCode::OK, WrittenRoom { room, warnings: Vec::new() }))
}

fn written(writer: &Writer, status: StatusCode, written: WrittenRoom) -> Reply {
    let WrittenRoom { room, warnings } = written;
    let version = room.version();
    let object = NamespaceResponse { namespace: room.namespace };
    writer.answer(status, version, Accepted { object, warnings })
}
