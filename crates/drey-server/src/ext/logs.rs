//! `/ext/v1/namespaces/{ns}/jobs/{id}/logs` and `…/sessionclusters/{name}/logs`: the logs of a Job, or of a run of a
//! SessionCluster, in pieces or followed.
//!
//! | parameter | meaning |
//! |---|---|
//! | `offset` | first byte; without it the end of the file is read |
//! | `limit` | bytes at most, 64 KiB unless given, 1 MiB at most |
//! | `tail` | the last so many lines (of the last 1 MiB) |
//! | `follow=true` | goes on as the file grows, until its writer has ended or the client leaves |
//! | `run` | of a SessionCluster: one of its newest runs, the newest unless given |
//!
//! The answer is text, with the position in `Drey-Log-*` headers; `Accept: application/json` gives the piece with its
//! position as JSON, and `Accept: text/event-stream` with `follow` gives the same pieces as events whose id is the
//! offset to go on from. A Job in session mode has the logs of the cluster that it shares. A file name is
//! only ever one of the listed names, so no path can be smuggled in.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event as Line, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
pub(crate) use drey_controller::handle::logs::Chunk;
use drey_controller::handle::logs::{File, Query};
use drey_model::causes::causes;
use drey_model::role::{Access, Resource};
use drey_model::{Job, Kind};
use futures::{Stream, StreamExt};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::app::Shared;
use crate::auth::Caller;
use crate::error::Error;
use crate::ops::{Runs, Stage, cluster_of};
use crate::wire::{Params, Reply, Wants, wants};

/// Bytes of a piece unless the client says otherwise.
const LIMIT_DEFAULT: u64 = 64 << 10;
/// Bytes of a piece at most.
const LIMIT_MAX: u64 = 1 << 20;
/// Between two looks at a file that is followed.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(500);
/// Comments on a quiet event stream.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The log files of a Job or a SessionCluster.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LogFiles")]
pub(crate) struct Files {
    /// The files.
    items: Vec<File>,
}

/// Who wrote the logs.
#[derive(Debug, Clone)]
struct Source {
    /// The Job or the SessionCluster.
    kind: Kind,
    id: Uuid,
    /// For people.
    name: String,
    /// What its processes are called.
    run: Uuid,
}

impl Source {
    async fn job(shared: &Shared, ns: &str, id: &str) -> Result<Self, Error> {
        let job = shared.object_by_id(Kind::Job, ns, id).await?;
        let name = format!("Job {}", job.id);
        Ok(Self { kind: Kind::Job, id: job.id, name, run: cluster_of(&job) })
    }

    async fn session_cluster(
        shared: &Shared,
        ns: &str,
        name: &str,
        params: &Params,
    ) -> Result<Self, Error> {
        let asked = params.uuid("run")?;
        let cluster = shared.object_by_name(Kind::SessionCluster, ns, name).await?;
        let (name, runs) = (format!("SessionCluster '{}'", cluster.name), Runs::of(&cluster)?);
        let Some(newest) = runs.newest_first.first() else {
            return Err(Error::not_found(format!("{name} has never run, so it has no logs.")));
        };
        let run = asked.unwrap_or(*newest);
        if !runs.newest_first.contains(&run) {
            let known: Vec<String> = runs.newest_first.iter().map(Uuid::to_string).collect();
            let message =
                format!("{name} has no run {run}. Its newest runs: {}.", known.join(", "));
            return Err(Error::not_found(message));
        }
        Ok(Self { kind: Kind::SessionCluster, id: cluster.id, name, run })
    }

    /// How far it is. A store that cannot be read says nothing about it.
    async fn stage(&self, shared: &Shared) -> Stage {
        let Ok(found) = shared.store.by_id(self.kind, self.id).await else { return Stage::Running };
        let Some(object) = found else { return Stage::Over };
        if self.kind == Kind::SessionCluster {
            return Runs::of(&object).map_or(Stage::Running, |runs| runs.stage(self.run));
        }
        let is_over = object.decode::<Job>().is_ok_and(|job| job.status.state.is_terminal());
        if is_over { Stage::Over } else { Stage::Running }
    }

    /// Whether a file that got shorter is as it stays, its secrets hidden, rather than begun anew.
    async fn is_ending(&self, shared: &Shared) -> bool {
        self.stage(shared).await != Stage::Running
    }

