//! Objects in the format that was asked for.

use drey_model::Kind;
use serde_json::{Value, json as value};

use crate::args::Format;
use crate::failure::Result;
use crate::output::{json, json_line, yaml};
use crate::subject::singular;

/// The name of an object, or its id where names mean nothing.
pub(crate) fn handle_of(kind: Kind, object: &Value) -> String {
    let member = match kind {
        Kind::Deployment
        | Kind::DeploymentTarget
        | Kind::DeploymentDefaults
        | Kind::SessionCluster => "name",
        Kind::Job | Kind::Savepoint | Kind::Event => "id",
    };
    let found = object.get("metadata").and_then(|metadata| metadata.get(member));
    found.and_then(Value::as_str).unwrap_or("?").to_owned()
}

/// One object as text.
pub(crate) fn document(format: Option<Format>, object: &Value) -> Result<String> {
    match format {
        Some(Format::Yaml) => yaml(object),
        Some(Format::Jsonl) => json_line(object),
        Some(Format::Json | Format::Name | Format::Table | Format::Wide) | None => json(object),
    }
}

/// Several objects as text: a list as the API has it, or one object a line.
pub(crate) fn documents(format: Format, kind: Kind, objects: &[Value]) -> Result<String> {
    match format {
        Format::Name => Ok(objects
            .iter()
            .map(|object| format!("{}/{}\n", singular(kind), handle_of(kind, object)))
            .collect()),
        Format::Jsonl => objects.iter().map(json_line).collect(),
        Format::Json | Format::Yaml | Format::Table | Format::Wide => {
            let list = value!({
                "kind": format!("{kind}List"), "apiVersion": "v1", "metadata": {}, "items": objects,
            });
            document(Some(format), &list)
        }
    }
}
