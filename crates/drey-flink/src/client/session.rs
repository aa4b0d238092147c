//! Requests to a cluster that jobs share: programs, submissions, TaskManagers.
//!
//! A submission is the one request whose answer may take long (`main()` runs before it) and whose silence matters most:
//! what surely did not happen is told apart from what may have.

use std::path::Path;
use std::time::Duration;

use drey_model::causes::causes;
use drey_model::meta::TextMap;
use drey_model::seen::{Jar, Seen, TaskManager};
use futures::stream;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Method, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;

use super::{Answer, Ask, Client, url, whole};
use crate::api::{Error, Submission};
use crate::config;
use crate::versions::Version;
use crate::wire::{reason, root_cause, trace};

/// An upload to a neighbour: 2 GiB at 20 MB/s.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(110);
/// Until `main()` has come as far as its job. Then the job's id tells how it went.
const RUN_TIMEOUT: Duration = Duration::from_secs(30);
const CHUNK_BYTES: usize = 1 << 18;
const SUBMIT: &str = "run the job";
const UPLOAD: &str = "take the program";

/// `GET /taskmanagers`.
#[derive(Debug, Deserialize)]
struct TaskManagers {
    taskmanagers: Vec<TaskManagerReply>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaskManagerReply {
    id: String,
    #[serde(default)]
    slots_number: u32,
    #[serde(default)]
    free_slots: u32,
}

/// `GET /jars`.
#[derive(Debug, Deserialize)]
struct Jars {
    files: Vec<JarReply>,
}

#[derive(Debug, Deserialize)]
struct JarReply {
    id: String,
    name: String,
}

/// `POST /jars/upload`.
#[derive(Debug, Deserialize)]
struct Uploaded {
    filename: String,
}

/// Body of `POST /jars/:id/run`. Flink ignores what its version does not know.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RunBody<'a> {
    entry_class: &'a str,
    program_args_list: &'a [String],
    parallelism: i32,
    job_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    savepoint_path: Option<&'a str>,
    allow_non_restored_state: bool,
    /// Before 1.20 under another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    claim_mode: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restore_mode: Option<&'a str>,
    flink_configuration: TextMap,
}

impl Client {
    pub(super) async fn all_task_managers(&self, rest: &str) -> Seen<Vec<TaskManager>> {
        let answer = self.get(Ask::TaskManagers, url(rest, "taskmanagers")).await;
        let found = read::<TaskManagers>(rest, answer);
        found.map_or_else(Seen::unknown, |found| {
            let all = found.taskmanagers.into_iter().map(|tm| TaskManager {
                id: tm.id,
                slots: tm.slots_number,
                free_slots: tm.free_slots,
            });
            Seen::Present(all.collect())
        })
    }

    pub(super) async fn all_jars(&self, rest: &str) -> Seen<Vec<Jar>> {
        let found = read::<Jars>(rest, self.get(Ask::Jars, url(rest, "jars")).await);
        found.map_or_else(Seen::unknown, |found| {
            let all = found.files.into_iter().map(|jar| Jar { id: jar.id, name: jar.name });
            Seen::Present(all.collect())
        })
    }

    pub(super) async fn upload_jar(
        &self,
        rest: &str,
        path: &Path,
        name: &str,
    ) -> Result<String, Error> {
        let not_asked = |why: String| Error::NotAsked { what: UPLOAD, why };
        let boundary = format!("drey-{}", uuid::Uuid::new_v4().simple());
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"jarfile\"; filename=\"{name}\"\r\n\
             Content-Type: application/x-java-archive\r\n\r\n"
        );
        let tail = format!("\r\n--{boundary}--\r\n");
        let file = tokio::fs::File::open(path).await.map_err(|e| not_asked(e.to_string()))?;
        let length = file.metadata().await.map_err(|e| not_asked(e.to_string()))?.len();
        let length = length + (head.len() + tail.len()) as u64;
        self.count(Ask::Upload);
        let request = self.http.request(Method::POST, url(rest, "jars/upload"));
        let request = request
            .header(CONTENT_TYPE, format!("multipart/form-data; boundary={boundary}"))
            .header(CONTENT_LENGTH, length)
            .timeout(UPLOAD_TIMEOUT)
            .body(Body::wrap_stream(parts(head, file, tail)));
        // A program that was uploaded without our hearing of it does nothing, and is deleted with time.
        let response = request.send().await.map_err(|e| not_asked(causes(&e.without_url())))?;
        let (status, body) = whole(response).await.map_err(not_asked)?;
        if !status.is_success() {
            return Err(not_asked(format!("{status}: {}", reason(&body))));
        }
        let uploaded: Uploaded =
            serde_json::from_slice(&body).map_err(|error| not_asked(error.to_string()))?;
        let id = uploaded.filename.rsplit('/').next().unwrap_or_default();
        Ok(id.to_owned())
    }

    pub(super) async fn run_jar(&self, rest: &str, s: Submission<'_>) -> Result<(), Error> {
        let body = body(s);
        self.count(Ask::Run);
        let request = self.http.request(Method::POST, url(rest, &format!("jars/{}/run", s.jar)));
        let answer = request.json(&body).timeout(RUN_TIMEOUT).send().await;
        let response = answer.map_err(|error| {
            let (is_connect, why) = (error.is_connect(), causes(&error.without_url()));
            match is_connect {
                true => Error::NotAsked { what: SUBMIT, why },
                false => Error::Unknown { what: SUBMIT, why },
            }
        })?;
        let unknown = |why| Error::Unknown { what: SUBMIT, why };
        let (status, body) = whole(response).await.map_err(unknown)?;
        meaning(status, &body)
    }
}

