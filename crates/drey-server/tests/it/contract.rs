//! Holds every answer of every test against the OpenAPI document: status, media type, headers, and the body, in which no
//! member may be that the document does not have.
//!
//! The world wraps each router in [`hold`], so no test can forget it. What has no row (an unknown path, a wrong method)
//! must still fail in the one layout; what Flink says below `/flink-ui/` is Flink's.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use drey_model::document::{self, Format};
use drey_server::openapi;
use futures::TryStreamExt;
use jsonschema::Validator;
use serde_json::{Value, json};

const ERROR: &str = "#/components/schemas/Error";
const WHOLE: [&str; 2] = ["application/json", "application/yaml"];

/// Panics when an answer is not as documented.
pub(crate) async fn hold(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    if path.starts_with("/flink-ui/") || method == Method::HEAD {
        return response;
    }
    let (parts, mut body) = response.into_parts();
    let mut bytes = None;
    if WHOLE.contains(&media_type(&parts.headers)) {
        let whole = to_bytes(body, 64 << 20).await.unwrap();
        body = Body::from(whole.clone());
        bytes = Some(whole);
    }
    let found = Seen { method, path, status: parts.status, headers: parts.headers.clone(), bytes };
    let problems = found.problems();
    assert!(problems.is_empty(), "not as documented: {problems:#?}\n{found:?}");
    if let Some(data) = found.event_data() {
        let pieces = body.into_data_stream();
        body = Body::from_stream(pieces.inspect_ok(move |piece| hold_events(data, piece)));
    }
    Response::from_parts(parts, body)
}

/// Panics when the data of an event is not as documented; each piece of a stream is a whole event, or a comment.
fn hold_events(schema: &Value, piece: &Bytes) {
    let text = std::str::from_utf8(piece).unwrap();
    for data in text.lines().filter_map(|line| line.strip_prefix("data:")) {
        let problems = differences(schema, &serde_json::from_str(data).unwrap());
        assert!(problems.is_empty(), "not as documented: {problems:#?}\n{data}");
    }
}

/// What came back.
#[derive(Debug)]
struct Seen {
    method: Method,
    path: String,
    status: StatusCode,
    headers: HeaderMap,
    /// The body, of answers that are documents.
    bytes: Option<Bytes>,
}

fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get("content-type").map_or("", |v| v.to_str().unwrap());
    value.split(';').next().unwrap_or("").trim()
}

impl Seen {
    /// How it differs from what is documented.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.headers.contains_key("x-request-id") {
            problems.push("no X-Request-Id".to_owned());
        }
        let Some(operation) = operation(&self.method, &self.path) else {
            if self.status.as_u16() < 400 {
                problems.push("an answer of a path that is not documented".to_owned());
            }
            problems.extend(self.body(&json!({ "$ref": ERROR })));
            return problems;
        };
        let answer = &operation["responses"][self.status.as_str()];
        if answer.is_null() {
            problems.push(format!("status {} is not documented", self.status));
            return problems;
        }
        let answer = followed(answer);
        // What was only rehearsed cannot be changed, so it has no tag.
        let is_rehearsed = self.headers.contains_key("drey-dry-run");
        if answer["headers"].get("ETag").is_some()
            && self.headers.contains_key("etag") == is_rehearsed
        {
            problems.push("no ETag".to_owned());
        }
        match &answer["content"][media_type(&self.headers)] {
            // A redirect, say.
            Value::Null if answer["content"].is_null() => {}
            Value::Null => problems.push("the media type is not documented".to_owned()),
            content => problems.extend(self.body(&content["schema"])),
        }
        problems
    }

    /// What is documented of the data of each event, of an answer that is a stream of them.
    fn event_data(&self) -> Option<&'static Value> {
        let answer = &operation(&self.method, &self.path)?["responses"][self.status.as_str()];
        followed(answer)["content"].get(media_type(&self.headers))?.get("x-event-data")
    }

    fn body(&self, schema: &Value) -> Vec<String> {
        let Some(bytes) = &self.bytes else { return Vec::new() };
        let value = match media_type(&self.headers) {
            "application/yaml" => document::parse(bytes, Format::Yaml).unwrap().to_value(),
            _ => serde_json::from_slice(bytes).unwrap(),
        };
        differences(schema, &value)
    }
}

/// How a value differs from a schema that allows no unknown member.
pub(crate) fn differences(schema: &Value, value: &Value) -> Vec<String> {
    let errors: Vec<_> = validator(schema)
        .iter_errors(value)
        .map(|e| format!("{}: {e}", e.instance_path()))
        .collect();
    errors
}

