//! `/ext/v1/quota`: the CPU quota, who uses it and who waits for it.

use std::sync::Arc;

use axum::extract::State;

use crate::app::Shared;
use crate::error::Error;
use crate::wire::Reply;

/// The quota and everybody's part in it.
pub(crate) async fn get(State(shared): State<Arc<Shared>>) -> Result<Reply, Error> {
    Ok(Reply::ok(shared.quota_use().await?))
}
