//! Conditions and the count of restarts, told from what a real Flink says of itself.

use serde_json::{Value, json};

use crate::harness::{Server, deployment, text};

/// A job that fails every 3 s, and that Flink restarts again and again.
fn flaky() -> Value {
    let mut document = deployment("app", "FlakyJob", "--rate 2000 --fail-every-ms 3000");
    let configuration = &mut document["spec"]["template"]["spec"]["flinkConfiguration"];
    configuration["restart-strategy.type"] = json!("fixed-delay");
    configuration["restart-strategy.fixed-delay.attempts"] = json!("1000");
    configuration["restart-strategy.fixed-delay.delay"] = json!("500 ms");
    document
}

fn condition(server: &Server, kind: &str) -> Value {
    let deployment = server.deployment("app");
    let all = deployment["status"]["running"]["conditions"].as_array().cloned().unwrap_or_default();
    all.into_iter().find(|c| text(c, "/type") == kind).unwrap_or_default()
}

fn restarts(server: &Server, job: &str) -> usize {
    let count = server.job(job)["status"]["started"]["observedFlinkJobRestarts"].as_u64();
    usize::try_from(count.unwrap_or(0)).unwrap()
}

#[test]
fn a_job_that_keeps_failing_is_said_to_be_failing_and_a_killed_drey_neither_forgets_nor_repeats_a_restart()
 {
    let mut server = Server::start();
    server.create(&flaky());
    let job = server.start_job("app");
    let failing = server.until("JobFailing to be True", || {
        let found = condition(&server, "JobFailing");
        (text(&found, "/status") == "True").then_some(found)
    });
    let message = text(&failing, "/message");
    assert!(message.contains("fixture: periodic failure after 3000 ms"), "{message}");
    assert_eq!(server.condition("app", "JobUnstable"), "True");
    assert_eq!(server.condition("app", "ClusterUnreachable"), "False");
    assert!(restarts(&server, &job) >= 3);

    server.kill();
    assert!(server.run(None), "drey serve does not listen");
    let since = text(&failing, "/lastTransitionTime");
    assert_eq!(text(&condition(&server, "JobFailing"), "/lastTransitionTime"), since);
    let before = restarts(&server, &job);
    assert!(before >= 3, "{before} are remembered");
    server.until("two more restarts", || (restarts(&server, &job) >= before + 2).then_some(()));
    let failing = condition(&server, "JobFailing");
    assert_eq!(text(&failing, "/lastTransitionTime"), since, "it was True all the time");
    assert!(text(&failing, "/lastUpdateTime") > since);

    // Each start of the job says so; the first one is no restart.
    let counted = restarts(&server, &job);
    let opened = server.restored(&job, 1).len();
    assert!(counted < opened, "{counted} restarts are told, and it opened {opened} times");
    assert!(counted + 3 >= opened, "{counted} restarts are told, and it opened {opened} times");
    server.cancel("app");
    server.assert_nothing_left();
}
