//! `/api/v1/namespaces/{ns}/deployments`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use drey_model::write::Accepted;
use drey_model::{Deployment, Kind, List};

use crate::app::Shared;
use crate::error::Error;
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
    State(shared): App,
    Path(ns): Path<String>,
    Incoming(document): Incoming,
) -> Result<Reply, Error> {
    Ok(written(StatusCode::CREATED, shared.create_deployment(&ns, &document).await?))
}

/// Creates, or replaces the whole.
pub(crate) async fn put(
    State(shared): App,
    Path((ns, name)): Named,
    if_match: IfMatch,
    Incoming(document): Incoming,
) -> Result<Reply, Error> {
    let (is_new, accepted) = shared.put_deployment(&ns, &name, &document, &if_match).await?;
    Ok(written(if is_new { StatusCode::CREATED } else { StatusCode::OK }, accepted))
}

/// Changes what is given.
pub(crate) async fn patch(
    State(shared): App,
    Path((ns, name)): Named,
    if_match: IfMatch,
    Incoming(document): Incoming,
) -> Result<Reply, Error> {
    Ok(written(StatusCode::OK, shared.patch_deployment(&ns, &name, &document, &if_match).await?))
}

/// Deletes, with its Jobs, Savepoint records and Events; snapshot data stays.
pub(crate) async fn delete(
    State(shared): App,
    Path((ns, name)): Named,
    if_match: IfMatch,
) -> Result<Reply, Error> {
    Ok(Reply::ok(shared.delete_deployment(&ns, &name, &if_match).await?))
}

fn written(status: StatusCode, accepted: Accepted<Deployment>) -> Reply {
    let version = accepted.object.metadata.resource_version;
    Reply::new(status, accepted.object).at_version(version).with_warnings(&accepted.warnings)
}