/// Made once per schema.
fn validator(schema: &Value) -> Arc<Validator> {
    static MADE: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let mut made = MADE.lock().unwrap();
    let validator = made.entry(schema.to_string()).or_insert_with(|| {
        let mut root = schema.clone();
        root["components"] = CLOSED.clone();
        let options = jsonschema::options().should_validate_formats(true);
        Arc::new(options.build(&root).unwrap())
    });
    Arc::clone(validator)
}

/// The components, with unknown members forbidden.
static CLOSED: LazyLock<Value> = LazyLock::new(|| {
    let mut components = openapi()["components"].clone();
    close(&mut components);
    components
});

fn close(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(close);
            if members.contains_key("properties") && !members.contains_key("additionalProperties") {
                members.insert("additionalProperties".into(), json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// The documented operation that a request is for; of several that match, the one with the most plain segments.
fn operation(method: &Method, path: &str) -> Option<&'static Value> {
    let paths = openapi()["paths"].as_object().unwrap();
    let method = method.as_str().to_lowercase();
    let matching = paths.iter().filter(|(template, _)| matches(template, path));
    let matching = matching.filter_map(|(template, item)| Some((template, item.get(&method)?)));
    matching.min_by_key(|(template, _)| template.matches('{').count()).map(|(_, found)| found)
}

fn matches(template: &str, path: &str) -> bool {
    let (mut ours, mut theirs) = (template.split('/'), path.split('/'));
    let same = ours.by_ref().zip(theirs.by_ref());
    let pairs: Vec<_> = same.collect();
    let is_as_long = template.split('/').count() == path.split('/').count();
    let is_filled = |ours: &str, theirs: &str| {
        let action = ours.split_once('}').map_or("", |(_, action)| action);
        ours.starts_with('{') && !theirs.is_empty() && theirs.ends_with(action)
    };
    is_as_long && pairs.iter().all(|(a, b)| a == b || is_filled(a, b))
}

fn followed(value: &'static Value) -> &'static Value {
    let Some(reference) = value["$ref"].as_str() else { return value };
    openapi().pointer(reference.trim_start_matches('#')).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(status: u16, body: &Value) -> Seen {
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", "1".parse().unwrap());
        headers.insert("content-type", "application/json".parse().unwrap());
        Seen {
            method: Method::GET,
            path: "/api/v1/status".into(),
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            bytes: Some(body.to_string().into()),
        }
    }

    #[test]
    fn what_is_documented_passes_and_nothing_else() {
        let good = json!({"status": "UP"});
        assert_eq!(seen(200, &good).problems(), [""; 0]);
        assert_eq!(seen(200, &json!({"status": "UP", "extra": 1})).problems().len(), 1);
        assert_eq!(seen(200, &json!({})).problems().len(), 1);
        assert_eq!(seen(202, &good).problems(), ["status 202 Accepted is not documented"]);
        assert!(!seen(503, &good).problems().is_empty(), "an error has the layout of errors");
        let nameless = Seen { headers: HeaderMap::new(), ..seen(200, &good) };
        assert_eq!(nameless.problems().len(), 2, "no id, no type");
        let elsewhere = Seen { path: "/api/v1/nowhere".into(), ..seen(200, &good) };
        assert!(!elsewhere.problems().is_empty());
    }

    #[test]
    #[should_panic(expected = "not as documented")]
    fn an_event_with_an_unknown_member_is_found() {
        let watch = operation(&Method::GET, "/ext/v1/watch").unwrap();
        let data = &watch["responses"]["200"]["content"]["text/event-stream"]["x-event-data"];
        hold_events(data, &Bytes::from("data: {\"type\":\"RESET\",\"revision\":1}\n\n"));
        hold_events(data, &Bytes::from("data: {\"type\":\"RESET\",\"revision\":1,\"x\":2}\n\n"));
    }

    #[test]
    fn a_template_matches_segment_by_segment() {
        assert!(matches("/a/{b}/c", "/a/x/c"));
        assert!(!matches("/a/{b}/c", "/a//c"));
        assert!(!matches("/a/{b}", "/a/x/c"));
        assert!(!matches("/a/{b}/c", "/a/x"));
        assert!(matches("/a/{b}:do", "/a/x:do") && !matches("/a/{b}:do", "/a/x"));
    }
}
