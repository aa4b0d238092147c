//! `/api/v1/logs/` and `/api/v1/logs/reports`: the audit log (platform API reference §2.3), a page at a time or whole.
//!
//! The platform's parameters are not public; ours: `from`, `to` (RFC 3339), `pageSize`, `pageToken`, `format`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use drey_model::meta::API_VERSION;
use drey_store::{AuditEntry, AuditWindow};
use futures::Stream;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::app::Shared;
use crate::error::Error;
use crate::wire::{Params, Reply};

/// Entries of a page, unless told otherwise, and at most.
const PAGE: u32 = 100;
const PAGE_MAX: u64 = 1_000;
/// The first line of a report.
const CSV_HEAD: &str =
    "time,actor,address,method,route,namespace,object,status,outcome,requestId,detail\r\n";

type App = State<Arc<Shared>>;

/// A page of the audit log, newest first.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditLog {
    /// Always `AuditLog`.
    kind: &'static str,
    /// Always `v1`.
    api_version: &'static str,
    /// Where this page stands.
    metadata: AuditPage,
    /// The entries.
    items: Vec<AuditItem>,
}

/// Where a page stands.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditPage {
    /// For `pageToken` of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// Who did what.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditItem {
    /// Unique.
    id: Uuid,
    /// When it was asked for.
    time: Timestamp,
    /// Who: `user:<id>`, `apitoken:<namespace>/<name>`, `admin-token`, `nobody`.
    actor: String,
    /// From where.
    address: String,
    /// The HTTP method.
    method: String,
    /// The route, with its parameters as names.
    route: String,
    /// The namespace; empty when there is none.
    namespace: String,
    /// The object; empty when there is none.
    object: String,
    /// The HTTP status; absent when it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// How it ended.
    outcome: Outcome,
    /// Of the `X-Request-Id` header, and of the server's log.
    request_id: String,
    /// What the status does not say.
    detail: String,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema, strum::Display)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
pub(crate) enum Outcome {
    /// As asked for.
    Succeeded,
    /// The caller may not.
    Denied,
    /// It did not work.
    Failed,
    /// It was cut off, by a crash or by its client: it may have happened.
    Unknown,
}

impl AuditItem {
    fn of(entry: AuditEntry) -> Self {
        let outcome = match entry.status {
            None => Outcome::Unknown,
            Some(401 | 403 | 429) => Outcome::Denied,
            Some(status) if status < 400 => Outcome::Succeeded,
            Some(_) => Outcome::Failed,
        };
        Self {
            id: entry.id,
            time: entry.at,
            actor: entry.actor,
            address: entry.address,
            method: entry.method,
            route: entry.route,
            namespace: entry.namespace,
            object: entry.object,
            status: entry.status,
            outcome,
            request_id: entry.request_id,
            detail: entry.detail,
        }
    }
}

/// A page.
pub(crate) async fn list(State(shared): App, params: Params) -> Result<Reply, Error> {
    let mut window = window(&params)?;
    let size = params.number("pageSize")?.unwrap_or(u64::from(PAGE)).clamp(1, PAGE_MAX);
    window.limit = u32::try_from(size).unwrap_or(PAGE);
    let entries = shared.store.audit(&window).await?;
    let is_full = entries.len() as u64 == size;
    let last = entries.last().filter(|_| is_full);
    let next_page_token = last.map(|e| format!("{}.{}", e.at.as_millisecond(), e.id));
    Ok(Reply::ok(AuditLog {
        kind: "AuditLog",
        api_version: API_VERSION,
        metadata: AuditPage { next_page_token },
        items: entries.into_iter().map(AuditItem::of).collect(),
    }))
}

