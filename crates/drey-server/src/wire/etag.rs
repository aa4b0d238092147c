//! `ETag`, `If-Match` and `If-None-Match`: an optimistic lock for clients that ask for one (platform API reference Q31).

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::error::Error;

/// Tags of one header that are looked at.
const TAGS_MAX: usize = 32;

/// The tag of an object at `resource_version`.
pub(crate) fn etag(resource_version: i32) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("\"{resource_version}\"")).ok()
}

/// What the client asks of the stored object before it is changed; nothing when neither header is there.
#[derive(Debug, Clone, Default)]
pub(crate) struct IfMatch {
    /// The versions that may be changed.
    only: Option<Vec<Tag>>,
    /// The versions that may not; `*`: the object must not exist.
    never: Option<Vec<Tag>>,
}

/// One item of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tag {
    /// `*`: any version of an object that exists.
    Any,
    /// `W/"7"`, `"7"` and `7` all mean version 7.
    Version(String),
}

impl IfMatch {
    /// 412 unless `current`, the version of the stored object if there is one, meets the conditions.
    pub(crate) fn check(&self, what: &str, current: Option<i32>) -> Result<(), Error> {
        if let Some(only) = self.only.as_deref().filter(|only| !holds(only, current)) {
            let wanted = listed(only);
            return Err(Error::stale(match current {
                Some(current) => format!(
                    "Not saved: {what} is at resourceVersion {current}, and If-Match asks for {wanted}. Nothing was \
                     changed. Read it again, redo the change on what you get, and send its resourceVersion."
                ),
                None => format!(
                    "Not saved: {what} does not exist, and If-Match asks for {wanted}. Leave If-Match out to create it."
                ),
            }));
        }
        match (self.never.as_deref().filter(|never| holds(never, current)), current) {
            (Some(never), Some(current)) => Err(Error::stale(format!(
                "Not saved: {what} exists at resourceVersion {current}, and If-None-Match is {}. Nothing was changed.",
                listed(never)
            ))),
            (Some(_) | None, _) => Ok(()),
        }
    }
}

fn holds(tags: &[Tag], current: Option<i32>) -> bool {
    let Some(current) = current.map(|version| version.to_string()) else { return false };
    tags.iter().any(|tag| match tag {
        Tag::Any => true,
        Tag::Version(version) => *version == current,
    })
}

fn listed(tags: &[Tag]) -> String {
    let text = |tag: &Tag| match tag {
        Tag::Any => "*".to_owned(),
        Tag::Version(version) => version.chars().take(40).collect(),
    };
    tags.iter().map(text).collect::<Vec<String>>().join(", ")
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let only = tags(&parts.headers, header::IF_MATCH);
        Ok(Self { only, never: tags(&parts.headers, header::IF_NONE_MATCH) })
    }
}

/// The tags of a header that may be given several times; nothing when it is not given.
fn tags(headers: &HeaderMap, name: HeaderName) -> Option<Vec<Tag>> {
    let mut values = headers.get_all(name).iter().peekable();
    values.peek()?;
    let items = values.flat_map(|v| v.to_str().unwrap_or("?").split(','));
    Some(items.map(tag).take(TAGS_MAX).collect())
}

fn tag(text: &str) -> Tag {
    let text = text.trim();
    match text.strip_prefix("W/").unwrap_or(text).trim_matches('"') {
        _ if text == "*" => Tag::Any,
        version => Tag::Version(version.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn allows(headers: &[(&str, &str)], current: Option<i32>) -> bool {
        let mut request = axum::http::Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut parts = request.body(()).unwrap().into_parts().0;
        let Ok(condition) = IfMatch::from_request_parts(&mut parts, &()).await;
        condition.check("it", current).is_ok()
    }

    #[tokio::test]
    async fn if_match_names_the_versions_that_may_be_changed() {
        assert!(allows(&[], Some(7)).await && allows(&[], None).await);
        for value in ["\"7\"", "7", "W/\"7\"", "*", "\"1\", \"7\"", " \"7\" ,\"9\"", "1,W/\"7\""] {
            assert!(allows(&[("if-match", value)], Some(7)).await, "{value}");
            assert!(!allows(&[("if-match", value)], None).await, "{value}");
        }
        assert!(allows(&[("if-match", "1"), ("if-match", "7")], Some(7)).await);
        for value in ["\"8\"", "", "\"*\"", "77", "7.0", "\"1\", \"2\"", "seven"] {
            assert!(!allows(&[("if-match", value)], Some(7)).await, "{value:?}");
        }
    }

    #[tokio::test]
    async fn if_none_match_names_those_that_may_not() {
        assert!(allows(&[("if-none-match", "*")], None).await);
        assert!(!allows(&[("if-none-match", "*")], Some(7)).await);
        assert!(!allows(&[("if-none-match", "\"7\"")], Some(7)).await);
        assert!(allows(&[("if-none-match", "\"8\"")], Some(7)).await);
        assert!(!allows(&[("if-match", "7"), ("if-none-match", "*")], Some(7)).await);
    }
}
