//! Tolerant reading, strict meaning: what clients send in their own ways, and what is said of what is ignored.

use axum::body::Body;
use serde_json::{Value, json};

use crate::world::{DEFAULTS, DEPLOYMENTS, Server, TARGETS, deployment, request};

#[tokio::test]
async fn unknown_query_parameters_are_ignored_but_said() {
    let server = Server::start().await;
    server.deploy("one").await;
    let one = format!("{DEPLOYMENTS}/one");
    for (path, expected) in [
        (
            format!("{DEPLOYMENTS}?labelselector=a%3Db"),
            "Query parameter \"labelselector\" has no meaning here, so it is ignored. Did you mean labelSelector?",
        ),
        (
            format!("{one}?verbose=1"),
            "Query parameter \"verbose\" has no meaning here, so it is ignored.",
        ),
        (
            format!("{one}?dryRun=true"),
            "Query parameter \"dryRun\" has no meaning here, so it is ignored.",
        ),
        (
            "/api/v1/namespaces/default/jobs?deploymentID=x".to_owned(),
            "Query parameter \"deploymentID\" has no meaning here, so it is ignored. Did you mean deploymentId?",
        ),
        (
            "/api/v1/status?x%0d%0aSet-Cookie:%20a=b".to_owned(),
            "Query parameter \"x\\r\\nSet-Cookie: a\" has no meaning here, so it is ignored.",
        ),
    ] {
        let answer = server.get(&path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("drey-warning"), expected, "{path}");
    }
    for path in [
        format!("{DEPLOYMENTS}?labelSelector=a%3Db"),
        "/api/v1/namespaces/default/events?deploymentId=&jobId=&sessionClusterId=".to_owned(),
        one.clone(),
        format!("{one}?"),
    ] {
        assert_eq!(server.get(&path).await.header("drey-warning"), "", "{path}");
    }
    let many: String = (0..500).map(|n| format!("p{n}=1&")).collect();
    let answer = server.get(&format!("{one}?{many}")).await;
    let said: Vec<_> = answer.headers.get_all("drey-warning").iter().collect();
    assert_eq!((answer.status.as_u16(), said.len()), (200, 5), "{said:?}");
    assert_eq!(said[4], "+496 more query parameters without a meaning.");
    let patched = server.json("PATCH", &format!("{one}?force=true"), json!({})).await;
    assert!(patched.header("drey-warning").contains("\"force\""), "{:?}", patched.headers);
}

#[tokio::test]
async fn unknown_members_are_listed_each() {
    let server = Server::start().await;
    let mut body = deployment("one");
    body["spec"]["upgradeStratgy"] = json!({"kind": "NONE"});
    body["spec"]["template"]["spec"]["batchMode"] = json!(true);
    body["extra"] = json!(1);
    let answer = server.json("POST", DEPLOYMENTS, body).await;
    let made = answer.expect(201);
    assert!(!made.to_string().contains("batchMode"));
    let mut said: Vec<&str> =
        answer.headers.get_all("drey-warning").iter().map(|v| v.to_str().unwrap()).collect();
    said.sort_unstable();
    assert_eq!(
        said,
        [
            "extra: Not a member of Deployment, so it is ignored.",
            "spec.template.spec.batchMode: Not a member of spec, so it is ignored.",
            "spec.upgradeStratgy: Not a member of spec, so it is ignored. Did you mean upgradeStrategy?",
        ]
    );
}

#[tokio::test]
async fn letter_case_and_numbers_do_not_matter() {
    let server = Server::start().await;
    let body = r#"{"KIND": "deployment", "apiversion": "V1", "metadata": {"Name": "one", "labels": {"Case": 1}},
        "SPEC": {"State": "canceled", "deploymentTargetName": "local", "upgradestrategy": {"kind": "Stateless"},
            "restoreStrategy": {"kind": "latest_savepoint", "allowNonRestoredState": "TRUE"},
            "maxJobCreationAttempts": "3",
            "template": {"spec": {"artifact": {"kind": "jar", "jarUri": "https://x/a.jar", "flinkVersion": 1.20},
                "parallelism": 2.0, "resources": {"jobManager": {"CPU": "0.5", "memory": "1g"}, "TASKMANAGER": {"memory": 2000000000}},
                "flinkConfiguration": {"taskmanager.numberOfTaskSlots": 2, "a": true, "b": 1.50}}}}}"#;
    let made =
        server.text("POST", DEPLOYMENTS, &[("content-type", "application/json")], body).await;
    assert_eq!(made.header("drey-warning"), "");
    let made = made.expect(201);
    assert_eq!(
        (&made["kind"], &made["metadata"]["labels"]),
        (&json!("Deployment"), &json!({"Case": "1"}))
    );
    let spec = &made["spec"];
    assert_eq!(
        (&spec["state"], &spec["upgradeStrategy"]["kind"]),
        (&json!("CANCELLED"), &json!("STATELESS"))
    );
    assert_eq!(
        spec["restoreStrategy"],
        json!({"kind": "LATEST_SAVEPOINT", "allowNonRestoredState": true})
    );
    let spec = &spec["template"]["spec"];
    assert_eq!(
        (&spec["artifact"]["flinkVersion"], &spec["parallelism"]),
        (&json!("1.20"), &json!(2))
    );
    assert_eq!(
        spec["flinkConfiguration"],
        json!({"taskmanager.numberOfTaskSlots": "2", "a": "true", "b": "1.50"})
    );
    let resources = json!({"jobmanager": {"cpu": 0.5, "memory": "1g"}, "taskmanager": {"cpu": 1.0, "memory": "2000000000"}});
    assert_eq!(spec["resources"], resources);
}

