//! The rows of what the platform's API does not have, of Flink's dashboards, and of the server's own pages.

use drey_model::Deployment;
use drey_model::quota::QuotaUse;
use serde_json::{Map, Value};

use super::{
    Access, Content, Deadline, Docs, Method, Permission, Query, Resource, Route, Tag, TypeOf, may,
    to,
};
use crate::api::{contract, status};
use crate::ext::{explain, logs, quota, watch};
use crate::flink_ui;
use crate::ops::Explained;

const DEPLOYMENT: &str = "/ext/v1/namespaces/{ns}/deployments/{name}";
const DASHBOARD: &str = "/flink-ui/v1/namespaces/{ns}/jobs/{jobId}";

pub(super) fn routes() -> Vec<Route> {
    let mut rows = Vec::from(deployments());
    rows.push(super::session::explained());
    rows.extend(logs());
    rows.push(watch());
    rows.push(quota());
    rows.extend(pages());
    rows.extend(contract());
    rows.extend(dashboards());
    rows
}

fn deployments() -> [Route; 2] {
    [
        Route {
            method: Method::Get,
            path: DEPLOYMENT,
            id: "explainDeployment",
            tag: Tag::Ext,
            summary: "A Deployment, why it is where it is, and its active Jobs.",
            permission: may(Resource::Deployments, Access::Get),
            deadline: Deadline::Standard,
            handler: to(explain::get),
            docs: Docs::gives::<Explained>(),
        },
        Route {
            method: Method::Post,
            path: "/ext/v1/namespaces/{ns}/deployments/{name}/retry",
            id: "retryDeployment",
            tag: Tag::Ext,
            summary: "Tries again what was given up; 409 unless the Deployment is FAILED.",
            permission: may(Resource::Deployments, Access::Update),
            deadline: Deadline::Standard,
            handler: to(explain::retry),
            docs: Docs::gives::<Deployment>().writes().conditional().fails(&[409]),
        },
    ]
}

fn logs() -> [Route; 4] {
    let files = Docs::gives::<logs::Files>;
    let run = [Query::text("run", "One of its newest runs, by id; the newest unless given.")];
    let list = |(path, id), summary, handler, docs| {
        let allowed = may(Resource::Logs, Access::List);
        super::row((Method::Get, path), (Tag::Ext, id), summary, allowed, handler, docs)
    };
    let read = |(path, id), summary, handler, docs| {
        let allowed = may(Resource::Logs, Access::Get);
        super::row((Method::Get, path), (Tag::Ext, id), summary, allowed, handler, docs)
    };
    [
        list(
            ("/ext/v1/namespaces/{ns}/jobs/{id}/logs", "listLogs"),
            "The log files of a Job.",
            to(logs::list),
            files(),
        ),
        read(
            ("/ext/v1/namespaces/{ns}/jobs/{id}/logs/{file}", "readLog"),
            "A piece of one log, or the log as it grows.",
            to(logs::read),
            piece(),
        ),
        list(
            ("/ext/v1/namespaces/{ns}/sessionclusters/{name}/logs", "listSessionClusterLogs"),
            "The log files of a run of a SessionCluster.",
            to(logs::list_of_cluster),
            files().query(&run),
        ),
        read(
            ("/ext/v1/namespaces/{ns}/sessionclusters/{name}/logs/{file}", "readSessionClusterLog"),
            "A piece of one log of a run of a SessionCluster, or the log as it grows.",
            to(logs::read_of_cluster),
            piece().query(&run),
        ),
    ]
}

fn piece() -> Docs {
    let content = vec![
        Content::Text("text/plain"),
        Content::Document(TypeOf::of::<logs::Chunk>()),
        Content::Events(TypeOf::of::<logs::Chunk>()),
    ];
    let position = [
        Query::number("offset", "First byte; without it the end of the file is read."),
        Query::number("limit", "Bytes at most: 64 KiB unless given, 1 MiB at most."),
        Query::number("tail", "The last so many lines, of the last 1 MiB."),
        Query::flag("follow", "Goes on as the file grows, until its writer has ended."),
    ];
    let headers = [
        ("Drey-Log-Offset", "First byte of the text; only with text/plain."),
        ("Drey-Log-Next-Offset", "Where to read on; only with text/plain."),
        ("Drey-Log-Size", "Bytes in the file now; only with text/plain."),
    ];
    Docs::gives_other(content).query(&position).sends(&headers)
}

