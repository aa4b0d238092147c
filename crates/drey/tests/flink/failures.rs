//! Jobs that fail: before they start, and later.

use serde_json::json;

use crate::harness::{Server, counter, deployment, jar, text};

#[test]
fn a_job_that_cannot_start_fails_with_its_root_cause_and_starts_once_the_cause_is_fixed() {
    let server = Server::start();
    let mut document = deployment("app", "FailStartJob", "a b");
    document["spec"]["maxJobCreationAttempts"] = json!(2);
    server.create(&document);
    server.want("app", "RUNNING");
    server.reach("app", "FAILED");
    let attempts = server.events_named("app", "FAILED_CREATING_A_NEW_JOB");
    assert_eq!(attempts.len(), 2, "{attempts:#?}");
    let too_many = server.events_named("app", "TOO_MANY_FAILED_JOB_CREATION_ATTEMPTS");
    assert_eq!(too_many.len(), 1);
    for message in attempts.iter().chain(&too_many) {
        assert!(message.contains("fixture: main() failed before execute"), "{message}");
    }
    let jobs = server.jobs("app");
    assert_eq!(jobs.len(), 2);
    for job in &jobs {
        assert_eq!(text(job, "/status/state"), "FAILED");
        let message = text(job, "/status/failure/message");
        assert!(message.contains("fixture: main() failed before execute"), "{message}");
    }
    server.assert_nothing_left();

    let class = json!({ "entryClass": "drey.fixtures.CounterJob", "mainArgs": "--rate 2000" });
    server.patch("app", &json!({ "spec": { "template": { "spec": { "artifact": class } } } }));
    let job = server.running("app", "");
    assert_eq!(server.restored(&job, 1), [0]);
}

#[test]
fn a_job_that_flink_gives_up_on_is_recovered_from_its_newest_checkpoint() {
    let server = Server::start();
    let mut document = deployment("app", "FlakyJob", "--rate 2000 --fail-every-ms 5000");
    document["spec"]["template"]["spec"]["flinkConfiguration"]["restart-strategy.type"] =
        json!("none");
    server.create(&document);
    let first = server.start_job("app");
    let second = server.running("app", &first);
    let failed = server.job(&first);
    assert_eq!(text(&failed, "/status/state"), "FAILED");
    let message = text(&failed, "/status/failure/message");
    assert!(message.contains("fixture: periodic failure after 5000 ms"), "{message}");
    let newest = format!("file://{}", server.newest_checkpoint(&first).unwrap().display());
    assert_eq!(text(&server.job(&second), "/spec/savepointLocation"), newest);
    let restored = server.restored(&second, 1);
    assert!(restored[0] > 0, "{restored:?}");
    server.cancel("app");
    server.assert_nothing_left();
}

#[test]
fn a_program_that_is_missing_or_not_the_one_meant_is_named_as_the_reason() {
    let server = Server::start();
    let missing = "file:///nowhere/no-such.jar".to_owned();
    let wrong = format!("file://{}#sha256={}", jar(), "0".repeat(64));
    let cases = [("missing", missing, "no-such.jar"), ("wrong", wrong, "SHA-256")];
    for (name, uri, _) in &cases {
        let mut document = counter(name);
        document["spec"]["maxJobCreationAttempts"] = json!(1);
        document["spec"]["template"]["spec"]["artifact"]["jarUri"] = json!(uri);
        server.create(&document);
        server.want(name, "RUNNING");
    }
    for (name, _, reason) in &cases {
        server.reach(name, "FAILED");
        let messages = server.events_named(name, "FAILED_CREATING_A_NEW_JOB");
        assert_eq!(messages.len(), 1, "{messages:#?}");
        assert!(messages[0].contains(reason), "{messages:#?}");
    }
    server.assert_nothing_left();
}
