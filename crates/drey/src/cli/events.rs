//! `drey events`: what happened to a Deployment or a session cluster, oldest first.

use std::collections::HashSet;
use std::time::Duration;

use drey_model::{Deployment, Event};
use jiff::Timestamp;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{Shell, printer, session};
use crate::args::{Events, Format};
use crate::client::watch::Watch;
use crate::failure::Result;
use crate::output::{put, table};
use crate::subject::Kind;

/// Without any hint, look this often anyway.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// Hints come in bunches; one look answers them all.
const BUNCH: Duration = Duration::from_millis(100);

pub(super) async fn run(shell: &Shell, args: Events) -> Result<()> {
    let subject = subject(shell, &args.name).await?;
    let events = of(shell, &subject).await?;
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
        let Ok(events) = of(shell, &subject).await else { continue };
        let fresh: Vec<Event> =
            events.into_iter().filter(|event| told.insert(event.metadata.id)).collect();
        if !fresh.is_empty() {
            print(shell, &fresh, true, false)?;
        }
    }
}

/// Whose events are shown.
enum Subject {
    Deployment(Box<Deployment>),
    /// By its id.
    SessionCluster(String),
}

async fn subject(shell: &Shell, name: &str) -> Result<Subject> {
    let Some(cluster) = session::named(name) else {
        let deployment = shell.client.deployment(&shell.ns, name).await?;
        return Ok(Subject::Deployment(Box::new(deployment)));
    };
    let found = shell.client.object(&shell.ns, Kind::SessionCluster, &cluster).await?;
    let id = found.pointer("/metadata/id").and_then(|id| id.as_str());
    Ok(Subject::SessionCluster(id.unwrap_or_default().to_owned()))
}

/// The events, oldest first.
async fn of(shell: &Shell, subject: &Subject) -> Result<Vec<Event>> {
    match subject {
        Subject::Deployment(deployment) => shell.client.events(&shell.ns, deployment).await,
        Subject::SessionCluster(id) => {
            let query = [("sessionClusterId", id.as_str())];
            let mut events: Vec<Event> = shell.client.list(&shell.ns, Kind::Event, &query).await?;
            events.reverse();
            Ok(events)
        }
    }
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
