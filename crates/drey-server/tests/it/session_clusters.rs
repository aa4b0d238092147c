//! SessionClusters: what may change when, and what is shown. Who uses them is in `cluster_users.rs`.

use drey_model::{JobState, Kind};
use drey_store::Write;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{DEPLOYMENTS, Server, deployment};

pub(crate) const CLUSTERS: &str = "/api/v1/namespaces/default/sessionclusters";
pub(crate) const SHARED: &str = "/api/v1/namespaces/default/sessionclusters/shared";

pub(crate) fn shared() -> Value {
    json!({"metadata": {"name": "shared"}, "spec": {"deploymentTargetName": "local"}})
}

pub(crate) fn on_shared(name: &str) -> Value {
    let mut body = deployment(name);
    body["spec"]["deploymentTargetName"] = Value::Null;
    body["spec"]["sessionClusterName"] = json!("shared");
    body
}

/// Sets the observed state as the controller would.
pub(crate) async fn observe(server: &Server, state: &str) {
    let store = &server.app.store;
    let mut object = store.get(Kind::SessionCluster, "default", "shared").await.unwrap().unwrap();
    let (revision, mut doc) = (object.revision, object.decode::<Value>().unwrap());
    doc["status"]["state"] = json!(state);
    object.encode(&doc).unwrap();
    store.commit(&[Write::Update(object, revision)]).await.unwrap();
}

/// Gives the cluster the facts that the controller keeps.
pub(crate) async fn remember(server: &Server, facts: Value) {
    let store = &server.app.store;
    let mut object = store.get(Kind::SessionCluster, "default", "shared").await.unwrap().unwrap();
    let revision = object.revision;
    object.encode_facts(&facts).unwrap();
    store.commit(&[Write::Update(object, revision)]).await.unwrap();
}

pub(crate) async fn set_state(server: &Server, state: &str) -> crate::world::Answer {
    server.json("PATCH", SHARED, json!({"spec": {"state": state}})).await
}

/// Binds a Job to the cluster as the controller would.
pub(crate) async fn bind(server: &Server, job: Uuid, is_orphan: bool) {
    let mut object = server.app.store.by_id(Kind::Job, job).await.unwrap().unwrap();
    let revision = object.revision;
    let orphaned = if is_orphan { json!("2026-01-01T00:00:00Z") } else { Value::Null };
    let facts =
        json!({"session": {"name": "shared", "run": Uuid::from_u128(7), "orphanedAt": orphaned}});
    object.encode_facts(&facts).unwrap();
    server.app.store.commit(&[Write::Update(object, revision)]).await.unwrap();
}

#[tokio::test]
async fn a_cluster_is_filled_up_created_listed_and_deleted() {
    let mut server = Server::start().await;
    let made = server.json("POST", CLUSTERS, shared()).await;
    assert_eq!(made.header("etag"), "\"1\"");
    let made = made.expect(201);
    assert_eq!(made["spec"]["state"], "STOPPED");
    assert_eq!(made["spec"]["numberOfTaskManagers"], 1);
    assert_eq!(made["spec"]["flinkVersion"], "1.20");
    assert_eq!(made["spec"]["resources"]["taskmanager"]["memory"], "2G");
    assert_eq!(made["status"]["state"], "STOPPED");
    let id: Uuid = made["metadata"]["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(server.woken.try_recv().unwrap(), id, "the controller looks at it");
    server.json("POST", CLUSTERS, shared()).await.refused(409, "Conflict");

    let all = server.get(CLUSTERS).await.expect(200);
    assert_eq!(
        (&all["kind"], all["items"].as_array().unwrap().len()),
        (&json!("SessionClusterList"), 1)
    );
    let defaults = server.get("/api/v1/global-sessioncluster-defaults").await.expect(200);
    assert_eq!(defaults["spec"]["numberOfTaskManagers"], 1);
    let explained =
        server.get("/ext/v1/namespaces/default/sessionclusters/shared").await.expect(200);
    assert_eq!(explained["activeDeployments"], json!([]));
    server.delete(SHARED).await.expect(200);
    server.get(SHARED).await.refused(404, "NotFound");
}

#[tokio::test]
async fn every_problem_is_listed_with_its_path() {
    let server = Server::start().await;
    let body = json!({"metadata": {"name": "Bad Name"}, "spec": {
        "state": "CANCELLED", "deploymentTargetName": "lokal", "flinkVersion": "1.2",
        "numberOfTaskManagers": 0, "resources": {"jobmanager": {"cpu": 0.01, "memory": "1k"}},
        "flinkConfiguration": {"taskmanager.numberOfTaskSlots": "none"},
        "logging": {"log4jLoggers": {"": "LOUD"}}, "kubernetes": {"pods": {}, "jobManagerPodTemplate": {}},
    }});
    let answer = server.json("POST", CLUSTERS, body).await.expect(400);
    let problems = answer["context"]["problems"].as_array().unwrap().clone();
    let mut paths: Vec<&str> = problems.iter().map(|p| p["path"].as_str().unwrap()).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "metadata.name",
            "spec.deploymentTargetName",
            "spec.flinkConfiguration[\"taskmanager.numberOfTaskSlots\"]",
            "spec.flinkVersion",
            "spec.kubernetes.pods",
            "spec.logging.log4jLoggers[\"\"]",
            "spec.numberOfTaskManagers",
            "spec.resources.jobmanager.cpu",
            "spec.resources.jobmanager.memory",
            "spec.state",
        ]
    );
    let owned = json!({"metadata": {"name": "x"}, "spec": {"deploymentTargetName": "local",
        "flinkConfiguration": {"rest.port": "1"}}});
    let made = server.json("POST", CLUSTERS, owned).await;
    assert!(
        made.header("drey-warning").contains("Drey sets rest.port itself"),
        "{:?}",
        made.headers
    );
}

