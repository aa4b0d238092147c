//! The list of all routes: start reading here.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, delete, get, post};
use tower_http::catch_panic::CatchPanicLayer;

use crate::api::{
    artifacts, deployments, events, jobs, namespaces, savepoints, secrets, status, targets,
};
use crate::app::{App, Shared};
use crate::error::Error;
use crate::ext::{explain, logs, watch};
use crate::{flink_ui, middleware};

/// The whole HTTP surface. Registers the server's metrics in `app.metrics`, so make one router per registry.
pub fn router(app: App) -> Router {
    let shared = Shared::new(app);
    Router::new()
        .merge(platform())
        .merge(ours())
        .route("/", get(status::index))
        .route("/metrics", get(status::metrics))
        .route_layer(from_fn(middleware::deadline))
        .merge(uploads())
        .merge(flink())
        .route_layer(from_fn(middleware::exists))
        .fallback(no_such_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(CatchPanicLayer::custom(middleware::panicked))
        .layer(from_fn_with_state(Arc::clone(&shared), middleware::same_origin))
        .layer(from_fn(middleware::render))
        .layer(from_fn_with_state(Arc::clone(&shared), middleware::observe))
        .with_state(shared)
}

type Routes = Router<Arc<Shared>>;

/// The platform's API.
fn platform() -> Routes {
    let named = get(deployments::get)
        .put(deployments::put)
        .patch(deployments::patch)
        .delete(deployments::delete);
    let target = get(targets::get).put(targets::put).delete(targets::delete);
    let secret = get(secrets::get).patch(secrets::patch).delete(secrets::delete);
    let in_namespace = Router::new()
        .route("/secret-values", get(secrets::list).post(secrets::create))
        .route("/secret-values/{name}", secret)
        .route("/deployments", get(deployments::list).post(deployments::create))
        .route("/deployments/{name}", named)
        .route("/deployment-targets", get(targets::list).post(targets::create))
        .route("/deployment-targets/{name}", target)
        .route("/jobs", get(jobs::list))
        .route("/jobs/{id}", get(jobs::get))
        .route("/savepoints", get(savepoints::list).post(savepoints::create))
        .route("/savepoints/{id}", get(savepoints::get).delete(savepoints::delete))
        .route("/events", get(events::list));
    Router::new()
        .nest("/api/v1/namespaces/{ns}", in_namespace)
        .route("/api/v1/status", get(status::status))
        .route("/api/v1/status/system-info", get(status::system_info))
        .route("/artifacts/v1/namespaces/{ns}/artifacts:list", get(artifacts::list))
        .route("/artifacts/v1/namespaces/{ns}/artifacts:getMetadata", get(artifacts::metadata))
        .route("/artifacts/v1/namespaces/{ns}/artifacts:delete", delete(artifacts::delete))
        .route("/namespaces/v1/namespaces", get(namespaces::list))
        .route("/namespaces/v1/namespaces/{ns}", get(namespaces::get))
}

/// Our additions.
fn ours() -> Routes {
    let in_namespace = Router::new()
        .route("/deployments/{name}", get(explain::get))
        .route("/deployments/{name}/retry", post(explain::retry))
        .route("/jobs/{id}/logs", get(logs::list))
        .route("/jobs/{id}/logs/{file}", get(logs::read));
    Router::new()
        .nest("/ext/v1/namespaces/{ns}", in_namespace)
        .route("/ext/v1/watch", get(watch::get))
}

/// Uploads take as long as they take, while something arrives, and are counted byte by byte.
fn uploads() -> Routes {
    Router::new()
        .route("/artifacts/v1/namespaces/{ns}/artifacts:upload", post(artifacts::upload))
        .layer(DefaultBodyLimit::disable())
}

/// Flink's own dashboards. They have their own deadlines: what Flink takes long for may take long.
fn flink() -> Routes {
    Router::new()
        .route("/flink-ui/v1/namespaces/{ns}/jobs/{jobId}", any(flink_ui::root))
        .route("/flink-ui/v1/namespaces/{ns}/jobs/{jobId}/", any(flink_ui::pass))
        .route("/flink-ui/v1/namespaces/{ns}/jobs/{jobId}/{*path}", any(flink_ui::pass))
}

async fn no_such_route(uri: Uri) -> Error {
    let path: String = uri.path().chars().take(200).collect();
    Error::not_found(format!(
        "No such path: {path}. The API begins at /api/v1/namespaces/default/deployments."
    ))
}

async fn wrong_method(method: Method, request: Request) -> Error {
    let path: String = request.uri().path().chars().take(200).collect();
    let message = format!("{method} is not possible on {path}; the Allow header lists what is.");
    Error::new(StatusCode::METHOD_NOT_ALLOWED, message)
}
