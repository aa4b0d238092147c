//! Examples of each kind, as sent and as answered: what people copy, and what generators of tests begin with.
//!
//! They stand in one file by the name of their schema. A test holds each against its schema, and sends what is meant to
//! be sent to a server.

use serde_json::{Map, Value, json};

/// The examples by schema.
const EXAMPLES: &str = include_str!("examples.json");

/// Adds each example to its schema; one that names no schema is dropped here and found by a test.
pub(super) fn add(components: &mut Map<String, Value>) {
    for (name, example) in all() {
        if let Some(schema) = components.get_mut(&name) {
            schema["examples"] = json!([example]);
        }
    }
}

fn all() -> Map<String, Value> {
    serde_json::from_str(EXAMPLES).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use drey_model::Kind;
    use strum::VariantArray;

    use super::super::openapi;
    use super::*;

    #[test]
    fn every_kind_has_an_example_and_every_example_a_schema() {
        let known = openapi()["components"]["schemas"].as_object().unwrap();
        let examples = all();
        assert!(!examples.is_empty(), "the file can be read");
        for name in examples.keys() {
            assert!(known.contains_key(name), "{name}: no such schema");
        }
        for kind in Kind::VARIANTS {
            assert!(examples.contains_key(&kind.to_string()), "{kind}: no example");
        }
    }
}
