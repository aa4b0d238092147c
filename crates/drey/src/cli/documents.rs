//! Documents from files, folders, addresses and standard input, ready to be sent.

use std::io::Read;
use std::path::{Path, PathBuf};

use drey_model::document::{self, Content, Document};
use serde_json::Value;

use crate::client::{Body, Client};
use crate::failure::{Exit, Failure, Result};
use crate::subject::{Kind, Subject};

/// One document: what it is about, and the text to send.
#[derive(Debug, Clone)]
pub(super) struct Declared {
    /// Where it was read, for messages.
    pub(super) source: String,
    /// One that can be declared.
    pub(super) kind: Kind,
    /// `metadata.name`, or the name that the server will derive from `metadata.displayName`.
    pub(super) name: Option<String>,
    /// `metadata.namespace`.
    pub(super) namespace: Option<String>,
    /// What to send.
    pub(super) body: Body,
    /// Whether it holds the value of a secret, of which nobody can say whether it differs.
    pub(super) sends_value: bool,
}

/// All documents of all sources, in an order in which each finds what it refers to. Nothing is sent before every one of
/// them could be read.
pub(super) async fn read(client: &Client, sources: &[String]) -> Result<Vec<Declared>> {
    let mut declared = Vec::new();
    for source in sources {
        for (source, text) in texts(client, source).await? {
            declared.extend(parse(&source, &text)?);
        }
    }
    if declared.is_empty() {
        return Err(Failure::usage(format!("no document in {}", sources.join(", "))));
    }
    declared.sort_by_key(|document| turn(document.kind));
    Ok(declared)
}

async fn texts(client: &Client, source: &str) -> Result<Vec<(String, String)>> {
    if source == "-" {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        read.map_err(|e| Failure::usage("reading standard input").why(e.to_string()))?;
        return Ok(vec![("standard input".to_owned(), text)]);
    }
    if source.starts_with("http://") || source.starts_with("https://") {
        return Ok(vec![(source.to_owned(), client.fetch(source).await?)]);
    }
    let path = Path::new(source);
    if !path.is_dir() {
        return Ok(vec![(source.to_owned(), file(path)?)]);
    }
    folder(path)?.iter().map(|path| Ok((path.display().to_string(), file(path)?))).collect()
}

fn file(path: &Path) -> Result<String> {
    let unreadable = |e: std::io::Error| {
        Failure::usage(format!("reading {}", path.display())).why(e.to_string())
    };
    std::fs::read_to_string(path).map_err(unreadable)
}

