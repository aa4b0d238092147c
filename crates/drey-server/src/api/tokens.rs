//! `/apitokens/v1/namespaces/{ns}/apitokens` (platform API reference §1.10, §2.4, §2.5.6).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use drey_model::ApiToken;
use schemars::JsonSchema;
use serde::Serialize;

use super::namespaces::EmptyResponse;
use crate::app::Shared;
use crate::error::Error;
use crate::ops::Writer;
use crate::wire::{Incoming, Reply};

type App = State<Arc<Shared>>;
type Named = Path<(String, String)>;

/// API tokens.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListApiTokensResponse {
    /// The tokens, by name, without secrets.
    api_tokens: Vec<ApiToken>,
}

/// One API token.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiTokenResponse {
    /// The token; with its secret in the answer to the creation only.
    api_token: ApiToken,
}

/// All of a namespace.
pub(crate) async fn list(State(shared): App, Path(ns): Path<String>) -> Result<Reply, Error> {
    Ok(Reply::ok(ListApiTokensResponse { api_tokens: shared.tokens(&ns).await? }))
}

/// One, by name.
pub(crate) async fn get(State(shared): App, Path((ns, name)): Named) -> Result<Reply, Error> {
    Ok(Reply::ok(ApiTokenResponse { api_token: shared.token(&ns, &name).await? }))
}

/// Makes one; the answer is the only place that its secret is in.
pub(crate) async fn create(
    writer: Writer,
    Path(ns): Path<String>,
    Incoming(document): Incoming,
) -> Result<Reply, Error> {
    let (api_token, warnings) = writer.create_token(&ns, &document).await?;
    let reply = Reply::new(StatusCode::CREATED, ApiTokenResponse { api_token });
    Ok(writer.marked(reply.secret().with_warnings(&warnings)))
}

/// Deletes one.
pub(crate) async fn delete(writer: Writer, Path((ns, name)): Named) -> Result<Reply, Error> {
    writer.delete_token(&ns, &name).await?;
    Ok(writer.done(EmptyResponse {}))
}
