//! `/flink-ui/v1/namespaces/{ns}/jobs/{jobId}/…`: Flink's own dashboard and REST API, passed through.
//!
//! The only place that a request can be sent to is the JobManager of a Job that the store knows, at the address that
//! the backend names; nothing in the request chooses a host. Bodies stream both ways. What identifies the user to Drey
//! (cookies, `Authorization`) never reaches Flink, and Flink cannot set cookies on Drey's origin. Flink's pages use
//! relative URLs, so they work under a prefix.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use drey_model::Kind;
use drey_model::causes::causes;
use reqwest::{Client, Url, redirect};
use uuid::Uuid;

use crate::app::Shared;
use crate::error::Error;
use crate::middleware::Untouched;
use crate::ops::cluster_of;

/// Until the JobManager accepts the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Until its answer begins.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// Segments before the part of the path that Flink sees: `/flink-ui/v1/namespaces/{ns}/jobs/{jobId}/`.
const PREFIX_SEGMENTS: usize = 7;

/// Headers that belong to one connection, and those that identify the user to us.
const NOT_FORWARDED: [HeaderName; 12] = [
    header::CONNECTION,
    header::HOST,
    header::COOKIE,
    header::SET_COOKIE,
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// The client towards JobManagers.
#[derive(Debug)]
pub(crate) struct Proxy(Option<Client>);

impl Proxy {
    /// A client that follows no redirects and heeds no proxy of the environment.
    pub(crate) fn new() -> Self {
        let builder = Client::builder().connect_timeout(CONNECT_TIMEOUT).no_proxy();
        let client = builder.redirect(redirect::Policy::none()).build();
        if let Err(e) = &client {
            tracing::error!(error = causes(e), "no client for the Flink UI proxy");
        }
        Self(client.ok())
    }
}

/// `…/jobs/{jobId}` → `…/jobs/{jobId}/`, which relative URLs need.
pub(crate) async fn root(request: Request) -> Response {
    let uri = request.uri();
    let query = uri.query().map(|q| format!("?{q}")).unwrap_or_default();
    let location = format!("{}/{query}", uri.path());
    (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, location)]).into_response()
}

/// Passes a request on to the Job's JobManager.
pub(crate) async fn pass(
    State(shared): State<Arc<Shared>>,
    Path(params): Path<Vec<(String, String)>>,
    request: Request,
) -> Result<Response, Error> {
    let param = |name: &str| params.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
    let job = shared.object_by_id(Kind::Job, param("ns"), param("jobId")).await?;
    let base = shared.handle.flink_rest(cluster_of(&job)).await.ok_or_else(|| not_up(job.id))?;
    let outgoing = outgoing(&base, request)?;
    let prefix = outgoing.prefix.clone();
    let answer = shared.proxy.send(outgoing, job.id).await?;
    Ok(incoming(answer, &base, &prefix))
}

fn not_up(job_id: Uuid) -> Error {
    Error::unavailable(format!(
        "Flink's dashboard of Job {job_id} cannot be shown: its cluster is not up. It is there while the Job is \
         STARTED; the Job's status says where it stands."
    ))
}

/// A request as Flink should see it.
struct Outgoing {
    url: Url,
    prefix: String,
    request: Request,
}

/// The same path and query below `base`, whose host cannot be changed by either.
fn outgoing(base: &str, request: Request) -> Result<Outgoing, Error> {
    let path = request.uri().path().to_owned();
    let mut cut = path.match_indices('/').map(|(at, _)| at).skip(PREFIX_SEGMENTS - 1);
    let (prefix, rest) = cut.next().map_or((path.as_str(), ""), |at| path.split_at(at));
    let query = request.uri().query().map(|q| format!("?{q}")).unwrap_or_default();
    let url = Url::parse(&format!("{}{rest}{query}", base.trim_end_matches('/'))).ok();
    let expected = Url::parse(base).ok();
    let same_host = url.as_ref().map(Url::origin) == expected.as_ref().map(Url::origin);
    let url = url.filter(|_| same_host);
    let url = url.ok_or_else(|| Error::bad_request("Flink's dashboard has no such path."))?;
    Ok(Outgoing { url, prefix: prefix.to_owned(), request })
}

