//! `drey get`: tables for people, the API's own documents for programs.
//!
//! A table of Deployments costs three requests, however many there are: Deployments, Jobs, Savepoints.

use std::collections::HashMap;

use drey_model::artifact_file::ArtifactFile;
use drey_model::{
    ApiToken, Deployment, DeploymentDefaults, DeploymentTarget, Event, Job, Namespace, Savepoint,
    SecretValue, SessionCluster,
};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Shell, printer};
use crate::args::{Format, Get};
use crate::client::typed;
use crate::client::watch::Watch;
use crate::failure::{Exit, Failure, Result};
use crate::output::table::{self, Beside, Table};
use crate::output::{json_line, put};
use crate::subject::{Kind, Subject, collection, handle_of, singular};

/// How long the watch of `-w` rests without a change before it looks whether it should end; it never should.
const REST: std::time::Duration = std::time::Duration::from_secs(3_600);

pub(super) async fn run(shell: &Shell, args: Get) -> Result<()> {
    let kind = args.subject.kind;
    let mut names: Vec<String> = args.subject.name.into_iter().collect();
    for name in args.names {
        names.push(name_of(kind, name)?);
    }
    if args.selector.is_some() && kind != Kind::Deployment {
        return Err(Failure::usage(format!(
            "-l selects deployments; {} have no labels to select by",
            collection(kind)
        )));
    }
    if args.watch && matches!(kind, Kind::Namespace | Kind::ApiToken | Kind::Artifact) {
        let word = collection(kind);
        return Err(
            Failure::usage(format!("{word} cannot be watched")).next(format!("drey get {word}"))
        );
    }
    let selector = args.selector.as_deref();
    if args.watch {
        return follow(shell, kind, &names, selector).await;
    }
    let single = names.len() == 1 && is_object(kind, &names);
    let objects = read(shell, kind, &names, selector).await?;
    let format = shell.format.unwrap_or(Format::Table);
    match format {
        Format::Table | Format::Wide if objects.is_empty() => {
            let place = format!(" in namespace {}", shell.ns);
            let place = if kind == Kind::Namespace { "" } else { &place };
            shell.note(&format!("no {}{place}", collection(kind)));
            Ok(())
        }
        Format::Table | Format::Wide => {
            let table = tabulate(shell, kind, objects, format == Format::Wide).await?;
            put(&table.render(shell.headers, shell.out))
        }
        Format::Json | Format::Yaml if single => match objects.first() {
            Some(object) => put(&printer::document(Some(format), object)?),
            None => Ok(()),
        },
        Format::Json | Format::Yaml | Format::Jsonl | Format::Name => {
            put(&printer::documents(format, kind, &objects)?)
        }
    }
}

/// All objects of a kind, for the verbs that list.
pub(super) fn all_of(kind: Kind) -> Get {
    let subject = Subject { kind, name: None };
    Get { subject, names: Vec::new(), selector: None, watch: false }
}

/// `get dep a dep/b`: further names may repeat the kind.
fn name_of(kind: Kind, text: String) -> Result<String> {
    let Some((_, name)) = text.split_once('/') else { return Ok(text) };
    let subject: Subject = text.parse().map_err(Failure::usage)?;
    if subject.kind != kind {
        return Err(Failure::usage(format!(
            "one kind at a time: {text} is not one of {}",
            collection(kind)
        )));
    }
    Ok(name.to_owned())
}

/// Whether the names are objects of the kind, and not Deployments that own such objects.
fn is_object(kind: Kind, names: &[String]) -> bool {
    match kind {
        Kind::Deployment
        | Kind::DeploymentTarget
        | Kind::DeploymentDefaults
        | Kind::SessionCluster
        | Kind::SecretValue
        | Kind::Namespace
        | Kind::ApiToken
        | Kind::Artifact => true,
        Kind::Job | Kind::Savepoint => names.iter().all(|name| name.parse::<Uuid>().is_ok()),
        Kind::Event => false,
    }
}

async fn read(
    shell: &Shell,
    kind: Kind,
    names: &[String],
    selector: Option<&str>,
) -> Result<Vec<Value>> {
    if names.is_empty() {
        let query: Vec<(&str, &str)> = selector.map(|s| ("labelSelector", s)).into_iter().collect();
        return shell.client.list(&shell.ns, kind, &query).await;
    }
    let mut objects = Vec::new();
    for name in names {
        if is_object(kind, std::slice::from_ref(name)) {
            let found = shell.client.object(&shell.ns, kind, name).await;
            objects.push(found.map_err(|failure| match failure.exit {
                Exit::NotFound => failure.next(format!("drey get {}", singular(kind))),
                _ => failure,
            })?);
        } else {
            let owner = shell.client.deployment(&shell.ns, name).await?;
            let id = super::id_of(&owner);
            let query = [("deploymentId", id.as_str())];
            let owned: Vec<Value> = shell.client.list(&shell.ns, kind, &query).await?;
            objects.extend(owned);
        }
    }
    Ok(objects)
}

fn all<T: DeserializeOwned>(kind: Kind, objects: Vec<Value>) -> Result<Vec<T>> {
    let doing = format!("reading {}", collection(kind));
    objects.into_iter().map(|object| typed(&doing, object)).collect()
}

