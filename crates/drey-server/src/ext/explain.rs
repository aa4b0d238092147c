//! `/ext/v1/namespaces/{ns}/deployments/{name}`: a Deployment and why it is where it is; `/retry` tries again what was
//! given up.

use std::sync::Arc;

use axum::extract::{Path, State};

use crate::app::Shared;
use crate::error::Error;
use crate::wire::Reply;

/// The Deployment, the controller's explanation, and the active Jobs.
pub(crate) async fn get(
    State(shared): State<Arc<Shared>>,
    Path((ns, name)): Path<(String, String)>,
) -> Result<Reply, Error> {
    Ok(Reply::ok(shared.explained(&ns, &name).await?))
}

/// Tries a FAILED transition again; 409 unless the Deployment is FAILED.
pub(crate) async fn retry(
    State(shared): State<Arc<Shared>>,
    Path((ns, name)): Path<(String, String)>,
) -> Result<Reply, Error> {
    Ok(Reply::ok(shared.retry_deployment(&ns, &name).await?))
}
