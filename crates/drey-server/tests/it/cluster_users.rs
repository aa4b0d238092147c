//! Who uses a SessionCluster: what keeps one from being stopped or deleted, and what of it a Deployment shows.

use drey_model::{DeploymentState, JobState, Kind};
use drey_store::Write;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::session_clusters::{
    CLUSTERS, SHARED, bind, observe, on_shared, remember, set_state, shared,
};
use crate::world::{DEFAULTS, DEPLOYMENTS, Server, TARGETS};

#[tokio::test]
async fn a_stop_is_refused_while_deployments_run_there_and_names_them() {
    let server = Server::start().await;
    server.json("POST", DEPLOYMENTS, on_shared("a")).await.refused(400, "BadRequest");
    server.json("POST", CLUSTERS, shared()).await.expect(201);
    set_state(&server, "RUNNING").await.expect(200);
    observe(&server, "RUNNING").await;
    let mut ids = Vec::new();
    for name in ["a", "b"] {
        let made = server.json("POST", DEPLOYMENTS, on_shared(name)).await.expect(201);
        assert!(made["spec"].get("deploymentTargetName").is_none());
        ids.push(made["metadata"]["id"].as_str().unwrap().parse::<Uuid>().unwrap());
    }
    set_state(&server, "STOPPED").await.expect(200);
    set_state(&server, "RUNNING").await.expect(200);
    let run = json!({"spec": {"state": "RUNNING"}});
    server.json("PATCH", &format!("{DEPLOYMENTS}/a"), run).await.expect(200);
    let message = set_state(&server, "STOPPED").await.refused(409, "Conflict");
    assert_eq!(
        message,
        "1 deployment runs on SessionCluster shared (a). Cancel or suspend them first, then stop it."
    );
    // Suspending is not suspended, and a cluster of one's own does not help while the old job is there.
    let job = server.job(ids[1], JobState::Terminating).await;
    bind(&server, job, false).await;
    let away = json!({"spec": {"sessionClusterName": null, "deploymentTargetName": "local"}});
    server.json("PATCH", &format!("{DEPLOYMENTS}/b"), away).await.expect(200);
    let message = set_state(&server, "STOPPED").await.refused(409, "Conflict");
    assert!(message.starts_with("2 deployments run on SessionCluster shared (a, b)."), "{message}");
    // One that was given up is nobody's reason.
    bind(&server, job, true).await;
    server.observe(ids[0], DeploymentState::Failed).await;
    set_state(&server, "STOPPED").await.expect(200);
}

#[tokio::test]
async fn a_cluster_that_failed_can_be_stopped_although_deployments_wait_for_it() {
    let server = Server::start().await;
    server.json("POST", CLUSTERS, shared()).await.expect(201);
    set_state(&server, "RUNNING").await.expect(200);
    let mut wants = on_shared("a");
    wants["spec"]["state"] = json!("RUNNING");
    server.json("POST", DEPLOYMENTS, wants).await.expect(201);
    observe(&server, "STARTING").await;
    set_state(&server, "STOPPED").await.refused(409, "Conflict");
    observe(&server, "FAILED").await;
    set_state(&server, "STOPPED").await.expect(200);
}

#[tokio::test]
async fn what_is_referred_to_or_active_is_not_deleted() {
    let server = Server::start().await;
    server.json("POST", CLUSTERS, shared()).await.expect(201);
    let target = server.delete(&format!("{TARGETS}/local")).await.refused(409, "Conflict");
    assert_eq!(
        target,
        "Target local is used by 1 session cluster (shared). Move or delete them first."
    );
    server.json("POST", DEPLOYMENTS, on_shared("a")).await.expect(201);
    let message = server.delete(SHARED).await.refused(409, "Conflict");
    assert_eq!(
        message,
        "SessionCluster shared is used by 1 deployment (a). Move or delete them first."
    );
    server.delete(&format!("{DEPLOYMENTS}/a")).await.expect(200);
    let defaults = json!({"spec": {"sessionClusterName": "shared"}});
    server.json("PATCH", DEFAULTS, defaults).await.expect(200);
    let message = server.delete(SHARED).await.refused(409, "Conflict");
    assert!(message.contains("deployment-defaults"), "{message}");
    server.json("PATCH", DEFAULTS, json!({"spec": {"sessionClusterName": null}})).await.expect(200);
    set_state(&server, "RUNNING").await.expect(200);
    let message = server.delete(SHARED).await.refused(409, "Conflict");
    assert!(message.contains("Stop it first"), "{message}");
}

