//! Upgrades: a changed template replaces the running job, with or without its state, and never runs beside it.

use serde_json::json;

use crate::harness::{CHECKPOINTING, Server, counter, flink_id, text, with_args};

#[test]
fn a_stateful_upgrade_goes_on_from_the_savepoint_it_took() {
    let server = Server::start();
    server.create(&counter("app"));
    let first = server.start_job("app");
    let counted = server.counted(&first);

    server.patch("app", &json!({ "spec": { "template": { "spec": { "parallelism": 2 } } } }));
    let second = server.running("app", &first);
    let savepoint = server.only_savepoint("app", "SUSPEND_AND_UPGRADE");
    let job = server.job(&second);
    assert_eq!(text(&job, "/spec/savepointLocation"), text(&savepoint, "/spec/savepointLocation"));
    assert_eq!(text(&savepoint, "/metadata/jobId"), first);
    assert_eq!(text(&server.job(&first), "/status/state"), "FINISHED");
    let restored: u64 = server.restored(&second, 2).iter().sum();
    assert!(restored >= counted, "restored {restored}, counted {counted} before");
    assert_eq!(server.savepoints_on_disk("app").len(), 1);
    assert_eq!(server.jobs("app").len(), 2);
    assert_eq!(server.processes().len(), 2, "one JobManager, one TaskManager");
    // Someone watched all the time; that there were never two is asserted at the end of every test.
    let seen = server.jobs_seen_alive();
    assert_eq!(seen, [flink_id(&first), flink_id(&second)].into());
}

#[test]
fn a_stateless_upgrade_restores_the_retained_checkpoint_or_nothing_as_asked() {
    let server = Server::start();
    let mut document = counter("app");
    document["spec"]["upgradeStrategy"] = json!({ "kind": "STATELESS" });
    server.create(&document);
    let first = server.start_job("app");
    server.checkpointed(&first);

    server.patch("app", &with_args("--rate 1900"));
    let second = server.running("app", &first);
    assert_eq!(text(&server.job(&first), "/status/state"), "TERMINATED");
    let retained = server.only_savepoint("app", "RETAINED_CHECKPOINT");
    let newest = format!("file://{}", server.newest_checkpoint(&first).unwrap().display());
    assert_eq!(text(&retained, "/spec/savepointLocation"), newest);
    assert_eq!(text(&server.job(&second), "/spec/savepointLocation"), newest);
    let restored = server.restored(&second, 1);
    assert!(restored[0] > 0, "{restored:?}");

    server.patch(
        "app",
        &json!({ "spec": {
        "restoreStrategy": { "kind": "NONE" },
        "template": { "spec": { "artifact": { "mainArgs": "--rate 2100" } } },
    } }),
    );
    let third = server.running("app", &second);
    assert_eq!(server.restored(&third, 1), [0]);
    assert!(server.savepoints_on_disk("app").is_empty(), "nobody asked for a savepoint");
    assert_eq!(server.jobs("app").len(), 3);
}

#[test]
fn a_job_whose_savepoint_fails_stays_alive_and_can_be_kept_or_cancelled() {
    let server = Server::start();
    let mut document = counter("app");
    document["spec"]["maxSavepointCreationAttempts"] = json!(1);
    let template = &mut document["spec"]["template"]["spec"];
    template["artifact"]["mainArgs"] = json!("--rate 2000 --fail-snapshot 1");
    template["flinkConfiguration"][CHECKPOINTING] = json!("1 h");
    template["flinkConfiguration"]["restart-strategy.type"] = json!("fixed-delay");
    template["flinkConfiguration"]["restart-strategy.fixed-delay.attempts"] = json!("100");
    template["flinkConfiguration"]["restart-strategy.fixed-delay.delay"] = json!("500 ms");
    server.create(&document);
    let job = server.start_job("app");
    let pid = server.cluster(&job).pid("jobmanager");

    server.patch("app", &with_args("--rate 1900 --fail-snapshot 1"));
    server.reach("app", "FAILED");
    assert_eq!(server.events_named("app", "TOO_MANY_FAILED_SUSPENSION_ATTEMPTS").len(), 1);
    let failed = server.savepoints("app", "SUSPEND_AND_UPGRADE");
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert_eq!(text(&failed[0], "/status/state"), "FAILED");
    assert_eq!(text(&server.job(&job), "/status/state"), "STARTED");
    assert_eq!(server.cluster(&job).pid("jobmanager"), pid, "the old job lives");
    assert_eq!(server.jobs("app").len(), 1);

    // Taking the change back keeps the old job.
    server.patch("app", &with_args("--rate 2000 --fail-snapshot 1"));
    assert_eq!(server.running("app", ""), job);
    server.want("app", "SUSPENDED");
    server.reach("app", "FAILED");
    server.want("app", "RUNNING");
    assert_eq!(server.running("app", ""), job);
    assert_eq!(server.cluster(&job).pid("jobmanager"), pid);

    server.cancel("app");
    server.assert_nothing_left();
    assert_eq!(server.jobs("app").len(), 1);
}
