//! Patch sets of DeploymentTargets: RFC 6902 operations on the whole document of each Deployment that refers to the
//! target (seed 004, Q16).
//!
//! They run after defaults and before validation, whenever such a Deployment is written. One operation that fails
//! refuses the whole write.

use json_patch::PatchOperation;
use json_patch::jsonptr::Pointer;
use serde_json::Value;

use crate::document::{DEPTH_MAX, EXPANDED_BYTES_MAX};
use crate::problem::{Problem, index_path};
use crate::target::DeploymentTarget;
use crate::validate::flink_version;

/// Most operations of one target.
pub const OPERATIONS_MAX: usize = 1_000;
/// Path of the member that holds the operations.
pub const PATH: &str = "spec.deploymentPatchSet";

/// What is wrong with the operations of a target, before they meet a Deployment.
#[must_use]
pub fn check(operations: &[Value]) -> Vec<Problem> {
    if operations.len() > OPERATIONS_MAX {
        let message = format!("At most {OPERATIONS_MAX} operations, found {}.", operations.len());
        return vec![Problem::new(PATH, message)];
    }
    let problem = |(at, operation)| {
        let path = index_path(PATH, at);
        match read(operation) {
            Ok(_) => Some(Problem::new(format!("{path}.value"), lost_zero(operation)?)),
            Err(why) => Some(Problem::new(path, why)),
        }
    };
    operations.iter().enumerate().filter_map(problem).collect()
}

/// Values of operations are taken as they are, so a Flink version that is a number has lost its last zero for good.
fn lost_zero(operation: &Value) -> Option<String> {
    let path = operation.get("path").and_then(Value::as_str)?;
    let number = operation.get("value").filter(|value| value.is_number())?;
    if path.ends_with("/flinkVersion") { flink_version(&number.to_string()) } else { None }
}

/// The document after all operations of `target`.
///
/// # Errors
/// The operation that cannot be applied: its place in the list (from 0, as in paths), itself, and why.
pub fn apply(target: &DeploymentTarget, document: &Value) -> Result<Value, Problem> {
    let mut patched = document.clone();
    let mut added = 0;
    let operations = target.spec.deployment_patch_set.as_deref().unwrap_or_default();
    for (at, operation) in operations.iter().enumerate() {
        let outcome = read(operation).and_then(|read| {
            check_size(&read, &patched, &mut added)
                // An operation that fails leaves the document as it was.
                .and_then(|()| {
                    let outcome = json_patch::patch(&mut patched, std::slice::from_ref(&read));
                    outcome.map_err(|e| why(&read, &patched, &e))
                })
                .map_err(|why| format!("({}) {why}", describe(&read)))
        });
        outcome.map_err(|why| refusal(target, at, &why))?;
    }
    Ok(patched)
}

/// Copies of copies double a document with each operation, so what operations add is bounded like what a text holds.
fn check_size(
    operation: &PatchOperation,
    document: &Value,
    added: &mut usize,
) -> Result<(), String> {
    let from = |from: &Pointer| from.resolve(document).ok().map(measure);
    let size = match operation {
        PatchOperation::Add(op) => Some(measure(&op.value)),
        PatchOperation::Replace(op) => Some(measure(&op.value)),
        PatchOperation::Copy(op) => from(&op.from),
        PatchOperation::Move(op) => from(&op.from),
        PatchOperation::Remove(_) | PatchOperation::Test(_) => None,
    };
    let Some((bytes, depth)) = size else { return Ok(()) };
    *added = added.saturating_add(bytes);
    if operation.path().count() + depth > DEPTH_MAX {
        return Err(format!("cannot be applied: nested more than {DEPTH_MAX} levels deep."));
    }
    if *added > EXPANDED_BYTES_MAX {
        return Err(format!("cannot be applied: adds more than {EXPANDED_BYTES_MAX} bytes."));
    }
    Ok(())
}

/// About how many bytes a value is as text, and how deep.
fn measure(value: &Value) -> (usize, usize) {
    const SCALAR_BYTES: usize = 8;
    let within = |(bytes, depth): (usize, usize), (key, value): (usize, &Value)| {
        let (inner, below) = measure(value);
        (bytes + key + inner, depth.max(below + 1))
    };
    match value {
        Value::Object(map) => map.iter().map(|(k, v)| (k.len(), v)).fold((SCALAR_BYTES, 1), within),
        Value::Array(items) => items.iter().map(|v| (0, v)).fold((SCALAR_BYTES, 1), within),
        Value::String(text) => (SCALAR_BYTES + text.len(), 0),
        Value::Null | Value::Bool(_) | Value::Number(_) => (SCALAR_BYTES, 0),
    }
}

