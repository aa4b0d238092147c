//! Query parameters, with errors that name the parameter.
//!
//! What a handler asks for is what it knows: a parameter that nobody asked for is ignored with a warning.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Uri};
use drey_model::Problem;
use drey_model::nearest::nearest;
use uuid::Uuid;

use super::warnings;
use crate::error::Error;

/// Names that are warned of, beside which the rest is counted: warnings of members may come on top.
const WARNED_MAX: usize = 4;
/// Characters of a name that a warning repeats.
const SHOWN_CHARS_MAX: usize = 60;

/// The query of a request; the last of several parameters with one name counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
    asked: Asked,
}

/// The names that were asked for while a request was carried out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked(Arc<Mutex<BTreeSet<String>>>);

impl Asked {
    fn add(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
    }

    /// Warnings of the parameters of an address that were not asked for.
    pub(crate) fn not_asked(&self, uri: &Uri) -> Vec<(HeaderName, HeaderValue)> {
        let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
            return Vec::new();
        };
        let asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown: BTreeSet<String> =
            pairs.into_iter().map(|(name, _)| name).filter(|name| !asked.contains(name)).collect();
        let more = unknown.len().saturating_sub(WARNED_MAX);
        let more = (more > 0).then(|| format!("+{more} more query parameters without a meaning."));
        let warnings: Vec<Problem> = unknown
            .iter()
            .take(WARNED_MAX)
            .map(|name| {
                let near = nearest(name, asked.iter().map(String::as_str));
                let hint = near.map(|near| format!(" Did you mean {near}?")).unwrap_or_default();
                let shown: String = name.chars().take(SHOWN_CHARS_MAX).collect();
                let message = format!(
                    "Query parameter {shown:?} has no meaning here, so it is ignored.{hint}"
                );
                Problem::new("", message)
            })
            .chain(more.map(|more| Problem::new("", more)))
            .collect();
        warnings::headers(&warnings)
    }
}

impl Params {
    /// The names of all parameters.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(|(name, _)| name.as_str())
    }

    /// All texts of a parameter, empty ones too.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.asked.add(name);
        self.pairs.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The text of a parameter; an empty one counts as absent.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.asked.add(name);
        let found = self.pairs.iter().rev().find(|(n, _)| n == name);
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
        let asked = parts.extensions.get::<Asked>().cloned().unwrap_or_default();
        Ok(Self { pairs, asked })
    }
}
