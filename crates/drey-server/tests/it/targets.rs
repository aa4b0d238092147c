//! DeploymentTargets: metadata may change, `spec` may not, and a target in use stays.

use std::sync::Arc;

use serde_json::json;

use crate::world::{DEPLOYMENTS, Server, TARGETS, deployment};

#[tokio::test]
async fn the_built_in_target_is_there() {
    let server = Server::start().await;
    let local = server.get(&format!("{TARGETS}/local")).await.expect(200);
    assert_eq!(local["kind"], "DeploymentTarget");
    assert!(local["spec"]["local"].is_object());
}

#[tokio::test]
async fn targets_are_created_listed_relabelled_and_deleted() {
    let server = Server::start().await;
    let body =
        json!({"metadata": {"name": "Prod_EU"}, "spec": {"kubernetes": {"namespace": "flink"}}});
    let made = server.json("POST", TARGETS, body.clone()).await.expect(201);
    assert_eq!(made["spec"]["kubernetes"]["namespace"], "flink");
    server.json("POST", TARGETS, body.clone()).await.refused(409, "Conflict");

    let path = format!("{TARGETS}/Prod_EU");
    let mut labelled = body.clone();
    labelled["metadata"]["labels"] = json!({"team": "a"});
    let changed = server.json("PUT", &path, labelled).await.expect(200);
    assert_eq!(changed["metadata"]["labels"]["team"], "a");
    assert_eq!(changed["metadata"]["resourceVersion"], 2);

    let mut moved = body;
    moved["spec"]["kubernetes"]["namespace"] = json!("elsewhere");
    server.json("PUT", &path, moved).await.refused(400, "BadRequest");

    let all = server.get(TARGETS).await.expect(200);
    assert_eq!(all["kind"], "DeploymentTargetList");
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    assert_eq!(all["items"][0]["metadata"]["name"], "Prod_EU");
    server.delete(&path).await.expect(200);
    server.get(&path).await.refused(404, "NotFound");
}

#[tokio::test]
async fn a_target_in_use_stays_and_names_its_users() {
    let server = Server::start().await;
    for name in ["a", "b", "c", "d", "e"] {
        server.deploy(name).await;
    }
    let path = format!("{TARGETS}/local");
    let message = server.delete(&path).await.refused(409, "Conflict");
    assert_eq!(
        message,
        "Target local is used by 5 deployments (a, b, c, +2 more). Move or delete them first."
    );
    for name in ["a", "b", "c", "d", "e"] {
        server.delete(&format!("{DEPLOYMENTS}/{name}")).await.expect(200);
    }
    server.delete(&path).await.expect(200);
    let orphan = server.json("POST", DEPLOYMENTS, deployment("f")).await;
    assert!(orphan.refused(400, "BadRequest").contains("local"));
}

#[tokio::test]
async fn put_creates_a_target_under_the_name_of_the_path() {
    let server = Server::start().await;
    for (n, metadata) in [json!(null), json!({}), json!({"name": null}), json!({"name": "t3"})]
        .into_iter()
        .enumerate()
    {
        let body = json!({"metadata": metadata, "spec": {"kubernetes": {}}});
        let made = server.json("PUT", &format!("{TARGETS}/t{n}"), body).await.expect(201);
        assert_eq!(made["metadata"]["name"], format!("t{n}"));
    }
    let other = json!({"metadata": {"name": "x"}, "spec": {"kubernetes": {}}});
    let message = server.json("PUT", &format!("{TARGETS}/y"), other).await;
    assert!(message.refused(400, "BadRequest").contains("\"x\""));
}

#[tokio::test]
async fn the_spec_of_a_target_never_changes() {
    let server = Server::start().await;
    let spec = json!({"kubernetes": {"namespace": "flink"}, "deploymentPatchSet": [
        {"op": "add", "path": "/spec/template/spec/flinkConfiguration/a", "value": "b"},
    ]});
    let body = json!({"metadata": {"name": "t", "labels": {"a": "b"}, "annotations": {"c": "d"}}, "spec": spec});
    let made = server.json("POST", TARGETS, body).await.expect(201);
    let path = format!("{TARGETS}/t");
    for other in [
        json!({"kubernetes": {"namespace": "other"}}),
        json!({"kubernetes": {}}),
        json!({"local": {}}),
        json!({"kubernetes": {"namespace": "flink"}, "deploymentPatchSet": []}),
        json!({}),
    ] {
        let message =
            server.json("PUT", &path, json!({"spec": other})).await.refused(400, "BadRequest");
        assert!(message.contains("never changes"), "{other}: {message}");
    }
    let same = server.json("PUT", &path, made.clone()).await.expect(200);
    assert_eq!((&same["spec"], &same["metadata"]["labels"]), (&spec, &json!({"a": "b"})));
    assert_eq!(same["metadata"], made["metadata"], "nothing new is said, nothing is written");
    let bare = server.json("PUT", &path, json!({})).await.expect(200);
    assert_eq!((&bare["spec"], &bare["metadata"]["labels"]), (&spec, &json!({})));
    assert_eq!(bare["metadata"]["resourceVersion"], 2);
    server.json("PATCH", &path, json!({})).await.refused(405, "MethodNotAllowed");
}

