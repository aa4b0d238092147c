//! The rules of §3.13 and §2.1.3, the worked example of seed 000 included.
#![allow(clippy::needless_pass_by_value, reason = "rows read better without borrows")]

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::document::{Format, parse};
use crate::shape::normalise;
use crate::shape::tables::DEPLOYMENT;

fn check(how: How, target: Value, patch: Value, expected: Value) {
    let merged = apply_patch(&target, &patch, &DEPLOYMENT, how).unwrap();
    assert_eq!(merged, expected, "{target} + {patch}");
}

fn template(spec: Value) -> Value {
    json!({ "spec": { "template": { "spec": spec } } })
}

fn check_volumes(target: Value, patch: Value, expected: Value) {
    let pods =
        |volumes: Value| template(json!({ "kubernetes": { "pods": { "volumes": volumes } } }));
    for how in [How::Layer, How::Patch] {
        check(how, pods(target.clone()), pods(patch.clone()), pods(expected.clone()));
    }
}

#[test]
fn the_worked_example_of_the_documentation() {
    let read = |text: &str| {
        let document = parse(text.as_bytes(), Format::Yaml).unwrap();
        let found = normalise(&document, &DEPLOYMENT, "Deployment");
        assert_eq!((found.problems, found.warnings), (vec![], vec![]));
        found.value
    };
    let merged = apply_patch(
        &read(include_str!("../tests/data/merge-default.yaml")),
        &read(include_str!("../tests/data/merge-submitted.yaml")),
        &DEPLOYMENT,
        How::Layer,
    );
    assert_eq!(merged.unwrap(), read(include_str!("../tests/data/merge-result.yaml")));
}

#[test]
fn null_in_a_patch_removes() {
    check(
        How::Patch,
        template(json!({"parallelism": 2, "flinkConfiguration": {"foo": "1", "a.b": "2"}})),
        template(
            json!({"parallelism": null, "flinkConfiguration": {"foo": null, "bar": "baz", "none": null}}),
        ),
        template(json!({"flinkConfiguration": {"a.b": "2", "bar": "baz"}})),
    );
    check(
        How::Patch,
        json!({}),
        json!({"spec": {"template": {"metadata": null}}}),
        json!({"spec": {"template": {}}}),
    );
}

#[test]
fn null_in_a_layer_says_nothing_of_members_and_removes_free_keys() {
    check(
        How::Layer,
        template(json!({"parallelism": 2, "flinkConfiguration": {"foo": "1"}})),
        template(
            json!({"parallelism": null, "numberOfTaskManagers": null, "flinkConfiguration": {"foo": null}}),
        ),
        template(json!({"parallelism": 2, "numberOfTaskManagers": null, "flinkConfiguration": {}})),
    );
}

#[test]
fn arrays_replace_unless_they_carry_a_directive() {
    let directive = || json!({"$patch": "merge", "mergeKey": "name"});
    check_volumes(json!([{"name": "a"}]), json!([{"name": "b"}]), json!([{"name": "b"}]));
    check_volumes(
        json!([{"name": "a", "x": 1}, {"odd": 1}, {"name": "b"}]),
        json!([directive(), {"name": "b", "y": 2}, {"name": "c"}, {"also": "odd"}]),
        json!([{"name": "a", "x": 1}, {"odd": 1}, {"name": "b", "y": 2}, {"name": "c"}, {"also": "odd"}]),
    );
    check_volumes(json!([1]), json!([2, {"$patch": "merge"}]), json!([1, 2]));
    check_volumes(
        json!(null),
        json!([{"name": "a", "deep": [directive()]}, directive()]),
        json!([{"name": "a", "deep": []}]),
    );
    check_volumes(
        json!([{"name": "a", "p": [1], "q": [{"name": "z", "v": 1}]}]),
        json!([{"name": "a", "p": [2], "q": [{"name": "z", "v": 2}, {"name": "y"}, directive()]}, directive()]),
        json!([{"name": "a", "p": [2], "q": [{"name": "z", "v": 2}, {"name": "y"}]}]),
    );
    check_volumes(
        json!([{"name": ["x", {"y": 1}], "v": 1}]),
        json!([{"name": ["x", {"y": 1}], "v": 2}, {"name": ["x"], "v": 3}, directive()]),
        json!([{"name": ["x", {"y": 1}], "v": 2}, {"name": ["x"], "v": 3}]),
    );
}

#[test]
fn directives_that_cannot_be_followed_are_problems() {
    let patch = template(json!({"kubernetes": {"pods": {
        "a": [{"$patch": "replace"}],
        "b": [{"x": [{"$patch": "merge", "mergeKey": 7}]}, {"$patch": "merge"}, {"$patch": "merge"}]
    }}}));
    let problems = apply_patch(&json!({}), &patch, &DEPLOYMENT, How::Patch).unwrap_err();
    let found: Vec<_> = problems.iter().map(|p| p.path.as_str()).collect();
    let pods = "spec.template.spec.kubernetes.pods";
    let expected = [
        format!("{pods}.a[0].$patch"),
        format!("{pods}.b[2]"),
        format!("{pods}.b[0].x[0].mergeKey"),
    ];
    assert_eq!(found, expected);
    assert_eq!(
        problems[0].message,
        "Expected \"merge\", the only $patch method, found \"replace\"."
    );
}

#[test]
fn an_artifact_keeps_only_members_of_its_kind() {
    let mut artifact = json!({"kind": "SQLSCRIPT", "jarUri": "file:///a", "sqlScript": "x", "flinkVersion": "1.20", "mainArgs": null});
    let dropped = bind_artifact(artifact.as_object_mut().unwrap());
    assert_eq!(dropped, ["jarUri"]);
    assert_eq!(artifact, json!({"kind": "SQLSCRIPT", "sqlScript": "x", "flinkVersion": "1.20"}));
}

proptest! {
    #[test]
    fn an_empty_patch_changes_nothing(config in prop::collection::btree_map("[a-z.]{1,5}", "[a-z]{0,3}", 0..4), volumes in prop::collection::vec(0..9, 0..4)) {
        let target = template(json!({"flinkConfiguration": config, "kubernetes": {"pods": {"v": volumes}}}));
        for how in [How::Layer, How::Patch] {
            for patch in [json!({}), json!({"spec": {"template": {}}})] {
                prop_assert_eq!(apply_patch(&target, &patch, &DEPLOYMENT, how).unwrap(), target.clone());
            }
            prop_assert_eq!(apply_patch(&target, &target, &DEPLOYMENT, how).unwrap(), target.clone());
        }
    }

    #[test]
    fn no_directive_survives(value in crate::document::any_value(), key in "[a-c]") {
        let directive = json!({"$patch": "merge", "mergeKey": key});
        let patch = template(json!({"kubernetes": {"pods": {"a": [value, directive, [directive]]}}}));
        let once = apply_patch(&json!({}), &patch, &DEPLOYMENT, How::Patch).unwrap();
        let merged = apply_patch(&once, &patch, &DEPLOYMENT, How::Patch).unwrap();
        prop_assert!(!merged.to_string().contains("$patch"));
    }
}
