//! API tokens: made, listed and deleted. Their secrets are shown once and kept by nobody.

use drey_model::Problem;
use drey_model::api_token::{self, ApiToken};
use drey_model::document::Document;

use super::Writer;
use crate::app::Shared;
use crate::auth::{hash, new_secret};
use crate::error::Error;

impl Writer {
    /// Stores a new token; the answer has its secret. A rehearsal has none.
    pub(crate) async fn create_token(
        &self,
        ns: &str,
        document: &Document,
    ) -> Result<(ApiToken, Vec<Problem>), Error> {
        let now = self.world.now();
        let accepted = api_token::create(document, ns, now);
        let accepted = accepted.map_err(|problems| Error::invalid(&problems))?;
        let mut token = accepted.object;
        let id = self.world.id();
        let secret = new_secret(id);
        let secret = secret.ok_or_else(|| Error::unavailable("The system has no randomness."))?;
        let row = drey_store::ApiToken {
            id,
            namespace: ns.to_owned(),
            name: token.short_name().to_owned(),
            role: token.role.to_string(),
            hash: hash(&secret),
            created_at: now,
        };
        let is_new = if self.is_rehearsal() {
            self.store.api_token(ns, &row.name).await?.is_none()
        } else {
            self.store.create_api_token(&row).await?
        };
        if !is_new {
            return Err(Error::conflict(format!(
                "Token {:?} already exists in namespace {ns:?}. Delete it first, or choose another name.",
                row.name
            )));
        }
        token.secret = Some(secret).filter(|_| !self.is_rehearsal());
        Ok((token, accepted.warnings))
    }

    /// Deletes a token; who shows it is refused from now on.
    pub(crate) async fn delete_token(&self, ns: &str, name: &str) -> Result<(), Error> {
        let is_there = if self.is_rehearsal() {
            self.store.api_token(ns, name).await?.is_some()
        } else {
            self.store.delete_api_token(ns, name).await?
        };
        is_there.then_some(()).ok_or_else(|| absent(ns, name))
    }
}

impl Shared {
    /// The tokens of a namespace by name, without secrets.
    pub(crate) async fn tokens(&self, ns: &str) -> Result<Vec<ApiToken>, Error> {
        self.store.api_tokens(ns).await?.iter().map(shown).collect()
    }

    /// One token, without its secret.
    pub(crate) async fn token(&self, ns: &str, name: &str) -> Result<ApiToken, Error> {
        let row = self.store.api_token(ns, name).await?;
        shown(&row.ok_or_else(|| absent(ns, name))?)
    }
}

fn shown(row: &drey_store::ApiToken) -> Result<ApiToken, Error> {
    let role = row.role.parse().map_err(|_| {
        let message = format!("The stored token {:?} cannot be read. Delete it.", row.name);
        Error::internal(message, format!("role {:?}", row.role))
    })?;
    Ok(ApiToken::new(&row.namespace, &row.name, role, row.created_at))
}

fn absent(ns: &str, name: &str) -> Error {
    let name: String = name.chars().take(100).collect();
    Error::not_found(format!("No token {name:?} in namespace {ns:?}."))
}
