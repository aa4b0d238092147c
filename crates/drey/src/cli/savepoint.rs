//! `drey savepoint`: take, list, show.

use std::time::{Duration, Instant};

use drey_model::{Savepoint, SavepointState};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use super::Shell;
use crate::args::{Get, SavepointVerb};
use crate::client::{Body, typed};
use crate::duration::short;
use crate::failure::{Exit, Failure, Result};
use crate::output::table::newest;
use crate::subject::{Kind, Place, Subject};

/// Between two looks at a savepoint that is being taken.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

pub(super) async fn run(shell: &Shell, verb: SavepointVerb) -> Result<()> {
    match verb {
        SavepointVerb::Create { name, wait, timeout } => {
            create(shell, &name, wait.then_some(timeout)).await
        }
        SavepointVerb::List { name } => {
            let names = name.into_iter().collect();
            let subject = Subject { kind: Kind::Savepoint, name: None };
            super::get::run(shell, Get { subject, names, selector: None, watch: false }).await
        }
        SavepointVerb::Get { name } => get(shell, &name).await,
    }
}

async fn create(shell: &Shell, name: &str, wait: Option<Duration>) -> Result<()> {
    let doing = format!("taking a savepoint of deployment/{name}");
    let deployment = shell.client.deployment(&shell.ns, name).await?;
    let body = json!({
        "kind": "Savepoint", "apiVersion": "v1",
        "metadata": { "deploymentId": super::id_of(&deployment) },
    });
    let path = Place::all(&shell.ns, Kind::Savepoint);
    let sent = shell.client.send(&doing, Method::POST, &path, Some(Body::Json(body)), None).await;
    let mut object = sent.map_err(|failure| match failure.exit {
        Exit::Invalid | Exit::Conflict => failure
            .now(format!("actual state {}", deployment.status.state))
            .next(format!("drey describe dep {name}")),
        _ => failure,
    })?;
    if let Some(limit) = wait {
        object = complete(shell, &doing, object, limit).await?;
    }
    let savepoint: Savepoint = typed(&doing, object.clone())?;
    let location = savepoint.spec.savepoint_location;
    let did = match (savepoint.status.state, location) {
        (SavepointState::Completed, Some(location)) => format!("completed: {location}"),
        (SavepointState::Completed, None) => "completed".to_owned(),
        (_, _) => "started".to_owned(),
    };
    shell.report(Kind::Savepoint, &object, &did)
}

/// Waits for the end of a savepoint.
async fn complete(shell: &Shell, doing: &str, mut object: Value, limit: Duration) -> Result<Value> {
    let started = Instant::now();
    loop {
        let savepoint: Savepoint = typed(doing, object.clone())?;
        let id = savepoint.metadata.id.to_string();
        match savepoint.status.state {
            SavepointState::Started => {}
            SavepointState::Failed => {
                let why = savepoint.status.failure.map(|failure| failure.message);
                return Err(Failure::new(Exit::Failed, format!("{doing} failed"))
                    .why(why.unwrap_or_else(|| "no reason is known".to_owned()))
                    .now("the job was not stopped for it")
                    .next(format!("drey get sp/{id} -o yaml")));
            }
            SavepointState::Completed
            | SavepointState::PendingDeletion
            | SavepointState::Deleting
            | SavepointState::FailedDeletion => return Ok(object),
        }
        if started.elapsed() >= limit {
            let what = format!("{doing}: not complete after {}", short(limit.as_secs()));
            return Err(Failure::new(Exit::Timeout, what)
                .now("it is still being taken")
                .next(format!("drey get sp/{id}")));
        }
        sleep(LOOK_INTERVAL).await;
        object = shell.client.object(&shell.ns, Kind::Savepoint, &id).await?;
    }
}

async fn get(shell: &Shell, name: &str) -> Result<()> {
    let id = match name.parse::<Uuid>() {
        Ok(id) => id.to_string(),
        Err(_) => {
            let deployment = shell.client.deployment(&shell.ns, name).await?;
            let all = shell.client.savepoints(&shell.ns, &deployment).await?;
            let newest = newest(&deployment, &all).ok_or_else(|| {
                Failure::new(Exit::NotFound, format!("deployment/{name} has no complete savepoint"))
                    .next(format!("drey savepoint create {name} --wait"))
            })?;
            newest.metadata.id.to_string()
        }
    };
    let subject = Subject { kind: Kind::Savepoint, name: Some(id) };
    super::get::run(shell, Get { subject, names: Vec::new(), selector: None, watch: false }).await
}
