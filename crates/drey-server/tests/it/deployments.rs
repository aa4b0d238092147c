//! Deployments: create, read, change, replace.

use serde_json::json;

use crate::world::{DEPLOYMENTS, Server, deployment};

#[tokio::test]
async fn a_created_deployment_is_returned_whole_and_wakes_the_controller() {
    let mut server = Server::start().await;
    let answer = server.json("POST", DEPLOYMENTS, deployment("top-speed")).await;
    let made = answer.expect(201);
    assert_eq!(made["kind"], "Deployment");
    assert_eq!(made["metadata"]["resourceVersion"], 1);
    assert_eq!(made["metadata"]["namespace"], "default");
    assert_eq!(made["spec"]["state"], "CANCELLED");
    assert_eq!(made["spec"]["upgradeStrategy"]["kind"], "STATEFUL");
    assert_eq!(made["spec"]["template"]["spec"]["parallelism"], 1);
    assert_eq!(made["status"]["state"], "CANCELLED");
    assert_eq!(answer.header("etag"), "\"1\"");
    let id = made["metadata"]["id"].as_str().unwrap();
    assert_eq!(server.woken.recv().await.unwrap().to_string(), id);

    assert_eq!(server.get(&format!("{DEPLOYMENTS}/top-speed")).await.expect(200), made);
    assert_eq!(server.get(&format!("{DEPLOYMENTS}/{id}")).await.expect(200), made);
}

#[tokio::test]
async fn a_taken_name_is_refused() {
    let server = Server::start().await;
    server.deploy("one").await;
    let answer = server.json("POST", DEPLOYMENTS, deployment("one")).await;
    assert!(answer.refused(409, "Conflict").contains("\"one\" already exists"));
}

#[tokio::test]
async fn patch_removes_with_null_replaces_arrays_and_changes_state_in_any_case() {
    let server = Server::start().await;
    let mut body = deployment("one");
    body["spec"]["template"]["spec"]["flinkConfiguration"] = json!({"a.b": "1", "c": 2});
    body["spec"]["template"]["spec"]["artifact"]["additionalDependencies"] =
        json!(["s3://b/x", "s3://b/y"]);
    server.json("POST", DEPLOYMENTS, body).await.expect(201);

    let path = format!("{DEPLOYMENTS}/one");
    let patch = json!({"spec": {"state": "canceled", "template": {"spec": {
        "flinkConfiguration": {"a.b": null, "d": true},
        "artifact": {"additionalDependencies": ["s3://b/z"]},
    }}}});
    let changed = server.json("PATCH", &path, patch).await.expect(200);
    let spec = &changed["spec"]["template"]["spec"];
    assert_eq!(spec["flinkConfiguration"], json!({"c": "2", "d": "true"}));
    assert_eq!(spec["artifact"]["additionalDependencies"], json!(["s3://b/z"]));
    assert_eq!(spec["artifact"]["jarUri"], "https://x/app.jar");
    assert_eq!(changed["metadata"]["resourceVersion"], 2);

    let running = server.json("PATCH", &path, json!({"spec": {"state": "running"}})).await;
    assert_eq!(running.expect(200)["spec"]["state"], "RUNNING");
}

#[tokio::test]
async fn a_patch_wakes_the_controller_and_keeps_its_facts() {
    let mut server = Server::start().await;
    let id = server.deploy("one").await;
    server.edit(id, |object, _| object.facts = Some("{\"explanation\":{}}".into())).await;
    let path = format!("{DEPLOYMENTS}/{id}");
    server.json("PATCH", &path, json!({"spec": {"state": "RUNNING"}})).await.expect(200);
    assert_eq!(server.woken.recv().await, Some(id));
    assert_eq!(server.woken.recv().await, Some(id));
    let stored = server.app.store.by_id(drey_model::Kind::Deployment, id).await.unwrap().unwrap();
    assert_eq!(stored.facts.as_deref(), Some("{\"explanation\":{}}"));
}

