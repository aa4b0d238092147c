//! The CPU quota over HTTP: what is used is added up from the claims that the controller records.

use drey_model::quota::{Cores, Limit};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::Server;

const SYSTEM: &str = "/api/v1/status/system-info";

async fn server() -> Server {
    let mut server = Server::start().await;
    server.app.quota = Some(Limit { cpu: Cores::new(8.0), tolerated: Cores::new(0.5) });
    server.restart();
    server
}

/// Records a claim as the controller would.
async fn claim(server: &Server, id: Uuid, claim: Value) {
    server.edit(id, |row, _| row.facts = Some(json!({ "claim": claim }).to_string())).await;
}

#[tokio::test]
async fn without_a_limit_the_quota_is_unlimited_and_use_is_told_all_the_same() {
    let server = Server::start().await;
    let id = server.deploy("one").await;
    claim(&server, id, json!({"held": 2.5})).await;
    let quota = &server.get(SYSTEM).await.expect(200)["status"]["resourceQuota"];
    assert_eq!(
        *quota,
        json!({"kind": "ResourceQuota", "apiVersion": "v1", "spec": {"type": "UNLIMITED"}, "status": {"used": {"cpu": 2.5}}})
    );
}

#[tokio::test]
async fn the_quota_says_who_uses_it_and_who_waits() {
    let server = server().await;
    for (name, held) in [("small", 0.1), ("large", 3.0), ("idle", 0.0), ("as-small", 0.1)] {
        let id = server.deploy(name).await;
        claim(&server, id, json!({"held": held})).await;
    }
    let since = "2026-01-02T03:04:05Z";
    let id = server.deploy("late").await;
    claim(&server, id, json!({"held": 0.0, "refused": {"needs": 6.0, "since": since}})).await;

    let all = server.get("/ext/v1/quota").await.expect(200);
    assert_eq!(
        all["resourceQuota"]["spec"],
        json!({"type": "LIMITED", "limits": {"cpu": 8.0}, "toleratedOveruse": {"cpu": 0.5}})
    );
    assert_eq!(all["resourceQuota"]["status"]["used"]["cpu"], 3.2, "sums are exact");
    let holder = |name: &str, cpu: f64| json!({"namespace": "default", "kind": "Deployment", "name": name, "cpu": cpu});
    assert_eq!(
        all["holders"],
        json!([holder("large", 3.0), holder("as-small", 0.1), holder("small", 0.1)])
    );
    assert_eq!(
        all["waiting"],
        json!([{"namespace": "default", "kind": "Deployment", "name": "late", "cpu": 6.0, "since": since}])
    );
    assert_eq!(
        server.get(SYSTEM).await.expect(200)["status"]["resourceQuota"],
        all["resourceQuota"]
    );
    let text = server.get("/metrics").await.text;
    for line in [
        "drey_cpu_used_cores{namespace=\"default\"} 3.2",
        "drey_cpu_quota_cores{part=\"limit\"} 8.0",
        "drey_cpu_quota_cores{part=\"tolerated\"} 0.5",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn what_the_server_is_can_be_told_without_its_database() {
    let server = server().await;
    let id = server.deploy("one").await;
    claim(&server, id, json!({"held": 2.0})).await;
    let used = |body: &Value| body["status"]["resourceQuota"]["status"]["used"]["cpu"].clone();
    assert_eq!(used(&server.get(SYSTEM).await.expect(200)), 2.0);
    server.app.store.close().await;
    let seen = server.get(SYSTEM).await.expect(200);
    assert_eq!(seen["status"]["revisionInformation"]["buildVersion"], "1.2.3");
    assert_eq!(seen["status"]["resourceQuota"]["spec"]["limits"]["cpu"], 8.0);
    assert_eq!(used(&seen), Value::Null);
}

#[tokio::test]
async fn what_cannot_be_read_is_not_counted_as_nothing() {
    let server = server().await;
    let id = server.deploy("sound").await;
    claim(&server, id, json!({"held": 2.5})).await;
    let id = server.deploy("damaged").await;
    claim(&server, id, json!({"held": "a lot"})).await;
    let quota = &server.get(SYSTEM).await.expect(200)["status"]["resourceQuota"];
    assert_eq!((&quota["spec"]["limits"]["cpu"], &quota["status"]), (&json!(8.0), &Value::Null));
    let all = server.get("/ext/v1/quota").await.expect(200);
    assert_eq!(
        all["holders"].as_array().map(Vec::len),
        Some(1),
        "the others are told all the same"
    );
}
