//! The REST client of JobManagers: one connection pool for all of them, and a deadline for every request.
//!
//! ```text
//! job(): /jobs/overview ──► status, tasks          3 s; decides between Unknown, Absent and Present
//!           ├── /metrics ──► /exceptions            together 1.8 s; what does not come in time is left out; not asked
//!           │                                       again while the tasks of a job without restarts have not changed
//!           └── /checkpoints                        1.8 s
//! ```
//!
//! `session.rs` has the requests about programs and TaskManagers of a shared cluster.
//!
//! Owns requests and what their outcome means: a refusal is a definite no, everything else that is not a yes is
//! unknown. Does not own the shapes ([`crate::wire`]) or any decision. The system's proxy is not used: JobManagers are
//! neighbours.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drey_model::causes::causes;
use drey_model::seen::{FlinkJob, FlinkStatus, Jar, Operation, Seen, Snapshot, TaskManager};
use futures::StreamExt;
use reqwest::{Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::api::{Error, FlinkApi, Submission, Trigger};
use crate::wire::{
    Checkpoints, EXCEPTIONS_MAX, Exceptions, Metric, OperationReply, Overview, SavepointBody,
    StopBody, reason, restarts,
};

mod session;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);
/// One of the requests that only add to what the overview told; two of them one after the other and the overview stay
/// below 5 s.
const DETAIL_TIMEOUT: Duration = Duration::from_millis(900);
/// A thousand jobs in an overview are half of it.
const BODY_BYTES_MAX: usize = 8 << 20;
/// Remembered jobs; 24 bytes each.
const UNBROKEN_MAX: usize = 100_000;
/// Any state backend and any later version can read it.
const FORMAT: &str = "CANONICAL";

/// What is asked of Flink; a label of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Overview,
    Metrics,
    Exceptions,
    Checkpoints,
    Operation,
    Savepoint,
    Stop,
    Cancel,
    TaskManagers,
    Jars,
    Upload,
    DeleteJar,
    Run,
}

const LABELS: [&str; 13] = [
    "overview",
    "metrics",
    "exceptions",
    "checkpoints",
    "operation",
    "savepoint",
    "stop",
    "cancel",
    "task-managers",
    "jars",
    "upload",
    "delete-jar",
    "run",
];

/// The client; cheap to share by reference.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    requests: [AtomicU64; LABELS.len()],
    /// Jobs that had never restarted when their tasks last changed, and when that was: no need to ask again until then.
    unbroken: Mutex<HashMap<Uuid, i64>>,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[error("setting up the HTTP client")]
