//! The table of all routes: start reading here.
//!
//! ```text
//!                 ┌──► router        what is served
//! one row ────────┼──► openapi       what is documented, and what every answer in the tests is held against
//! per operation   └──► Permission    who may do it; a test enumerates roles × rows
//! ```
//!
//! A row is a struct without defaults, so a route that nobody documented or protected does not compile. Rows stand in one
//! file per area below; this file owns what a row is. What an operation takes and answers is in [`Docs`].

mod access;
mod artifacts;
mod docs;
mod ours;
mod platform;
mod secrets;
mod session;

use std::sync::Arc;

use axum::routing::{MethodFilter, MethodRouter, any, on};

use crate::app::Shared;
pub(crate) use docs::{Answer, Body, Content, Docs, Query, QueryType, TypeOf};
pub use drey_model::role::{Access, Resource};

/// All routes.
#[must_use]
pub fn routes() -> Vec<Route> {
    let mut rows = platform::routes();
    rows.extend(secrets::routes());
    rows.extend(artifacts::routes());
    rows.extend(access::routes());
    rows.extend(ours::routes());
    rows
}

/// One operation.
#[derive(Debug)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path in the form of axum: `{name}` for a segment, `{*name}` for the rest. A namespace is always `{ns}`.
    pub path: &'static str,
    /// The operation's name in generated clients; unique.
    pub id: &'static str,
    /// The chapter of the documentation.
    pub tag: Tag,
    /// One line for people.
    pub summary: &'static str,
    /// What a caller must be allowed to do.
    pub permission: Permission,
    /// Until when the answer must begin.
    pub deadline: Deadline,
    /// What carries it out.
    pub(crate) handler: Handler,
    /// What it takes and answers.
    pub(crate) docs: Docs,
}

/// The method of a [`Route`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display)]
#[strum(serialize_all = "UPPERCASE")]
pub enum Method {
    /// Reads; also answers HEAD.
    Get,
    /// Creates, or starts something.
    Post,
    /// Replaces, or creates under a given name.
    Put,
    /// Changes what is given.
    Patch,
    /// Deletes.
    Delete,
    /// Whatever the client sends, passed on.
    Any,
}

/// The chapters of the documentation.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::Display, strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Tag {
    /// Declared Flink jobs.
    Deployments,
    /// Where Deployments run.
    DeploymentTargets,
    /// What Deployments are filled up with.
    DeploymentDefaults,
    /// Clusters that Deployments share.
    SessionClusters,
    /// Runs of Deployments.
    Jobs,
    /// Snapshots.
    Savepoints,
    /// What happened.
    Events,
    /// Texts for jobs that are never shown.
    SecretValues,
    /// Uploaded programs.
    Artifacts,
    /// Namespaces.
    Namespaces,
    /// Credentials of programs.
    ApiTokens,
    /// Logging in, and who did what.
    Access,
    /// The server itself.
    Status,
    /// Additions of Drey: watching, the causal "why", logs.
    Ext,
    /// Flink's own dashboards.
    FlinkUi,
}

impl Tag {
    /// One sentence about the chapter.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Deployments => {
                "Declared Flink jobs: what to run, how, and whether it should run."
            }
            Self::DeploymentTargets => "Where Deployments run.",
            Self::DeploymentDefaults => {
                "What Deployments are filled up with when they are written."
            }
            Self::SessionClusters => "Flink clusters that several Deployments share.",
            Self::Jobs => "Runs of Deployments; written by the controller, read by everyone.",
            Self::Savepoints => "Restorable snapshots, retained checkpoints included.",
            Self::Events => "What happened, one line each.",
            Self::SecretValues => "Texts for jobs: they go in and never come out.",
            Self::Artifacts => "Uploaded programs, for `jarUri`.",
            Self::Namespaces => "The rooms that resources live in, and who may do what there.",
            Self::ApiTokens => "Credentials of programs, each for one namespace and one role.",
            Self::Access => "Logging in with a browser, who a caller is, and who did what.",
            Self::Status => "The server itself: whether it is there, what it is, its figures.",
            Self::Ext => "What the platform's API does not have: why, watching, logs.",
            Self::FlinkUi => "Flink's own dashboard and REST API, passed through.",
        }
    }
}

/// What a caller must be allowed to do (platform API reference §2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Nothing: everybody may, also without credentials.
    Public,
    /// To be known. The answer holds only what the caller may read.
    Known,
    /// This access to this resource in the namespace of the path's `{ns}`.
    Namespaced {
        /// Of what.
        resource: Resource,
        /// To do what.
        access: Access,
    },
    /// This access to a resource that is in no namespace, or to a namespace itself.
    System {
        /// Of what.
        resource: Resource,
        /// To do what.
        access: Access,
    },
}

/// Until when an answer must begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// The one that all ordinary requests have.
    Standard,
    /// The handler has its own: what others take long for may take long.
    Own,
}

/// A handler before it knows its method.
pub(crate) struct Handler(Box<dyn FnOnce(Method) -> MethodRouter<Arc<Shared>> + Send>);

impl std::fmt::Debug for Handler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handler")
    }
}

/// A row's handler.
pub(crate) fn to<H, T>(handler: H) -> Handler
where
    H: axum::handler::Handler<T, Arc<Shared>> + Send + Sync,
    T: 'static,
{
    Handler(Box::new(move |method| match method.filter() {
        Some(filter) => on(filter, handler),
        None => any(handler),
    }))
}

impl Method {
    /// As axum says it; `None`: every method.
    fn filter(self) -> Option<MethodFilter> {
        match self {
            Self::Get => Some(MethodFilter::GET),
            Self::Post => Some(MethodFilter::POST),
            Self::Put => Some(MethodFilter::PUT),
            Self::Patch => Some(MethodFilter::PATCH),
            Self::Delete => Some(MethodFilter::DELETE),
            Self::Any => None,
        }
    }
}

impl Handler {
    /// For axum.
    pub(crate) fn under(self, method: Method) -> MethodRouter<Arc<Shared>> {
        (self.0)(method)
    }
}

/// A permission within the path's namespace.
/// A row with the usual deadline.
fn row(
    (method, path): (Method, &'static str),
    (tag, id): (Tag, &'static str),
    summary: &'static str,
    permission: Permission,
    handler: Handler,
    docs: Docs,
) -> Route {
    Route {
        method,
        path,
        id,
        tag,
        summary,
        permission,
        deadline: Deadline::Standard,
        handler,
        docs,
    }
}

const fn may(resource: Resource, access: Access) -> Permission {
    Permission::Namespaced { resource, access }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_rows_share_a_name_or_a_place() {
        let rows = routes();
        let ids: BTreeSet<_> = rows.iter().map(|r| r.id).collect();
        let places: BTreeSet<_> = rows.iter().map(|r| (r.method, r.path)).collect();
        assert_eq!((ids.len(), places.len()), (rows.len(), rows.len()));
    }

    #[test]
    fn a_permission_in_a_namespace_stands_where_the_path_names_one() {
        for row in routes() {
            let is_namespaced = matches!(row.permission, Permission::Namespaced { .. });
            assert!(!is_namespaced || row.path.contains("/{ns}"), "{} {}", row.method, row.path);
            assert!(row.summary.ends_with('.'), "{}: a summary is a sentence", row.id);
        }
    }
}
