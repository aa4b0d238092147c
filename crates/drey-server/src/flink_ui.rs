//! `/flink-ui/v1/namespaces/{ns}/jobs/{jobId}/…`: Flink's own dashboard and REST API, passed through.
//!
//! The only place that a request can be sent to is the JobManager of a Job that the store knows, at the address that
//! the backend names; nothing in the request chooses a host. Bodies stream both ways. What identifies the user to Drey
//! (cookies, `Authorization`) never reaches Flink, and Flink cannot set cookies on Drey's origin. Flink's pages use
//! relative URLs, so they work under a prefix.
//!
//! Whoever may run a job decides what its JobManager serves, and browsers take that for a page of ours. So where people
//! have sessions, each answer carries a policy that lets the page talk to its own prefix alone, and open nothing. What
//! would outlive a page or speak for all of the origin (service workers, headers that set rules for the browser) does not
//! pass, and redirects are resolved here, so that none leads out.
//!
//! Flink shows its configuration (`/config`, `/jobmanager/config`, logs, the JVM's options) and hides only the values of
//! keys that it holds for sensitive. Where a Job was launched with secrets, each answer is searched for their values
//! while it streams, and shows `******` instead.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use drey_model::Kind;
use drey_model::causes::causes;
use drey_model::secret::mask::{Mask, Masking};
use futures::{Stream, StreamExt};
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

/// Headers of Flink's answers that reach the browser.
const ANSWERED: [HeaderName; 16] = [
    header::ACCEPT_RANGES,
    header::ALLOW,
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_SECURITY_POLICY,
    header::CONTENT_TYPE,
    header::DATE,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::LOCATION,
    header::RETRY_AFTER,
    header::VARY,
];

/// What a browser says of itself when it asks for the code of a service worker (Service Workers, W3C).
const SERVICE_WORKER: &str = "service-worker";

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
    if request.headers().contains_key(SERVICE_WORKER) {
        return Err(no_service_worker());
    }
    let job = shared.object_by_id(Kind::Job, param("ns"), param("jobId")).await?;
    let cluster = cluster_of(&job);
    let base = shared.handle.flink_rest(cluster).await.ok_or_else(|| not_up(job.id))?;
    let mask =
        shared.handle.mask(cluster).await.map_err(|error| unmasked(job.id).because(error))?;
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.unwrap_or_default().to_owned();
    let mut outgoing = outgoing(&base, request)?;
    if !mask.is_empty() {
        // What is compressed or begins in the middle cannot be searched.
        for name in [header::ACCEPT_ENCODING, header::RANGE, header::IF_RANGE] {
            outgoing.request.headers_mut().remove(name);
        }
    }
    let (asked, prefix) = (outgoing.url.clone(), outgoing.prefix.clone());
    let answer = shared.proxy.send(outgoing, job.id).await?;
    if !mask.is_empty() && answer.headers().contains_key(header::CONTENT_ENCODING) {
        return Err(unmasked(job.id));
    }
    let mut response = incoming(answer, &asked, &prefix, mask);
    if shared.gate.as_ref().is_some_and(|gate| gate.oidc.is_some()) {
        fence(response.headers_mut(), &host, &prefix);
    }
    Ok(response)
}

fn no_service_worker() -> Error {
    let message = "Pages of Flink's dashboard may not register service workers here: one would speak for all of this server.";
    Error::new(StatusCode::FORBIDDEN, message)
}

fn unmasked(job_id: Uuid) -> Error {
    Error::unavailable(format!(
        "Flink's dashboard of Job {job_id} cannot be shown: it may show the secrets that the Job was launched with, and \
         they cannot be hidden at the moment."
    ))
}

