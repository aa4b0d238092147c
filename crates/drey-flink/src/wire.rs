//! The JSON of Flink's REST API, as far as Drey reads or writes it, and what it means.
//!
//! Parsing is lenient: versions add and drop members, so everything that is not needed has a default. Owns the shapes,
//! the search for a root cause in stack traces, and the spelling of paths. Does not own requests ([`crate::client`]).

use drey_model::seen::{FlinkJob, FlinkStatus, Operation, Snapshot};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Entries of an exception history that are asked for; Flink keeps no more by default.
pub(crate) const EXCEPTIONS_MAX: usize = 16;
/// Metrics lag behind: Flink gathers them every 10 s by default.
const SETTLED_MS: i64 = 30_000;
/// Longest root cause that is kept.
const CAUSE_CHARS_MAX: usize = 600;
/// Lines of a root cause that are kept: messages may have several.
const CAUSE_LINES_MAX: usize = 4;
const SUPPRESSED: &str = "Recovery is suppressed";

/// `GET /jobs/overview`.
#[derive(Debug, Deserialize)]
pub(crate) struct Overview {
    pub(crate) jobs: Vec<OverviewJob>,
}

/// One job of [`Overview`].
#[derive(Debug, Deserialize)]
pub(crate) struct OverviewJob {
    pub(crate) jid: String,
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) tasks: Tasks,
    #[serde(rename = "start-time", default)]
    start_ms: i64,
    #[serde(rename = "duration", default)]
    duration_ms: i64,
    #[serde(rename = "last-modification", default)]
    modified_ms: i64,
}

/// Tasks of a job by state.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Tasks {
    running: u32,
    finished: u32,
    total: u32,
}

impl Overview {
    fn find(&self, id: Uuid) -> Option<&OverviewJob> {
        let wanted = id.simple().to_string();
        self.jobs.iter().find(|job| job.jid.eq_ignore_ascii_case(&wanted))
    }

    /// When the tasks of a job last changed, if all run and did so long enough for the job's metrics to know of it. A
    /// restart changes tasks, so there was none while this stays the same. By Flink's clock alone.
    pub(crate) fn settled_since(&self, id: Uuid) -> Option<i64> {
        let job = self.find(id)?;
        let age_ms = job.start_ms.saturating_add(job.duration_ms).saturating_sub(job.modified_ms);
        let is_running = job.state == "RUNNING" && job.tasks.running == job.tasks.total;
        (is_running && job.modified_ms > 0 && age_ms >= SETTLED_MS).then_some(job.modified_ms)
    }

    /// The job, with what the overview tells of it.
    pub(crate) fn job(&self, id: Uuid) -> Option<Result<FlinkJob, String>> {
        let job = self.find(id)?;
        let Ok(status) = job.state.parse::<FlinkStatus>() else {
            return Some(Err(format!(
                "Flink names a state that Drey does not know: {}",
                job.state
            )));
        };
        Some(Ok(FlinkJob {
            status,
            tasks_running: job.tasks.running,
            // A subtask of a source without work for it finishes at once, and the job runs on without it.
            tasks_total: job.tasks.total.saturating_sub(job.tasks.finished),
            since: Timestamp::from_millisecond(job.start_ms).ok().filter(|_| job.start_ms > 0),
            restarts: None,
            failures: Vec::new(),
            cause: None,
            checkpoint: None,
        }))
    }
}

/// One metric: every value is text.
#[derive(Debug, Deserialize)]
pub(crate) struct Metric {
    id: String,
    #[serde(default)]
    value: String,
}

/// The number of restarts in a list of metrics.
pub(crate) fn restarts(metrics: &[Metric]) -> Option<u32> {
    let metric = metrics.iter().find(|metric| metric.id == "numRestarts")?;
    metric.value.trim().parse().ok()
}

/// `GET /jobs/:id/exceptions`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Exceptions {
    /// Before 2.0 only.
    #[serde(rename = "root-exception")]
    root_exception: Option<String>,
    #[serde(rename = "exceptionHistory")]
    history: History,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct History {
    entries: Vec<Entry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    #[serde(rename = "exceptionName")]
    name: String,
    stacktrace: String,
    timestamp: i64,
    #[serde(rename = "concurrentExceptions")]
    concurrent: Vec<Entry>,
}

impl Entry {
    /// What really happened. "Recovery is suppressed" is only what Flink did about it.
    fn cause(&self) -> Option<String> {
        let own = if self.stacktrace.is_empty() { &self.name } else { &self.stacktrace };
        let own = root_cause(own).filter(|cause| !cause.contains(SUPPRESSED));
        own.or_else(|| self.concurrent.iter().find_map(Self::cause))
    }
}

