//! `drey artifact`: programs that are uploaded, and the URI under which Deployments use them.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use drey_model::artifact_file::check_filename;
use futures::{Stream, StreamExt};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use super::{Shell, delete, get, printer};
use crate::args::{ArtifactVerb, Format};
use crate::failure::{Exit, Failure, Result};
use crate::output::put;
use crate::subject::{Kind, Subject};

/// Bytes that are read at once.
const PIECE_BYTES: usize = 256 << 10;
/// How often the bar moves.
const TICK: Duration = Duration::from_millis(100);

pub(super) async fn run(shell: &Shell, verb: ArtifactVerb) -> Result<()> {
    let kind = Kind::Artifact;
    match verb {
        ArtifactVerb::Upload { file, name } => upload(shell, &file, name).await,
        ArtifactVerb::List => get::run(shell, get::all_of(kind)).await,
        ArtifactVerb::Delete { name } => {
            delete::one(shell, Subject { kind, name: Some(name) }).await
        }
    }
}

/// The URI goes to stdout alone, so that scripts can put it into a Deployment.
async fn upload(shell: &Shell, path: &Path, name: Option<String>) -> Result<()> {
    let unreadable = |why: String| Failure::usage(format!("reading {}", path.display())).why(why);
    let own = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    let name = name
        .or(own)
        .ok_or_else(|| unreadable("its name is not text".to_owned()).next("add --name job.jar"))?;
    if let Some(why) = check_filename(&name) {
        return Err(Failure::usage(format!("\"{name}\" cannot be the name of an artifact"))
            .why(why)
            .next("add --name job.jar"));
    }
    let opened = File::open(path).await.map_err(|e| unreadable(e.to_string()))?;
    let metadata = opened.metadata().await.map_err(|e| unreadable(e.to_string()))?;
    if !metadata.is_file() {
        return Err(unreadable("it is not a file".to_owned()));
    }
    let bytes = metadata.len();
    let bar = bar(shell, bytes);
    let pieces = counted(ReaderStream::with_capacity(opened, PIECE_BYTES), bar.clone());
    let sent = shell.client.upload(&shell.ns, &name, bytes, pieces).await;
    bar.finish_and_clear();
    let made = sent?;
    match shell.format {
        Some(Format::Json | Format::Yaml | Format::Jsonl) => {
            return put(&printer::document(shell.format, &made)?);
        }
        Some(Format::Name) => return put(&format!("artifact/{name}\n")),
        Some(Format::Table | Format::Wide) | None => {}
    }
    let uri = made.get("uri").and_then(Value::as_str).ok_or_else(|| {
        Failure::new(Exit::Bug, format!("uploading artifact/{name} failed"))
            .why("the answer has no URI")
    })?;
    put(&format!("{uri}\n"))?;
    shell.note(&format!("artifact/{name} uploaded ({bytes} bytes); use the URI as jarUri"));
    Ok(())
}

/// Moves on a terminal; elsewhere there is none.
fn bar(shell: &Shell, bytes: u64) -> ProgressBar {
    if !shell.talks() || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
    let template = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left";
    bar.set_style(ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar()));
    bar.enable_steady_tick(TICK);
    bar
}

fn counted<B: AsRef<[u8]>>(
    pieces: impl Stream<Item = std::io::Result<B>>,
    bar: ProgressBar,
) -> impl Stream<Item = std::io::Result<B>> {
    pieces.inspect(move |piece| {
        if let Ok(piece) = piece {
            bar.inc(piece.as_ref().len() as u64);
        }
    })
}
