//! What is written is read back as the same.
#![allow(clippy::needless_pass_by_value, reason = "rows read better without borrows")]

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::document::{Format, parse};

fn check(value: &Value, expected: &str) {
    let text = to_yaml(value).unwrap();
    assert_eq!(text, expected);
    assert_eq!(&parse(text.as_bytes(), Format::Yaml).unwrap().to_value(), value);
}

#[test]
fn texts_that_look_like_something_else_are_quoted() {
    check(
        &json!({"v": "1.20", "m": "no", "e": "", "": "INFO"}),
        "'': INFO\ne: ''\nm: 'no'\nv: '1.20'\n",
    );
    check(
        &json!({"a": "it's: so", "b": "10s", "c": "s3://b/x?y=1#z"}),
        "a: \"it's: so\"\nb: '10s'\nc: s3://b/x?y=1#z\n",
    );
    check(&json!({"a": "tab\there", "z": "\u{85}"}), "a: \"tab\\there\"\nz: \"\\u0085\"\n");
}

#[test]
fn lists_and_maps_are_blocks() {
    check(
        &json!({"a": [{"k": 1, "l": [1, []]}, "x", {}], "b": {"c": null, "d": true}}),
        "a:\n- k: 1\n  l:\n  - 1\n  - []\n- x\n- {}\nb:\n  c: null\n  d: true\n",
    );
    check(&json!([[1, 2], [[3]]]), "- - 1\n  - 2\n- - - 3\n");
}

#[test]
fn several_lines_are_literal_blocks() {
    check(
        &json!({"s": "SELECT 1;\n\n  SELECT 2;\n", "t": "a\nb"}),
        "s: |\n  SELECT 1;\n\n    SELECT 2;\nt: |-\n  a\n  b\n",
    );
    check(&json!({"s": "a\nb\n\n\n", "z": 1}), "s: |+\n  a\n  b\n\n\nz: 1\n");
}

pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON", |f| f.is_finite()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[ a-c:#\\-'\"|>\n\t,{}&*!%@`~?0-9.]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let key = prop_oneof![any::<String>(), "[a-c.:\\-# ']{0,5}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..4)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn yaml_round_trips(value in any_value()) {
        let text = to_yaml(&value).unwrap();
        match parse(text.as_bytes(), Format::Yaml) {
            Ok(document) => prop_assert_eq!(document.to_value(), value, "{}", text),
            // A bare null is an empty document.
            Err(problems) => prop_assert!(value.is_null(), "{:?}\n{}", problems, text),
        }
    }

    #[test]
    fn json_round_trips(value in any_value()) {
        let text = to_json_pretty(&value).unwrap();
        let document = parse(text.as_bytes(), Format::Json).unwrap();
        prop_assert_eq!(document.to_value(), value);
        let again = parse(document.to_json_text().as_bytes(), Format::Json).unwrap();
        prop_assert_eq!(again.to_value(), document.to_value());
    }
}
