//! The body of a write: limited in size, in the format that the client names or the text shows.

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use drey_model::document::{self, Document};

use super::media;
use crate::error::Error;

/// Bytes of the largest body that is read; the largest useful Deployment is a hundred times smaller.
pub(crate) const BODY_BYTES_MAX: usize = 1 << 20;

/// A document that a client sent.
#[derive(Debug)]
pub(crate) struct Incoming(pub(crate) Document);

impl<S: Sync> FromRequest<S> for Incoming {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self, Error> {
        let (parts, body) = request.into_parts();
        let text = read(&parts.headers, body).await?;
        let Some(format) = media::format_of(&parts.headers, &text) else {
            let message = "The body must be application/json or application/yaml; Content-Type says something else.";
            return Err(Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
        };
        let document = document::parse(&text, format).map_err(|p| Error::invalid(&p))?;
        Ok(Self(document))
    }
}

/// The whole body, unless it is too large or ends early.
async fn read(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Error> {
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: u64| length > BODY_BYTES_MAX as u64) {
        return Err(too_large());
    }
    match to_bytes(body, BODY_BYTES_MAX).await {
        Ok(bytes) => Ok(bytes.into()),
        Err(e) if crate::error::chain(&e).contains("length limit exceeded") => Err(too_large()),
        Err(_) => Err(Error::bad_request(
            "The body ended before it was complete. Send it again.",
        )),
    }
}

fn too_large() -> Error {
    let message = format!(
        "The body is larger than {} KiB, the most that is read. Keep jars and data out of it; refer to them by URI.",
        BODY_BYTES_MAX / 1024
    );
    Error::new(StatusCode::PAYLOAD_TOO_LARGE, message)
}
