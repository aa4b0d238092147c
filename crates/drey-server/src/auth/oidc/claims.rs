//! What an ID token says, once everything about it was checked (OpenID Connect Core §3.1.3.7).
//!
//! Times are checked here, against the server's own clock, and not by the library, which reads the machine's.

use drey_model::namespace::Member;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::auth::secret::same;
use crate::auth::{OidcSettings, Session};

/// How far the provider's clock may be off, in seconds.
const LEEWAY_S: i64 = 60;
/// Groups of one person that count.
const GROUPS_MAX: usize = 500;
/// The signatures that are accepted. `none` and those with a shared secret are not among them.
pub(super) const ALGORITHMS: [Algorithm; 2] = [Algorithm::RS256, Algorithm::ES256];

#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Value,
    exp: f64,
    iat: f64,
    #[serde(default)]
    azp: Option<String>,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// The person that a token tells of, or why it does not count.
pub(super) fn verified(
    token: &str,
    key: &Jwk,
    settings: &OidcSettings,
    nonce: &str,
    now: Timestamp,
) -> Result<Session, String> {
    let header = decode_header(token).map_err(|e| format!("the ID token has no header: {e}"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(format!("the ID token is signed with {:?}; RS256 and ES256 count", header.alg));
    }
    let mut validation = Validation::new(header.alg);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let key = DecodingKey::from_jwk(key).map_err(|e| format!("the key cannot be used: {e}"))?;
    let decoded = decode::<Claims>(token, &key, &validation);
    let claims = decoded.map_err(|e| format!("the ID token cannot be trusted: {e}"))?.claims;
    check(&claims, settings, nonce, now)?;
    session(&claims, settings, now)
}

fn check(
    claims: &Claims,
    settings: &OidcSettings,
    nonce: &str,
    now: Timestamp,
) -> Result<(), String> {
    if claims.iss != settings.issuer {
        return Err(format!("the ID token is of issuer {:?}", claims.iss));
    }
    let audiences: Vec<&str> = match &claims.aud {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let authorized = claims.azp.as_deref();
    let is_for_us = audiences.contains(&settings.client_id.as_str())
        && (audiences.len() == 1 || authorized.is_some())
        && authorized.is_none_or(|azp| azp == settings.client_id);
    if !is_for_us {
        return Err(format!("the ID token is for {audiences:?} ({authorized:?})"));
    }
    let now_s = now.as_second() as f64;
    if claims.exp + LEEWAY_S as f64 <= now_s {
        return Err("the ID token has expired".to_owned());
    }
    if claims.iat - LEEWAY_S as f64 > now_s {
        return Err("the ID token is of the future: the clocks differ".to_owned());
    }
    if !claims.nonce.as_deref().is_some_and(|given| same(given, nonce)) {
        return Err("the ID token is not of this login: its nonce differs".to_owned());
    }
    Ok(())
}

fn session(claims: &Claims, settings: &OidcSettings, now: Timestamp) -> Result<Session, String> {
    let text = |name: &str| match name {
        "sub" => Some(claims.sub.as_str()),
        other => claims.others.get(other).and_then(Value::as_str),
    };
    let claim = settings.user_claim.as_str();
    let user = text(claim).ok_or_else(|| format!("the ID token has no claim {claim:?}"))?;
    let is_unverified = claims.others.get("email_verified") != Some(&Value::Bool(true));
    if claim == "email" && is_unverified {
        return Err("the provider has not verified the email address".to_owned());
    }
    if format!("user:{user}").parse::<Member>().is_err() {
        return Err(format!("claim {claim:?} cannot be the id of a user"));
    }
    let groups = match claims.others.get(&settings.groups_claim) {
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(one)) => vec![one.as_str()],
        _ => Vec::new(),
    };
    let display_name = ["name", "preferred_username", "email"].iter().find_map(|name| text(name));
    let lasts = SignedDuration::from_hours(i64::from(settings.session_hours));
    Ok(Session {
        user: user.to_owned(),
        display_name: display_name.unwrap_or(user).to_owned(),
        groups: groups.into_iter().take(GROUPS_MAX).map(str::to_owned).collect(),
        expires_at: now.saturating_add(lasts).unwrap_or(Timestamp::MAX),
    })
}
