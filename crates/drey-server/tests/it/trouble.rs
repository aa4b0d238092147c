//! A full disk and a locked database: writes say so and leave nothing behind, reads go on, and so does the server.

use drey_store::Store;
use serde_json::{Value, json};

use crate::world::{DEPLOYMENTS, Server, deployment};

/// A Deployment whose document takes many pages of the database.
fn large(name: &str) -> Value {
    let mut large = deployment(name);
    large["spec"]["template"]["spec"]["flinkConfiguration"] = json!({ "x": "y".repeat(300_000) });
    large
}

/// Reads work, and they show what was there before.
async fn reads(server: &Server, count: usize) {
    assert_eq!(server.get("/api/v1/status").await.expect(200), json!({ "status": "UP" }));
    let list = server.get(DEPLOYMENTS).await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), count);
    let first = server.get(&format!("{DEPLOYMENTS}/first")).await.expect(200);
    assert_eq!(first["metadata"]["resourceVersion"], 1);
    assert!(server.get("/metrics").await.text.contains("drey_store_revision"));
}

#[tokio::test]
async fn a_full_disk_refuses_writes_with_its_reason_and_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::on_disk(&folder).await;
    server.deploy("first").await;
    server.app.store.raw("PRAGMA max_page_count = 50").await.unwrap();
    let before = server.app.store.revision().await.unwrap();
    for _ in 0..2 {
        let path = format!("{DEPLOYMENTS}/first");
        let change = json!({ "spec": { "template": large("x")["spec"]["template"] } });
        for refused in [
            server.json("POST", DEPLOYMENTS, large("second")).await,
            server.json("PATCH", &path, change).await,
        ] {
            let message = refused.refused(503, "ServiceUnavailable");
            assert!(message.contains("Nothing was changed"), "{message}");
            assert!(message.contains("disk is full"), "{message}");
            assert_eq!(refused.header("retry-after"), "2");
        }
        reads(&server, 1).await;
    }
    assert_eq!(server.app.store.revision().await.unwrap(), before);

    server.app.store.raw("PRAGMA max_page_count = 100000").await.unwrap();
    server.json("POST", DEPLOYMENTS, large("second")).await.expect(201);
    reads(&server, 2).await;
}

#[tokio::test]
async fn a_locked_database_refuses_writes_with_its_reason_and_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::on_disk(&folder).await;
    server.deploy("first").await;
    server.app.store.raw("PRAGMA busy_timeout = 100").await.unwrap();
    let other = Store::open(&folder.path().join("drey.db")).await.unwrap();
    other.raw("BEGIN EXCLUSIVE").await.unwrap();
    for method in ["PATCH", "DELETE"] {
        let path = format!("{DEPLOYMENTS}/first");
        let refused = server.json(method, &path, json!({ "spec": { "state": "RUNNING" } })).await;
        let message = refused.refused(503, "ServiceUnavailable");
        assert!(message.contains("locked by another process"), "{message}");
        assert_eq!(refused.header("retry-after"), "2");
        reads(&server, 1).await;
    }
    other.raw("ROLLBACK").await.unwrap();
    server.deploy("second").await;
    reads(&server, 2).await;
}
