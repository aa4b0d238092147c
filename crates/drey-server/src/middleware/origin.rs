//! Pages of other sites may not use this server through their visitors' browsers.
//!
//! These headers, which a browser sets and a page cannot, tell its requests from the user's own. Programs (curl, `drey`,
//! the platform's clients) send none of them. Without access control they are all there is; with it, they are what makes
//! the cookie of a session count for changes: then one of them must be there ([`is_from_our_page`]).
//!
//! ```text
//! Host            must name this server                                every request
//! Sec-Fetch-Site  may not be cross-site                                requests that can change something
//! Origin          must be this server (or a name it was given)         requests that can change something
//! ```
//!
//! Reading is left to the browser: without CORS headers from us, a page of another site never sees an answer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::Shared;
use crate::error::Error;
use crate::hosts::Hosts;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Characters of a client's header that a message repeats.
const SHOWN_CHARS_MAX: usize = 100;
/// Segments of the path of a dashboard's first page: `/flink-ui/v1/namespaces/{ns}/jobs/{jobId}/`.
const DASHBOARD_SEGMENTS: usize = 6;

/// 403 for a request that only a page of another site sends.
pub(crate) async fn same_origin(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    match check(&shared.hosts, request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

fn check(hosts: &Hosts, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Error> {
    let named: Vec<&str> = uri
        .authority()
        .map(axum::http::uri::Authority::as_str)
        .into_iter()
        .chain(headers.get_all(header::HOST).iter().map(|value| value.to_str().unwrap_or("")))
        .collect();
    if let Some(other) = named.iter().find(|name| !hosts.answer_to(name)) {
        return Err(misdirected(other));
    }
    if !can_change(method, uri.path()) {
        return Ok(());
    }
    let origin = headers.get(header::ORIGIN).map(|value| value.to_str().unwrap_or(""));
    let is_ours = origin.map(|origin| is_ours(hosts, origin, named.first().copied()));
    let site = headers.get(SEC_FETCH_SITE).map_or(&b""[..], |value| value.as_bytes());
    let is_foreign = match site {
        b"cross-site" => true,
        b"same-site" => is_ours != Some(true),
        _ => is_ours == Some(false),
    };
    if is_foreign { Err(foreign(origin)) } else { Ok(()) }
}

/// Whether the browser says that a page of this server sent the request. Silence is no word.
pub(crate) fn is_from_our_page(hosts: &Hosts, uri: &Uri, headers: &HeaderMap) -> bool {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    let host = uri.authority().map(axum::http::uri::Authority::as_str);
    let host = host.or_else(|| text(&header::HOST));
    if let Some(origin) = text(&header::ORIGIN) {
        return is_ours(hosts, origin, host);
    }
    match text(&SEC_FETCH_SITE) {
        Some(site) => site == "same-origin",
        // Over plain http browsers leave it out.
        None => text(&header::REFERER).is_some_and(|page| is_ours(hosts, page, host)),
    }
}

/// Flink changes things upon GET too (`jobs/{id}/yarn-cancel`), so of its dashboard other sites may only link to the
/// first page.
fn can_change(method: &Method, path: &str) -> bool {
    let is_safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let is_flinks = segments.clone().next() == Some("flink-ui");
    !is_safe || (is_flinks && segments.nth(DASHBOARD_SEGMENTS).is_some())
}

/// Whether an `Origin` is where the request goes, ports included; behind a proxy that renames the host, whether it is
/// a name that this server was given.
fn is_ours(hosts: &Hosts, origin: &str, host: Option<&str>) -> bool {
    let Ok(origin) = origin.parse::<Uri>() else { return false };
    let (Some(scheme), Some(theirs)) = (origin.scheme_str(), origin.authority()) else {
        return false;
    };
    let default = if scheme == "https" { 443 } else { 80 };
    let ours = host.and_then(|host| host.parse::<axum::http::uri::Authority>().ok());
    let is_same = ours.is_some_and(|ours| {
        ours.host().eq_ignore_ascii_case(theirs.host())
            && ours.port_u16().unwrap_or(default) == theirs.port_u16().unwrap_or(default)
    });
    is_same || hosts.name(theirs.as_str())
}

fn misdirected(host: &str) -> Error {
    let host: String = host.chars().take(SHOWN_CHARS_MAX).collect();
    Error::new(
        StatusCode::FORBIDDEN,
        format!(
            "This server does not answer to the host name {host:?}, so that no web page can reach it under a name of \
             its own. Use localhost or 127.0.0.1. A name that is meant for it is given with `drey serve --host-name`."
        ),
    )
}

fn foreign(origin: Option<&str>) -> Error {
    let origin = origin.unwrap_or("unknown");
    let origin: String = origin.chars().take(SHOWN_CHARS_MAX).collect();
    Error::new(
        StatusCode::FORBIDDEN,
        format!(
            "A browser sent this for a page of another site (origin {origin:?}), and such pages may not change \
             anything here. Nothing was changed. If a proxy stands before this server, give it the name that browsers \
             see with `drey serve --host-name`."
        ),
    )
}
