//! Namespaces: made, changed, emptied, gone.

use std::time::Duration;

use drey_model::{DeploymentState, JobState, Kind};
use drey_server::{App, serve};
use drey_store::Write;
use object_store::ObjectStoreExt;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::guard::tokens_of;
use crate::session_clusters::bind;
use crate::world::{Server, deployment};

const NAMESPACES: &str = "/namespaces/v1/namespaces";

#[tokio::test]
async fn a_namespace_is_made_changed_and_read_in_the_platforms_layout() {
    let server = Server::start().await;
    let bindings = json!([{ "role": "Owner", "members": ["user:ann"] }]);
    let body = json!({ "name": "namespaces/team", "roleBindings": bindings });
    let made = server.json("POST", NAMESPACES, body.clone()).await.expect(201);
    assert_eq!(made["namespace"]["name"], "namespaces/team");
    assert_eq!(made["namespace"]["lifecyclePhase"], "LIFECYCLE_PHASE_ACTIVE");
    assert_eq!(made["namespace"]["roleBindings"][0]["role"], "owner");
    server.json("POST", NAMESPACES, body).await.refused(409, "Conflict");

    let team = format!("{NAMESPACES}/team");
    let more = json!({ "roleBindings": [{ "role": "viewer", "members": ["group:all"] }] });
    let patched = server.json("PATCH", &team, more).await.expect(200);
    assert_eq!(patched["namespace"]["roleBindings"][0]["members"], json!(["group:all"]));
    let action = format!("{team}:setPreviewSessionCluster");
    let named = json!({ "name": "namespaces/team", "previewSessionClusterName": "sql" });
    assert_eq!(server.json("POST", &action, named).await.expect(200), json!({}));
    let answer = server.get(&team).await;
    assert_eq!(answer.expect(200)["namespace"]["previewSessionClusterName"], "sql");
    assert_eq!(answer.header("etag"), "\"3\"");

    let stale = [("if-match", "\"2\""), ("content-type", "application/json")];
    server.text("PUT", &team, &stale, "{}").await.refused(412, "PreconditionFailed");
    let emptied = server.json("PUT", &team, json!({})).await.expect(200);
    assert_eq!(emptied["namespace"]["roleBindings"], json!([]));
    server.json("POST", &format!("{team}:explode"), json!({})).await.refused(404, "NotFound");
    let wrong = json!({ "roleBindings": [{ "role": "king", "members": ["x"] }] });
    assert!(
        server.json("PATCH", &team, wrong).await.refused(400, "BadRequest").starts_with("2 pro")
    );
}

#[tokio::test]
async fn each_namespace_has_its_own_names() {
    let server = Server::start().await;
    server.json("POST", NAMESPACES, json!({ "name": "other" })).await.expect(201);
    // As in `default`, there is a target from the beginning.
    let deployments = "/api/v1/namespaces/other/deployments";
    server.json("POST", deployments, deployment("one")).await.expect(201);
    server.deploy("one").await;
    let list = server.get(deployments).await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["metadata"]["namespace"], "other");
}

#[tokio::test]
async fn the_default_namespace_stays() {
    let server = Server::start().await;
    let refused = server.delete(&format!("{NAMESPACES}/default")).await;
    assert!(refused.refused(409, "Conflict").contains("cannot be deleted"));
    let one = server.get(&format!("{NAMESPACES}/default")).await.expect(200);
    assert_ne!(one["namespace"]["createTime"], "1970-01-01T00:00:00Z");
}

/// A server on a socket, over the same store: what `drey serve` runs.
fn run(app: &App) -> (CancellationToken, JoinHandle<std::io::Result<()>>) {
    let shutdown = CancellationToken::new();
    let app = App { metrics: std::sync::Arc::default(), ..app.clone() };
    let stop = shutdown.clone();
    let serving = tokio::spawn(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        serve(listener, app, stop).await
    });
    (shutdown, serving)
}

