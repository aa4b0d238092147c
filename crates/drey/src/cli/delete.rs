//! `drey delete`: after a question, unless `--yes`.

use drey_model::Kind;
use reqwest::Method;

use super::{Shell, one};
use crate::args::Delete;
use crate::failure::{Exit, Failure, Result};
use crate::subject::{collection, singular};

pub(super) async fn run(shell: &Shell, args: Delete) -> Result<()> {
    let (kind, name) = one(args.one.subject, args.one.name)?;
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
    shell.client.object(&shell.ns, kind, &name).await?;
    shell.confirm(&format!("Delete {word}/{name} in namespace {}?", shell.ns))?;
    let doing = format!("deleting {word}/{name}");
    let path = ["api", "v1", "namespaces", &shell.ns, collection(kind), &name];
    let sent = shell.client.send(&doing, Method::DELETE, &path, None, None).await;
    let object = sent.map_err(|failure| match (kind, failure.exit) {
        (Kind::Deployment, Exit::Conflict) => failure
            .next(format!("drey suspend {name} --wait    stops it and keeps its state"))
            .next(format!("drey cancel {name} --wait     stops it at once")),
        (Kind::SessionCluster, Exit::Conflict) => {
            failure.next(format!("drey stop sc/{name} --wait"))
        }
        _ => failure,
    })?;
    shell.report(kind, &object, "deleted")
}
