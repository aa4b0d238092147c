//! The rows of SessionClusters (platform API reference §2.2, §2.5.4), and what is ours about them.

use drey_model::{GlobalSessionClusterDefaults, SessionCluster};

use super::{Access, Docs, Handler, Method, Permission, Resource, Route, Tag, may, to};
use crate::api::session_clusters;
use crate::ext::explain;
use crate::ops::ExplainedCluster;

const CLUSTERS: &str = "/api/v1/namespaces/{ns}/sessionclusters";
const CLUSTER: &str = "/api/v1/namespaces/{ns}/sessionclusters/{name}";

pub(super) fn routes() -> Vec<Route> {
    let mut rows = Vec::from(clusters());
    rows.push(defaults());
    rows
}

fn row(
    at: (Method, &'static str),
    id: &'static str,
    access: Access,
    summary: &'static str,
    handler: Handler,
    docs: Docs,
) -> Route {
    let permission = may(Resource::SessionClusters, access);
    super::row(at, (Tag::SessionClusters, id), summary, permission, handler, docs)
}

fn clusters() -> [Route; 6] {
    [
        row(
            (Method::Get, CLUSTERS),
            "listSessionClusters",
            Access::List,
            "All SessionClusters of a namespace.",
            to(session_clusters::list),
            Docs::list::<SessionCluster>(),
        ),
        row(
            (Method::Post, CLUSTERS),
            "createSessionCluster",
            Access::Create,
            "Creates a SessionCluster.",
            to(session_clusters::create),
            Docs::create::<SessionCluster>(),
        ),
        row(
            (Method::Get, CLUSTER),
            "getSessionCluster",
            Access::Get,
            "One SessionCluster, by name.",
            to(session_clusters::get),
            Docs::one::<SessionCluster>(),
        ),
        row(
            (Method::Put, CLUSTER),
            "putSessionCluster",
            Access::Update,
            "Creates a SessionCluster under this name, or replaces it.",
            to(session_clusters::put),
            Docs::put::<SessionCluster>().note(ACTIVE).fails(&[409]),
        ),
        row(
            (Method::Patch, CLUSTER),
            "patchSessionCluster",
            Access::Update,
            "Changes what is given of a SessionCluster.",
            to(session_clusters::patch),
            Docs::patch::<SessionCluster>().note(ACTIVE).fails(&[409]),
        ),
        row(
            (Method::Delete, CLUSTER),
            "deleteSessionCluster",
            Access::Delete,
            "Deletes a SessionCluster that is stopped and that no Deployment refers to.",
            to(session_clusters::delete),
            Docs::delete::<SessionCluster>(),
        ),
    ]
}

/// What is particular to changes.
const ACTIVE: &str = "Unless it is at rest, only `spec.state` and `spec.numberOfTaskManagers` can change. To stop it is \
     refused (409) while Deployments run on it.";

fn defaults() -> Route {
    super::row(
        (Method::Get, "/api/v1/global-sessioncluster-defaults"),
        (Tag::SessionClusters, "getGlobalSessionClusterDefaults"),
        "What a new SessionCluster has that says nothing.",
        Permission::Known,
        to(session_clusters::defaults),
        Docs::gives::<GlobalSessionClusterDefaults>(),
    )
}

/// The causal "why" of a SessionCluster.
pub(super) fn explained() -> Route {
    super::row(
        (Method::Get, "/ext/v1/namespaces/{ns}/sessionclusters/{name}"),
        (Tag::Ext, "explainSessionCluster"),
        "A SessionCluster, what it waits for, and which Deployments run on it.",
        may(Resource::SessionClusters, Access::Get),
        to(explain::cluster),
        Docs::gives::<ExplainedCluster>(),
    )
}