/// The YAML and JSON files of a folder, by name; folders inside it are left alone.
fn folder(path: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |e: std::io::Error| {
        Failure::usage(format!("reading {}", path.display())).why(e.to_string())
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let ending = path.extension().and_then(|ending| ending.to_str());
        if path.is_file() && matches!(ending, Some("yaml" | "yml" | "json")) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn parse(source: &str, text: &str) -> Result<Vec<Declared>> {
    // What stands where the text goes wrong may be the value of a secret.
    let is_quiet = text.to_ascii_lowercase().contains("secretvalue");
    let refused = |why: Vec<drey_model::Problem>| {
        let mut failure = Failure::new(Exit::Invalid, format!("{source} cannot be read"));
        let told = |message: String| match message.rsplit_once(" (") {
            Some((_, place)) if is_quiet => {
                format!(
                    "it is no YAML or JSON at {}; what stands there is not repeated",
                    place.trim_end_matches(['.', ')'])
                )
            }
            None if is_quiet => {
                "it is no YAML or JSON; what stands there is not repeated".to_owned()
            }
            _ => message,
        };
        failure.why.extend(why.into_iter().map(|problem| told(problem.message)));
        failure
    };
    let documents = document::parse_many(text.as_bytes()).map_err(refused)?;
    let documents: Vec<Document> = documents.into_iter().flat_map(items).collect();
    let alone = documents.len() == 1 && documents.iter().all(|document| document.has_lines);
    let each = documents.into_iter().enumerate().map(|(at, document)| {
        let place =
            if alone { source.to_owned() } else { format!("{source}, document {}", at + 1) };
        let body = match alone {
            true => Body::Text("application/yaml", text.to_owned()),
            false => Body::Text("application/json", document.to_json_text()),
        };
        declared(place, &document, body)
    });
    each.collect()
}

/// The members of a list such as `drey get dep -o yaml` prints; the document itself when it is none.
fn items(document: Document) -> Vec<Document> {
    let is_list = document.kind().is_some_and(|kind| kind.to_ascii_lowercase().ends_with("list"));
    let items = document.find(&["items"]).filter(|_| is_list);
    match items.map(|items| &items.content) {
        Some(Content::List(items)) => {
            items.iter().map(|root| Document { root: root.clone(), has_lines: false }).collect()
        }
        _ => vec![document],
    }
}

fn declared(source: String, document: &Document, body: Body) -> Result<Declared> {
    let kind = match document.kind() {
        None => Kind::Deployment,
        Some(word) => match word.parse::<Subject>().map(|subject| subject.kind) {
            Ok(
                kind @ (Kind::Deployment
                | Kind::DeploymentTarget
                | Kind::DeploymentDefaults
                | Kind::SessionCluster
                | Kind::SecretValue
                | Kind::Namespace),
            ) => kind,
            Ok(kind) => return Err(undeclarable(&source, word, Some(kind))),
            Err(_) => return Err(undeclarable(&source, word, None)),
        },
    };
    if kind == Kind::Namespace {
        return Ok(namespace(source, document));
    }
    let value = document.find(&["spec", "value"]).filter(|value| !value.is_null());
    Ok(Declared {
        kind,
        name: document.name().map(str::to_owned),
        namespace: document.text(&["metadata", "namespace"]).map(str::to_owned),
        sends_value: kind == Kind::SecretValue && value.is_some(),
        source,
        body,
    })
}

/// A namespace, which the API reads without `kind` and `metadata`.
fn namespace(source: String, document: &Document) -> Declared {
    let mut value = document.root.to_value();
    let nested = value.pointer("/metadata/name").cloned();
    if let Some(members) = value.as_object_mut() {
        members.retain(|key, _| !matches!(key.as_str(), "kind" | "apiVersion" | "metadata"));
        if let Some(name) = nested {
            members.entry("name").or_insert(name);
        }
    }
    let name = value.get("name").and_then(Value::as_str);
    let name = name.and_then(|name| name.rsplit('/').next()).map(str::to_owned);
    let (kind, body) = (Kind::Namespace, Body::Json(value));
    Declared { source, kind, name, namespace: None, body, sends_value: false }
}

/// The place of a kind in the order in which documents are applied.
fn turn(kind: Kind) -> u8 {
    match kind {
        Kind::Namespace => 0,
        Kind::DeploymentTarget => 1,
        Kind::SecretValue => 2,
        Kind::SessionCluster => 3,
        Kind::DeploymentDefaults => 4,
        Kind::Deployment
        | Kind::Job
        | Kind::Savepoint
        | Kind::Event
        | Kind::ApiToken
        | Kind::Artifact => 5,
    }
}

fn undeclarable(source: &str, word: &str, kind: Option<Kind>) -> Failure {
    let failure = Failure::new(Exit::Invalid, format!("{source} cannot be applied")).why(format!(
        "kind \"{word}\" cannot be declared; Namespace, DeploymentTarget, SecretValue, SessionCluster, \
         DeploymentDefaults and Deployment can"
    ));
    match kind {
        Some(Kind::ApiToken) => failure.next("drey token create NAME --role ROLE"),
        Some(Kind::Artifact) => failure.next("drey artifact upload FILE"),
        _ => failure,
    }
}

/// The part of an object that its user wrote: what `apply` compares, and what `edit` shows.
pub(super) fn written(object: &Value) -> Value {
    let mut kept = serde_json::Map::new();
    for member in ["kind", "apiVersion"] {
        kept.extend(object.get(member).map(|value| (member.to_owned(), value.clone())));
    }
    let mut metadata = serde_json::Map::new();
    for member in ["name", "namespace", "displayName", "labels", "annotations"] {
        let value = object.get("metadata").and_then(|metadata| metadata.get(member));
        metadata.extend(value.map(|value| (member.to_owned(), value.clone())));
    }
    if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
        let ours = "com.dataartisans.appmanager.controller.";
        let users = drey_model::meta::STOP_WITH_DRAIN;
        annotations.retain(|key, _| key == users || !key.starts_with(ours));
    }
    if !metadata.is_empty() {
        kept.insert("metadata".to_owned(), Value::Object(metadata));
    }
    // Namespaces have no metadata and no spec.
    for member in ["name", "roleBindings", "previewSessionClusterName", "spec"] {
        kept.extend(object.get(member).map(|value| (member.to_owned(), value.clone())));
    }
    Value::Object(kept)
}
