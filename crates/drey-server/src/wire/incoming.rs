//! The body of a write: limited in size, in the format that the client names or the text shows.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use drey_model::Problem;
use drey_model::document::{self, Document, Format};
use futures::StreamExt;

use super::media;
use crate::error::Error;

/// Bytes of the largest body that is read; the largest useful Deployment is a hundred times smaller.
pub(crate) const BODY_BYTES_MAX: usize = document::KEPT_BYTES_MAX;

/// A document that a client sent.
#[derive(Debug)]
pub(crate) struct Incoming(pub(crate) Document);

impl<S: Sync> FromRequest<S> for Incoming {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self, Error> {
        Ok(Self(document_of(request, document::parse).await?))
    }
}

/// A document that may hold a secret: what is wrong with it is told without repeating it.
pub(crate) struct IncomingSecret(pub(crate) Document);

impl<S: Sync> FromRequest<S> for IncomingSecret {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self, Error> {
        Ok(Self(document_of(request, document::parse_quietly).await?))
    }
}

async fn document_of(
    request: Request,
    parse: fn(&[u8], Format) -> Result<Document, Vec<Problem>>,
) -> Result<Document, Error> {
    let (parts, body) = request.into_parts();
    let text = read(&parts.headers, body).await?;
    let Some(format) = media::format_of(&parts.headers, &text) else {
        let message = "The body must be application/json or application/yaml; Content-Type says something else.";
        return Err(Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    };
    parse(&text, format).map_err(|p| Error::invalid(&p))
}

/// The whole body, unless it is too large or ends early.
async fn read(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Error> {
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: u64| length > BODY_BYTES_MAX as u64) {
        return Err(too_large());
    }
    let mut text = Vec::new();
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let Ok(piece) = piece else {
            let message =
                "The body ended before it was complete. Nothing was changed; send it again.";
            return Err(Error::bad_request(message));
        };
        if text.len() + piece.len() > BODY_BYTES_MAX {
            return Err(too_large());
        }
        text.extend_from_slice(&piece);
    }
    Ok(text)
}

fn too_large() -> Error {
    let message = format!(
        "The body is larger than {} KiB, the most that is read. Keep jars and data out of it; refer to them by URI.",
        BODY_BYTES_MAX / 1024
    );
    Error::new(StatusCode::PAYLOAD_TOO_LARGE, message)
}
