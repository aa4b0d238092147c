//! `/api/v1/namespaces/{ns}/secret-values`: values go in and never come out (platform API reference §2.5.3).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use drey_model::secret::{SecretValue, SecretValueKind};
use drey_model::write::Accepted;
use drey_model::{Kind, List, Metadata};
use schemars::JsonSchema;

use crate::app::Shared;
use crate::error::Error;
use crate::ops::Writer;
use crate::wire::{IfMatch, IncomingSecret, Reply};

type App = State<Arc<Shared>>;
type Named = Path<(String, String)>;

/// What is sent, for the documentation: unlike what is answered, it has the value. It is read by `drey_model::write`.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SecretValue")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct SecretValueBody {
    /// Always `SecretValue`.
    kind: Kind,
    /// Always `v1`.
    api_version: String,
    /// Identity and bookkeeping.
    metadata: Metadata,
    /// The value.
    spec: SecretValueSpecBody,
}

/// The spec as it is sent.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SecretValueSpec")]
#[expect(dead_code, reason = "only its schema is used")]
struct SecretValueSpecBody {
    /// `Plain`.
    kind: SecretValueKind,
    /// The value; no answer has it.
    value: String,
}

/// All of a namespace, newest first.
pub(crate) async fn list(State(shared): App, Path(ns): Path<String>) -> Result<Reply, Error> {
    let items = shared.secrets(&ns).await?;
    Ok(Reply::ok(List::of(Kind::SecretValue, items)))
}

/// One, by name; with a warning when its value cannot be read any more.
pub(crate) async fn get(State(shared): App, Path((ns, name)): Named) -> Result<Reply, Error> {
    let Accepted { object, warnings } = shared.secret(&ns, &name).await?;
    let version = object.metadata.resource_version;
    Ok(Reply::ok(object).at_version(version).with_warnings(&warnings))
}

/// Creates.
pub(crate) async fn create(
    writer: Writer,
    Path(ns): Path<String>,
    IncomingSecret(document): IncomingSecret,
) -> Result<Reply, Error> {
    let accepted = writer.create_secret(&ns, &document).await?;
    Ok(written(&writer, StatusCode::CREATED, accepted))
}

/// Changes labels and annotations, and the value if one is given. Jobs that run keep the old one.
pub(crate) async fn patch(
    writer: Writer,
    Path((ns, name)): Named,
    if_match: IfMatch,
    IncomingSecret(document): IncomingSecret,
) -> Result<Reply, Error> {
    let accepted = writer.patch_secret(&ns, &name, &document, &if_match).await?;
    Ok(written(&writer, StatusCode::OK, accepted))
}

/// Deletes, unless a Deployment names it.
pub(crate) async fn delete(
    writer: Writer,
    Path((ns, name)): Named,
    if_match: IfMatch,
) -> Result<Reply, Error> {
    Ok(writer.done(writer.delete_secret(&ns, &name, &if_match).await?))
}

fn written(writer: &Writer, status: StatusCode, accepted: Accepted<SecretValue>) -> Reply {
    writer.answer(status, accepted.object.metadata.resource_version, accepted)
}