#[tokio::test]
async fn put_creates_then_replaces() {
    let server = Server::start().await;
    let path = format!("{DEPLOYMENTS}/one");
    let mut body = deployment("one");
    body["spec"]["template"]["spec"]["parallelism"] = json!(7);
    let made = server.json("PUT", &path, body).await.expect(201);
    assert_eq!(made["spec"]["template"]["spec"]["parallelism"], 7);

    let mut bare = deployment("one");
    bare["metadata"].as_object_mut().unwrap().remove("name");
    let replaced = server.json("PUT", &path, bare).await.expect(200);
    assert_eq!(replaced["metadata"]["id"], made["metadata"]["id"]);
    assert_eq!(replaced["spec"]["template"]["spec"]["parallelism"], 1);

    let other = server.json("PUT", &path, deployment("two")).await;
    other.refused(400, "BadRequest");
}

#[tokio::test]
async fn if_match_is_honoured() {
    let server = Server::start().await;
    server.deploy("one").await;
    let path = format!("{DEPLOYMENTS}/one");
    let patch = r#"{"spec":{"state":"RUNNING"}}"#;
    for tag in ["\"7\"", "nonsense", "2"] {
        let refused = server.text("PATCH", &path, &[("if-match", tag)], patch).await;
        let message = refused.refused(412, "PreconditionFailed");
        assert!(message.contains("resourceVersion 1"), "{message}");
    }
    assert_eq!(server.get(&path).await.expect(200)["spec"]["state"], "CANCELLED");
    for tag in ["\"1\"", "W/\"2\"", "3", "*"] {
        server.text("PATCH", &path, &[("if-match", tag)], patch).await.expect(200);
    }
    let absent =
        server.text("PUT", &format!("{DEPLOYMENTS}/two"), &[("if-match", "1")], "{}").await;
    absent.refused(412, "PreconditionFailed");
}

#[tokio::test]
async fn every_problem_is_listed_and_nothing_is_stored() {
    let server = Server::start().await;
    let mut body = deployment("one");
    body["spec"]["template"]["spec"]["parallelism"] = json!(0);
    body["spec"]["deploymentTargetName"] = json!("prod");
    let before = server.app.store.revision().await.unwrap();
    let answer = server.json("POST", DEPLOYMENTS, body).await;
    let message = answer.refused(400, "BadRequest");
    let problems = answer.json()["context"]["problems"].clone();
    let paths: Vec<&str> =
        problems.as_array().unwrap().iter().map(|p| p["path"].as_str().unwrap()).collect();
    assert!(paths.contains(&"spec.template.spec.parallelism"), "{paths:?}");
    assert!(paths.contains(&"spec.deploymentTargetName"), "{paths:?}");
    assert!(message.starts_with("2 problems: "), "{message}");
    assert_eq!(server.app.store.revision().await.unwrap(), before);
}

#[tokio::test]
async fn unknown_members_are_dropped_with_a_warning() {
    let server = Server::start().await;
    let mut body = deployment("one");
    body["spec"]["upgradeStratgy"] = json!({"kind": "NONE"});
    let answer = server.json("POST", DEPLOYMENTS, body).await;
    assert!(answer.expect(201)["spec"].get("upgradeStratgy").is_none());
    assert!(answer.header("drey-warning").contains("upgradeStratgy"), "{:?}", answer.headers);
}

#[tokio::test]
async fn a_client_cannot_write_status_or_identity() {
    let server = Server::start().await;
    let mut body = deployment("one");
    body["status"] = json!({"state": "RUNNING"});
    body["metadata"]["resourceVersion"] = json!(99);
    let made = server.json("POST", DEPLOYMENTS, body).await.expect(201);
    assert_eq!(made["status"]["state"], "CANCELLED");
    assert_eq!(made["metadata"]["resourceVersion"], 1);
}

#[tokio::test]
async fn the_explanation_is_the_controllers() {
    let server = Server::start().await;
    let id = server.deploy("one").await;
    let job = server.job(id, drey_model::JobState::Started).await;
    server.job(id, drey_model::JobState::Failed).await;
    let facts = json!({"explanation": {"summary": "It waits."}, "more": 1}).to_string();
    server.edit(id, |object, _| object.facts = Some(facts)).await;
    let seen = server.get("/ext/v1/namespaces/default/deployments/one").await.expect(200);
    assert_eq!(seen["explanation"]["summary"], "It waits.");
    assert_eq!(seen["deployment"]["metadata"]["name"], "one");
    assert_eq!(seen["jobs"].as_array().unwrap().len(), 1);
    assert_eq!(seen["jobs"][0]["metadata"]["id"], job.to_string());
    assert!(seen["revision"].as_i64().unwrap() > 0);
}
