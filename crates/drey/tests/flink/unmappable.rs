//! State of an operator that the new program lacks is dropped on request only.

use serde_json::json;

use crate::harness::{Server, counter, text, with_args};

#[test]
fn state_that_the_new_program_cannot_take_is_dropped_on_request_only() {
    let server = Server::start();
    let mut document = counter("app");
    document["spec"]["maxJobCreationAttempts"] = json!(1);
    document["spec"]["template"]["spec"]["artifact"]["mainArgs"] =
        json!("--rate 2000 --extra-op 1");
    server.create(&document);
    let first = server.start_job("app");
    server.patch("app", &with_args("--rate 2000"));
    server.reach("app", "FAILED");
    let messages = server.events_named("app", "TOO_MANY_FAILED_JOB_CREATION_ATTEMPTS");
    assert_eq!(messages.len(), 1);
    let expected = "Cannot map checkpoint/savepoint state for operator";
    assert!(messages[0].contains(expected), "{messages:#?}");
    let failed = server.jobs("app")[1].clone();
    assert!(text(&failed, "/status/failure/message").contains(expected), "{failed:#}");
    server.assert_nothing_left();

    server
        .patch("app", &json!({ "spec": { "restoreStrategy": { "allowNonRestoredState": true } } }));
    let third = server.running("app", &first);
    let savepoint = server.only_savepoint("app", "SUSPEND_AND_UPGRADE");
    let job = server.job(&third);
    assert_eq!(text(&job, "/spec/savepointLocation"), text(&savepoint, "/spec/savepointLocation"));
    let restored = server.restored(&third, 1);
    assert!(restored[0] > 0, "{restored:?}");
}
