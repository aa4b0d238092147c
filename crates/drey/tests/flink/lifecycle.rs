//! A Deployment's ordinary life: started, suspended, resumed, finished, cancelled; and what is left of it on disk.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::harness::{Cluster, Server, counter, deployment, is_free, text};

#[test]
fn a_suspended_job_resumes_with_its_state_and_a_cancelled_one_leaves_only_snapshots() {
    let server = Server::start();
    server.create(&counter("app"));
    let first = server.start_job("app");
    assert_eq!(server.restored(&first, 1), [0]);
    let counted = server.counted(&first);
    let first_traces = Traces::of(&server.cluster(&first));

    server.want("app", "SUSPENDED");
    server.reach("app", "SUSPENDED");
    assert_eq!(text(&server.job(&first), "/status/state"), "FINISHED");
    let savepoint = server.only_savepoint("app", "SUSPEND");
    assert_eq!(text(&savepoint, "/metadata/jobId"), first);
    first_traces.assert_gone();
    server.assert_nothing_left();

    let second = server.start_job("app");
    assert_ne!(second, first);
    let location = text(&server.job(&second), "/spec/savepointLocation");
    assert_eq!(location, text(&savepoint, "/spec/savepointLocation"));
    let restored = server.restored(&second, 1);
    assert!(restored[0] >= counted, "restored {restored:?}, counted {counted} before");

    server.checkpointed(&second);
    let second_traces = Traces::of(&server.cluster(&second));
    server.cancel("app");
    second_traces.assert_gone();
    server.assert_nothing_left();
    assert_eq!(server.savepoints_on_disk("app").len(), 1);
    assert!(server.newest_checkpoint(&second).is_some(), "checkpoints outlive a cancellation");
    assert_eq!(server.jobs("app").len(), 2);
    assert_eq!(text(&server.job(&second), "/status/state"), "TERMINATED");
}

#[test]
fn a_finite_job_ends_as_finished_and_runs_again_only_when_told_to() {
    let server = Server::start();
    server.create(&deployment("batch", "FiniteJob", "--n 2000 --rate 2000"));
    server.want("batch", "RUNNING");
    let finished = server.reach("batch", "FINISHED");
    assert_eq!(text(&finished, "/spec/state"), "RUNNING");
    assert_eq!(text(&server.jobs("batch")[0], "/status/state"), "FINISHED");
    server.until_nothing_left();
    assert_eq!(server.events_named("batch", "TRANSITIONED_TO_FINISHED_STATE").len(), 1);

    // RUNNING once more is no news.
    server.want("batch", "RUNNING");
    server.cancel("batch");
    assert_eq!(server.jobs("batch").len(), 1);
    server.want("batch", "RUNNING");
    server.reach("batch", "FINISHED");
    let jobs = server.jobs("batch");
    assert_eq!(jobs.len(), 2);
    assert_eq!(
        jobs[1].pointer("/spec/savepointLocation"),
        None,
        "a finished job left nothing to restore"
    );
}

#[test]
fn two_task_managers_share_the_work_of_a_parallel_job() {
    let server = Server::start();
    let mut document = counter("wide");
    document["spec"]["template"]["spec"]["parallelism"] = json!(3);
    server.create(&document);
    let job = server.start_job("wide");
    assert_eq!(server.restored(&job, 3), [0, 0, 0]);
    let cluster = server.cluster(&job);
    assert!(cluster.pid("taskmanager-1").is_some() && cluster.pid("taskmanager-2").is_some());
    assert_eq!(server.processes().len(), 3);
    server.cancel("wide");
    server.assert_nothing_left();
}

/// What a cluster takes of the machine while it lives.
struct Traces {
    pids: Vec<i32>,
    ports: Vec<u16>,
}

impl Traces {
    fn of(cluster: &Cluster) -> Self {
        let traces = Self { pids: cluster.pids(), ports: cluster.ports() };
        assert_eq!((traces.pids.len(), traces.ports.len()), (2, 3), "{:?}", cluster.names());
        assert!(!is_free(traces.ports[0]));
        traces
    }

    fn assert_gone(&self) {
        for port in &self.ports {
            assert!(is_free(*port), "somebody listens on {port}");
        }
        let temporary = fs::read_dir("/tmp").into_iter().flatten().flatten();
        for folder in
            temporary.filter(|e| e.file_name().to_string_lossy().starts_with("hsperfdata_"))
        {
            for pid in &self.pids {
                assert!(
                    !Path::new(&folder.path()).join(pid.to_string()).exists(),
                    "traces of JVM {pid}"
                );
            }
        }
    }
}