/// Everything between `from` and `to`, as CSV or JSON.
pub(crate) async fn report(State(shared): App, params: Params) -> Result<Response, Error> {
    let window = AuditWindow { limit: PAGE_MAX as u32, ..window(&params)? };
    let format = params.text("format").unwrap_or("csv").to_ascii_lowercase();
    let (media_type, name, is_csv) = match format.as_str() {
        "csv" => ("text/csv; charset=utf-8", "audit.csv", true),
        "json" => ("application/json", "audit.json", false),
        other => {
            let other: String = other.chars().take(100).collect();
            let message = format!("Query parameter format must be csv or json; found {other:?}.");
            return Err(Error::bad_request(message));
        }
    };
    let headers = [
        (header::CONTENT_TYPE, media_type.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    let body = Body::from_stream(pieces(shared, window, is_csv));
    Ok((StatusCode::OK, headers, body).into_response())
}

/// The report, a page at a time: it is never whole in memory. A page that cannot be read ends it in the middle, which
/// the client sees as an answer that was cut off.
fn pieces(
    shared: Arc<Shared>,
    mut window: AuditWindow,
    is_csv: bool,
) -> impl Stream<Item = Result<String, drey_store::Error>> {
    async_stream::try_stream! {
        let mut is_first = true;
        yield if is_csv { CSV_HEAD.to_owned() } else { "[".to_owned() };
        loop {
            let entries = shared.store.audit(&window).await?;
            let is_last = entries.len() < window.limit as usize;
            if let Some(last) = entries.last() {
                (window.to, window.below) = (last.at, last.id);
            }
            let mut text = String::new();
            for entry in entries {
                let item = AuditItem::of(entry);
                if is_csv {
                    text.push_str(&line(&item));
                } else {
                    text.push_str(if std::mem::take(&mut is_first) { "\n" } else { ",\n" });
                    text.push_str(&serde_json::to_string(&item).unwrap_or_default());
                }
            }
            yield text;
            if is_last {
                break;
            }
        }
        if !is_csv {
            yield "\n]\n".to_owned();
        }
    }
}

fn line(item: &AuditItem) -> String {
    let status = item.status.map(|status| status.to_string()).unwrap_or_default();
    let (time, outcome) = (item.time.to_string(), item.outcome.to_string());
    let cells = [
        &time,
        &item.actor,
        &item.address,
        &item.method,
        &item.route,
        &item.namespace,
        &item.object,
        &status,
        &outcome,
        &item.request_id,
        &item.detail,
    ];
    let cells: Vec<String> = cells.iter().map(|cell| csv(cell)).collect();
    format!("{}\r\n", cells.join(","))
}

/// A cell of a CSV file (RFC 4180). A name that a spreadsheet would take for a formula is shown as the text it is.
fn csv(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = if is_formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

fn window(params: &Params) -> Result<AuditWindow, Error> {
    let from = time(params, "from")?.unwrap_or(Timestamp::MIN);
    let mut to = time(params, "to")?.unwrap_or(Timestamp::MAX);
    // Entries at `to` itself are not in the window, unless a page ended among them.
    let mut below = Uuid::nil();
    if let Some(token) = params.text("pageToken") {
        let parts = token.split_once('.').and_then(|(at, id)| {
            let at = Timestamp::from_millisecond(at.parse().ok()?).ok()?;
            Some((at, id.parse::<Uuid>().ok()?))
        });
        (to, below) = parts.ok_or_else(|| {
            let message = "Query parameter pageToken must be the nextPageToken of a page.";
            Error::bad_request(message)
        })?;
    }
    Ok(AuditWindow { from, to, below, limit: PAGE })
}

fn time(params: &Params, name: &str) -> Result<Option<Timestamp>, Error> {
    let Some(text) = params.text(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| {
        let text: String = text.chars().take(100).collect();
        let expected = "a time such as 2026-11-21T14:00:00Z";
        Error::bad_request(format!("Query parameter {name} must be {expected}; found {text:?}."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_becomes_a_formula_or_another_cell() {
        assert_eq!(csv("plain"), "plain");
        assert_eq!(csv("=1+1"), "'=1+1");
        assert_eq!(csv("a,\"b\"\r\n"), "\"a,\"\"b\"\"\r\n\"");
    }
}
