//! `drey delete`: after a question, unless `--yes`.

use reqwest::Method;
use serde_json::Value;

use super::Shell;
use crate::args::Delete;
use crate::failure::{Exit, Failure, Result};
use crate::subject::{Kind, Place, Subject, singular};

pub(super) async fn run(shell: &Shell, args: Delete) -> Result<()> {
    let (kind, name) = super::one(args.one.subject, args.one.name)?;
    let subject = Subject { kind, name: Some(name) };
    if args.dry_run {
        return one(&shell.rehearsing(), subject).await;
    }
    one(shell, subject).await
}

/// Deletes one object.
pub(super) async fn one(shell: &Shell, subject: Subject) -> Result<()> {
    let (kind, name) = super::one(subject, None)?;
    let word = singular(kind);
    if matches!(kind, Kind::Job | Kind::Event) {
        return Err(Failure::usage(format!("a {word} cannot be deleted by hand"))
            .why("jobs and events belong to their deployment and disappear with it"));
    }
    if kind == Kind::DeploymentDefaults {
        return Err(Failure::usage("a namespace always has its deployment defaults")
            .why("null removes a member of them: spec: {parallelism: null}")
            .next("drey apply -f defaults.yaml"));
    }
    // Before the question: a name that does not exist needs no answer.
    let before = shell.client.object(&shell.ns, kind, &name).await?;
    if !shell.client.is_rehearsing() {
        shell.confirm(&question(shell, kind, &name))?;
    }
    let doing = format!("deleting {word}/{name}");
    let place = Place::deletion(&shell.ns, kind, &name);
    let sent = shell.client.send(&doing, Method::DELETE, &place, None, None).await;
    // What is at rest is refused for another reason, which the server tells with what to do.
    let state = before.pointer("/status/state").and_then(Value::as_str).unwrap_or_default();
    let is_at_rest = ["CANCELLED", "SUSPENDED", "FINISHED", "STOPPED"].contains(&state);
    let answer = sent.map_err(|failure| match (kind, failure.exit) {
        (_, Exit::Conflict) if is_at_rest => failure,
        (Kind::Deployment, Exit::Conflict) => failure
            .next(format!("drey suspend {name} --wait    stops it and keeps its state"))
            .next(format!("drey cancel {name} --wait     stops it at once")),
        (Kind::SessionCluster, Exit::Conflict) => {
            failure.next(format!("drey stop sc/{name} --wait"))
        }
        _ => failure,
    })?;
    match kind {
        Kind::Namespace => {
            shell.report(kind, &answer, "is being deleted")?;
            if !shell.client.is_rehearsing() {
                shell.note(&format!("it is gone when drey get namespace {name} says so"));
            }
            Ok(())
        }
        // Their services answer nothing.
        Kind::ApiToken | Kind::Artifact => shell.report(kind, &before, "deleted"),
        _ => shell.report(kind, &answer, "deleted"),
    }
}

fn question(shell: &Shell, kind: Kind, name: &str) -> String {
    match kind {
        Kind::Namespace => format!(
            "Delete namespace/{name} with everything in it? Its Deployments are cancelled and removed."
        ),
        _ => format!("Delete {}/{name} in namespace {}?", singular(kind), shell.ns),
    }
}
