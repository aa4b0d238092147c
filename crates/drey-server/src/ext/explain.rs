//! `/ext/v1/namespaces/{ns}/deployments/{name}`: a Deployment and why it is where it is; `/retry` tries again what was
//! given up. `…/sessionclusters/{name}` says the same of a SessionCluster.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use drey_model::write::Accepted;

use crate::app::Shared;
use crate::error::Error;
use crate::ops::Writer;
use crate::wire::{IfMatch, Reply};

/// The Deployment, the controller's explanation, and the active Jobs.
pub(crate) async fn get(
    State(shared): State<Arc<Shared>>,
    Path((ns, name)): Path<(String, String)>,
) -> Result<Reply, Error> {
    Ok(Reply::ok(shared.explained(&ns, &name).await?))
}

/// The SessionCluster, what it waits for, and who runs on it.
pub(crate) async fn cluster(
    State(shared): State<Arc<Shared>>,
    Path((ns, name)): Path<(String, String)>,
) -> Result<Reply, Error> {
    Ok(Reply::ok(shared.explained_cluster(&ns, &name).await?))
}

/// Tries a FAILED transition again; 409 unless the Deployment is FAILED.
pub(crate) async fn retry(
    writer: Writer,
    Path((ns, name)): Path<(String, String)>,
    if_match: IfMatch,
) -> Result<Reply, Error> {
    let object = writer.retry_deployment(&ns, &name, &if_match).await?;
    let version = object.metadata.resource_version;
    Ok(writer.answer(StatusCode::OK, version, Accepted { object, warnings: Vec::new() }))
}
