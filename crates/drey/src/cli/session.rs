//! SessionClusters: `drey start|stop sessioncluster/NAME`; and `drey scale`, which also knows Deployments.
//!
//! Owns what is asked of the server, and what helps when it refuses. Waiting is [`wait`]'s business.

use std::time::Duration;

use drey_model::session_cluster::{ClusterState, DesiredClusterState};
use drey_model::{DesiredState, SessionCluster};
use reqwest::Method;
use serde_json::{Value, json};

use super::Shell;
use super::wait::{self, Pin, Plan, Target};
use crate::args::{Scale, Stop};
use crate::client::{Body, typed};
use crate::failure::{Exit, Failure, Result};
use crate::subject::{Kind, Place, Subject, singular};

/// `drey stop`.
pub(super) async fn stop(shell: &Shell, args: Stop) -> Result<()> {
    let names: Vec<String> =
        args.names.iter().map(|text| cluster_of(text)).collect::<Result<_>>()?;
    let mut targets = Vec::new();
    for name in names {
        targets.push(set(shell, name, DesiredClusterState::Stopped).await?);
    }
    wait_for(shell, targets, args.wait.then_some(args.timeout)).await
}

/// The name of a SessionCluster. Deployments are stopped by other verbs, which say what becomes of their state.
fn cluster_of(text: &str) -> Result<String> {
    match text.parse::<Subject>() {
        Ok(Subject { kind: Kind::SessionCluster, name: Some(name) }) => Ok(name),
        Ok(_) | Err(_) => {
            let word = text.rsplit('/').next().unwrap_or(text);
            Err(Failure::usage(format!("{text} is no session cluster"))
                .why("a deployment is suspended, which keeps its state, or cancelled")
                .next(format!("drey suspend {word}"))
                .next(format!("drey stop sessioncluster/{word}")))
        }
    }
}

/// `drey start` of a SessionCluster.
pub(super) async fn start(shell: &Shell, name: String) -> Result<Target> {
    set(shell, name, DesiredClusterState::Running).await
}

/// `drey scale`.
pub(super) async fn scale(shell: &Shell, args: Scale) -> Result<()> {
    let (kind, name) = match (args.subject.kind, args.subject.name) {
        (kind @ (Kind::SessionCluster | Kind::Deployment), Some(name)) => (kind, name),
        (_, _) => {
            return Err(Failure::usage("only deployments and session clusters can be scaled")
                .next("drey scale sessioncluster/shared 4")
                .next("drey scale top-speed 4"));
        }
    };
    let count = args.count;
    let (spec, to) = match kind {
        Kind::SessionCluster => {
            let noun = if count == 1 { "TaskManager" } else { "TaskManagers" };
            (json!({ "numberOfTaskManagers": count }), format!("{count} {noun}"))
        }
        _ => {
            let template = json!({ "spec": { "parallelism": count } });
            (json!({ "template": template }), format!("parallelism {count}"))
        }
    };
    let doing = format!("scaling {}/{name}", singular(kind));
    let path = Place::one(&shell.ns, kind, &name);
    let body = Body::Json(json!({ "spec": spec }));
    let after = shell.client.send(&doing, Method::PATCH, &path, Some(body), None).await?;
    shell.report(kind, &after, &format!("scaling to {to}"))?;
    if !args.wait {
        return Ok(());
    }
    let desired = after.pointer("/spec/state").and_then(Value::as_str).unwrap_or_default();
    if desired != DesiredState::Running.to_string() {
        let short = if kind == Kind::SessionCluster { "sc/" } else { "" };
        let what =
            format!("{}/{name} is not to run, so there is nothing to wait for", singular(kind));
        return Err(Failure::new(Exit::Failed, what)
            .why(format!("its desired state is {desired}"))
            .now(format!("it will start with {to}"))
            .next(format!("drey start {short}{name} --wait")));
    }
    let pin = Pin::of(&after);
    wait_for(shell, vec![Target { kind, name, pin }], Some(args.timeout)).await
}

async fn wait_for(shell: &Shell, targets: Vec<Target>, timeout: Option<Duration>) -> Result<()> {
    match timeout {
        Some(timeout) => wait::until(shell, targets, &Plan::as_declared(timeout)).await,
        None => Ok(()),
    }
}

/// Sets the desired state; says what a wait is about.
async fn set(shell: &Shell, name: String, state: DesiredClusterState) -> Result<Target> {
    let kind = Kind::SessionCluster;
    let found: Value = shell.client.object(&shell.ns, kind, &name).await?;
    let before: SessionCluster = typed(&format!("getting sessioncluster/{name}"), found)?;
    let (is_there, doing) = match state {
        DesiredClusterState::Running => (ClusterState::Running, "starting"),
        DesiredClusterState::Stopped => (ClusterState::Stopped, "stopping"),
    };
    let what = format!("{doing} sessioncluster/{name}");
    if before.spec.state == state && before.status.state == is_there {
        let did = format!("is {} already", before.status.state);
        shell.report(kind, &json!(before), &did)?;
        return Ok(Target { kind, name, pin: None });
    }
    if before.spec.state == state && before.status.state == ClusterState::Failed {
        let cause = before.status.failure.map(|failure| failure.message);
        let failure = Failure::new(Exit::Conflict, format!("{what} failed"))
            .why("it was given up, and starts again only after it was stopped");
        return Err(cause.into_iter().fold(failure, Failure::why).next(again(&name)));
    }
    let path = Place::one(&shell.ns, kind, &name);
    let body = Body::Json(json!({ "spec": { "state": state } }));
    let sent = shell.client.send(&what, Method::PATCH, &path, Some(body), None).await;
    let after = sent.map_err(|failure| match (failure.exit, state) {
        (Exit::Conflict, DesiredClusterState::Stopped) => failure
            .next("drey suspend NAME --wait    stops a deployment and keeps its state")
            .next("drey cancel NAME --wait     stops it at once"),
        (Exit::Conflict, DesiredClusterState::Running) => failure.next(again(&name)),
        _ => failure,
    })?;
    shell.report(kind, &after, doing)?;
    let pin = Pin::of(&after);
    Ok(Target { kind, name, pin })
}

/// The way out of FAILED.
fn again(name: &str) -> String {
    format!("drey stop sc/{name} --wait && drey start sc/{name} --wait")
}
