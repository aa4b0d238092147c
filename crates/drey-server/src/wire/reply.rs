//! An answer as a value. It becomes bytes in `middleware::render`, which knows what the client wants to read.

use std::fmt;
use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use drey_model::{Problem, document};
use serde::Serialize;

use super::{etag, warnings};

/// Says that what was asked for was only rehearsed: a server that does not know `dryRun` would not send it.
pub(crate) const DRY_RUN: HeaderName = HeaderName::from_static("drey-dry-run");

/// An answer with a body that can be written as JSON and as YAML.
#[derive(Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    payload: Payload,
}

impl Reply {
    /// An answer.
    pub(crate) fn new<T: Serialize + Send + Sync + 'static>(status: StatusCode, value: T) -> Self {
        Self { status, headers: Vec::new(), payload: Payload(Arc::new(value)) }
    }

    /// 200.
    pub(crate) fn ok<T: Serialize + Send + Sync + 'static>(value: T) -> Self {
        Self::new(StatusCode::OK, value)
    }

    /// The same answer with an entity tag.
    pub(crate) fn at_version(mut self, resource_version: i32) -> Self {
        self.headers.extend(etag(resource_version).map(|value| (header::ETAG, value)));
        self
    }

    /// The same answer, marked as a rehearsal.
    pub(crate) fn rehearsed(mut self) -> Self {
        self.headers.push((DRY_RUN, HeaderValue::from_static("true")));
        self
    }

    /// The same answer, to be kept by nobody on the way.
    pub(crate) fn secret(mut self) -> Self {
        self.headers.push((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
        self
    }

    /// The same answer with one `Drey-Warning` header per warning.
    pub(crate) fn with_warnings(mut self, warnings: &[Problem]) -> Self {
        self.headers.extend(warnings::headers(warnings));
        self
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response.extensions_mut().insert(self.payload);
        response
    }
}

/// The body of a [`Reply`], carried in the extensions of a response until it is written.
#[derive(Clone)]
pub(crate) struct Payload(Arc<dyn Show + Send + Sync>);

impl Payload {
    /// The body as JSON; `None` only for a value that JSON cannot hold.
    pub(crate) fn json(&self) -> Option<Vec<u8>> {
        self.0.json()
    }

    /// The body as YAML.
    pub(crate) fn yaml(&self) -> Option<Vec<u8>> {
        self.0.yaml()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Payload")
    }
}

/// Something that both formats can hold, without its type.
trait Show {
    fn json(&self) -> Option<Vec<u8>>;
    fn yaml(&self) -> Option<Vec<u8>>;
}

impl<T: Serialize> Show for T {
    fn json(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(self).ok()
    }

    fn yaml(&self) -> Option<Vec<u8>> {
        document::to_yaml(self).ok().map(String::into_bytes)
    }
}
