//! Component schemas: from Rust types to what a client's generator should read.
//!
//! A type that is both read and written has two schemas, because they promise different things.
//!
//! ```text
//! answers   X        what serde writes: members that are always there are required, nothing is null
//! bodies    XInput   what we read: every member may be left out or null, maps of text also take numbers and booleans
//! ```
//!
//! Enums are the same in both, so they have one schema. Until [`settle`] runs, references of bodies point into a room of
//! their own: only at the end it is known which of them are objects.

use std::collections::BTreeSet;

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::routes::TypeOf;

const ANSWERS: &str = "#/components/schemas/";
const BODIES: &str = "#/components/bodies/";
/// Formats that the registry of OpenAPI knows; Rust's other widths say nothing to a client.
const FORMATS: [&str; 6] = ["int32", "int64", "double", "float", "uuid", "date-time"];
/// Beginnings of parentheses in doc comments that only readers of the source can follow.
const ASIDES: [&str; 3] = [" (platform API reference", " (seed ", " ([`"];

/// The schemas that were asked for so far.
pub(super) struct Schemas {
    answers: SchemaGenerator,
    bodies: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = |path: &'static str| {
            SchemaSettings::draft2020_12().with(|s| {
                s.definitions_path = path.into();
                s.meta_schema = None;
            })
        };
        Self {
            answers: settings("/components/schemas").for_serialize().into_generator(),
            bodies: settings("/components/bodies").for_deserialize().into_generator(),
        }
    }

    /// The schema of what is answered.
    pub(super) fn answer(&mut self, of: TypeOf) -> Value {
        polished(of.0(&mut self.answers), Side::Answer)
    }

    /// The schema of what is sent.
    pub(super) fn body(&mut self, of: TypeOf) -> Value {
        polished(of.0(&mut self.bodies), Side::Body)
    }

    /// All components by name.
    pub(super) fn finish(mut self) -> Map<String, Value> {
        let mut all = Map::new();
        for (name, schema) in self.answers.take_definitions(true) {
            all.insert(name, polish(schema, Side::Answer));
        }
        for (name, schema) in self.bodies.take_definitions(true) {
            let schema = polish(schema, Side::Body);
            if is_object(&schema) {
                all.insert(format!("{name}Input"), schema);
            } else {
                all.entry(name).or_insert(schema);
            }
        }
        constants(&mut all);
        all
    }
}

/// Leads references of bodies to where their schemas are, and drops the schemas that nothing refers to any more: the
/// enum of all kinds, of which each resource only has its own.
pub(super) fn settle(document: &mut Value) {
    let names: Vec<String> = document["components"]["schemas"]
        .as_object()
        .map(|all| all.keys().cloned().collect())
        .unwrap_or_default();
    each_reference(document, &mut |reference| {
        if let Some(name) = reference.strip_prefix(BODIES) {
            let input = format!("{name}Input");
            let name = if names.contains(&input) { &input } else { name };
            *reference = format!("{ANSWERS}{name}");
        }
    });
    let mut used = BTreeSet::new();
    each_reference(document, &mut |reference| {
        used.extend(reference.strip_prefix(ANSWERS).map(str::to_owned));
    });
    if let Value::Object(all) = &mut document["components"]["schemas"] {
        all.retain(|name, _| used.contains(name));
    }
}

fn each_reference(value: &mut Value, change: &mut impl FnMut(&mut String)) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                match member {
                    Value::String(text) if key == "$ref" => change(text),
                    other => each_reference(other, change),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| each_reference(item, change)),
        _ => {}
    }
}

/// Who writes what a schema describes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Answer,
    Body,
}

fn polished(schema: Schema, side: Side) -> Value {
    polish(schema.to_value(), side)
}

fn polish(schema: Value, side: Side) -> Value {
    let Value::Object(mut schema) = schema else {
        return json!({});
    };
    for part in parts(&mut schema) {
        *part = polish(part.take(), side);
    }
    schema.remove("default");
    join_constants(&mut schema);
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = for_clients(text);
    }
    if schema.get("format").and_then(Value::as_str).is_some_and(|f| !FORMATS.contains(&f)) {
        schema.remove("format");
    }
    if schema.contains_key("properties") {
        members(&mut schema, side);
    } else if side == Side::Body {
        tolerate_scalars(&mut schema);
    }
    Value::Object(schema)
}