fn refusal(target: &DeploymentTarget, at: usize, why: &str) -> Problem {
    let name = &target.metadata.name;
    let message = format!("Target {name} refused the change: deploymentPatchSet[{at}] {why}");
    Problem::new("spec.deploymentTargetName", message)
}

fn read(operation: &Value) -> Result<PatchOperation, String> {
    const OPERATIONS: [&str; 6] = ["add", "remove", "replace", "move", "copy", "test"];
    let Some(object) = operation.as_object() else {
        return Err(format!("Expected an object with op and path, found {operation}."));
    };
    let op = object.get("op").and_then(Value::as_str).unwrap_or_default();
    if !OPERATIONS.contains(&op) {
        let found = object.get("op").map_or("nothing".to_owned(), Value::to_string);
        return Err(format!("Expected op to be one of {}, found {found}.", OPERATIONS.join(", ")));
    }
    for (name, is_needed) in [("path", true), ("from", matches!(op, "move" | "copy"))] {
        let pointer = object.get(name).and_then(Value::as_str);
        if is_needed && pointer.is_none_or(|p| Pointer::parse(p).is_err()) {
            let found = object.get(name).map_or("nothing".to_owned(), Value::to_string);
            return Err(format!(
                "Expected {name} of {op} to be a JSON pointer such as /spec/state, found {found}."
            ));
        }
    }
    if matches!(op, "add" | "replace" | "test") && !object.contains_key("value") {
        return Err(format!("Expected a value for {op}, found nothing."));
    }
    serde_json::from_value(operation.clone())
        .map_err(|e| format!("Cannot read this operation: {e}."))
}

/// The operation in a few words: `test /spec/state = "RUNNING"`.
fn describe(operation: &PatchOperation) -> String {
    match operation {
        PatchOperation::Add(op) => format!("add {} = {}", op.path, shortened(&op.value)),
        PatchOperation::Remove(op) => format!("remove {}", op.path),
        PatchOperation::Replace(op) => format!("replace {} = {}", op.path, shortened(&op.value)),
        PatchOperation::Move(op) => format!("move {} to {}", op.from, op.path),
        PatchOperation::Copy(op) => format!("copy {} to {}", op.from, op.path),
        PatchOperation::Test(op) => format!("test {} = {}", op.path, shortened(&op.value)),
    }
}

fn why(operation: &PatchOperation, document: &Value, error: &json_patch::PatchError) -> String {
    let at = |pointer: &Pointer| pointer.resolve(document).ok();
    match operation {
        PatchOperation::Test(op) => match at(&op.path) {
            Some(found) => format!("does not hold, found {}.", shortened(found)),
            None => "does not hold, there is nothing at that path.".to_owned(),
        },
        PatchOperation::Remove(op) if at(&op.path).is_none() => missing(&op.path, document),
        PatchOperation::Replace(op) if at(&op.path).is_none() => missing(&op.path, document),
        PatchOperation::Move(op) if at(&op.from).is_none() => missing(&op.from, document),
        PatchOperation::Copy(op) if at(&op.from).is_none() => missing(&op.from, document),
        PatchOperation::Add(op) => missing(&op.path, document),
        PatchOperation::Remove(_)
        | PatchOperation::Replace(_)
        | PatchOperation::Move(_)
        | PatchOperation::Copy(_) => format!("cannot be applied: {}.", error.kind),
    }
}

/// The first part of a path that the document does not have.
fn missing(path: &Pointer, document: &Value) -> String {
    let mut parts: Vec<_> = path.tokens().map(|t| t.decoded().into_owned()).collect();
    let mut shortest = format!("{path}");
    while parts.pop().is_some() {
        let parent = json_patch::jsonptr::PointerBuf::from_tokens(&parts);
        if parent.resolve(document).is_ok() {
            break;
        }
        shortest = format!("{parent}");
    }
    format!("cannot be applied: the Deployment has no {shortest}.")
}