#[tokio::test]
async fn while_it_is_active_only_state_and_task_managers_change() {
    let server = Server::start().await;
    server.json("POST", CLUSTERS, shared()).await.expect(201);
    let more = json!({"spec": {"flinkConfiguration": {"a": "b"}, "flinkVersion": "2.2"}});
    server.json("PATCH", SHARED, more).await.expect(200);
    set_state(&server, "RUNNING").await.expect(200);
    for state in ["STOPPED", "STARTING", "RUNNING", "UPDATING"] {
        observe(&server, state).await;
        let change = json!({"spec": {"flinkConfiguration": {"a": "c"}, "numberOfTaskManagers": 0}});
        let answer = server.json("PATCH", SHARED, change).await.expect(400);
        assert_eq!(answer["context"]["problems"].as_array().unwrap().len(), 2, "{answer}");
        let mut whole = shared();
        whole["spec"]["state"] = json!("RUNNING");
        server.json("PUT", SHARED, whole).await.refused(400, "BadRequest");
        let scale =
            json!({"spec": {"numberOfTaskManagers": 3}, "metadata": {"labels": {"a": "b"}}});
        server.json("PATCH", SHARED, scale).await.expect(200);
    }
    let stop_and_change = json!({"spec": {"state": "STOPPED", "flinkVersion": "1.20"}});
    server.json("PATCH", SHARED, stop_and_change).await.refused(400, "BadRequest");
    set_state(&server, "STOPPED").await.expect(200);
    observe(&server, "STOPPING").await;
    let change = json!({"spec": {"flinkVersion": "1.20", "flinkConfiguration": {"a": null}}});
    server.json("PATCH", SHARED, change.clone()).await.refused(400, "BadRequest");
    observe(&server, "STOPPED").await;
    let changed = server.json("PATCH", SHARED, change).await.expect(200);
    assert_eq!(changed["spec"]["flinkConfiguration"], json!({}));
    let mut whole = shared();
    whole["spec"]["state"] = json!("RUNNING");
    let replaced = server.json("PUT", SHARED, whole).await.expect(200);
    assert_eq!(replaced["spec"]["numberOfTaskManagers"], 1);
}

#[tokio::test]
async fn versions_guard_it_and_a_rehearsal_changes_nothing() {
    let server = Server::start().await;
    server.json("PUT", SHARED, shared()).await.expect(201);
    let old = [("content-type", "application/json"), ("if-match", "\"7\"")];
    server.text("PATCH", SHARED, &old, "{}").await.refused(412, "PreconditionFailed");
    server.text("DELETE", SHARED, &old[1..], "").await.refused(412, "PreconditionFailed");
    let before = server.app.store.revision().await.unwrap();
    for (method, path) in [("PATCH", SHARED), ("PUT", SHARED), ("DELETE", SHARED)] {
        let path = format!("{path}?dryRun=true");
        let body = if method == "PUT" { shared() } else { json!({"spec": {"state": "RUNNING"}}) };
        let answer = server.json(method, &path, body).await;
        assert_eq!((answer.status.as_u16(), answer.header("drey-dry-run")), (200, "true"));
    }
    assert_eq!(server.app.store.revision().await.unwrap(), before);
}

