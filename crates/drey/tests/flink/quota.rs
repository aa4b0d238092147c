//! The CPU quota with real clusters: who has no room waits, and starts as soon as the other's processes are gone.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Server, Signal, counter, send, text};

/// Each Deployment of the tests has 0.5 cores for the JobManager and 0.5 for each TaskManager: one fits, two do not.
const QUOTA: [&str; 4] = ["--quota-cpu", "1.25", "--quota-tolerated-cpu", "0.25"];
/// A waiting launch looks by itself once a minute; woken, it is much sooner.
const WOKEN: Duration = Duration::from_secs(20);

fn used(server: &Server) -> Value {
    let seen = server.try_get("/api/v1/status/system-info");
    seen["status"]["resourceQuota"]["status"]["used"]["cpu"].clone()
}

fn wait_of(server: &Server, name: &str) -> String {
    let path = format!("/ext/v1/namespaces/default/deployments/{name}");
    text(&server.try_get(&path), "/explanation/wait/what")
}

#[test]
fn a_launch_without_room_waits_says_so_and_starts_when_cores_come_free() {
    let mut server = Server::start_with(&QUOTA);
    server.create(&counter("first"));
    server.create(&counter("second"));
    server.start_job("first");
    assert_eq!(used(&server), 1.0);

    server.want("second", "RUNNING");
    let refused = server.until("the refusal", || {
        server.events_named("second", "RESOURCE_QUOTA_EXCEEDED").into_iter().next()
    });
    assert!(
        refused.contains("1 needed, 0.5 of 1.25 (+0.25 tolerated) free, 0.5 missing"),
        "{refused}"
    );
    assert!(refused.contains("first 1"), "{refused}");
    assert_eq!(server.state("second"), "TRANSITIONING");

    // It is still waiting after a restart of Drey, and nothing that runs was stopped for it.
    server.kill();
    assert!(server.run(None), "drey serve does not listen");
    server.reach("first", "RUNNING");
    let wait =
        server.until("the wait", || Some(wait_of(&server, "second")).filter(|w| !w.is_empty()));
    assert!(wait.contains("0.5 missing"), "{wait}");
    assert!(server.jobs("second").is_empty(), "no attempt is made");
    assert_eq!(server.events_named("second", "RESOURCE_QUOTA_EXCEEDED").len(), 1, "said once");

    server.cancel("first");
    let freed = Instant::now();
    server.until("a Job", || (!server.jobs("second").is_empty()).then_some(()));
    assert!(freed.elapsed() < WOKEN, "woken after {:?}", freed.elapsed());
    server.running("second", "");
    let created = server.events_named("second", "CREATING_A_NEW_JOB");
    assert!(created.len() == 1 && created[0].contains("attempt 1 of 4"), "{created:?}");
    server.cancel("second");
    assert_eq!(used(&server), 0.0);
    server.assert_nothing_left();
}

#[test]
fn an_upgrade_without_room_leaves_the_running_job_alone() {
    let server = Server::start_with(&QUOTA);
    server.create(&counter("app"));
    let job = server.start_job("app");
    let size = |n| json!({ "spec": { "template": { "spec": { "numberOfTaskManagers": n } } } });
    server.patch("app", &size(3));
    let refused = server.until("the refusal", || {
        server.events_named("app", "RESOURCE_QUOTA_EXCEEDED").into_iter().next()
    });
    assert!(refused.contains("2 needed") && refused.contains("goes on"), "{refused}");
    assert_eq!(server.state("app"), "TRANSITIONING");
    server.checkpointed(&job);

    server.patch("app", &size(2));
    let second = server.running("app", &job);
    assert_eq!(server.restored(&job, 1).len(), 1, "the first one ran until it was replaced");
    assert_eq!(used(&server), 1.5);
    assert_eq!(server.flink(&second, "taskmanagers")["taskmanagers"].as_array().unwrap().len(), 2);
    server.cancel("app");
    server.assert_nothing_left();
}

#[test]
fn a_job_that_fails_keeps_its_cores_for_its_recovery() {
    let server = Server::start_with(&QUOTA);
    server.create(&counter("app"));
    server.create(&counter("other"));
    let job = server.start_job("app");
    server.want("other", "RUNNING");
    server.until("the refusal", || {
        (!server.events_named("other", "RESOURCE_QUOTA_EXCEEDED").is_empty()).then_some(())
    });
    send(server.cluster(&job).pid("jobmanager").unwrap(), Signal::KILL);
    server.running("app", &job);
    assert!(server.jobs("other").is_empty(), "it took the cores of a job that was to be recovered");
    server.cancel("other");
    server.cancel("app");
    server.assert_nothing_left();
}
