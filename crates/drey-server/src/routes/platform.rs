//! The rows of the platform's own API (platform API reference §2.2 – §2.4).

use drey_model::{
    Deployment, DeploymentDefaults, DeploymentTarget, Event, GlobalDeploymentDefaults, Job,
    Savepoint,
};

use super::{
    Access, Deadline, Docs, Handler, Method, Permission, Query, Resource, Route, Tag, may, to,
};
use crate::api::{defaults, deployments, events, jobs, savepoints, status, targets};

const DEPLOYMENTS: &str = "/api/v1/namespaces/{ns}/deployments";
const DEPLOYMENT: &str = "/api/v1/namespaces/{ns}/deployments/{name}";
const TARGETS: &str = "/api/v1/namespaces/{ns}/deployment-targets";
const TARGET: &str = "/api/v1/namespaces/{ns}/deployment-targets/{name}";
const DEFAULTS: &str = "/api/v1/namespaces/{ns}/deployment-defaults";
const SAVEPOINTS: &str = "/api/v1/namespaces/{ns}/savepoints";
const SAVEPOINT: &str = "/api/v1/namespaces/{ns}/savepoints/{id}";

const OF_DEPLOYMENT: Query = Query::uuid("deploymentId", "Only those of this Deployment.");
const OF_JOB: Query = Query::uuid("jobId", "Only those of this Job.");

pub(super) fn routes() -> Vec<Route> {
    let mut rows = Vec::from(deployments());
    rows.extend(deployment());
    rows.extend(targets());
    rows.extend(defaults());
    rows.extend(super::session::routes());
    rows.extend(jobs());
    rows.extend(savepoints());
    rows.push(events());
    rows.extend(status());
    rows
}

fn deployments() -> [Route; 2] {
    let row = deployment_row;
    let selector = Query::text(
        "labelSelector",
        "Only Deployments whose labels match: `team=payments,env!=prod`; all terms must hold.",
    );
    [
        row(
            Method::Get,
            DEPLOYMENTS,
            "listDeployments",
            Access::List,
            "All Deployments of a namespace.",
            to(deployments::list),
            Docs::list::<Deployment>().query(&[selector]),
        ),
        row(
            Method::Post,
            DEPLOYMENTS,
            "createDeployment",
            Access::Create,
            "Creates a Deployment.",
            to(deployments::create),
            Docs::create::<Deployment>(),
        ),
    ]
}

fn deployment() -> [Route; 4] {
    let row = deployment_row;
    [
        row(
            Method::Get,
            DEPLOYMENT,
            "getDeployment",
            Access::Get,
            "One Deployment, by name or id.",
            to(deployments::get),
            Docs::one::<Deployment>(),
        ),
        row(
            Method::Put,
            DEPLOYMENT,
            "putDeployment",
            Access::Update,
            "Creates a Deployment under this name, or replaces it.",
            to(deployments::put),
            Docs::put::<Deployment>(),
        ),
        row(
            Method::Patch,
            DEPLOYMENT,
            "patchDeployment",
            Access::Update,
            "Changes what is given of a Deployment.",
            to(deployments::patch),
            Docs::patch::<Deployment>().note(
                "RFC 7396: objects merge, `null` takes a member away, arrays are replaced unless they carry a \
                 `$patch: merge` directive. A whole document that was read before is fine: `status` and the \
                 server's own metadata are ignored.",
            ),
        ),
        row(
            Method::Delete,
            DEPLOYMENT,
            "deleteDeployment",
            Access::Delete,
            "Deletes a Deployment that has no job, with its Jobs, Savepoint records and Events; snapshot data stays.",
            to(deployments::delete),
            Docs::delete::<Deployment>(),
        ),
    ]
}

fn deployment_row(
    method: Method,
    path: &'static str,
    id: &'static str,
    access: Access,
    summary: &'static str,
    handler: Handler,
    docs: Docs,
) -> Route {
    super::row(
        (method, path),
        (Tag::Deployments, id),
        summary,
        may(Resource::Deployments, access),
        handler,
        docs,
    )
}

fn targets() -> [Route; 5] {
    let row = |method, path, id, access, summary, handler, docs| {
        super::row(
            (method, path),
            (Tag::DeploymentTargets, id),
            summary,
            may(Resource::DeploymentTargets, access),
            handler,
            docs,
        )
    };
    [
        row(
            Method::Get,
            TARGETS,
            "listDeploymentTargets",
            Access::List,
            "All DeploymentTargets of a namespace.",
            to(targets::list),
            Docs::list::<DeploymentTarget>(),
        ),
        row(
            Method::Post,
            TARGETS,
            "createDeploymentTarget",
            Access::Create,
            "Creates a DeploymentTarget.",
            to(targets::create),
            Docs::create::<DeploymentTarget>(),
        ),
        row(
            Method::Get,
            TARGET,
            "getDeploymentTarget",
            Access::Get,
            "One DeploymentTarget, by name.",
            to(targets::get),
            Docs::one::<DeploymentTarget>(),
        ),
        row(
            Method::Put,
            TARGET,
            "putDeploymentTarget",
            Access::Update,
            "Creates a DeploymentTarget under this name, or replaces its labels and annotations.",
            to(targets::put),
            Docs::put::<DeploymentTarget>(),
        ),
        row(
            Method::Delete,
            TARGET,
            "deleteDeploymentTarget",
            Access::Delete,
            "Deletes a DeploymentTarget that no Deployment refers to.",
            to(targets::delete),
            Docs::delete::<DeploymentTarget>(),
        ),
    ]
}

