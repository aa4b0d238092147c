//! Bad input never reaches a running job.

use serde_json::json;

use crate::harness::{Server, counter, text};

#[test]
fn an_invalid_change_is_refused_with_all_its_problems_and_the_job_goes_on() {
    let server = Server::start();
    server.create(&counter("app"));
    let job = server.start_job("app");
    let before = server.deployment("app");
    let change = json!({ "spec": {
        "maxJobCreationAttempts": 0,
        "deploymentTargetName": "nowhere",
        "template": { "spec": { "parallelism": 0, "artifact": { "jarUri": "" } } },
    } });
    let path = "/api/v1/namespaces/default/deployments/app";
    let answer = server.call("PATCH", path, Some(&change)).unwrap();
    assert_eq!(answer.status, 400, "{answer:?}");
    let message = text(&answer.json(), "/message");
    for member in ["maxJobCreationAttempts", "deploymentTargetName", "parallelism", "jarUri"] {
        assert!(message.contains(member), "{member} is not named: {message}");
    }
    let answer =
        server.call("PATCH", path, Some(&json!({ "spec": { "state": "DANCING" } }))).unwrap();
    assert_eq!(answer.status, 400, "{answer:?}");

    let after = server.deployment("app");
    assert_eq!(after["spec"], before["spec"]);
    assert_eq!(text(&after, "/status/state"), "RUNNING");
    assert_eq!(text(&after, "/status/running/jobId"), job);
    assert_eq!(server.restored(&job, 1), [0]);
    assert_eq!(server.jobs("app").len(), 1);
}
