//! `drey apply`: make the server hold what the documents say.
//!
//! Per document: read; create when it is missing (POST), else merge (PATCH). What the document leaves out stays as it
//! is. The line at the end is honest: `unchanged` means that nothing a user wrote differs from before.

use drey_model::defaults::DEFAULTS_NAME;
use reqwest::Method;
use serde_json::Value;

use super::Shell;
use super::diff::needs_what_is_not_there;
use super::documents::{self, Declared, written};
use super::wait::{self, Pin, Plan, Target};
use crate::args::Apply;
use crate::failure::{Exit, Failure, Result};
use crate::subject::{Kind, Place, handle_of, singular};

pub(super) async fn run(shell: &Shell, args: Apply) -> Result<()> {
    let declared = documents::read(&shell.client, &args.files).await?;
    if args.if_version.is_some() && declared.len() > 1 {
        return Err(Failure::usage("--if-version is about one document")
            .why(format!("the files hold {} documents", declared.len())));
    }
    let rehearsing = args.dry_run.then(|| shell.rehearsing());
    let shell = rehearsing.as_ref().unwrap_or(shell);
    let mut targets: Vec<(String, Target)> = Vec::new();
    let mut made: Vec<String> = Vec::new();
    for (at, document) in declared.iter().enumerate() {
        let outcome = one(shell, document, args.if_version).await;
        let outcome = outcome.map_err(|failure| {
            let missing = needs_what_is_not_there(&made).filter(|_| args.dry_run);
            let failure = missing.into_iter().fold(failure, Failure::now);
            untried(failure, &declared[at + 1..])
        })?;
        shell.report(document.kind, &outcome.object, outcome.did)?;
        let name = handle_of(document.kind, &outcome.object);
        if outcome.before.is_none() {
            made.push(format!("{}/{name}", singular(document.kind)));
        }
        if matches!(document.kind, Kind::Deployment | Kind::SessionCluster) {
            let ns = document.namespace.clone().unwrap_or_else(|| shell.ns.clone());
            targets.push((ns, Target { kind: document.kind, name, pin: outcome.pin() }));
        }
    }
    if !args.wait {
        return Ok(());
    }
    let plan = Plan::as_declared(args.timeout);
    let mut namespaces: Vec<String> = targets.iter().map(|(ns, _)| ns.clone()).collect();
    namespaces.sort();
    namespaces.dedup();
    for ns in namespaces {
        let here = targets.iter().filter(|(of, _)| *of == ns).map(|(_, target)| target.clone());
        let shell = Shell { ns: ns.clone(), ..shell.clone() };
        wait::until(&shell, here.collect(), &plan).await?;
    }
    Ok(())
}

/// Says which documents were not looked at, because one before them was refused.
fn untried(mut failure: Failure, rest: &[Declared]) -> Failure {
    if !rest.is_empty() {
        let rest: Vec<&str> = rest
            .iter()
            .map(|document| document.name.as_deref().unwrap_or("one without a name"))
            .collect();
        let now = failure.now.take().map(|now| format!("{now}; ")).unwrap_or_default();
        failure.now = Some(format!("{now}not tried: {}", rest.join(", ")));
    }
    failure
}

/// What became of one document.
pub(super) struct Outcome {
    /// The object as it was; none when it is new.
    pub(super) before: Option<Value>,
    /// The object as it is.
    pub(super) object: Value,
    did: &'static str,
    changed: bool,
}

impl Outcome {
    /// Of something that is not sent.
    #[cfg(test)]
    pub(super) fn of(before: Option<Value>, object: Value) -> Self {
        Self { before, object, did: "", changed: false }
    }

    /// From which version on a wait counts; an unchanged object may be judged as it is.
    fn pin(&self) -> Option<Pin> {
        if self.changed { Pin::of(&self.object) } else { None }
    }
}

/// Applies one document.
pub(super) async fn one(
    shell: &Shell,
    document: &Declared,
    if_version: Option<i32>,
) -> Result<Outcome> {
    let word = singular(document.kind);
    let ns = document.namespace.as_deref().unwrap_or(&shell.ns);
    let only = Some(DEFAULTS_NAME).filter(|_| document.kind == Kind::DeploymentDefaults);
    let Some(name) = only.or(document.name.as_deref()) else {
        // The server derives a name from displayName, or says what is missing.
        return create(shell, document, ns, word).await;
    };
    let before = match shell.client.object(ns, document.kind, name).await {
        Ok(before) => before,
        Err(failure) if failure.exit == Exit::NotFound && if_version.is_none() => {
            match create(shell, document, ns, &format!("{word}/{name}")).await {
                Err(failure) if failure.exit == Exit::Conflict => {
                    shell.client.object(ns, document.kind, name).await?
                }
                created => return created,
            }
        }
        Err(failure) if failure.exit == Exit::NotFound => {
            return Err(Failure::new(Exit::Conflict, format!("applying {word}/{name} failed"))
                .why("--if-version was given, and it does not exist (any more)"));
        }
        Err(failure) => return Err(failure),
    };
    let doing = format!("applying {word}/{name}");
    let place = Place::one(ns, document.kind, name);
    // Targets have no PATCH in the platform's API.
    let method = match document.kind {
        Kind::DeploymentTarget => Method::PUT,
        Kind::Deployment
        | Kind::DeploymentDefaults
        | Kind::SessionCluster
        | Kind::Job
        | Kind::Savepoint
        | Kind::Event
        | Kind::SecretValue
        | Kind::Namespace
        | Kind::ApiToken
        | Kind::Artifact => Method::PATCH,
    };
    let sent = shell.client.send(&doing, method, &place, Some(document.body.clone()), if_version);
    let after = sent.await.map_err(|failure| located(failure, document, &before))?;
    // What became of a secret's value cannot be seen.
    let changed = document.sends_value || written(&before) != written(&after);
    let did = if changed { "configured" } else { "unchanged" };
    Ok(Outcome { before: Some(before), object: after, did, changed })
}

async fn create(shell: &Shell, document: &Declared, ns: &str, what: &str) -> Result<Outcome> {
    let doing = format!("creating {what}");
    let place = Place::all(ns, document.kind);
    let sent = shell.client.send(&doing, Method::POST, &place, Some(document.body.clone()), None);
    let object = sent.await.map_err(|failure| located(failure, document, &Value::Null))?;
    Ok(Outcome { before: None, object, did: "created", changed: true })
}

/// Says which document was refused, and that what runs is not touched by it.
fn located(mut failure: Failure, document: &Declared, before: &Value) -> Failure {
    failure.what = format!("{} ({})", failure.what, document.source);
    let state = before.get("status").and_then(|status| status.get("state")).and_then(Value::as_str);
    if let (Exit::Invalid | Exit::Conflict, Some(state)) = (failure.exit, state) {
        failure.now = Some(format!("nothing was changed; it is still {state}"));
    }
    failure
}
