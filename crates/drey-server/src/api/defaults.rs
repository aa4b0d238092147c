//! `/api/v1/namespaces/{ns}/deployment-defaults` and `/api/v1/global-deployment-defaults`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::app::Shared;
use crate::error::Error;
use crate::ops::Writer;
use crate::wire::{IfMatch, Incoming, Reply};

type App = State<Arc<Shared>>;

/// What the namespace has set, and only that.
pub(crate) async fn get(State(shared): App, Path(ns): Path<String>) -> Result<Reply, Error> {
    let defaults = Writer::unasked(shared).defaults(&ns).await?;
    let version = defaults.metadata.resource_version;
    Ok(Reply::ok(defaults).at_version(version))
}

/// Changes what is given; null removes what the namespace has set.
pub(crate) async fn patch(
    writer: Writer,
    Path(ns): Path<String>,
    if_match: IfMatch,
    Incoming(document): Incoming,
) -> Result<Reply, Error> {
    let accepted = writer.patch_defaults(&ns, &document, &if_match).await?;
    let version = accepted.object.metadata.resource_version;
    Ok(writer.answer(StatusCode::OK, version, accepted))
}

/// The built-in and the configured defaults in one: what holds where a namespace sets nothing.
pub(crate) async fn global(State(shared): App) -> Result<Reply, Error> {
    Ok(Reply::ok(shared.global_defaults()?))
}
