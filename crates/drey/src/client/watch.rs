//! The watch: every change of the store as a stream that survives lost connections.
//!
//! The stream begins with everything that is there (ADDED …, SNAPSHOT_END). After a lost connection it goes on from
//! the last id. Who needs certainty reads the object again and takes a change only as a hint.

use std::pin::Pin;
use std::time::Duration;

use futures::{Stream, StreamExt};
use serde_json::Value;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::Client;
use crate::subject::Kind;

/// First pause before connecting again; it doubles.
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// Longest pause before connecting again.
const PAUSE_MAX: Duration = Duration::from_secs(4);
/// Longest line of a stream; a longer one means that this is not our stream.
const LINE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// One change of one object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    /// ADDED, MODIFIED, DELETED; SNAPSHOT_END; RESET: a new snapshot follows.
    pub(crate) what: String,
    /// Number of the write.
    pub(crate) revision: i64,
    /// Where to go on from after a lost connection; objects of a snapshot have none.
    pub(crate) id: Option<i64>,
    /// The object after (for DELETED: before) the change.
    pub(crate) object: Value,
}

impl Change {
    /// A member of the object's metadata.
    pub(crate) fn meta(&self, member: &str) -> Option<&str> {
        self.object.get("metadata")?.get(member)?.as_str()
    }
}

type Chunks = Pin<Box<dyn Stream<Item = reqwest::Result<Vec<u8>>> + Send>>;

/// A watch that is connected, or will be again.
pub(crate) struct Watch {
    client: Client,
    ns: String,
    kinds: String,
    after: Option<i64>,
    open: Option<Chunks>,
    parser: Parser,
    pause: Duration,
    /// Whether the connection was lost and nothing has come since.
    pub(crate) lost: bool,
}

impl Watch {
    /// A watch of some kinds in one namespace. Does not connect yet.
    pub(crate) fn new(client: &Client, ns: &str, kinds: &[Kind]) -> Self {
        let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
        Self {
            client: client.clone(),
            ns: ns.to_owned(),
            kinds: kinds.join(","),
            after: None,
            open: None,
            parser: Parser::default(),
            pause: PAUSE_MIN,
            lost: false,
        }
    }

    /// The next change, or `None` at the deadline. Connects and reconnects by itself.
    pub(crate) async fn next(&mut self, deadline: Instant) -> Option<Change> {
        loop {
            if let Some(change) = self.parser.pop() {
                self.after = match change.what.as_str() {
                    "RESET" => None,
                    _ => change.id.or(self.after),
                };
                return Some(change);
            }
            if Instant::now() >= deadline {
                return None;
            }
            let Some(chunks) = self.open.as_mut() else {
                self.connect(deadline).await;
                continue;
            };
            match timeout_at(deadline, chunks.next()).await {
                Err(_) => return None,
                Ok(Some(Ok(bytes))) if self.parser.push(&bytes) => {
                    self.lost = false;
                    self.pause = PAUSE_MIN;
                }
                Ok(_) => self.pause(deadline).await,
            }
        }
    }

    /// Connects, or waits until the next try is due.
    async fn connect(&mut self, deadline: Instant) {
        let after = self.after.map(|revision| revision.to_string());
        let mut query = vec![("kinds", self.kinds.as_str()), ("namespace", self.ns.as_str())];
        query.extend(after.as_deref().map(|revision| ("after", revision)));
        let url = self.client.url(&["ext", "v1", "watch"], &query);
        let request =
            self.client.request(reqwest::Method::GET, url).header("accept", "text/event-stream");
        let answer = timeout_at(deadline, request.send()).await;
        self.parser = Parser::default();
        match answer {
            Ok(Ok(answer)) if answer.status().is_success() => {
                let chunks = answer.bytes_stream();
                self.open = Some(Box::pin(chunks.map(|piece| piece.map(|bytes| bytes.to_vec()))));
            }
            Ok(_) => self.pause(deadline).await,
            Err(_) => {}
        }
    }

    /// Lets go, and waits until the next try is due.
    async fn pause(&mut self, deadline: Instant) {
        self.open = None;
        self.lost = true;
        sleep_until(deadline.min(Instant::now() + self.pause)).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }
}

/// Server-sent events out of pieces of bytes.
#[derive(Debug, Default)]
struct Parser {
    rest: Vec<u8>,
    what: String,
    data: String,
    id: Option<i64>,
    ready: std::collections::VecDeque<Change>,
}

impl Parser {
    /// Takes the next bytes; `false` when this cannot be such a stream.
    fn push(&mut self, bytes: &[u8]) -> bool {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            self.line(line.trim_end_matches(['\n', '\r']));
        }
        self.rest.len() < LINE_BYTES_MAX
    }

    /// The oldest change that is complete.
    fn pop(&mut self) -> Option<Change> {
        self.ready.pop_front()
    }

    fn line(&mut self, line: &str) {
        if line.is_empty() {
            self.dispatch();
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.id = value.parse().ok(),
            "event" => value.clone_into(&mut self.what),
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            _ => {}
        }
    }

    fn dispatch(&mut self) {
        let what = std::mem::take(&mut self.what);
        let data = std::mem::take(&mut self.data);
        let id = self.id.take();
        if what.is_empty() && data.is_empty() {
            return;
        }
        let mut parsed: Value = serde_json::from_str(&data).unwrap_or_default();
        let kind = parsed.get("type").and_then(Value::as_str).map(str::to_owned);
        let revision = parsed.get("revision").and_then(Value::as_i64).or(id).unwrap_or(0);
        let object = parsed.get_mut("object").map(Value::take).unwrap_or_default();
        let what = if what.is_empty() { kind.unwrap_or_default() } else { what };
        self.ready.push_back(Change { what, revision, id, object });
    }
}

#[cfg(test)]
mod tests {
    use super::Parser;

    #[test]
    fn changes_are_read_across_pieces_and_comments_are_skipped() {
        let text = ": hello\n\nid: 7\nevent: MODIFIED\ndata: {\"type\":\"MODIFIED\",\"revision\":7,\
                    \"object\":{\"kind\":\"Job\",\"metadata\":{\"id\":\"x\"}}}\n\nevent: RESET\ndata: {}\n\n";
        let mut parser = Parser::default();
        for piece in text.as_bytes().chunks(5) {
            assert!(parser.push(piece));
        }
        let change = parser.pop().expect("one change");
        assert_eq!((change.what.as_str(), change.revision), ("MODIFIED", 7));
        assert_eq!(change.meta("id"), Some("x"));
        assert_eq!(parser.pop().map(|c| c.what), Some("RESET".to_owned()));
        assert_eq!(parser.pop(), None);
    }
}