    async fn files(&self, shared: &Shared) -> Result<Vec<File>, Error> {
        shared.handle.log_files(self.run).await.map_err(|e| self.unread(&e))
    }

    /// A failure with a cause may pass; one without is an answer: there is no such thing.
    fn unread(&self, error: &(impl std::error::Error + 'static)) -> Error {
        let message = format!("The logs of {} cannot be read: {error}.", self.name);
        match error.source() {
            Some(_) => Error::unavailable(message).because(error),
            None => Error::not_found(message),
        }
    }

    fn no_such_file(&self, file: &str, known: &[File]) -> Error {
        let file: String = file.chars().take(100).collect();
        let names: Vec<&str> = known.iter().map(|f| f.name.as_str()).take(20).collect();
        let have = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Error::not_found(format!("{} has no log {file:?}. Its logs: {have}.", self.name))
    }
}

/// The names and sizes of a Job's logs.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    Path((ns, id)): Path<(String, String)>,
) -> Result<Reply, Error> {
    let items = Source::job(&shared, &ns, &id).await?.files(&shared).await?;
    Ok(Reply::ok(Files { items }))
}

/// The names and sizes of the logs of a run of a SessionCluster.
pub(crate) async fn list_of_cluster(
    State(shared): State<Arc<Shared>>,
    Path((ns, name)): Path<(String, String)>,
    params: Params,
) -> Result<Reply, Error> {
    let source = Source::session_cluster(&shared, &ns, &name, &params).await?;
    let items = source.files(&shared).await?;
    Ok(Reply::ok(Files { items }))
}

/// A piece of one log of a Job, or the log as it grows.
pub(crate) async fn read(
    State(shared): State<Arc<Shared>>,
    Path((ns, id, file)): Path<(String, String, String)>,
    Extension(caller): Extension<Caller>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let source = Source::job(&shared, &ns, &id).await?;
    answer(shared, Reader { caller, ns }, source, file, &params, &headers).await
}

/// A piece of one log of a run of a SessionCluster, or the log as it grows.
pub(crate) async fn read_of_cluster(
    State(shared): State<Arc<Shared>>,
    Path((ns, name, file)): Path<(String, String, String)>,
    Extension(caller): Extension<Caller>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let source = Source::session_cluster(&shared, &ns, &name, &params).await?;
    answer(shared, Reader { caller, ns }, source, file, &params, &headers).await
}

async fn answer(
    shared: Arc<Shared>,
    reader: Reader,
    source: Source,
    file: String,
    params: &Params,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    let first = Wanted::of(params, headers)?.first(&shared, &source, file).await?;
    match (params.flag("follow")?, wants(headers)) {
        (false, Wants::Json)
            if headers.contains_key(header::ACCEPT) && !accepts_anything(headers) =>
        {
            Ok(Reply::ok(first.chunk).into_response())
        }
        (false, Wants::Yaml) => Ok(Reply::ok(first.chunk).into_response()),
        (false, _) => Ok(text(&first.chunk, Body::from(first.chunk.text.clone()))),
        (true, Wants::EventStream) => {
            Ok(events(follow(shared, reader, source, first)).into_response())
        }
        (true, _) => {
            let position = Chunk { text: String::new(), ..first.chunk.clone() };
            let pieces = follow(shared, reader, source, first).map(|c| Ok::<_, Infallible>(c.text));
            Ok(text(&position, Body::from_stream(pieces)))
        }
    }
}

/// `*/*`, which command-line tools send unasked, means text here.
fn accepts_anything(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).is_some_and(|v| v == "*/*")
}

/// Where reading begins.
struct Wanted {
    offset: Option<u64>,
    limit: u64,
    tail: Option<usize>,
}

/// The first piece, and what it was asked with.
struct First {
    query: Query,
    chunk: Chunk,
}

impl Wanted {
    fn of(params: &Params, headers: &HeaderMap) -> Result<Self, Error> {
        let tail = params.number("tail")?.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        let default = if tail.is_some() { LIMIT_MAX } else { LIMIT_DEFAULT };
        let limit = params.number("limit")?.unwrap_or(default).clamp(1, LIMIT_MAX);
        let resumed = headers.get("last-event-id").and_then(|v| v.to_str().ok()?.parse().ok());
        let offset = resumed.or(params.number("offset")?);
        let tail = if offset.is_some() { None } else { tail };
        Ok(Self { offset, limit, tail })
    }

