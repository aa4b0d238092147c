//! `drey explain KIND[.path]`: what a member is, from the schemas that this program was built with. Needs no server.
//!
//! The schemas are those of `/api/openapi.json`: what is answered, and beside it what is only sent (the value of a
//! secret). Defaults are those that are built in; namespaces and servers may set others.

use drey_flink::versions;
use drey_model::GlobalSessionClusterDefaults;
use drey_model::defaults::Layers;
use drey_model::nearest::nearest;
use serde_json::{Map, Value, json};

use crate::args::{Explain, Format, Global};
use crate::failure::{Exit, Failure, Result};
use crate::output::{json as pretty, put, yaml};
use crate::subject::Kind;

const SCHEMAS: &str = "#/components/schemas/";
/// Width of the lines of a description.
const WIDTH: usize = 100;
/// Levels that `--recursive` goes down; schemas that contain themselves end there.
const DEPTH_MAX: usize = 12;

pub(crate) fn run(args: &Explain, global: &Global) -> Result<()> {
    let (word, path) = args.what.split_once('.').unwrap_or((&args.what, ""));
    let kind = crate::subject::kind_of(word).map_err(Failure::usage)?;
    let schemas = Schemas::compiled();
    let found = schemas.walk(kind, path)?;
    match global.output {
        Some(Format::Json | Format::Jsonl) => put(&pretty(&found.schema)?),
        Some(Format::Yaml) => put(&yaml(&found.schema)?),
        Some(Format::Table | Format::Wide | Format::Name) | None => {
            put(&schemas.page(kind, &found, args.recursive))
        }
    }
}

/// All schemas by name, and the built-in defaults of Deployments and SessionClusters.
struct Schemas {
    all: Map<String, Value>,
    defaults: Value,
    cluster_defaults: Value,
}

/// A member that was found.
struct Found {
    /// Its canonical path below the kind.
    path: Vec<String>,
    schema: Value,
}

impl Schemas {
    fn compiled() -> Self {
        let openapi = drey_server::openapi();
        let all = openapi["components"]["schemas"].as_object().cloned().unwrap_or_default();
        let version = versions::DEFAULT.to_string();
        let defaults = Layers::new(&version, []).merged().unwrap_or_default();
        let clusters = GlobalSessionClusterDefaults::new(&version);
        Self { all, defaults, cluster_defaults: json!({ "spec": clusters.spec }) }
    }

    /// The member at a dotted path. Keys of maps may hold dots: everything behind a map is one key.
    fn walk(&self, kind: Kind, path: &str) -> Result<Found> {
        let mut schema = self.named(schema_of(kind));
        let mut done: Vec<String> = Vec::new();
        let mut rest = path.trim_matches('.');
        while !rest.is_empty() {
            let members = members(&schema);
            let (step, after) = rest.split_once('.').unwrap_or((rest, ""));
            let step = step.trim_end_matches("[]");
            if let Some((name, member)) =
                members.iter().find(|(name, _)| name.eq_ignore_ascii_case(step))
            {
                done.push(name.clone());
                schema = self.member(kind, &done, member);
                rest = after;
            } else if let Some(values) =
                schema.get("additionalProperties").filter(|v| v.is_object())
            {
                done.push(rest.to_owned());
                schema = self.plain(values);
                rest = "";
            } else {
                return Err(unknown(kind, &done, step, &members));
            }
        }
        Ok(Found { path: done, schema })
    }

    /// The schema of a member. The spec of defaults is kept as it was set, and has the members of a Deployment's.
    fn member(&self, kind: Kind, path: &[String], schema: &Value) -> Value {
        let plain = self.plain(schema);
        let is_open = members(&plain).is_empty() && path.iter().map(String::as_str).eq(["spec"]);
        match kind {
            Kind::DeploymentDefaults if is_open => self.named("DeploymentSpec"),
            _ => plain,
        }
    }

    /// A schema by name, with the members that are only ever sent.
    fn named(&self, name: &str) -> Value {
        let mut schema = self.all.get(name).cloned().unwrap_or_default();
        let sent = self.all.get(&format!("{name}Input")).map(members).unwrap_or_default();
        let known = schema.get_mut("properties").and_then(Value::as_object_mut);
        if let Some(known) = known {
            for (member, value) in sent {
                known.entry(member).or_insert(value);
            }
        }
        schema
    }

    /// What a schema comes down to: references followed, "or null" left out, elements instead of lists.
    fn plain(&self, schema: &Value) -> Value {
        let about = schema.get("description").cloned();
        let mut found = schema.clone();
        for _ in 0..DEPTH_MAX {
            let next = if let Some(reference) = found["$ref"].as_str() {
                self.named(reference.trim_start_matches(SCHEMAS).trim_end_matches("Input"))
            } else if let Some(choices) = found["anyOf"].as_array() {
                let says = choices.iter().find(|choice| choice["type"] != "null");
                says.cloned().unwrap_or_default()
            } else {
                break;
            };
            found = next;
        }
        if let (Some(about), Some(members)) = (about, found.as_object_mut()) {
            members.insert("description".to_owned(), about);
        }
        found
    }

