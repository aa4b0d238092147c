//! The cases of `tests/data/patch`, and the worked example of the documentation (seed 000), with a diff when one fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests say what went wrong by panicking"
)]

use std::path::Path;

use drey_model::document::{Document, Format, parse, parse_many, to_yaml};
use drey_model::merge::{How, apply_patch};
use drey_model::shape::normalise;
use drey_model::shape::tables::DEPLOYMENT;
use serde_json::{Value, json};

const LIST: &str = "spec.template.spec.kubernetes.pods.list";
/// As many as there should be at least.
const CASES_MIN: usize = 40;

/// The merged document, or the problems as `path: message`.
fn merged(target: &Value, patch: &Value, how: How) -> Value {
    let read = |value: &Value| normalise(&Document::from_value(value), &DEPLOYMENT, "Deployment");
    let (target, patch) = (read(target), read(patch));
    assert!(target.problems.is_empty() && target.warnings.is_empty(), "{target:?}");
    let outcome = if patch.problems.is_empty() {
        apply_patch(&target.value, &patch.value, &DEPLOYMENT, how)
    } else {
        Err(patch.problems)
    };
    match outcome {
        Ok(value) => value,
        Err(problems) => {
            let told = problems.iter().map(|p| format!("{}: {}", p.path, p.message));
            json!({ "problems": told.collect::<Vec<_>>() })
        }
    }
}

/// A list where the cases have it; nothing when there is none.
fn at_list(value: Option<&Value>) -> Value {
    let pods = value.map_or_else(|| json!({}), |list| json!({ "list": list }));
    json!({ "spec": { "template": { "spec": { "kubernetes": { "pods": pods } } } } })
}

/// What is wrong with a case; nothing when it holds.
fn failure(case: &Value, how: How) -> Option<String> {
    let is_document = case.get("at").and_then(Value::as_str) == Some("document");
    let whole = |member: &str| match (is_document, case.get(member)) {
        (true, Some(document)) => document.clone(),
        (true, None) => json!({}),
        (false, value) => at_list(value),
    };
    let found = merged(&whole("target"), &whole("patch"), how);
    let expected = match case.get("problems") {
        Some(Value::Array(problems)) => {
            let full = |text: &Value| match text.as_str().unwrap().strip_prefix("list") {
                Some(rest) => format!("{LIST}{rest}"),
                None => text.as_str().unwrap().to_owned(),
            };
            json!({ "problems": problems.iter().map(full).collect::<Vec<_>>() })
        }
        _ => whole("result"),
    };
    let (found, expected) = (to_yaml(&found).unwrap(), to_yaml(&expected).unwrap());
    (found != expected).then(|| diff(&expected, &found))
}

/// Lines that are only in one of two texts: `-` expected, `+` found.
fn diff(expected: &str, found: &str) -> String {
    let (a, b): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    let mut common = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i][j] = if a[i] == b[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut text) = (0, 0, String::new());
    while i < a.len() || j < b.len() {
        let (mark, line) = if i < a.len() && j < b.len() && a[i] == b[j] {
            (i, j) = (i + 1, j + 1);
            (' ', a[i - 1])
        } else if i < a.len() && (j == b.len() || common[i + 1][j] >= common[i][j + 1]) {
            i += 1;
            ('-', a[i - 1])
        } else {
            j += 1;
            ('+', b[j - 1])
        };
        text.push_str(&format!("  {mark} {line}\n"));
    }
    text
}

#[test]
fn every_case_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/patch");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut names = std::collections::BTreeSet::new();
    let mut failures = String::new();
    for file in files.filter(|file| file.extension().is_some_and(|e| e == "yaml")) {
        let documents = parse_many(&std::fs::read(&file).unwrap()).unwrap();
        for case in documents.iter().map(Document::to_value) {
            let name = case["case"].as_str().expect("a case has a name").to_owned();
            let hows: &[How] = match case.get("how").and_then(Value::as_str) {
                None => &[How::Layer, How::Patch],
                Some("layer") => &[How::Layer],
                Some("patch") => &[How::Patch],
                Some(other) => panic!("{name}: how is {other}"),
            };
            for how in hows {
                if let Some(diff) = failure(&case, *how) {
                    failures.push_str(&format!("{}: {name} ({how:?})\n{diff}", file.display()));
                }
            }
            assert!(names.insert(name.clone()), "{name} is there twice");
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
    assert!(names.len() >= CASES_MIN, "only {} cases were found", names.len());
}

#[test]
fn the_worked_example_of_the_documentation_gives_the_documented_result() {
    let read = |text: &str| parse(text.as_bytes(), Format::Yaml).unwrap().to_value();
    let found = merged(
        &read(include_str!("data/merge-default.yaml")),
        &read(include_str!("data/merge-submitted.yaml")),
        How::Layer,
    );
    let expected = normalise(
        &Document::from_value(&read(include_str!("data/merge-result.yaml"))),
        &DEPLOYMENT,
        "Deployment",
    );
    let (found, expected) = (to_yaml(&found).unwrap(), to_yaml(&expected.value).unwrap());
    assert!(found == expected, "\n{}", diff(&expected, &found));
}

#[test]
fn a_diff_shows_what_is_missing_and_what_is_too_much() {
    assert_eq!(diff("a\nb\nc", "a\nc\nd"), "    a\n  - b\n    c\n  + d\n");
}