pub struct SetUpError(#[from] reqwest::Error);

/// A complete answer, or why there is none.
type Answer = Result<(StatusCode, Vec<u8>), String>;

impl Client {
    /// A client with an empty pool.
    ///
    /// # Errors
    /// The system offers no usable TLS.
    pub fn new() -> Result<Self, SetUpError> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { http, requests: Default::default(), unbroken: Mutex::default() })
    }

    /// Requests sent since the start, by what they asked for.
    pub fn requests_total(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.requests.iter().map(|count| count.load(Ordering::Relaxed));
        LABELS.into_iter().zip(counts)
    }

    async fn send(
        &self,
        ask: Ask,
        method: Method,
        url: String,
        body: Option<&impl Serialize>,
    ) -> Answer {
        self.count(ask);
        let mut request = self.http.request(method, &url);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = match request.send().await {
            Ok(response) => whole(response).await,
            Err(error) => Err(causes(&error.without_url())),
        };
        answer.map_err(|why| format!("{url}: {why}"))
    }

    fn count(&self, ask: Ask) {
        self.requests[ask as usize].fetch_add(1, Ordering::Relaxed);
    }

    async fn get(&self, ask: Ask, url: String) -> Answer {
        self.send(ask, Method::GET, url, None::<&()>).await
    }

    /// Something that only adds to what is known already: no answer in time is no answer.
    async fn detail<T: DeserializeOwned>(&self, ask: Ask, url: String) -> Option<T> {
        self.detail_within(DETAIL_TIMEOUT, ask, url).await
    }

    async fn detail_within<T: DeserializeOwned>(
        &self,
        limit: Duration,
        ask: Ask,
        url: String,
    ) -> Option<T> {
        let answer = tokio::time::timeout(limit, self.get(ask, url)).await;
        match answer {
            Ok(Ok((StatusCode::OK, body))) => serde_json::from_slice(&body).ok(),
            _ => None,
        }
    }

    /// Restarts, and what is known about them when there may have been any. `settled`: see [`Overview::settled_since`].
    async fn trouble(
        &self,
        job: &str,
        (id, status, settled): (Uuid, FlinkStatus, Option<i64>),
    ) -> (Option<u32>, Option<Exceptions>) {
        if settled.is_some() && self.unbroken().get(&id).copied() == settled {
            return (Some(0), None);
        }
        let metrics: Option<Vec<Metric>> =
            self.detail(Ask::Metrics, format!("{job}/metrics?get=numRestarts")).await;
        let restarts = metrics.as_deref().and_then(restarts);
        let is_troubled =
            matches!(status, FlinkStatus::Failed | FlinkStatus::Failing | FlinkStatus::Restarting);
        if restarts == Some(0) && !is_troubled {
            if let Some(since) = settled {
                self.note_unbroken(id, since);
            }
            return (restarts, None);
        }
        let url = format!("{job}/exceptions?maxExceptions={EXCEPTIONS_MAX}");
        // There is no later look at a job that has failed: its cluster goes, and the reason with it.
        let limit = if status == FlinkStatus::Failed { REQUEST_TIMEOUT } else { DETAIL_TIMEOUT };
        (restarts, self.detail_within(limit, Ask::Exceptions, url).await)
    }

    fn unbroken(&self) -> MutexGuard<'_, HashMap<Uuid, i64>> {
        self.unbroken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_unbroken(&self, id: Uuid, since: i64) {
        let mut unbroken = self.unbroken();
        // Jobs that are gone are never taken out one by one; forgetting costs a request.
        if unbroken.len() >= UNBROKEN_MAX {
            unbroken.clear();
        }
        unbroken.insert(id, since);
    }

    async fn checkpoint(&self, job: &str, status: FlinkStatus) -> Option<Snapshot> {
        // Flink deletes the checkpoints of a job that finishes, but goes on listing them.
        if status == FlinkStatus::Finished {
            return None;
        }
        let all: Option<Checkpoints> =
            self.detail(Ask::Checkpoints, format!("{job}/checkpoints")).await;
        all.and_then(Checkpoints::newest)
    }

    async fn command(
        &self,
        (ask, what): (Ask, &'static str),
        method: Method,
        url: String,
        body: Option<&impl Serialize>,
    ) -> Result<StatusCode, Error> {
        let unknown = |why| Error::Unknown { what, why };
        let (status, body) = self.send(ask, method, url, body).await.map_err(unknown)?;
        if status.is_success() {
            return Ok(status);
        }
        // Flink answers "already ended by itself" with 409.
        if ask == Ask::Cancel && status == StatusCode::CONFLICT {
            return Ok(status);
        }
        let why = reason(&body);
        // A server error may come after the deed, and a time-out or a redirect comes from something in between.
        let is_refusal = status.is_client_error()
            && status != StatusCode::REQUEST_TIMEOUT
            && status != StatusCode::TOO_MANY_REQUESTS;
        Err(if is_refusal {
            Error::Refused { what, why }
        } else {
            Error::Unknown { what, why: format!("{status}: {why}") }
        })
    }
}

impl FlinkApi for Client {
    async fn job(&self, rest: &str, job_id: Uuid) -> Seen<FlinkJob> {
        let (status, body) = match self.get(Ask::Overview, url(rest, "jobs/overview")).await {
            Ok(answer) => answer,
            Err(why) => return Seen::unknown(why),
        };
        if status != StatusCode::OK {
            return Seen::unknown(format!("{rest}: {status}: {}", reason(&body)));
        }
        let overview: Overview = match serde_json::from_slice(&body) {
            Ok(overview) => overview,
            Err(error) => {
                return Seen::unknown(format!("{rest}: the overview is unreadable: {error}"));
            }
        };
        let mut job = match overview.job(job_id) {
            None => return Seen::Absent,
            Some(Err(why)) => return Seen::unknown(why),
            Some(Ok(job)) => job,
        };
        let path = url(rest, &format!("jobs/{}", job_id.simple()));
        let (trouble, checkpoint) = futures::future::join(
            self.trouble(&path, (job_id, job.status, overview.settled_since(job_id))),
            self.checkpoint(&path, job.status),
        )
        .await;
        let (restarts, exceptions) = trouble;
        job.restarts = restarts;
        if let Some(exceptions) = exceptions {
            job.failures = exceptions.failures();
            job.cause = exceptions.cause();
        }
        job.checkpoint = checkpoint;
        Seen::Present(job)
    }

