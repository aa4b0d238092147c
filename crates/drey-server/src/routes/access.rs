//! The rows of namespaces, API tokens, logging in, and the audit log (platform API reference §2.3, §2.4).

use drey_model::{ApiToken, Namespace};

use super::{
    Access, Content, Docs, Method, Permission, Query, Resource, Route, Tag, TypeOf, may, row, to,
};
use crate::api::namespaces::{EmptyResponse, ListNamespacesResponse, NamespaceResponse};
use crate::api::tokens::{ApiTokenResponse, ListApiTokensResponse};
use crate::api::{audit, auth, namespaces, tokens};
use crate::ops::ExplainedNamespace;

const NAMESPACES: &str = "/namespaces/v1/namespaces";
const NAMESPACE: &str = "/namespaces/v1/namespaces/{ns}";
const TOKENS: &str = "/apitokens/v1/namespaces/{ns}/apitokens";
const TOKEN: &str = "/apitokens/v1/namespaces/{ns}/apitokens/{name}";

pub(super) fn routes() -> Vec<Route> {
    let mut rows = Vec::from(namespaces());
    rows.extend(room());
    rows.extend(tokens());
    rows.extend(login());
    rows.extend(audit_log());
    rows
}

fn namespaces() -> [Route; 2] {
    let system = |access| Permission::System { resource: Resource::Namespaces, access };
    [
        row(
            (Method::Get, NAMESPACES),
            (Tag::Namespaces, "listNamespaces"),
            "All namespaces that the caller may see.",
            Permission::Known,
            to(namespaces::list),
            Docs::gives::<ListNamespacesResponse>(),
        ),
        row(
            (Method::Post, NAMESPACES),
            (Tag::Namespaces, "createNamespace"),
            "Creates a namespace.",
            system(Access::Create),
            to(namespaces::create),
            Docs::takes::<Namespace, NamespaceResponse>(201, "Created: the whole namespace.")
                .fails(&[409])
                .with_version()
                .writes(),
        ),
    ]
}

fn room() -> [Route; 6] {
    let of = |access| may(Resource::Namespaces, access);
    let changed = || {
        Docs::takes::<Namespace, NamespaceResponse>(200, "Changed: the whole namespace.")
            .fails(&[409])
            .with_version()
            .writes()
    };
    [
        row(
            (Method::Get, NAMESPACE),
            (Tag::Namespaces, "getNamespace"),
            "One namespace.",
            of(Access::Get),
            to(namespaces::get),
            Docs::one::<NamespaceResponse>(),
        ),
        row(
            (Method::Put, NAMESPACE),
            (Tag::Namespaces, "putNamespace"),
            "Replaces the role bindings of a namespace.",
            of(Access::Update),
            to(namespaces::put),
            changed(),
        ),
        row(
            (Method::Patch, NAMESPACE),
            (Tag::Namespaces, "patchNamespace"),
            "Changes what is given of a namespace.",
            of(Access::Update),
            to(namespaces::patch),
            changed(),
        ),
        row(
            (Method::Delete, NAMESPACE),
            (Tag::Namespaces, "deleteNamespace"),
            "Deletes a namespace with all that is in it; it is TERMINATING until its jobs have ended.",
            of(Access::Delete),
            to(namespaces::delete),
            Docs::one::<NamespaceResponse>().fails(&[409]).with_version().writes(),
        ),
        row(
            (Method::Post, NAMESPACE),
            (Tag::Namespaces, "setPreviewSessionCluster"),
            "Sets the SessionCluster in which SQL is previewed.",
            of(Access::Update),
            to(namespaces::act),
            Docs::takes::<namespaces::SetPreviewSessionClusterRequest, EmptyResponse>(200, "Done.")
                .fails(&[409])
                .action(":setPreviewSessionCluster")
                .writes(),
        ),
        row(
            (Method::Get, "/ext/v1/namespaces/{ns}"),
            (Tag::Ext, "explainNamespace"),
            "A namespace, what it holds, and what it waits for while it is being deleted.",
            of(Access::Get),
            to(namespaces::explain),
            Docs::gives::<ExplainedNamespace>(),
        ),
    ]
}

