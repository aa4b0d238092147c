//! The REST client of the command line: one request, one answer, one way to fail.
//!
//! ```text
//! verb ──► Client::get / send / upload ──► Value ──typed──► drey_model
//!                    │ every failure becomes a Failure with its exit code
//!                    └ Drey-Warning headers go to stderr
//! ```
//!
//! Nothing is retried here. Only [`watch`] reconnects, because a watch has a place to go on from.

use std::time::Duration;

use bytes::Bytes;
use drey_model::explanation::Wait;
use drey_model::{
    ClusterState, Deployment, ErrorBody, Event, Explanation, Job, Problem, Savepoint,
    SessionCluster,
};
use futures::future::ready;
use futures::{Stream, StreamExt, stream};
use jiff::Timestamp;
use reqwest::{Method, RequestBuilder, StatusCode};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use crate::contexts::{Connection, Credential};
use crate::failure::{Exit, Failure, Result};
use crate::output::say;
use crate::subject::{Kind, Place, collection, items, singular};

pub(crate) mod watch;

/// How long to wait for a connection to the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Ends the parts of an upload: long and random, so that no file holds it.
const BOUNDARY: &str = "drey-7c1f0a3e9b5d48c6a2e4f80b6d917c35-part";

/// Query parameters of a request.
pub(crate) type Query<'a> = &'a [(&'a str, &'a str)];

/// A connection to one server.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    timeout: Duration,
    quiet: bool,
    credential: Option<Credential>,
    is_rehearsing: bool,
}

/// One Deployment with everything known about it (`/ext/v1/namespaces/{ns}/deployments/{name}`).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct View {
    /// The resource.
    pub(crate) deployment: Deployment,
    /// Why it is where it is; absent before the controller's first look.
    #[serde(default)]
    pub(crate) explanation: Option<Explanation>,
    /// Its Jobs, newest first.
    #[serde(default)]
    pub(crate) jobs: Vec<Job>,
    /// When its JobManager last gave a trustworthy answer.
    #[serde(default)]
    pub(crate) observed_at: Option<Timestamp>,
}

impl View {
    /// The Job that has not ended, else the newest.
    pub(crate) fn job(&self) -> Option<&Job> {
        let alive = self.jobs.iter().find(|job| !job.status.state.is_terminal());
        alive.or_else(|| self.newest_job())
    }

    /// The newest Job.
    pub(crate) fn newest_job(&self) -> Option<&Job> {
        self.jobs.iter().max_by_key(|job| job.metadata.created_at)
    }
}

/// One SessionCluster with everything known about it (`/ext/v1/namespaces/{ns}/sessionclusters/{name}`).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClusterView {
    /// The resource.
    pub(crate) session_cluster: SessionCluster,
    /// What is being waited for.
    #[serde(default)]
    pub(crate) wait: Option<Wait>,
    /// When the next start is tried, while one is put off.
    #[serde(default)]
    pub(crate) next_attempt_at: Option<Timestamp>,
    /// Names its processes.
    #[serde(default)]
    pub(crate) run_id: Option<Uuid>,
    /// The newest runs, newest first; their logs may be kept.
    #[serde(default)]
    pub(crate) runs: Vec<Uuid>,
    /// TaskManagers that it had when it was last complete; absent before it takes jobs.
    #[serde(default)]
    pub(crate) task_managers: Option<i32>,
    /// Deployments that have a job on it, or are about to.
    #[serde(default)]
    pub(crate) active_deployments: Vec<String>,
}

impl ClusterView {
    /// Whether it takes jobs, with as many TaskManagers as it is to have.
    pub(crate) fn is_complete(&self) -> bool {
        self.session_cluster.status.state == ClusterState::Running
            && self.task_managers == Some(self.session_cluster.spec.number_of_task_managers)
    }
}

/// The address of a server.
pub(crate) fn address(server: &str) -> Result<Url> {
    let wrong = |why: String| {
        Failure::usage(format!("\"{server}\" is not the address of a server"))
            .why(why)
            .next("drey get dep --server http://127.0.0.1:8080")
    };
    let base = Url::parse(server).map_err(|e| wrong(e.to_string()))?;
    if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
        return Err(wrong("it must begin with http:// or https://".to_owned()));
    }
    if !base.username().is_empty() || base.password().is_some() {
        return Err(Failure::usage("the address of the server holds a user or a password")
            .why("drey shows tokens: --token-file, DREY_TOKEN or a context"));
    }
    Ok(base)
}

