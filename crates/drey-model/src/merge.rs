//! Putting one normalised document over another: layers of defaults, and patches of stored Deployments.
//!
//! ```text
//! How::Layer   defaults under a submitted document (§3.13): null on a member of the schema says nothing,
//!              null on a free key removes what the lower layer has
//! How::Patch   a merge patch on the stored document (RFC 7386, §2.1.3): null removes
//! ```
//!
//! Both merge objects key by key and replace everything else, except arrays that carry a directive element
//! `{"$patch": "merge", "mergeKey": "name"}`: those merge element by element, matched by deep equality of that field.
//! Directives never appear in a result.
//!
//! Does not own what may be filled in from defaults ([`crate::defaults`]).

use serde_json::{Map, Value};

use crate::deployment::ArtifactKind;
use crate::problem::{Problem, index_path, join_path};
use crate::shape::Shape;
use crate::shape::tables::foreign_members;

/// What null means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// `target` is the lower layer.
    Layer,
    /// `target` is stored.
    Patch,
}

/// `patch` over `target`; the shape tells members of the schema from free keys.
///
/// # Errors
/// A `$patch` directive other than `merge`, or one whose `mergeKey` is not a text.
pub fn apply_patch(
    target: &Value,
    patch: &Value,
    shape: &Shape,
    how: How,
) -> Result<Value, Vec<Problem>> {
    let mut merger = Merger { how, problems: Vec::new(), comparisons: 0 };
    let merged = merger.merge(Some(target), patch, shape, &At::Root);
    if merger.problems.is_empty() { Ok(merged) } else { Err(merger.problems) }
}

/// Whether an array element is a directive.
#[must_use]
pub fn is_directive(value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.contains_key(DIRECTIVE))
}

/// Drops the members that an artifact of its kind does not have (Q35). Returns their names.
pub fn bind_artifact(artifact: &mut Map<String, Value>) -> Vec<&'static str> {
    let kind =
        artifact.get("kind").and_then(|k| serde_json::from_value::<ArtifactKind>(k.clone()).ok());
    let foreign = foreign_members(kind.unwrap_or_default()).iter();
    foreign.copied().filter(|name| artifact.remove(*name).is_some_and(|v| !v.is_null())).collect()
}

/// Drops every null member of the schema; free keys and opaque parts are left alone.
pub fn drop_nulls(value: &mut Value, shape: &Shape) {
    let Value::Object(object) = value else { return };
    if !matches!(shape, Shape::Object(_) | Shape::Keys(..)) {
        return;
    }
    object.retain(|_, value| !value.is_null());
    for (key, value) in object.iter_mut() {
        if let Some(shape) = shape.member(key) {
            drop_nulls(value, shape);
        }
    }
}

pub(crate) const DIRECTIVE: &str = "$patch";
const MERGE_KEY: &str = "mergeKey";
/// What is said of a directive that is not an element of a list.
pub(crate) const MISPLACED: &str = "A $patch directive is an element of a list, not a member of an object. Remove it: objects are merged anyway.";

/// Most elements that are compared in one merge: matching two arrays costs their product.
pub const COMPARISONS_MAX: usize = 1_000_000;

struct Merger {
    how: How,
    problems: Vec<Problem>,
    comparisons: usize,
}

/// Where the merge is; text only when there is a problem.
enum At<'a> {
    Root,
    Key(&'a At<'a>, &'a str),
    Index(&'a At<'a>, usize),
}

impl At<'_> {
    fn text(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Key(above, key) => join_path(&above.text(), key),
            Self::Index(above, index) => index_path(&above.text(), *index),
        }
    }
}

impl Merger {
    fn merge(
        &mut self,
        target: Option<&Value>,
        patch: &Value,
        shape: &Shape,
        path: &At<'_>,
    ) -> Value {
        match (patch, target) {
            (Value::Object(patch), target) => {
                let empty = Map::new();
                let target = target.and_then(Value::as_object).unwrap_or(&empty);
                Value::Object(self.objects(target, patch, shape, path))
            }
            (Value::Array(patch), target) => {
                self.arrays(target.and_then(Value::as_array), patch, path)
            }
            (scalar, _) => scalar.clone(),
        }
    }

    fn objects(
        &mut self,
        target: &Map<String, Value>,
        patch: &Map<String, Value>,
        shape: &Shape,
        path: &At<'_>,
    ) -> Map<String, Value> {
        let mut merged = target.clone();
        let is_schema = matches!(shape, Shape::Object(_) | Shape::Keys(..));
        for (key, value) in patch {
            if key == DIRECTIVE && self.refuses_member(path) {
                continue;
            }
            let inner = shape.member(key).unwrap_or(&Shape::Opaque);
            match (value.is_null(), self.how, is_schema) {
                (false, ..) => {
                    let value = self.merge(target.get(key), value, inner, &At::Key(path, key));
                    merged.insert(key.clone(), value);
                }
                (true, How::Layer, true) => {
                    merged.entry(key.clone()).or_insert(Value::Null);
                }
                (true, How::Layer, false) | (true, How::Patch, _) => {
                    merged.remove(key);
                }
            }
        }
        merged
    }