/// What the answer to a submission says.
fn meaning(status: StatusCode, body: &[u8]) -> Result<(), Error> {
    let text = String::from_utf8_lossy(body);
    // The id is taken: an earlier request got through.
    if status.is_success() || text.contains("DuplicateJobSubmissionException") {
        return Ok(());
    }
    let why = reason(body);
    if text.contains("Jar file ") && text.contains(" does not exist") {
        return Err(Error::NotAsked { what: SUBMIT, why });
    }
    let is_program = text.contains("ProgramInvocationException");
    let is_refusal = is_program
        || status.is_client_error()
            && status != StatusCode::REQUEST_TIMEOUT
            && status != StatusCode::TOO_MANY_REQUESTS;
    Err(if is_refusal && !is_silence(body) {
        Error::Refused { what: SUBMIT, why }
    } else {
        Error::Unknown { what: SUBMIT, why: format!("{status}: {why}") }
    })
}

/// Within Flink too a request may go unanswered: the job may have been taken all the same. Such an answer ends in the
/// time-out of one of Flink's own calls; a program that gave up waiting for something else ends in its own exception.
fn is_silence(body: &[u8]) -> bool {
    let text = trace(body);
    let is_own_call = |line: &str| {
        line.strip_prefix("Caused by: java.util.concurrent.TimeoutException: Invocation of [")
            .is_some_and(|call| call.contains("RpcInvocation(") && call.contains("] timed out"))
    };
    let root = root_cause(&text).unwrap_or_default();
    let root = root.split(':').next().unwrap_or_default();
    text.lines().any(is_own_call) || root.ends_with(".pattern.AskTimeoutException")
}

fn body(s: Submission<'_>) -> RunBody<'_> {
    let spec = &s.job.spec;
    let version = spec.artifact.flink_version.as_deref().and_then(|v| v.parse::<Version>().ok());
    let is_old = version.is_some_and(|version| version.is_before(1, 20));
    let configured = spec.flink_configuration.get("execution.state-recovery.claim-mode");
    let claim_mode = configured.map_or("NO_CLAIM", String::as_str);
    let restores = spec.savepoint_location.is_some();
    let mut flink_configuration = config::job_level(&spec.user_flink_configuration);
    flink_configuration.extend(s.settings.clone());
    if let Some(version) = &version {
        flink_configuration = config::for_version_in_session(&flink_configuration, version);
    }
    RunBody {
        entry_class: s.class,
        program_args_list: s.args,
        parallelism: spec.parallelism,
        job_id: s.job.flink_job_id(),
        savepoint_path: spec.savepoint_location.as_deref(),
        allow_non_restored_state: restores && spec.allow_non_restored_state,
        claim_mode: (restores && !is_old).then_some(claim_mode),
        restore_mode: (restores && is_old).then_some(claim_mode),
        flink_configuration,
    }
}

fn read<T: serde::de::DeserializeOwned>(rest: &str, answer: Answer) -> Result<T, String> {
    let (status, body) = answer?;
    if status != StatusCode::OK {
        return Err(format!("{rest}: {status}: {}", reason(&body)));
    }
    serde_json::from_slice(&body)
        .map_err(|error| format!("{rest}: the answer is unreadable: {error}"))
}

/// A form with one file, a piece at a time.
fn parts(
    head: String,
    file: tokio::fs::File,
    tail: String,
) -> impl stream::Stream<Item = std::io::Result<Vec<u8>>> {
    enum At {
        Head(String, tokio::fs::File, String),
        File(tokio::fs::File, String),
        End,
    }
    stream::unfold(At::Head(head, file, tail), |at| async move {
        match at {
            At::Head(head, file, tail) => Some((Ok(head.into_bytes()), At::File(file, tail))),
            At::File(mut file, tail) => {
                let mut chunk = vec![0; CHUNK_BYTES];
                match file.read(&mut chunk).await {
                    Ok(0) => Some((Ok(tail.into_bytes()), At::End)),
                    Ok(n) => {
                        chunk.truncate(n);
                        Some((Ok(chunk), At::File(file, tail)))
                    }
                    Err(error) => Some((Err(error), At::End)),
                }
            }
            At::End => None,
        }
    })
}

#[cfg(test)]
mod tests;
