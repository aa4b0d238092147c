//! A Deployment that is to run is stored only when its artifact is there.

use drey_model::Problem;
use drey_server::{Preflight, Processes};
use serde_json::json;

use crate::world::{DEPLOYMENTS, Server, deployment};

/// A server that takes every jar with "gone" in its name for missing.
async fn server() -> Server {
    let mut server = Server::start().await;
    server.app.preflight = Preflight::new(|_, artifact| async move {
        let uri = artifact.jar_uri.unwrap_or_default();
        let path = "spec.template.spec.artifact.jarUri";
        if uri.contains("gone") { vec![Problem::new(path, "No such file")] } else { Vec::new() }
    });
    server.restart();
    server
}

#[tokio::test]
async fn an_edit_to_a_missing_artifact_leaves_a_deployment_that_runs_as_it_is() {
    let server = server().await;
    let mut body = deployment("one");
    body["spec"]["state"] = json!("RUNNING");
    let made = server.json("POST", DEPLOYMENTS, body).await.expect(201);
    let edit =
        json!({"spec": {"template": {"spec": {"artifact": {"jarUri": "file:///gone.jar"}}}}});
    let path = format!("{DEPLOYMENTS}/one");
    let message = server.json("PATCH", &path, edit.clone()).await.refused(400, "BadRequest");
    assert!(message.contains("spec.template.spec.artifact.jarUri: No such file"), "{message}");
    assert_eq!(server.get(&path).await.expect(200), made, "nothing is stored");

    let mut stopped = edit;
    stopped["spec"]["state"] = json!("CANCELLED");
    server.json("PATCH", &path, stopped).await.expect(200);
    let other = json!({"metadata": {"labels": {"team": "a"}}});
    server.json("PATCH", &path, other).await.expect(200);
}

#[tokio::test]
async fn a_new_deployment_that_is_to_run_needs_its_artifact() {
    let server = server().await;
    let mut body = deployment("one");
    body["spec"]["state"] = json!("RUNNING");
    body["spec"]["template"]["spec"]["artifact"]["jarUri"] = json!("file:///gone.jar");
    server.json("POST", DEPLOYMENTS, body).await.refused(400, "BadRequest");
    server.get(&format!("{DEPLOYMENTS}/one")).await.expect(404);
}

#[tokio::test]
async fn memory_that_does_not_suffice_is_refused_when_it_is_asked_for_and_does_not_keep_a_job_from_being_stopped()
 {
    let mut server = Server::start().await;
    let path = "spec.template.spec.resources.taskmanager.memory";
    server.app.preflight = Preflight::default().with_layout(no_gigabyte);
    server.deploy("one").await;
    server.restart();
    let edit = |memory: &str| json!({"spec": {"template": {"spec": {"resources": {"taskmanager": {"memory": memory}}}}}});
    let one = format!("{DEPLOYMENTS}/one");
    let message = server.json("PATCH", &one, edit("1G")).await.refused(400, "BadRequest");
    assert!(message.contains(&format!("{path}: Too small.")), "{message}");
    server.json("PATCH", &one, edit("3G")).await.expect(200);

    // The same template on a SessionCluster, whose processes are its own, and back again.
    let cluster =
        json!({"metadata": {"name": "shared"}, "spec": {"deploymentTargetName": "local"}});
    let clusters = "/api/v1/namespaces/default/sessionclusters";
    server.json("POST", clusters, cluster).await.expect(201);
    let mut shared = deployment("shared");
    shared["spec"]["deploymentTargetName"] = serde_json::Value::Null;
    shared["spec"]["sessionClusterName"] = json!("shared");
    shared["spec"]["template"]["spec"]["resources"]["taskmanager"]["memory"] = json!("1G");
    server.json("POST", DEPLOYMENTS, shared).await.expect(201);
    let home = json!({"spec": {"sessionClusterName": null, "deploymentTargetName": "local"}});
    let moved = server.json("PATCH", &format!("{DEPLOYMENTS}/shared"), home).await;
    let message = moved.refused(400, "BadRequest");
    assert!(message.contains(&format!("{path}: Too small.")), "{message}");

    // Stored before there was such a check.
    let id = server.deploy("old").await;
    server
        .edit(id, |_, doc| {
            doc["spec"]["template"]["spec"]["resources"]["taskmanager"]["memory"] = json!("1G");
        })
        .await;
    let stop = json!({"spec": {"state": "SUSPENDED"}});
    server.json("PATCH", &format!("{DEPLOYMENTS}/old"), stop).await.expect(200);
}