#[tokio::test]
async fn one_operation_that_fails_refuses_the_whole_write() {
    let server = Server::start().await;
    let target = json!({"metadata": {"name": "t"}, "spec": {"kubernetes": {}, "deploymentPatchSet": [
        {"op": "add", "path": "/spec/template/spec/flinkConfiguration/a", "value": "set"},
        {"op": "copy", "from": "/spec/template/spec/flinkConfiguration/a", "path": "/metadata/labels/a"},
        {"op": "test", "path": "/spec/template/spec/parallelism", "value": 2},
    ]}});
    server.json("POST", TARGETS, target).await.expect(201);
    let why = "Target t refused the change: deploymentPatchSet[2] (test /spec/template/spec/parallelism = 2) does not \
               hold, found 1.";
    let (one, two) = (format!("{DEPLOYMENTS}/one"), format!("{DEPLOYMENTS}/two"));
    let mut wrong = deployment("one");
    wrong["spec"]["deploymentTargetName"] = json!("t");
    let mut right = wrong.clone();
    right["spec"]["template"]["spec"]["parallelism"] = json!(2);
    let moved = json!({"spec": {"deploymentTargetName": "t", "template": {"spec": {"flinkConfiguration": {"b": "c"}}}}});
    server.deploy("two").await;
    let before = server.get(&two).await.expect(200);
    for (method, path, body) in [
        ("POST", DEPLOYMENTS, wrong.clone()),
        ("PUT", one.as_str(), wrong.clone()),
        ("PATCH", two.as_str(), moved),
        ("PUT", two.as_str(), json!({"spec": wrong["spec"]})),
    ] {
        let answer = server.json(method, path, body).await;
        assert!(
            answer.refused(400, "BadRequest").contains(why),
            "{method} {path}: {}",
            answer.text
        );
        let problem = &answer.json()["context"]["problems"][0];
        assert_eq!(
            (&problem["path"], &problem["message"]),
            (&json!("spec.deploymentTargetName"), &json!(why))
        );
    }
    server.get(&one).await.refused(404, "NotFound");
    assert_eq!(server.get(&two).await.expect(200), before);

    let made = server.json("POST", DEPLOYMENTS, right).await.expect(201);
    assert_eq!(made["spec"]["template"]["spec"]["flinkConfiguration"]["a"], "set");
    assert_eq!(made["metadata"]["labels"]["a"], "set");
    // Whoever takes the label away gets it back: operations run with every change.
    let patch = json!({"metadata": {"labels": {"a": null}}, "spec": {"template": {"spec": {"flinkConfiguration": null}}}});
    let seen = server.json("PATCH", &one, patch).await.expect(200);
    assert_eq!(
        (&seen["metadata"]["labels"], &seen["spec"]["template"]["spec"]["flinkConfiguration"]),
        (&json!({"a": "set"}), &json!({"a": "set"}))
    );
    let broken = json!({"spec": {"template": {"spec": {"parallelism": 3}}}});
    assert!(
        server.json("PATCH", &one, broken).await.refused(400, "BadRequest").contains("found 3.")
    );
}

/// Every way to begin to refer to a target.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_way_to_refer_to_a_target_survives_its_deletion() {
    let folder = tempfile::tempdir().unwrap();
    let server = Arc::new(Server::on_disk(&folder).await);
    server.deploy("patched").await;
    for n in 0..36 {
        let target = format!("t{n}");
        let body = json!({"metadata": {"name": target}, "spec": {"kubernetes": {}}});
        server.json("POST", TARGETS, body).await.expect(201);
        let place = json!({"spec": {"deploymentTargetName": target}});
        let mut whole = deployment(&format!("d{n}"));
        whole["spec"]["deploymentTargetName"] = json!(target);
        let (method, path, body) = match n % 3 {
            0 => ("PUT", format!("{DEPLOYMENTS}/d{n}"), whole),
            1 => ("PATCH", format!("{DEPLOYMENTS}/patched"), place),
            _ => ("PATCH", crate::world::DEFAULTS.to_owned(), place),
        };
        let (one, two, gone) =
            (Arc::clone(&server), Arc::clone(&server), format!("{TARGETS}/{target}"));
        let refers = tokio::spawn(async move { one.json(method, &path, body).await.status });
        let gone = tokio::spawn(async move { two.delete(&gone).await.status });
        let (refers, gone) = (refers.await.unwrap(), gone.await.unwrap());
        assert!(refers.is_success() != gone.is_success(), "{method} {refers}, DELETE {gone}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_deployment_and_the_deletion_of_its_target_never_both_succeed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Arc::new(Server::on_disk(&folder).await);
    for n in 0..40 {
        let target = format!("t{n}");
        let body = json!({"metadata": {"name": target}, "spec": {"kubernetes": {}}});
        server.json("POST", TARGETS, body).await.expect(201);
        let mut body = deployment(&format!("d{n}"));
        body["spec"]["deploymentTargetName"] = json!(target);
        let (one, two) = (Arc::clone(&server), Arc::clone(&server));
        let made = tokio::spawn(async move { one.json("POST", DEPLOYMENTS, body).await.status });
        let path = format!("{TARGETS}/{target}");
        let gone = tokio::spawn(async move { two.delete(&path).await.status });
        let (made, gone) = (made.await.unwrap(), gone.await.unwrap());
        assert!(made.is_success() != gone.is_success(), "{made} {gone}");
    }
}
