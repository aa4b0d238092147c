//! The artifact service: uploads, lists, deletions, limits, and names that want to be elsewhere.

use axum::body::{Body, Bytes};
use futures::StreamExt;
use serde_json::{Value, json};

use crate::world::{Answer, DEPLOYMENTS, Server, deployment, request};

const ARTIFACTS: &str = "/artifacts/v1/namespaces/default/artifacts";
const FORM: (&str, &str) = ("content-type", "multipart/form-data; boundary=XX");

fn form(part: &str, filename: &str, content: &str) -> String {
    format!(
        "--XX\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhi\r\n--XX\r\nContent-Disposition: form-data; \
         name=\"{part}\"{filename}\r\nContent-Type: application/java-archive\r\n\r\n{content}\r\n--XX--\r\n"
    )
}

async fn upload(server: &Server, name: &str, content: &str) -> Answer {
    let body = form("file", &format!("; filename=\"{name}\""), content);
    server.text("POST", &format!("{ARTIFACTS}:upload"), &[FORM], &body).await
}

async fn listed(server: &Server) -> Vec<Value> {
    let list = server.get(&format!("{ARTIFACTS}:list")).await.expect(200);
    list["artifacts"].as_array().unwrap().clone()
}

async fn content(server: &Server, name: &str) -> String {
    use object_store::{ObjectStore, ObjectStoreExt};
    let store = server.storage.clone();
    let path = format!("artifacts/namespaces/default/{name}");
    let found = (&*store as &dyn ObjectStore).get(&path.as_str().into()).await.unwrap();
    String::from_utf8(found.bytes().await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn what_is_uploaded_is_listed_replaced_and_deleted() {
    let server = Server::start().await;
    assert_eq!(listed(&server).await, Vec::<Value>::new());
    let made = upload(&server, "my job.jar", "one").await.expect(200);
    let artifact = &made["artifact"];
    assert_eq!(artifact["filename"], "my job.jar");
    let uri = "s3://bucket/drey/artifacts/namespaces/default/my%20job.jar";
    assert_eq!(artifact["uri"], uri);
    let time = artifact["createTime"].as_str().unwrap();
    assert!(time.len() == 20 && time.ends_with('Z'), "{time}");
    upload(&server, "a.jar", "two").await.expect(200);
    upload(&server, "my job.jar", "three").await.expect(200);
    let names: Vec<_> = listed(&server).await.into_iter().map(|a| a["filename"].clone()).collect();
    assert_eq!(names, ["a.jar", "my job.jar"]);
    assert_eq!(content(&server, "my job.jar").await, "three");

    let metadata = format!("{ARTIFACTS}:getMetadata?filename=my%20job.jar");
    assert_eq!(server.get(&metadata).await.expect(200)["artifact"]["uri"], uri);
    let delete = format!("{ARTIFACTS}:delete?filename=my%20job.jar");
    assert_eq!(server.delete(&delete).await.expect(200), json!({}));
    server.delete(&delete).await.refused(404, "NotFound");
    server.get(&metadata).await.refused(404, "NotFound");
    assert_eq!(listed(&server).await.len(), 1);
}

#[tokio::test]
async fn uploads_and_deletions_can_be_rehearsed() {
    let server = Server::start().await;
    let body = form("file", "; filename=\"a.jar\"", "one");
    let path = format!("{ARTIFACTS}:upload?dryRun=true");
    let rehearsed = server.text("POST", &path, &[FORM], &body).await;
    assert_eq!(rehearsed.header("drey-dry-run"), "true");
    let would = rehearsed.expect(200);
    assert_eq!(listed(&server).await, Vec::<Value>::new());
    let made = upload(&server, "a.jar", "one").await.expect(200);
    assert_eq!(would["artifact"]["uri"], made["artifact"]["uri"]);

    let delete = format!("{ARTIFACTS}:delete?filename=a.jar&dryRun=true");
    let rehearsed = server.delete(&delete).await;
    assert_eq!(rehearsed.header("drey-dry-run"), "true");
    rehearsed.expect(200);
    assert_eq!(listed(&server).await.len(), 1);
    let none = format!("{ARTIFACTS}:delete?filename=b.jar&dryRun=true");
    server.delete(&none).await.refused(404, "NotFound");
    let nameless = form("file", "; filename=\".hidden\"", "one");
    server.text("POST", &path, &[FORM], &nameless).await.refused(400, "BadRequest");
}

#[tokio::test]
async fn a_deletion_names_the_deployments_that_it_leaves_without_a_program() {
    let server = Server::start().await;
    let made = upload(&server, "a.jar", "x").await.expect(200);
    let mut document = deployment("app");
    let uri = format!("{}?commit=abc", made["artifact"]["uri"].as_str().unwrap());
    document["spec"]["template"]["spec"]["artifact"]["jarUri"] = json!(uri);
    server.json("POST", DEPLOYMENTS, document).await.expect(201);
    let gone = server.delete(&format!("{ARTIFACTS}:delete?filename=a.jar")).await;
    assert!(gone.header("drey-warning").contains("app"), "{:?}", gone.headers);
    gone.expect(200);
}

#[tokio::test]
async fn names_that_want_to_be_elsewhere_are_refused_and_leave_nothing() {
    let server = Server::start().await;
    for name in
        ["../a.jar", "a/b.jar", "..", "a\\\\b.jar", ".a", "a#1", "%2e%2e%2fa", "a\u{202e}.jar"]
    {
        let message = upload(&server, name, "x").await.refused(400, "BadRequest");
        assert!(message.contains("filename"), "{name}: {message}");
    }
    for query in ["", "?filename=", "?filename=../default/a.jar", "?filename=..%2fa.jar"] {
        server.delete(&format!("{ARTIFACTS}:delete{query}")).await.refused(400, "BadRequest");
        server.get(&format!("{ARTIFACTS}:getMetadata{query}")).await.refused(400, "BadRequest");
    }
    let elsewhere = "/artifacts/v1/namespaces/other/artifacts:list";
    server.get(elsewhere).await.refused(404, "NotFound");
    assert_eq!(listed(&server).await.len(), 0);
}

#[tokio::test]
async fn what_is_no_upload_is_told_how_to_be_one() {
    let server = Server::start().await;
    let path = format!("{ARTIFACTS}:upload");
    let named = "; filename=\"a.jar\"";
    for (body, kind, status, reason) in [
        (form("other", named, "x"), FORM.1, 400, "BadRequest"),
        (form("file", "", "x"), FORM.1, 400, "BadRequest"),
        (form("file", named, ""), FORM.1, 400, "BadRequest"),
        ("--XX\r\n".to_owned(), FORM.1, 400, "BadRequest"),
        (form("file", named, "x").replace("--XX--", ""), FORM.1, 400, "BadRequest"),
        ("x".to_owned(), "application/java-archive", 415, "UnsupportedMediaType"),
    ] {
        let answer = server.text("POST", &path, &[("content-type", kind)], &body).await;
        answer.refused(status, reason);
    }
    assert_eq!(listed(&server).await.len(), 0);
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_whether_it_says_so_or_not() {
    let server = Server::with_artifacts_up_to(100).await;
    upload(&server, "fits.jar", &"x".repeat(100)).await.expect(200);
    let message = upload(&server, "a.jar", &"x".repeat(101)).await.refused(413, "PayloadTooLarge");
    assert!(message.contains("100 bytes") && message.contains("maxBytes"), "{message}");
    // Longer than any form around a file that fits: refused before a byte is read.
    let headers = [FORM, ("content-length", "10000000")];
    let path = format!("{ARTIFACTS}:upload");
    server.text("POST", &path, &headers, "").await.refused(413, "PayloadTooLarge");
    assert_eq!(listed(&server).await.len(), 1);
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_the_old_file() {
    let server = Server::start().await;
    upload(&server, "a.jar", "old").await.expect(200);
    let begin = form("file", "; filename=\"a.jar\"", "new").replace("\r\n--XX--\r\n", "");
    let pieces = futures::stream::iter([
        Ok(Bytes::from(begin)),
        Ok(Bytes::from(vec![b'n'; 6 << 20])),
        Err(std::io::Error::other("gone")),
    ]);
    let body = Body::from_stream(pieces.boxed());
    let answer = server.send(request("POST", &format!("{ARTIFACTS}:upload"), &[FORM], body)).await;
    answer.refused(400, "BadRequest");
    assert_eq!(content(&server, "a.jar").await, "old");
}

#[tokio::test]
async fn a_thousand_are_listed_by_name() {
    use object_store::{ObjectStore, ObjectStoreExt};
    let server = Server::start().await;
    for n in (0..1_005).rev() {
        let path = format!("artifacts/namespaces/default/job-{n:04}.jar");
        let store: &dyn ObjectStore = &*server.storage;
        store.put(&path.as_str().into(), "x".into()).await.unwrap();
    }
    let all = listed(&server).await;
    assert_eq!(all.len(), 1_000);
    assert_eq!(
        (&all[0]["filename"], &all[999]["filename"]),
        (&json!("job-0000.jar"), &json!("job-0999.jar"))
    );
}
