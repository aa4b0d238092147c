//! The watch: snapshot, changes, resumption, reset.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use drey_model::Kind;
use futures::StreamExt;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::world::{DEPLOYMENTS, Server, TARGETS, request};

/// One event as it came.
#[derive(Debug)]
struct Seen {
    name: String,
    id: Option<i64>,
    data: Value,
}

impl Seen {
    fn object(&self) -> &str {
        self.data["object"]["metadata"]["name"].as_str().unwrap_or("")
    }
}

struct Stream {
    bytes: BodyDataStream,
    text: String,
}

impl Stream {
    async fn open(server: &Server, query: &str, last_id: Option<i64>) -> Self {
        let id = last_id.map(|id| id.to_string()).unwrap_or_default();
        let headers = [("last-event-id", id.as_str())];
        let headers = if last_id.is_some() { &headers[..] } else { &headers[..0] };
        let request = request("GET", &format!("/ext/v1/watch{query}"), headers, Body::empty());
        let response = server.open(request).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { bytes: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Seen> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let seen = parse(event);
                self.text = rest.to_owned();
                return Some(seen);
            }
            let piece = tokio::time::timeout(Duration::from_secs(20), self.bytes.next());
            let piece = piece.await.expect("an event in time")?;
            self.text.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
        }
    }

    /// All events up to the end of the snapshot; its revision.
    async fn snapshot(&mut self) -> (Vec<Seen>, i64) {
        let mut before = Vec::new();
        loop {
            let seen = self.next().await.unwrap();
            if seen.name == "SNAPSHOT_END" {
                return (before, seen.id.unwrap());
            }
            before.push(seen);
        }
    }
}

fn parse(event: &str) -> Seen {
    let field = |name: &str| event.lines().find_map(|l| l.strip_prefix(name)).map(str::trim);
    Seen {
        name: field("event:").unwrap_or("").to_owned(),
        id: field("id:").map(|id| id.parse().unwrap()),
        data: serde_json::from_str(field("data:").unwrap_or("null")).unwrap(),
    }
}

#[tokio::test]
async fn a_new_watcher_gets_a_snapshot_and_then_every_change() {
    let server = Server::start().await;
    server.deploy("one").await;
    let mut stream = Stream::open(&server, "", None).await;
    let (present, revision) = stream.snapshot().await;
    assert!(present.iter().all(|s| s.name == "ADDED" && s.id.is_none()));
    let names: Vec<&str> = present.iter().map(Seen::object).collect();
    assert_eq!(names, ["one", "local", "deployment-defaults"]);

    server.deploy("two").await;
    let added = stream.next().await.unwrap();
    assert_eq!((added.name.as_str(), added.object()), ("ADDED", "two"));
    assert!(added.id.unwrap() > revision);
    assert_eq!(added.data["type"], "ADDED");
    assert_eq!(added.data["revision"], added.id.unwrap());
    // The target's row moves along, so that its deletion cannot miss the new reference.
    assert_eq!(stream.next().await.unwrap().object(), "local");

    let path = format!("{DEPLOYMENTS}/two");
    server.json("PATCH", &path, json!({"spec": {"state": "RUNNING"}})).await.expect(200);
    let changed = stream.next().await.unwrap();
    assert_eq!((changed.name.as_str(), changed.object()), ("MODIFIED", "two"));
    assert_eq!(changed.data["object"]["spec"]["state"], "RUNNING");
    server.delete(&path).await.expect(200);
    let gone = stream.next().await.unwrap();
    assert_eq!((gone.name.as_str(), gone.object()), ("DELETED", "two"));
}

#[tokio::test]
async fn a_watcher_resumes_where_it_left_off_and_the_header_wins() {
    let server = Server::start().await;
    let mut stream = Stream::open(&server, "?kinds=deployment", None).await;
    let (_, start) = stream.snapshot().await;
    drop(stream);
    server.deploy("one").await;
    server.deploy("two").await;
    let mut resumed =
        Stream::open(&server, &format!("?kinds=deployment&after={start}"), None).await;
    let one = resumed.next().await.unwrap();
    assert_eq!(one.object(), "one");
    assert_eq!(resumed.next().await.unwrap().object(), "two");

    let query = format!("?kinds=deployment&after={start}");
    let mut later = Stream::open(&server, &query, one.id).await;
    assert_eq!(later.next().await.unwrap().object(), "two");
}

#[tokio::test]
async fn kinds_and_namespace_narrow_the_stream() {
    let server = Server::start().await;
    let id = server.deploy("one").await;
    server.event(id, None, "x").await;
    let mut targets =
        Stream::open(&server, "?kinds=DeploymentTarget&namespace=default", None).await;
    let (present, _) = targets.snapshot().await;
    assert_eq!(present.iter().map(Seen::object).collect::<Vec<_>>(), ["local"]);
    let mut nothing = Stream::open(&server, "?namespace=other", None).await;
    assert!(nothing.snapshot().await.0.is_empty());
}

#[tokio::test]
async fn a_watcher_that_is_too_far_behind_is_told_and_starts_anew() {
    let server = Server::start().await;
    server.deploy("one").await;
    let body = json!({"metadata": {"name": "gone"}, "spec": {"kubernetes": {}}});
    server.json("POST", TARGETS, body).await.expect(201);
    server.delete(&format!("{TARGETS}/gone")).await.expect(200);
    let later = Timestamp::now() + jiff::SignedDuration::from_hours(1);
    server.app.store.purge_tombstones(later).await.unwrap();
    for after in [1, 1_000_000] {
        let mut stream = Stream::open(&server, &format!("?after={after}"), None).await;
        assert_eq!(stream.next().await.unwrap().name, "RESET");
        let (present, revision) = stream.snapshot().await;
        assert_eq!(present.len(), 3);
        assert_eq!(revision, server.app.store.revision().await.unwrap());
    }
}

#[tokio::test]
async fn many_changes_come_in_order_without_a_gap() {
    let server = Server::start().await;
    let id = server.deploy("one").await;
    for n in 0..450 {
        server.event(id, None, &n.to_string()).await;
    }
    let mut stream = Stream::open(&server, "?after=0&kinds=Event", None).await;
    for n in 0..450 {
        let seen = stream.next().await.unwrap();
        assert_eq!(seen.data["object"]["spec"]["message"], n.to_string());
    }
}

#[tokio::test]
async fn streams_are_counted_and_end_with_the_server() {
    let server = Server::start().await;
    let mut stream = Stream::open(&server, "", None).await;
    stream.snapshot().await;
    assert!(server.get("/metrics").await.text.contains("drey_watch_clients 1"));
    server.app.shutdown.cancel();
    assert!(stream.next().await.is_none());
    drop(stream);
    assert!(server.get("/metrics").await.text.contains("drey_watch_clients 0"));
}

#[tokio::test]
async fn a_damaged_row_does_not_end_the_watch() {
    let server = Server::start().await;
    let id = server.deploy("one").await;
    let mut row = server.app.store.by_id(Kind::Deployment, id).await.unwrap().unwrap();
    let revision = row.revision;
    row.doc = "{not json".into();
    let writes = [drey_store::Write::Update(row, revision)];
    server.app.store.commit(&writes).await.unwrap();
    let mut stream = Stream::open(&server, "?kinds=Deployment", None).await;
    let (present, _) = stream.snapshot().await;
    assert_eq!(present[0].data["object"]["metadata"]["id"], id.to_string());
}
