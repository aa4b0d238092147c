//! `drey start`, `drey suspend`, `drey cancel`: set the desired state.

use drey_model::{Deployment, DeploymentState, DesiredState};
use reqwest::Method;
use serde_json::{Value, json};

use super::goal::Goal;
use super::wait::{self, Pin, Plan, Target};
use super::{Shell, session};
use crate::args::Change;
use crate::client::Body;
use crate::failure::{Exit, Failure, Result};
use crate::subject::{Kind, Place, named, singular};

/// One of the three verbs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verb {
    state: DesiredState,
    doing: &'static str,
}

/// `drey start`.
pub(crate) const START: Verb = Verb { state: DesiredState::Running, doing: "starting" };
/// `drey suspend`.
pub(crate) const SUSPEND: Verb = Verb { state: DesiredState::Suspended, doing: "suspending" };
/// `drey cancel`.
pub(crate) const CANCEL: Verb = Verb { state: DesiredState::Cancelled, doing: "cancelling" };

pub(super) async fn run(shell: &Shell, args: Change, verb: Verb) -> Result<()> {
    let names = match &args.selector {
        None => args.names.clone(),
        Some(selector) => selected(shell, selector).await?,
    };
    let mut targets = Vec::new();
    for name in names {
        let subject = named(&name).map_err(Failure::usage)?;
        targets.push(match (subject.kind, subject.name) {
            (Kind::SessionCluster, Some(name)) => change_cluster(shell, name, verb).await?,
            (Kind::Deployment, Some(name)) => {
                let pin = change(shell, &name, verb).await?;
                Target { kind: Kind::Deployment, name, pin }
            }
            (kind, _) => {
                let word = singular(kind);
                return Err(Failure::usage(format!("a {word} neither starts nor stops"))
                    .why("deployments do, and session clusters"));
            }
        });
    }
    if !args.wait {
        return Ok(());
    }
    wait::until(shell, targets, &Plan::as_declared(args.timeout)).await
}

/// A session cluster can be started; what ends it is another verb.
async fn change_cluster(shell: &Shell, name: String, verb: Verb) -> Result<Target> {
    match verb.state {
        DesiredState::Running => session::start(shell, name).await,
        DesiredState::Suspended | DesiredState::Cancelled => {
            Err(Failure::usage(format!("sessioncluster/{name} has no jobs of its own"))
                .next(format!("drey stop sessioncluster/{name}")))
        }
    }
}

async fn selected(shell: &Shell, selector: &str) -> Result<Vec<String>> {
    let query = [("labelSelector", selector)];
    let found: Vec<Deployment> = shell.client.list(&shell.ns, Kind::Deployment, &query).await?;
    if found.is_empty() {
        let what = format!("no deployment in {} has the labels {selector}", shell.ns);
        return Err(Failure::new(Exit::NotFound, what).next("drey get dep"));
    }
    Ok(found.into_iter().map(|deployment| deployment.metadata.name).collect())
}

/// Sets the desired state; the pin says from which version on a wait counts.
async fn change(shell: &Shell, name: &str, verb: Verb) -> Result<Option<Pin>> {
    let before = shell.client.deployment(&shell.ns, name).await?;
    let there =
        before.spec.state == verb.state && Goal::AsDeclared.holds(Some(&wait::bare(&before)));
    if there {
        let did = format!("is {} already", before.status.state);
        shell.report(Kind::Deployment, &json!(before), &did)?;
        return Ok(None);
    }
    let after = set(shell, &before, verb).await?;
    shell.report(Kind::Deployment, &after, verb.doing)?;
    Ok(Pin::of(&after))
}

/// Makes the desired state that of the verb, and has a transition that was given up tried again.
pub(crate) async fn set(shell: &Shell, before: &Deployment, verb: Verb) -> Result<Value> {
    let name = before.metadata.name.as_str();
    let doing = format!("{} deployment/{name}", verb.doing);
    let given_up =
        before.status.state == DeploymentState::Failed && before.spec.state == verb.state;
    if given_up {
        let retry =
            Place::at(&["ext", "v1", "namespaces", &shell.ns, "deployments", name, "retry"]);
        return shell.client.send(&doing, Method::POST, &retry, None, None).await;
    }
    let path = Place::one(&shell.ns, Kind::Deployment, name);
    let body = Body::Json(json!({ "spec": { "state": verb.state } }));
    shell.client.send(&doing, Method::PATCH, &path, Some(body), None).await
}
