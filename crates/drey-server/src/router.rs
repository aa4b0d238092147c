//! From the table of routes to what answers requests: the layers around every route, outermost last.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::{App, Shared};
use crate::error::Error;
use crate::middleware;
use crate::routes::{Deadline, Route, routes};

/// The whole HTTP surface. Registers the server's metrics in `app.metrics`, so make one router per registry.
pub fn router(app: App) -> Router {
    let shared = Shared::new(app);
    let (prompt, patient): (Vec<Route>, Vec<Route>) =
        routes().into_iter().partition(|route| route.deadline == Deadline::Standard);
    serving(prompt)
        .route_layer(from_fn(middleware::deadline))
        .merge(serving(patient))
        .route_layer(from_fn(middleware::exists))
        .fallback(no_such_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(CatchPanicLayer::custom(middleware::panicked))
        .layer(from_fn_with_state(Arc::clone(&shared), middleware::same_origin))
        .layer(from_fn(middleware::render))
        .layer(from_fn_with_state(Arc::clone(&shared), middleware::observe))
        .with_state(shared)
}

/// A router of these rows. Rows of one path become one path with several methods.
fn serving(rows: Vec<Route>) -> Router<Arc<Shared>> {
    rows.into_iter()
        .fold(Router::new(), |router, row| router.route(row.path, row.handler.under(row.method)))
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
