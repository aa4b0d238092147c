//! `drey start`, `drey suspend`, `drey cancel`: set the desired state.

use drey_model::{Deployment, DesiredState, Kind};
use reqwest::Method;
use serde_json::json;

use super::Shell;
use super::goal::Goal;
use super::wait::{self, Pin, Plan, Target};
use crate::args::{Change, FailOn, WaitRules};
use crate::client::{Body, typed};
use crate::failure::{Exit, Failure, Result};

/// One of the three verbs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verb {
    state: DesiredState,
    doing: &'static str,
}

/// `drey start`.
pub(super) const START: Verb = Verb { state: DesiredState::Running, doing: "starting" };
/// `drey suspend`.
pub(super) const SUSPEND: Verb = Verb { state: DesiredState::Suspended, doing: "suspending" };
/// `drey cancel`.
pub(super) const CANCEL: Verb = Verb { state: DesiredState::Cancelled, doing: "cancelling" };

pub(super) async fn run(shell: &Shell, args: Change, verb: Verb) -> Result<()> {
    let names = match &args.selector {
        None => args.names.clone(),
        Some(selector) => selected(shell, selector).await?,
    };
    let mut targets = Vec::new();
    for name in names {
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
    let doing = format!("{} deployment/{name}", verb.doing);
    let before = shell.client.deployment(&shell.ns, name).await?;
    let body = Body::Json(json!({ "spec": { "state": verb.state } }));
    let path = ["api", "v1", "namespaces", &shell.ns, "deployments", name];
    // Also when the desired state is this one already: that is how a FAILED Deployment is tried again.
    let after = shell.client.send(&doing, Method::PATCH, &path, Some(body), None).await?;
    let now: Deployment = typed(&doing, after.clone())?;
    let same = before.spec.state == now.spec.state;
    let there = same && Goal::AsDeclared.holds(Some(&super::wait::bare(&now)));
    let did = if there { format!("is {} already", now.status.state) } else { verb.doing.to_owned() };
    shell.report(Kind::Deployment, &after, &did)?;
    Ok(if there { None } else { Pin::of(&after) })
}
