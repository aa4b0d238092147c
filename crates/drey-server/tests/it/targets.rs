//! DeploymentTargets: metadata may change, `spec` may not, and a target in use stays.

use std::sync::Arc;

use serde_json::json;

use crate::world::{DEPLOYMENTS, Server, TARGETS, deployment};

#[tokio::test]
async fn the_built_in_target_is_there() {
    let server = Server::start().await;
    let local = server.get(&format!("{TARGETS}/local")).await.expect(200);
    assert_eq!(local["kind"], "DeploymentTarget");
    assert!(local["spec"]["local"].is_object());
}

#[tokio::test]
async fn targets_are_created_listed_relabelled_and_deleted() {
    let server = Server::start().await;
    let body =
        json!({"metadata": {"name": "Prod_EU"}, "spec": {"kubernetes": {"namespace": "flink"}}});
    let made = server.json("POST", TARGETS, body.clone()).await.expect(201);
    assert_eq!(made["spec"]["kubernetes"]["namespace"], "flink");
    server.json("POST", TARGETS, body.clone()).await.refused(409, "Conflict");

    let path = format!("{TARGETS}/Prod_EU");
    let mut labelled = body.clone();
    labelled["metadata"]["labels"] = json!({"team": "a"});
    let changed = server.json("PUT", &path, labelled).await.expect(200);
    assert_eq!(changed["metadata"]["labels"]["team"], "a");
    assert_eq!(changed["metadata"]["resourceVersion"], 2);

    let mut moved = body;
    moved["spec"]["kubernetes"]["namespace"] = json!("elsewhere");
    server.json("PUT", &path, moved).await.refused(400, "BadRequest");

    let all = server.get(TARGETS).await.expect(200);
    assert_eq!(all["kind"], "DeploymentTargetList");
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    assert_eq!(all["items"][0]["metadata"]["name"], "Prod_EU");
    server.delete(&path).await.expect(200);
    server.get(&path).await.refused(404, "NotFound");
}

#[tokio::test]
async fn a_target_in_use_stays_and_names_its_users() {
    let server = Server::start().await;
    for name in ["a", "b", "c", "d", "e"] {
        server.deploy(name).await;
    }
    let path = format!("{TARGETS}/local");
    let message = server.delete(&path).await.refused(409, "Conflict");
    assert_eq!(
        message,
        "Target local is used by 5 deployments (a, b, c, +2 more). Move or delete them first."
    );
    for name in ["a", "b", "c", "d", "e"] {
        server.delete(&format!("{DEPLOYMENTS}/{name}")).await.expect(200);
    }
    server.delete(&path).await.expect(200);
    let orphan = server.json("POST", DEPLOYMENTS, deployment("f")).await;
    assert!(orphan.refused(400, "BadRequest").contains("local"));
}

#[tokio::test]
async fn put_creates_a_target_under_the_name_of_the_path() {
    let server = Server::start().await;
    for (n, metadata) in [json!(null), json!({}), json!({"name": null}), json!({"name": "t3"})]
        .into_iter()
        .enumerate()
    {
        let body = json!({"metadata": metadata, "spec": {"kubernetes": {}}});
        let made = server.json("PUT", &format!("{TARGETS}/t{n}"), body).await.expect(201);
        assert_eq!(made["metadata"]["name"], format!("t{n}"));
    }
    let other = json!({"metadata": {"name": "x"}, "spec": {"kubernetes": {}}});
    let message = server.json("PUT", &format!("{TARGETS}/y"), other).await;
    assert!(message.refused(400, "BadRequest").contains("\"x\""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_deployment_and_the_deletion_of_its_target_never_both_succeed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Arc::new(Server::on_disk(&folder).await);
    for n in 0..40 {
        let target = format!("t{n}");
        let body = json!({"metadata": {"name": target}, "spec": {"kubernetes": {}}});
        server.json("POST", TARGETS, body).await.expect(201);
        let mut body = deployment(&format!("d{n}"));
        body["spec"]["deploymentTargetName"] = json!(target);
        let (one, two) = (Arc::clone(&server), Arc::clone(&server));
        let made = tokio::spawn(async move { one.json("POST", DEPLOYMENTS, body).await.status });
        let path = format!("{TARGETS}/{target}");
        let gone = tokio::spawn(async move { two.delete(&path).await.status });
        let (made, gone) = (made.await.unwrap(), gone.await.unwrap());
        assert!(made.is_success() != gone.is_success(), "{made} {gone}");
    }
}