/// Keeps a page within its prefix: what it fetches, where it sends forms, what it frames or opens; and a page that opened
/// it out of its reach.
fn fence(headers: &mut HeaderMap, host: &str, prefix: &str) {
    // Without a host that can stand in a policy, the page may talk to nobody.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    let own = match !host.is_empty() && host.chars().all(is_plain) {
        true => format!("{host}{prefix}/"),
        false => "'none'".to_owned(),
    };
    let policy = format!(
        "connect-src {own}; form-action {own}; frame-src 'none'; object-src 'none'; \
         sandbox allow-scripts allow-same-origin allow-forms allow-downloads"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        // Beside one of Flink's, not instead: browsers heed both.
        headers.append(header::CONTENT_SECURITY_POLICY, policy);
    }
    let opener = HeaderName::from_static("cross-origin-opener-policy");
    headers.insert(opener, HeaderValue::from_static("same-origin"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
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
fn incoming(answer: reqwest::Response, asked: &Url, prefix: &str, mask: Mask) -> Response {
    let status = answer.status();
    let crossing = forwarded(answer.headers());
    let passing = crossing.iter().filter(|(name, _)| ANSWERED.contains(name));
    let mut headers: HeaderMap = passing.map(|(n, v)| (n.clone(), v.clone())).collect();
    if let Some(location) = headers.get(header::LOCATION) {
        let moved = location.to_str().ok().and_then(|l| moved(l, asked, prefix));
        match moved.and_then(|l| HeaderValue::from_str(&l).ok()) {
            Some(value) => headers.insert(header::LOCATION, value),
            None => headers.remove(header::LOCATION),
        };
    }
    let mut response = if mask.is_empty() {
        Response::new(Body::from_stream(answer.bytes_stream()))
    } else {
        // It may become shorter or longer.
        headers.remove(header::CONTENT_LENGTH);
        Response::new(Body::from_stream(masked(answer, mask)))
    };
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response.extensions_mut().insert(Untouched);
    response
}

/// The body without secrets.
fn masked(
    answer: reqwest::Response,
    mask: Mask,
) -> impl Stream<Item = Result<Bytes, reqwest::Error>> + Send {
    async_stream::try_stream! {
        let mut masking = Masking::new(Arc::new(mask));
        let mut pieces = answer.bytes_stream();
        while let Some(piece) = pieces.next().await {
            yield Bytes::from(masking.push(&piece?));
        }
        yield Bytes::from(masking.finish());
    }
}

/// A redirect of Flink, below our prefix; `None` when it leads elsewhere. Resolved as a browser would, so that nothing of
/// it can climb out of the prefix.
fn moved(location: &str, asked: &Url, prefix: &str) -> Option<String> {
    let target = asked.join(location).ok().filter(|target| target.origin() == asked.origin())?;
    let query = target.query().map(|q| format!("?{q}")).unwrap_or_default();
    let fragment = target.fragment().map(|f| format!("#{f}")).unwrap_or_default();
    Some(format!("{prefix}{}{query}{fragment}", target.path()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_below_the_prefix_or_vanish() {
        let asked = Url::parse("http://h:80/a/b?c=d").expect("a URL");
        let at = |location: &str| moved(location, &asked, "/p/j");
        assert_eq!(at("http://h:80/x?y=1#z").as_deref(), Some("/p/j/x?y=1#z"));
        assert_eq!(at("/x").as_deref(), Some("/p/j/x"));
        assert_eq!(at("x").as_deref(), Some("/p/j/a/x"));
        assert_eq!(at("http://h").as_deref(), Some("/p/j/"));
        for climbing in ["../../../../x", "/../../x", "/%2e%2e/../x", "\\..\\..\\x", "./.././../x"]
        {
            assert_eq!(at(climbing).as_deref(), Some("/p/j/x"), "{climbing}");
        }
        for elsewhere in
            ["http://h:8081/x", "//evil/x", "https://evil/x", "https://h:80/x", "\\\\evil/x"]
        {
            assert_eq!(at(elsewhere), None, "{elsewhere}");
        }
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
    fn a_page_of_a_job_is_kept_within_its_prefix() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("of-flink"));
        fence(&mut headers, "drey.example:8080", "/flink-ui/v1/namespaces/a/jobs/j");
        let policies: Vec<_> = headers.get_all(header::CONTENT_SECURITY_POLICY).iter().collect();
        assert_eq!(policies.len(), 2);
        let ours = policies[1].to_str().expect("text");
        let own = "connect-src drey.example:8080/flink-ui/v1/namespaces/a/jobs/j/;";
        assert!(ours.starts_with(own), "{ours}");
        assert!(ours.contains("frame-src 'none'") && !ours.contains("allow-popups"), "{ours}");
        let mut headers = HeaderMap::new();
        fence(&mut headers, "evil; connect-src *", "/p");
        let ours = headers[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(ours.starts_with("connect-src 'none';") && !ours.contains('*'), "{ours}");
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