    async fn operation(&self, rest: &str, job_id: Uuid, trigger_id: Uuid) -> Seen<Operation> {
        let path = format!("jobs/{}/savepoints/{}", job_id.simple(), trigger_id.simple());
        let (status, body) = match self.get(Ask::Operation, url(rest, &path)).await {
            Ok(answer) => answer,
            Err(why) => return Seen::unknown(why),
        };
        match status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Seen::Absent,
            _ => return Seen::unknown(format!("{rest}: {status}: {}", reason(&body))),
        }
        let reply: Result<OperationReply, _> = serde_json::from_slice(&body);
        let meaning = reply.map_err(|error| error.to_string()).and_then(OperationReply::meaning);
        match meaning {
            Ok(operation) => Seen::Present(operation),
            Err(why) => Seen::unknown(format!("{rest}: the operation is unreadable: {why}")),
        }
    }

    async fn savepoint(&self, rest: &str, t: &Trigger) -> Result<(), Error> {
        let body = SavepointBody {
            cancel_job: false,
            target_directory: &t.directory,
            format_type: FORMAT,
            trigger_id: t.trigger_id.simple().to_string(),
        };
        let url = url(rest, &format!("jobs/{}/savepoints", t.job_id.simple()));
        let ask = (Ask::Savepoint, "take a savepoint");
        self.command(ask, Method::POST, url, Some(&body)).await.map(|_| ())
    }

    async fn stop(&self, rest: &str, t: &Trigger, drain: bool) -> Result<(), Error> {
        let body = StopBody {
            drain,
            target_directory: &t.directory,
            format_type: FORMAT,
            trigger_id: t.trigger_id.simple().to_string(),
        };
        let url = url(rest, &format!("jobs/{}/stop", t.job_id.simple()));
        let ask = (Ask::Stop, "stop the job with a savepoint");
        self.command(ask, Method::POST, url, Some(&body)).await.map(|_| ())
    }

    async fn cancel(&self, rest: &str, job_id: Uuid) -> Result<(), Error> {
        let url = url(rest, &format!("jobs/{}?mode=cancel", job_id.simple()));
        let ask = (Ask::Cancel, "cancel the job");
        self.command(ask, Method::PATCH, url, None::<&()>).await.map(|_| ())
    }

    async fn task_managers(&self, rest: &str) -> Seen<Vec<TaskManager>> {
        self.all_task_managers(rest).await
    }

    async fn jars(&self, rest: &str) -> Seen<Vec<Jar>> {
        self.all_jars(rest).await
    }

    async fn upload(&self, rest: &str, file: &Path, name: &str) -> Result<String, Error> {
        self.upload_jar(rest, file, name).await
    }

    async fn delete_jar(&self, rest: &str, jar: &str) -> Result<(), Error> {
        let ask = (Ask::DeleteJar, "delete a program");
        let url = url(rest, &format!("jars/{jar}"));
        self.command(ask, Method::DELETE, url, None::<&()>).await.map(|_| ())
    }

    async fn run(&self, rest: &str, s: Submission<'_>) -> Result<(), Error> {
        self.run_jar(rest, s).await
    }
}

/// Reads an answer to its end, unless that is too far away.
async fn whole(response: Response) -> Answer {
    let status = response.status();
    let mut chunks = response.bytes_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        bytes.extend_from_slice(&chunk.map_err(|error| causes(&error.without_url()))?);
        if bytes.len() > BODY_BYTES_MAX {
            return Err(format!("the answer is longer than {BODY_BYTES_MAX} bytes"));
        }
    }
    Ok((status, bytes))
}

fn url(rest: &str, path: &str) -> String {
    format!("{}/v1/{path}", rest.trim_end_matches('/'))
}

#[cfg(test)]
mod tests;
