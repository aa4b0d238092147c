//! Reading: literal texts, places, hostile input.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn yaml(text: &str) -> Document {
    parse(text.as_bytes(), Format::Yaml).unwrap()
}

fn check_refused(text: &str, format: Format, expected: &str) {
    let problems = parse(text.as_bytes(), format).unwrap_err();
    let message = &problems[0].message;
    assert!(message.contains(expected), "{message:?} does not contain {expected:?}");
}

#[test]
fn scalars_keep_their_literal_text() {
    let document = yaml("flinkVersion: 1.20\nslots: 01\nquoted: '1.20'\n");
    assert_eq!(document.text(&["FLINKVERSION"]), Some("1.20"));
    assert_eq!(document.text(&["slots"]), Some("01"));
    let json = parse(br#"{"flinkVersion": 1.20}"#, Format::Json).unwrap();
    assert_eq!(json.text(&["flinkVersion"]), Some("1.20"));
    assert_eq!(document.to_json_text(), r#"{"flinkVersion":1.20,"slots":"01","quoted":"1.20"}"#);
}

#[test]
fn plain_scalars_follow_version_1_2() {
    let text = "a: no\nb: yes\nc: on\nd: true\ne: 1\nf: 1.5\ng: ~\nh:\ni: 0x10\nj: '1'\nk: !!str 1\nl: 1_000\nm: .inf\nn: -.5e3\no: +7";
    let expected = json!({
        "a": "no", "b": "yes", "c": "on", "d": true, "e": 1, "f": 1.5, "g": null, "h": null, "i": 16, "j": "1",
        "k": "1", "l": "1_000", "m": ".inf", "n": -500.0, "o": 7
    });
    assert_eq!(yaml(text).to_value(), expected);
}

#[test]
fn anchors_aliases_and_merge_keys_work() {
    let text = "base: &b {x: 1, y: 2}\nsame: *b\nmore:\n  <<: *b\n  y: 3\n";
    let expected =
        json!({"base": {"x": 1, "y": 2}, "same": {"x": 1, "y": 2}, "more": {"x": 1, "y": 3}});
    assert_eq!(yaml(text).to_value(), expected);
}

#[test]
fn nodes_know_their_place() {
    let document = yaml("spec:\n  state: RUNNING\n");
    assert_eq!(document.find(&["spec", "state"]).unwrap().place, Place { line: 2, column: 3 });
    let json = parse(b"{\n  \"a\": 1}", Format::Json).unwrap();
    assert_eq!(json.find(&["a"]).unwrap().place, Place { line: 2, column: 3 });
}

#[test]
fn what_cannot_be_read_is_said_with_its_place() {
    check_refused("a: 1\na: 2\n", Format::Yaml, "the member \"a\" is given twice (2:1)");
    check_refused(r#"{"a":1,"a":2}"#, Format::Json, "the member \"a\" is given twice (1:8)");
    check_refused("a: [1, 2\nb: 3", Format::Yaml, "Cannot read the YAML");
    check_refused("{\"a\": 1,}", Format::Json, "expected a value after ',', found '}' (1:9)");
    check_refused("{\"a\": 01}", Format::Json, "found \"01\" (1:7)");
    check_refused("{\"a\": tru}", Format::Json, "found \"tru\"");
    check_refused("{\"a\": \"x", Format::Json, "has no end (1:7)");
    check_refused("{a: 1}", Format::Json, "member name in double quotes");
    check_refused("{} {}", Format::Json, "expected the end of the text");
    check_refused("a: !gadget 1", Format::Yaml, "tag");
    check_refused("[a]: 1", Format::Yaml, "cannot be a key");
    check_refused("a: *nothing", Format::Yaml, "(1:4)");
    check_refused("&a [*a]", Format::Yaml, "contains it");
    check_refused("", Format::Yaml, "empty");
    check_refused("a: 1\n---\nb: 2\n", Format::Yaml, "found 2");
    assert!(parse(b"\xff\xfe", Format::Yaml).unwrap_err()[0].message.contains("UTF-8"));
}

#[test]
fn many_documents_are_split_and_empty_ones_skipped() {
    let documents =
        parse_many(b"---\nkind: A\n---\n---\nkind: B\nmetadata: {name: x}\n...\n").unwrap();
    let found: Vec<_> = documents.iter().map(|d| (d.kind(), d.name())).collect();
    assert_eq!(found, [(Some("A"), None), (Some("B"), Some("x"))]);
    assert!(parse_many(b"").unwrap().is_empty());
}

#[test]
fn hostile_input_is_refused_and_costs_little() {
    for (open, format) in [
        ("[", Format::Json),
        ("[", Format::Yaml),
        ("{\"a\":", Format::Json),
        ("- ", Format::Yaml),
        ("{a: ", Format::Yaml),
    ] {
        let problems = parse(open.repeat(100_000).as_bytes(), format).unwrap_err();
        assert_eq!(problems.len(), 1);
    }
    let mut laughs = "a0: &a0 [ha, ha, ha]\n".to_owned();
    for i in 1..30 {
        laughs.push_str(&format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 9].join(", ")));
    }
    check_refused(&laughs, Format::Yaml, "more than");
    let mut deep = "a0: &a0 [x]\n".to_owned();
    for i in 1..200 {
        deep.push_str(&format!("a{i}: &a{i} [*a{}]\n", i - 1));
    }
    check_refused(&deep, Format::Yaml, "levels deep");
    let wide = format!("s: &s {}\nl: [{}]", "x".repeat(1 << 20), vec!["*s"; 1000].join(", "));
    check_refused(&wide, Format::Yaml, "bytes");
}

#[test]
fn long_monotonous_text_is_read_in_linear_time() {
    let parts = [
        "a ",
        "a: ",
        "- ",
        "? ",
        "'",
        "\"",
        "|\n",
        ">",
        "!",
        "!a ",
        "&a ",
        "*a ",
        "&a\n",
        "%A\n",
        "#\n",
        "# a",
        "---\n",
        "\n",
        "\t",
        " ",
        "[]",
        "[],",
        "{},",
        "{a,",
        "a,",
        ":",
        "?\n",
        "-\n",
        "\\",
        "\r",
        "...\n",
        "é",
        "<<: ",
        "\"\\u",
        "--- a\n",
        "a:\n",
        " - a\n",
        "? a\n",
        "a: |\n x\n",
    ];
    for part in parts {
        let text = part.repeat(10_000);
        for text in [text.clone(), format!("[{text}"), format!("a: {text}"), format!("\"{text}")] {
            let started = std::time::Instant::now();
            let _ = parse(text.as_bytes(), Format::Json);
            let _ = parse_many(text.as_bytes());
            assert!(started.elapsed().as_secs() < 60, "{part:?} takes {:?}", started.elapsed());
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, Format::Json);
        let _ = parse(&bytes, Format::Yaml);
        let _ = parse_many(&bytes);
    }

    #[test]
    fn yaml_like_text_is_read_or_refused(text in "[-a:{}\\[\\], \n&*!|>'\"#?%~<0.1]{0,60}") {
        let _ = parse(text.as_bytes(), Format::Json);
        let _ = parse_many(text.as_bytes());
    }
}
