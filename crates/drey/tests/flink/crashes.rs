//! `kill -9` and SIGSTOP of Flink's own processes.

use crate::harness::{Server, Signal, counter, is_alive, send, text};

#[test]
fn a_killed_job_manager_costs_one_new_job_from_the_newest_checkpoint() {
    let server = Server::start();
    server.create(&counter("app"));
    let first = server.start_job("app");
    server.checkpointed(&first);
    let old = server.cluster(&first).pids();
    assert_eq!(old.len(), 2);
    send(server.cluster(&first).pid("jobmanager").unwrap(), Signal::KILL);

    let second = server.running("app", &first);
    for pid in old {
        assert!(!is_alive(pid), "{pid} of the old cluster still runs");
    }
    let newest = format!("file://{}", server.newest_checkpoint(&first).unwrap().display());
    assert_eq!(text(&server.job(&second), "/spec/savepointLocation"), newest);
    let restored = server.restored(&second, 1);
    assert!(restored[0] > 0, "{restored:?}");
    assert_eq!(text(&server.job(&first), "/status/state"), "FAILED");
    assert_eq!(server.jobs("app").len(), 2);
    server.cancel("app");
    server.assert_nothing_left();
}

#[test]
fn a_killed_task_manager_is_replaced_and_the_job_goes_on() {
    let server = Server::start();
    server.create(&counter("app"));
    let job = server.start_job("app");
    server.checkpointed(&job);
    let cluster = server.cluster(&job);
    let (manager, worker) = (cluster.pid("jobmanager"), cluster.pid("taskmanager-1").unwrap());
    send(worker, Signal::KILL);

    let restored = server.restored(&job, 2);
    assert!(restored[1] > 0, "{restored:?}");
    server.until("all tasks to run again", || {
        let overview = server.flink(&job, "jobs/overview");
        let tasks = overview.pointer("/jobs/0/tasks")?;
        (tasks["running"] == tasks["total"]).then_some(())
    });
    assert_ne!(cluster.pid("taskmanager-1"), Some(worker));
    assert_eq!(cluster.pid("jobmanager"), manager);
    assert_eq!(server.running("app", ""), job);
    assert_eq!(server.jobs("app").len(), 1);
}

#[test]
fn a_job_manager_that_is_silent_is_reported_and_left_alone() {
    let server = Server::start();
    server.create(&counter("app"));
    let job = server.start_job("app");
    server.checkpointed(&job);
    let cluster = server.cluster(&job);
    let manager = cluster.pid("jobmanager").unwrap();
    assert_eq!(server.condition("app", "ClusterUnreachable"), "False");
    send(manager, Signal::STOP);
    server.until("ClusterUnreachable", || {
        assert_eq!(server.state("app"), "RUNNING");
        (server.condition("app", "ClusterUnreachable") == "True").then_some(())
    });
    assert_eq!(server.running("app", ""), job);
    assert_eq!(cluster.pid("jobmanager"), Some(manager));
    assert_eq!(text(&server.job(&job), "/status/started/observedFlinkJobStatus"), "UNKNOWN");

    send(manager, Signal::CONT);
    server.until("an answer again", || {
        (server.condition("app", "ClusterUnreachable") == "False").then_some(())
    });
    server.until("all tasks to run again", || {
        let overview = server.flink(&job, "jobs/overview");
        let tasks = overview.pointer("/jobs/0/tasks")?;
        (tasks["running"] == tasks["total"]).then_some(())
    });
    assert_eq!(server.running("app", ""), job);
    assert_eq!(cluster.pid("jobmanager"), Some(manager));
    assert_eq!(server.jobs("app").len(), 1);
}
