//! `/api/v1/namespaces/{ns}/deployments`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use drey_model::write::Accepted;
use drey_model::{Deployment, Kind, List};

use crate::app::Shared;
use crate::error::Error;
use crate::ops::Writer;
use crate::wire::{IfMatch, Incoming, Params, Reply};

type App = State<Arc<Shared>>;
type Named = Path<(String, String)>;

/// All of a namespace, newest first; `labelSelector` narrows them.
pub(crate) async fn list(
    State(shared): App,
    Path(ns): Path<String>,
    params: Params,
) -> Result<Reply, Error> {
    let items = shared.deployments(&ns, params.text("labelSelector")).await?;
    Ok(Reply::ok(List::of(Kind::Deployment, items)))
}

/// One, by name or id.
pub(crate) async fn get(State(shared): App, Path((ns, name)): Named) -> Result<Reply, Error> {
    let deployment = shared.deployment(&ns, &name).await?;
    let version = deployment.metadata.resource_version;
    Ok(Reply::ok(deployment).at_version(version))
}

/// Creates.
pub(crate) async fn create(
    writer: Writer,
    Path(ns): Path<String>,
    Incoming(document): Incoming,
) -> Result<Reply, Error> {
    let accepted = writer.create_deployment(&ns, &document).await?;
    Ok(written(&writer, StatusCode::CREATED, accepted))
}

/// Creates, or replaces the whole.
pub(crate) async fn put(
    writer: Writer,
    Path((ns, name)): Named,
    if_match: IfMatch,
    Incoming(document): Incoming,
) -> Result<Reply, Error> {
    let (is_new, accepted) = writer.put_deployment(&ns, &name, &document, &if_match).await?;
    Ok(written(&writer, if is_new { StatusCode::CREATED } else { StatusCode::OK }, accepted))
}

/// Changes what is given.
pub(crate) async fn patch(
    writer: Writer,
    Path((ns, name)): Named,
    if_match: IfMatch,
    Incoming(document): Incoming,
) -> Result<Reply, Error> {
    let accepted = writer.patch_deployment(&ns, &name, &document, &if_match).await?;
    Ok(written(&writer, StatusCode::OK, accepted))
}

/// Deletes, with its Jobs, Savepoint records and Events; snapshot data stays.
pub(crate) async fn delete(
    writer: Writer,
    Path((ns, name)): Named,
    if_match: IfMatch,
) -> Result<Reply, Error> {
    Ok(writer.done(writer.delete_deployment(&ns, &name, &if_match).await?))
}

fn written(writer: &Writer, status: StatusCode, accepted: Accepted<Deployment>) -> Reply {
    writer.answer(status, accepted.object.metadata.resource_version, accepted)
}
