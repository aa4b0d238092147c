//! SecretValues: written, listed, changed, deleted; and that no answer of any kind repeats a value.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::world::{Answer, DEPLOYMENTS, Server, deployment};

const SECRETS: &str = "/api/v1/namespaces/default/secret-values";
const VALUE: &str = "hunter2!";

fn secret(name: &str) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "kind": "Plain", "value": VALUE } })
}

fn with_secret(name: &str, text: &str) -> Value {
    let mut document = deployment(name);
    document["spec"]["template"]["spec"]["flinkConfiguration"] = json!({ "x.password": text });
    document
}

/// Neither body nor headers of an answer hold the value.
#[track_caller]
fn quiet(answer: Answer) -> Answer {
    assert!(!answer.text.contains("hunter2"), "{}", answer.text);
    assert!(!format!("{:?}", answer.headers).contains("hunter2"), "{:?}", answer.headers);
    answer
}

#[tokio::test]
async fn a_value_goes_in_and_never_comes_out() {
    let server = Server::start().await;
    let made = quiet(server.json("POST", SECRETS, secret("pw")).await);
    assert_eq!(made.header("etag"), "\"1\"");
    let made = made.expect(201);
    assert_eq!(made["kind"], "SecretValue");
    assert_eq!(made["spec"], json!({ "kind": "Plain" }));
    assert_eq!(made["metadata"]["namespace"], "default");

    let path = format!("{SECRETS}/pw");
    assert_eq!(quiet(server.get(&path).await).expect(200), made);
    let list = quiet(server.get(SECRETS).await).expect(200);
    assert_eq!((&list["kind"], &list["items"][0]), (&json!("SecretValueList"), &made));

    let patched = server.json("PATCH", &path, json!({ "spec": { "value": "hunter2!!" } })).await;
    assert_eq!(quiet(patched).expect(200)["metadata"]["resourceVersion"], 2);
    let whole = quiet(server.json("PATCH", &path, made).await).expect(200);
    assert_eq!(whole["metadata"]["resourceVersion"], 3);
    let row = server.app.store.get(drey_model::Kind::SecretValue, "default", "pw").await.unwrap();
    let row = row.unwrap();
    assert!(!format!("{row:?}").contains("hunter2"), "{row:?}");
    let opened = server.app.keyring.open(&row).unwrap();
    assert_eq!(secrecy::ExposeSecret::expose_secret(&opened), "hunter2!!");

    quiet(server.delete(&path).await).expect(200);
    quiet(server.get(&path).await).refused(404, "NotFound");
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_without_being_repeated() {
    let server = Server::start().await;
    for (kind, body) in [
        ("application/json", r#"{"metadata":{"name":"a"},"spec":{"value":hunter2!}}"#),
        ("application/json", r#""hunter2!""#),
        ("application/yaml", "metadata: {name: a}\nspec:\n  value:hunter2!"),
        ("application/yaml", "hunter2!: [hunter2!"),
        ("application/json", r#"{"metadata":{"name":"a"},"spec":{"valu":"hunter2!"}}"#),
        (
            "application/json",
            r#"{"metadata":{"name":"a"},"spec":{"kind":"File","value":"hunter2!"}}"#,
        ),
        ("text/plain", "hunter2!"),
    ] {
        for (method, path) in [("POST", SECRETS.to_owned()), ("PATCH", format!("{SECRETS}/a"))] {
            let answer = server.text(method, &path, &[("content-type", kind)], body).await;
            let answer = quiet(answer);
            assert!(answer.status.is_client_error(), "{method} {body}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn the_usual_rules_of_writes_hold() {
    let server = Server::start().await;
    let path = format!("{SECRETS}/pw");
    server.json("POST", SECRETS, secret("pw")).await.expect(201);
    server.json("POST", SECRETS, secret("pw")).await.refused(409, "Conflict");
    server.json("POST", SECRETS, secret("a b")).await.refused(400, "BadRequest");
    server.json("PATCH", &format!("{SECRETS}/none"), json!({})).await.refused(404, "NotFound");
    server.json("PUT", &path, secret("pw")).await.refused(405, "MethodNotAllowed");
    let stale = [("if-match", "\"9\""), ("content-type", "application/json")];
    server.text("PATCH", &path, &stale, "{}").await.refused(412, "PreconditionFailed");
    server.text("DELETE", &path, &stale, "").await.refused(412, "PreconditionFailed");
    let foreign = "/api/v1/namespaces/other/secret-values/pw";
    server.get(foreign).await.refused(404, "NotFound");
}

#[tokio::test]
async fn nobody_who_watches_sees_a_value() {
    let server = Server::start().await;
    server.json("POST", SECRETS, secret("pw")).await.expect(201);
    server.json("PATCH", &format!("{SECRETS}/pw"), json!({ "spec": { "value": VALUE } })).await;
    let revision = server.app.store.revision().await.unwrap();
    let rows = server.app.store.changes(0, 100).await.unwrap();
    assert!(rows.iter().any(|row| row.kind == drey_model::Kind::SecretValue) && revision > 0);
    assert!(rows.iter().all(|row| !row.doc.contains("hunter2")));
}

#[tokio::test]
async fn a_secret_that_a_deployment_names_stays() {
    let server = Server::start().await;
    server.json("POST", SECRETS, secret("pw")).await.expect(201);
    server.json("POST", DEPLOYMENTS, with_secret("app", "x ${pw}")).await.expect(201);
    let message = server.delete(&format!("{SECRETS}/pw")).await.refused(409, "Conflict");
    assert!(message.contains("app") && message.contains("PATCH"), "{message}");
    let patch = json!({ "spec": { "template": { "spec": { "flinkConfiguration": {
        "x.password": "$${pw}" } } } } });
    server.json("PATCH", &format!("{DEPLOYMENTS}/app"), patch).await.expect(200);
    server.delete(&format!("{SECRETS}/pw")).await.expect(200);
}

#[tokio::test]
async fn a_missing_secret_is_a_warning_until_it_would_end_a_running_job() {
    let server = Server::start().await;
    let made = server.json("POST", DEPLOYMENTS, with_secret("app", "${pw}")).await;
    let warning = made.header("drey-warning").to_owned();
    assert!(warning.contains("x.password") && warning.contains("No SecretValue 'pw'"), "{warning}");
    let shown = made.expect(201);
    let configuration = "/spec/template/spec/flinkConfiguration/x.password";
    assert_eq!(shown.pointer(configuration), Some(&json!("${pw}")));

    let path = format!("{DEPLOYMENTS}/app");
    server.json("PATCH", &path, json!({ "spec": { "state": "RUNNING" } })).await.expect(200);
    let upgrade = |text: &str| json!({ "spec": { "template": { "spec": { "flinkConfiguration": { "y": text } } } } });
    let message = server.json("PATCH", &path, upgrade("${other}")).await.refused(400, "BadRequest");
    assert!(message.contains("other") && !message.contains("'pw'"), "{message}");
    server.json("PATCH", &path, upgrade("${pw}")).await.expect(200);
    server.json("POST", SECRETS, secret("other")).await.expect(201);
    server.json("PATCH", &path, upgrade("${other}")).await.expect(200);
}

#[tokio::test]
async fn a_value_whose_key_is_lost_is_told_and_can_be_given_again() {
    let server = Server::start().await;
    let path = format!("{SECRETS}/pw");
    server.json("POST", SECRETS, secret("pw")).await.expect(201);
    let kind = drey_model::Kind::SecretValue;
    let row = server.app.store.get(kind, "default", "pw").await.unwrap().unwrap();
    let stranger = drey_store::Keyring::random().unwrap();
    let sealed = stranger.seal(&VALUE.into(), &row).unwrap();
    let mut lost = row.clone();
    lost.encode_facts(&sealed).unwrap();
    let write = drey_store::Write::Update(lost, row.revision);
    server.app.store.commit(&[write]).await.unwrap();

    let answer = quiet(server.get(&path).await);
    assert!(answer.header("drey-warning").contains("cannot be read"), "{:?}", answer.headers);
    answer.expect(200);
    server.json("PATCH", &path, json!({ "spec": { "value": VALUE } })).await.expect(200);
    assert_eq!(server.get(&path).await.header("drey-warning"), "");
}

#[tokio::test]
async fn placeholders_are_refused_where_drey_itself_reads_the_setting() {
    let server = Server::start().await;
    let mut document = deployment("app");
    document["spec"]["template"]["spec"]["flinkConfiguration"] =
        json!({ "state.checkpoints.dir": "s3://b/${pw}", "state.savepoints.dir": "s3://$${pw}" });
    let message = server.json("POST", DEPLOYMENTS, document).await.refused(400, "BadRequest");
    assert!(message.contains("state.checkpoints.dir") && message.contains("state.savepoints.dir"));

    let mut document = deployment("uri");
    document["spec"]["template"]["spec"]["artifact"]["jarUri"] = json!("${JAR}");
    document["spec"]["template"]["spec"]["artifact"]["mainArgs"] = json!("--pw ${pw}");
    let made = server.json("POST", DEPLOYMENTS, document).await;
    let warnings: Vec<_> = made.headers.get_all("drey-warning").iter().collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    made.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_running_deployment_that_begins_to_name_a_secret_and_its_deletion_never_both_succeed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Arc::new(Server::on_disk(&folder).await);
    let mut body = deployment("one");
    body["spec"]["state"] = json!("CANCELLED");
    server.json("POST", DEPLOYMENTS, body).await.expect(201);
    for n in 0..30 {
        let name = format!("s{n}");
        server.json("POST", SECRETS, secret(&name)).await.expect(201);
        let (one, two) = (Arc::clone(&server), Arc::clone(&server));
        let patch = json!({ "spec": { "template": { "spec": {
            "flinkConfiguration": { "key": format!("${{{name}}}") } } } } });
        let path = format!("{DEPLOYMENTS}/one");
        let named = tokio::spawn(async move { one.json("PATCH", &path, patch).await });
        let path = format!("{SECRETS}/{name}");
        let gone = tokio::spawn(async move { two.delete(&path).await.status });
        let (named, gone) = (named.await.unwrap(), gone.await.unwrap());
        // Who named it before it was gone has it; who came later was warned.
        let quoted = format!("'{name}'");
        let mut warnings = named.headers.get_all("drey-warning").iter();
        let was_warned = warnings.any(|warning| warning.to_str().unwrap().contains(&quoted));
        named.expect(200);
        assert!(gone.is_success() == was_warned, "{gone} {was_warned}");
    }
}
