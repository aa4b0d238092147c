//! One layout for every error, also for those that no handler makes.

use crate::world::{DEPLOYMENTS, SAVEPOINTS, Server, TARGETS};

#[tokio::test]
async fn what_does_not_exist_is_a_404_that_says_what() {
    let server = Server::start().await;
    let id = uuid::Uuid::now_v7();
    for path in [
        format!("{DEPLOYMENTS}/none"),
        format!("{DEPLOYMENTS}/{id}"),
        format!("{TARGETS}/none"),
        format!("{SAVEPOINTS}/{id}"),
        format!("{SAVEPOINTS}/not-an-id"),
        format!("/api/v1/namespaces/default/jobs/{id}"),
        format!("/ext/v1/namespaces/default/jobs/{id}/logs"),
        format!("/ext/v1/namespaces/default/jobs/{id}/logs/x.log"),
        "/ext/v1/namespaces/default/deployments/none".to_owned(),
        format!("/flink-ui/v1/namespaces/default/jobs/{id}/"),
    ] {
        let message = server.get(&path).await.refused(404, "NotFound");
        assert!(message.starts_with("No "), "{message}");
    }
    for path in ["/api/v2", "/api/v1/namespaces/default/nonsense", "/%ff", "/api/v1/"] {
        assert!(server.get(path).await.refused(404, "NotFound").contains("No such path"));
    }
}

#[tokio::test]
async fn an_unknown_namespace_is_a_404_everywhere() {
    let server = Server::start().await;
    for path in [
        "/api/v1/namespaces/prod/deployments",
        "/api/v1/namespaces/prod/deployments/one",
        "/api/v1/namespaces/prod/events",
        "/ext/v1/namespaces/prod/deployments/one",
        "/flink-ui/v1/namespaces/prod/jobs/x/",
        "/namespaces/v1/namespaces/prod",
    ] {
        assert!(server.get(path).await.refused(404, "NotFound").contains("\"prod\""));
    }
}

#[tokio::test]
async fn a_wrong_method_is_a_405_that_lists_the_right_ones() {
    let server = Server::start().await;
    let answer = server.json("POST", &format!("{DEPLOYMENTS}/one"), serde_json::json!({})).await;
    assert!(answer.refused(405, "MethodNotAllowed").contains("POST"));
    assert!(answer.header("allow").contains("PATCH"), "{:?}", answer.headers);
}

#[tokio::test]
async fn unreadable_parameters_are_named() {
    let server = Server::start().await;
    for (path, name) in [
        ("/api/v1/namespaces/default/events?deploymentId=x", "deploymentId"),
        ("/api/v1/namespaces/default/events?sessionClusterId=x", "sessionClusterId"),
        ("/api/v1/namespaces/default/jobs?deploymentId=1", "deploymentId"),
        ("/api/v1/namespaces/default/savepoints?jobId=-", "jobId"),
        ("/api/v1/namespaces/default/deployments?labelSelector=%3D%3D%3D", "labelSelector"),
        ("/ext/v1/watch?after=soon", "after"),
        ("/ext/v1/watch?kinds=Deployment,Poem", "Poem"),
    ] {
        let message = server.get(path).await.refused(400, "BadRequest");
        assert!(message.contains(name), "{message}");
    }
}

#[tokio::test]
async fn a_damaged_object_names_only_itself() {
    let server = Server::start().await;
    let id = server.deploy("one").await;
    server.edit(id, |_, doc| *doc = serde_json::json!({"kind": "secret-in-here"})).await;
    let answer = server.get(&format!("{DEPLOYMENTS}/one")).await;
    let message = answer.refused(500, "InternalServerError");
    assert!(message.contains("Deployment \"one\""), "{message}");
    assert!(!answer.text.contains("secret-in-here"));
}

#[tokio::test]
async fn a_store_that_is_gone_is_a_503_with_a_retry_hint() {
    let server = Server::start().await;
    server.app.store.close().await;
    let answer = server.get(DEPLOYMENTS).await;
    answer.refused(503, "ServiceUnavailable");
    assert_eq!(answer.header("retry-after"), "2");
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let server = Server::start().await;
    let own = server.text("GET", "/", &[("x-request-id", "mine-7")], "").await;
    assert_eq!(own.header("x-request-id"), "mine-7");
    let odd = server.text("GET", "/nowhere", &[("x-request-id", "a b")], "").await;
    assert_eq!(odd.header("x-request-id").len(), 36);
}
