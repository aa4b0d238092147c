//! The provider's side: what it says of itself (discovery), its keys, and its token endpoint.
//!
//! Answers are kept for an hour. A token with a key that is not known has the keys fetched again, at most once a minute:
//! that is how keys rotate, and no stranger can have us knock without end, since tokens come from the provider itself.
//! A provider that does not answer is asked again after some seconds only; who comes meanwhile hears so at once.

use std::time::Duration;

use drey_model::causes::causes;
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::decode_header;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use reqwest::{Client, RequestBuilder, header, redirect};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use url::{Url, form_urlencoded};

use super::claims::ALGORITHMS;
use super::refused;
use crate::auth::OidcSettings;
use crate::error::Error;

/// For one answer of the provider.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of one answer.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// How long answers are kept.
const KEPT: SignedDuration = SignedDuration::from_hours(1);
/// Between two fetches of keys because of tokens with unknown ones.
const REFETCH: SignedDuration = SignedDuration::from_secs(60);

/// Between two attempts to ask a provider what it says of itself, from one beginning to the next: longer than
/// [`TIMEOUT`], so that those who waited for an answer in vain do not ask again one by one.
const RETRY: SignedDuration = SignedDuration::from_secs(15);

/// What the provider says of itself.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    pub(super) authorization_endpoint: Url,
    token_endpoint: Url,
    jwks_uri: Url,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

/// A provider, with what it said lately.
pub(super) struct Provider {
    issuer: String,
    client: Option<Client>,
    discovered: Mutex<Discovered>,
    keys: Mutex<Option<(JwkSet, Timestamp)>>,
}

/// What is remembered of the provider's word on itself.
#[derive(Default)]
struct Discovered {
    metadata: Option<(Metadata, Timestamp)>,
    /// When it was last asked in vain.
    silent_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
struct Published {
    keys: Vec<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct Redeemed {
    id_token: String,
}

impl Provider {
    pub(super) fn new(issuer: String) -> Self {
        let client = Client::builder().timeout(TIMEOUT).redirect(redirect::Policy::none()).build();
        if let Err(e) = &client {
            tracing::error!(error = causes(e), "no client for the identity provider");
        }
        let (discovered, keys) = (Mutex::default(), Mutex::default());
        Self { issuer, client: client.ok(), discovered, keys }
    }

    /// What the provider says of itself. One caller asks; the others wait for what it hears.
    pub(super) async fn metadata(&self, now: Timestamp) -> Result<Metadata, Error> {
        let mut kept = self.discovered.lock().await;
        if let Some((metadata, at)) = &kept.metadata
            && is_fresh(*at, now)
        {
            return Ok(metadata.clone());
        }
        if kept.silent_at.is_some_and(|at| now.duration_since(at).abs() < RETRY) {
            return Err(unreachable_provider("it did not answer a moment ago"));
        }
        let discovered = self.discover().await;
        kept.silent_at = discovered.is_err().then_some(now);
        let metadata = discovered?;
        kept.metadata = Some((metadata.clone(), now));
        Ok(metadata)
    }

    async fn discover(&self) -> Result<Metadata, Error> {
        let place =
            format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let metadata: Metadata = self.get(&place).await?;
        // Or one provider could answer for another (OpenID Connect Discovery §4.3).
        if metadata.issuer != self.issuer {
            let why = format!("{place} says that it is {:?}", metadata.issuer);
            return Err(unreachable_provider(&why));
        }
        let places =
            [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri];
        let is_tls = self.issuer.starts_with("https:");
        if let Some(plain) = places.iter().find(|url| is_tls && url.scheme() != "https") {
            return Err(unreachable_provider(&format!("{plain} is not https")));
        }
        Ok(metadata)
    }

    /// The key that a token says it is signed with.
    pub(super) async fn key(&self, token: &str, now: Timestamp) -> Result<Jwk, Error> {
        let header = decode_header(token);
        let header = header.map_err(|e| refused(NO_TOKEN, &format!("no ID token: {e}")))?;
        let mut kept = self.keys.lock().await;
        let known = kept.as_ref().filter(|(_, at)| is_fresh(*at, now));
        if let Some(key) = known.and_then(|(keys, _)| among(keys, header.kid.as_deref())) {
            return Ok(key);
        }
        let is_early = known.is_some_and(|(_, at)| now.duration_since(*at) < REFETCH);
        if !is_early {
            let jwks_uri = self.metadata(now).await?.jwks_uri;
            let published: Published = self.get(jwks_uri.as_str()).await?;
            // One key that we cannot read must not hide the others.
            let readable =
                published.keys.into_iter().filter_map(|k| serde_json::from_value(k).ok());
            *kept = Some((JwkSet { keys: readable.collect() }, now));
        }
        let found = kept.as_ref().and_then(|(keys, _)| among(keys, header.kid.as_deref()));
        found.ok_or_else(|| {
            refused(NO_TOKEN, &format!("the provider has no key {:?} for signatures", header.kid))
        })
    }