#[tokio::test]
async fn a_version_that_lost_its_zero_gets_its_own_hint() {
    let server = Server::start().await;
    let hint = "Write flinkVersion: \"1.20\".";
    let artifact = |version: Value| json!({"spec": {"template": {"spec": {"artifact": {"flinkVersion": version}}}}});
    let mut body = deployment("one");
    body["spec"]["template"]["spec"]["artifact"]["flinkVersion"] = json!(1.2);
    assert!(server.json("POST", DEPLOYMENTS, body).await.refused(400, "BadRequest").contains(hint));
    server.deploy("one").await;
    let path = format!("{DEPLOYMENTS}/one");
    assert!(
        server
            .json("PATCH", &path, artifact(json!(1.2)))
            .await
            .refused(400, "BadRequest")
            .contains(hint)
    );
    assert!(
        server
            .json("PATCH", DEFAULTS, artifact(json!(1.2)))
            .await
            .refused(400, "BadRequest")
            .contains(hint)
    );
    let two = server.json("PATCH", &path, artifact(json!(2))).await.refused(400, "BadRequest");
    assert!(two.contains("Write flinkVersion: \"2.0\"."), "{two}");
    // Where the literal text arrives, it counts.
    let yaml = "spec: {template: {spec: {artifact: {flinkVersion: 1.20}}}}";
    let kept = server
        .text("PATCH", &path, &[("content-type", "application/yaml")], yaml)
        .await
        .expect(200);
    assert_eq!(kept["spec"]["template"]["spec"]["artifact"]["flinkVersion"], "1.20");
    // The values of a patch set are taken as they are, so 1.20 has no zero any more.
    let target = "metadata: {name: t}\nspec:\n  kubernetes: {}\n  deploymentPatchSet:\n  - {op: add, path: /spec/template/spec/artifact/flinkVersion, value: 1.20}\n";
    let refused =
        server.text("POST", TARGETS, &[("content-type", "application/yaml")], target).await;
    let message = refused.refused(400, "BadRequest");
    assert!(
        message.contains("spec.deploymentPatchSet[0].value") && message.contains(hint),
        "{message}"
    );
}

#[tokio::test]
async fn a_name_or_an_id_addresses_the_same_object() {
    let server = Server::start().await;
    let id = server.deploy("one").await;
    for segment in ["one".to_owned(), id.to_string(), id.to_string().to_uppercase()] {
        let path = format!("{DEPLOYMENTS}/{segment}");
        assert_eq!(server.get(&path).await.expect(200)["metadata"]["name"], "one");
        server.json("PATCH", &path, json!({"metadata": {"labels": {"a": "b"}}})).await.expect(200);
        server.json("PUT", &path, deployment("one")).await.expect(200);
    }
    server.delete(&format!("{DEPLOYMENTS}/{id}")).await.expect(200);
    // A client that goes on with the id of what is gone must not make an object with that name.
    let mut body = deployment("one");
    body["metadata"].as_object_mut().unwrap().remove("name");
    let late = server.json("PUT", &format!("{DEPLOYMENTS}/{id}"), body).await;
    assert!(late.refused(404, "NotFound").contains("PUT it under its name"));
}

#[tokio::test]
async fn null_in_a_patch_removes_and_what_has_a_default_comes_back() {
    let server = Server::start().await;
    let mut body = deployment("one");
    body["metadata"] = json!({"name": "one", "displayName": "One", "labels": {"a": "b"}, "annotations": {"c": "d"}});
    body["spec"]["jobFailureExpirationTime"] = json!("5 min");
    body["spec"]["template"]["spec"]["parallelism"] = json!(5);
    body["spec"]["template"]["spec"]["flinkConfiguration"] = json!({"k": "v", "l": "w"});
    server.json("POST", DEPLOYMENTS, body).await.expect(201);
    let patch = json!({
        "metadata": {"displayName": null, "labels": null, "annotations": {"c": null}},
        "spec": {"jobFailureExpirationTime": null, "state": null, "template": {"spec": {
            "parallelism": null, "flinkConfiguration": {"k": null, "absent": null}, "kubernetes": null,
        }}},
        "status": null,
    });
    let seen = server.json("PATCH", &format!("{DEPLOYMENTS}/one"), patch).await.expect(200);
    let metadata = seen["metadata"].as_object().unwrap();
    assert!(!metadata.contains_key("displayName"));
    assert_eq!(metadata["labels"], json!({}));
    assert_eq!(metadata["annotations"].as_object().unwrap().len(), 1, "the server's own stays");
    assert_eq!(
        (seen["spec"].get("jobFailureExpirationTime"), &seen["spec"]["state"]),
        (None, &json!("CANCELLED"))
    );
    let spec = &seen["spec"]["template"]["spec"];
    assert_eq!(
        (&spec["parallelism"], &spec["flinkConfiguration"]),
        (&json!(1), &json!({"l": "w"}))
    );
}

