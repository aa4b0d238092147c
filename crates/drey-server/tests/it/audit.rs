//! The audit log: who did what and who was refused, in pages and in reports.

use axum::body::Body;
use drey_store::{AuditEntry, AuditWindow};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::guard::{ADMIN, guarded, settings, tokens_of};
use crate::world::{Server, request};

const LOG: &str = "/api/v1/logs/";

async fn items(server: &Server, query: &str) -> Vec<Value> {
    let page = server.bearing(ADMIN, "GET", &format!("{LOG}{query}"), None).await.expect(200);
    page["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn changes_and_refusals_are_recorded_and_reading_is_not() {
    let server = guarded(settings()).await;
    let owner = server.token("a", "owner").await;
    let viewer = server.token("a", "viewer").await;
    let before = items(&server, "").await.len();
    let targets = "/api/v1/namespaces/a/deployment-targets";
    let target = json!({ "metadata": { "name": "t" }, "spec": { "local": {} } });
    server.bearing(&owner, "GET", targets, None).await.expect(200);
    server.bearing(&owner, "POST", targets, Some(target.clone())).await.expect(201);
    server
        .bearing(&viewer, "DELETE", &format!("{targets}/t"), None)
        .await
        .refused(403, "Forbidden");
    server
        .bearing(&owner, "DELETE", &format!("{targets}/none"), None)
        .await
        .refused(404, "NotFound");
    server.get(targets).await.refused(401, "Unauthorized");

    let log = items(&server, "").await;
    let lines: Vec<String> = log[..log.len() - before].iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "nobody GET /api/v1/namespaces/{ns}/deployment-targets a  401 DENIED",
            "apitoken:a/owner DELETE /api/v1/namespaces/{ns}/deployment-targets/{name} a none 404 FAILED",
            "apitoken:a/viewer DELETE /api/v1/namespaces/{ns}/deployment-targets/{name} a t 403 DENIED",
            "apitoken:a/owner POST /api/v1/namespaces/{ns}/deployment-targets a t 201 SUCCEEDED",
        ]
    );
    assert!(log.iter().all(|item| !item["requestId"].as_str().unwrap().is_empty()));
    let whole = serde_json::to_string(&log).unwrap();
    assert!(!whole.contains(&owner) && !whole.contains("Bearer"), "no secrets");
}

#[tokio::test]
async fn the_log_names_artifacts_and_tells_rehearsals_apart() {
    let server = guarded(settings()).await;
    let editor = server.token("a", "editor").await;
    let artifacts = "/artifacts/v1/namespaces/a/artifacts";
    let authorization = format!("Bearer {editor}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "multipart/form-data; boundary=XX"),
    ];
    let form = "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jar\"\r\n\r\nx\r\n--XX--\r\n";
    server.text("POST", &format!("{artifacts}:upload"), &headers, form).await.expect(200);
    let secrets = "/api/v1/namespaces/a/secret-values";
    let secret = json!({ "metadata": { "name": "pw" }, "spec": { "value": "hunter2-hunter2" } });
    server
        .bearing(&editor, "POST", &format!("{secrets}?dryRun=true"), Some(secret))
        .await
        .expect(201);
    let delete = format!("{artifacts}:delete?filename=a.jar&dryRun=1");
    server.bearing(&editor, "DELETE", &delete, None).await.expect(200);

    let log = items(&server, "?pageSize=3").await;
    let seen: Vec<_> = log.iter().map(|item| (line(item), item["detail"].clone())).collect();
    let rehearsed = json!("dry run: nothing was changed");
    let base = "apitoken:a/editor";
    assert_eq!(
        seen,
        [
            (
                format!(
                    "{base} DELETE /artifacts/v1/namespaces/{{ns}}/artifacts:delete a a.jar 200 SUCCEEDED"
                ),
                rehearsed.clone()
            ),
            (
                format!("{base} POST /api/v1/namespaces/{{ns}}/secret-values a pw 201 SUCCEEDED"),
                rehearsed
            ),
            (
                format!(
                    "{base} POST /artifacts/v1/namespaces/{{ns}}/artifacts:upload a a.jar 200 SUCCEEDED"
                ),
                json!("")
            ),
        ]
    );
    assert!(!serde_json::to_string(&log).unwrap().contains("hunter2"));
}

