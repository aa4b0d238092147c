//! Logging in with an OpenID Connect provider: Authorization Code with PKCE (S256), state and nonce.
//!
//! ```text
//! /auth/login ──► provider's page ──► /auth/callback?code&state ──► token endpoint ──► ID token ──► Session
//!    cookie: one random secret;         same secret? not too old?      code + verifier    signature, issuer, audience,
//!    state, nonce, verifier follow                                                        nonce, times
//! ```
//!
//! A login under way is kept in the browser's cookie alone: state, nonce and verifier are derived from its secret, so
//! nobody can fill our memory by beginning logins, and any replica can finish one. The code is spent at the provider;
//! the cookie is taken back with the first answer.

mod claims;
mod login;
mod provider;

use axum::http::StatusCode;
use jiff::Timestamp;
use url::Url;

pub(crate) use login::{LOGIN_S_MAX, Login};

use super::OidcSettings;
use super::Session;
use crate::error::Error;
use provider::Provider;

/// Where the provider sends browsers back to, below the public address.
pub(crate) const CALLBACK: &str = "/auth/callback";

/// A provider and what we have agreed upon with it.
pub(crate) struct Oidc {
    pub(crate) settings: OidcSettings,
    provider: Provider,
}

impl Oidc {
    pub(crate) fn new(settings: OidcSettings) -> Self {
        let provider = Provider::new(settings.issuer.clone());
        Self { settings, provider }
    }

    /// Where to send a browser so that its user logs in.
    pub(crate) async fn begin(&self, login: &Login, now: Timestamp) -> Result<Url, Error> {
        let metadata = self.provider.metadata(now).await?;
        let mut url = metadata.authorization_endpoint;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.redirect_uri())
            .append_pair("scope", &self.settings.scopes.join(" "))
            .append_pair("state", &login.state())
            .append_pair("nonce", &login.nonce())
            .append_pair("code_challenge", &login.challenge())
            .append_pair("code_challenge_method", "S256");
        Ok(url)
    }

    /// Who logged in, from what the provider sent the browser back with.
    pub(crate) async fn finish(
        &self,
        login: &Login,
        code: &str,
        now: Timestamp,
    ) -> Result<Session, Error> {
        let redirect_uri = self.redirect_uri();
        let exchange = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &redirect_uri),
            ("code_verifier", &login.verifier()),
        ];
        let id_token = self.provider.redeem(&self.settings, &exchange, now).await?;
        let key = self.provider.key(&id_token, now).await?;
        let found = claims::verified(&id_token, &key, &self.settings, &login.nonce(), now);
        found.map_err(|why| refused("The identity provider's answer cannot be accepted.", &why))
    }

    fn redirect_uri(&self) -> String {
        format!("{}{CALLBACK}", self.settings.public_url.as_str().trim_end_matches('/'))
    }
}

/// 401: this login leads nowhere. `why` goes to the log only: it may tell of the provider what users need not know.
pub(crate) fn refused(what: &str, why: &str) -> Error {
    let message = format!("{what} Nobody was logged in. Start again at /auth/login.");
    Error::new(StatusCode::UNAUTHORIZED, message).because(Why(why.to_owned()))
}

/// A reason for the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Why(String);
