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
    Response::from_parts(parts, body)
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
        if answer["headers"].get("ETag").is_some() && !self.headers.contains_key("etag") {
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
    fn a_template_matches_segment_by_segment() {
        assert!(matches("/a/{b}/c", "/a/x/c"));
        assert!(!matches("/a/{b}/c", "/a//c"));
        assert!(!matches("/a/{b}", "/a/x/c"));
        assert!(!matches("/a/{b}/c", "/a/x"));
        assert!(matches("/a/{b}:do", "/a/x:do") && !matches("/a/{b}:do", "/a/x"));
    }
}
