//! Deadlines and panics: a request always gets an answer.

use std::any::Any;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::Error;

/// Until an answer begins. The store gives up on a busy database well before.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Ends requests that take too long to begin an answer.
pub(crate) async fn deadline(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Error::unavailable(format!(
            "No result within {} s. A write may or may not have happened: read the object before trying again.",
            REQUEST_TIMEOUT.as_secs()
        ))
        .into_response(),
    }
}

/// The answer to a request whose handler panicked.
#[allow(clippy::needless_pass_by_value, reason = "the shape that tower-http asks for")]
pub(crate) fn panicked(payload: Box<dyn Any + Send>) -> Response {
    let text = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    let cause = format!("a handler panicked: {}", text.unwrap_or_default());
    let message = "A fault in the server stopped this request. Running jobs are not affected; the server's log has \
                   the details under the request id of the X-Request-Id header.";
    Error::internal(message, cause).into_response()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use tower::ServiceExt;
    use tower_http::catch_panic::CatchPanicLayer;

    use super::*;
    use crate::middleware::render;

    async fn broken() -> &'static str {
        panic!("the secret is 42")
    }

    #[tokio::test]
    async fn a_panic_is_a_500_in_our_layout_and_tells_no_secrets() {
        let router: Router = Router::new()
            .route("/", get(broken))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(from_fn(render));
        let request = Request::builder().uri("/").body(Body::empty()).expect("a request");
        let response = router.oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), 500);
        let text = to_bytes(response.into_body(), 4096).await.expect("a body");
        let body: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        assert_eq!(body["reason"], "InternalServerError");
        assert!(!body.to_string().contains("42"));
    }
}
