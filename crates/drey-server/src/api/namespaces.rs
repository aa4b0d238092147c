//! `/namespaces/v1/namespaces`: read-only, since only `default` exists (platform API reference §1.9, §2.5.5).

use axum::extract::Path;
use drey_model::meta::DEFAULT_NAMESPACE;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::wire::Reply;

/// A namespace; no roles can be bound yet.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Namespace {
    /// `namespaces/<name>`.
    name: String,
    /// `LIFECYCLE_PHASE_ACTIVE`.
    lifecycle_phase: &'static str,
    /// Who may do what in it.
    role_bindings: Vec<Value>,
}

/// All namespaces.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ListNamespacesResponse {
    /// The namespaces.
    namespaces: Vec<Namespace>,
}

/// One namespace.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct GetNamespaceResponse {
    /// The namespace.
    namespace: Namespace,
}

/// All namespaces.
pub(crate) async fn list() -> Reply {
    Reply::ok(ListNamespacesResponse { namespaces: vec![namespace(DEFAULT_NAMESPACE)] })
}

/// One; others than the existing one are refused before this.
pub(crate) async fn get(Path(ns): Path<String>) -> Reply {
    Reply::ok(GetNamespaceResponse { namespace: namespace(&ns) })
}

fn namespace(short: &str) -> Namespace {
    Namespace {
        name: format!("namespaces/{short}"),
        lifecycle_phase: "LIFECYCLE_PHASE_ACTIVE",
        role_bindings: Vec::new(),
    }
}
