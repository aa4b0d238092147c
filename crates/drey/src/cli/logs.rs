//! `drey logs`: what the processes of a run wrote.
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
use crate::subject::Kind;

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

pub(super) async fn run(shell: &Shell, args: Logs) -> Result<()> {
    let job = job_of(shell, &args.name).await?;
    let id = job.metadata.id.to_string();
    let doing = format!("reading the logs of job/{id}");
    let path = ["ext", "v1", "namespaces", &shell.ns, "jobs", &id, "logs"];
    let listed = shell.client.get(&doing, &path, &[]).await?;
    let files: Files = typed(&doing, listed.clone())?;
    if args.component == "list" {
        return list(shell, &files.items, &listed);
    }
    let file = chosen(&files.items, &args.component).ok_or_else(|| {
        let names: Vec<&str> = files.items.iter().map(|file| file.name.as_str()).collect();
        let there = if names.is_empty() { "no file yet".to_owned() } else { names.join(", ") };
        Failure::new(Exit::NotFound, format!("job/{id} has no log {}", args.component))
            .why(format!("there is: {there}"))
            .next(format!("drey describe dep {}", job.metadata.deployment_name))
    })?;
    print(shell, &id, &file.name, &args).await
}

/// The Job by its id, or the newest one of a Deployment.
async fn job_of(shell: &Shell, name: &str) -> Result<Job> {
    if name.parse::<Uuid>().is_ok() {
        let found = shell.client.object(&shell.ns, Kind::Job, name).await?;
        return typed(&format!("getting job/{name}"), found);
    }
    let deployment = shell.client.deployment(&shell.ns, name).await?;
    let id = super::id_of(&deployment);
    let query = [("deploymentId", id.as_str())];
    let jobs: Vec<Job> = shell.client.list(&shell.ns, Kind::Job, &query).await?;
    jobs.into_iter().max_by_key(|job| job.metadata.created_at).ok_or_else(|| {
        Failure::new(Exit::NotFound, format!("deployment/{name} has not run yet"))
            .next(format!("drey start {name} --wait"))
    })
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

async fn print(shell: &Shell, job: &str, file: &str, args: &Logs) -> Result<()> {
    let doing = format!("reading {file} of job/{job}");
    let path = ["ext", "v1", "namespaces", &shell.ns, "jobs", job, "logs", file];
    let tail = args.tail.map(|lines| lines.to_string());
    let mut query = vec![("limit", PIECE_BYTES)];
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
            is_over = over(shell, job).await;
            if !is_over {
                sleep(LOOK_INTERVAL).await;
            }
        }
        if piece.size < from {
            // The file was begun anew.
            from = 0;
        }
        let from = from.to_string();
        let query = [("limit", PIECE_BYTES), ("offset", from.as_str())];
        piece = typed(&doing, shell.client.get(&doing, &path, &query).await?)?;
    }
}

/// Whether nothing will be written any more.
async fn over(shell: &Shell, job: &str) -> bool {
    let found = shell.client.object(&shell.ns, Kind::Job, job).await;
    let job: Option<Job> = found.ok().and_then(|found| serde_json::from_value(found).ok());
    job.is_some_and(|job| job.status.state.is_terminal())
}
