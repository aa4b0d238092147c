//! `/api/v1/namespaces/{ns}/jobs`: read-only, the controller writes Jobs.

use std::sync::Arc;

use axum::extract::{Path, State};
use drey_model::{Kind, List};

use crate::app::Shared;
use crate::error::Error;
use crate::wire::{Params, Reply};

/// All of a namespace, newest first; `deploymentId` narrows them.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    Path(ns): Path<String>,
    params: Params,
) -> Result<Reply, Error> {
    let items = shared.jobs(&ns, params.uuid("deploymentId")?).await?;
    Ok(Reply::ok(List::of(Kind::Job, items)))
}

/// One, by id.
pub(crate) async fn get(
    State(shared): State<Arc<Shared>>,
    Path((ns, id)): Path<(String, String)>,
) -> Result<Reply, Error> {
    let job = shared.job(&ns, &id).await?;
    let version = job.metadata.resource_version;
    Ok(Reply::ok(job).at_version(version))
}