impl Exceptions {
    /// When the job failed, newest first.
    pub(crate) fn failures(&self) -> Vec<Timestamp> {
        let times = self.history.entries.iter().map(|entry| entry.timestamp);
        let mut times: Vec<Timestamp> =
            times.filter_map(|ms| Timestamp::from_millisecond(ms).ok()).collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        times.truncate(EXCEPTIONS_MAX);
        times
    }

    /// The root cause of the newest failure.
    pub(crate) fn cause(&self) -> Option<String> {
        let newest = self.history.entries.first();
        let fallback = || self.root_exception.as_deref().and_then(root_cause);
        let name = || newest.and_then(|entry| root_cause(&entry.stacktrace));
        newest.and_then(Entry::cause).or_else(fallback).or_else(name)
    }
}

/// `GET /jobs/:id/checkpoints`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Checkpoints {
    latest: Latest,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Latest {
    completed: Option<Completed>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Completed {
    external_path: Option<String>,
    latest_ack_timestamp: i64,
    is_savepoint: bool,
    discarded: bool,
}

impl Checkpoints {
    /// The newest complete checkpoint that is still there.
    pub(crate) fn newest(self) -> Option<Snapshot> {
        let newest = self.latest.completed.filter(|c| !c.is_savepoint && !c.discarded)?;
        // Flink writes `<checkpoint-not-externally-addressable>` for a checkpoint in memory.
        let path =
            newest.external_path.filter(|path| path.contains('/') && !path.starts_with('<'))?;
        let completed_at = Timestamp::from_millisecond(newest.latest_ack_timestamp).ok()?;
        Some(Snapshot { location: normal_path(&path), completed_at })
    }
}

/// `GET /jobs/:id/savepoints/:trigger`.
#[derive(Debug, Deserialize)]
pub(crate) struct OperationReply {
    status: OperationStatus,
    operation: Option<OperationResult>,
}

#[derive(Debug, Deserialize)]
struct OperationStatus {
    id: String,
}

#[derive(Debug, Deserialize)]
struct OperationResult {
    location: Option<String>,
    #[serde(rename = "failure-cause")]
    failure: Option<FailureCause>,
}

#[derive(Debug, Deserialize)]
struct FailureCause {
    class: Option<String>,
    #[serde(rename = "stack-trace")]
    trace: Option<String>,
}

impl OperationReply {
    /// What became of the operation; `Err` when the reply makes no sense.
    pub(crate) fn meaning(self) -> Result<Operation, String> {
        if self.status.id == "IN_PROGRESS" {
            return Ok(Operation::InProgress);
        }
        let result = self.operation.ok_or("the operation has no result")?;
        // COMPLETED does not mean success.
        if let Some(failure) = result.failure {
            let trace = failure.trace.as_deref().and_then(root_cause);
            let why = trace.or(failure.class).unwrap_or_else(|| "Flink named no cause".to_owned());
            return Ok(Operation::Failed { why });
        }
        let location = result.location.ok_or("the operation has neither a location nor a cause")?;
        Ok(Operation::Completed { location: normal_path(&location) })
    }
}

/// Body of `POST /jobs/:id/stop`: camel case.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StopBody<'a> {
    pub(crate) drain: bool,
    pub(crate) target_directory: &'a str,
    pub(crate) format_type: &'static str,
    pub(crate) trigger_id: String,
}

/// Body of `POST /jobs/:id/savepoints`: two members in kebab case, two in camel case.
#[derive(Debug, Serialize)]
pub(crate) struct SavepointBody<'a> {
    #[serde(rename = "cancel-job")]
    pub(crate) cancel_job: bool,
    #[serde(rename = "target-directory")]
    pub(crate) target_directory: &'a str,
    #[serde(rename = "formatType")]
    pub(crate) format_type: &'static str,
    #[serde(rename = "triggerId")]
    pub(crate) trigger_id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    errors: Vec<String>,
}

/// The reason in the body of an error: the root cause of the last entry, or the text itself.
pub(crate) fn reason(body: &[u8]) -> String {
    root_cause(&trace(body)).unwrap_or_else(|| "it gave no reason".to_owned())
}