fn tokens() -> [Route; 4] {
    let of = |access| may(Resource::ApiTokens, access);
    [
        row(
            (Method::Get, TOKENS),
            (Tag::ApiTokens, "listApiTokens"),
            "All API tokens of a namespace, without secrets.",
            of(Access::List),
            to(tokens::list),
            Docs::gives::<ListApiTokensResponse>(),
        ),
        row(
            (Method::Post, TOKENS),
            (Tag::ApiTokens, "createApiToken"),
            "Makes an API token; its secret is in this answer and nowhere else.",
            of(Access::Create),
            to(tokens::create),
            Docs::takes::<ApiToken, ApiTokenResponse>(201, "Created, with the secret.")
                .fails(&[409])
                .writes(),
        ),
        row(
            (Method::Get, TOKEN),
            (Tag::ApiTokens, "getApiToken"),
            "One API token, without its secret.",
            of(Access::Get),
            to(tokens::get),
            Docs::gives::<ApiTokenResponse>(),
        ),
        row(
            (Method::Delete, TOKEN),
            (Tag::ApiTokens, "deleteApiToken"),
            "Deletes an API token; who shows it is refused from now on.",
            of(Access::Delete),
            to(tokens::delete),
            Docs::gives::<EmptyResponse>().writes(),
        ),
    ]
}

fn login() -> [Route; 4] {
    [
        row(
            (Method::Get, "/auth/login"),
            (Tag::Access, "login"),
            "Sends a browser to the identity provider.",
            Permission::Public,
            to(auth::login),
            Docs::leads_on()
                .fails(&[404])
                .query(&[Query::text("next", "Where to go then: a path of this server.")]),
        ),
        row(
            (Method::Get, "/auth/callback"),
            (Tag::Access, "loginCallback"),
            "Takes a browser back from the identity provider, and opens a session.",
            Permission::Public,
            to(auth::callback),
            Docs::leads_on().fails(&[401, 404, 429]).query(&[
                Query::text("code", "What the provider gives the ID token for."),
                Query::text("state", "What ties the answer to the login of this browser."),
                Query::text("iss", "The provider, if it says so."),
                Query::text("error", "Why the provider let nobody in."),
            ]),
        ),
        row(
            (Method::Post, "/auth/logout"),
            (Tag::Access, "logout"),
            "Ends the session of a browser.",
            Permission::Public,
            to(auth::logout),
            Docs::gives::<EmptyResponse>(),
        ),
        row(
            (Method::Get, "/auth/me"),
            (Tag::Access, "whoAmI"),
            "Who the caller is, and which roles they have where.",
            Permission::Public,
            to(auth::me),
            Docs::gives::<auth::Me>(),
        ),
    ]
}

fn audit_log() -> [Route; 2] {
    let window = [
        Query::text("from", "Not before this time (RFC 3339)."),
        Query::text("to", "Before this time (RFC 3339)."),
    ];
    let page = [
        Query::number("pageSize", "Entries of a page: 100 unless given, 1000 at most."),
        Query::text("pageToken", "The `nextPageToken` of the page before."),
    ];
    let permission = |access| Permission::System { resource: Resource::AuditLog, access };
    let report =
        vec![Content::Text("text/csv"), Content::Document(TypeOf::of::<Vec<audit::AuditItem>>())];
    [
        row(
            (Method::Get, "/api/v1/logs/"),
            (Tag::Access, "listAuditLog"),
            "A page of the audit log, newest first.",
            permission(Access::List),
            to(audit::list),
            Docs::gives::<audit::AuditLog>().query(&window).query(&page),
        ),
        row(
            (Method::Get, "/api/v1/logs/reports"),
            (Tag::Access, "reportAuditLog"),
            "All of the audit log in a window, as CSV or JSON.",
            permission(Access::Get),
            to(audit::report),
            Docs::gives_other(report)
                .query(&window)
                .query(&[Query::text("format", "`csv` or `json`; csv unless given.")]),
        ),
    ]
}
