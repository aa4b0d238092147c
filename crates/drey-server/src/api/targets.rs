//! `/api/v1/namespaces/{ns}/deployment-targets`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use drey_model::write::Accepted;
use drey_model::{DeploymentTarget, Kind, List};

use crate::app::Shared;
use crate::error::Error;
use crate::ops::Writer;
use crate::wire::{IfMatch, Incoming, Reply};

type App = State<Arc<Shared>>;
type Named = Path<(String, String)>;

/// All of a namespace, newest first.
pub(crate) async fn list(State(shared): App, Path(ns): Path<String>) -> Result<Reply, Error> {
    let items = shared.targets(&ns).await?;
    Ok(Reply::ok(List::of(Kind::DeploymentTarget, items)))
}

/// One, by name.
pub(crate) async fn get(State(shared): App, Path((ns, name)): Named) -> Result<Reply, Error> {
    let target = shared.target(&ns, &name).await?;
    let version = target.metadata.resource_version;
    Ok(Reply::ok(target).at_version(version))
}

/// Creates.
pub(crate) async fn create(
    writer: Writer,
    Path(ns): Path<String>,
    Incoming(document): Incoming,
) -> Result<Reply, Error> {
    let accepted = writer.create_target(&ns, &document).await?;
    Ok(written(&writer, StatusCode::CREATED, accepted))
}

/// Creates, or replaces labels and annotations; `spec` never changes.
pub(crate) async fn put(
    writer: Writer,
    Path((ns, name)): Named,
    if_match: IfMatch,
    Incoming(document): Incoming,
) -> Result<Reply, Error> {
    let (is_new, accepted) = writer.put_target(&ns, &name, &document, &if_match).await?;
    Ok(written(&writer, if is_new { StatusCode::CREATED } else { StatusCode::OK }, accepted))
}

/// Deletes, unless a Deployment refers to it.
pub(crate) async fn delete(
    writer: Writer,
    Path((ns, name)): Named,
    if_match: IfMatch,
) -> Result<Reply, Error> {
    Ok(writer.done(writer.delete_target(&ns, &name, &if_match).await?))
}

fn written(writer: &Writer, status: StatusCode, accepted: Accepted<DeploymentTarget>) -> Reply {
    writer.answer(status, accepted.object.metadata.resource_version, accepted)
}
