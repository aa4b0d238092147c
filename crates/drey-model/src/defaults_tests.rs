//! What is filled in, what is not, and what comes back after a change.
#![allow(clippy::needless_pass_by_value, reason = "rows read better without borrows")]

use proptest::prelude::*;

use super::*;
use crate::deployment::DeploymentSpec;

fn layers(namespace: Value) -> Layers {
    Layers::new("1.20", [namespace])
}

fn created(namespace: Value, spec: Value) -> Value {
    expand_created(&layers(namespace), &json!({ "spec": spec })).unwrap()["spec"].clone()
}

fn filled(namespace: Value, spec: Value) -> Value {
    fill_absent(&layers(namespace), &json!({ "spec": spec })).unwrap()["spec"].clone()
}

fn template(spec: Value) -> Value {
    json!({ "template": { "spec": spec } })
}

fn namespace(template_spec: Value) -> Value {
    json!({ "spec": { "template": { "spec": template_spec } } })
}

#[test]
fn an_empty_document_becomes_fully_specified() {
    let spec = created(json!({}), json!({}));
    assert_eq!(json!({ "spec": spec }), built_in("1.20"));
    let typed: DeploymentSpec = serde_json::from_value(spec).unwrap();
    assert_eq!((typed.max_job_creation_attempts, typed.template.spec.parallelism), (4, Some(1)));
}

#[test]
fn higher_layers_win_and_null_says_nothing() {
    let spec = created(
        namespace(json!({"parallelism": 3, "flinkConfiguration": {"a": "1", "b": "2"}})),
        template(json!({"parallelism": null, "flinkConfiguration": {"a": null, "c": "3"}})),
    );
    assert_eq!(spec["template"]["spec"]["parallelism"], json!(3));
    assert_eq!(spec["template"]["spec"]["flinkConfiguration"], json!({"b": "2", "c": "3"}));
}

#[test]
fn removed_free_keys_stay_removed_after_a_change_but_members_come_back() {
    let defaults = namespace(
        json!({"parallelism": 3, "flinkConfiguration": {"a": "1"}, "resources": {"jobmanager": {"cpu": 2.0}}}),
    );
    let spec = filled(
        defaults.clone(),
        template(json!({"flinkConfiguration": {}, "resources": {"jobmanager": {"memory": "3G"}}})),
    );
    assert_eq!(spec["template"]["spec"]["flinkConfiguration"], json!({}));
    assert_eq!(spec["template"]["spec"]["parallelism"], json!(3));
    let expected = json!({"jobmanager": {"cpu": 2.0, "memory": "3G"}, "taskmanager": {"cpu": 1.0, "memory": "2G"}});
    assert_eq!(spec["template"]["spec"]["resources"], expected);
    let spec = filled(defaults, template(json!({})));
    assert_eq!(spec["template"]["spec"]["flinkConfiguration"], json!({"a": "1"}));
}

#[test]
fn a_session_cluster_rules_out_a_target_and_what_the_cluster_brings() {
    let defaults = json!({"spec": {"deploymentTargetName": "t", "template": {"spec": {
        "numberOfTaskManagers": 2, "kubernetes": {"pods": {}}, "artifact": {"flinkImageTag": "x"}
    }}}});
    for spec in [
        created(defaults.clone(), json!({"sessionClusterName": "s"})),
        filled(defaults.clone(), json!({"sessionClusterName": "s"})),
    ] {
        assert_eq!(spec.get("deploymentTargetName"), None);
        let members: Vec<_> =
            spec["template"]["spec"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(members, ["artifact", "flinkConfiguration", "parallelism"]);
        // The version of the cluster is the one that runs; another one here would be believed.
        assert_eq!(spec["template"]["spec"]["artifact"], json!({"kind": "JAR"}));
    }
    let spec =
        created(json!({"spec": {"sessionClusterName": "s"}}), json!({"deploymentTargetName": "t"}));
    assert_eq!(
        (spec.get("sessionClusterName"), &spec["deploymentTargetName"]),
        (None, &json!("t"))
    );
    assert!(spec["template"]["spec"].get("resources").is_some());
    let spec = created(defaults, json!({"sessionClusterName": null}));
    assert_eq!(spec["deploymentTargetName"], json!("t"));
    let both = created(json!({}), json!({"deploymentTargetName": "t", "sessionClusterName": "s"}));
    assert_eq!(
        (&both["deploymentTargetName"], &both["sessionClusterName"]),
        (&json!("t"), &json!("s"))
    );
}

#[test]
fn what_a_session_deployment_says_itself_is_kept() {
    let spec = created(
        json!({}),
        json!({"sessionClusterName": "s", "template": {"spec": {"numberOfTaskManagers": 7}}}),
    );
    assert_eq!(spec["template"]["spec"]["numberOfTaskManagers"], json!(7));
}

#[test]
fn members_of_another_kind_of_artifact_are_not_filled() {
    let defaults = namespace(
        json!({"artifact": {"kind": "JAR", "jarUri": "file:///a", "flinkVersion": "1.19"}}),
    );
    let submitted = template(json!({"artifact": {"kind": "SQLSCRIPT", "sqlScript": "x"}}));
    for spec in
        [created(defaults.clone(), submitted.clone()), filled(defaults.clone(), submitted.clone())]
    {
        let expected = json!({"kind": "SQLSCRIPT", "sqlScript": "x", "flinkVersion": "1.19"});
        assert_eq!(spec["template"]["spec"]["artifact"], expected);
    }
    let spec = created(defaults, template(json!({"artifact": {"mainArgs": "x"}})));
    let expected =
        json!({"kind": "JAR", "jarUri": "file:///a", "mainArgs": "x", "flinkVersion": "1.19"});
    assert_eq!(spec["template"]["spec"]["artifact"], expected);
}

#[test]
fn pods_and_pod_templates_rule_each_other_out() {
    let defaults = namespace(json!({"kubernetes": {"pods": {"labels": {}}, "labels": {"a": "b"}}}));
    let submitted = template(json!({"kubernetes": {"jobManagerPodTemplate": {}}}));
    for spec in
        [created(defaults.clone(), submitted.clone()), filled(defaults.clone(), submitted.clone())]
    {
        let expected = json!({"jobManagerPodTemplate": {}, "labels": {"a": "b"}});
        assert_eq!(spec["template"]["spec"]["kubernetes"], expected);
    }
    let defaults = namespace(json!({"kubernetes": {"taskManagerPodTemplate": {"x": 1}}}));
    let spec = created(defaults, template(json!({"kubernetes": {"pods": {}}})));
    assert_eq!(spec["template"]["spec"]["kubernetes"], json!({"pods": {}}));
}

proptest! {
    #[test]
    fn filling_a_created_document_changes_nothing(parallelism in prop::option::of(1..9), keys in prop::collection::btree_map("[a-c]", "[x-z]", 0..3), session in any::<bool>()) {
        let layers = layers(namespace(json!({"flinkConfiguration": {"a": "1"}})));
        let place = if session { "sessionClusterName" } else { "deploymentTargetName" };
        let spec = json!({"spec": {place: "p", "template": {"spec": {"parallelism": parallelism, "flinkConfiguration": keys}}}});
        let created = expand_created(&layers, &spec).unwrap();
        prop_assert_eq!(fill_absent(&layers, &created).unwrap(), created);
    }
}