fn line(item: &Value) -> String {
    let names = ["actor", "method", "route", "namespace", "object", "status", "outcome"];
    let texts = names.map(|name| match &item[name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    texts.join(" ")
}

#[tokio::test]
async fn pages_follow_each_other_and_windows_cut() {
    let server = guarded(settings()).await;
    for _ in 0..5 {
        server.get("/api/v1/namespaces/a/jobs").await.refused(401, "Unauthorized");
    }
    let all = items(&server, "?pageSize=1000").await;
    let (mut paged, mut token) = (Vec::new(), String::new());
    loop {
        let path = format!("{LOG}?pageSize=3&pageToken={token}");
        let page = server.bearing(ADMIN, "GET", &path, None).await.expect(200);
        paged.extend(page["items"].as_array().unwrap().clone());
        match page["metadata"]["nextPageToken"].as_str() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(paged, all);
    let newest = all[0]["time"].as_str().unwrap();
    assert_eq!(items(&server, &format!("?from={newest}")).await.len(), 1);
    assert_eq!(items(&server, &format!("?to={newest}")).await.len(), all.len() - 1);
    for (query, name) in
        [("from=yesterday", "from"), ("pageToken=x", "pageToken"), ("pageSize=-", "pageSize")]
    {
        let answer = server.bearing(ADMIN, "GET", &format!("{LOG}?{query}"), None).await;
        assert!(answer.refused(400, "BadRequest").contains(name));
    }
}

#[tokio::test]
async fn reports_are_whole_in_both_formats() {
    let server = guarded(settings()).await;
    server.token("a", "viewer").await;
    let json = server.bearing(ADMIN, "GET", "/api/v1/logs/reports?format=JSON", None).await;
    let count = json.expect(200).as_array().unwrap().len();
    assert_eq!(count, 3, "two namespaces and a token");
    let csv = server.bearing(ADMIN, "GET", "/api/v1/logs/reports", None).await;
    assert_eq!(csv.header("content-disposition"), "attachment; filename=\"audit.csv\"");
    let lines: Vec<&str> = csv.text.lines().collect();
    assert_eq!(lines.len(), count + 1);
    assert!(lines[1].contains(",201,SUCCEEDED,"), "{}", lines[1]);
    let wrong = server.bearing(ADMIN, "GET", "/api/v1/logs/reports?format=pdf", None).await;
    wrong.refused(400, "BadRequest");
}

#[tokio::test]
async fn what_was_cut_off_is_there_with_an_unknown_outcome() {
    let server = guarded(settings()).await;
    let entry = AuditEntry {
        id: Uuid::now_v7(),
        at: server.app.world.now(),
        actor: "user:ann".to_owned(),
        address: "192.0.2.1".to_owned(),
        method: "POST".to_owned(),
        route: "/x".to_owned(),
        namespace: "a".to_owned(),
        object: String::new(),
        request_id: "r".to_owned(),
        status: None,
        detail: String::new(),
    };
    server.app.store.add_audit(&entry).await.unwrap();
    let newest = &items(&server, "?pageSize=1").await[0];
    assert_eq!((&newest["outcome"], &newest["status"]), (&json!("UNKNOWN"), &Value::Null));
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_done() {
    let server = guarded(settings()).await;
    let full = "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END";
    server.app.store.raw(full).await.unwrap();
    let body = json!({ "name": "ci", "role": "viewer" });
    let answer = server.bearing(ADMIN, "POST", &tokens_of("a"), Some(body)).await;
    answer.refused(500, "InternalServerError");
    assert_eq!(server.app.store.api_tokens("a").await.unwrap(), []);
}

#[tokio::test]
async fn an_enemy_cannot_fill_the_log() {
    let server = guarded(settings()).await;
    for _ in 0..400 {
        server.send(request("GET", "/api/v1/namespaces/a/jobs", &[], Body::empty())).await;
        server.send(request("POST", "/auth/logout", &[], Body::empty())).await.expect(200);
    }
    let log = items(&server, "?pageSize=1000").await;
    assert!((100..250).contains(&log.len()), "{}", log.len());
}

#[tokio::test]
async fn without_access_control_there_is_no_log() {
    let server = Server::start().await;
    server.deploy("one").await;
    let window =
        AuditWindow { from: Timestamp::MIN, to: Timestamp::MAX, below: Uuid::nil(), limit: 10 };
    assert_eq!(server.app.store.audit(&window).await.unwrap(), []);
    assert_eq!(server.get(LOG).await.expect(200)["items"], json!([]));
}