#[tokio::test]
async fn on_a_cluster_a_version_that_nobody_knows_is_a_warning() {
    let mut server = Server::start().await;
    server.app.preflight = Preflight::new(|_, artifact| async move {
        let is_known = artifact.flink_version.as_deref() == Some("1.20");
        let path = "spec.template.spec.artifact.flinkVersion";
        if is_known { Vec::new() } else { vec![Problem::new(path, "Unheard of")] }
    });
    server.restart();
    let cluster =
        json!({"metadata": {"name": "shared"}, "spec": {"deploymentTargetName": "local"}});
    let clusters = "/api/v1/namespaces/default/sessionclusters";
    server.json("POST", clusters, cluster).await.expect(201);
    for version in ["9.9", "1.2"] {
        let mut body = deployment(&format!("on-{}", version.replace('.', "-")));
        body["spec"]["state"] = json!("RUNNING");
        body["spec"]["template"]["spec"]["artifact"]["flinkVersion"] = json!(version);
        server.json("POST", DEPLOYMENTS, body.clone()).await.refused(400, "BadRequest");
        body["spec"]["deploymentTargetName"] = serde_json::Value::Null;
        body["spec"]["sessionClusterName"] = json!("shared");
        let made = server.json("POST", DEPLOYMENTS, body.clone()).await;
        let warning = made.header("drey-warning").to_owned();
        let name = made.expect(201)["metadata"]["name"].as_str().unwrap().to_owned();
        let why = "No effect: SessionCluster shared runs Flink 1.20";
        assert!(warning.contains(why), "{version}: {warning}");
        let home = json!({"spec": {"sessionClusterName": null, "deploymentTargetName": "local"}});
        let moved = server.json("PATCH", &format!("{DEPLOYMENTS}/{name}"), home).await;
        moved.refused(400, "BadRequest");
    }
}

/// A look that finds TaskManagers of 1G too small.
fn no_gigabyte(processes: &Processes<'_>) -> Vec<Problem> {
    let memory = processes.resources.get("taskmanager").and_then(|r| r.memory.as_deref());
    let path = format!("{}.resources.taskmanager.memory", processes.path);
    (memory == Some("1G")).then(|| Problem::new(path, "Too small.")).into_iter().collect()
}

#[tokio::test]
async fn the_memory_of_a_session_cluster_has_to_suffice_but_does_not_keep_it_from_being_scaled() {
    let mut server = Server::start().await;
    server.app.preflight = Preflight::default().with_layout(no_gigabyte);
    server.restart();
    let clusters = "/api/v1/namespaces/default/sessionclusters";
    let cluster = |memory: &str| {
        json!({"metadata": {"name": "shared"}, "spec": {
            "deploymentTargetName": "local", "resources": {"taskmanager": {"memory": memory}},
        }})
    };
    let message = server.json("POST", clusters, cluster("1G")).await.refused(400, "BadRequest");
    assert!(message.contains("spec.resources.taskmanager.memory: Too small."), "{message}");
    server.json("POST", clusters, cluster("2G")).await.expect(201);
    let shared = format!("{clusters}/shared");
    server.json("PUT", &shared, cluster("1G")).await.refused(400, "BadRequest");
    let smaller = json!({"spec": {"resources": {"taskmanager": {"memory": "1G"}}}});
    server.json("PATCH", &shared, smaller.clone()).await.refused(400, "BadRequest");

    // Stored before there was such a check.
    server.app.preflight = Preflight::default();
    server.restart();
    server.json("PATCH", &shared, smaller).await.expect(200);
    server.app.preflight = Preflight::default().with_layout(no_gigabyte);
    server.restart();
    let more = json!({"spec": {"numberOfTaskManagers": 3}});
    server.json("PATCH", &shared, more).await.expect(200);

    // Too many for this machine.
    let at_most = |p: &Processes<'_>| {
        let path = format!("{}.numberOfTaskManagers", p.path);
        (p.task_managers > 3).then(|| Problem::new(path, "Too many.")).into_iter().collect()
    };
    server.app.preflight = Preflight::default().with_room(at_most);
    server.restart();
    let many = json!({"spec": {"numberOfTaskManagers": 4}});
    let message = server.json("PATCH", &shared, many.clone()).await.refused(400, "BadRequest");
    assert!(message.contains("spec.numberOfTaskManagers: Too many."), "{message}");
    server.app.preflight = Preflight::default();
    server.restart();
    server.json("PATCH", &shared, many).await.expect(200);
    server.app.preflight = Preflight::default().with_room(at_most);
    server.restart();
    let fewer = json!({"spec": {"numberOfTaskManagers": 2}});
    server.json("PATCH", &shared, fewer).await.expect(200);
    let mut body = deployment("large");
    body["spec"]["template"]["spec"]["numberOfTaskManagers"] = json!(4);
    let message = server.json("POST", DEPLOYMENTS, body).await.refused(400, "BadRequest");
    assert!(message.contains("spec.template.spec.numberOfTaskManagers: Too many."), "{message}");
}
