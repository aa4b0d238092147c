//! Whether the server is there, what it is, its figures, and its namespaces.

use drey_model::DeploymentState;
use serde_json::json;

use crate::world::{DEPLOYMENTS, Server};

#[tokio::test]
async fn the_server_says_that_it_is_up_and_what_it_is() {
    let server = Server::start().await;
    assert_eq!(server.get("/api/v1/status").await.expect(200), json!({"status": "UP"}));
    let seen = server.get("/api/v1/status/system-info").await.expect(200);
    assert_eq!(seen["kind"], "SystemInformation");
    let revision = &seen["status"]["revisionInformation"];
    assert_eq!(revision["buildVersion"], "1.2.3");
    assert_eq!(revision["commitShaShort"], "0123456");
    assert!(server.get("/").await.text.contains("/api/v1/namespaces/default/deployments"));
}

#[tokio::test]
async fn the_only_namespace_is_listed() {
    let server = Server::start().await;
    let list = server.get("/namespaces/v1/namespaces").await.expect(200);
    assert_eq!(list["namespaces"][0]["name"], "namespaces/default");
    let one = server.get("/namespaces/v1/namespaces/default").await.expect(200);
    assert_eq!(one["namespace"]["lifecyclePhase"], "LIFECYCLE_PHASE_ACTIVE");
}

#[tokio::test]
async fn metrics_count_what_is_there_and_what_was_asked() {
    let server = Server::start().await;
    let id = server.deploy("one").await;
    server.deploy("two").await;
    server.observe(id, DeploymentState::Failed).await;
    server.get(&format!("{DEPLOYMENTS}/none")).await.refused(404, "NotFound");
    server.text("BREW", "/", &[], "").await;
    let text = server.get("/metrics").await.text;
    let state = |actual| {
        format!(
            r#"drey_deployments{{namespace="default",desired="CANCELLED",actual="{actual}"}} 1"#
        )
    };
    for line in [
        r#"drey_build_info{version="1.2.3",commit="0123456789"} 1"#.to_owned(),
        state("FAILED"),
        state("CANCELLED"),
        r#"method="POST",code="201"} 2"#.to_owned(),
        r#"http_request_duration_seconds_count{route="/api/v1/namespaces/{ns}/deployments/{name}",method="GET",code="404"} 1"#.to_owned(),
        r#"method="OTHER""#.to_owned(),
        "drey_watch_clients 0".to_owned(),
        "drey_store_commits_total ".to_owned(),
        "process_resident_memory_bytes ".to_owned(),
        "process_cpu_seconds_total ".to_owned(),
        "process_open_fds ".to_owned(),
        "# EOF".to_owned(),
    ] {
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn other_parts_of_the_process_have_their_counters_read_at_each_scrape() {
    let server = Server::start().await;
    let what = ("drey_asked", "Asked so far", "op");
    let count = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(7));
    let read = std::sync::Arc::clone(&count);
    drey_server::count_by(&mut server.app.metrics.lock().unwrap(), what, move || {
        vec![("start", read.load(std::sync::atomic::Ordering::Relaxed)), ("stop", 0)]
    });
    let text = server.get("/metrics").await.text;
    assert!(text.contains("# TYPE drey_asked counter\n"), "{text}");
    assert!(
        text.contains("drey_asked_total{op=\"start\"} 7\ndrey_asked_total{op=\"stop\"} 0\n"),
        "{text}"
    );
    count.store(8, std::sync::atomic::Ordering::Relaxed);
    assert!(server.get("/metrics").await.text.contains("drey_asked_total{op=\"start\"} 8\n"));
}

#[tokio::test]
async fn metrics_survive_a_store_that_is_gone() {
    let server = Server::start().await;
    server.deploy("one").await;
    server.app.store.close().await;
    let answer = server.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(answer.text.contains("process_resident_memory_bytes "), "{}", answer.text);
    assert!(!answer.text.contains("drey_deployments{"), "{}", answer.text);
}

#[tokio::test]
async fn head_is_answered_like_get_without_a_body() {
    let server = Server::start().await;
    server.deploy("one").await;
    let answer = server.text("HEAD", &format!("{DEPLOYMENTS}/one"), &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.header("etag")), (200, "\"1\""));
    server.text("HEAD", &format!("{DEPLOYMENTS}/none"), &[], "").await;
}
