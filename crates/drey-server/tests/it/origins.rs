//! Requests that pages of other sites have browsers send.

use serde_json::json;

use crate::world::{DEPLOYMENTS, Server, deployment};

const EVIL: &str = "http://evil.example";

/// Creates a Deployment with these headers; the status.
async fn create(server: &Server, name: &str, headers: &[(&str, &str)]) -> u16 {
    let json = [("content-type", "application/json")];
    let headers = [&json[..], headers].concat();
    let answer = server.text("POST", DEPLOYMENTS, &headers, &deployment(name).to_string()).await;
    if answer.status == 403 {
        answer.refused(403, "Forbidden");
    }
    answer.status.as_u16()
}

#[tokio::test]
async fn pages_of_other_sites_change_nothing() {
    let server = Server::start().await;
    let host = ("host", "127.0.0.1:8080");
    for headers in [
        &[host, ("origin", EVIL)][..],
        &[host, ("origin", "null")],
        &[host, ("origin", "http://127.0.0.1:9999")],
        &[host, ("origin", "http://localhost:8080")],
        &[host, ("sec-fetch-site", "cross-site")],
        &[host, ("sec-fetch-site", "same-site")],
        &[host, ("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:8080")],
        &[("origin", EVIL)],
    ] {
        assert_eq!(create(&server, "one", headers).await, 403, "{headers:?}");
    }
    for method in ["PUT", "PATCH", "DELETE", "BREW"] {
        let path = format!("{DEPLOYMENTS}/one");
        let answer = server.text(method, &path, &[host, ("origin", EVIL)], "{}").await;
        let message = answer.refused(403, "Forbidden");
        assert!(message.contains("evil.example"), "{message}");
        assert_ne!(answer.header("x-request-id"), "");
    }
    assert_eq!(server.get(DEPLOYMENTS).await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn programs_and_our_own_pages_are_served() {
    let server = Server::start().await;
    let ours = ("origin", "http://127.0.0.1:8080");
    for (n, headers) in [
        &[("host", "127.0.0.1:8080")][..],
        &[],
        &[("host", "127.0.0.1:8080"), ours, ("sec-fetch-site", "same-origin")],
        &[("host", "localhost"), ("origin", "http://LOCALHOST")],
        &[("host", "[::1]:80"), ("origin", "http://[::1]")],
        &[("host", "127.0.0.1:8080"), ("sec-fetch-site", "none")],
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(create(&server, &format!("d{n}"), headers).await, 201, "{headers:?}");
    }
    let foreign = [("host", "localhost:8080"), ("origin", EVIL), ("sec-fetch-site", "cross-site")];
    let read = server.text("GET", DEPLOYMENTS, &foreign, "").await;
    assert_eq!(read.status, 200);
    assert_eq!(read.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn a_name_that_leads_here_from_elsewhere_is_not_answered() {
    let server = Server::start().await;
    for path in ["/", DEPLOYMENTS, "/metrics", "/ext/v1/watch", "/nowhere", "/api/v1/status"] {
        let answer = server.text("GET", path, &[("host", "evil.example:8080")], "").await;
        let message = answer.refused(403, "Forbidden");
        assert!(message.contains("evil.example") && message.contains("--host-name"), "{message}");
    }
    assert_eq!(server.get("http://evil.example/api/v1/status").await.status, 403);
    assert_eq!(server.get("http://localhost:1/api/v1/status").await.status, 200);
}

#[tokio::test]
async fn a_name_that_was_given_is_answered_also_behind_a_proxy_that_renames_it() {
    let mut server = Server::start().await;
    let names = ["drey.example".to_owned()];
    let app = drey_server::App {
        hosts: drey_server::Hosts::of(([127, 0, 0, 1], 8080).into(), names),
        metrics: std::sync::Arc::default(),
        ..server.app.clone()
    };
    server.serve(app);
    let origin = ("origin", "https://drey.example");
    assert_eq!(create(&server, "one", &[("host", "drey.example"), origin]).await, 201);
    assert_eq!(create(&server, "two", &[("host", "127.0.0.1:8080"), origin]).await, 201);
    assert_eq!(create(&server, "three", &[("host", "drey.example"), ("origin", EVIL)]).await, 403);
}

#[tokio::test]
async fn other_sites_may_link_to_a_dashboard_and_no_further() {
    let server = Server::start().await;
    let base = "/flink-ui/v1/namespaces/default/jobs/00000000-0000-0000-0000-000000000001";
    let foreign = [("host", "localhost"), ("sec-fetch-site", "cross-site")];
    for path in [base.to_owned(), format!("{base}/")] {
        assert_ne!(server.text("GET", &path, &foreign, "").await.status, 403, "{path}");
    }
    for path in ["jobs/7/yarn-cancel", "jobs/7/yarn-cancel/", "/jobs/7/yarn-c%61ncel", "overview"] {
        let answer = server.text("GET", &format!("{base}/{path}"), &foreign, "").await;
        answer.refused(403, "Forbidden");
    }
    let own = [("host", "localhost"), ("sec-fetch-site", "same-origin")];
    let answer = server.text("GET", &format!("{base}/overview"), &own, "").await;
    answer.refused(404, "NotFound");
}
