//! Documents from files, folders, addresses and standard input, ready to be sent.

use std::io::Read;
use std::path::{Path, PathBuf};

use drey_model::Kind;
use drey_model::document::{self, Content, Document};
use serde_json::Value;

use crate::client::{Body, Client};
use crate::failure::{Exit, Failure, Result};
use crate::subject::Subject;

/// One document: what it is about, and the text to send.
#[derive(Debug, Clone)]
pub(super) struct Declared {
    /// Where it was read, for messages.
    pub(super) source: String,
    /// A kind that users declare.
    pub(super) kind: Kind,
    /// `metadata.name`, or the name that the server will derive from `metadata.displayName`.
    pub(super) name: Option<String>,
    /// `metadata.namespace`.
    pub(super) namespace: Option<String>,
    /// What to send.
    pub(super) body: Body,
}

/// All documents of all sources, in order. Nothing is sent before every one of them could be read.
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
    let refused = |why: Vec<drey_model::Problem>| {
        let mut failure = Failure::new(Exit::Invalid, format!("{source} cannot be read"));
        failure.why.extend(why.into_iter().map(|problem| problem.message));
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
                | Kind::SessionCluster),
            ) => kind,
            Ok(_) | Err(_) => {
                return Err(Failure::new(Exit::Invalid, format!("{source} cannot be applied"))
                    .why(format!(
                        "kind \"{word}\" cannot be declared; Deployment, DeploymentTarget, DeploymentDefaults and SessionCluster can"
                    )));
            }
        },
    };
    Ok(Declared {
        kind,
        name: document.name().map(str::to_owned),
        namespace: document.text(&["metadata", "namespace"]).map(str::to_owned),
        source,
        body,
    })
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
    kept.insert("metadata".to_owned(), Value::Object(metadata));
    kept.extend(object.get("spec").map(|spec| ("spec".to_owned(), spec.clone())));
    Value::Object(kept)
}
