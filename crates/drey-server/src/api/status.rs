//! Whether the server is there, what it is, and its figures.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use drey_model::meta::API_VERSION;
use drey_model::quota::ResourceQuota;
use schemars::JsonSchema;
use serde::Serialize;

use crate::app::Shared;
use crate::error::Error;
use crate::wire::Reply;

/// That this process answers.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Status {
    /// `UP`.
    status: &'static str,
}

/// What the server is (platform API reference §1.11, A.9).
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SystemInformation {
    /// Always `SystemInformation`.
    kind: &'static str,
    /// Always `v1`.
    api_version: &'static str,
    /// What it is.
    status: SystemInformationStatus,
}

/// What the server is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SystemInformationStatus {
    /// The build.
    revision_information: RevisionInformation,
    /// How many CPU cores may be used, and are.
    resource_quota: ResourceQuota,
}

/// A build.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RevisionInformation {
    /// When it was made, or `unknown`.
    build_time: String,
    /// The release.
    build_version: String,
    /// The commit it was made from, or `unknown`.
    commit_sha_long: String,
    /// The first 7 characters of it.
    commit_sha_short: String,
}

/// `/`, until there is a user interface.
pub(crate) async fn index(State(shared): State<Arc<Shared>>) -> Html<String> {
    let version = &shared.build.version;
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Drey</title>\n\
         <h1>Drey {version}</h1>\n<p>Where Flink jobs live. The API:</p>\n<ul>\n\
         <li><a href=\"/api/v1/namespaces/default/deployments\">Deployments</a>\n\
         <li><a href=\"/api/v1/namespaces/default/jobs\">Jobs</a>\n\
         <li><a href=\"/api/v1/namespaces/default/savepoints\">Savepoints</a>\n\
         <li><a href=\"/api/v1/namespaces/default/events\">Events</a>\n\
         <li><a href=\"/api/v1/namespaces/default/deployment-targets\">Deployment targets</a>\n\
         <li><a href=\"/api/v1/status/system-info\">System information</a>\n\
         <li><a href=\"/swagger\">The whole API</a>, as a page to try it\n\
         <li><a href=\"/metrics\">Metrics</a>\n</ul>\n</html>\n"
    ))
}

/// `GET /api/v1/status`: this process answers. It says nothing about the database.
pub(crate) async fn status() -> Reply {
    Reply::ok(Status { status: "UP" })
}

/// `GET /api/v1/status/system-info`. What this is can be told without the database; what is used cannot.
pub(crate) async fn system_info(State(shared): State<Arc<Shared>>) -> Reply {
    let build = &shared.build;
    let revision_information = RevisionInformation {
        build_time: build.time.clone(),
        build_version: build.version.clone(),
        commit_sha_long: build.commit.clone(),
        commit_sha_short: build.commit.chars().take(7).collect(),
    };
    let known = shared.quota_use().await.ok().map(|all| all.resource_quota);
    let resource_quota = known.unwrap_or_else(|| ResourceQuota::new(shared.quota, None));
    Reply::ok(SystemInformation {
        kind: "SystemInformation",
        api_version: API_VERSION,
        status: SystemInformationStatus { revision_information, resource_quota },
    })
}

/// `GET /metrics`. Without the store there are no counts of Deployments, but the rest is worth having then most of all.
pub(crate) async fn metrics(State(shared): State<Arc<Shared>>) -> Result<Response, Error> {
    shared.refresh_metrics().await;
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, media_type)], shared.scrape()?).into_response())
}