async fn tabulate(shell: &Shell, kind: Kind, objects: Vec<Value>, wide: bool) -> Result<Table> {
    let now = Timestamp::now();
    Ok(match kind {
        Kind::Deployment => {
            let shown: Vec<Deployment> = all(kind, objects)?;
            let beside = beside(shell, &shown).await?;
            table::deployments(&shown, &beside, wide, now)
        }
        Kind::DeploymentTarget => table::targets(&all::<DeploymentTarget>(kind, objects)?, now),
        Kind::DeploymentDefaults => {
            table::defaults(&all::<DeploymentDefaults>(kind, objects)?, now)
        }
        Kind::SessionCluster => {
            let owners: Vec<Deployment> =
                shell.client.list(&shell.ns, Kind::Deployment, &[]).await?;
            table::session_clusters(&all::<SessionCluster>(kind, objects)?, &owners, wide, now)
        }
        Kind::Job => table::jobs(&all::<Job>(kind, objects)?, wide, now),
        Kind::Savepoint => {
            let shown: Vec<Savepoint> = all(kind, objects)?;
            let owners: Vec<Deployment> =
                shell.client.list(&shell.ns, Kind::Deployment, &[]).await?;
            let names: HashMap<Uuid, String> =
                owners.into_iter().map(|d| (d.metadata.id, d.metadata.name)).collect();
            table::savepoints(&shown, &names, wide, now)
        }
        Kind::Event => {
            let mut shown: Vec<Event> = all(kind, objects)?;
            shown.reverse();
            shown.sort_by_key(|event| event.metadata.created_at);
            table::events(&shown, now)
        }
        Kind::SecretValue => table::secrets(&all::<SecretValue>(kind, objects)?, now),
        Kind::Namespace => table::namespaces(&all::<Namespace>(kind, objects)?, now),
        Kind::ApiToken => table::tokens(&all::<ApiToken>(kind, objects)?, now),
        Kind::Artifact => table::artifacts(&all::<ArtifactFile>(kind, objects)?, now),
    })
}

/// Jobs and Savepoints of what is shown: of one Deployment when it is alone, else of the namespace.
async fn beside(shell: &Shell, shown: &[Deployment]) -> Result<Beside> {
    let id = shown.first().map(super::id_of).unwrap_or_default();
    let one = [("deploymentId", id.as_str())];
    let query: &[(&str, &str)] = if shown.len() == 1 { &one } else { &[] };
    let (jobs, savepoints) = tokio::join!(
        shell.client.list(&shell.ns, Kind::Job, query),
        shell.client.list(&shell.ns, Kind::Savepoint, query),
    );
    Ok(Beside { jobs: jobs?, savepoints: savepoints? })
}

/// `-w`: everything that is there, then every change.
async fn follow(shell: &Shell, kind: Kind, names: &[String], selector: Option<&str>) -> Result<()> {
    let format = shell.format.unwrap_or(Format::Table);
    if matches!(format, Format::Json | Format::Yaml) {
        return Err(
            Failure::usage("-w prints tables, names or lines").next("drey get dep -w -o jsonl")
        );
    }
    // Also the answer to "is there a server, and do these exist?", which a watch that reconnects never gives.
    read(shell, kind, names, selector).await?;
    let mut watch = Watch::new(&shell.client, &shell.ns, &[kind]);
    let mut shown: HashMap<String, i64> = HashMap::new();
    let mut headers = shell.headers;
    let mut told_lost = false;
    loop {
        let change = watch.next(tokio::time::Instant::now() + REST).await;
        if watch.lost && !std::mem::replace(&mut told_lost, true) {
            shell.note("connection lost; trying again");
        }
        let Some(change) = change.filter(|change| change.object.is_object()) else { continue };
        told_lost = false;
        if !covers(kind, names, selector, &change.object) {
            continue;
        }
        if format == Format::Jsonl {
            let line = json!({ "type": change.what, "revision": change.revision, "object": change.object });
            put(&json_line(&line)?)?;
            continue;
        }
        // A write of the controller's private notes changes nothing that a table shows.
        let version = change.object.pointer("/metadata/resourceVersion").and_then(Value::as_i64);
        let id = change.meta("id").unwrap_or_default().to_owned();
        let version = version.unwrap_or(0);
        if change.what != "DELETED" && shown.insert(id, version) == Some(version) {
            continue;
        }
        if format == Format::Name {
            put(&printer::documents(format, kind, &[change.object])?)?;
            continue;
        }
        if change.what == "DELETED" {
            put(&format!("{} deleted\n", handle_of(kind, &change.object)))?;
            continue;
        }
        let table = tabulate(shell, kind, vec![change.object], format == Format::Wide).await?;
        put(&table.render(headers, shell.out))?;
        headers = false;
    }
}

/// Whether a change is about what was asked for.
fn covers(kind: Kind, names: &[String], selector: Option<&str>, object: &Value) -> bool {
    let meta =
        |member: &str| object.pointer(&format!("/metadata/{member}")).and_then(Value::as_str);
    let handle = handle_of(kind, object);
    let owner = meta("deploymentName").or_else(|| meta("resourceName"));
    let named = names.is_empty()
        || names.iter().any(|name| *name == handle || Some(name.as_str()) == owner);
    let labels = object.pointer("/metadata/labels").cloned().unwrap_or_default();
    let labels = serde_json::from_value(labels).unwrap_or_default();
    let selected = selector.is_none_or(|text| {
        drey_model::selector::Selector::parse(text).is_ok_and(|selector| selector.matches(&labels))
    });
    named && selected
}
