//! The client against answers that real JobManagers of 1.20, 2.2 and 2.3 gave.

use std::time::Instant;

use serde_json::{Value, json};
use wiremock::matchers::{body_json, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

const JOB: Uuid = Uuid::from_u128(0xabc);
const TRIGGER: Uuid = Uuid::from_u128(0x77);
const ID: &str = "00000000000000000000000000000abc";

fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

async fn answer(server: &MockServer, verb: &str, at: &str, response: ResponseTemplate) {
    Mock::given(method(verb)).and(path(at)).respond_with(response).mount(server).await;
}

fn overview(state: &str) -> Value {
    json!({"jobs": [
        {"jid": "ffffffffffffffffffffffffffffffff", "name": "other", "state": "FAILED"},
        {"jid": ID, "name": "counter", "jobType": "STREAMING", "schedulerType": "Default",
         "start-time": 1_795_239_362_628_u64, "end-time": -1, "duration": 1469, "state": state,
         "last-modification": 1_795_239_364_074_u64,
         "tasks": {"running": 2, "canceling": 0, "total": 4, "created": 0, "finished": 1, "failed": 0},
         "pending-operators": 0}]})
}

fn checkpoints() -> Value {
    json!({"counts": {"restored": 1, "total": 3}, "summary": {"end_to_end_duration": {"p50": "NaN"}},
        "latest": {"completed": {"className": "completed", "id": 8, "status": "COMPLETED",
            "is_savepoint": false, "savepointFormat": null, "trigger_timestamp": 1_795_239_089_633_u64,
            "latest_ack_timestamp": 1_795_239_089_682_u64, "external_path": "file:/cp/x/chk-8",
            "discarded": false}, "savepoint": null, "failed": null, "restored": null},
        "history": []})
}

async fn server(state: &str, restarts: &str) -> MockServer {
    let server = MockServer::start().await;
    let job = format!("/v1/jobs/{ID}");
    answer(&server, "GET", "/v1/jobs/overview", ok(overview(state))).await;
    let metrics = json!([{"id": "numRestarts", "value": restarts}]);
    answer(&server, "GET", &format!("{job}/metrics"), ok(metrics)).await;
    answer(&server, "GET", &format!("{job}/checkpoints"), ok(checkpoints())).await;
    let exceptions = json!({"exceptionHistory": {"entries": [
        {"exceptionName": "X", "stacktrace": "a.B: x\n\tat y\nCaused by: c.D: why\n\tat z",
         "timestamp": 1_795_239_000_000_u64, "failureLabels": {}, "concurrentExceptions": []}],
        "truncated": false}});
    answer(&server, "GET", &format!("{job}/exceptions"), ok(exceptions)).await;
    server
}

async fn job(server: &MockServer) -> Seen<FlinkJob> {
    Client::new().unwrap().job(&server.uri(), JOB).await
}

#[tokio::test]
async fn a_healthy_job_is_described_without_asking_for_its_failures() {
    let server = server("RUNNING", "0").await;
    let client = Client::new().unwrap();
    let Seen::Present(job) = client.job(&format!("{}/", server.uri()), JOB).await else { panic!() };
    assert_eq!((job.status, job.tasks_running, job.tasks_total), (FlinkStatus::Running, 2, 3));
    assert_eq!((job.restarts, job.failures.len(), &job.cause), (Some(0), 0, &None));
    let checkpoint = job.checkpoint.unwrap();
    assert_eq!(checkpoint.location, "file:///cp/x/chk-8");
    assert_eq!(checkpoint.completed_at.as_millisecond(), 1_795_239_089_682);
    let asked: Vec<_> = client.requests_total().filter(|(_, n)| *n > 0).collect();
    assert_eq!(asked, [("overview", 1), ("metrics", 1), ("checkpoints", 1)]);
}

#[tokio::test]
async fn a_troubled_job_says_why() {
    for (state, restarts) in [("RUNNING", "2"), ("FAILED", "0"), ("RESTARTING", "NaN")] {
        let Seen::Present(job) = job(&server(state, restarts).await).await else { panic!() };
        assert_eq!(job.cause.as_deref(), Some("c.D: why"), "{state}");
        assert_eq!(job.failures.len(), 1);
    }
}

#[tokio::test]
async fn a_finished_job_has_no_checkpoint_any_more() {
    let Seen::Present(job) = job(&server("FINISHED", "0").await).await else { panic!() };
    assert_eq!(job.checkpoint, None);
}

#[tokio::test]
async fn details_that_hang_do_not_hide_the_job() {
    let server = MockServer::start().await;
    answer(&server, "GET", "/v1/jobs/overview", ok(overview("RUNNING"))).await;
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(30));
    Mock::given(method("GET")).respond_with(slow).mount(&server).await;
    let start = Instant::now();
    let Seen::Present(job) = job(&server).await else { panic!() };
    assert_eq!((job.tasks_running, job.restarts, job.checkpoint), (2, None, None));
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn only_an_answer_without_the_job_means_absent() {
    let server = MockServer::start().await;
    answer(&server, "GET", "/v1/jobs/overview", ok(json!({"jobs": []}))).await;
    assert_eq!(job(&server).await, Seen::Absent);

    for response in [
        ResponseTemplate::new(503).set_body_json(json!({"errors": ["ongoing leader election"]})),
        ResponseTemplate::new(404).set_body_json(json!({"errors": ["Unable to load"]})),
        ResponseTemplate::new(500),
        ResponseTemplate::new(302).insert_header("location", "/login"),
        ResponseTemplate::new(200).set_body_string("<html>"),
        ok(overview("DREAMING")),
    ] {
        let server = MockServer::start().await;
        answer(&server, "GET", "/v1/jobs/overview", response).await;
        assert!(matches!(job(&server).await, Seen::Unknown { .. }));
    }
    let client = Client::new().unwrap();
    let seen = client.job("http://127.0.0.1:1", JOB).await;
    assert!(
        matches!(seen, Seen::Unknown { why } if why.contains("127.0.0.1:1") && why.contains("refused"))
    );
}

#[tokio::test]
async fn operations_mean_what_they_contain() {
    let at = format!("/v1/jobs/{ID}/savepoints/{}", TRIGGER.simple());
    let failure = json!({"class": "X", "stack-trace": "a.B: x\nCaused by: c.D: no\n\tat y", "serialized-throwable": "=="});
    let done = |operation: Value| json!({"status": {"id": "COMPLETED"}, "operation": operation});
    let cases = [
        (
            ok(json!({"status": {"id": "IN_PROGRESS"}, "operation": null})),
            Seen::Present(Operation::InProgress),
        ),
        (
            ok(done(json!({"location": "file:/sp/savepoint-1"}))),
            Seen::Present(Operation::Completed { location: "file:///sp/savepoint-1".to_owned() }),
        ),
        (
            ok(done(json!({"failure-cause": failure}))),
            Seen::Present(Operation::Failed { why: "c.D: no".to_owned() }),
        ),
        (ResponseTemplate::new(404), Seen::Absent),
    ];
    let client = Client::new().unwrap();
    for (response, expected) in cases {
        let server = MockServer::start().await;
        answer(&server, "GET", &at, response).await;
        assert_eq!(client.operation(&server.uri(), JOB, TRIGGER).await, expected);
    }
    for response in [ResponseTemplate::new(503), ok(done(Value::Null))] {
        let server = MockServer::start().await;
        answer(&server, "GET", &at, response).await;
        let seen = client.operation(&server.uri(), JOB, TRIGGER).await;
        assert!(matches!(seen, Seen::Unknown { .. }));
    }
}

#[tokio::test]
async fn savepoint_and_stop_spell_their_bodies_differently() {
    let server = MockServer::start().await;
    let trigger = TRIGGER.simple().to_string();
    let accepted = || ResponseTemplate::new(202).set_body_json(json!({"request-id": trigger}));
    let savepoint = json!({"cancel-job": false, "target-directory": "file:///d", "formatType": "CANONICAL", "triggerId": trigger});
    let stop = json!({"drain": true, "targetDirectory": "file:///d", "formatType": "CANONICAL", "triggerId": trigger});
    for (at, body) in [("savepoints", savepoint), ("stop", stop)] {
        let mock = Mock::given(method("POST"))
            .and(path(format!("/v1/jobs/{ID}/{at}")))
            .and(body_json(body));
        mock.respond_with(accepted()).mount(&server).await;
    }
    let client = Client::new().unwrap();
    let t = Trigger { job_id: JOB, trigger_id: TRIGGER, directory: "file:///d".to_owned() };
    assert_eq!(client.savepoint(&server.uri(), &t).await, Ok(()));
    assert_eq!(client.stop(&server.uri(), &t, true).await, Ok(()));
}

#[tokio::test]
async fn commands_tell_no_from_dont_know() {
    let client = Client::new().unwrap();
    let respond = async |status: u16| {
        let server = MockServer::start().await;
        let body = json!({"errors": ["a.B: x\nCaused by: c.D: no such job\n\tat y"]});
        let mock = Mock::given(method("PATCH")).and(query_param("mode", "cancel"));
        let response = ResponseTemplate::new(status).set_body_json(body);
        mock.respond_with(response).mount(&server).await;
        client.cancel(&server.uri(), JOB).await
    };
    assert_eq!(respond(202).await, Ok(()));
    assert_eq!(respond(409).await, Ok(()));
    let refused = respond(404).await.unwrap_err();
    assert_eq!(refused.to_string(), "Flink refused to cancel the job: c.D: no such job");
    for status in [500, 503, 504] {
        assert!(matches!(respond(status).await, Err(Error::Unknown { .. })), "{status}");
    }
    let t = Trigger { job_id: JOB, trigger_id: TRIGGER, directory: String::new() };
    let gone = client.savepoint("http://127.0.0.1:1", &t).await;
    assert!(matches!(gone, Err(Error::Unknown { .. })));
}

#[tokio::test]
async fn a_job_that_never_restarted_is_not_asked_again_until_its_tasks_change() {
    let server = MockServer::start().await;
    let settled = |duration: u64, modified: u64| {
        json!({"jobs": [{"jid": ID, "state": "RUNNING", "start-time": 1_000_000_u64, "duration": duration,
            "last-modification": modified, "tasks": {"running": 2, "total": 2}}]})
    };
    let client = Client::new().unwrap();
    // Too fresh, asked, remembered, remembered, changed, asked.
    let looks = [
        (20_000, 1_001_000),
        (31_000, 1_001_000),
        (36_000, 1_001_000),
        (99_000, 1_001_000),
        (99_000, 1_060_000),
    ];
    for ((duration, modified), asked) in looks.into_iter().zip([1, 2, 2, 2, 3]) {
        server.reset().await;
        answer(&server, "GET", "/v1/jobs/overview", ok(settled(duration, modified))).await;
        let metrics = json!([{"id": "numRestarts", "value": "0"}]);
        answer(&server, "GET", &format!("/v1/jobs/{ID}/metrics"), ok(metrics)).await;
        let Seen::Present(job) = client.job(&server.uri(), JOB).await else { panic!("no job") };
        assert_eq!(job.restarts, Some(0));
        let sent: u64 =
            client.requests_total().filter(|(ask, _)| *ask == "metrics").map(|(_, n)| n).sum();
        assert_eq!(sent, asked, "after {duration} ms");
    }
}
