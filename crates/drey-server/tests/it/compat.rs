//! The platform's clients as recorded conversations: what they send, word for word in shape, and what they must find in
//! the answer. The files in `tests/compat` are the recordings, one per client, and are meant to be read.
//!
//! ```yaml
//! - request: POST /api/v1/…        method and path; `<name>` stands for a value that was kept
//!   headers: {accept: …}           JSON is sent unless content-type says otherwise
//!   body: …                        a value, or text that is sent as it is
//!   answer: 201                    the status
//!   header: {etag: '"1"'}          headers that must be so
//!   finds: …                       members that must be so; others may be there
//! - world: {observe: …}            what the controller would do in the meantime
//! ```
//!
//! In `finds`, `<uuid>`, `<time>`, `<text>`, `<number>` and `<absent>` stand for any such value, and `<uuid as deployment>`
//! keeps it under that name. Lists are compared item by item and must be as long.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use axum::body::Body;
use drey_model::document::{self, Format};
use drey_model::{DeploymentState, JobState};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Answer, Server, request};

#[tokio::test]
async fn the_operator_of_fintechstudios_notices_nothing() {
    play("fintechstudios-operator").await;
}

#[tokio::test]
async fn jupyter_vvp_notices_nothing() {
    play("jupyter-vvp").await;
}

#[tokio::test]
async fn vvpctl_notices_nothing() {
    play("vvpctl").await;
}

#[tokio::test]
async fn the_go_sdk_notices_nothing() {
    play("go-sdk").await;
}

#[tokio::test]
async fn the_platforms_own_operator_notices_nothing() {
    play("vvp3-operator").await;
}

#[tokio::test]
async fn scripts_around_curl_notice_nothing() {
    play("scripts").await;
}

#[test]
fn every_recording_is_played() {
    let own = include_str!("compat.rs");
    let files: Vec<PathBuf> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 6);
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        assert!(own.contains(&format!("play({name:?})")), "{name} has no test");
    }
}

#[test]
fn what_differs_is_found() {
    let mut kept = Kept::new();
    let mut differs = |expected: Value, found: Value| {
        let mut out = Vec::new();
        compare("", &expected, Some(&found), &mut kept, &mut out);
        out.len()
    };
    assert_eq!(differs(json!({"a": "<uuid>"}), json!({"a": Uuid::nil(), "b": 1})), 0);
    assert_eq!(differs(json!({"a": "<uuid>"}), json!({"a": "x"})), 1);
    assert_eq!(differs(json!({"a": "<absent>"}), json!({"a": null})), 1);
    assert_eq!(differs(json!({"a": 1, "b": 2}), json!({"a": 2})), 2);
    assert_eq!(differs(json!([1]), json!([1, 2])), 1);
    assert_eq!(differs(json!("<time>"), json!("2026-01-01T00:00:00Z")), 0);
    assert_eq!(differs(json!("<time>"), json!("yesterday")), 1);
    assert_eq!(differs(json!("<number>"), json!("1")), 1);
    assert_eq!(differs(json!("<text>"), json!("")), 1);
}

type Kept = BTreeMap<String, String>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat")
}

async fn play(name: &str) {
    let path = folder().join(format!("{name}.yaml"));
    let text = std::fs::read(&path).unwrap();
    let recording = document::parse(&text, Format::Yaml).unwrap().to_value();
    let server = Server::start().await;
    let mut kept = Kept::new();
    let steps = recording["conversation"].as_array().unwrap();
    assert!(steps.len() > 2, "{name} is a conversation");
    for (number, step) in steps.iter().enumerate() {
        let what = format!("{name}, step {}: {}", number + 1, step["request"]);
        match step.get("world") {
            Some(world) => act(&server, &filled(world, &kept), &mut kept).await,
            None => exchange(&server, &filled_request(step, &kept), &mut kept, &what).await,
        }
    }
}

/// Names are filled in everywhere but in `finds`, where they are compared.
fn filled_request(step: &Value, kept: &Kept) -> Value {
    let mut step = step.clone();
    for key in ["request", "headers", "body"] {
        step[key] = filled(&step[key], kept);
    }
    step
}

