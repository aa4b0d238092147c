//! One span, one access-log line and one duration per request; the request id ties them to the client's view.
//!
//! Paths are logged, query strings and headers are not: those may hold what must stay secret.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use crate::app::Shared;
use crate::auth::client_address;
use crate::error::Cause;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Characters of a client's own request id; longer ones are replaced.
const REQUEST_ID_LEN_MAX: usize = 64;

/// The id of a request, for handlers and other layers.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

/// Where a request comes from, as far as that can be believed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Address(pub(crate) Option<IpAddr>);

/// Watches a request from its head to the head of its answer.
pub(crate) async fn observe(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = request_id(&shared, &request);
    let trusted = shared.gate.as_ref().map_or(&[][..], |gate| &gate.settings.trusted_proxies);
    let address = client_address(request.extensions(), request.headers(), trusted);
    request.extensions_mut().insert(RequestId(id.clone()));
    request.extensions_mut().insert(Address(address));
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or("none", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", id = %id, %method, path = request.uri().path());
    let began = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let took = began.elapsed();
    shared.metrics.answered(&route, &method, response.status(), took);
    span.in_scope(|| log(&response, took.as_millis()));
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

fn log(response: &Response, took_ms: u128) {
    let status = response.status().as_u16();
    let cause = response.extensions().get::<Cause>().map_or("", |c| c.0.as_str());
    match status {
        500 => tracing::error!(status, took_ms, cause, "request failed"),
        501.. => tracing::warn!(status, took_ms, cause, "request not served"),
        _ => tracing::debug!(status, took_ms, cause, "request answered"),
    }
}

/// The client's own id when it is short and printable, a new one otherwise.
fn request_id(shared: &Shared, request: &Request) -> String {
    let given = request.headers().get(REQUEST_ID).and_then(|v| v.to_str().ok());
    let usable = |id: &&str| {
        !id.is_empty() && id.len() <= REQUEST_ID_LEN_MAX && id.bytes().all(|b| b.is_ascii_graphic())
    };
    given.filter(usable).map_or_else(|| shared.world.id().to_string(), str::to_owned)
}