#[tokio::test]
async fn a_job_on_a_shared_cluster_shows_the_logs_of_that_cluster() {
    let server = Server::start().await;
    let owner = server.deploy("a").await;
    let job = server.job(owner, JobState::Started).await;
    server.backend.logs.lock().unwrap().insert("jobmanager.log".into(), b"one\ntwo\n".to_vec());
    *server.backend.logs_of.lock().unwrap() = Some(Uuid::from_u128(7));
    let path = format!("/ext/v1/namespaces/default/jobs/{job}/logs");
    let file = format!("{path}/jobmanager.log");
    assert_eq!(server.get(&path).await.expect(200), json!({"items": []}), "it has none itself");
    server.get(&file).await.refused(404, "NotFound");

    bind(&server, job, false).await;
    let listed = server.get(&path).await.expect(200);
    assert_eq!(listed, json!({"items": [{"name": "jobmanager.log", "size": 8}]}));
    assert_eq!(server.get(&format!("{file}?tail=1")).await.text, "two\n");
    let mut row = server.app.store.by_id(Kind::Job, job).await.unwrap().unwrap();
    let revision = row.revision;
    row.doc = row.doc.replace("STARTED", "FINISHED");
    server.app.store.commit(&[Write::Update(row, revision)]).await.unwrap();
    let followed = server.get(&format!("{file}?follow=true&offset=0")).await;
    assert_eq!(followed.text, "one\ntwo\n", "and it ends with the Job, not with the cluster");
}

#[tokio::test]
async fn a_session_cluster_shows_the_logs_of_its_newest_run_also_when_that_is_over() {
    let server = Server::start().await;
    server.json("POST", CLUSTERS, shared()).await.expect(201);
    server.backend.logs.lock().unwrap().insert("jobmanager.log".into(), b"one\ntwo\n".to_vec());
    *server.backend.logs_of.lock().unwrap() = Some(Uuid::from_u128(7));
    let path = "/ext/v1/namespaces/default/sessionclusters/shared/logs";
    let file = format!("{path}/jobmanager.log");
    let message = server.get(path).await.refused(404, "NotFound");
    assert_eq!(message, "SessionCluster 'shared' has never run, so it has no logs.");

    let run = Uuid::from_u128(7);
    remember(&server, json!({"run": {"launched": {"id": run}}})).await;
    let listed = server.get(path).await.expect(200);
    assert_eq!(listed["items"][0]["size"], 8, "that of an older Drey: {listed}");
    let facts = |current: Value| json!({"run": current, "runs": [run, Uuid::from_u128(6)]});
    remember(&server, facts(json!({"launched": {"id": run}}))).await;
    let listed = server.get(path).await.expect(200);
    assert_eq!(listed, json!({"items": [{"name": "jobmanager.log", "size": 8}]}));
    let before = server.get(&format!("{path}?run={}", Uuid::from_u128(6))).await.expect(200);
    assert_eq!(before, json!({"items": []}), "the run before is another one");
    let unknown = server.get(&format!("{path}?run={}", Uuid::from_u128(5))).await;
    let message = unknown.refused(404, "NotFound");
    assert!(message.contains("has no run") && message.contains(&run.to_string()), "{message}");
    assert_eq!(server.get(&format!("{file}?tail=1")).await.text, "two\n");
    let message = server.get(&format!("{path}/x.log")).await.refused(404, "NotFound");
    assert!(message.starts_with("SessionCluster 'shared' has no log"), "{message}");

    // A file that got shorter was begun anew while the run goes on, and has its secrets hidden once that ends.
    let cut = server.get(&format!("{file}?offset=100")).await;
    assert_eq!((cut.text.as_str(), cut.header("drey-log-next-offset")), ("one\ntwo\n", "8"));
    remember(&server, facts(json!({"launched": {"id": run}, "end": {"why": "stopped"}}))).await;
    let cut = server.get(&format!("{file}?offset=100")).await;
    assert_eq!((cut.text.as_str(), cut.header("drey-log-next-offset")), ("", "8"));

    let next = json!({"launched": {"id": Uuid::from_u128(8)}});
    for later in [next, Value::Null] {
        remember(&server, facts(later)).await;
        let followed = server.get(&format!("{file}?run={run}&follow=true&offset=0")).await;
        assert_eq!(followed.text, "one\ntwo\n", "and it ends with the run");
    }
}