/// The schemas inside a schema.
fn parts(schema: &mut Map<String, Value>) -> Vec<&mut Value> {
    let mut found = Vec::new();
    for (key, value) in schema {
        match (key.as_str(), value) {
            ("properties", Value::Object(members)) => found.extend(members.values_mut()),
            ("anyOf" | "oneOf" | "allOf", Value::Array(items)) => found.extend(items),
            ("items" | "additionalProperties", value @ (Value::Object(_) | Value::Bool(true))) => {
                found.push(value);
            }
            _ => {}
        }
    }
    found
}

/// Which members are there, and whether they can be null.
fn members(schema: &mut Map<String, Value>, side: Side) {
    let required = match side {
        Side::Answer => schema.get("required").cloned().unwrap_or_default(),
        Side::Body => schema.remove("required").map_or(Value::Null, |_| Value::Null),
    };
    let required: Vec<String> = serde_json::from_value(required).unwrap_or_default();
    let Some(Value::Object(members)) = schema.get_mut("properties") else { return };
    for (name, member) in members {
        match side {
            Side::Answer if !required.contains(name) => *member = without_null(member.take()),
            Side::Answer => {}
            Side::Body => *member = with_null(member.take()),
        }
    }
}

fn without_null(mut schema: Value) -> Value {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|t| t != "null");
        if let [only] = types.as_slice() {
            schema["type"] = only.clone();
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            if let Value::Object(schema) = &mut schema {
                schema.remove("anyOf");
                schema.extend(only);
            }
        }
    }
    schema
}

fn with_null(schema: Value) -> Value {
    let Value::Object(mut schema) = schema else { return schema };
    match schema.get_mut("type") {
        Some(Value::String(one)) => {
            let one = std::mem::take(one);
            schema.insert("type".into(), json!([one, "null"]));
        }
        Some(Value::Array(types)) if !types.contains(&json!("null")) => types.push(json!("null")),
        _ => {}
    }
    if let Some(reference) = schema.remove("$ref") {
        schema.insert("anyOf".into(), json!([{ "$ref": reference }, { "type": "null" }]));
    }
    Value::Object(schema)
}

/// Values of a map of text: configuration is often written with bare numbers, and `null` takes a key away.
fn tolerate_scalars(schema: &mut Map<String, Value>) {
    let Some(values) = schema.get_mut("additionalProperties") else { return };
    if values["type"] == "string" {
        values["type"] = json!(["string", "number", "boolean", "null"]);
    } else {
        *values = with_null(values.take());
    }
}

/// `oneOf` constants with a description each → one `enum`, which every generator knows, described in a list.
fn join_constants(schema: &mut Map<String, Value>) {
    let Some(choices) = schema.get("oneOf").and_then(Value::as_array) else { return };
    let mut constants = Vec::new();
    let mut lines = Vec::new();
    for choice in choices {
        let plain = choice["enum"].as_array().cloned();
        let Some(values) = plain.or_else(|| choice.get("const").map(|c| vec![c.clone()])) else {
            return;
        };
        if let (Some(text), [Value::String(value)]) =
            (choice["description"].as_str(), values.as_slice())
        {
            lines.push(format!("* `{value}`: {text}"));
        }
        constants.extend(values);
    }
    let about = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let about = format!("{about}\n\n{}", lines.join("\n")).trim().to_owned();
    schema.remove("oneOf");
    schema.insert("type".into(), json!("string"));
    schema.insert("enum".into(), Value::Array(constants));
    schema.insert("description".into(), json!(about));
}

/// A doc comment as a client should read it: no links into the source.
fn for_clients(text: &str) -> String {
    let mut text = text.to_owned();
    for aside in ASIDES {
        while let Some(at) = text.find(aside) {
            let Some(end) = text[at..].find(')') else { break };
            text.replace_range(at..=at + end, "");
        }
    }
    text.replace("[`crate::", "[`").replace("[`", "`").replace("`]", "`")
}

/// Members that are "Always `this`." say so in a way that programs understand.
fn constants(all: &mut Map<String, Value>) {
    for (name, schema) in all {
        let Some(Value::Object(members)) = schema.get_mut("properties") else { continue };
        for (member, value) in members {
            let about = value["description"].as_str().unwrap_or_default().to_owned();
            let said = about.strip_prefix("Always `").and_then(|rest| rest.strip_suffix("`."));
            let list = name.strip_prefix("ResourceListOf").filter(|_| member == "kind");
            let constant = list.map(|of| format!("{of}List")).or(said.map(str::to_owned));
            if let Some(constant) = constant {
                *value = json!({ "type": "string", "const": constant, "description": about });
            }
        }
    }
}

fn is_object(schema: &Value) -> bool {
    schema["type"] == "object"
}
