//! `/api/v1/namespaces/{ns}/events`.

use std::sync::Arc;

use axum::extract::{Path, State};
use drey_model::{Event, Kind, List};

use crate::app::Shared;
use crate::error::Error;
use crate::wire::{Params, Reply};

/// All of a namespace, newest first; `deploymentId` and `jobId` narrow them. There are no session clusters yet, so
/// `sessionClusterId` matches none.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    Path(ns): Path<String>,
    params: Params,
) -> Result<Reply, Error> {
    let (deployment, job) = (params.uuid("deploymentId")?, params.uuid("jobId")?);
    let items: Vec<Event> = match params.uuid("sessionClusterId")? {
        Some(_) => Vec::new(),
        None => shared.events(&ns, deployment, job).await?,
    };
    Ok(Reply::ok(List::of(Kind::Event, items)))
}