    /// The page about a member.
    fn page(&self, kind: Kind, found: &Found, recursive: bool) -> String {
        let mut page = format!("KIND:     {}\n", schema_of(kind));
        if !found.path.is_empty() {
            page += &format!("MEMBER:   {}\n", found.path.join("."));
        }
        page += &format!("TYPE:     {}\n", self.type_of(&found.schema));
        if let Some(default) = self.default_of(kind, &found.path) {
            page += &format!("DEFAULT:  {default}\n");
        }
        let allowed = words(&self.element(&found.schema));
        if !allowed.is_empty() {
            page += &format!("ALLOWED:  {}\n", allowed.join(", "));
        }
        if let Some(range) = range(&found.schema) {
            page += &format!("RANGE:    {range}\n");
        }
        page += "\n";
        page += &wrapped(found.schema["description"].as_str().unwrap_or("No description."), 0);
        let inner = self.element(&found.schema);
        if !members(&inner).is_empty() {
            page += "\nMEMBERS\n";
            let mut lines = Vec::new();
            self.list(kind, &inner, &found.path, (recursive, 0), &mut lines);
            page += &columns(&lines);
        }
        page
    }

    /// The members of a schema, one line each; those below them too when it is recursive.
    fn list(
        &self,
        kind: Kind,
        schema: &Value,
        path: &[String],
        (recursive, depth): (bool, usize),
        into: &mut Vec<(String, String, String)>,
    ) {
        for (name, member) in members(schema) {
            let mut inner = path.to_vec();
            inner.push(name.clone());
            let plain = self.member(kind, &inner, &member);
            let mut about = first_sentence(plain["description"].as_str().unwrap_or_default());
            if let Some(default) = self.default_of(kind, &inner).filter(|text| text.len() <= 40) {
                about = format!("{about} Default: {default}.");
            }
            into.push((format!("{}{name}", "  ".repeat(depth + 1)), self.type_of(&plain), about));
            if recursive && depth < DEPTH_MAX {
                self.list(kind, &self.element(&plain), &inner, (recursive, depth + 1), into);
            }
        }
    }

    /// The element of a list or map, at any depth; anything else is itself.
    fn element(&self, schema: &Value) -> Value {
        let mut found = schema.clone();
        for _ in 0..DEPTH_MAX {
            let values = found.get("additionalProperties").filter(|values| values.is_object());
            match found.get("items").or(values) {
                Some(inner) => found = self.plain(inner),
                None => break,
            }
        }
        found
    }

    fn type_of(&self, schema: &Value) -> String {
        if let Some(items) = schema.get("items") {
            return format!("list of {}", self.type_of(&self.plain(items)));
        }
        if let Some(values) = schema.get("additionalProperties").filter(|v| v.is_object()) {
            return format!("map of {}", self.type_of(&self.plain(values)));
        }
        let kind = match &schema["type"] {
            Value::Array(types) => types.iter().find(|t| *t != "null").and_then(Value::as_str),
            other => other.as_str(),
        };
        match (kind, schema["format"].as_str()) {
            (Some("string"), None) if !words(schema).is_empty() => "word".to_owned(),
            (Some("string"), None) => "text".to_owned(),
            (Some(_), Some(format)) => format.to_owned(),
            (Some(kind), None) => kind.to_owned(),
            (None, _) => "anything".to_owned(),
        }
    }

    /// What is built in for a member of a spec.
    fn default_of(&self, kind: Kind, path: &[String]) -> Option<String> {
        let defaults = match kind {
            Kind::Deployment | Kind::DeploymentDefaults => &self.defaults,
            Kind::SessionCluster => &self.cluster_defaults,
            _ => return None,
        };
        let found = path.iter().try_fold(defaults, |value, step| value.get(step))?;
        match found {
            Value::Object(_) | Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }
}

/// The schema behind a kind.
fn schema_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Deployment => "Deployment",
        Kind::DeploymentTarget => "DeploymentTarget",
        Kind::DeploymentDefaults => "DeploymentDefaults",
        Kind::SessionCluster => "SessionCluster",
        Kind::Job => "Job",
        Kind::Savepoint => "Savepoint",
        Kind::Event => "Event",
        Kind::SecretValue => "SecretValue",
        Kind::Namespace => "Namespace",
        Kind::ApiToken => "ApiToken",
        Kind::Artifact => "ArtifactFile",
    }
}

fn members(schema: &Value) -> Map<String, Value> {
    schema["properties"].as_object().cloned().unwrap_or_default()
}

fn words(schema: &Value) -> Vec<String> {
    let constant = schema.get("const").into_iter();
    let all = schema["enum"].as_array().into_iter().flatten().chain(constant);
    all.filter_map(|word| word.as_str().map(str::to_owned)).collect()
}

