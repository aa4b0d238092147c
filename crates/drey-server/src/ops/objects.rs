//! Finding and decoding objects, and what the store's failures mean to a client.

use std::time::Duration;

use axum::http::StatusCode;
use drey_model::Kind;
use drey_store::Object;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::app::Shared;
use crate::error::Error;

/// How often a write starts over when others were faster. In each round somebody got through.
const ATTEMPTS_MAX: u32 = 40;
/// The pause before round n is n times this.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(2);
/// Names listed in a message before the rest is only counted.
const NAMES_MAX: usize = 3;

impl From<drey_store::Error> for Error {
    fn from(error: drey_store::Error) -> Self {
        use drey_store::Error as Store;
        match &error {
            Store::Taken { .. } => Self::conflict(format!(
                "{error}. Choose another name, or change the existing one with PATCH or PUT."
            )),
            Store::Closed { namespace } => Self::conflict(format!(
                "Nothing was changed: namespace {namespace:?} is being deleted or is gone, so nothing new can be \
                 created in it."
            )),
            Store::Busy | Store::Full | Store::Stopped | Store::Conflict { .. } => {
                Self::unavailable(sentence(&error)).because(error)
            }
            Store::ReadOnly => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, sentence(&error)).because(error)
            }
            Store::Damaged { kind, name, .. } => {
                let message = format!(
                    "The stored {kind} {name:?} cannot be read. Nothing was changed; other objects are not affected. \
                     Restore it from a backup, or ask an administrator."
                );
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, message).because(error)
            }
            transient if transient.is_transient() => {
                Self::unavailable("The database did not answer. Nothing was changed; try again.")
                    .because(error)
            }
            _ => {
                let message =
                    "The database failed. Nothing was changed; the server's log has the details.";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, message).because(error)
            }
        }
    }
}

fn sentence(error: &drey_store::Error) -> String {
    format!("Nothing was changed: {error}.")
}

/// The document of an object.
pub(crate) fn decode<T: DeserializeOwned>(object: &Object) -> Result<T, Error> {
    Ok(object.decode()?)
}

/// `a, b, c, +4 more`.
pub(crate) fn names<'a>(all: impl IntoIterator<Item = &'a str>) -> String {
    let mut all = all.into_iter();
    let mut listed: Vec<String> = all.by_ref().take(NAMES_MAX).map(str::to_owned).collect();
    let more = all.count();
    if more > 0 {
        listed.push(format!("+{more} more"));
    }
    listed.join(", ")
}

/// The rounds of a read-change-write.
#[derive(Debug, Default)]
pub(crate) struct Attempts(u32);

impl Attempts {
    /// Waits for the next round; an error when there were too many.
    pub(crate) async fn next(&mut self, what: &str) -> Result<(), Error> {
        if self.0 >= ATTEMPTS_MAX {
            return Err(Error::unavailable(format!(
                "Not saved: {what} is being changed by others without pause. Nothing was changed; try again."
            )));
        }
        if self.0 > 0 {
            tokio::time::sleep(ATTEMPT_PAUSE * self.0).await;
        }
        self.0 += 1;
        Ok(())
    }
}

impl Shared {
    /// The object of this namespace with this name.
    pub(crate) async fn object_by_name(
        &self,
        kind: Kind,
        ns: &str,
        name: &str,
    ) -> Result<Object, Error> {
        let found = self.store.get(kind, ns, name).await?;
        found.ok_or_else(|| absent(kind, ns, name))
    }

    /// The object of this namespace with this id.
    pub(crate) async fn object_by_id(
        &self,
        kind: Kind,
        ns: &str,
        id: &str,
    ) -> Result<Object, Error> {
        let Ok(uuid) = Uuid::parse_str(id) else {
            return Err(absent(kind, ns, id));
        };
        let found = self.store.by_id(kind, uuid).await?;
        found.filter(|o| o.namespace == ns).ok_or_else(|| absent(kind, ns, id))
    }

    /// The object that a path segment means: an id when it parses as one and exists, else a name.
    pub(crate) async fn object_by_either(
        &self,
        kind: Kind,
        ns: &str,
        name_or_id: &str,
    ) -> Result<Object, Error> {
        let found = self.present(kind, ns, name_or_id).await?;
        found.ok_or_else(|| absent(kind, ns, name_or_id))
    }

    /// The same; `None` when there is none.
    pub(crate) async fn present(
        &self,
        kind: Kind,
        ns: &str,
        name_or_id: &str,
    ) -> Result<Option<Object>, Error> {
        if let Ok(id) = Uuid::parse_str(name_or_id)
            && let Some(object) = self.store.by_id(kind, id).await?
            && object.namespace == ns
        {
            return Ok(Some(object));
        }
        Ok(self.store.get(kind, ns, name_or_id).await?)
    }
}

fn absent(kind: Kind, ns: &str, wanted: &str) -> Error {
    let wanted: String = wanted.chars().take(100).collect();
    Error::not_found(format!("No {kind} {wanted:?} in namespace {ns:?}."))
}

/// A row without a document, owned by nobody, with nothing left to do.
pub(super) fn row(kind: Kind, namespace: &str, name: &str, id: Uuid) -> Object {
    Object {
        kind,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        id,
        owner: None,
        open: false,
        revision: 0,
        doc: String::new(),
        facts: None,
        deleted: false,
    }
}
