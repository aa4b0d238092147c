//! `/api/v1/namespaces/{ns}/secret-values`: values go in and never come out (platform API reference §2.5.3).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use drey_model::secret::SecretValue;
use drey_model::write::Accepted;
use drey_model::{Kind, List};

use crate::app::Shared;
use crate::error::Error;
use crate::wire::{IfMatch, IncomingSecret, Reply};

type App = State<Arc<Shared>>;
type Named = Path<(String, String)>;

/// All of a namespace, newest first.
pub(crate) async fn list(State(shared): App, Path(ns): Path<String>) -> Result<Reply, Error> {
    let items = shared.secrets(&ns).await?;
    Ok(Reply::ok(List::of(Kind::SecretValue, items)))
}

/// One, by name; with a warning when its value cannot be read any more.
pub(crate) async fn get(State(shared): App, Path((ns, name)): Named) -> Result<Reply, Error> {
    Ok(answer(StatusCode::OK, shared.secret(&ns, &name).await?))
}

/// Creates.
pub(crate) async fn create(
    State(shared): App,
    Path(ns): Path<String>,
    IncomingSecret(document): IncomingSecret,
) -> Result<Reply, Error> {
    Ok(answer(StatusCode::CREATED, shared.create_secret(&ns, &document).await?))
}

/// Changes labels and annotations, and the value if one is given. Jobs that run keep the old one.
pub(crate) async fn patch(
    State(shared): App,
    Path((ns, name)): Named,
    if_match: IfMatch,
    IncomingSecret(document): IncomingSecret,
) -> Result<Reply, Error> {
    Ok(answer(StatusCode::OK, shared.patch_secret(&ns, &name, &document, &if_match).await?))
}

/// Deletes, unless a Deployment names it.
pub(crate) async fn delete(
    State(shared): App,
    Path((ns, name)): Named,
    if_match: IfMatch,
) -> Result<Reply, Error> {
    Ok(Reply::ok(shared.delete_secret(&ns, &name, &if_match).await?))
}

fn answer(status: StatusCode, accepted: Accepted<SecretValue>) -> Reply {
    let version = accepted.object.metadata.resource_version;
    Reply::new(status, accepted.object).at_version(version).with_warnings(&accepted.warnings)
}