#[tokio::test]
async fn a_flink_job_that_was_given_up_keeps_its_deployment_until_it_is_gone() {
    let server = Server::start().await;
    server.json("POST", CLUSTERS, shared()).await.expect(201);
    let made = server.json("POST", DEPLOYMENTS, on_shared("a")).await.expect(201);
    let id: Uuid = made["metadata"]["id"].as_str().unwrap().parse().unwrap();
    let job = server.job(id, JobState::Terminating).await;
    bind(&server, job, true).await;
    server.observe(id, DeploymentState::Cancelled).await;
    let path = format!("{DEPLOYMENTS}/a");
    let message = server.delete(&path).await.refused(409, "Conflict");
    assert!(message.contains(&job.simple().to_string()), "names the Flink job: {message}");
    assert!(message.contains("stopping the SessionCluster ends it"), "{message}");

    // What the controller does once Flink says that it has ended.
    let mut row = server.app.store.by_id(Kind::Job, job).await.unwrap().unwrap();
    let revision = row.revision;
    row.open = false;
    server.app.store.commit(&[Write::Update(row, revision)]).await.unwrap();
    server.delete(&path).await.expect(200);
}

#[tokio::test]
async fn whoever_begins_to_use_a_cluster_makes_a_deletion_that_did_not_see_it_fail() {
    let server = Server::start().await;
    server.json("POST", CLUSTERS, shared()).await.expect(201);
    let mut wants = on_shared("a");
    wants["spec"]["state"] = json!("RUNNING");
    let made = server.json("POST", DEPLOYMENTS, wants).await.expect(201);
    let id: Uuid = made["metadata"]["id"].as_str().unwrap().parse().unwrap();
    server.observe(id, DeploymentState::Failed).await;
    let row = || async {
        let store = &server.app.store;
        store.get(Kind::SessionCluster, "default", "shared").await.unwrap().unwrap()
    };
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    let spec = json!({"spec": {"template": {"spec": {"parallelism": 2}}}});
    let retry = "/ext/v1/namespaces/default/deployments/a/retry";
    let one = format!("{DEPLOYMENTS}/a");
    for (method, path, body, moves) in [
        ("PATCH", one.as_str(), label, false),
        ("PATCH", one.as_str(), spec, true),
        ("POST", retry, Value::Null, true),
        ("PATCH", DEFAULTS, json!({"spec": {"sessionClusterName": "shared"}}), true),
        ("PATCH", DEFAULTS, json!({"spec": {"sessionClusterName": "shared"}}), false),
    ] {
        let before = row().await;
        server.json(method, path, body.clone()).await.expect(200);
        let after = row().await;
        assert_eq!(after.revision > before.revision, moves, "{method} {path} {body}");
        assert_eq!(after.doc, before.doc);
    }
}

#[tokio::test]
async fn a_deployment_that_is_tried_again_keeps_its_cluster_from_being_stopped() {
    let server = Server::start().await;
    server.json("POST", CLUSTERS, shared()).await.expect(201);
    set_state(&server, "RUNNING").await.expect(200);
    observe(&server, "RUNNING").await;
    let mut wants = on_shared("a");
    wants["spec"]["state"] = json!("RUNNING");
    let made = server.json("POST", DEPLOYMENTS, wants).await.expect(201);
    let id: Uuid = made["metadata"]["id"].as_str().unwrap().parse().unwrap();
    server
        .edit(id, |object, doc| {
            doc["status"]["state"] = json!("FAILED");
            object.encode_facts(&json!({"explanation": {"specVersion": 1}})).unwrap();
        })
        .await;
    let rehearsed = format!("{SHARED}?dryRun=true");
    let stop = json!({"spec": {"state": "STOPPED"}});
    server.json("PATCH", &rehearsed, stop).await.expect(200);
    let retry = "/ext/v1/namespaces/default/deployments/a/retry";
    server.json("POST", retry, Value::Null).await.expect(200);
    let message = set_state(&server, "STOPPED").await.refused(409, "Conflict");
    assert!(message.contains("(a)"), "{message}");
}

#[tokio::test]
async fn a_cluster_that_was_given_up_does_not_start_before_its_stop_was_seen() {
    let server = Server::start().await;
    server.json("POST", CLUSTERS, shared()).await.expect(201);
    set_state(&server, "RUNNING").await.expect(200);
    observe(&server, "FAILED").await;
    set_state(&server, "STOPPED").await.expect(200);
    let message = set_state(&server, "RUNNING").await.refused(409, "Conflict");
    assert!(message.contains("Wait until status.state is STOPPED"), "{message}");
    let mut whole = shared();
    whole["spec"]["state"] = json!("RUNNING");
    server.json("PUT", SHARED, whole).await.refused(409, "Conflict");
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    server.json("PATCH", SHARED, label).await.expect(200);
    observe(&server, "STOPPED").await;
    set_state(&server, "RUNNING").await.expect(200);
}
