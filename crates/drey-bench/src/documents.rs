//! The Deployments that are declared: small clusters, checkpoints every second.

use std::path::Path;

use serde_json::{Value, json};

/// The Flink version of all of them.
pub(crate) const FLINK_VERSION: &str = "2.2.1";

/// A Deployment, CANCELLED until somebody says otherwise.
pub(crate) fn deployment(name: &str, jar: &Path, class: &str, args: &str) -> Value {
    json!({
        "metadata": { "name": name, "labels": { "team": "bench", "tier": "gold" } },
        "spec": {
            "state": "CANCELLED",
            "deploymentTargetName": "local",
            "template": { "spec": {
                "artifact": {
                    "kind": "JAR",
                    "jarUri": format!("file://{}", jar.display()),
                    "entryClass": class,
                    "mainArgs": args,
                    "flinkVersion": FLINK_VERSION,
                },
                "parallelism": 1,
                "resources": {
                    "jobmanager": { "cpu": 0.5, "memory": "1G" },
                    "taskmanager": { "cpu": 0.5, "memory": "1G" },
                },
                "flinkConfiguration": {
                    "taskmanager.numberOfTaskSlots": "2",
                    "execution.checkpointing.interval": "1 s",
                },
            } },
        },
    })
}

/// A change of the desired state.
pub(crate) fn state(state: &str) -> Value {
    json!({ "spec": { "state": state } })
}

/// A change of the program's arguments, which takes a new job.
pub(crate) fn with_args(args: &str) -> Value {
    json!({ "spec": { "template": { "spec": { "artifact": { "mainArgs": args } } } } })
}
