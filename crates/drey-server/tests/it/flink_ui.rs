//! The proxy to Flink's dashboards, against a small Flink.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse;
use axum::routing::any;
use drey_model::JobState;
use uuid::Uuid;

use crate::world::{Server, request};

/// A Flink that says what it was asked.
async fn flink() -> String {
    let echo = |uri: Uri, headers: HeaderMap, body: Bytes| async move {
        let seen = ["cookie", "authorization", "x-kept", "connection", "x-hop"]
            .map(|n| format!("{n}={}", headers.contains_key(n)));
        let answer = [
            ("set-cookie", "a=b"),
            ("etag", "yes"),
            ("service-worker-allowed", "/"),
            ("x-hop", "1"),
        ];
        (StatusCode::ACCEPTED, answer, format!("{uri} {} {}", seen.join(" "), body.len()))
    };
    let moved = |request: Request| async move {
        let host = request.headers()["host"].to_str().unwrap().to_owned();
        let location = match request.uri().query() {
            Some("away") => "http://elsewhere/x".to_owned(),
            Some("absolute") => format!("http://{host}/jars?a=1"),
            _ => "/overview".to_owned(),
        };
        (StatusCode::FOUND, [("location", location)]).into_response()
    };
    let router = Router::new()
        .route("/moved", any(moved))
        .route("/missing", any(|| async { (StatusCode::NOT_FOUND, "flink's own words") }))
        .fallback(echo);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

async fn server() -> (Server, Uuid, String) {
    let server = Server::start().await;
    let deployment = server.deploy("one").await;
    let job = server.job(deployment, JobState::Started).await;
    let base = flink().await;
    server.backend.rest.lock().unwrap().insert(job, base);
    (server, job, format!("/flink-ui/v1/namespaces/default/jobs/{job}"))
}

#[tokio::test]
async fn requests_pass_with_path_query_and_body_but_without_credentials() {
    let (server, _, path) = server().await;
    let headers = [
        ("cookie", "a=b"),
        ("authorization", "Bearer x"),
        ("x-kept", "1"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("content-length", "70000"),
    ];
    let body = Body::from(vec![b'x'; 70_000]);
    let answer =
        server.send(request("POST", &format!("{path}/a%20b/c?d=%2F"), &headers, body)).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(
        answer.text,
        "/a%20b/c?d=%2F cookie=false authorization=false x-kept=true connection=false x-hop=false 70000"
    );
    assert_eq!(answer.header("etag"), "yes");
    assert_eq!(
        answer.header("service-worker-allowed"),
        "",
        "rules for the whole origin stay there"
    );
    assert_eq!((answer.header("set-cookie"), answer.header("x-hop")), ("", ""));
    assert!(server.get(&format!("{path}/")).await.text.starts_with("/ cookie"));
}

#[tokio::test]
async fn flinks_own_errors_and_redirects_come_through() {
    let (server, _, path) = server().await;
    let missing = server.get(&format!("{path}/missing")).await;
    assert_eq!((missing.status.as_u16(), missing.text.as_str()), (404, "flink's own words"));
    let moved = server.get(&format!("{path}/moved")).await;
    assert_eq!(
        (moved.status.as_u16(), moved.header("location")),
        (302, format!("{path}/overview").as_str())
    );
    let absolute = server.get(&format!("{path}/moved?absolute")).await;
    assert_eq!(absolute.header("location"), format!("{path}/jars?a=1"));
    assert_eq!(server.get(&format!("{path}/moved?away")).await.header("location"), "");
}

#[tokio::test]
async fn pages_of_a_job_install_nothing_in_the_browser() {
    let (server, _, path) = server().await;
    let headers = [("service-worker", "script")];
    let asked = request("GET", &format!("{path}/sw.js"), &headers, Body::empty());
    server.send(asked).await.refused(403, "Forbidden");
}

#[tokio::test]
async fn the_bare_path_leads_to_the_one_with_a_slash() {
    let (server, _, path) = server().await;
    let answer = server.get(&format!("{path}?x=1")).await;
    assert_eq!(answer.status.as_u16(), 307);
    assert_eq!(answer.header("location"), format!("{path}/?x=1"));
}

#[tokio::test]
async fn what_flink_shows_of_secrets_is_hidden_in_bodies_of_any_length() {
    let (server, _, path) = server().await;
    server.backend.secrets.lock().unwrap().push("hunter2/x".to_owned());
    let answer = server.get(&format!("{path}/config?key=hunter2/x&a=b")).await;
    assert!(answer.text.starts_with("/config?key=******&a=b "), "{}", answer.text);
    assert_eq!(answer.header("content-length"), "");
    assert!(server.get(&format!("{path}/other")).await.text.starts_with("/other "));
}

#[tokio::test]
async fn a_cluster_that_is_not_up_is_a_503_in_our_layout() {
    let (server, job, path) = server().await;
    server.backend.rest.lock().unwrap().clear();
    let message = server.get(&format!("{path}/")).await.refused(503, "ServiceUnavailable");
    assert!(message.contains("not up"), "{message}");
    server.backend.rest.lock().unwrap().insert(job, "http://127.0.0.1:1".into());
    let message = server.get(&format!("{path}/")).await.refused(503, "ServiceUnavailable");
    assert!(message.contains("No answer"), "{message}");
}
