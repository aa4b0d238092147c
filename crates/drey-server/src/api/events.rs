//! `/api/v1/namespaces/{ns}/events`.

use std::sync::Arc;

use axum::extract::{Path, State};
use drey_model::{Event, Kind, List};

use crate::app::Shared;
use crate::error::Error;
use crate::wire::{Params, Reply};

/// All of a namespace, newest first; `deploymentId`, `jobId` and `sessionClusterId` narrow them.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    Path(ns): Path<String>,
    params: Params,
) -> Result<Reply, Error> {
    let (deployment, job) = (params.uuid("deploymentId")?, params.uuid("jobId")?);
    let items: Vec<Event> = match (params.uuid("sessionClusterId")?, deployment, job) {
        (None, deployment, job) => shared.events(&ns, deployment, job).await?,
        (Some(cluster), None, None) => {
            let mut items = shared.events(&ns, Some(cluster), None).await?;
            items.retain(|event| event.metadata.session_cluster_id == Some(cluster));
            items
        }
        // An Event is about a Deployment or about a SessionCluster.
        (Some(_), _, _) => Vec::new(),
    };
    Ok(Reply::ok(List::of(Kind::Event, items)))
}
