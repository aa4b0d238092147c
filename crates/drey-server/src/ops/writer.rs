//! The right to write, on behalf of one request.
//!
//! Whatever changes the store does it through a [`Writer`], and whoever wants the controller to look goes through it
//! too. So `?dryRun=true` holds for every kind without another line: the same checks, the same transaction with the
//! same refusals, which is then undone, and nobody is woken. `cargo xtask tidy` sees to it that there is no other way.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use drey_model::Kind;
use drey_model::write::Accepted;
use drey_store::{Error as StoreError, Write};
use serde::Serialize;
use uuid::Uuid;

use crate::app::Shared;
use crate::error::Error;
use crate::wire::{Params, Reply};

/// The query parameter that asks for a rehearsal.
const DRY_RUN: &str = "dryRun";

/// What all handlers share, and the right to change it.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    is_rehearsal: bool,
}

impl Deref for Writer {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Writer {
    /// The right to write what no request asks for.
    pub(crate) fn unasked(shared: Arc<Shared>) -> Self {
        Self { shared, is_rehearsal: false }
    }

    /// Commits, or rehearses it; `false` when something that was read has changed meanwhile.
    pub(crate) async fn commit(&self, writes: &[Write]) -> Result<bool, Error> {
        match self.attempt(writes).await {
            Ok(()) => Ok(true),
            // The defaults of a namespace come into being with its first write that needs them; somebody was faster.
            Err(
                StoreError::Conflict { .. }
                | StoreError::Taken { kind: Kind::DeploymentDefaults, .. },
            ) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Commits a PUT of what was not there: `false` also when somebody has created it meanwhile, so that this PUT
    /// replaces that one.
    pub(crate) async fn commit_put(&self, writes: &[Write]) -> Result<bool, Error> {
        match self.attempt(writes).await {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict { .. } | StoreError::Taken { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn attempt(&self, writes: &[Write]) -> Result<(), StoreError> {
        if self.is_rehearsal {
            return self.shared.store.rehearse(writes).await;
        }
        self.shared.store.commit(writes).await.map(|_| ())
    }

    /// Has the controller look at a Deployment; not after a rehearsal.
    pub(crate) fn wake(&self, deployment: Uuid) {
        if !self.is_rehearsal {
            self.shared.handle.wake(deployment);
        }
    }

    /// The answer to a write that was accepted. What was only rehearsed has no entity tag: nobody can change it.
    pub(crate) fn answer<T: Serialize + Send + Sync + 'static>(
        &self,
        status: StatusCode,
        resource_version: i32,
        accepted: Accepted<T>,
    ) -> Reply {
        let reply = Reply::new(status, accepted.object).with_warnings(&accepted.warnings);
        if self.is_rehearsal { reply.rehearsed() } else { reply.at_version(resource_version) }
    }

    /// Whether nothing is to be stored: for what is no object, so that [`Self::commit`] cannot rehearse it.
    pub(crate) fn is_rehearsal(&self) -> bool {
        self.is_rehearsal
    }

    /// The answer to what was done and has no version; to a deletion, what there was.
    pub(crate) fn done<T: Serialize + Send + Sync + 'static>(&self, object: T) -> Reply {
        self.marked(Reply::ok(object))
    }

    /// An answer that says whether it was only rehearsed.
    pub(crate) fn marked(&self, reply: Reply) -> Reply {
        if self.is_rehearsal { reply.rehearsed() } else { reply }
    }
}

impl FromRequestParts<Arc<Shared>> for Writer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Error> {
        let params = Params::from_request_parts(parts, shared).await?;
        Ok(Self { shared: Arc::clone(shared), is_rehearsal: is_rehearsal(&params)? })
    }
}

/// Whether nothing is to be stored. Who may have meant a rehearsal is refused rather than taken at the letter.
fn is_rehearsal(params: &Params) -> Result<bool, Error> {
    let bare = |name: &str| name.replace(['-', '_'], "").to_ascii_lowercase();
    let misspelt = params.names().find(|name| *name != DRY_RUN && bare(name) == bare(DRY_RUN));
    if let Some(name) = misspelt {
        return Err(Error::bad_request(format!(
            "Query parameter {name}: did you mean {DRY_RUN}? Nothing was changed."
        )));
    }
    let mut answers = params.all(DRY_RUN).map(|text| match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    });
    let Some(first) = answers.next() else { return Ok(false) };
    match first.filter(|first| answers.all(|other| other == Some(*first))) {
        Some(is_rehearsal) => Ok(is_rehearsal),
        None => Err(Error::bad_request(format!(
            "Query parameter {DRY_RUN} must be true or false, once. Nothing was changed."
        ))),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    async fn asked(query: &str) -> Result<bool, Error> {
        let request = Request::builder().uri(format!("/?{query}")).body(()).unwrap();
        let params = Params::from_request_parts(&mut request.into_parts().0, &()).await;
        is_rehearsal(&params.unwrap())
    }

    #[tokio::test]
    async fn a_rehearsal_is_asked_for_clearly_or_refused() {
        for (query, expected) in
            [("", false), ("a=b", false), ("dryRun=false", false), ("dryRun=TRUE&dryRun=1", true)]
        {
            assert_eq!(asked(query).await.unwrap(), expected, "{query}");
        }
        for query in [
            "dryRun",
            "dryRun=",
            "dryRun=All",
            "dryRun=true&dryRun=false",
            "dryrun=true",
            "dry-run=1",
        ] {
            assert_eq!(asked(query).await.unwrap_err().status(), 400, "{query}");
        }
    }
}