impl Client {
    /// A client for a server. Does not connect yet.
    pub(crate) fn new(to: &Connection, timeout: Duration, quiet: bool) -> Result<Self> {
        let base = address(&to.server)?;
        let credential = to.credential.clone();
        if credential.is_some() && !quiet && is_in_the_open(&base) {
            say(&format!("warning: the token goes to {base} unencrypted; use https://"));
        }
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            // The API has none, and the token is for the address that was given.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("drey/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| {
                Failure::new(Exit::Bug, "setting up the HTTP client").why(e.to_string())
            })?;
        Ok(Self { http, base, timeout, quiet, credential, is_rehearsing: false })
    }

    /// The same client, whose changes are only rehearsed.
    pub(crate) fn rehearsing(&self) -> Self {
        Self { is_rehearsing: true, ..self.clone() }
    }

    /// Whether changes are only rehearsed.
    pub(crate) fn is_rehearsing(&self) -> bool {
        self.is_rehearsing
    }

    /// A request that says who sends it.
    pub(crate) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.http.request(method, url);
        match &self.credential {
            Some(credential) => request.bearer_auth(credential.token.expose_secret()),
            None => request,
        }
    }

    /// The address of the server, without a trailing slash.
    pub(crate) fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// GET; `doing` says what for, as in "getting deployment/x".
    pub(crate) async fn get(&self, doing: &str, path: &[&str], query: Query<'_>) -> Result<Value> {
        let request = self.request(Method::GET, self.url(path, query)).timeout(self.timeout);
        Ok(self.json(doing, request).await?.0)
    }

    /// Any other request with a body and, for changes, the `resourceVersion` that it must meet.
    pub(crate) async fn send(
        &self,
        doing: &str,
        method: Method,
        place: &Place,
        body: Option<Body>,
        if_version: Option<i32>,
    ) -> Result<Value> {
        let mut request = self.request(method, self.target(place)).timeout(self.timeout);
        if let Some(version) = if_version {
            request = request.header("if-match", format!("\"{version}\""));
        }
        request = match body {
            Some(Body::Json(value)) => request.json(&value),
            Some(Body::Text(kind, text)) => request.header("content-type", kind).body(text),
            None => request,
        };
        self.change(doing, place, request).await
    }

    /// A list of resources.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        ns: &str,
        kind: Kind,
        query: Query<'_>,
    ) -> Result<Vec<T>> {
        let doing = format!("listing {}", collection(kind));
        let place = Place::all(ns, kind);
        let path: Vec<&str> = place.path.iter().map(String::as_str).collect();
        let found = self.get(&doing, &path, query).await?;
        items(kind, found).into_iter().map(|object| typed(&doing, object)).collect()
    }

    /// One resource, as the API shows it.
    pub(crate) async fn object(&self, ns: &str, kind: Kind, name: &str) -> Result<Value> {
        let doing = format!("getting {}/{name}", singular(kind));
        let place = Place::one(ns, kind, name);
        let request = self.request(Method::GET, self.locate(&place)).timeout(self.timeout);
        Ok(place.unwrapped(self.json(&doing, request).await?.0))
    }

    /// One Deployment.
    pub(crate) async fn deployment(&self, ns: &str, name: &str) -> Result<Deployment> {
        let found = self.object(ns, Kind::Deployment, name).await?;
        typed(&format!("getting deployment/{name}"), found)
    }

    /// One Deployment with everything known about it.
    pub(crate) async fn view(&self, ns: &str, name: &str) -> Result<View> {
        let doing = format!("getting deployment/{name}");
        let path = ["ext", "v1", "namespaces", ns, "deployments", name];
        typed(&doing, self.get(&doing, &path, &[]).await?)
    }

    /// One SessionCluster with everything known about it.
    pub(crate) async fn cluster_view(&self, ns: &str, name: &str) -> Result<ClusterView> {
        let doing = format!("getting sessioncluster/{name}");
        let path = ["ext", "v1", "namespaces", ns, "sessionclusters", name];
        typed(&doing, self.get(&doing, &path, &[]).await?)
    }

    /// The Events of a Deployment or a SessionCluster, oldest first.
    pub(crate) async fn events(&self, ns: &str, of: Kind, id: Uuid) -> Result<Vec<Event>> {
        let id = id.to_string();
        let owner = if of == Kind::SessionCluster { "sessionClusterId" } else { "deploymentId" };
        let mut events: Vec<Event> = self.list(ns, Kind::Event, &[(owner, id.as_str())]).await?;
        events.reverse();
        events.sort_by_key(|event| event.metadata.created_at);
        Ok(events)
    }

    /// The Savepoints of a Deployment, newest first.
    pub(crate) async fn savepoints(
        &self,
        ns: &str,
        deployment: &Deployment,
    ) -> Result<Vec<Savepoint>> {
        let id = deployment.metadata.id.to_string();
        self.list(ns, Kind::Savepoint, &[("deploymentId", id.as_str())]).await
    }

    /// Text from any address, for `apply -f URL`.
    pub(crate) async fn fetch(&self, url: &str) -> Result<String> {
        let failed = |e: reqwest::Error| {
            Failure::new(Exit::Usage, format!("reading {url}")).why(root_cause(&e))
        };
        // Not the client of the server: pages may be moved, and get no token.
        let http = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).build();
        let answer = http.map_err(failed)?.get(url).timeout(self.timeout).send().await;
        let answer = answer.map_err(failed)?;
        answer.error_for_status().map_err(failed)?.text().await.map_err(failed)
    }

    /// Uploads an artifact of so many bytes; takes as long as it takes.
    pub(crate) async fn upload<S, B>(
        &self,
        ns: &str,
        name: &str,
        bytes: u64,
        pieces: S,
    ) -> Result<Value>
    where
        S: Stream<Item = std::io::Result<B>> + Send + 'static,
        B: Into<Bytes> + Send + 'static,
    {
        // Names that would need escapes here are refused before.
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        let tail = format!("\r\n--{BOUNDARY}--\r\n");
        let length = head.len() as u64 + bytes + tail.len() as u64;
        let whole = |text: String| stream::once(ready(Ok(Bytes::from(text))));
        let body = whole(head).chain(pieces.map(|piece| piece.map(Into::into))).chain(whole(tail));
        let place = Place::upload(ns);
        let request = self
            .request(Method::POST, self.target(&place))
            .header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"))
            .header("content-length", length)
            .body(reqwest::Body::wrap_stream(body));
        self.change(&format!("uploading artifact/{name}"), &place, request).await
    }

    /// The address of a place.
    fn locate(&self, place: &Place) -> Url {
        let path: Vec<&str> = place.path.iter().map(String::as_str).collect();
        let pairs = place.query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        self.url(&path, &pairs.collect::<Vec<_>>())
    }

    /// The address of a change.
    fn target(&self, place: &Place) -> Url {
        let mut url = self.locate(place);
        if self.is_rehearsing {
            url.query_pairs_mut().append_pair("dryRun", "true");
        }
        url
    }

    /// Sends a change, or has it rehearsed.
    async fn change(&self, doing: &str, place: &Place, request: RequestBuilder) -> Result<Value> {
        if !self.is_rehearsing {
            return Ok(place.unwrapped(self.json(doing, request).await?.0));
        }
        let (answer, is_rehearsed) = self.json(doing, request).await?;
        if !is_rehearsed {
            return Err(Failure::new(Exit::Bug, format!("{doing} was not only rehearsed"))
                .why(format!("{} does not know dry runs and did the real thing", self.base()))
                .next("drey version                 shows how old it is"));
        }
        Ok(place.unwrapped(answer))
    }

    /// An address under the server; every segment is escaped.
    pub(crate) fn url(&self, path: &[&str], query: Query<'_>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// The answer as JSON, and whether it is that of a rehearsal.
    async fn json(&self, doing: &str, request: RequestBuilder) -> Result<(Value, bool)> {
        let request = request.header("accept", "application/json");
        let answer = request.send().await.map_err(|e| self.no_answer(doing, &e))?;
        if !self.quiet {
            let warnings = answer.headers().get_all("drey-warning");
            for warning in warnings.iter().filter_map(|value| value.to_str().ok()) {
                say(&format!("warning: {warning}"));
            }
        }
        let status = answer.status();
        if status.is_redirection() {
            let to = answer.headers().get("location").and_then(|to| to.to_str().ok());
            return Err(self.sent_elsewhere(doing, to.unwrap_or("nowhere")));
        }
        let is_rehearsed = answer.headers().contains_key("drey-dry-run");
        let text = answer.text().await.map_err(|e| self.no_answer(doing, &e))?;
        if !status.is_success() {
            return Err(self.advised(refused(doing, status, &text), status));
        }
        if text.trim().is_empty() {
            return Ok((Value::Null, is_rehearsed));
        }
        let answer = serde_json::from_str(&text);
        let answer = answer.map_err(|e| self.not_ours(doing, &e.to_string()))?;
        Ok((answer, is_rehearsed))
    }

    /// Redirects are not followed: what was shown to one server is not for another.
    fn sent_elsewhere(&self, doing: &str, to: &str) -> Failure {
        Failure::new(Exit::Unreachable, doing)
            .why(format!("{} sends its clients on to {to}", self.base()))
            .next("drey --server URL    with the address of the server itself")
    }

    /// What helps against a refusal of who asks.
    fn advised(&self, failure: Failure, status: StatusCode) -> Failure {
        match (status, &self.credential) {
            (StatusCode::UNAUTHORIZED, None) => failure
                .now(format!("no token was shown to {}", self.base()))
                .next("--token-file FILE or DREY_TOKEN                     shows one")
                .next("drey context add NAME --server URL --token-file F   keeps it"),
            (StatusCode::UNAUTHORIZED, Some(credential)) => {
                failure.now(format!("{} was shown to {}", credential.source, self.base())).next(
                    "an owner of the namespace makes a new one: drey token create NAME --role ROLE",
                )
            }
            (StatusCode::FORBIDDEN, Some(credential)) => {
                failure.now(format!("{} was shown", credential.source))
            }
            _ => failure,
        }
    }

    /// The server did not answer.
    pub(crate) fn no_answer(&self, doing: &str, error: &reqwest::Error) -> Failure {
        let base = self.base();
        let why = if error.is_timeout() && !error.is_connect() {
            format!("no answer from {base} within {:?}", self.timeout)
        } else {
            format!("{base} does not answer: {}", root_cause(error))
        };
        Failure::new(Exit::Unreachable, format!("{doing} failed"))
            .why(why)
            .next("drey serve                   starts a server on this machine")
            .next("--server URL or DREY_SERVER  names another one")
    }

    fn not_ours(&self, doing: &str, why: &str) -> Failure {
        Failure::new(Exit::Unreachable, format!("{doing} failed"))
            .why(format!("{} answered something that is not JSON: {why}", self.base()))
            .next("check that --server or DREY_SERVER is the address of a drey server")
    }
}

