//! Many clients at once: no update is lost, no name is given twice.

use axum::body::Body;
use serde_json::json;

use crate::world::{DEPLOYMENTS, Server, deployment, request};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_patches_all_land() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::on_disk(&folder).await;
    server.deploy("one").await;
    let path = format!("{DEPLOYMENTS}/one");
    let patches = (0..24).map(|n| {
        let key = format!("key-{n}");
        let patch = json!({"spec": {"template": {"spec": {"flinkConfiguration": {key: "x"}}}}});
        server.json("PATCH", &path, patch)
    });
    for answer in futures::future::join_all(patches).await {
        answer.expect(200);
    }
    let seen = server.get(&path).await.expect(200);
    let keys = seen["spec"]["template"]["spec"]["flinkConfiguration"].as_object().unwrap().len();
    assert_eq!(keys, 24);
    assert_eq!(seen["metadata"]["resourceVersion"], 25);
}

#[tokio::test]
async fn of_concurrent_creations_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::on_disk(&folder).await;
    let posts = (0..10).map(|_| server.json("POST", DEPLOYMENTS, deployment("one")));
    let answers = futures::future::join_all(posts).await;
    assert_eq!(answers.iter().filter(|a| a.status == 201).count(), 1);
    assert_eq!(answers.iter().filter(|a| a.status == 409).count(), 9);
}

#[tokio::test]
async fn of_concurrent_puts_one_creates_and_the_others_replace() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::on_disk(&folder).await;
    let path = format!("{DEPLOYMENTS}/one");
    let puts = (0..10).map(|_| server.json("PUT", &path, deployment("one")));
    let answers = futures::future::join_all(puts).await;
    assert_eq!(answers.iter().filter(|a| a.status == 201).count(), 1);
    assert_eq!(answers.iter().filter(|a| a.status == 200).count(), 9);
}

#[tokio::test]
async fn of_concurrent_if_match_writes_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::on_disk(&folder).await;
    server.deploy("one").await;
    let path = format!("{DEPLOYMENTS}/one");
    let patches = (0..10).map(|_| {
        let body = Body::from(r#"{"spec":{"state":"RUNNING"}}"#);
        server.send(request("PATCH", &path, &[("if-match", "\"1\"")], body))
    });
    let answers = futures::future::join_all(patches).await;
    assert_eq!(answers.iter().filter(|a| a.status == 200).count(), 1);
    assert_eq!(answers.iter().filter(|a| a.status == 412).count(), 9);
}
