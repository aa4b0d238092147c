//! Every path with a `{ns}` is answered only when that namespace exists. The check of roles will stand here too.

use axum::extract::{RawPathParams, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use drey_model::meta::DEFAULT_NAMESPACE;

use crate::error::Error;

/// 404 unless the path's namespace exists.
pub(crate) async fn exists(params: RawPathParams, request: Request, next: Next) -> Response {
    let named = params.iter().find(|(name, _)| *name == "ns").map(|(_, value)| value);
    match named {
        Some(name) if name != DEFAULT_NAMESPACE => {
            let name: String = name.chars().take(100).collect();
            Error::not_found(format!(
                "No namespace {name:?}. The one that exists is \"{DEFAULT_NAMESPACE}\"."
            ))
            .into_response()
        }
        _ => next.run(request).await,
    }
}