#[tokio::test]
async fn annotations_of_session_mode_that_mean_nothing_are_refused() {
    let server = Server::start().await;
    let mut body = deployment("a");
    body["metadata"]["annotations"] = json!({
        "deployment.sessionmode.job-submission-timeout-seconds": "five",
        "deployment.sessionmode.force-cancellation": "all of them",
    });
    let answer = server.json("POST", DEPLOYMENTS, body.clone()).await.expect(400);
    assert_eq!(answer["context"]["problems"].as_array().unwrap().len(), 2, "{answer}");
    body["metadata"]["annotations"] = json!({
        "deployment.sessionmode.job-submission-timeout-seconds": 60,
        "deployment.sessionmode.force-cancellation": Uuid::from_u128(1),
    });
    server.json("POST", DEPLOYMENTS, body).await.expect(201);
}

#[tokio::test]
async fn events_are_narrowed_to_a_cluster() {
    let server = Server::start().await;
    let made = server.json("POST", CLUSTERS, shared()).await.expect(201);
    let id: Uuid = made["metadata"]["id"].as_str().unwrap().parse().unwrap();
    let other = server.deploy("other").await;
    let mut event = server.event_row(id, None, "of the cluster");
    let mut doc: Value = event.decode().unwrap();
    doc["metadata"]["sessionClusterId"] = json!(id);
    doc["metadata"].as_object_mut().unwrap().remove("deploymentId");
    event.encode(&doc).unwrap();
    server.app.store.commit(&[Write::Create(event)]).await.unwrap();
    server.event(other, None, "of a deployment").await;
    let path = format!("/api/v1/namespaces/default/events?sessionClusterId={id}");
    let found = server.get(&path).await.expect(200);
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    assert_eq!(found["items"][0]["spec"]["message"], "of the cluster");
    let both = server.get(&format!("{path}&deploymentId={other}")).await.expect(200);
    assert_eq!(both["items"], json!([]));
}

#[tokio::test]
async fn a_job_on_a_shared_cluster_shows_the_dashboard_of_that_cluster() {
    let server = Server::start().await;
    let owner = server.deploy("a").await;
    let job = server.job(owner, JobState::Started).await;
    bind(&server, job, false).await;
    server.backend.rest.lock().unwrap().insert(Uuid::from_u128(7), "http://127.0.0.1:1".to_owned());
    let path = format!("/flink-ui/v1/namespaces/default/jobs/{job}/overview");
    // Nobody listens there, but it is where the request goes.
    let message = server.get(&path).await.refused(503, "ServiceUnavailable");
    assert!(message.starts_with("No answer from the JobManager"), "{message}");
}

#[tokio::test]
async fn the_number_of_task_managers_that_take_jobs_is_told() {
    let server = Server::start().await;
    server.json("POST", CLUSTERS, shared()).await.expect(201);
    let explained = "/ext/v1/namespaces/default/sessionclusters/shared";
    let store = &server.app.store;
    for (scaled_to, shown) in [(0, Value::Null), (3, json!(3))] {
        let row = store.get(Kind::SessionCluster, "default", "shared").await.unwrap();
        let (mut row, run) = (row.unwrap(), Uuid::from_u128(7));
        let revision = row.revision;
        let facts = json!({"run": {"launched": {"id": run}, "scaledTo": scaled_to}});
        row.encode_facts(&facts).unwrap();
        store.commit(&[Write::Update(row, revision)]).await.unwrap();
        let told = server.get(explained).await.expect(200);
        assert_eq!((&told["taskManagers"], &told["runId"]), (&shown, &json!(run)));
    }
}

