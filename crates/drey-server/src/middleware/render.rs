//! Values become bytes here, by the request's `Accept`, and errors that are not ours get our layout.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::Error;
use crate::wire::{Payload, Wants, wants};

/// Marks a response that comes from elsewhere and is passed on as it is, errors too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Untouched;

/// Bytes of a foreign error's text that are worth repeating.
const FOREIGN_TEXT_MAX: usize = 4096;

/// Writes the answer in the format that the client wants.
pub(crate) async fn render(request: Request, next: Next) -> Response {
    let wants = wants(request.headers());
    let mut response = next.run(request).await;
    if response.extensions_mut().remove::<Untouched>().is_some() {
        return response;
    }
    if response.extensions().get::<Payload>().is_none() && response.status().as_u16() >= 400 {
        response = adopt(response).await;
    }
    let Some(payload) = response.extensions_mut().remove::<Payload>() else {
        return response;
    };
    write(response, &payload, wants)
}

fn write(mut response: Response, payload: &Payload, wants: Wants) -> Response {
    let (media_type, bytes) = match wants {
        Wants::Yaml => ("application/yaml", payload.yaml()),
        Wants::Json | Wants::EventStream | Wants::PlainText => ("application/json", payload.json()),
    };
    let Some(bytes) = bytes else {
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return response;
    };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(bytes);
    response
}

/// An error of the framework (a path that cannot be decoded, say) in our layout, with its headers.
async fn adopt(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let text = to_bytes(body, FOREIGN_TEXT_MAX).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    let phrase = parts.status.canonical_reason().unwrap_or("The request failed");
    let message = if text.is_empty() { format!("{phrase}.") } else { text };
    let mut adopted = Error::new(parts.status, message).into_response();
    for (name, value) in &parts.headers {
        if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
            adopted.headers_mut().append(name, value.clone());
        }
    }
    adopted
}