/// The body of a request.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// A document that we built.
    Json(Value),
    /// A user's text and its media type, sent as it is: messages can point into it, and `1.20` stays `1.20`.
    Text(&'static str, String),
}

/// Reads an answer as a type of the model.
pub(crate) fn typed<T: DeserializeOwned>(doing: &str, value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|e| {
        Failure::new(Exit::Bug, format!("{doing} failed"))
            .why(format!("this drey does not understand the server's answer: {e}"))
            .next("drey version                 shows whether both are of one version")
    })
}

/// An answer with an error status.
fn refused(doing: &str, status: StatusCode, text: &str) -> Failure {
    let body: Option<ErrorBody> = serde_json::from_str(text).ok();
    let quota = body.as_ref().is_some_and(|b| b.reason.contains("Quota"));
    let exit = match status.as_u16() {
        _ if quota => Exit::Quota,
        401 | 403 => Exit::Forbidden,
        404 => Exit::NotFound,
        409 | 412 => Exit::Conflict,
        408 | 429 | 500.. => Exit::Unreachable,
        _ => Exit::Invalid,
    };
    let mut failure = Failure::new(exit, format!("{doing} failed"));
    let Some(body) = body else {
        let shown: String = text.trim().chars().take(200).collect();
        return failure.why(format!("the server answered {status}: {shown}"));
    };
    let problems = body.context.get("problems").cloned().unwrap_or_default();
    let problems: Vec<Problem> = serde_json::from_value(problems).unwrap_or_default();
    failure.why.extend(problems.iter().map(|problem| match problem.path.as_str() {
        "" => problem.message.clone(),
        path => format!("{path}: {}", problem.message),
    }));
    if failure.why.is_empty() {
        failure.why.push(body.message);
    }
    failure
}

/// Whether others on the way can read what is sent.
fn is_in_the_open(base: &Url) -> bool {
    let is_local = match base.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    base.scheme() == "http" && !is_local
}

/// The innermost cause: `Connection refused (os error 111)` rather than the layers around it.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
