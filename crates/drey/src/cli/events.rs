//! `drey events`: what happened to a Deployment or a session cluster, oldest first.

use std::collections::HashSet;
use std::time::Duration;

use drey_model::Event;
use drey_model::meta::Metadata;
use jiff::Timestamp;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{Shell, printer};
use crate::args::{Events, Format};
use crate::client::typed;
use crate::client::watch::Watch;
use crate::failure::{Failure, Result};
use crate::output::{put, table};
use crate::subject::{Kind, singular};

/// Without any hint, look this often anyway.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// Hints come in bunches; one look answers them all.
const BUNCH: Duration = Duration::from_millis(100);

pub(super) async fn run(shell: &Shell, args: Events) -> Result<()> {
    let (kind, id) = owner(shell, &args.name).await?;
    let events = shell.client.events(&shell.ns, kind, id).await?;
    let mut told: HashSet<Uuid> = events.iter().map(|event| event.metadata.id).collect();
    print(shell, &events, args.follow, shell.headers)?;
    if !args.follow {
        return Ok(());
    }
    let mut watch = Watch::new(&shell.client, &shell.ns, &[Kind::Event]);
    loop {
        if watch.next(Instant::now() + LOOK_INTERVAL).await.is_some() {
            sleep(BUNCH).await;
            while watch.next(Instant::now()).await.is_some() {}
        }
        // The list is asked, not the stream trusted: a stream may miss what was trimmed or lost.
        let Ok(events) = shell.client.events(&shell.ns, kind, id).await else { continue };
        let fresh: Vec<Event> =
            events.into_iter().filter(|event| told.insert(event.metadata.id)).collect();
        if !fresh.is_empty() {
            print(shell, &fresh, true, false)?;
        }
    }
}

/// Whose events are shown.
async fn owner(shell: &Shell, text: &str) -> Result<(Kind, Uuid)> {
    let subject = crate::subject::named(text).map_err(Failure::usage)?;
    let (kind @ (Kind::Deployment | Kind::SessionCluster), Some(name)) =
        (subject.kind, &subject.name)
    else {
        return Err(Failure::usage("events are those of a deployment or a session cluster")
            .next("drey events top-speed")
            .next("drey events sc/shared"));
    };
    let found = shell.client.object(&shell.ns, kind, name).await?;
    let metadata = found.get("metadata").cloned().unwrap_or_default();
    let metadata: Metadata = typed(&format!("getting {}/{name}", singular(kind)), metadata)?;
    Ok((kind, metadata.id))
}

/// Followed events carry the time of day, which stays true; listed ones their age.
fn print(shell: &Shell, events: &[Event], follow: bool, headers: bool) -> Result<()> {
    match shell.format {
        None | Some(Format::Table | Format::Wide) if follow => {
            let line = |event: &Event| {
                let at = event.metadata.created_at.strftime("%H:%M:%S");
                format!(
                    "{at}  {}  {}\n",
                    event.metadata.name,
                    event.spec.message.replace('\n', " ")
                )
            };
            put(&events.iter().map(line).collect::<String>())
        }
        None | Some(Format::Table | Format::Wide) if events.is_empty() => {
            shell.note("no events yet");
            Ok(())
        }
        None | Some(Format::Table | Format::Wide) => {
            put(&table::events(events, Timestamp::now()).render(headers, shell.out))
        }
        Some(format) => {
            let values: Vec<serde_json::Value> =
                events.iter().map(|event| serde_json::json!(event)).collect();
            let format = if follow { Format::Jsonl } else { format };
            put(&printer::documents(format, Kind::Event, &values)?)
        }
    }
}
