//! Query parameters that mean nothing to whoever answered are said in a warning, so that a misspelt one does not pass
//! for an answer to what was meant.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;

use crate::wire::Asked;

/// Adds a warning for each parameter that was not asked for. A refused request may not have come to all of them.
pub(crate) async fn parameters(mut request: Request, next: Next) -> Response {
    if request.uri().query().is_none_or(str::is_empty) {
        return next.run(request).await;
    }
    let (asked, uri) = (Asked::default(), request.uri().clone());
    request.extensions_mut().insert(asked.clone());
    let mut response = next.run(request).await;
    if response.status().is_success() {
        for (name, value) in asked.not_asked(&uri) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
