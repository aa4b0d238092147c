//! Writes of secrets, and that no word of what was sent comes back.

use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;
use crate::defaults::Layers;
use crate::document::{Format, parse_quietly};

/// Stands in every document of these tests, and in nothing that comes out.
const VALUE: &str = "hunter2!";

fn ctx(layers: &Layers) -> WriteContext<'_> {
    WriteContext {
        now: jiff::Timestamp::UNIX_EPOCH,
        id: uuid::Uuid::from_u128(7),
        namespace: "default",
        layers,
        targets: &[],
        session_clusters: &[],
    }
}

fn create(text: &str, format: Format) -> Result<Accepted<NewSecret>, Vec<Problem>> {
    let document = parse_quietly(text.as_bytes(), format)?;
    create_secret(&document, &ctx(&Layers { layers: Vec::new() }))
}

fn stored() -> SecretValue {
    let text =
        r#"{"metadata":{"name":"pw","labels":{"a":"1"}},"spec":{"kind":"Plain","value":"x123"}}"#;
    create(text, Format::Json).unwrap().object.secret
}

fn patch(text: &str) -> Result<Accepted<NewSecret>, Vec<Problem>> {
    let document = parse_quietly(text.as_bytes(), Format::Yaml)?;
    patch_secret(&stored(), &document, &ctx(&Layers { layers: Vec::new() }))
}

fn value(accepted: &Accepted<NewSecret>) -> Option<&str> {
    accepted.object.value.as_ref().map(ExposeSecret::expose_secret)
}

#[test]
fn the_platforms_example_is_accepted_in_every_spelling_of_its_kind() {
    for kind in ["\"Plain\"", "\"PLAIN\"", "\"plain\"", "null"] {
        let text = format!(
            r#"{{"metadata":{{"name":"my_Password-1"}},"spec":{{"kind":{kind},"value":"secret"}}}}"#
        );
        let accepted = create(&text, Format::Json).unwrap();
        assert_eq!((value(&accepted), accepted.warnings.len()), (Some("secret"), 0));
        let shown = serde_json::to_value(&accepted.object.secret).unwrap();
        assert_eq!(shown["spec"], serde_json::json!({ "kind": "Plain" }));
        assert_eq!(shown["metadata"]["resourceVersion"], 1);
        assert!(!format!("{accepted:?}").contains("\"secret\""));
    }
    let yaml = "metadata: {name: n}\nSpec:\n  Value: 0123\n  kind: plain";
    assert_eq!(value(&create(yaml, Format::Yaml).unwrap()), Some("0123"));
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let text = "metadata: {name: 'a b', namespace: other}\nspec: {kind: File, value: [1]}";
    let problems = create(text, Format::Yaml).unwrap_err();
    let paths: Vec<_> = problems.iter().map(|p| p.path.as_str()).collect();
    assert_eq!(paths, ["metadata.namespace", "spec.kind", "spec.value", "metadata.name"]);
    for (text, path) in [
        ("metadata: {name: a}", "spec.value"),
        ("metadata: {name: a}\nspec: {value: ''}", "spec.value"),
        ("metadata: {name: a}\nspec: {value: null}", "spec.value"),
        ("metadata: {name: a}\nspec: {value: \"a\\0b\"}", "spec.value"),
        ("spec: {value: abcd}", "metadata.name"),
    ] {
        let problems = create(text, Format::Yaml).unwrap_err();
        assert_eq!(problems.iter().map(|p| p.path.as_str()).collect::<Vec<_>>(), [path], "{text}");
    }
    let long =
        format!("metadata: {{name: a}}\nspec: {{value: {}}}", "x".repeat(VALUE_BYTES_MAX + 1));
    assert!(create(&long, Format::Yaml).is_err());
}

#[test]
fn a_patch_changes_what_it_gives() {
    let accepted = patch("spec: {value: new1}\nmetadata: {labels: {b: '2'}}").unwrap();
    assert_eq!(value(&accepted), Some("new1"));
    let metadata = &accepted.object.secret.metadata;
    assert_eq!((metadata.labels.len(), metadata.resource_version), (2, 2));

    let whole = serde_json::to_string(&stored()).unwrap();
    let same = patch(&whole).unwrap();
    assert_eq!(value(&same), None);
    assert_eq!(same.object.secret.metadata.labels, stored().metadata.labels);

    assert_eq!(patch("spec: {value: null}").unwrap_err()[0].path, "spec.value");
    assert_eq!(patch("spec: {value: ''}").unwrap_err()[0].path, "spec.value");
    assert_eq!(patch("metadata: {name: other}").unwrap_err()[0].path, "metadata.name");
    assert_eq!(
        patch("metadata: {labels: {a: null}}").unwrap().object.secret.metadata.labels.len(),
        0
    );
}

#[test]
fn a_value_that_stands_in_the_wrong_place_is_not_repeated() {
    for text in [
        VALUE,
        "- hunter2!",
        "spec: hunter2!",
        "spec: [hunter2!]",
        "metadata: {name: a}\nspec:\n  value:hunter2!",
        "metadata: {name: a}\nspec: {value: {hunter2!: hunter2!}}",
        "metadata: {name: a}\nspec: {hunter2!}",
        "metadata: {name: a}\nspec: {kind: hunter2!, value: x}",
        "metadata: hunter2!\nspec: {value: hunter2!}",
        "metadata: {name: a}\nspec: {value: *hunter2!}",
        "metadata: {name: a}\nspec: {value: \"hunter2!}",
        "metadata: {name: a}\nspec: {value: @hunter2!, hunter2!: 1, hunter2!: 2}",
        "metadata: {name: a}\nspec: {value: !hunter2! x}",
        r#"{"metadata":{"name":"a"},"spec":{"value":hunter2!}}"#,
        r#"{"metadata":{"name":"a"},"spec":{"value":"\hunter2!"}}"#,
        r#"{"spec":{"hunter2!":1,"hunter2!":2}}"#,
    ] {
        for format in [Format::Json, Format::Yaml] {
            let shown = match create(text, format) {
                Ok(accepted) => format!("{accepted:?}"),
                Err(problems) => format!("{problems:?}"),
            };
            assert!(!shown.contains("hunter2"), "{text}: {shown}");
        }
    }
}

proptest! {
    #[test]
    fn no_damage_to_a_document_brings_the_value_out(at in 0_usize..60, junk in "[{}\\[\\]:,\"'*&!|>#@%\\\\ \n-]{1,3}") {
        for (text, format) in [
            (r#"{"metadata":{"name":"a"},"spec":{"kind":"Plain","value":"hunter2!"}}"#, Format::Json),
            ("metadata:\n  name: a\nspec:\n  kind: Plain\n  value: hunter2!\n", Format::Yaml),
        ] {
            let mut damaged = text.to_owned();
            damaged.insert_str(at.min(text.len()), &junk);
            let shown = match create(&damaged, format) {
                Ok(accepted) => format!("{accepted:?}"),
                Err(problems) => format!("{problems:?}"),
            };
            prop_assert!(!shown.contains("hunter2"), "{}: {}", damaged, shown);
        }
    }
}
