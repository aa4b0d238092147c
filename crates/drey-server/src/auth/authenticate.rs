//! From the headers of a request to a [`Caller`].
//!
//! A bearer token that is shown must be good: a client that sends a wrong one should hear of it, not act as somebody
//! else. A session cookie that has run out counts as none, since browsers send it along unasked.

use std::net::IpAddr;

use axum::http::{HeaderMap, StatusCode, header};
use drey_model::role::{Access, Resource};

use super::secret::{hash, id_of, matches};
use super::session::Cookie;
use super::{Caller, Gate, Session, decide};
use crate::app::Shared;
use crate::error::Error;
use crate::routes::Permission;

/// Who sent these headers from there.
pub(crate) async fn authenticate(
    shared: &Shared,
    headers: &HeaderMap,
    from: Option<IpAddr>,
) -> Result<Caller, Error> {
    let Some(gate) = &shared.gate else { return Ok(Caller::Everyone) };
    if !headers.contains_key(header::AUTHORIZATION) {
        return session(shared, gate, headers).await;
    }
    let secret = bearer(headers).unwrap_or_default();
    let Some(caller) = token(shared, gate, secret).await? else {
        let now = shared.world.now();
        if let Some(wait_s) = gate.limiter.wait_s(from, now) {
            return Err(too_many(wait_s));
        }
        gate.limiter.failed(from, now);
        let shown = if secret.is_empty() { Shown::NoToken } else { Shown::WrongToken };
        return Err(decide::unknown(shared, Some(shown.what())));
    };
    Ok(caller)
}

/// What was wrong with an `Authorization` header.
enum Shown {
    NoToken,
    WrongToken,
}

impl Shown {
    fn what(&self) -> &'static str {
        match self {
            Self::NoToken => "The Authorization header is not of the form `Bearer TOKEN`.",
            Self::WrongToken => {
                "This token is not known: it was mistyped or deleted, or is of another server."
            }
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    let (scheme, secret) = value.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer") && values.next().is_none();
    is_bearer.then(|| secret.trim()).filter(|secret| !secret.is_empty())
}

async fn token(shared: &Shared, gate: &Gate, secret: &str) -> Result<Option<Caller>, Error> {
    if matches(secret, &gate.admin_hash) {
        return Ok(Some(Caller::Admin));
    }
    let Some(id) = id_of(secret) else { return Ok(None) };
    let row = shared.store.api_token_by_id(id).await?;
    let row = row.filter(|row| matches(secret, &row.hash));
    Ok(row.and_then(|row| {
        let role = row.role.parse().ok()?;
        Some(Caller::Token { id, namespace: row.namespace, name: row.name, role })
    }))
}

async fn session(shared: &Shared, gate: &Gate, headers: &HeaderMap) -> Result<Caller, Error> {
    let Some(oidc) = &gate.oidc else { return Ok(Caller::Nobody) };
    let Some(secret) = Cookie::Session.read(headers, &oidc.settings.public_url) else {
        return Ok(Caller::Nobody);
    };
    let hash = hash(secret);
    Ok(session_of(shared, &hash).await?.unwrap_or(Caller::Nobody))
}

async fn session_of(shared: &Shared, hash: &str) -> Result<Option<Caller>, Error> {
    let stored = shared.store.session(hash, shared.world.now()).await?;
    let session: Option<Session> = stored.and_then(|doc| serde_json::from_str(&doc).ok());
    Ok(session.map(|session| Caller::Person { session, hash: hash.to_owned() }))
}

impl Caller {
    /// Whether they may still do this in a namespace; not when nobody can say. For answers that go on for long.
    pub(crate) async fn may_still(
        &self,
        shared: &Shared,
        ns: &str,
        resource: Resource,
        access: Access,
    ) -> bool {
        if *self == Self::Everyone {
            return true;
        }
        let Ok(Some(caller)) = self.again(shared).await else { return false };
        let Ok(Some(room)) = shared.room(ns).await else { return false };
        let place = decide::Place { name: Some(ns), namespace: Some(&room.namespace) };
        let permission = Permission::Namespaced { resource, access };
        decide::decide(shared, &caller, permission, place).is_ok()
    }

    /// The same caller as of now; `None` when what they showed is no longer good. For answers that go on for long.
    pub(crate) async fn again(&self, shared: &Shared) -> Result<Option<Self>, Error> {
        match self {
            Self::Everyone | Self::Nobody | Self::Admin => Ok(Some(self.clone())),
            Self::Token { id, .. } => {
                let is_there = shared.store.api_token_by_id(*id).await?.is_some();
                Ok(is_there.then(|| self.clone()))
            }
            Self::Person { hash, .. } => session_of(shared, hash).await,
        }
    }
}

/// 429: too many failures came from there.
pub(crate) fn too_many(wait_s: u16) -> Error {
    let message = format!(
        "Too many failed attempts to log in. Try again in {wait_s} s, or at once with a token that is good."
    );
    Error::new(StatusCode::TOO_MANY_REQUESTS, message).retry_after(wait_s)
}
