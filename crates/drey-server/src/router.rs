//! From the table of routes to what answers requests: the layers around every route, outermost last.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{self, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{from_fn, from_fn_with_state};
use tower_http::catch_panic::CatchPanicLayer;

use crate::api::namespaces;
use crate::app::{App, Shared};
use crate::error::Error;
use crate::middleware::{self, Door};
use crate::routes::{Deadline, Method, Route, routes};

/// The whole HTTP surface. Registers the server's metrics in `app.metrics`, so make one router per registry.
pub fn router(app: App) -> Router {
    router_of(&Shared::new(app))
}

/// The whole HTTP surface over what its handlers share.
pub(crate) fn router_of(shared: &Arc<Shared>) -> Router {
    let (prompt, patient): (Vec<Route>, Vec<Route>) =
        routes().into_iter().partition(|route| route.deadline == Deadline::Standard);
    serving(prompt, shared)
        .route_layer(from_fn(middleware::parameters))
        .route_layer(from_fn(middleware::deadline))
        .merge(serving(patient, shared))
        .fallback(no_such_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(CatchPanicLayer::custom(middleware::panicked))
        .layer(from_fn_with_state(Arc::clone(shared), middleware::same_origin))
        .layer(from_fn(middleware::render))
        .layer(from_fn_with_state(Arc::clone(shared), middleware::observe))
        .with_state(Arc::clone(shared))
}

/// A router of these rows, each behind the door of its permission. Rows of one path become one path with several methods.
fn serving(rows: Vec<Route>, shared: &Arc<Shared>) -> Router<Arc<Shared>> {
    rows.into_iter().fold(Router::new(), |router, row| {
        let door = Door { shared: Arc::clone(shared), permission: row.permission };
        let door = from_fn_with_state(door, middleware::admit);
        let served = row.handler.under(row.method);
        // What serves every method has no other to keep the door away from.
        let guarded = match row.method {
            Method::Any => served.layer(door),
            _ => served.route_layer(door),
        };
        router.route(row.path, guarded)
    })
}

async fn no_such_route(uri: Uri) -> Error {
    let path: String = uri.path().chars().take(200).collect();
    Error::not_found(format!(
        "No such path: {path}. The API begins at /api/v1/namespaces/default/deployments."
    ))
}

async fn wrong_method(method: http::Method, request: Request) -> Error {
    let path: String = request.uri().path().chars().take(200).collect();
    let message = format!("{method} is not possible on {path}; the Allow header lists what is.");
    let refused = Error::new(StatusCode::METHOD_NOT_ALLOWED, message);
    match namespaces::methods(request.uri().path()) {
        Some(methods) => refused.with_header(header::ALLOW, HeaderValue::from_static(methods)),
        None => refused,
    }
}
