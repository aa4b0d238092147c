//! `/namespaces/v1/namespaces`: read-only, since only `default` exists (platform API reference §1.9, §2.5.5).

use axum::extract::Path;
use drey_model::meta::DEFAULT_NAMESPACE;
use serde_json::{Value, json};

use crate::wire::Reply;

/// All namespaces.
pub(crate) async fn list() -> Reply {
    Reply::ok(json!({ "namespaces": [namespace(DEFAULT_NAMESPACE)] }))
}

/// One; others than the existing one are refused before this.
pub(crate) async fn get(Path(ns): Path<String>) -> Reply {
    Reply::ok(json!({ "namespace": namespace(&ns) }))
}

fn namespace(short: &str) -> Value {
    json!({
        "name": format!("namespaces/{short}"),
        "lifecyclePhase": "LIFECYCLE_PHASE_ACTIVE",
        "roleBindings": [],
    })
}
