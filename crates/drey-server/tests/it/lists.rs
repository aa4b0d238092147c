//! Lists and their filters.

use drey_controller::handle::Knowledge;
use drey_model::JobState;
use drey_store::Write;
use serde_json::{Value, json};

use crate::world::{DEPLOYMENTS, Server, deployment};

fn names(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap();
    items.iter().map(|i| i["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn label_selectors_narrow_the_list() {
    let server = Server::start().await;
    for (name, env, team) in [("a", "prod", "x"), ("b", "prod", "y"), ("c", "test", "x")] {
        let mut body = deployment(name);
        body["metadata"]["labels"] = json!({"env": env, "team": team});
        server.json("POST", DEPLOYMENTS, body).await.expect(201);
    }
    for (selector, expected) in [
        ("", vec!["c", "b", "a"]),
        ("env%3Dprod", vec!["b", "a"]),
        ("env%3Dprod%2Cteam%3Dx", vec!["a"]),
        ("env!%3Dprod", vec!["c"]),
        ("env%20in%20(prod%2Ctest)%2Cteam%3Dy", vec!["b"]),
        ("env%3Dnone", vec![]),
    ] {
        let list = server.get(&format!("{DEPLOYMENTS}?labelSelector={selector}")).await.expect(200);
        assert_eq!(names(&list), expected, "{selector}");
    }
}

#[tokio::test]
async fn an_empty_list_is_a_list() {
    let server = Server::start().await;
    let list = server.get(DEPLOYMENTS).await.expect(200);
    assert_eq!(
        list,
        json!({"kind": "DeploymentList", "apiVersion": "v1", "metadata": {}, "items": []})
    );
}

#[tokio::test]
async fn events_are_filtered_by_deployment_and_job_newest_first() {
    let server = Server::start().await;
    let (one, two) = (server.deploy("one").await, server.deploy("two").await);
    let job = server.job(one, JobState::Started).await;
    server.event(one, None, "first").await;
    server.event(one, Some(job), "second").await;
    server.event(two, None, "third").await;
    for (query, expected) in [
        (String::new(), vec!["third", "second", "first"]),
        (format!("?deploymentId={one}"), vec!["second", "first"]),
        (format!("?jobId={job}"), vec!["second"]),
        (format!("?deploymentId={two}&jobId={job}"), vec![]),
        (format!("?jobId={two}"), vec![]),
        (format!("?sessionClusterId={two}"), vec![]),
    ] {
        let path = format!("/api/v1/namespaces/default/events{query}");
        let list = server.get(&path).await.expect(200);
        assert_eq!(list["kind"], "EventList");
        let items = list["items"].as_array().unwrap();
        let texts: Vec<&str> =
            items.iter().map(|e| e["spec"]["message"].as_str().unwrap()).collect();
        assert_eq!(texts, expected, "{query}");
    }
}

#[tokio::test]
async fn a_long_history_is_cut_after_it_was_filtered() {
    let server = Server::start().await;
    let one = server.deploy("one").await;
    let job = server.job(one, JobState::Started).await;
    server.event(one, Some(job), "first").await;
    let others: Vec<Write> =
        (0..10_001).map(|n| Write::Create(server.event_row(one, None, &n.to_string()))).collect();
    server.app.store.commit(&others).await.unwrap();
    let path = "/api/v1/namespaces/default/events";
    let all = server.get(path).await.expect(200);
    let all = all["items"].as_array().unwrap();
    assert_eq!(all.len(), 10_000);
    assert_eq!(
        (&all[0]["spec"]["message"], &all[9_999]["spec"]["message"]),
        (&json!("10000"), &json!("1"))
    );
    let of_job = server.get(&format!("{path}?jobId={job}")).await.expect(200);
    assert_eq!(of_job["items"].as_array().unwrap().len(), 1);
    assert_eq!(of_job["items"][0]["spec"]["message"], "first");
}

#[tokio::test]
async fn jobs_are_read_by_deployment_and_id() {
    let server = Server::start().await;
    let (one, two) = (server.deploy("one").await, server.deploy("two").await);
    let job = server.job(one, JobState::Started).await;
    server.job(two, JobState::Failed).await;
    let list = server.get(&format!("/api/v1/namespaces/default/jobs?deploymentId={one}")).await;
    let list = list.expect(200);
    assert_eq!(list["kind"], "JobList");
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let seen = server.get(&format!("/api/v1/namespaces/default/jobs/{job}")).await.expect(200);
    assert_eq!(seen, list["items"][0]);
    assert_eq!(seen["status"]["started"]["observedFlinkJobStatus"], "RUNNING");
}

#[tokio::test]
async fn a_job_shows_the_freshest_facts_while_it_lives_and_the_stored_ones_afterwards() {
    let server = Server::start().await;
    let id = server.deploy("one").await;
    let alive = server.job(id, JobState::Started).await;
    let ended = server.job(id, JobState::Finished).await;
    let observed_at = "2027-01-01T00:00:00Z".parse().unwrap();
    for job in [alive, ended] {
        let known = Knowledge { observed_at, flink_status: "RESTARTING".into() };
        server.app.handle.board().lock().unwrap().insert(job, known);
    }
    let started = |seen: Value| seen["status"]["started"].clone();
    let path = "/api/v1/namespaces/default/jobs";
    let seen = started(server.get(&format!("{path}/{alive}")).await.expect(200));
    assert_eq!(seen["observedFlinkJobStatus"], "RESTARTING");
    assert_eq!(seen["lastUpdateTime"], "2027-01-01T00:00:00Z");
    let seen = started(server.get(&format!("{path}/{ended}")).await.expect(200));
    assert_eq!(seen["observedFlinkJobStatus"], "RUNNING");
    let seen = server.get("/ext/v1/namespaces/default/deployments/one").await.expect(200);
    assert_eq!(seen["observedAt"], "2027-01-01T00:00:00Z");
}