#[tokio::test]
async fn a_deployment_on_a_cluster_has_no_secrets_of_its_own_and_any_kind_of_program() {
    let server = Server::start().await;
    server.json("POST", CLUSTERS, shared()).await.expect(201);
    let mut body = on_shared("one");
    body["spec"]["template"]["spec"]["flinkConfiguration"] = json!({"x.password": "a${pw}"});
    let answer = server.json("POST", DEPLOYMENTS, body.clone()).await.expect(400);
    let problems = answer["context"]["problems"].as_array().unwrap();
    let paths: Vec<&str> = problems.iter().map(|p| p["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["spec.template.spec.flinkConfiguration[\"x.password\"]"], "{answer}");
    body["spec"]["sessionClusterName"] = Value::Null;
    body["spec"]["deploymentTargetName"] = json!("local");
    server.json("POST", DEPLOYMENTS, body).await.expect(201);

    let programs = [
        ("two", json!({"kind": "SQLSCRIPT", "sqlScript": "INSERT INTO a SELECT * FROM b;"})),
        ("three", json!({"kind": "PYTHON", "pythonArtifactUri": "file:///a.py"})),
    ];
    for (name, artifact) in programs {
        let mut body = on_shared(name);
        body["spec"]["template"]["spec"]["artifact"] = artifact;
        server.json("POST", DEPLOYMENTS, body).await.expect(201);
    }
}

#[tokio::test]
async fn a_secret_that_a_cluster_names_is_warned_of_when_missing_and_not_deleted() {
    let server = Server::start().await;
    let mut body = shared();
    body["spec"]["flinkConfiguration"] = json!({"s3.secret-key": "${pw}"});
    let made = server.json("POST", CLUSTERS, body).await;
    let warning = made.header("drey-warning").to_owned();
    assert!(warning.contains("No SecretValue 'pw'"), "{warning}");
    assert_eq!(made.expect(201)["spec"]["flinkConfiguration"]["s3.secret-key"], "${pw}");

    let secrets = "/api/v1/namespaces/default/secret-values";
    let secret = json!({"metadata": {"name": "pw"}, "spec": {"value": "hunter2!"}});
    server.json("POST", secrets, secret).await.expect(201);
    let why = server.delete(&format!("{secrets}/pw")).await.refused(409, "Conflict");
    assert!(why.contains("1 session cluster (shared)"), "{why}");
    server.delete(SHARED).await.expect(200);
    server.delete(&format!("{secrets}/pw")).await.expect(200);

    let read = json!({"spec": {"flinkConfiguration": {"state.checkpoints.dir": "file:///${pw}"},
        "deploymentTargetName": "local"}, "metadata": {"name": "other"}});
    let why = server.json("POST", CLUSTERS, read).await.refused(400, "BadRequest");
    assert!(why.contains("Drey reads this setting itself"), "{why}");
}

#[tokio::test]
async fn a_rehearsal_changes_no_cluster() {
    let server = Server::start().await;
    let rehearsed = server.json("POST", &format!("{CLUSTERS}?dryRun=true"), shared()).await;
    rehearsed.expect(201);
    server.get(SHARED).await.refused(404, "NotFound");
    server.json("POST", CLUSTERS, shared()).await.expect(201);
    let start = json!({"spec": {"state": "RUNNING"}});
    server.json("PATCH", &format!("{SHARED}?dryRun=true"), start).await.expect(200);
    assert_eq!(server.get(SHARED).await.expect(200)["spec"]["state"], "STOPPED");
    server.delete(&format!("{SHARED}?dryRun=true")).await.expect(200);
    server.get(SHARED).await.expect(200);
}

#[tokio::test]
async fn the_cores_of_a_cluster_are_part_of_the_quota() {
    let server = Server::start().await;
    server.json("POST", CLUSTERS, shared()).await.expect(201);
    let store = &server.app.store;
    let mut object = store.get(Kind::SessionCluster, "default", "shared").await.unwrap().unwrap();
    let revision = object.revision;
    object.encode_facts(&json!({"claim": {"held": 3.0}})).unwrap();
    store.commit(&[Write::Update(object, revision)]).await.unwrap();
    let all = server.get("/ext/v1/quota").await.expect(200);
    assert_eq!(all["resourceQuota"]["status"]["used"]["cpu"], 3.0);
    let holder =
        json!({"namespace": "default", "kind": "SessionCluster", "name": "shared", "cpu": 3.0});
    assert_eq!(all["holders"], json!([holder]));
}
