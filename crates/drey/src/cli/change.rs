//! `drey start`, `drey suspend`, `drey cancel`: set the desired state.

use drey_model::{Deployment, DeploymentState, DesiredState};
use reqwest::Method;
use serde_json::{Value, json};

use super::goal::Goal;
use super::wait::{self, Pin, Plan, Target};
use super::{Shell, session};
use crate::args::{Change, FailOn, WaitRules};
use crate::client::Body;
use crate::failure::{Exit, Failure, Result};
use crate::subject::{Kind, Place};

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
        if let Some(cluster) = session::named(&name) {
            change_cluster(shell, &cluster, &args, verb).await?;
            continue;
        }
        let name = name.strip_prefix("dep/").map_or(name.clone(), str::to_owned);
        let pin = change(shell, &name, verb).await?;
        targets.push(Target { name, pin });
    }
    if !args.wait {
        return Ok(());
    }
    let rules = WaitRules {
        timeout: args.timeout,
        fail_on: vec![FailOn::Failed],
        stable: std::time::Duration::ZERO,
        since_version: None,
    };
    wait::until(shell, targets, &Plan { goals: vec![Goal::AsDeclared], any: false, rules }).await
}

/// A session cluster can be started; what ends it is another verb.
async fn change_cluster(shell: &Shell, name: &str, args: &Change, verb: Verb) -> Result<()> {
    match verb.state {
        DesiredState::Running => {
            session::start(shell, name, args.wait.then_some(args.timeout)).await
        }
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
