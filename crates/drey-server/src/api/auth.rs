//! `/auth/…`: how people log in and out with a browser, and who a caller is.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use drey_model::role::Role;
use schemars::JsonSchema;
use serde::Serialize;

use super::namespaces::EmptyResponse;
use crate::app::Shared;
use crate::audit::{self, Entry};
use crate::auth::oidc::{CALLBACK, LOGIN_S_MAX, Login, Oidc, refused};
use crate::auth::{Caller, Cookie, Gate, Session, hash, random_text, too_many};
use crate::error::Error;
use crate::middleware::Address;
use crate::wire::{Params, Reply};

type App = State<Arc<Shared>>;

/// Who a caller is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Me {
    /// Whether callers must say who they are at all.
    is_access_controlled: bool,
    /// Where people log in with a browser; absent when there is no identity provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    login: Option<&'static str>,
    /// `user:<id>`, `apitoken:<namespace>/<name>`, `admin-token`, `everyone` or `nobody`.
    name: String,
    /// What to call a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    /// Whether the caller manages namespaces.
    is_admin: bool,
    /// The namespaces in which the caller has roles.
    namespaces: Vec<Membership>,
}

/// The roles of a caller in a namespace.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Membership {
    /// The namespace's short name.
    name: String,
    /// `viewer`, `editor`, `owner`.
    roles: Vec<Role>,
}

/// `GET /auth/me`.
pub(crate) async fn me(
    State(shared): App,
    Extension(caller): Extension<Caller>,
) -> Result<Reply, Error> {
    let gate = shared.gate.as_ref();
    let admins = gate.map_or(&[][..], |gate| &gate.settings.admins);
    let mut namespaces = Vec::new();
    for namespace in shared.all_rooms().await? {
        let mut roles = caller.roles(Some(&namespace), admins);
        roles.retain(|role| *role != Role::Admin);
        if !roles.is_empty() {
            namespaces.push(Membership { name: namespace.short_name().to_owned(), roles });
        }
    }
    let display_name = match &caller {
        Caller::Person { session, .. } => Some(session.display_name.clone()),
        Caller::Everyone | Caller::Nobody | Caller::Admin | Caller::Token { .. } => None,
    };
    Ok(Reply::ok(Me {
        is_access_controlled: gate.is_some(),
        login: gate.and_then(|gate| gate.oidc.as_ref()).map(|_| "/auth/login"),
        name: caller.name(),
        display_name,
        is_admin: caller.roles(None, admins).contains(&Role::Admin),
        namespaces,
    }))
}

/// `GET /auth/login?next=`: to the provider.
pub(crate) async fn login(State(shared): App, params: Params) -> Result<Response, Error> {
    let (_, oidc) = provider(&shared)?;
    let now = shared.world.now();
    let login = Login::begin(params.text("next"), now);
    let login = login.ok_or_else(|| Error::unavailable("The system has no randomness."))?;
    let place = oidc.begin(&login, now).await?;
    let cookie = Cookie::Login.write(&login.cookie(), LOGIN_S_MAX, &oidc.settings.public_url);
    Ok(led_to(place.as_str(), [cookie]))
}

/// `GET /auth/callback`: from the provider, in or not.
pub(crate) async fn callback(
    State(shared): App,
    params: Params,
    head: Parts,
) -> Result<Response, Error> {
    let (gate, oidc) = provider(&shared)?;
    let from = head.extensions.get::<Address>().and_then(|address| address.0);
    let now = shared.world.now();
    if let Some(wait_s) = gate.logins.wait_s(from, now) {
        return Err(too_many(wait_s));
    }
    let public_url = &oidc.settings.public_url;
    let cookie = Cookie::Login.read(&head.headers, public_url);
    let login = cookie.and_then(|cookie| Login::read(cookie, now));
    let done = match enter(&shared, oidc, login.as_ref(), &params).await {
        Ok(done) => done,
        Err(error) => {
            if error.status() == StatusCode::UNAUTHORIZED {
                gate.logins.failed(from, now);
                audit::refused(
                    &shared,
                    Entry::of(&head, Caller::Nobody.name(), CALLBACK),
                    error.status(),
                )
                .await;
            }
            return Err(match Cookie::Login.write("", 0, public_url) {
                Some(spent) => error.with_header(header::SET_COOKIE, spent),
                None => error,
            });
        }
    };
    let (session, secret) = done;
    let actor = format!("user:{}", session.user);
    tracing::info!(user = session.user, "somebody logged in");
    audit::noted(&shared, Entry::of(&head, actor, CALLBACK), StatusCode::FOUND).await?;
    let lasts_s = session.expires_at.as_second() - now.as_second();
    let cookies = [
        Cookie::Session.write(&secret, lasts_s, public_url),
        Cookie::Login.write("", 0, public_url),
    ];
    Ok(led_to(login.as_ref().map_or("/", Login::next), cookies))
}

/// `POST /auth/logout`.
pub(crate) async fn logout(
    State(shared): App,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Error> {
    if let Caller::Person { hash, .. } = &caller {
        shared.store.close_session(hash).await?;
    }
    let mut response = Reply::ok(EmptyResponse {}).into_response();
    let oidc = shared.gate.as_ref().and_then(|gate| gate.oidc.as_ref());
    let spent = oidc.and_then(|oidc| Cookie::Session.write("", 0, &oidc.settings.public_url));
    response.headers_mut().extend(spent.map(|value| (header::SET_COOKIE, value)));
    Ok(response)
}

/// Opens a session for whom the provider sent; the session and its secret.
async fn enter(
    shared: &Shared,
    oidc: &Oidc,
    login: Option<&Login>,
    params: &Params,
) -> Result<(Session, String), Error> {
    let Some(login) = login else {
        let why = "no cookie of a login, or it is older than ten minutes";
        return Err(refused("No login is under way in this browser, or it took too long.", why));
    };
    if !params.text("state").is_some_and(|state| login.has_state(state)) {
        return Err(refused("This answer does not belong to the login of this browser.", "state"));
    }
    if params.text("iss").is_some_and(|issuer| issuer != oidc.settings.issuer) {
        return Err(refused("This answer is of another identity provider.", "iss"));
    }
    let Some(code) = params.text("code") else {
        let said = params.text("error").unwrap_or("no code");
        let said: String = said.chars().take(100).filter(char::is_ascii_graphic).collect();
        let what = format!("The identity provider says {said:?}.");
        return Err(refused(&what, "no code"));
    };
    let session = oidc.finish(login, code, shared.world.now()).await?;
    let secret = random_text();
    let secret = secret.ok_or_else(|| Error::unavailable("The system has no randomness."))?;
    let doc = serde_json::to_string(&session)
        .map_err(|e| Error::internal("The session cannot be stored.", e.to_string()))?;
    shared.store.open_session(&hash(&secret), &doc, session.expires_at).await?;
    Ok((session, secret))
}

fn provider(shared: &Shared) -> Result<(&Gate, &Oidc), Error> {
    let found = shared.gate.as_ref().and_then(|gate| Some((gate, gate.oidc.as_ref()?)));
    found.ok_or_else(|| {
        Error::not_found(
            "Nobody logs in here with a browser: no identity provider is configured. Use an API token.",
        )
    })
}

/// 302 with cookies; nothing on the way keeps it.
fn led_to<const N: usize>(place: &str, cookies: [Option<HeaderValue>; N]) -> Response {
    let mut response = StatusCode::FOUND.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.extend(HeaderValue::from_str(place).ok().map(|place| (header::LOCATION, place)));
    for cookie in cookies.into_iter().flatten() {
        headers.append(header::SET_COOKIE, cookie);
    }
    response
}