impl Proxy {
    async fn send(&self, outgoing: Outgoing, job_id: Uuid) -> Result<reqwest::Response, Error> {
        let Some(client) = &self.0 else {
            return Err(Error::unavailable(
                "The Flink UI proxy could not be set up; the log has the reason.",
            ));
        };
        let (parts, body) = outgoing.request.into_parts();
        let has_body = parts.headers.contains_key(header::CONTENT_LENGTH)
            || parts.headers.contains_key(header::TRANSFER_ENCODING);
        let mut request = client.request(parts.method, outgoing.url);
        request = request.headers(forwarded(&parts.headers));
        if has_body {
            request = request.body(reqwest::Body::wrap_stream(body.into_data_stream()));
        }
        match tokio::time::timeout(HEAD_TIMEOUT, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(e)) => Err(no_answer(job_id).because(e.without_url())),
            Err(_) => Err(no_answer(job_id)),
        }
    }
}

fn no_answer(job_id: Uuid) -> Error {
    Error::unavailable(format!(
        "No answer from the JobManager of Job {job_id}. Its cluster may be starting, ending or out of reach; the \
         Job's status says which is known."
    ))
}

/// Headers that may cross, in either direction.
fn forwarded(headers: &HeaderMap) -> HeaderMap {
    let named = headers.get_all(header::CONNECTION).iter().filter_map(|v| v.to_str().ok());
    let named: Vec<String> =
        named.flat_map(|v| v.split(',')).map(|n| n.trim().to_ascii_lowercase()).collect();
    let may_cross = |name: &HeaderName| {
        !NOT_FORWARDED.contains(name) && !named.iter().any(|n| n == name.as_str())
    };
    let crossing = headers.iter().filter(|(name, _)| may_cross(name));
    crossing.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Flink's answer as the client should see it.
fn incoming(answer: reqwest::Response, base: &str, prefix: &str) -> Response {
    let status = answer.status();
    let mut headers = forwarded(answer.headers());
    if let Some(location) = headers.get(header::LOCATION) {
        let moved = location.to_str().ok().and_then(|l| moved(l, base, prefix));
        match moved.and_then(|l| HeaderValue::from_str(&l).ok()) {
            Some(value) => headers.insert(header::LOCATION, value),
            None => headers.remove(header::LOCATION),
        };
    }
    let mut response = Response::new(Body::from_stream(answer.bytes_stream()));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response.extensions_mut().insert(Untouched);
    response
}

/// A redirect of Flink, below our prefix; `None` when it leads elsewhere.
fn moved(location: &str, base: &str, prefix: &str) -> Option<String> {
    let base = base.trim_end_matches('/');
    let rest = match location.strip_prefix(base) {
        Some(rest) => rest,
        None if location.starts_with("//") || location.contains("://") => return None,
        None => location,
    };
    match rest.as_bytes().first() {
        None => Some(format!("{prefix}/")),
        Some(b'/') => Some(format!("{prefix}{rest}")),
        Some(b'?' | b'#') => Some(rest.to_owned()),
        // After the base, only a path may follow: `http://host:80` is not a prefix of `http://host:8081`.
        Some(_) if location.len() != rest.len() => None,
        Some(_) => Some(rest.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_below_the_prefix_or_vanish() {
        let at = |location: &str| moved(location, "http://h:80", "/p/j");
        assert_eq!(at("http://h:80/x?y=1").as_deref(), Some("/p/j/x?y=1"));
        assert_eq!(at("/x").as_deref(), Some("/p/j/x"));
        assert_eq!(at("http://h:80").as_deref(), Some("/p/j/"));
        assert_eq!(at("../x").as_deref(), Some("../x"));
        assert_eq!(at("http://h:8081/x"), None);
        assert_eq!(at("//evil/x"), None);
        assert_eq!(at("https://evil/x"), None);
    }

    #[test]
    fn no_path_can_choose_the_host() {
        for rest in ["", "/", "/..%2f..", "/@evil:1/", "//evil:1/", "/\\evil", "/.%2e/x"] {
            let uri = format!("/flink-ui/v1/namespaces/default/jobs/j{rest}");
            let Ok(request) = Request::builder().uri(uri.as_str()).body(Body::empty()) else {
                continue;
            };
            let made = outgoing("http://h:80", request).expect("a URL of the same host");
            assert_eq!(made.url.host_str(), Some("h"), "{rest}");
            assert_eq!(made.prefix, "/flink-ui/v1/namespaces/default/jobs/j");
        }
    }

    #[test]
    fn what_identifies_the_user_stays_here() {
        let mut headers = HeaderMap::new();
        for name in ["cookie", "authorization", "connection", "x-private", "accept"] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("x-private"));
        }
        let crossing: Vec<String> = forwarded(&headers).keys().map(ToString::to_string).collect();
        assert_eq!(crossing, ["accept"]);
    }
}
