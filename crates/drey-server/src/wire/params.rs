//! Query parameters, with errors that name the parameter.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use uuid::Uuid;

use crate::error::Error;

/// The query of a request: unknown parameters are ignored, the last of several with one name counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// The text of a parameter; an empty one counts as absent.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A UUID.
    pub(crate) fn uuid(&self, name: &str) -> Result<Option<Uuid>, Error> {
        self.parsed(name, "a UUID such as 3f0e7c0e-7d6f-4a5a-9a83-0b3c3f4f1c11")
    }

    /// A whole number that is not negative.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Error> {
        self.parsed(name, "a whole number")
    }

    /// `true` or `false`; a bare `?name` or its absence is false.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Error> {
        let lower = self.text(name).map(str::to_ascii_lowercase);
        match lower.as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(other) => Err(unreadable(name, other, "true or false")),
        }
    }

    fn parsed<T: std::str::FromStr>(&self, name: &str, expected: &str) -> Result<Option<T>, Error> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| unreadable(name, text, expected))
    }
}

fn unreadable(name: &str, found: &str, expected: &str) -> Error {
    let found: String = found.chars().take(100).collect();
    Error::bad_request(format!("Query parameter {name} must be {expected}; found {found:?}."))
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let query = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(pairs) = query.map_err(|e| {
            Error::bad_request(format!("The query string cannot be read: {}.", e.body_text()))
        })?;
        Ok(Self(pairs))
    }
}
