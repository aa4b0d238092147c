//! Savepoints: taken, registered, forgotten.

use drey_model::{JobState, Kind};
use drey_store::Write;
use serde_json::{Value, json};

use crate::world::{SAVEPOINTS, Server};

fn registration(deployment: uuid::Uuid) -> Value {
    json!({
        "metadata": {
            "deploymentId": deployment,
            "annotations": {
                "com.dataartisans.appmanager.controller.deployment.spec.version": "1"
            },
        },
        "spec": {
            "savepointLocation": "file:///sp/1",
            "flinkSavepointId": "00000000-0000-0000-0000-000000000000",
        },
        "status": {"state": "COMPLETED"},
    })
}

#[tokio::test]
async fn a_savepoint_of_a_running_job_is_recorded_and_wakes_the_controller() {
    let mut server = Server::start().await;
    let id = server.deploy("one").await;
    let job = server.job(id, JobState::Started).await;
    let body = json!({"metadata": {"deploymentId": id}});
    let made = server.json("POST", SAVEPOINTS, body).await.expect(201);
    assert_eq!(made["status"]["state"], "STARTED");
    assert_eq!(made["metadata"]["origin"], "USER_REQUEST");
    assert_eq!(made["metadata"]["jobId"], job.to_string());
    let savepoint: uuid::Uuid = made["metadata"]["id"].as_str().unwrap().parse().unwrap();
    let row = server.app.store.by_id(Kind::Savepoint, savepoint).await.unwrap().unwrap();
    assert!(row.open, "the controller has something to do");
    assert_eq!(server.woken.recv().await, Some(id));
    assert_eq!(server.woken.recv().await, Some(id));

    let path = format!("{SAVEPOINTS}/{savepoint}");
    assert_eq!(server.get(&path).await.expect(200), made);
    let message = server.delete(&format!("{path}?force=true")).await.refused(409, "Conflict");
    assert!(message.contains("is being taken"), "{message}");
}

#[tokio::test]
async fn without_an_active_job_there_is_nothing_to_take() {
    let server = Server::start().await;
    let id = server.deploy("one").await;
    server.job(id, JobState::Finished).await;
    let body = json!({"metadata": {"deploymentId": id}});
    let answer = server.json("POST", SAVEPOINTS, body).await;
    let message = answer.refused(400, "BadRequest").to_lowercase();
    assert!(message.contains("no active job"), "{message}");
}

#[tokio::test]
async fn an_unknown_or_missing_deployment_is_refused() {
    let server = Server::start().await;
    let body = json!({"metadata": {"deploymentId": uuid::Uuid::now_v7()}});
    server.json("POST", SAVEPOINTS, body).await.refused(404, "NotFound");
    server.json("POST", SAVEPOINTS, json!({"metadata": {}})).await.refused(400, "BadRequest");
}

#[tokio::test]
async fn a_registered_savepoint_is_complete_at_once_and_forgotten_only_by_force() {
    let server = Server::start().await;
    let id = server.deploy("one").await;
    let made = server.json("POST", SAVEPOINTS, registration(id)).await.expect(201);
    assert_eq!(made["status"]["state"], "COMPLETED");
    assert_eq!(made["metadata"]["origin"], "COPIED");
    let path = format!("{SAVEPOINTS}/{}", made["metadata"]["id"].as_str().unwrap());

    let message = server.delete(&path).await.refused(409, "Conflict");
    assert!(message.contains("force=true"), "{message}");
    server.delete(&format!("{path}?force=maybe")).await.refused(400, "BadRequest");
    server.delete(&format!("{path}?force=true")).await.expect(200);
    server.get(&path).await.refused(404, "NotFound");
    let events = server.get(&format!("/api/v1/namespaces/default/events?deploymentId={id}")).await;
    let text = events.expect(200)["items"][0]["spec"]["message"].as_str().unwrap().to_owned();
    assert!(text.contains("file:///sp/1"), "{text}");
}

#[tokio::test]
async fn forgetting_the_newest_snapshot_shows_the_older_ones_to_the_controller_again() {
    let server = Server::start().await;
    let id = server.deploy("one").await;
    let older = server.json("POST", SAVEPOINTS, registration(id)).await.expect(201);
    let older: uuid::Uuid = older["metadata"]["id"].as_str().unwrap().parse().unwrap();
    let row = |id| server.app.store.by_id(Kind::Savepoint, id);
    let mut put_aside = row(older).await.unwrap().unwrap();
    assert!(put_aside.open, "the controller has to weigh it");
    let revision = put_aside.revision;
    put_aside.open = false;
    server.app.store.commit(&[Write::Update(put_aside, revision)]).await.unwrap();

    let newer = server.json("POST", SAVEPOINTS, registration(id)).await.expect(201);
    let newer = newer["metadata"]["id"].as_str().unwrap();
    server.delete(&format!("{SAVEPOINTS}/{newer}?force=true")).await.expect(200);
    assert!(row(older).await.unwrap().unwrap().open);
}

#[tokio::test]
async fn savepoints_are_listed_by_deployment_and_job() {
    let server = Server::start().await;
    let (one, two) = (server.deploy("one").await, server.deploy("two").await);
    let job = server.job(one, JobState::Started).await;
    server.json("POST", SAVEPOINTS, json!({"metadata": {"deploymentId": one}})).await.expect(201);
    server.json("POST", SAVEPOINTS, registration(one)).await.expect(201);
    server.json("POST", SAVEPOINTS, registration(two)).await.expect(201);
    for (query, count) in [
        (String::new(), 3),
        (format!("?deploymentId={one}"), 2),
        (format!("?deploymentId={one}&jobId={job}"), 1),
        (format!("?jobId={job}"), 1),
        (format!("?deploymentId={job}"), 0),
    ] {
        let list = server.get(&format!("{SAVEPOINTS}{query}")).await.expect(200);
        assert_eq!(list["kind"], "SavepointList");
        assert_eq!(list["items"].as_array().unwrap().len(), count, "{query}");
    }
}
