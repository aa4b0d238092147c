//! `drey describe`: one page about one object.

use jiff::Timestamp;

use super::{Shell, one, printer};
use crate::args::{Format, One};
use crate::failure::Result;
use crate::output::describe::{Page, deployment};
use crate::output::describe_cluster::session_cluster;
use crate::output::{put, yaml};
use crate::subject::{Kind, collection, singular};

pub(super) async fn run(shell: &Shell, args: One) -> Result<()> {
    let (kind, name) = one(args.subject, args.name)?;
    if !matches!(kind, Kind::Deployment | Kind::SessionCluster) {
        let object = shell.client.object(&shell.ns, kind, &name).await?;
        return match shell.format {
            Some(Format::Json | Format::Jsonl) => put(&printer::document(shell.format, &object)?),
            _ => put(&yaml(&object)?),
        };
    }
    if let Some(Format::Json | Format::Yaml | Format::Jsonl) = shell.format {
        let doing = format!("getting {}/{name}", singular(kind));
        let path = ["ext", "v1", "namespaces", &shell.ns, collection(kind), &name];
        let view = shell.client.get(&doing, &path, &[]).await?;
        return put(&printer::document(shell.format, &view)?);
    }
    if kind == Kind::SessionCluster {
        let view = shell.client.cluster_view(&shell.ns, &name).await?;
        let id = view.session_cluster.metadata.id;
        let events = shell.client.events(&shell.ns, kind, id).await?;
        return put(&session_cluster(&view, &events, Timestamp::now()));
    }
    let view = shell.client.view(&shell.ns, &name).await?;
    let (events, savepoints) = tokio::join!(
        shell.client.events(&shell.ns, kind, view.deployment.metadata.id),
        shell.client.savepoints(&shell.ns, &view.deployment),
    );
    let page = Page { view, events: events?, savepoints: savepoints? };
    put(&deployment(&page, Timestamp::now(), shell.out))
}
