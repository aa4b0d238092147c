//! `drey logs`: what the processes of a run wrote, a Job's or a SessionCluster's.
//!
//! The server gives a file in pieces with positions; following is asking for the next piece.

use std::time::Duration;

use drey_model::Job;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::sleep;
use uuid::Uuid;

use super::{Shell, printer};
use crate::args::{Format, Logs};
use crate::client::typed;
use crate::failure::{Exit, Failure, Result};
use crate::output::put;
use crate::subject::{Kind, Subject, named};

/// Between two looks at a log that is followed.
const LOOK_INTERVAL: Duration = Duration::from_millis(700);
/// Bytes asked for at once; the server's own limit.
const PIECE_BYTES: &str = "1048576";

/// A log file.
#[derive(Debug, Clone, Deserialize)]
struct File {
    name: String,
    size: u64,
}

#[derive(Debug, Deserialize)]
struct Files {
    items: Vec<File>,
}

/// A piece of a log.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Piece {
    text: String,
    next_offset: u64,
    size: u64,
}

/// Whose logs are shown.
enum Source {
    /// A Job, and the Deployment that it belongs to.
    Job { id: String, deployment: String },
    /// A run of a SessionCluster.
    Cluster { name: String, run: String },
}

impl Source {
    async fn find(shell: &Shell, args: &Logs) -> Result<Self> {
        let name = &args.name;
        let subject = match name.parse::<Uuid>() {
            Ok(_) => Subject { kind: Kind::Job, name: Some(name.clone()) },
            Err(_) => named(name).map_err(|why| Failure::new(Exit::Usage, why))?,
        };
        let object = subject.name.unwrap_or_default();
        match subject.kind {
            Kind::Deployment => Self::of_deployment(shell, &object, args.previous).await,
            Kind::SessionCluster => Self::of_cluster(shell, object, args.previous).await,
            Kind::Job if args.previous => Err(Failure::new(
                Exit::Usage,
                format!("job/{object} is one run"),
            )
            .why("--previous is for a deployment or a sessioncluster, of which there are several")),
            Kind::Job => {
                let found = shell.client.object(&shell.ns, Kind::Job, &object).await?;
                Ok(Self::of(typed(&format!("getting job/{object}"), found)?))
            }
            _ => Err(Failure::new(Exit::Usage, format!("{name} writes no logs"))
                .why("logs are those of a deployment, a job or a sessioncluster")),
        }
    }

    async fn of_deployment(shell: &Shell, name: &str, is_previous: bool) -> Result<Self> {
        let deployment = shell.client.deployment(&shell.ns, name).await?;
        let id = super::id_of(&deployment);
        let query = [("deploymentId", id.as_str())];
        let mut jobs: Vec<Job> = shell.client.list(&shell.ns, Kind::Job, &query).await?;
        jobs.sort_by_key(|job| std::cmp::Reverse(job.metadata.created_at));
        let found = jobs.into_iter().nth(usize::from(is_previous));
        found.map(Self::of).ok_or_else(|| {
            let next = if is_previous {
                format!("drey get jobs {name}")
            } else {
                format!("drey start {name} --wait")
            };
            missing(&format!("deployment/{name}"), is_previous).next(next)
        })
    }

    async fn of_cluster(shell: &Shell, name: String, is_previous: bool) -> Result<Self> {
        let runs = shell.client.cluster_view(&shell.ns, &name).await?.runs;
        let Some(run) = runs.get(usize::from(is_previous)).map(Uuid::to_string) else {
            return Err(missing(&format!("sessioncluster/{name}"), is_previous)
                .next(format!("drey describe sc/{name}")));
        };
        Ok(Self::Cluster { name, run })
    }

    fn of(job: Job) -> Self {
        Self::Job { id: job.metadata.id.to_string(), deployment: job.metadata.deployment_name }
    }

    /// As people name it.
    fn handle(&self) -> String {
        match self {
            Self::Job { id, .. } => format!("job/{id}"),
            Self::Cluster { name, run } => format!("run {run} of sessioncluster/{name}"),
        }
    }