    /// The ID token for a code.
    pub(super) async fn redeem(
        &self,
        settings: &OidcSettings,
        exchange: &[(&str, &str)],
        now: Timestamp,
    ) -> Result<String, Error> {
        let metadata = self.metadata(now).await?;
        let request = self.redemption(settings, exchange, &metadata)?;
        let (status, body) = read(request).await?;
        if status.is_client_error() {
            // It may say invalid_grant (a code that is spent), or that our secret is wrong.
            let said: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
            let why = format!("the token endpoint answered {status}: {}", said["error"]);
            tracing::warn!(why, "a login failed");
            return Err(refused("The identity provider did not accept this login.", &why));
        }
        let redeemed: Redeemed = answer(status, &body, metadata.token_endpoint.as_str())?;
        Ok(redeemed.id_token)
    }

    /// The request for an ID token, with what proves who we are.
    fn redemption(
        &self,
        settings: &OidcSettings,
        exchange: &[(&str, &str)],
        metadata: &Metadata,
    ) -> Result<RequestBuilder, Error> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(exchange).append_pair("client_id", &settings.client_id);
        let mut request = self.client()?.post(metadata.token_endpoint.clone());
        if let Some(secret) = &settings.client_secret {
            if metadata.takes_basic() {
                let encoded = |text: &str| {
                    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
                };
                request = request.basic_auth(encoded(&settings.client_id), Some(encoded(secret)));
            } else {
                form.append_pair("client_secret", secret);
            }
        }
        let form_type = "application/x-www-form-urlencoded";
        Ok(request.header(header::CONTENT_TYPE, form_type).body(form.finish()))
    }

    async fn get<T: DeserializeOwned>(&self, place: &str) -> Result<T, Error> {
        let (status, body) = read(self.client()?.get(place)).await?;
        answer(status, &body, place)
    }

    fn client(&self) -> Result<&Client, Error> {
        self.client.as_ref().ok_or_else(|| unreachable_provider("the client could not be set up"))
    }
}

const NO_TOKEN: &str = "The identity provider's answer cannot be accepted.";

impl Metadata {
    /// Basic authentication, unless the provider names only other ways.
    fn takes_basic(&self) -> bool {
        let named = self.token_endpoint_auth_methods_supported.as_ref();
        named.is_none_or(|named| named.iter().any(|method| method == "client_secret_basic"))
    }
}

fn is_fresh(at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(at).abs() < KEPT
}

/// The key with this id; without an id, the only one there is.
fn among(keys: &JwkSet, id: Option<&str>) -> Option<Jwk> {
    let is_for_signatures = |key: &&Jwk| {
        let common = &key.common;
        let by_use = common.public_key_use.as_ref();
        let names = ALGORITHMS.map(|algorithm| format!("{algorithm:?}"));
        let by_algorithm = common.key_algorithm.as_ref().map(ToString::to_string);
        by_use.is_none_or(|of| *of == PublicKeyUse::Signature)
            && by_algorithm.is_none_or(|name| names.contains(&name))
    };
    let mut fitting = keys.keys.iter().filter(is_for_signatures);
    match id {
        Some(id) => fitting.find(|key| key.common.key_id.as_deref() == Some(id)).cloned(),
        None => fitting.next().filter(|_| fitting.next().is_none()).cloned(),
    }
}

async fn read(request: RequestBuilder) -> Result<(reqwest::StatusCode, Vec<u8>), Error> {
    let response = request.send().await.map_err(|e| unreachable_provider(&causes(&e)))?;
    let status = response.status();
    let (mut body, mut pieces) = (Vec::new(), response.bytes_stream());
    while let Some(piece) = pieces.next().await {
        body.extend_from_slice(&piece.map_err(|e| unreachable_provider(&causes(&e)))?);
        if body.len() > ANSWER_BYTES_MAX {
            return Err(unreachable_provider("its answer is too large"));
        }
    }
    Ok((status, body))
}

fn answer<T: DeserializeOwned>(
    status: reqwest::StatusCode,
    body: &[u8],
    place: &str,
) -> Result<T, Error> {
    if !status.is_success() {
        return Err(unreachable_provider(&format!("{place} answered {status}")));
    }
    serde_json::from_slice(body)
        .map_err(|e| unreachable_provider(&format!("{place} answered what cannot be read: {e}")))
}

/// 503: nothing is wrong with the login itself.
fn unreachable_provider(why: &str) -> Error {
    tracing::warn!(why, "the identity provider cannot be used");
    Error::unavailable(
        "The identity provider gives no answer that can be used; the server's log says why. Try again, or use a token.",
    )
}