    async fn first(&self, shared: &Shared, source: &Source, file: String) -> Result<First, Error> {
        let known = source.files(shared).await?;
        if !known.iter().any(|f| f.name == file) {
            return Err(source.no_such_file(&file, &known));
        }
        let query = Query { file, offset: self.offset, limit: self.limit };
        let read = shared.handle.log(source.run, &query).await;
        let mut chunk = read.map_err(|e| source.unread(&e))?;
        if self.offset.is_some_and(|offset| chunk.size < offset) && source.is_ending(shared).await {
            let end = chunk.size;
            chunk = Chunk { text: String::new(), offset: end, next_offset: end, size: end };
        }
        if let Some(lines) = self.tail {
            let cut = last_lines(&chunk.text, lines);
            chunk.offset += cut as u64;
            chunk.text.drain(..cut);
        }
        Ok(First { query, chunk })
    }
}

/// Where the last `lines` lines begin; a line break at the very end ends the last of them.
fn last_lines(text: &str, lines: usize) -> usize {
    let body = text.strip_suffix('\n').unwrap_or(text);
    match lines {
        0 => text.len(),
        _ => body.rmatch_indices('\n').nth(lines - 1).map_or(0, |(at, _)| at + 1),
    }
}

fn text(position: &Chunk, body: Body) -> Response {
    let headers = [
        ("content-type", "text/plain; charset=utf-8".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
        ("drey-log-offset", position.offset.to_string()),
        ("drey-log-next-offset", position.next_offset.to_string()),
        ("drey-log-size", position.size.to_string()),
    ];
    (StatusCode::OK, headers, body).into_response()
}

fn events(chunks: impl Stream<Item = Chunk> + Send + 'static) -> impl IntoResponse {
    let lines = chunks.map(|chunk| {
        let line = Line::default().id(chunk.next_offset.to_string());
        Ok::<_, Infallible>(line.json_data(&chunk).unwrap_or_default())
    });
    Sse::new(lines).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

/// Who follows a log, and in which namespace.
struct Reader {
    caller: Caller,
    ns: String,
}

/// Piece after piece, each only when the client has taken the one before, and only while the client may read it.
fn follow(
    shared: Arc<Shared>,
    reader: Reader,
    source: Source,
    first: First,
) -> impl Stream<Item = Chunk> + Send {
    async_stream::stream! {
        let First { mut query, chunk } = first;
        let mut next = chunk.next_offset;
        yield chunk;
        while !shared.shutdown.is_cancelled()
            && reader.caller.may_still(&shared, &reader.ns, Resource::Logs, Access::Get).await
        {
            // Asked before reading: what was written before the end is still shown.
            let is_over = source.stage(&shared).await == Stage::Over;
            query.offset = Some(next);
            let chunk = match shared.handle.log(source.run, &query).await {
                Ok(chunk) => chunk,
                Err(e) => {
                    tracing::debug!(source = source.name, error = causes(&e), "a followed log cannot be read any more");
                    break;
                }
            };
            let is_shorter = chunk.size < next;
            if is_shorter && source.is_ending(&shared).await {
                break;
            }
            let has_grown = chunk.next_offset > next;
            next = if is_shorter { 0 } else { chunk.next_offset.max(next) };
            if has_grown {
                // A piece in the middle of something hidden has no text.
                if !chunk.text.is_empty() {
                    yield chunk;
                }
            } else if is_over {
                break;
            } else {
                tokio::select! {
                    () = tokio::time::sleep(FOLLOW_INTERVAL) => {}
                    () = shared.shutdown.cancelled() => break,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::last_lines;

    #[test]
    fn the_last_lines_are_counted_with_and_without_a_final_break() {
        assert_eq!(&"a\nb\nc\n"[last_lines("a\nb\nc\n", 2)..], "b\nc\n");
        assert_eq!(&"a\nb\nc"[last_lines("a\nb\nc", 1)..], "c");
        assert_eq!(&"a\nb"[last_lines("a\nb", 9)..], "a\nb");
        assert_eq!(&"a\nb"[last_lines("a\nb", 0)..], "");
        assert_eq!(last_lines("", 3), 0);
    }
}
