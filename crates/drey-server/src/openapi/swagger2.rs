//! Swagger 2.0 for generators that read nothing newer, in the platform's shapes.
//!
//! The platform publishes one schema per resource, read and written alike, in which every member is optional and a
//! polymorphic object (an artifact, a strategy) is one object with all members of all its kinds. Clients that were
//! generated from its file expect exactly that, so this is simpler than the OpenAPI document on purpose:
//!
//! ```text
//! XInput           → X, one with the members of both required          → dropped
//! ["string","null"] → string                          const             → enum of one
//! anyOf [X, null]  → X                                bearer            → apiKey in the header Authorization
//! ```
//!
//! Only the platform's own paths are in it. Made from the finished document; knows nothing of rows or Rust types.

use serde_json::{Map, Value, json};

/// Where the platform's API begins.
const PLATFORM: [&str; 4] = ["/api/v1/", "/namespaces/v1/", "/apitokens/v1/", "/artifacts/v1/"];
const DEFINITIONS: &str = "#/definitions/";
const SCHEMAS: &str = "#/components/schemas/";
/// Members of a schema that Swagger 2.0 has too and that need no change.
const SAME: [&str; 6] = ["description", "format", "enum", "minimum", "maximum", "pattern"];

/// The same contract as Swagger 2.0.
pub(super) fn convert(openapi: &Value) -> Value {
    let names = Names(openapi["components"]["schemas"].as_object());
    let paths: Map<String, Value> = members(&openapi["paths"])
        .filter(|(path, _)| PLATFORM.iter().any(|prefix| path.starts_with(prefix)))
        .map(|(path, item)| (path.clone(), path_item(item, openapi, &names)))
        .collect();
    let definitions: Map<String, Value> = members(&openapi["components"]["schemas"])
        .filter(|(name, _)| !names.is_second(name))
        .map(|(name, schema)| (names.published(name).to_owned(), whole(name, schema, &names)))
        .collect();
    json!({
        "swagger": "2.0",
        "info": {
            "title": openapi["info"]["title"],
            "version": openapi["info"]["version"],
            "description": "The platform's API as Drey serves it, for generators of Swagger 2.0. \
                            /api/openapi.json says more.",
            "license": { "name": openapi["info"]["license"]["name"] },
        },
        "basePath": "/",
        "tags": openapi["tags"],
        "securityDefinitions": {
            "apiKey": { "type": "apiKey", "name": "Authorization", "in": "header" },
        },
        "security": [{ "apiKey": [] }],
        "paths": paths,
        "definitions": definitions,
    })
}

/// The names of all schemas.
struct Names<'a>(Option<&'a Map<String, Value>>);

impl Names<'_> {
    /// `XInput` is published as `X`.
    fn published<'n>(&self, name: &'n str) -> &'n str {
        name.strip_suffix("Input").unwrap_or(name)
    }

    /// Whether this is the `XInput` of an `X` that is there.
    fn is_second(&self, name: &str) -> bool {
        let base = self.published(name);
        base != name && self.0.is_some_and(|all| all.contains_key(base))
    }
}

/// A schema, with the members that are only ever sent: the value of a secret.
fn whole(name: &str, from: &Value, names: &Names<'_>) -> Value {
    let mut made = schema(from, names);
    let second = names.0.and_then(|all| all.get(&format!("{name}Input")));
    let known = made.get_mut("properties").and_then(Value::as_object_mut);
    if let (Some(second), Some(known)) = (second, known) {
        for (member, value) in members(&second["properties"]) {
            known.entry(member.clone()).or_insert_with(|| schema(value, names));
        }
    }
    made
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn path_item(item: &Value, openapi: &Value, names: &Names<'_>) -> Value {
    let methods = members(item);
    methods.map(|(method, op)| (method.clone(), operation(op, openapi, names))).collect()
}

fn operation(from: &Value, openapi: &Value, names: &Names<'_>) -> Value {
    let mut made = json!({
        "operationId": from["operationId"],
        "tags": from["tags"],
        "summary": from["summary"],
        "produces": ["application/json", "application/yaml"],
    });
    if let Some(description) = from.get("description") {
        made["description"] = description.clone();
    }
    if let Some(security) = from.get("security") {
        made["security"] = security.clone();
    }
    let mut parameters: Vec<Value> =
        from["parameters"].as_array().into_iter().flatten().map(|p| parameter(p, names)).collect();
    if let Some(content) = from["requestBody"]["content"].as_object() {
        made["consumes"] = content.keys().map(String::as_str).collect();
        parameters.extend(body(content, names));
    }
    if !parameters.is_empty() {
        made["parameters"] = Value::Array(parameters);
    }
    let answers = members(&from["responses"]).map(|(status, answer)| {
        let answer = followed(answer, openapi);
        (status.clone(), response(answer, openapi, names))
    });
    made["responses"] = answers.collect();
    made
}

/// What a reference within the document leads to.
fn followed<'a>(value: &'a Value, openapi: &'a Value) -> &'a Value {
    let pointer = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| openapi.pointer(pointer)).unwrap_or(value)
}

fn parameter(from: &Value, names: &Names<'_>) -> Value {
    let mut made = schema(&from["schema"], names);
    for key in ["name", "in", "required", "description"] {
        made[key] = from[key].clone();
    }
    made
}

