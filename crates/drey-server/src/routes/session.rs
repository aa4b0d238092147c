//! The rows of SessionClusters (platform API reference §2.2, §2.5.4), and what is ours about them.

use drey_model::{GlobalSessionClusterDefaults, SessionCluster};

use super::{Access, Deadline, Docs, Method, Permission, Resource, Route, Tag, may, to};
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

fn clusters() -> [Route; 6] {
    let row = |method, path, id, access, summary, handler, docs| Route {
        method,
        path,
        id,
        tag: Tag::SessionClusters,
        summary,
        permission: may(Resource::SessionClusters, access),
        deadline: Deadline::Standard,
        handler,
        docs,
    };
    [
        row(
            Method::Get,
            CLUSTERS,
            "listSessionClusters",
            Access::List,
            "All SessionClusters of a namespace.",
            to(session_clusters::list),
            Docs::list::<SessionCluster>(),
        ),
        row(
            Method::Post,
            CLUSTERS,
            "createSessionCluster",
            Access::Create,
            "Creates a SessionCluster.",
            to(session_clusters::create),
            Docs::create::<SessionCluster>(),
        ),
        row(
            Method::Get,
            CLUSTER,
            "getSessionCluster",
            Access::Get,
            "One SessionCluster, by name.",
            to(session_clusters::get),
            Docs::one::<SessionCluster>(),
        ),
        row(
            Method::Put,
            CLUSTER,
            "putSessionCluster",
            Access::Update,
            "Creates a SessionCluster under this name, or replaces it.",
            to(session_clusters::put),
            Docs::put::<SessionCluster>().note(ACTIVE).fails(&[409]),
        ),
        row(
            Method::Patch,
            CLUSTER,
            "patchSessionCluster",
            Access::Update,
            "Changes what is given of a SessionCluster.",
            to(session_clusters::patch),
            Docs::patch::<SessionCluster>().note(ACTIVE).fails(&[409]),
        ),
        row(
            Method::Delete,
            CLUSTER,
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
    Route {
        method: Method::Get,
        path: "/api/v1/global-sessioncluster-defaults",
        id: "getGlobalSessionClusterDefaults",
        tag: Tag::SessionClusters,
        summary: "What a new SessionCluster has that says nothing.",
        permission: Permission::Known,
        deadline: Deadline::Standard,
        handler: to(session_clusters::defaults),
        docs: Docs::gives::<GlobalSessionClusterDefaults>(),
    }
}

/// The causal "why" of a SessionCluster.
pub(super) fn explained() -> Route {
    Route {
        method: Method::Get,
        path: "/ext/v1/namespaces/{ns}/sessionclusters/{name}",
        id: "explainSessionCluster",
        tag: Tag::Ext,
        summary: "A SessionCluster, what it waits for, and which Deployments run on it.",
        permission: may(Resource::SessionClusters, Access::Get),
        deadline: Deadline::Standard,
        handler: to(explain::cluster),
        docs: Docs::gives::<ExplainedCluster>(),
    }
}
