//! Which keys of a Flink configuration a job cannot decide for itself.
//!
//! ```text
//! flinkConfiguration of a Deployment
//!    with its own cluster ── every key reaches the processes; high availability does not (local processes)
//!    on a SessionCluster ─── settings of whole clusters were read when its processes started: they have no effect
//! ```
//!
//! Owns the names, old ones included; `drey-flink` drops what this module names, [`crate::validate`] warns of it and
//! [`crate::diff`] takes a change of it for none. Does not own the keys that Drey sets
//! ([`crate::validate::OWNED_KEYS`]).

/// Flink's processes read these when they start, or one instance serves all jobs of a cluster. No more than the names that
/// Flink has: programs may read keys of their own.
const OF_CLUSTERS: &[&str] = &[
    "akka.",
    "blob.",
    "classloader.",
    "cleanup-strategy",
    "cluster.",
    "completed-application-store.",
    "env.",
    "events.reporter",
    "execution.checkpointing.local-backup.dirs",
    "external-resource",
    "fine-grained.",
    "fs.",
    "heartbeat.",
    "high-availability",
    "historyserver.",
    "io.tmp.dirs",
    "jmx.",
    "job-result-store.",
    "jobmanager.",
    "jobstore.",
    "kubernetes.",
    "metrics.",
    "minicluster.",
    "pekko.",
    "plugin.classloader.",
    "process.jobmanager.",
    "process.taskmanager.",
    "process.working-dir",
    "queryable-state.",
    "recovery.mode",
    "recovery.zookeeper.",
    "resourcemanager.",
    "rest.",
    "s3.",
    "s3a.",
    "scheduler-mode",
    "security.",
    "shuffle-service-factory.",
    "slot.",
    "slotmanager.",
    "taskmanager.",
    "traces.reporter",
    "user.artifacts.",
    "web.",
    "yarn.",
    "zookeeper.sasl.",
];

/// What begins like them and yet belongs to a job: its `ExecutionConfig` carries it.
const OF_JOBS: &[&str] = &["metrics.latency.interval"];

/// Whether a setting is one of a whole cluster, so that a job on a shared one cannot make it.
#[must_use]
pub fn is_of_cluster(key: &str) -> bool {
    let key = key.trim();
    !OF_JOBS.contains(&key) && OF_CLUSTERS.iter().any(|start| key.starts_with(start))
}

/// Whether a line asks for Flink's high availability. Clusters of local processes have none: Drey starts no JobManager
/// a second time, and Flink would run what it finds in the HA store beside the job that Drey starts.
#[must_use]
pub fn is_high_availability(key: &str) -> bool {
    // The last two are names of Flink 1.0 that it still reads.
    ["high-availability", "recovery.mode", "recovery.zookeeper."]
        .iter()
        .any(|start| key.trim().starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_decides_about_its_state_and_plan_and_not_about_processes() {
        for key in [
            "taskmanager.numberOfTaskSlots",
            " taskmanager.memory.managed.size",
            "high-availability",
            "high-availability.storageDir",
            "recovery.mode",
            "metrics.reporters",
            "env.java.opts",
            "execution.checkpointing.local-backup.dirs",
        ] {
            assert!(is_of_cluster(key), "{key}");
        }
        for key in [
            "execution.checkpointing.interval",
            "execution.checkpointing.local-backup.enabled",
            "metrics.latency.interval",
            "pipeline.name",
            "restart-strategy.type",
            "state.backend.type",
            "table.exec.state.ttl",
            "task.cancellation.timeout",
            "python.executable",
            "io.example.of.the.program",
        ] {
            assert!(!is_of_cluster(key), "{key}");
        }
    }
}
