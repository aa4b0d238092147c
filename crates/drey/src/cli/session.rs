//! SessionClusters: `drey start|stop|scale sessioncluster/NAME`, `drey get sc`, `drey describe sc/NAME`.

use std::time::Duration;

use drey_model::SessionCluster;
use drey_model::session_cluster::{ClusterState, DesiredClusterState};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Shell;
use crate::args::{Scale, Stop};
use crate::client::{Body, typed};
use crate::failure::{Exit, Failure, Result};
use crate::subject::{Kind, Place, Subject};

/// Between two looks while waiting.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// The name of a SessionCluster, if that is what the text says.
pub(super) fn named(text: &str) -> Option<String> {
    let subject = text.parse::<Subject>().ok()?;
    subject.name.filter(|_| subject.kind == Kind::SessionCluster)
}

/// `drey stop`.
pub(super) async fn stop(shell: &Shell, args: Stop) -> Result<()> {
    for text in &args.names {
        let Some(name) = named(text) else {
            let word = text.rsplit('/').next().unwrap_or(text);
            return Err(Failure::usage(format!("{text} is no session cluster"))
                .why("a deployment is suspended, which keeps its state, or cancelled")
                .next(format!("drey suspend {word}"))
                .next(format!("drey stop sessioncluster/{word}")));
        };
        set(shell, &name, DesiredClusterState::Stopped, "stopping").await?;
        if args.wait {
            until(shell, &name, ClusterState::Stopped, Since(None), args.timeout).await?;
        }
    }
    Ok(())
}

/// `drey start` of a SessionCluster.
pub(super) async fn start(shell: &Shell, name: &str, wait: Option<Duration>) -> Result<()> {
    set(shell, name, DesiredClusterState::Running, "starting").await?;
    match wait {
        Some(timeout) => until(shell, name, ClusterState::Running, Since(None), timeout).await,
        None => Ok(()),
    }
}

/// `drey scale`.
pub(super) async fn scale(shell: &Shell, args: Scale) -> Result<()> {
    let (kind, name) = match (args.subject.kind, &args.subject.name) {
        (kind @ (Kind::SessionCluster | Kind::Deployment), Some(name)) => (kind, name.clone()),
        (_, _) => {
            return Err(Failure::usage("only deployments and session clusters can be scaled")
                .next("drey scale sessioncluster/shared 4")
                .next("drey scale top-speed 4"));
        }
    };
    let (spec, what) = match kind {
        Kind::SessionCluster => {
            (json!({ "numberOfTaskManagers": args.count }), "scaling to {} TaskManagers")
        }
        _ => {
            let template = json!({ "spec": { "parallelism": args.count } });
            (json!({ "template": template }), "scaling to parallelism {}")
        }
    };
    let what = what.replace("{}", &args.count.to_string());
    let doing = format!("scaling {}/{name}", crate::subject::singular(kind));
    let path = Place::one(&shell.ns, kind, &name);
    let before = shell.client.object(&shell.ns, kind, &name).await?;
    let body = Body::Json(json!({ "spec": spec }));
    let after = shell.client.send(&doing, Method::PATCH, &path, Some(body), None).await?;
    shell.report(kind, &after, &what)?;
    if kind != Kind::SessionCluster || !args.wait {
        return Ok(());
    }
    // The state is what the controller saw before the change until it has looked.
    let number = "/spec/numberOfTaskManagers";
    let is_changed = before.pointer(number) != after.pointer(number);
    let version = after.pointer("/metadata/resourceVersion").and_then(Value::as_i64);
    let after = Since(version.filter(|_| is_changed).and_then(|v| i32::try_from(v).ok()));
    until(shell, &name, ClusterState::Running, after, args.timeout).await
}

async fn set(shell: &Shell, name: &str, state: DesiredClusterState, doing: &str) -> Result<()> {
    let before = cluster(shell, name).await?;
    let is_there = match state {
        DesiredClusterState::Running => ClusterState::Running,
        DesiredClusterState::Stopped => ClusterState::Stopped,
    };
    if before.spec.state == state && before.status.state == is_there {
        let did = format!("is {} already", before.status.state);
        return shell.report(Kind::SessionCluster, &json!(before), &did);
    }
    let path = Place::one(&shell.ns, Kind::SessionCluster, name);
    let body = Body::Json(json!({ "spec": { "state": state } }));
    let what = format!("{doing} sessioncluster/{name}");
    let sent = shell.client.send(&what, Method::PATCH, &path, Some(body), None).await;
    let after = sent.map_err(|failure| match failure.exit {
        Exit::Conflict => failure
            .next("drey suspend NAME --wait    stops a deployment and keeps its state")
            .next("drey cancel NAME --wait     stops it at once"),
        _ => failure,
    })?;
    shell.report(Kind::SessionCluster, &after, doing)
}

async fn cluster(shell: &Shell, name: &str) -> Result<SessionCluster> {
    let found: Value = shell.client.object(&shell.ns, Kind::SessionCluster, name).await?;
    typed(&format!("getting sessioncluster/{name}"), found)
}

/// Only what is of a later version counts.
#[derive(Debug, Clone, Copy)]
struct Since(Option<i32>);

/// Waits for a state; FAILED ends the wait at once.
async fn until(
    shell: &Shell,
    name: &str,
    wanted: ClusterState,
    since: Since,
    timeout: Duration,
) -> Result<()> {
    let deadline = Instant::now() + timeout;
    loop {
        let now = cluster(shell, name).await?;
        let state = now.status.state;
        let is_news = since.0.is_none_or(|version| now.metadata.resource_version > version);
        if state == wanted && is_news {
            shell.note(&format!("sessioncluster/{name} is {state}"));
            return Ok(());
        }
        let why = now.status.failure.map(|failure| failure.message);
        if state == ClusterState::Failed {
            return Err(Failure::new(Exit::Failed, format!("sessioncluster/{name} is FAILED"))
                .why(why.unwrap_or_default())
                .next(format!(
                    "drey stop sessioncluster/{name}    then fix the cause and start it"
                )));
        }
        if Instant::now() >= deadline {
            let what = format!("sessioncluster/{name} is still {state}, not {wanted}");
            return Err(Failure::new(Exit::Timeout, what)
                .why(why.unwrap_or_default())
                .next(format!("drey describe sc/{name}")));
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}
