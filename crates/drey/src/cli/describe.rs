//! `drey describe`: one page about one object.

use jiff::Timestamp;

use super::{Shell, one, printer};
use crate::args::{Format, One};
use crate::failure::Result;
use crate::output::describe::{Page, deployment};
use crate::output::{put, yaml};
use crate::subject::Kind;

pub(super) async fn run(shell: &Shell, args: One) -> Result<()> {
    let (kind, name) = one(args.subject, args.name)?;
    if kind != Kind::Deployment {
        let object = match kind {
            // With what it waits for and who runs on it.
            Kind::SessionCluster => {
                let path = ["ext", "v1", "namespaces", &shell.ns, "sessionclusters", &name];
                shell.client.get(&format!("getting sessioncluster/{name}"), &path, &[]).await?
            }
            _ => shell.client.object(&shell.ns, kind, &name).await?,
        };
        return match shell.format {
            Some(Format::Json | Format::Jsonl) => put(&printer::document(shell.format, &object)?),
            _ => put(&yaml(&object)?),
        };
    }
    if let Some(Format::Json | Format::Yaml | Format::Jsonl) = shell.format {
        let doing = format!("getting deployment/{name}");
        let path = ["ext", "v1", "namespaces", &shell.ns, "deployments", &name];
        let view = shell.client.get(&doing, &path, &[]).await?;
        return put(&printer::document(shell.format, &view)?);
    }
    let view = shell.client.view(&shell.ns, &name).await?;
    let (events, savepoints) = tokio::join!(
        shell.client.events(&shell.ns, kind, view.deployment.metadata.id),
        shell.client.savepoints(&shell.ns, &view.deployment),
    );
    let page = Page { view, events: events?, savepoints: savepoints? };
    put(&deployment(&page, Timestamp::now(), shell.out))
}
