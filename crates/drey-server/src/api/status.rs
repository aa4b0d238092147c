//! Whether the server is there, what it is, and its figures.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use serde_json::json;

use crate::app::Shared;
use crate::error::Error;
use crate::wire::Reply;

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
         <li><a href=\"/metrics\">Metrics</a>\n</ul>\n</html>\n"
    ))
}

/// `GET /api/v1/status`: this process answers. It says nothing about the database.
pub(crate) async fn status() -> Reply {
    Reply::ok(json!({ "status": "UP" }))
}

/// `GET /api/v1/status/system-info`.
pub(crate) async fn system_info(State(shared): State<Arc<Shared>>) -> Reply {
    let build = &shared.build;
    let short: String = build.commit.chars().take(7).collect();
    let revision = json!({
        "buildTime": build.time,
        "buildVersion": build.version,
        "commitShaLong": build.commit,
        "commitShaShort": short,
    });
    let quota =
        json!({ "kind": "ResourceQuota", "apiVersion": "v1", "spec": { "type": "UNLIMITED" } });
    Reply::ok(json!({
        "kind": "SystemInformation",
        "apiVersion": "v1",
        "status": { "revisionInformation": revision, "resourceQuota": quota },
    }))
}

/// `GET /metrics`. Without the store there are no counts of Deployments, but the rest is worth having then most of all.
pub(crate) async fn metrics(State(shared): State<Arc<Shared>>) -> Result<Response, Error> {
    shared.refresh_metrics().await;
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, media_type)], shared.scrape()?).into_response())
}
