//! Drey comes and goes; jobs stay.

use crate::harness::{Server, counter, text};

#[test]
fn a_job_outlives_the_server_and_the_next_one_takes_it_over_without_a_restart() {
    let mut server = Server::start();
    server.create(&counter("app"));
    let job = server.start_job("app");
    let pids = server.cluster(&job).pids();
    let status = server.terminate();
    assert!(status.success(), "SIGTERM: {status}");
    assert_eq!(server.cluster(&job).pids(), pids, "the job goes on without Drey");

    assert!(server.run(None));
    assert_eq!(server.running("app", ""), job);
    let before = server.counted(&job);
    server.until("the job to count on", || (server.counted(&job) > before).then_some(()));
    assert_eq!(server.cluster(&job).pids(), pids);
    let seen = server.job(&job);
    assert_eq!(text(&seen, "/status/state"), "STARTED");
    assert_eq!(seen.pointer("/status/started/observedFlinkJobRestarts"), Some(&0.into()));
    assert_eq!(server.restored(&job, 1), [0]);
    assert_eq!(server.jobs("app").len(), 1);

    // It obeys the new server, too.
    server.cancel("app");
    server.assert_nothing_left();
}
