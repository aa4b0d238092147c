//! Deleting Deployments: only at rest, and everything goes along.

use drey_model::{DeploymentState, JobState, Kind};

use crate::world::{DEPLOYMENTS, Server};

#[tokio::test]
async fn a_deployment_at_rest_is_deleted_with_what_it_owns() {
    let server = Server::start().await;
    for state in [
        DeploymentState::Cancelled,
        DeploymentState::Suspended,
        DeploymentState::Finished,
        DeploymentState::Failed,
    ] {
        let id = server.deploy("one").await;
        let job = server.job(id, JobState::Terminated).await;
        server.event(id, Some(job), "something").await;
        server.observe(id, state).await;
        let gone = server.delete(&format!("{DEPLOYMENTS}/one")).await.expect(200);
        assert_eq!(gone["metadata"]["id"], id.to_string());
        server.get(&format!("{DEPLOYMENTS}/{id}")).await.refused(404, "NotFound");
        assert!(server.app.store.by_id(Kind::Job, job).await.unwrap().is_none());
        let events = server.get("/api/v1/namespaces/default/events").await.expect(200);
        assert_eq!(events["items"].as_array().unwrap().len(), 0);
    }
}

#[tokio::test]
async fn a_busy_deployment_stays_and_says_what_to_do() {
    let server = Server::start().await;
    let id = server.deploy("one").await;
    for state in [DeploymentState::Running, DeploymentState::Transitioning] {
        server.observe(id, state).await;
        let answer = server.delete(&format!("{DEPLOYMENTS}/one")).await;
        let message = answer.refused(409, "Conflict");
        assert!(message.starts_with(&format!("one is {state}. Cancel it first")), "{message}");
    }
    server.observe(id, DeploymentState::Failed).await;
    let job = server.job(id, JobState::Terminating).await;
    let message = server.delete(&format!("{DEPLOYMENTS}/{id}")).await.refused(409, "Conflict");
    assert!(message.contains(&job.to_string()) && message.contains("TERMINATING"), "{message}");
    server.get(&format!("{DEPLOYMENTS}/one")).await.expect(200);
}

#[tokio::test]
async fn if_match_guards_a_deletion() {
    let server = Server::start().await;
    server.deploy("one").await;
    let path = format!("{DEPLOYMENTS}/one");
    let stale = server.text("DELETE", &path, &[("if-match", "\"9\"")], "").await;
    stale.refused(412, "PreconditionFailed");
    server.text("DELETE", &path, &[("if-match", "\"1\"")], "").await.expect(200);
}