#[tokio::test]
async fn a_change_of_the_artifact_drops_what_the_new_kind_does_not_have() {
    let server = Server::start().await;
    server.deploy("one").await;
    let path = format!("{DEPLOYMENTS}/one");
    let patch = |artifact: Value| json!({"spec": {"template": {"spec": {"artifact": artifact}}}});
    let sql = server
        .json("PATCH", &path, patch(json!({"kind": "SqlScript", "sqlScript": "SELECT 1"})))
        .await
        .expect(200);
    let artifact = &sql["spec"]["template"]["spec"]["artifact"];
    assert_eq!(
        artifact,
        &json!({"kind": "SQLSCRIPT", "sqlScript": "SELECT 1", "flinkVersion": "1.20"})
    );
    let back =
        server.json("PATCH", &path, patch(json!({"kind": "JAR"}))).await.refused(400, "BadRequest");
    assert!(back.contains("An artifact of kind JAR needs jarUri"), "{back}");
}

#[tokio::test]
async fn anchors_work_and_bombs_do_not() {
    let server = Server::start().await;
    let yaml = "metadata: {name: one}\nspec:\n  deploymentTargetName: local\n  template:\n    spec:\n      artifact: {jarUri: 'https://x/a.jar'}\n      resources:\n        jobmanager: &size {cpu: 2, memory: 3g}\n        taskmanager: {<<: *size, memory: 4g}\n";
    let made = server
        .text("POST", DEPLOYMENTS, &[("content-type", "application/yaml")], yaml)
        .await
        .expect(201);
    assert_eq!(
        made["spec"]["template"]["spec"]["resources"]["taskmanager"],
        json!({"cpu": 2.0, "memory": "4g"})
    );
}

#[tokio::test]
async fn bodies_over_the_limit_are_413_on_every_write() {
    let server = Server::start().await;
    server.deploy("one").await;
    let body =
        format!("{{\"metadata\":{{\"annotations\":{{\"a\":\"{}\"}}}}}}", "x".repeat(1 << 20));
    for (method, path) in [
        ("POST", DEPLOYMENTS.to_owned()),
        ("PUT", format!("{DEPLOYMENTS}/one")),
        ("PATCH", format!("{DEPLOYMENTS}/one")),
        ("PATCH", DEFAULTS.to_owned()),
        ("POST", TARGETS.to_owned()),
        ("PUT", format!("{TARGETS}/local")),
        ("POST", crate::world::SAVEPOINTS.to_owned()),
    ] {
        let answer = server.send(request(method, &path, &[], Body::from(body.clone()))).await;
        answer.refused(413, "PayloadTooLarge");
    }
}

#[tokio::test]
async fn a_document_does_not_grow_beyond_what_can_be_written_back() {
    let server = Server::start().await;
    server.deploy("one").await;
    let path = format!("{DEPLOYMENTS}/one");
    for path in [path.as_str(), DEFAULTS] {
        let patch =
            |n: usize| json!({"metadata": {"annotations": {n.to_string(): "x".repeat(400_000)}}});
        server.json("PATCH", path, patch(1)).await.expect(200);
        let large = server.json("PATCH", path, patch(2)).await.expect(200);
        let message = server.json("PATCH", path, patch(3)).await.refused(400, "BadRequest");
        assert!(message.contains("at most 1048576 are kept"), "{message}");
        if path != DEFAULTS {
            server.json("PUT", path, large).await.expect(200);
        }
    }
}

#[tokio::test]
async fn put_can_ask_not_to_replace() {
    let server = Server::start().await;
    let spec = json!({"spec": {"kubernetes": {}}});
    for (path, body) in
        [(format!("{DEPLOYMENTS}/one"), deployment("one")), (format!("{TARGETS}/t"), spec)]
    {
        let mut changed = body.clone();
        changed["metadata"]["labels"] = json!({ "a": "b" });
        let (body, changed) = (body.to_string(), changed.to_string());
        let new = [("if-none-match", "*")];
        server.text("PUT", &path, &new, &body).await.expect(201);
        let refused = server.text("PUT", &path, &new, &body).await;
        assert!(refused.refused(412, "PreconditionFailed").contains("exists at resourceVersion 1"));
        server.text("PUT", &path, &[("if-match", "\"9\", W/\"1\"")], &changed).await.expect(200);
        let absent = server.text("PUT", &format!("{path}2"), &[("if-match", "*")], &body).await;
        absent.refused(412, "PreconditionFailed");
        server
            .text("DELETE", &path, &[("if-match", "1")], "")
            .await
            .refused(412, "PreconditionFailed");
        server.text("DELETE", &path, &[("if-match", "*")], "").await.expect(200);
    }
}