    fn arrays(&mut self, target: Option<&Vec<Value>>, patch: &[Value], path: &At<'_>) -> Value {
        let directive = patch.iter().position(is_directive);
        let merge_key = directive.map(|at| self.merge_key(patch.get(at), &At::Index(path, at)));
        self.check_others(patch, directive, path);
        let items = patch.iter().enumerate().filter(|(_, item)| !is_directive(item));
        let (mut merged, merge_key) = match (merge_key, target) {
            (Some(merge_key), Some(target)) => (target.clone(), merge_key),
            // Nothing to merge into: the elements as they are, equal keys among them included (§3.13, rule 11).
            (Some(_), None) | (None, _) => (Vec::new(), None),
        };
        for (at, item) in items {
            let path = At::Index(path, at);
            let wanted = merge_key.as_deref().and_then(|key| item.get(key).map(|v| (key, v)));
            let same = wanted.filter(|_| self.may_compare(merged.len(), &path)).and_then(
                |(key, value)| merged.iter().position(|other| other.get(key) == Some(value)),
            );
            match same.and_then(|at| merged.get_mut(at)) {
                Some(slot) => *slot = self.merge(Some(&*slot), item, &Shape::Opaque, &path),
                None => merged.push(self.strip(item, &path)),
            }
        }
        Value::Array(merged)
    }

    /// A directive that is a member of an object is a problem, except in metadata, where it is a key like any other.
    fn refuses_member(&mut self, path: &At<'_>) -> bool {
        let path = At::Key(path, DIRECTIVE).text();
        if path.starts_with("metadata.") {
            return false;
        }
        self.problems.push(Problem::new(path, MISPLACED));
        true
    }

    /// The merge key of a directive, if it has one; what is odd about it is a problem.
    fn merge_key(&mut self, directive: Option<&Value>, path: &At<'_>) -> Option<String> {
        let directive = directive.and_then(Value::as_object)?;
        let method = directive.get(DIRECTIVE);
        if method.and_then(Value::as_str) != Some("merge") {
            let found = method.map(Value::to_string).unwrap_or_default();
            let message = format!("Expected \"merge\", the only $patch method, found {found}.");
            self.problems.push(Problem::new(At::Key(path, DIRECTIVE).text(), message));
        }
        let others = directive.keys().filter(|key| !matches!(key.as_str(), DIRECTIVE | MERGE_KEY));
        for key in others {
            let message = "A $patch directive has $patch and mergeKey, nothing else. Put this into an element of its own.";
            self.problems.push(Problem::new(At::Key(path, key).text(), message));
        }
        match directive.get(MERGE_KEY) {
            None | Some(Value::Null) => None,
            Some(Value::String(key)) => Some(key.clone()),
            Some(other) => {
                let message = format!("Expected the name of a field, found {other}.");
                self.problems.push(Problem::new(At::Key(path, MERGE_KEY).text(), message));
                None
            }
        }
    }

    /// Whether one more element may be looked for among `count`.
    fn may_compare(&mut self, count: usize, path: &At<'_>) -> bool {
        let was_within = self.comparisons <= COMPARISONS_MAX;
        self.comparisons = self.comparisons.saturating_add(count);
        let is_within = self.comparisons <= COMPARISONS_MAX;
        if was_within && !is_within {
            let message = "The lists to merge are too long to match their elements. Send the whole list without a directive.";
            self.problems.push(Problem::new(path.text(), message));
        }
        is_within
    }

    fn check_others(&mut self, patch: &[Value], first: Option<usize>, path: &At<'_>) {
        let others =
            patch.iter().enumerate().filter(|(at, item)| is_directive(item) && Some(*at) != first);
        for (at, _) in others {
            let message = "This list has more than one $patch directive. Keep one.";
            self.problems.push(Problem::new(At::Index(path, at).text(), message));
        }
    }

    /// An inserted element, without directives at any depth; its nulls are kept.
    fn strip(&mut self, value: &Value, path: &At<'_>) -> Value {
        match value {
            Value::Object(object) => {
                let kept =
                    object.iter().filter(|(k, _)| *k != DIRECTIVE || !self.refuses_member(path));
                let kept: Vec<(&String, &Value)> = kept.collect();
                let inner =
                    kept.into_iter().map(|(k, v)| (k.clone(), self.strip(v, &At::Key(path, k))));
                Value::Object(inner.collect())
            }
            Value::Array(items) => self.arrays(None, items, path),
            scalar => scalar.clone(),
        }
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
