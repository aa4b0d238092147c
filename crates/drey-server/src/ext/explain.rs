//! `GET /ext/v1/namespaces/{ns}/deployments/{name}`: a Deployment, and why it is where it is.

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