fn body(content: &Map<String, Value>, names: &Names<'_>) -> Vec<Value> {
    if let Some(form) = content.get("multipart/form-data") {
        let parts = members(&form["schema"]["properties"]).map(
            |(name, _)| json!({ "name": name, "in": "formData", "type": "file", "required": true }),
        );
        return parts.collect();
    }
    let schemas = content.values().take(1).map(|media| schema(&media["schema"], names));
    schemas
        .map(|schema| json!({ "name": "body", "in": "body", "required": true, "schema": schema }))
        .collect()
}

fn response(from: &Value, openapi: &Value, names: &Names<'_>) -> Value {
    let mut made = json!({ "description": from["description"] });
    if let Some(document) = from["content"].get("application/json") {
        made["schema"] = schema(&document["schema"], names);
    }
    let headers = members(&from["headers"]).map(|(name, header)| {
        let header = followed(header, openapi);
        let kind = header["schema"]["type"].clone();
        (name.clone(), json!({ "type": kind, "description": header["description"] }))
    });
    made["headers"] = headers.collect();
    made
}

fn schema(from: &Value, names: &Names<'_>) -> Value {
    if let Some(reference) = from["$ref"].as_str() {
        return reference_to(reference, names);
    }
    // Of choices, the one that says something: "this or null" is this.
    if let Some(choices) = from["anyOf"].as_array() {
        let says = |choice: &&Value| choice["type"] != "null";
        return choices.iter().find(says).map_or_else(|| json!({}), |c| schema(c, names));
    }
    let mut made = Map::new();
    for key in SAME {
        made.extend(from.get(key).map(|value| (key.to_owned(), value.clone())));
    }
    if let Some(constant) = from.get("const") {
        made.insert("enum".into(), json!([constant]));
    }
    made.extend(kind(&from["type"]).map(|kind| ("type".to_owned(), json!(kind))));
    if let Some(items) = from.get("items") {
        made.insert("items".into(), schema(items, names));
    }
    if let Some(values) = from.get("additionalProperties").filter(|v| v.is_object()) {
        made.insert("additionalProperties".into(), schema(values, names));
    }
    if from.get("properties").is_some() {
        let properties = members(&from["properties"]);
        let properties = properties.map(|(name, member)| (name.clone(), schema(member, names)));
        made.insert("properties".into(), properties.collect());
    }
    if let Some(example) = from["examples"].get(0) {
        made.insert("example".into(), example.clone());
    }
    Value::Object(made)
}

fn reference_to(reference: &str, names: &Names<'_>) -> Value {
    let name = reference.strip_prefix(SCHEMAS).unwrap_or(reference);
    json!({ "$ref": format!("{DEFINITIONS}{}", names.published(name)) })
}

/// The one type of a schema; `null` does not count.
fn kind(of: &Value) -> Option<&str> {
    match of {
        Value::Array(types) => types.iter().filter_map(Value::as_str).find(|t| *t != "null"),
        other => other.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{openapi, swagger};
    use super::*;

    fn each(value: &Value, look: &mut impl FnMut(&Map<String, Value>)) {
        match value {
            Value::Object(members) => {
                look(members);
                members.values().for_each(|member| each(member, look));
            }
            Value::Array(items) => items.iter().for_each(|item| each(item, look)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_nothing_newer_is_left() {
        let swagger = swagger();
        each(&json!([swagger["paths"], swagger["definitions"]]), &mut |members| {
            if let Some(Value::String(reference)) = members.get("$ref") {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(swagger.pointer(pointer).is_some(), "{reference}");
            }
            let properties = members.get("properties");
            assert!(properties.is_none_or(Value::is_object), "{members:?}");
            let is_schema = properties.is_some();
            assert!(!is_schema || !members.contains_key("required"), "{members:?}");
            for newer in ["anyOf", "oneOf", "const", "content", "requestBody"] {
                assert!(!members.contains_key(newer), "{newer}: {members:?}");
            }
            assert!(!matches!(members.get("type"), Some(Value::Array(_))), "{members:?}");
        });
    }

    #[test]
    fn what_is_written_and_what_is_read_are_one_schema_with_the_platforms_name() {
        let swagger = swagger();
        let path = &swagger["paths"]["/api/v1/namespaces/{namespace}/deployments"]["post"];
        let sent = path["parameters"].as_array().unwrap();
        let sent = sent.iter().find(|p| p["in"] == "body").unwrap();
        assert_eq!(sent["schema"]["$ref"], "#/definitions/Deployment");
        assert_eq!(path["responses"]["201"]["schema"]["$ref"], "#/definitions/Deployment");
        let definitions = &swagger["definitions"];
        assert!(definitions["ResourceListOfDeployment"].is_object());
        assert_eq!(members(definitions).filter(|(name, _)| name.ends_with("Input")).count(), 0);
        let secret = &definitions["SecretValueSpec"]["properties"];
        assert_eq!(secret["value"]["type"], "string", "what is only sent is there too: {secret}");
    }

    #[test]
    fn only_the_platforms_paths_are_in_it() {
        let paths = |document: &Value| -> Vec<String> {
            members(&document["paths"]).map(|(path, _)| path.clone()).collect()
        };
        assert!(paths(openapi()).iter().any(|path| path.starts_with("/ext/")));
        let platform = paths(swagger());
        assert!(!platform.is_empty());
        assert!(platform.iter().all(|path| !path.starts_with("/ext/") && path != "/metrics"));
    }
}
