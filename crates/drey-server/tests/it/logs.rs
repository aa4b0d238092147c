//! A Job's logs, in pieces and followed.

use std::time::Duration;

use axum::body::Body;
use drey_model::{JobState, Kind};
use drey_store::Write;
use futures::StreamExt;
use serde_json::json;
use uuid::Uuid;

use crate::guard::{ADMIN, guarded, settings, tokens_of};
use crate::world::{DEPLOYMENTS, Server, deployment, request};

async fn server_with_log(text: &str, state: JobState) -> (Server, Uuid, String) {
    let server = Server::start().await;
    let deployment = server.deploy("one").await;
    let job = server.job(deployment, state).await;
    server.backend.logs.lock().unwrap().insert("jobmanager.log".into(), text.into());
    let path = format!("/ext/v1/namespaces/default/jobs/{job}/logs");
    (server, job, path)
}

#[tokio::test]
async fn logs_are_listed_and_read_in_pieces() {
    let (server, _, path) = server_with_log("one\ntwo\nthree\n", JobState::Started).await;
    let list = server.get(&path).await.expect(200);
    assert_eq!(list, json!({"items": [{"name": "jobmanager.log", "size": 14}]}));

    let file = format!("{path}/jobmanager.log");
    let whole = server.get(&file).await;
    assert_eq!(whole.text, "one\ntwo\nthree\n");
    assert_eq!(whole.header("drey-log-next-offset"), "14");
    assert_eq!(server.get(&format!("{file}?tail=2")).await.text, "two\nthree\n");
    assert_eq!(server.get(&format!("{file}?limit=6")).await.text, "three\n");
    let piece = server.get(&format!("{file}?offset=4&limit=4")).await;
    assert_eq!((piece.text.as_str(), piece.header("drey-log-offset")), ("two\n", "4"));
    let json = server.text("GET", &file, &[("accept", "application/json")], "").await.expect(200);
    assert_eq!(
        json,
        json!({"text": "one\ntwo\nthree\n", "offset": 0, "nextOffset": 14, "size": 14})
    );
}

#[tokio::test]
async fn only_listed_names_are_read() {
    let (server, _, path) = server_with_log("x", JobState::Started).await;
    for name in ["other.log", "..%2f..%2fetc%2fpasswd", "%2e%2e", "jobmanager.log%00"] {
        let message = server.get(&format!("{path}/{name}")).await.refused(404, "NotFound");
        assert!(message.contains("Its logs: jobmanager.log."), "{message}");
    }
    server.get(&format!("{path}/jobmanager.log?offset=-1")).await.refused(400, "BadRequest");
}

#[tokio::test]
async fn following_ends_with_the_job_and_misses_nothing() {
    let (server, job, path) = server_with_log("one\n", JobState::Started).await;
    let request = request("GET", &format!("{path}/jobmanager.log?follow=true"), &[], Body::empty());
    let response = server.open(request).await;
    let mut pieces = response.into_body().into_data_stream();
    assert_eq!(pieces.next().await.unwrap().unwrap(), "one\n");

    server.backend.logs.lock().unwrap().insert("jobmanager.log".into(), b"one\ntwo\n".to_vec());
    assert_eq!(pieces.next().await.unwrap().unwrap(), "two\n");

    server
        .backend
        .logs
        .lock()
        .unwrap()
        .insert("jobmanager.log".into(), b"one\ntwo\nend\n".to_vec());
    let mut row = server.app.store.by_id(Kind::Job, job).await.unwrap().unwrap();
    let revision = row.revision;
    row.doc = row.doc.replace("STARTED", "FINISHED");
    server.app.store.commit(&[Write::Update(row, revision)]).await.unwrap();
    assert_eq!(pieces.next().await.unwrap().unwrap(), "end\n");
    let end = tokio::time::timeout(Duration::from_secs(5), pieces.next()).await.unwrap();
    assert!(end.is_none());
}

#[tokio::test]
async fn following_as_events_says_where_to_go_on() {
    let (server, _, path) = server_with_log("one\n", JobState::Finished).await;
    let headers = [("accept", "text/event-stream")];
    let answer =
        server.text("GET", &format!("{path}/jobmanager.log?follow=true"), &headers, "").await;
    assert!(answer.text.contains("id: 4\n"), "{}", answer.text);
    assert!(answer.text.contains(r#""text":"one\n""#), "{}", answer.text);
}

#[tokio::test]
async fn following_ends_when_the_reader_is_no_longer_known() {
    let server = guarded(settings()).await;
    let (owner, viewer) =
        (server.token("default", "owner").await, server.token("default", "viewer").await);
    let made = server.bearing(&owner, "POST", DEPLOYMENTS, Some(deployment("one"))).await;
    let id = made.expect(201)["metadata"]["id"].as_str().unwrap().parse().unwrap();
    let job = server.job(id, JobState::Started).await;
    server.backend.logs.lock().unwrap().insert("jobmanager.log".into(), b"one\n".to_vec());
    let path = format!("/ext/v1/namespaces/default/jobs/{job}/logs/jobmanager.log?follow=true");
    let authorization = format!("Bearer {viewer}");
    let headers = [("authorization", authorization.as_str())];
    let response = server.open(request("GET", &path, &headers, Body::empty())).await;
    let mut pieces = response.into_body().into_data_stream();
    assert_eq!(pieces.next().await.unwrap().unwrap(), "one\n");

    let path = format!("{}/viewer", tokens_of("default"));
    server.bearing(ADMIN, "DELETE", &path, None).await.expect(200);
    server.backend.logs.lock().unwrap().insert("jobmanager.log".into(), b"one\ntwo\n".to_vec());
    let rest = async {
        let mut text = String::new();
        while let Some(piece) = pieces.next().await {
            text.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
        }
        text
    };
    let rest = tokio::time::timeout(Duration::from_secs(5), rest).await.unwrap();
    assert_eq!(rest, "", "what is written after that is not theirs to read");
}