fn range(schema: &Value) -> Option<String> {
    match (schema.get("minimum"), schema.get("maximum")) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}")),
        (Some(least), None) => Some(format!("{least} or more")),
        (None, Some(most)) => Some(format!("{most} or less")),
        (None, None) => None,
    }
}

fn unknown(kind: Kind, done: &[String], step: &str, members: &Map<String, Value>) -> Failure {
    let place = match done.is_empty() {
        true => schema_of(kind).to_owned(),
        false => format!("{}.{}", schema_of(kind), done.join(".")),
    };
    let names: Vec<&str> = members.keys().map(String::as_str).collect();
    let failure = Failure::new(Exit::NotFound, format!("{place} has no member \"{step}\""));
    let word = crate::subject::singular(kind);
    let prefix: String = done.iter().map(|part| format!(".{part}")).collect();
    let failure = match names.is_empty() {
        true => failure.why(format!("{place} has no members")),
        false => failure.why(format!("members: {}", names.join(", "))),
    };
    match nearest(step, names.iter().copied()) {
        Some(near) => failure.next(format!("drey explain {word}{prefix}.{near}")),
        None => failure.next(format!("drey explain {word}{prefix}")),
    }
}

fn first_sentence(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.split_inclusive(". ").next().unwrap_or_default().trim().to_owned()
}

/// Three columns, the last one wrapped under itself.
fn columns(lines: &[(String, String, String)]) -> String {
    let width = |of: fn(&(String, String, String)) -> &String| {
        lines.iter().map(|line| of(line).chars().count()).max().unwrap_or(0)
    };
    let (names, types) = (width(|line| &line.0), width(|line| &line.1));
    let line = |(name, kind, about): &(String, String, String)| {
        let indent = names + types + 4;
        let about = wrapped(about, indent);
        let text = format!("{name:names$}  {kind:types$}  {}", about.trim_start());
        format!("{}\n", text.trim_end())
    };
    lines.iter().map(line).collect()
}

/// Lines of at most [`WIDTH`] characters, each after so many spaces.
fn wrapped(text: &str, indent: usize) -> String {
    let mut out = String::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let room = WIDTH.saturating_sub(indent).max(30);
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
                out += &format!("{}{line}\n", " ".repeat(indent));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        out += &format!("{}{line}\n", " ".repeat(indent));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(kind: Kind, path: &str) -> String {
        let schemas = Schemas::compiled();
        let found = schemas.walk(kind, path).unwrap();
        schemas.page(kind, &found, false)
    }

    #[test]
    fn a_member_has_its_type_default_and_meaning() {
        let text = page(Kind::Deployment, "SPEC.maxJobCreationAttempts");
        assert!(
            text.contains("MEMBER:   spec.maxJobCreationAttempts\nTYPE:     int32\nDEFAULT:  4\n"),
            "{text}"
        );
        let text = page(Kind::Deployment, "spec.upgradeStrategy.kind");
        assert!(
            text.contains("DEFAULT:  STATEFUL\nALLOWED:  STATEFUL, STATELESS, NONE\n"),
            "{text}"
        );
        let text = page(
            Kind::Deployment,
            "spec.template.spec.flinkConfiguration.execution.checkpointing.interval",
        );
        assert!(text.contains("TYPE:     text"), "{text}");
        let text = page(Kind::Deployment, "spec.template.spec.resources");
        assert!(text.contains("TYPE:     map of object") && text.contains("  memory "), "{text}");
        let text = page(Kind::DeploymentDefaults, "spec.template.spec.parallelism");
        assert!(text.contains("DEFAULT:  1\n"), "{text}");
        let text = page(Kind::SecretValue, "spec.value");
        assert!(text.contains("TYPE:     text"), "what is only sent is explained too: {text}");
    }

    #[test]
    fn every_kind_can_be_explained_down_to_its_leaves() {
        let schemas = Schemas::compiled();
        for kind in <Kind as strum::VariantArray>::VARIANTS {
            let found = schemas.walk(*kind, "").unwrap();
            let text = schemas.page(*kind, &found, true);
            assert!(text.contains("\nMEMBERS\n"), "{text}");
            assert!(!text.contains("No description."), "{text}");
        }
    }

    #[test]
    fn a_member_that_is_not_there_is_answered_with_those_that_are() {
        let schemas = Schemas::compiled();
        let failure = schemas.walk(Kind::Deployment, "spec.paralelism").err().unwrap();
        assert_eq!(failure.what, "Deployment.spec has no member \"paralelism\"");
        assert!(failure.why[0].contains("upgradeStrategy"), "{failure}");
        let failure =
            schemas.walk(Kind::Deployment, "spec.template.spec.paralelism").err().unwrap();
        assert_eq!(failure.next, ["drey explain deployment.spec.template.spec.parallelism"]);
    }
}