fn watch() -> Route {
    let parameters = [
        Query::text("after", "Changes after this revision; without it a snapshot comes first."),
        Query::text("kinds", "Only these kinds, comma-separated: `Deployment,Job`."),
        Query::text("namespace", "Only this namespace."),
    ];
    Route {
        method: Method::Get,
        path: "/ext/v1/watch",
        id: "watch",
        tag: Tag::Ext,
        summary: "Every change of every object that the caller may read, as server-sent events.",
        permission: Permission::Known,
        deadline: Deadline::Standard,
        handler: to(watch::get),
        docs: Docs::gives_other(vec![Content::Events(TypeOf::of::<watch::Data>())])
            .query(&parameters),
    }
}

fn quota() -> Route {
    Route {
        method: Method::Get,
        path: "/ext/v1/quota",
        id: "getQuota",
        tag: Tag::Ext,
        summary: "The CPU quota, which Deployments and SessionClusters hold how much of it, and whose launch waits for cores.",
        permission: Permission::System { resource: Resource::Metrics, access: Access::Get },
        deadline: Deadline::Standard,
        handler: to(quota::get),
        docs: Docs::gives::<QuotaUse>(),
    }
}

fn pages() -> [Route; 2] {
    [
        Route {
            method: Method::Get,
            path: "/metrics",
            id: "getMetrics",
            tag: Tag::Status,
            summary: "The figures of this process, as OpenMetrics text.",
            permission: Permission::System { resource: Resource::Metrics, access: Access::Get },
            deadline: Deadline::Standard,
            handler: to(status::metrics),
            docs: Docs::gives_other(vec![Content::Text("application/openmetrics-text")]),
        },
        Route {
            method: Method::Get,
            path: "/",
            id: "index",
            tag: Tag::Status,
            summary: "A page for people with links.",
            permission: Permission::Public,
            deadline: Deadline::Standard,
            handler: to(status::index),
            docs: Docs::gives_other(vec![Content::Text("text/html")]),
        },
    ]
}

fn contract() -> [Route; 4] {
    let row = |path, id, summary, handler, docs| Route {
        method: Method::Get,
        path,
        id,
        tag: Tag::Status,
        summary,
        permission: Permission::Public,
        deadline: Deadline::Standard,
        handler,
        docs,
    };
    let html = Docs::gives_other(vec![Content::Text("text/html")]);
    let files = vec![Content::Text("text/javascript"), Content::Text("text/css")];
    [
        row(
            "/api/openapi.json",
            "getOpenApi",
            "This document: OpenAPI 3.1.",
            to(contract::openapi),
            Docs::gives::<Map<String, Value>>(),
        ),
        row(
            "/api/swagger.json",
            "getSwagger",
            "The platform's part of it as Swagger 2.0, for old generators.",
            to(contract::swagger),
            Docs::gives::<Map<String, Value>>(),
        ),
        row("/swagger", "getSwaggerUi", "A page to read and try it.", to(contract::page), html),
        row(
            "/swagger/{file}",
            "getSwaggerUiFile",
            "A file of that page.",
            to(contract::file),
            Docs::gives_other(files),
        ),
    ]
}

/// They have their own deadlines: what Flink takes long for may take long.
fn dashboards() -> [Route; 3] {
    let row = |path, id, summary, handler| Route {
        method: Method::Any,
        path,
        id,
        tag: Tag::FlinkUi,
        summary,
        permission: may(Resource::FlinkUi, Access::ByMethod),
        deadline: Deadline::Own,
        handler,
        docs: Docs::passes_on(),
    };
    let slash = "/flink-ui/v1/namespaces/{ns}/jobs/{jobId}/";
    let below = "/flink-ui/v1/namespaces/{ns}/jobs/{jobId}/{*path}";
    [
        row(DASHBOARD, "openDashboard", "Leads to the dashboard.", to(flink_ui::root)),
        row(slash, "getDashboard", "The dashboard of a Job.", to(flink_ui::pass)),
        row(below, "passToFlink", "Flink's own REST API of a Job.", to(flink_ui::pass)),
    ]
}
