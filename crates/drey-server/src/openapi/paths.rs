//! Operations: one per row of the table, with what every row has in common said once.
//!
//! A row says what is particular to it. From its shape follows the rest: a body can be too large or of a wrong type, a
//! path can name what does not exist, whatever is not public asks for credentials.

use drey_model::ErrorBody;
use serde_json::{Map, Value, json};

use super::schemas::Schemas;
use crate::routes::{Answer, Body, Content, Method, Permission, Query, QueryType, Route, TypeOf};

/// What everyone can meet: a host name that is not ours, a fault, a store that is out of reach.
const ALWAYS: [u16; 3] = [403, 500, 503];

/// The `paths` of the document.
pub(super) fn of(rows: &[Route], schemas: &mut Schemas) -> Map<String, Value> {
    let mut paths = Map::new();
    for row in rows.iter().filter(|row| row.method != Method::Any) {
        let path = format!("{}{}", row.path.replace("{ns}", "{namespace}"), row.docs.action);
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[row.method.to_string().to_lowercase()] = operation(row, schemas);
    }
    paths
}

fn operation(row: &Route, schemas: &mut Schemas) -> Value {
    let mut operation = json!({
        "operationId": row.id,
        "tags": [row.tag.to_string()],
        "summary": row.summary,
        "responses": responses(row, schemas),
    });
    if !row.docs.note.is_empty() {
        operation["description"] = json!(row.docs.note);
    }
    let mut parameters: Vec<Value> = path_parameters(row.path).collect();
    parameters.extend(row.docs.query.iter().map(query_parameter));
    if row.docs.is_conditional {
        parameters.push(if_match());
        parameters.extend((row.method == Method::Put).then(if_none_match));
    }
    if !parameters.is_empty() {
        operation["parameters"] = json!(parameters);
    }
    if let Some(body) = row.docs.body {
        operation["requestBody"] = request(body, schemas);
    }
    match row.permission {
        Permission::Public => operation["security"] = json!([]),
        Permission::Known => {}
        Permission::Namespaced { resource, access } | Permission::System { resource, access } => {
            operation["x-permission"] = json!(format!("{access} {resource}"));
        }
    }
    operation
}

fn path_parameters(path: &str) -> impl Iterator<Item = Value> {
    let names = path.split('/').filter_map(|s| s.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| {
        let (name, about) = match name {
            "ns" => ("namespace", "The namespace."),
            "name" => ("name", "The name; of a Deployment also its id."),
            "id" | "jobId" => (name, "The id."),
            "file" => ("file", "A name as listed."),
            other => (other, "The name."),
        };
        let schema = if name == "id" || name == "jobId" {
            json!({ "type": "string", "format": "uuid" })
        } else {
            json!({ "type": "string" })
        };
        json!({ "name": name, "in": "path", "required": true, "description": about, "schema": schema })
    })
}

fn query_parameter(query: &Query) -> Value {
    let schema = match query.of {
        QueryType::Text => json!({ "type": "string" }),
        QueryType::Uuid => json!({ "type": "string", "format": "uuid" }),
        QueryType::Number => json!({ "type": "integer", "format": "int64", "minimum": 0 }),
        QueryType::Flag => json!({ "type": "boolean" }),
    };
    json!({
        "name": query.name,
        "in": "query",
        "required": query.is_required,
        "description": query.about,
        "schema": schema,
    })
}

fn if_match() -> Value {
    json!({
        "name": "If-Match",
        "in": "header",
        "required": false,
        "description": "Only if the object is at this version: an `ETag`, several, or `*`. 412 otherwise.",
        "schema": { "type": "string" },
    })
}

fn if_none_match() -> Value {
    json!({
        "name": "If-None-Match",
        "in": "header",
        "required": false,
        "description": "`*`: only if there is no such object, so that nothing is replaced. 412 otherwise.",
        "schema": { "type": "string" },
    })
}

fn request(body: Body, schemas: &mut Schemas) -> Value {
    let (types, schema): (&[&str], Value) = match body {
        Body::Document(of) => (&["application/json", "application/yaml"], schemas.body(of)),
        Body::MergePatch(of) => (
            &[
                "application/json",
                "application/yaml",
                "application/merge-patch+json",
                "application/merge-patch+yaml",
            ],
            schemas.body(of),
        ),
        Body::File(part) => {
            let file = json!({ "type": "string", "format": "binary" });
            let form =
                json!({ "type": "object", "properties": { part: file }, "required": [part] });
            (&["multipart/form-data"], form)
        }
    };
    json!({ "required": true, "content": media(types, &schema) })
}

fn media(types: &[&str], schema: &Value) -> Map<String, Value> {
    types.iter().map(|name| ((*name).to_owned(), json!({ "schema": schema }))).collect()
}

