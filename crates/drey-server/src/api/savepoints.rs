//! `/api/v1/namespaces/{ns}/savepoints`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use drey_model::{Kind, List};

use crate::app::Shared;
use crate::error::Error;
use crate::ops::Writer;
use crate::wire::{IfMatch, Incoming, Params, Reply};

type App = State<Arc<Shared>>;

/// All of a namespace, newest first; `deploymentId` and `jobId` narrow them.
pub(crate) async fn list(
    State(shared): App,
    Path(ns): Path<String>,
    params: Params,
) -> Result<Reply, Error> {
    let (deployment, job) = (params.uuid("deploymentId")?, params.uuid("jobId")?);
    let items = shared.savepoints(&ns, deployment, job).await?;
    Ok(Reply::ok(List::of(Kind::Savepoint, items)))
}

/// One, by id.
pub(crate) async fn get(
    State(shared): App,
    Path((ns, id)): Path<(String, String)>,
) -> Result<Reply, Error> {
    let savepoint = shared.savepoint(&ns, &id).await?;
    let version = savepoint.metadata.resource_version;
    Ok(Reply::ok(savepoint).at_version(version))
}

/// Takes one, or registers one that exists.
pub(crate) async fn create(
    writer: Writer,
    Path(ns): Path<String>,
    Incoming(document): Incoming,
) -> Result<Reply, Error> {
    let accepted = writer.create_savepoint(&ns, &document).await?;
    let version = accepted.object.metadata.resource_version;
    Ok(writer.answer(StatusCode::CREATED, version, accepted))
}

/// Forgets one; its data stays in storage, so a completed one asks for `force=true`.
pub(crate) async fn delete(
    writer: Writer,
    Path((ns, id)): Path<(String, String)>,
    params: Params,
    if_match: IfMatch,
) -> Result<Reply, Error> {
    let is_forced = params.flag("force")?;
    Ok(writer.done(writer.delete_savepoint(&ns, &id, is_forced, &if_match).await?))
}