fn shortened(value: &Value) -> String {
    const SHOWN_CHARS_MAX: usize = 80;
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "rows read better without borrows")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::meta::Metadata;
    use crate::target::DeploymentTargetSpec;

    fn target(operations: Value) -> DeploymentTarget {
        let metadata = Metadata { name: "prod-eu".to_owned(), ..Metadata::default() };
        let set = operations.as_array().cloned();
        DeploymentTarget::new(
            metadata,
            DeploymentTargetSpec { deployment_patch_set: set, ..Default::default() },
        )
    }

    fn check_refused(operation: Value, expected: &str) {
        let document = json!({"spec": {"kind": "PYTHON", "list": [1]}});
        let operations = json!([{"op": "add", "path": "/spec/a", "value": 1}, operation]);
        let problem = apply(&target(operations), &document).unwrap_err();
        assert_eq!(problem.path, "spec.deploymentTargetName");
        assert_eq!(
            problem.message,
            format!("Target prod-eu refused the change: deploymentPatchSet[1] {expected}")
        );
    }

    #[test]
    fn operations_apply_in_order() {
        let operations = json!([
            {"op": "add", "path": "/spec/c/state.savepoints.dir", "value": "s3://b"},
            {"op": "copy", "from": "/spec/c/state.savepoints.dir", "path": "/spec/c/a~1b"},
            {"op": "test", "path": "/spec/c/a~1b", "value": "s3://b"},
            {"op": "remove", "path": "/spec/old"},
        ]);
        let patched = apply(&target(operations), &json!({"spec": {"c": {}, "old": 1}})).unwrap();
        assert_eq!(
            patched,
            json!({"spec": {"c": {"state.savepoints.dir": "s3://b", "a/b": "s3://b"}}})
        );
    }

    #[test]
    fn a_failing_operation_is_named() {
        check_refused(
            json!({"op": "test", "path": "/spec/kind", "value": "JAR"}),
            "(test /spec/kind = \"JAR\") does not hold, found \"PYTHON\".",
        );
        check_refused(
            json!({"op": "test", "path": "/spec/none", "value": 1}),
            "(test /spec/none = 1) does not hold, there is nothing at that path.",
        );
        check_refused(
            json!({"op": "remove", "path": "/spec/x/y"}),
            "(remove /spec/x/y) cannot be applied: the Deployment has no /spec/x.",
        );
        check_refused(
            json!({"op": "add", "path": "/spec/x/y/z", "value": 1}),
            "(add /spec/x/y/z = 1) cannot be applied: the Deployment has no /spec/x.",
        );
    }

    #[test]
    fn copies_of_copies_are_bounded() {
        let wide = (0..100).map(|i| json!({"op": "copy", "from": "/a", "path": format!("/a/{i}")}));
        let tall = (0..100).map(|_| json!({"op": "copy", "from": "/a", "path": "/b/-"}));
        let mut double = vec![json!({"op": "add", "path": "/b", "value": []})];
        double.extend(tall);
        double.extend((0..100).map(|_| json!({"op": "copy", "from": "/b", "path": "/b/-"})));
        for operations in [wide.collect(), double] {
            let document = json!({"a": {"x": "x".repeat(10_000)}});
            let problem = apply(&target(Value::Array(operations)), &document).unwrap_err();
            assert!(problem.message.contains("more than"), "{}", problem.message);
        }
    }

    #[test]
    fn operations_are_checked_on_their_own() {
        let operations = json!([
            {"op": "add", "path": "/a", "value": null},
            {"op": "merge", "path": "/a"},
            {"op": "add", "path": "a", "value": 1},
            {"op": "move", "path": "/a"},
            {"op": "add", "path": "/a"},
            7,
        ]);
        let problems = check(operations.as_array().unwrap());
        let found: Vec<_> =
            problems.iter().map(|p| (p.path.as_str(), p.message.as_str())).collect();
        let expected = [
            (
                "spec.deploymentPatchSet[1]",
                "Expected op to be one of add, remove, replace, move, copy, test, found \"merge\".",
            ),
            (
                "spec.deploymentPatchSet[2]",
                "Expected path of add to be a JSON pointer such as /spec/state, found \"a\".",
            ),
            (
                "spec.deploymentPatchSet[3]",
                "Expected from of move to be a JSON pointer such as /spec/state, found nothing.",
            ),
            ("spec.deploymentPatchSet[4]", "Expected a value for add, found nothing."),
            ("spec.deploymentPatchSet[5]", "Expected an object with op and path, found 7."),
        ];
        assert_eq!(found, expected);
    }
}
