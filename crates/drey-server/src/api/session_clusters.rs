//! `/api/v1/namespaces/{ns}/sessionclusters` and `/api/v1/global-sessioncluster-defaults`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use drey_model::write::Accepted;
use drey_model::{Kind, List, SessionCluster};

use crate::app::Shared;
use crate::error::Error;
use crate::ops::Writer;
use crate::wire::{IfMatch, Incoming, Reply};

type App = State<Arc<Shared>>;
type Named = Path<(String, String)>;

/// All of a namespace, newest first.
pub(crate) async fn list(State(shared): App, Path(ns): Path<String>) -> Result<Reply, Error> {
    let items = shared.session_clusters(&ns).await?;
    Ok(Reply::ok(List::of(Kind::SessionCluster, items)))
}

/// One, by name.
pub(crate) async fn get(State(shared): App, Path((ns, name)): Named) -> Result<Reply, Error> {
    let cluster = shared.session_cluster(&ns, &name).await?;
    let version = cluster.metadata.resource_version;
    Ok(Reply::ok(cluster).at_version(version))
}

/// Creates.
pub(crate) async fn create(
    writer: Writer,
    Path(ns): Path<String>,
    Incoming(document): Incoming,
) -> Result<Reply, Error> {
    let accepted = writer.create_session_cluster(&ns, &document).await?;
    Ok(written(&writer, StatusCode::CREATED, accepted))
}

/// Creates or replaces.
pub(crate) async fn put(
    writer: Writer,
    Path((ns, name)): Named,
    if_match: IfMatch,
    Incoming(document): Incoming,
) -> Result<Reply, Error> {
    let (is_new, accepted) = writer.put_session_cluster(&ns, &name, &document, &if_match).await?;
    Ok(written(&writer, if is_new { StatusCode::CREATED } else { StatusCode::OK }, accepted))
}

/// Changes what is given.
pub(crate) async fn patch(
    writer: Writer,
    Path((ns, name)): Named,
    if_match: IfMatch,
    Incoming(document): Incoming,
) -> Result<Reply, Error> {
    let accepted = writer.patch_session_cluster(&ns, &name, &document, &if_match).await?;
    Ok(written(&writer, StatusCode::OK, accepted))
}

/// Deletes, unless it runs or a Deployment refers to it.
pub(crate) async fn delete(
    writer: Writer,
    Path((ns, name)): Named,
    if_match: IfMatch,
) -> Result<Reply, Error> {
    Ok(writer.done(writer.delete_session_cluster(&ns, &name, &if_match).await?))
}

/// What a new one has that says nothing.
pub(crate) async fn defaults(State(shared): App) -> Reply {
    Reply::ok(shared.global_session_cluster_defaults())
}

fn written(writer: &Writer, status: StatusCode, accepted: Accepted<SessionCluster>) -> Reply {
    writer.answer(status, accepted.object.metadata.resource_version, accepted)
}
