//! Snapshots that users ask for, and which one a start chooses.

use serde_json::json;

use crate::harness::{Server, counter, text};

#[test]
fn a_start_chooses_between_the_users_savepoint_and_the_retained_checkpoint_as_asked() {
    let server = Server::start();
    server.create(&counter("app"));
    let first = server.start_job("app");
    let counted = server.counted(&first);
    let id = server.take_savepoint("app");
    let savepoint = server.until("the savepoint to be complete", || {
        let all = server.savepoints("app", "USER_REQUEST");
        (text(all.last()?, "/status/state") == "COMPLETED").then(|| all[0].clone())
    });
    assert_eq!(text(&savepoint, "/metadata/id"), id);
    assert_eq!(text(&savepoint, "/metadata/jobId"), first);
    assert_eq!(server.state("app"), "RUNNING");
    assert_eq!(server.restored(&first, 1), [0], "the job went on and did not restart");
    // The checkpoint that the cancellation leaves is younger than the savepoint.
    server.checkpointed(&first);
    server.cancel("app");
    let retained = server.only_savepoint("app", "RETAINED_CHECKPOINT");

    let second = server.start_job("app");
    let location = text(&server.job(&second), "/spec/savepointLocation");
    assert_eq!(location, text(&retained, "/spec/savepointLocation"), "LATEST_STATE");
    let from_checkpoint = server.restored(&second, 1)[0];
    server.cancel("app");

    server.patch("app", &json!({ "spec": { "restoreStrategy": { "kind": "LATEST_SAVEPOINT" } } }));
    let third = server.start_job("app");
    let location = text(&server.job(&third), "/spec/savepointLocation");
    assert_eq!(location, text(&savepoint, "/spec/savepointLocation"), "LATEST_SAVEPOINT");
    let from_savepoint = server.restored(&third, 1)[0];
    assert!(
        counted <= from_savepoint && from_savepoint < from_checkpoint,
        "{counted}, {from_savepoint}, {from_checkpoint}"
    );
    assert_eq!(server.savepoints_on_disk("app").len(), 1);
}
