//! Reading by the tables: spelling, types, warnings, places.
#![allow(clippy::needless_pass_by_value, reason = "rows read better without borrows")]

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::document::{Format, parse};
use tables::{DEPLOYMENT, DEPLOYMENT_SPEC, DEPLOYMENT_TARGET, SAVEPOINT};

fn read(text: &str) -> Normalised {
    normalise(&parse(text.as_bytes(), Format::Yaml).unwrap(), &DEPLOYMENT, "Deployment")
}

fn check(text: &str, expected: &Value) {
    let found = read(text);
    assert_eq!(
        (&found.value, found.problems, found.warnings),
        (expected, vec![], vec![]),
        "{text}"
    );
}

fn check_problem(text: &str, path: &str, message: &str) {
    let found = read(text);
    let expected = vec![Problem::new(path, message)];
    assert_eq!(found.problems, expected, "{text}");
}

#[test]
fn spelling_does_not_matter() {
    check(
        "KIND: deployment\nSpec:\n  State: canceled\n  upgradestrategy: {Kind: stateless}\n  template: {spec: {artifact: {kind: jar}, resources: {jobManager: {CPU: '1.5', memory: 1g}}}}",
        &json!({"kind": "Deployment", "spec": {
            "state": "CANCELLED", "upgradeStrategy": {"kind": "STATELESS"},
            "template": {"spec": {"artifact": {"kind": "JAR"}, "resources": {"jobmanager": {"cpu": 1.5, "memory": "1g"}}}}
        }}),
    );
}

#[test]
fn literal_texts_and_nulls_are_kept() {
    check(
        "spec: {sessionClusterName: null, template: {spec: {artifact: {flinkVersion: 1.20}, parallelism: '4', flinkConfiguration: {a.b: 1.50, c: true, d: null, e: 010}}}}",
        &json!({"spec": {"sessionClusterName": null, "template": {"spec": {
            "artifact": {"flinkVersion": "1.20"}, "parallelism": 4,
            "flinkConfiguration": {"a.b": "1.50", "c": "true", "d": null, "e": "010"}
        }}}}),
    );
}

#[test]
fn opaque_parts_and_directives_are_kept() {
    check(
        "spec: {template: {spec: {artifact: {additionalDependencies: [a, {$patch: merge}]}, kubernetes: {pods: {envVars: [{name: A, value: 1}, {$patch: merge, mergeKey: name}]}}}}}",
        &json!({"spec": {"template": {"spec": {
            "artifact": {"additionalDependencies": ["a", {"$patch": "merge"}]},
            "kubernetes": {"pods": {"envVars": [{"name": "A", "value": 1}, {"$patch": "merge", "mergeKey": "name"}]}}
        }}}}),
    );
}

#[test]
fn members_of_the_server_are_dropped_silently() {
    check(
        "metadata: {id: 7, name: a, createdAt: now, resourceVersion: 3}\nstatus: {state: RUNNING}",
        &json!({"metadata": {"name": "a"}}),
    );
}

#[test]
fn unknown_members_are_dropped_with_a_warning() {
    let found = read(
        "spec: {upgradeStratgy: {kind: NONE}, template: {spec: {resources: {taskmanger: {cpu: 1}}}}, zz: 1}",
    );
    assert_eq!(found.value, json!({"spec": {"template": {"spec": {"resources": {}}}}}));
    let expected = vec![
        Problem::new(
            "spec.upgradeStratgy",
            "Not a member of spec, so it is ignored. Did you mean upgradeStrategy?",
        ),
        Problem::new(
            "spec.template.spec.resources.taskmanger",
            "Not a member of resources, so it is ignored. Did you mean taskmanager?",
        ),
        Problem::new("spec.zz", "Not a member of spec, so it is ignored."),
    ];
    assert_eq!((found.warnings, found.problems), (expected, vec![]));
}

#[test]
fn wrong_types_are_problems() {
    check_problem(
        "spec: {state: PAUSED}",
        "spec.state",
        "Expected one of RUNNING, SUSPENDED, CANCELLED, found \"PAUSED\". To stop and keep state use SUSPENDED.",
    );
    check_problem(
        "spec: {state: RUNING}",
        "spec.state",
        "Expected one of RUNNING, SUSPENDED, CANCELLED, found \"RUNING\". Did you mean RUNNING?",
    );
    check_problem(
        "spec: {maxJobCreationAttempts: many}",
        "spec.maxJobCreationAttempts",
        "Expected a whole number below 2147483648, found \"many\".",
    );
    check_problem(
        "spec: {maxJobCreationAttempts: 1.5}",
        "spec.maxJobCreationAttempts",
        "Expected a whole number below 2147483648, found 1.5.",
    );
    check_problem("spec: {template: []}", "spec.template", "Expected an object, found a list.");
    check_problem(
        "spec: {deploymentTargetName: {}}",
        "spec.deploymentTargetName",
        "Expected a text, found an object.",
    );
    check_problem(
        "spec: {deploymentTargetId: x}",
        "spec.deploymentTargetId",
        "Expected a UUID, found \"x\".",
    );
    check_problem("kind: Job", "kind", "Expected Deployment, found \"Job\".");
    check_problem(
        "metadata: {labels: {a: [1]}}",
        "metadata.labels.a",
        "Expected a text, found a list.",
    );
    check_problem(
        "spec: {state: RUNNING, State: CANCELLED}",
        "spec.state",
        "Given twice: \"State\" differs from the other one only in letter case. Remove one.",
    );
    check_problem("[]", "", "Expected an object, found a list.");
}

#[test]
fn all_problems_come_at_once_with_their_place() {
    let mut found = read("spec:\n  state: 7\n  template:\n    spec:\n      parallelism: x\n");
    point(&mut found.problems, &found.places);
    let ends: Vec<_> =
        found.problems.iter().map(|p| p.message.rsplit(' ').next().unwrap()).collect();
    assert_eq!(ends, ["(2:3)", "(5:7)"]);
}

/// Documents that mostly fit: known members with values of every type.
fn any_document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i32>().prop_map(Value::from),
        Just(json!(0.5)),
        Just(json!(true)),
        prop::sample::select(vec!["running", "JAR", "1.20", "x", "", "true", "1g"])
            .prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "spec",
        "metadata",
        "template",
        "Artifact",
        "kind",
        "state",
        "labels",
        "resources",
        "jobManager",
        "cpu",
        "parallelism",
        "flinkConfiguration",
        "flinkVersion",
        "kubernetes",
        "pods",
        "$patch",
        "odd",
    ]);
    leaf.prop_recursive(6, 64, 5, move |inner| {
        prop_oneof![
            3 => prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner.clone(), 0..5)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
            1 => prop::collection::vec(inner, 0..3).prop_map(Value::from),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn reading_twice_changes_nothing(value in any_document()) {
        for shape in [&DEPLOYMENT, &DEPLOYMENT_SPEC, &DEPLOYMENT_TARGET, &SAVEPOINT] {
            let once = normalise(&Document::from_value(&value), shape, "x").value;
            if !once.is_null() {
                let twice = normalise(&Document::from_value(&once), shape, "x");
                prop_assert_eq!((&twice.value, twice.problems, twice.warnings), (&once, vec![], vec![]));
            }
        }
    }
}
