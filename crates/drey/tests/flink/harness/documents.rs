//! The Deployments that the tests declare: small clusters, checkpoints every second.

use serde_json::{Value, json};

use super::setting;

/// Milliseconds would do as well, but one checkpoint a second is plenty.
pub(crate) const CHECKPOINTING: &str = "execution.checkpointing.interval";

/// A Deployment of a fixture job; CANCELLED until a test says otherwise.
pub(crate) fn deployment(name: &str, class: &str, args: &str) -> Value {
    json!({
        "metadata": { "name": name },
        "spec": {
            "state": "CANCELLED",
            "deploymentTargetName": "local",
            "template": { "spec": {
                "artifact": {
                    "kind": "JAR",
                    "jarUri": format!("file://{}", setting::jar()),
                    "entryClass": format!("drey.fixtures.{class}"),
                    "mainArgs": args,
                    "flinkVersion": setting::flink_version(),
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

/// A Deployment of another kind of artifact, given without its Flink version.
pub(crate) fn of_artifact(name: &str, mut artifact: Value) -> Value {
    let mut document = deployment(name, "", "");
    artifact["flinkVersion"] = json!(setting::flink_version());
    document["spec"]["template"]["spec"]["artifact"] = artifact;
    document
}

/// A Deployment of a SQL script.
pub(crate) fn sql(name: &str, script: &str) -> Value {
    of_artifact(name, json!({ "kind": "SQLSCRIPT", "sqlScript": script }))
}

/// The unbounded counter.
pub(crate) fn counter(name: &str) -> Value {
    deployment(name, "CounterJob", "--rate 2000")
}

/// A change of the program's arguments, which every upgrade strategy takes for a new job.
pub(crate) fn with_args(args: &str) -> Value {
    json!({ "spec": { "template": { "spec": { "artifact": { "mainArgs": args } } } } })
}