    /// Where its logs are.
    fn path<'a>(&'a self, shell: &'a Shell) -> [&'a str; 6] {
        let (collection, key) = match self {
            Self::Job { id, .. } => ("jobs", id),
            Self::Cluster { name, .. } => ("sessionclusters", name),
        };
        ["ext", "v1", "namespaces", &shell.ns, collection, key]
    }

    /// Which run is meant, where its path does not say so.
    fn query(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Job { .. } => Vec::new(),
            Self::Cluster { run, .. } => vec![("run", run)],
        }
    }

    /// What tells more about it.
    fn description(&self) -> String {
        match self {
            Self::Job { deployment, .. } => format!("drey describe dep {deployment}"),
            Self::Cluster { name, .. } => format!("drey describe sc/{name}"),
        }
    }

    /// Whether nothing will be written any more.
    async fn is_over(&self, shell: &Shell) -> bool {
        match self {
            Self::Job { id, .. } => {
                let found = shell.client.object(&shell.ns, Kind::Job, id).await;
                let job = found.ok().and_then(|found| serde_json::from_value::<Job>(found).ok());
                job.is_some_and(|job| job.status.state.is_terminal())
            }
            Self::Cluster { name, run } => {
                let view = shell.client.cluster_view(&shell.ns, name).await;
                view.is_ok_and(|view| view.run_id.is_none_or(|id| id.to_string() != *run))
            }
        }
    }
}

fn missing(of: &str, is_previous: bool) -> Failure {
    let what = if is_previous { "has no run before its newest one" } else { "has not run yet" };
    Failure::new(Exit::NotFound, format!("{of} {what}"))
}

pub(super) async fn run(shell: &Shell, args: Logs) -> Result<()> {
    let source = Source::find(shell, &args).await?;
    let doing = format!("reading the logs of {}", source.handle());
    let path = [&source.path(shell)[..], &["logs"]].concat();
    let listed = shell.client.get(&doing, &path, &source.query()).await?;
    let files: Files = typed(&doing, listed.clone())?;
    if args.component == "list" {
        return list(shell, &files.items, &listed);
    }
    let file = chosen(&files.items, &args.component).ok_or_else(|| {
        let names: Vec<&str> = files.items.iter().map(|file| file.name.as_str()).collect();
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let what = format!("{} has no log {}", source.handle(), args.component);
        Failure::new(Exit::NotFound, what)
            .why(format!("there is: {there}"))
            .next(source.description())
    })?;
    print(shell, &source, &file.name, &args).await
}

/// `jm` and `tm` are the newest log of such a process, or Drey's notes when there is none; everything else is a file
/// name.
fn chosen<'a>(files: &'a [File], component: &str) -> Option<&'a File> {
    let process = match component {
        "jm" => "jobmanager",
        "tm" => "taskmanager",
        name => return files.iter().find(|file| file.name == name),
    };
    let of_process = || files.iter().filter(|file| file.name.starts_with(process));
    let newest =
        of_process().rfind(|file| file.name.ends_with(".log")).or_else(|| of_process().next_back());
    // A Job that was never launched has only Drey's own notes, and they say why.
    newest.or_else(|| files.iter().find(|file| file.name == "drey.log"))
}

fn list(shell: &Shell, files: &[File], listed: &Value) -> Result<()> {
    match shell.format {
        None | Some(Format::Table | Format::Wide) => {
            put(&files.iter().map(|f| format!("{:>10}  {}\n", f.size, f.name)).collect::<String>())
        }
        Some(Format::Name) => {
            put(&files.iter().map(|f| format!("{}\n", f.name)).collect::<String>())
        }
        format => put(&printer::document(format, listed)?),
    }
}

async fn print(shell: &Shell, source: &Source, file: &str, args: &Logs) -> Result<()> {
    let doing = format!("reading {file} of {}", source.handle());
    let path = [&source.path(shell)[..], &["logs", file]].concat();
    let tail = args.tail.map(|lines| lines.to_string());
    let mut query = source.query();
    query.push(("limit", PIECE_BYTES));
    match &tail {
        Some(lines) => query.push(("tail", lines.as_str())),
        None => query.push(("offset", "0")),
    }
    let mut piece: Piece = typed(&doing, shell.client.get(&doing, &path, &query).await?)?;
    let mut is_over = false;
    loop {
        put(&piece.text)?;
        let mut from = piece.next_offset;
        if piece.size <= from {
            if !args.follow || is_over {
                return Ok(());
            }
            // After the end one more look: the last lines may have come since the one before.
            is_over = source.is_over(shell).await;
            if !is_over {
                sleep(LOOK_INTERVAL).await;
            }
        }
        if piece.size < from {
            // The file was begun anew.
            from = 0;
        }
        let from = from.to_string();
        let mut query = source.query();
        query.extend([("limit", PIECE_BYTES), ("offset", from.as_str())]);
        piece = typed(&doing, shell.client.get(&doing, &path, &query).await?)?;
    }
}