fn filled(value: &Value, kept: &Kept) -> Value {
    match value {
        Value::String(text) => {
            let mut text = text.clone();
            for (name, value) in kept {
                text = text.replace(&format!("<{name}>"), value);
            }
            json!(text)
        }
        Value::Array(items) => items.iter().map(|item| filled(item, kept)).collect(),
        Value::Object(members) => {
            members.iter().map(|(key, member)| (key.clone(), filled(member, kept))).collect()
        }
        other => other.clone(),
    }
}

/// What the controller would do.
async fn act(server: &Server, world: &Value, kept: &mut Kept) {
    let id = |value: &Value| value.as_str().unwrap().parse::<Uuid>().unwrap();
    if let Some(observed) = world.get("observe") {
        let state: DeploymentState = serde_json::from_value(observed["state"].clone()).unwrap();
        server.observe(id(&observed["deployment"]), state).await;
    } else {
        let job = world.get("job").expect("the world can observe and start a job");
        let state: JobState = serde_json::from_value(job["state"].clone()).unwrap();
        let made = server.job(id(&job["deployment"]), state).await;
        kept.insert(job["as"].as_str().unwrap().to_owned(), made.to_string());
    }
}

async fn exchange(server: &Server, step: &Value, kept: &mut Kept, what: &str) {
    let (method, path) = step["request"].as_str().unwrap().split_once(' ').unwrap();
    let mut headers: Vec<(&str, &str)> = Vec::new();
    for (name, value) in step["headers"].as_object().into_iter().flatten() {
        headers.push((name, value.as_str().unwrap()));
    }
    let body = match &step["body"] {
        Value::Null => Body::empty(),
        Value::String(text) => Body::from(text.clone()),
        value => {
            headers.push(("content-type", "application/json"));
            Body::from(value.to_string())
        }
    };
    let answer = server.send(request(method, path, &headers, body)).await;
    assert_eq!(json!(answer.status.as_u16()), step["answer"], "{what}: {}", answer.text);
    for (name, value) in step["header"].as_object().into_iter().flatten() {
        assert_eq!(answer.header(name), value.as_str().unwrap(), "{what}: {name}");
    }
    let mut out = Vec::new();
    compare("", &step["finds"], Some(&parsed(&answer)), kept, &mut out);
    assert!(out.is_empty(), "{what}: {out:#?}\n{}", answer.text);
}

fn parsed(answer: &Answer) -> Value {
    match answer.header("content-type") {
        "application/yaml" => {
            document::parse(answer.text.as_bytes(), Format::Yaml).unwrap().to_value()
        }
        _ => answer.json(),
    }
}

/// Collects where `found` is not what is expected.
fn compare(
    at: &str,
    expected: &Value,
    found: Option<&Value>,
    kept: &mut Kept,
    out: &mut Vec<String>,
) {
    match (expected, found) {
        (Value::Object(members), Some(Value::Object(there))) => {
            for (key, member) in members {
                compare(&format!("{at}.{key}"), member, there.get(key), kept, out);
            }
        }
        (Value::Array(items), Some(Value::Array(there))) if items.len() == there.len() => {
            for (index, (item, there)) in items.iter().zip(there).enumerate() {
                compare(&format!("{at}[{index}]"), item, Some(there), kept, out);
            }
        }
        (Value::String(text), found) if text.starts_with('<') => {
            if !stands_for(text, found, kept) {
                out.push(format!("{at}: expected {text}, found {found:?}"));
            }
        }
        // Nothing is expected of this answer.
        (Value::Null, _) => {}
        (expected, found) if Some(expected) == found => {}
        (expected, found) => out.push(format!("{at}: expected {expected}, found {found:?}")),
    }
}

/// Whether a value is what a placeholder stands for; keeps it if the placeholder says so.
fn stands_for(placeholder: &str, found: Option<&Value>, kept: &mut Kept) -> bool {
    let inner = placeholder.trim_start_matches('<').trim_end_matches('>');
    let (class, name) = inner.split_once(" as ").map_or((inner, None), |(c, n)| (c, Some(n)));
    let Some(found) = found else { return class == "absent" };
    let text = found.as_str().unwrap_or("");
    if let Some(name) = name {
        kept.insert(name.to_owned(), text.to_owned());
    }
    match class {
        "uuid" => Uuid::try_parse(text).is_ok(),
        "time" => text.ends_with('Z') && text.parse::<Timestamp>().is_ok(),
        "text" => !text.is_empty(),
        "number" => found.is_number(),
        "absent" => false,
        other => kept.get(other).is_some_and(|value| value == text),
    }
}
