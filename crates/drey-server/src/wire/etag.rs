//! `ETag` and `If-Match`: an optimistic lock for clients that ask for one (platform API reference Q31).

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};

use crate::error::Error;

/// The tag of an object at `resource_version`.
pub(crate) fn etag(resource_version: i32) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("\"{resource_version}\"")).ok()
}

/// The versions that the client is willing to change; `None`: any, also an absent object.
#[derive(Debug, Clone, Default)]
pub(crate) struct IfMatch(Option<Vec<String>>);

impl IfMatch {
    /// 412 unless `current`, the version of the stored object, is one that the client named.
    pub(crate) fn check(&self, what: &str, current: Option<i32>) -> Result<(), Error> {
        let Some(named) = &self.0 else { return Ok(()) };
        match current {
            Some(current) if named.iter().any(|n| n == "*" || *n == current.to_string()) => Ok(()),
            Some(current) => Err(Error::stale(format!(
                "Not saved: {what} is at resourceVersion {current}, and If-Match asks for {}. Nothing was changed. \
                 Read it again, redo the change on what you get, and send its resourceVersion.",
                named.join(", ")
            ))),
            None => Err(Error::stale(format!(
                "Not saved: {what} does not exist, and If-Match asks for {}. Leave If-Match out to create it.",
                named.join(", ")
            ))),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let values = parts.headers.get_all(header::IF_MATCH);
        if values.iter().next().is_none() {
            return Ok(Self(None));
        }
        let tags = values.iter().flat_map(|v| v.to_str().unwrap_or("?").split(','));
        Ok(Self(Some(tags.map(bare).take(32).collect())))
    }
}

/// `W/"7"`, `"7"` and `7` all mean version 7.
fn bare(tag: &str) -> String {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"').to_owned()
}
