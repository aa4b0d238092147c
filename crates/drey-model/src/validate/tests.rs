//! One row per rule: a small edit of a Deployment that is fine, and what is said about it.
#![allow(clippy::needless_pass_by_value, reason = "rows read better without borrows")]

use serde_json::{Value, json};

use super::*;
use crate::defaults::built_in;

fn refs_with<T>(test: impl FnOnce(&Refs<'_>) -> T) -> T {
    let target = |name: &str| {
        let metadata = Metadata { name: name.to_owned(), ..Metadata::default() };
        DeploymentTarget::new(metadata, DeploymentTargetSpec::default())
    };
    let targets = [target("prod-eu"), target("staging")];
    let metadata = Metadata { name: "shared".to_owned(), ..Metadata::default() };
    let shared = SessionCluster::new(metadata, SessionClusterSpec::default());
    test(&Refs { namespace: "default", targets: &targets, session_clusters: &[shared] })
}

fn deployment(edit: &Value) -> Deployment {
    let mut document = json!({
        "kind": "Deployment", "apiVersion": "v1",
        "metadata": {"name": "orders", "namespace": "default"},
        "spec": {"deploymentTargetName": "staging", "template": {"spec": {"artifact": {"jarUri": "file:///a.jar"}}}},
    });
    json_patch::merge(&mut document, &built_in("1.20"));
    json_patch::merge(&mut document, edit);
    serde_json::from_value(document).unwrap()
}

fn check(edit: Value, path: &str, message: &str) {
    let found = refs_with(|refs| validate_deployment(&deployment(&edit), refs));
    assert_eq!(found, vec![Problem::new(path, message)], "{edit}");
}

fn check_template(edit: Value, path: &str, message: &str) {
    check(
        json!({"spec": {"template": {"spec": edit}}}),
        &format!("spec.template.spec.{path}"),
        message,
    );
}

fn check_fine(edit: Value) {
    let found = refs_with(|refs| validate_deployment(&deployment(&edit), refs));
    assert_eq!(found, vec![], "{edit}");
}

#[test]
fn names_and_labels() {
    check_fine(json!({"metadata": {"labels": {"env": "prod", "app.io/Tier": "a_b.c", "x": ""}}}));
    for name in ["Orders", "-a", "a-", "a_b", "ä"] {
        let message = format!(
            "{name:?} is not a name. Use at most 63 lower-case letters, digits and hyphens, no hyphen first or last."
        );
        check(json!({"metadata": {"name": name}}), "metadata.name", &message);
    }
    assert!(check_name(Kind::Deployment, &"a".repeat(64)).is_some());
    assert_eq!(check_name(Kind::DeploymentTarget, "Prod_EU-1"), None);
    assert!(check_name(Kind::DeploymentTarget, "a.b").is_some());
    assert!(check_name(Kind::DeploymentTarget, "").is_some());
    for labels in [json!({"-a": "b"}), json!({"a": "b c"}), json!({"/a": "b"}), json!({"": "b"})] {
        let found = refs_with(|refs| {
            validate_deployment(&deployment(&json!({"metadata": {"labels": labels}})), refs)
        });
        assert_eq!(found.len(), 1, "{labels}");
    }
    assert_eq!(slug(" TopSpeed Windowing_Example (2)! "), "topspeed-windowing-example-2");
    assert_eq!(slug("!!!"), "");
    assert_eq!(slug(&"ab ".repeat(40)).len(), 62);
}

#[test]
fn where_to_run() {
    check_fine(json!({"spec": {"deploymentTargetName": null, "sessionClusterName": "shared"}}));
    check(
        json!({"spec": {"sessionClusterName": "shared"}}),
        "spec.deploymentTargetName",
        "Set either deploymentTargetName or sessionClusterName, not both; null removes one. Found \"staging\" and \"shared\".",
    );
    check(
        json!({"spec": {"deploymentTargetName": null}}),
        "spec.deploymentTargetName",
        "Say where to run: spec.deploymentTargetName (own cluster) or spec.sessionClusterName (shared). Targets here: prod-eu, staging.",
    );
    check(
        json!({"spec": {"deploymentTargetName": "prod-us"}}),
        "spec.deploymentTargetName",
        "No DeploymentTarget 'prod-us' in namespace 'default'. Did you mean prod-eu? Targets here: prod-eu, staging.",
    );
    check(
        json!({"spec": {"deploymentTargetName": null, "sessionClusterName": "x"}}),
        "spec.sessionClusterName",
        "No SessionCluster 'x' in namespace 'default'. Session clusters here: shared.",
    );
}

#[test]
fn limits() {
    check(
        json!({"spec": {"maxJobCreationAttempts": 0}}),
        "spec.maxJobCreationAttempts",
        "Must be at least 1, found 0.",
    );
    check(
        json!({"spec": {"maxSavepointCreationAttempts": -1}}),
        "spec.maxSavepointCreationAttempts",
        "Must be at least 1, found -1.",
    );
    check_fine(json!({"spec": {"jobFailureExpirationTime": "321 s"}}));
    check(
        json!({"spec": {"jobFailureExpirationTime": "10 parsecs"}}),
        "spec.jobFailureExpirationTime",
        "\"10 parsecs\" has an unknown unit. Use for example 500ms, 30s, 10min, 2h or 1d.",
    );
}

#[test]
fn artifacts() {
    check_template(
        json!({"artifact": {"jarUri": null}}),
        "artifact.jarUri",
        "An artifact of kind JAR needs jarUri.",
    );
    check_template(
        json!({"artifact": {"kind": "SQLSCRIPT"}}),
        "artifact.sqlScript",
        "An artifact of kind SQLSCRIPT needs sqlScript.",
    );
    check_template(
        json!({"artifact": {"kind": "PYTHON", "pythonArtifactUri": "s3://b/x.zip?v=1"}}),
        "artifact.entryModule",
        "A zip of Python modules needs entryModule, the module to run.",
    );
    check_template(
        json!({"artifact": {"jarUri": "/opt/a.jar"}}),
        "artifact.jarUri",
        "\"/opt/a.jar\" is a path without a scheme. Write file:///opt/a.jar for a local file.",
    );
    check_template(
        json!({"artifact": {"additionalDependencies": ["s3://b/x", "lib.jar"]}}),
        "artifact.additionalDependencies[1]",
        "\"lib.jar\" is not a URI with a scheme. Use for example file:///opt/app.jar, https://host/app.jar or s3://bucket/app.jar.",
    );
    for uri in [
        "https://u:p@h/a.jar?commit=abc",
        "s3://bucket/a.jar",
        "https://${USER}:${PASS}@h/a.jar",
        "file:///a.jar",
        "abfss://c@a.dfs/x",
    ] {
        check_fine(json!({"spec": {"template": {"spec": {"artifact": {"jarUri": uri}}}}}));
    }
    for uri in ["C:\\a.jar", "https://", "a b", "https://h:port/x", "://x"] {
        assert!(check_uri(uri).is_some(), "{uri}");
    }
    check_template(
        json!({"artifact": {"mainArgs": "--a 'b"}}),
        "artifact.mainArgs",
        "The text has a single quote without its partner. Close it, or write \\' for the character.",
    );
    check_template(
        json!({"artifact": {"flinkVersion": "1.2"}}),
        "artifact.flinkVersion",
        "1.2 is not a supported version. YAML reads unquoted 1.20 as the number 1.2. Write flinkVersion: \"1.20\".",
    );
    check_template(
        json!({"artifact": {"flinkVersion": "latest"}}),
        "artifact.flinkVersion",
        "\"latest\" is not a Flink version. Use for example \"1.20\" or \"2.2.1\".",
    );
    for version in ["1.20", "2.2.1", "1.18-vvp", "2.0-SNAPSHOT"] {
        check_fine(
            json!({"spec": {"template": {"spec": {"artifact": {"flinkVersion": version}}}}}),
        );
    }
}

#[test]
fn sizes_and_resources() {
    check_template(json!({"parallelism": 0}), "parallelism", "Must be at least 1, found 0.");
    check_template(
        json!({"parallelism": 32769}),
        "parallelism",
        "Must be at most 32768, found 32769.",
    );
    check_template(
        json!({"numberOfTaskManagers": 0}),
        "numberOfTaskManagers",
        "Must be at least 1, found 0.",
    );
    check_template(
        json!({"flinkConfiguration": {"taskmanager.numberOfTaskSlots": "two"}}),
        "flinkConfiguration[\"taskmanager.numberOfTaskSlots\"]",
        "Expected a whole number of at least 1, found \"two\".",
    );
    check_template(
        json!({"resources": {"taskmanager": {"cpu": 0.05}}}),
        "resources.taskmanager.cpu",
        "0.05 is below the minimum 0.1.",
    );
    check_template(
        json!({"resources": {"taskmanager": {"cpu": 10001}}}),
        "resources.taskmanager.cpu",
        "10001 is above the maximum 10000.",
    );
    check_template(
        json!({"resources": {"jobmanager": {"memory": "499m"}}}),
        "resources.jobmanager.memory",
        "499m is below the minimum 500m.",
    );
    check_template(
        json!({"resources": {"taskmanager": {"memory": "999m"}}}),
        "resources.taskmanager.memory",
        "999m is below the minimum 1g.",
    );
    check_template(
        json!({"resources": {"taskmanager": {"memory": "2Gi"}}}),
        "resources.taskmanager.memory",
        "\"2Gi\" has an unknown unit. Use k, m or g (powers of ten), for example 1.5g.",
    );
    check_fine(
        json!({"spec": {"template": {"spec": {"resources": {"jobmanager": {"memory": "500m", "cpu": 0.1}}}}}}),
    );
}

#[test]
fn logging_and_pods() {
    check_fine(
        json!({"spec": {"template": {"spec": {"logging": {"log4jLoggers": {"org.a": "debug"}}}}}}),
    );
    check_template(
        json!({"logging": {"log4jLoggers": {"": "INFOO"}}}),
        "logging.log4jLoggers[\"\"]",
        "\"INFOO\" is not a log level. Use one of OFF, FATAL, ERROR, WARN, INFO, DEBUG, TRACE, ALL. Did you mean INFO?",
    );
    check_template(
        json!({"logging": {"log4jLoggers": {"org.a b": "INFO"}}}),
        "logging.log4jLoggers[\"org.a b\"]",
        "A logger's name is a class or package, such as org.apache.flink, or empty for the root logger.",
    );
    check_template(
        json!({"logging": {"log4j2ConfigurationTemplate": "<Configuration>\n<Root></Configuration>"}}),
        "logging.log4j2ConfigurationTemplate",
        "Line 2: </Configuration> closes <Root> of line 2.",
    );
    check_template(
        json!({"kubernetes": {"pods": {}, "jobManagerPodTemplate": {}}}),
        "kubernetes.pods",
        "Set either pods or the pod templates, not both: a pod template says everything that pods can say.",
    );
    check_template(json!({"kubernetes": {"pods": 1}}), "kubernetes.pods", "Expected an object.");
}

#[test]
fn all_problems_come_at_once() {
    let edit = json!({"metadata": {"name": "A"}, "spec": {"maxJobCreationAttempts": 0, "template": {"spec": {"parallelism": 0, "artifact": {"jarUri": null}}}}});
    assert_eq!(refs_with(|refs| validate_deployment(&deployment(&edit), refs)).len(), 4);
}

#[test]
fn warnings() {
    let check = |edit: Value, path: &str| {
        let found = deployment_warnings(&deployment(&edit).spec);
        assert_eq!(found.iter().map(|p| p.path.as_str()).collect::<Vec<_>>(), [path], "{edit}");
    };
    assert_eq!(deployment_warnings(&deployment(&json!({})).spec), vec![]);
    check(json!({"spec": {"restoreStrategy": {"kind": "NONE"}}}), "spec.restoreStrategy.kind");
    check(
        json!({"spec": {"template": {"spec": {"flinkConfiguration": {"rest.port": "1"}}}}}),
        "spec.template.spec.flinkConfiguration[\"rest.port\"]",
    );
    check(
        json!({"spec": {"template": {"spec": {"flinkConfiguration": {"taskmanager.memory.process.size": "3g"}, "resources": {"taskmanager": {"memory": "2G"}}}}}}),
        "spec.template.spec.flinkConfiguration[\"taskmanager.memory.process.size\"]",
    );
    check(
        json!({"spec": {"template": {"spec": {"parallelism": 3, "numberOfTaskManagers": 2}}}}),
        "spec.template.spec.numberOfTaskManagers",
    );
    check(
        json!({"spec": {"template": {"spec": {"logging": {"loggingProfile": "json"}}}}}),
        "spec.template.spec.logging.loggingProfile",
    );
    check(
        json!({"spec": {"template": {"spec": {"flinkConfiguration": {"high-availability": "zookeeper"}}}}}),
        "spec.template.spec.flinkConfiguration.high-availability",
    );
}

#[test]
fn on_a_shared_cluster_each_line_about_whole_clusters_is_warned_of_and_nothing_else() {
    let edit = json!({"spec": {
        "deploymentTargetName": null, "sessionClusterName": "shared",
        "template": {"spec": {
            "parallelism": 9, "numberOfTaskManagers": 1,
            "resources": {"taskmanager": {"memory": "2G"}},
            "logging": {"loggingProfile": "json"},
            "flinkConfiguration": {
                "execution.checkpointing.interval": "1 s", "high-availability": "zookeeper", "pipeline.name": "x",
                "rest.port": "1", "taskmanager.memory.process.size": "3g", "taskmanager.numberOfTaskSlots": "4",
            },
        }},
    }});
    let found = deployment_warnings(&deployment(&edit).spec);
    let told = |key: &str, said: &str| {
        let line = found.iter().find(|p| p.path.contains(key)).map(|p| p.message.clone());
        assert!(line.as_ref().is_some_and(|line| line.contains(said)), "{key}: {line:?}");
    };
    let whole = "Write it into flinkConfiguration of the SessionCluster";
    told("high-availability", "local processes run without it");
    told("taskmanager.memory.process.size", whole);
    told("taskmanager.numberOfTaskSlots", whole);
    told("rest.port", "Drey sets rest.port itself");
    assert_eq!(found.len(), 4, "{found:#?}");
}

#[test]
fn targets() {
    let check = |spec: Value, path: &str| {
        let metadata = Metadata { name: "t".to_owned(), ..Metadata::default() };
        let target = DeploymentTarget::new(metadata, serde_json::from_value(spec.clone()).unwrap());
        let found: Vec<_> = validate_target(&target).into_iter().map(|p| p.path).collect();
        assert_eq!(found, if path.is_empty() { vec![] } else { vec![path.to_owned()] }, "{spec}");
    };
    check(json!({"kubernetes": {}}), "");
    check(json!({"kubernetes": {"namespace": "vvp-jobs"}}), "");
    check(json!({"local": {}, "deploymentPatchSet": [{"op": "remove", "path": "/spec/x"}]}), "");
    check(json!({}), "spec");
    check(json!({"kubernetes": {}, "local": {}}), "spec");
    check(json!({"kubernetes": {"namespace": "Not_Good"}}), "spec.kubernetes.namespace");
    check(
        json!({"local": {}, "deploymentPatchSet": [{"op": "remove"}]}),
        "spec.deploymentPatchSet[0]",
    );
}