fn defaults() -> [Route; 3] {
    let row = |method, path, id, permission, summary, handler, docs| Route {
        method,
        path,
        id,
        tag: Tag::DeploymentDefaults,
        summary,
        permission,
        deadline: Deadline::Standard,
        handler,
        docs,
    };
    [
        row(
            Method::Get,
            DEFAULTS,
            "getDeploymentDefaults",
            may(Resource::DeploymentDefaults, Access::Get),
            "What a namespace sets for its Deployments, and only that.",
            to(defaults::get),
            Docs::one::<DeploymentDefaults>(),
        ),
        row(
            Method::Patch,
            DEFAULTS,
            "patchDeploymentDefaults",
            may(Resource::DeploymentDefaults, Access::Update),
            "Changes what a namespace sets; `null` takes it back.",
            to(defaults::patch),
            Docs::patch::<DeploymentDefaults>()
                .note("No stored Deployment changes; what one lacks is filled in when it is written the next time."),
        ),
        row(
            Method::Get,
            "/api/v1/global-deployment-defaults",
            "getGlobalDeploymentDefaults",
            Permission::Known,
            "What holds where a namespace sets nothing.",
            to(defaults::global),
            Docs::gives::<GlobalDeploymentDefaults>(),
        ),
    ]
}

fn jobs() -> [Route; 2] {
    let row = |path, id, access, summary, handler, docs| Route {
        method: Method::Get,
        path,
        id,
        tag: Tag::Jobs,
        summary,
        permission: may(Resource::Jobs, access),
        deadline: Deadline::Standard,
        handler,
        docs,
    };
    [
        row(
            "/api/v1/namespaces/{ns}/jobs",
            "listJobs",
            Access::List,
            "All Jobs of a namespace.",
            to(jobs::list),
            Docs::list::<Job>().query(&[OF_DEPLOYMENT]),
        ),
        row(
            "/api/v1/namespaces/{ns}/jobs/{id}",
            "getJob",
            Access::Get,
            "One Job, by id.",
            to(jobs::get),
            Docs::one::<Job>(),
        ),
    ]
}

fn savepoints() -> [Route; 4] {
    let row = |method, path, id, access, summary, handler, docs| {
        super::row(
            (method, path),
            (Tag::Savepoints, id),
            summary,
            may(Resource::Savepoints, access),
            handler,
            docs,
        )
    };
    let force = Query::flag("force", "Also forgets a completed Savepoint; its data stays.");
    [
        row(
            Method::Get,
            SAVEPOINTS,
            "listSavepoints",
            Access::List,
            "All Savepoints of a namespace.",
            to(savepoints::list),
            Docs::list::<Savepoint>().query(&[OF_DEPLOYMENT, OF_JOB]),
        ),
        row(
            Method::Post,
            SAVEPOINTS,
            "createSavepoint",
            Access::Create,
            "Takes a Savepoint of a running Deployment, or registers one that exists.",
            to(savepoints::create),
            Docs::create::<Savepoint>().note(
                "With `metadata.deploymentId` alone a snapshot is taken: the answer is STARTED, and a GET tells when \
                 it is COMPLETED. With `spec.savepointLocation` and `spec.flinkSavepointId` one that exists is \
                 registered.",
            ),
        ),
        row(
            Method::Get,
            SAVEPOINT,
            "getSavepoint",
            Access::Get,
            "One Savepoint, by id.",
            to(savepoints::get),
            Docs::one::<Savepoint>(),
        ),
        row(
            Method::Delete,
            SAVEPOINT,
            "deleteSavepoint",
            Access::Delete,
            "Forgets a Savepoint; its data stays.",
            to(savepoints::delete),
            Docs::delete::<Savepoint>().query(&[force]),
        ),
    ]
}

fn events() -> Route {
    let session = Query::uuid("sessionClusterId", "Only those of this SessionCluster.");
    Route {
        method: Method::Get,
        path: "/api/v1/namespaces/{ns}/events",
        id: "listEvents",
        tag: Tag::Events,
        summary: "All Events of a namespace.",
        permission: may(Resource::Events, Access::List),
        deadline: Deadline::Standard,
        handler: to(events::list),
        docs: Docs::list::<Event>().query(&[OF_DEPLOYMENT, OF_JOB, session]),
    }
}

fn status() -> [Route; 2] {
    [
        Route {
            method: Method::Get,
            path: "/api/v1/status",
            id: "getStatus",
            tag: Tag::Status,
            summary: "Whether this process answers.",
            permission: Permission::Public,
            deadline: Deadline::Standard,
            handler: to(status::status),
            docs: Docs::gives::<status::Status>(),
        },
        Route {
            method: Method::Get,
            path: "/api/v1/status/system-info",
            id: "getSystemInformation",
            tag: Tag::Status,
            summary: "Which build this is, and how much of the CPU quota is used.",
            permission: Permission::Known,
            deadline: Deadline::Standard,
            handler: to(status::system_info),
            docs: Docs::gives::<status::SystemInformation>(),
        },
    ]
}