fn responses(row: &Route, schemas: &mut Schemas) -> Map<String, Value> {
    let mut responses = Map::new();
    for answer in &row.docs.answers {
        responses.insert(answer.status.to_string(), response(answer, schemas));
    }
    for status in failing(row) {
        let reference = json!({ "$ref": format!("#/components/responses/{}", name_of(status)) });
        responses.insert(status.to_string(), reference);
    }
    responses
}

/// How an operation can fail.
fn failing(row: &Route) -> Vec<u16> {
    let mut statuses = ALWAYS.to_vec();
    statuses.extend_from_slice(&row.docs.errors);
    if row.permission != Permission::Public {
        statuses.extend([401, 429]);
    }
    if row.path.contains('{') {
        statuses.extend([400, 404]);
    }
    if !row.docs.query.is_empty() {
        statuses.push(400);
    }
    if row.docs.body.is_some() {
        statuses.extend([400, 413, 415]);
    }
    statuses
}

fn response(answer: &Answer, schemas: &mut Schemas) -> Value {
    let mut content = Map::new();
    for part in &answer.content {
        match part {
            Content::Document(of) => {
                let schema = schemas.answer(*of);
                content.extend(media(&["application/json", "application/yaml"], &schema));
            }
            Content::Text(name) => content.extend(media(&[name], &json!({ "type": "string" }))),
            Content::Events(of) => {
                let data = schemas.answer(*of);
                let mut events = media(&["text/event-stream"], &json!({ "type": "string" }));
                events["text/event-stream"]["x-event-data"] = data;
                content.extend(events);
            }
        }
    }
    let mut headers = json!({ "X-Request-Id": { "$ref": "#/components/headers/X-Request-Id" } });
    if answer.has_version {
        headers["ETag"] = json!({ "$ref": "#/components/headers/ETag" });
        headers["Drey-Warning"] = json!({ "$ref": "#/components/headers/Drey-Warning" });
    }
    for (name, about) in &answer.headers {
        headers[*name] = json!({ "description": about, "schema": { "type": "string" } });
    }
    let mut response = json!({ "description": answer.about, "headers": headers });
    if !content.is_empty() {
        response["content"] = Value::Object(content);
    }
    response
}

/// The headers that several answers have.
pub(super) fn headers() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "X-Request-Id": {
            "description": "Ties the answer to the server's log; a short one of the request's is kept.",
            "schema": text,
        },
        "ETag": {
            "description": "The object's `metadata.resourceVersion`, for `If-Match`.",
            "schema": text,
        },
        "Drey-Warning": {
            "description": "What was accepted but not as it was written: unknown members, for example. One header each.",
            "schema": text,
        },
        "Retry-After": {
            "description": "Seconds after which trying again makes sense.",
            "schema": { "type": "integer" },
        },
    })
}

/// The failures; all have one layout.
pub(super) fn failures(schemas: &mut Schemas) -> Map<String, Value> {
    let table = [
        (400, "What was sent is not right. Every problem is listed in `context.problems`."),
        (401, "Credentials are missing or not valid."),
        (403, "The caller may not do this, or a page of another site sent it."),
        (404, "There is no such object, or no such namespace."),
        (
            409,
            "The state of things forbids it: the name is taken, it is still in use, its job runs.",
        ),
        (408, "Nothing arrived for too long, or the whole took too long."),
        (412, "`If-Match` does not hold: somebody was faster."),
        (413, "The body is larger than what is read."),
        (415, "The body is of a type that is not read."),
        (429, "Too many attempts; `Retry-After` says when to try again."),
        (500, "A fault of the server; its log has the reason under the request id."),
        (
            503,
            "Not now: the database, the backend or Flink is out of reach. Trying again may help.",
        ),
    ];
    let schema = schemas.answer(TypeOf::of::<ErrorBody>());
    let content = media(&["application/json", "application/yaml"], &schema);
    let made = table.map(|(status, about)| {
        let mut headers =
            json!({ "X-Request-Id": { "$ref": "#/components/headers/X-Request-Id" } });
        if matches!(status, 429 | 503) {
            headers["Retry-After"] = json!({ "$ref": "#/components/headers/Retry-After" });
        }
        let response = json!({ "description": about, "headers": headers, "content": content });
        (name_of(status).to_owned(), response)
    });
    made.into_iter().collect()
}

fn name_of(status: u16) -> &'static str {
    match status {
        400 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        408 => "RequestTimeout",
        409 => "Conflict",
        412 => "PreconditionFailed",
        413 => "PayloadTooLarge",
        415 => "UnsupportedMediaType",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        _ => "InternalServerError",
    }
}