async fn until(server: &Server, path: &str, what: &str, is_so: impl Fn(u16, &Value) -> bool) {
    let looking = async {
        loop {
            let answer = server.get(path).await;
            if is_so(answer.status.as_u16(), &answer.json()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), looking).await.expect(what);
}

#[tokio::test]
async fn a_namespace_is_emptied_step_by_step_and_across_a_restart() {
    let server = Server::start().await;
    server.json("POST", NAMESPACES, json!({ "name": "team" })).await.expect(201);
    let base = "/api/v1/namespaces/team";
    let target = json!({ "metadata": { "name": "local" }, "spec": { "local": {} } });
    let mut body = deployment("one");
    body["spec"]["state"] = json!("RUNNING");
    let made = server.json("POST", &format!("{base}/deployments"), body).await.expect(201);
    let id = made["metadata"]["id"].as_str().unwrap().parse().unwrap();
    server.observe(id, DeploymentState::Running).await;
    let shared = format!("{base}/sessionclusters/shared");
    let cluster = json!({ "metadata": { "name": "shared" },
        "spec": { "deploymentTargetName": "local", "state": "RUNNING" } });
    server.json("POST", &format!("{base}/sessionclusters"), cluster.clone()).await.expect(201);
    observe_cluster(&server, "RUNNING").await;
    let token = json!({ "name": "ci", "role": "owner" });
    server.json("POST", &tokens_of("team"), token.clone()).await.expect(201);

    let secret = json!({ "metadata": { "name": "pw" }, "spec": { "value": "hunter2-hunter2" } });
    server.json("POST", &format!("{base}/secret-values"), secret.clone()).await.expect(201);
    server.get(&format!("{base}/deployment-defaults")).await.expect(200);
    let jar: object_store::path::Path = "artifacts/namespaces/team/a.jar".into();
    let foreign: object_store::path::Path = "artifacts/namespaces/team-b/a.jar".into();
    for path in [&jar, &foreign] {
        server.storage.put(path, "x".into()).await.unwrap();
    }

    let (shutdown, serving) = run(&server.app);
    let team = format!("{NAMESPACES}/team");
    let ended = server.delete(&team).await.expect(200);
    assert_eq!(ended["namespace"]["lifecyclePhase"], "LIFECYCLE_PHASE_TERMINATING");
    let more = [
        (format!("{base}/deployments"), deployment("two")),
        (format!("{base}/deployment-targets"), target),
        (format!("{base}/sessionclusters"), cluster),
        (tokens_of("team"), token),
        (format!("{base}/secret-values"), secret),
        ("/artifacts/v1/namespaces/team/artifacts:upload".to_owned(), json!({})),
    ];
    takes_nothing(&server, more).await;
    server.json("PATCH", &team, json!({ "roleBindings": [] })).await.refused(409, "Conflict");
    let one = format!("{base}/deployments/one");
    until(&server, &one, "cancelled", |_, d| d["spec"]["state"] == "CANCELLED").await;
    let why = server.get("/ext/v1/namespaces/team").await.expect(200);
    assert_eq!(why["contents"]["Deployment"], 1);
    assert!(why["waitingFor"][0].as_str().unwrap().contains("one is RUNNING"), "{why}");

    shutdown.cancel();
    serving.await.unwrap().unwrap();
    cancel_and_leave_a_job(&server, id, &one).await;
    assert_eq!(server.get(&one).await.status, 200, "nobody works on it");
    let (shutdown, serving) = run(&server.app);
    // A cluster is stopped once nobody can run on it, and goes when nothing of it runs.
    until(&server, &shared, "stopped", |_, c| c["spec"]["state"] == "STOPPED").await;
    server.get(&one).await.refused(404, "NotFound");
    let why = server.get("/ext/v1/namespaces/team").await.expect(200);
    assert!(why["waitingFor"].to_string().contains("shared is RUNNING"), "{why}");
    observe_cluster(&server, "STOPPED").await;
    until(&server, &team, "gone", |status, _| status == 404).await;
    server.get(&one).await.refused(404, "NotFound");
    assert_eq!(server.app.store.api_tokens("team").await.unwrap(), []);
    assert_eq!(server.app.store.contents("team").await.unwrap(), []);
    assert!(server.storage.head(&jar).await.is_err(), "artifacts go with their namespace");
    server.storage.head(&foreign).await.expect("those of others stay");
    server.json("POST", NAMESPACES, json!({ "name": "team" })).await.expect(201);
    let fresh = server.get(&format!("{base}/secret-values")).await.expect(200);
    assert_eq!(fresh["items"], json!([]));
    shutdown.cancel();
    serving.await.unwrap().unwrap();
}

/// A Flink job that was given up keeps its Deployment, and not the namespace: it ends with the cluster.
async fn cancel_and_leave_a_job(server: &Server, id: Uuid, path: &str) {
    server.observe(id, DeploymentState::Cancelled).await;
    let given_up = server.job(id, JobState::Terminating).await;
    bind(server, given_up, true).await;
    server.delete(path).await.refused(409, "Conflict");
}

async fn takes_nothing(server: &Server, more: impl IntoIterator<Item = (String, Value)>) {
    for (path, body) in more {
        let refused = server.json("POST", &path, body).await.refused(409, "Conflict");
        assert!(refused.contains("is being deleted"), "{refused}");
    }
}

/// Sets the observed state of the SessionCluster as the controller would.
async fn observe_cluster(server: &Server, state: &str) {
    let store = &server.app.store;
    for _ in 0..100 {
        let object = store.get(Kind::SessionCluster, "team", "shared").await.unwrap();
        let mut object = object.unwrap();
        let (revision, mut doc) = (object.revision, object.decode::<Value>().unwrap());
        doc["status"]["state"] = json!(state);
        object.encode(&doc).unwrap();
        // Somebody else may write at the same time.
        if store.commit(&[Write::Update(object, revision)]).await.is_ok() {
            return;
        }
    }
    panic!("somebody else always was faster");
}

#[tokio::test]
async fn a_namespace_and_an_action_upon_it_have_methods_of_their_own() {
    let server = Server::start().await;
    let path = format!("{NAMESPACES}/default");
    for (method, path, allowed) in [
        ("POST", path.clone(), "GET,HEAD,PUT,PATCH,DELETE"),
        ("OPTIONS", path.clone(), "GET,HEAD,PUT,PATCH,DELETE"),
        ("OPTIONS", format!("{path}:setPreviewSessionCluster"), "POST"),
    ] {
        let answer = server.json(method, &path, json!({})).await;
        assert_eq!(answer.header("allow"), allowed, "{method} {path}");
        answer.refused(405, "MethodNotAllowed");
    }
    let odd = server.json("POST", &format!("{path}:explode"), json!({})).await;
    odd.refused(404, "NotFound");
}