/// The last error of an error body, with its stack trace.
pub(crate) fn trace(body: &[u8]) -> String {
    let parsed: Option<ErrorBody> = serde_json::from_slice(body).ok();
    let text = parsed.and_then(|body| body.errors.into_iter().next_back());
    let text = text.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    text.trim_start_matches("<Exception on server side:").trim().to_owned()
}

/// The message behind the last `Caused by:` of a stack trace, without the frames; the first message if there is none.
pub(crate) fn root_cause(trace: &str) -> Option<String> {
    let lines: Vec<&str> = trace.lines().collect();
    let last = lines.iter().rposition(|line| line.starts_with("Caused by: ")).unwrap_or(0);
    let is_frame = |line: &str| {
        let line = line.trim_start();
        line.starts_with("at ") || line.starts_with("... ") || line.starts_with("Suppressed: ")
    };
    let message = lines.get(last..)?.iter().take_while(|line| !is_frame(line));
    let message = message.filter(|line| !line.starts_with("End of exception on server side"));
    let message: Vec<&str> = message.take(CAUSE_LINES_MAX).map(|line| line.trim_end()).collect();
    let message = message.join("\n");
    let message = message.strip_prefix("Caused by: ").unwrap_or(&message).trim();
    let mut short: String = message.chars().take(CAUSE_CHARS_MAX).collect();
    if short.len() < message.len() {
        short.push('…');
    }
    (!short.is_empty()).then_some(short)
}

/// Flink answers `file:/x` to `file:///x`, and a bare path to a bare path.
#[must_use]
pub fn normal_path(path: &str) -> String {
    match path.strip_prefix("file:/") {
        Some(rest) => format!("file:///{}", rest.trim_start_matches('/')),
        None if path.starts_with('/') => format!("file://{path}"),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_spelling() {
        let cases = [
            ("file:/a/b", "file:///a/b"),
            ("file:///a/b", "file:///a/b"),
            ("/a", "file:///a"),
            ("s3://b/c", "s3://b/c"),
        ];
        for (path, normal) in cases {
            assert_eq!(normal_path(path), normal);
        }
    }

    #[test]
    fn the_root_cause_is_the_last_one_with_all_of_its_message() {
        let trace = "a.B: outer\n\tat x.y(Z.java:1)\nCaused by: c.D: middle\n\t... 3 more\nCaused by: e.F: first\nsecond\n\tat q\n";
        assert_eq!(root_cause(trace).unwrap(), "e.F: first\nsecond");
        assert_eq!(root_cause("only: line").unwrap(), "only: line");
        assert_eq!(root_cause(""), None);
        let long = "x".repeat(5000);
        assert_eq!(root_cause(&long).unwrap().chars().count(), CAUSE_CHARS_MAX + 1);
    }

    #[test]
    fn reasons_come_from_any_error_body() {
        let body = br#"{"errors":["Internal server error.","<Exception on server side:\na.B: x\n\tat y\nCaused by: c.D: why\n\tat z\nEnd of exception on server side>"]}"#;
        assert_eq!(reason(body), "c.D: why");
        assert_eq!(reason(b"gateway says no"), "gateway says no");
        assert_eq!(reason(b""), "it gave no reason");
    }

    #[test]
    fn suppressed_recovery_is_not_a_cause() {
        let new = r#"{"exceptionHistory":{"entries":[
            {"exceptionName":"org.apache.flink.runtime.JobException",
             "stacktrace":"org.apache.flink.runtime.JobException: Recovery is suppressed by NoRestartBackoffTimeStrategy\n\tat x",
             "timestamp":2000,"concurrentExceptions":[{"exceptionName":"E","stacktrace":"java.lang.RuntimeException: boom\n\tat y","timestamp":1999}]},
            {"exceptionName":"E","stacktrace":"older","timestamp":1000}],"truncated":false}}"#;
        let new: Exceptions = serde_json::from_str(new).unwrap();
        assert_eq!(new.cause().unwrap(), "java.lang.RuntimeException: boom");
        assert_eq!(
            new.failures().iter().map(|t| t.as_millisecond()).collect::<Vec<_>>(),
            [2000, 1000]
        );
        let old = r#"{"root-exception":"a.B: x\nCaused by: c.D: old\n\tat y","timestamp":1,"all-exceptions":[],"exceptionHistory":{"entries":[]}}"#;
        let old: Exceptions = serde_json::from_str(old).unwrap();
        assert_eq!(old.cause().unwrap(), "c.D: old");
        let none: Exceptions = serde_json::from_str(r#"{"root-exception":null}"#).unwrap();
        assert_eq!((none.cause(), none.failures().len()), (None, 0));
    }
}
