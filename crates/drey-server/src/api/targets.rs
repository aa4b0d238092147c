//! `/api/v1/namespaces/{ns}/deployment-targets`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use drey_model::write::Accepted;
use drey_model::{DeploymentTarget, Kind, List};

use crate::app::Shared;
use crate::error::Error;
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
    State(shared): App,
    Path(ns): Path<String>,
    Incoming(document): Incoming,
) -> Result<Reply, Error> {
    Ok(written(StatusCode::CREATED, shared.create_target(&ns, &document).await?))
}

/// Creates, or replaces labels and annotations; `spec` never changes.
pub(crate) async fn put(
    State(shared): App,
    Path((ns, name)): Named,
    if_match: IfMatch,
    Incoming(document): Incoming,
) -> Result<Reply, Error> {
    let (is_new, accepted) = shared.put_target(&ns, &name, &document, &if_match).await?;
    Ok(written(if is_new { StatusCode::CREATED } else { StatusCode::OK }, accepted))
}

/// Deletes, unless a Deployment refers to it.
pub(crate) async fn delete(
    State(shared): App,
    Path((ns, name)): Named,
    if_match: IfMatch,
) -> Result<Reply, Error> {
    Ok(Reply::ok(shared.delete_target(&ns, &name, &if_match).await?))
}

fn written(status: StatusCode, accepted: Accepted<DeploymentTarget>) -> Reply {
    let version = accepted.object.metadata.resource_version;
    Reply::new(status, accepted.object).at_version(version).with_warnings(&accepted.warnings)
}
