//! The REST client of the command line: one request, one answer, one way to fail.
//!
//! ```text
//! verb ──► Client::get / post / patch / delete ──► Value ──typed──► drey_model
//!                    │ every failure becomes a Failure with its exit code
//!                    └ Drey-Warning headers go to stderr
//! ```
//!
//! Nothing is retried here. Only [`watch`] reconnects, because a watch has a place to go on from.

use std::time::Duration;

use drey_model::{Deployment, ErrorBody, Event, Explanation, Job, Kind, List, Problem, Savepoint};
use jiff::Timestamp;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::failure::{Exit, Failure, Result};
use crate::output::say;
use crate::subject::{collection, singular};

pub(crate) mod watch;

/// How long to wait for a connection to the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Query parameters of a request.
pub(crate) type Query<'a> = &'a [(&'a str, &'a str)];

/// A connection to one server.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    timeout: Duration,
    quiet: bool,
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
        alive.or_else(|| self.jobs.iter().max_by_key(|job| job.metadata.created_at))
    }
}

/// The path of one resource. A namespace has one DeploymentDefaults, which stands where others have their collection.
pub(crate) fn place<'a>(ns: &'a str, kind: Kind, name: &'a str) -> Vec<&'a str> {
    let mut path = vec!["api", "v1", "namespaces", ns, collection(kind)];
    if kind != Kind::DeploymentDefaults {
        path.push(name);
    }
    path
}

impl Client {
    /// A client for `server`. Does not connect yet.
    pub(crate) fn new(server: &str, timeout: Duration, quiet: bool) -> Result<Self> {
        let wrong = |why: String| {
            Failure::usage(format!("--server \"{server}\" is not the address of a server"))
                .why(why)
                .next("drey get dep --server http://127.0.0.1:8080")
        };
        let base = Url::parse(server).map_err(|e| wrong(e.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(wrong("it must begin with http:// or https://".to_owned()));
        }
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("drey/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| {
                Failure::new(Exit::Bug, "setting up the HTTP client").why(e.to_string())
            })?;
        Ok(Self { http, base, timeout, quiet })
    }

    /// The address of the server, without a trailing slash.
    pub(crate) fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// GET; `doing` says what for, as in "getting deployment/x".
    pub(crate) async fn get(&self, doing: &str, path: &[&str], query: Query<'_>) -> Result<Value> {
        let request = self.http.get(self.url(path, query)).timeout(self.timeout);
        self.json(doing, request).await
    }

    /// Any other request with a body and, for changes, the `resourceVersion` that it must meet.
    pub(crate) async fn send(
        &self,
        doing: &str,
        method: Method,
        path: &[&str],
        body: Option<Body>,
        if_version: Option<i32>,
    ) -> Result<Value> {
        let mut request = self.http.request(method, self.url(path, &[])).timeout(self.timeout);
        if let Some(version) = if_version {
            request = request.header("if-match", format!("\"{version}\""));
        }
        request = match body {
            Some(Body::Json(value)) => request.json(&value),
            Some(Body::Text(kind, text)) => request.header("content-type", kind).body(text),
            None => request,
        };
        self.json(doing, request).await
    }

    /// A list of resources.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        ns: &str,
        kind: Kind,
        query: Query<'_>,
    ) -> Result<Vec<T>> {
        let doing = format!("listing {}", collection(kind));
        let path = ["api", "v1", "namespaces", ns, collection(kind)];
        let found = self.get(&doing, &path, query).await?;
        if kind == Kind::DeploymentDefaults {
            return Ok(vec![typed(&doing, found)?]);
        }
        let list: List<T> = typed(&doing, found)?;
        Ok(list.items)
    }

    /// One resource, as the API shows it.
    pub(crate) async fn object(&self, ns: &str, kind: Kind, name: &str) -> Result<Value> {
        let doing = format!("getting {}/{name}", singular(kind));
        self.get(&doing, &place(ns, kind, name), &[]).await
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

    /// The Events of a Deployment, oldest first.
    pub(crate) async fn events(&self, ns: &str, deployment: &Deployment) -> Result<Vec<Event>> {
        let id = deployment.metadata.id.to_string();
        let mut events: Vec<Event> =
            self.list(ns, Kind::Event, &[("deploymentId", id.as_str())]).await?;
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
        let answer = self.http.get(url).timeout(self.timeout).send().await.map_err(failed)?;
        answer.error_for_status().map_err(failed)?.text().await.map_err(failed)
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

    async fn json(&self, doing: &str, request: RequestBuilder) -> Result<Value> {
        let request = request.header("accept", "application/json");
        let answer = request.send().await.map_err(|e| self.no_answer(doing, &e))?;
        if !self.quiet {
            let warnings = answer.headers().get_all("drey-warning");
            for warning in warnings.iter().filter_map(|value| value.to_str().ok()) {
                say(&format!("warning: {warning}"));
            }
        }
        let status = answer.status();
        let text = answer.text().await.map_err(|e| self.no_answer(doing, &e))?;
        if !status.is_success() {
            return Err(refused(doing, status, &text));
        }
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|e| self.not_ours(doing, &e.to_string()))
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

/// The innermost cause: `Connection refused (os error 111)` rather than the layers around it.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
