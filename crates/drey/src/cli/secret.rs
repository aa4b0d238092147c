//! `drey secret`: values go in from standard input or a file, never from the command line, and never come out.

use std::io::{IsTerminal, Read};
use std::path::Path;

use drey_model::secret::VALUE_BYTES_MAX;
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{Shell, delete, get};
use crate::args::{SecretSet, SecretVerb};
use crate::client::Body;
use crate::failure::{Exit, Failure, Result};
use crate::subject::{Kind, Place, Subject};

pub(super) async fn run(shell: &Shell, verb: SecretVerb) -> Result<()> {
    let kind = Kind::SecretValue;
    match verb {
        SecretVerb::Set(args) => set(shell, args).await,
        SecretVerb::List => get::run(shell, get::all_of(kind)).await,
        SecretVerb::Delete { name } => delete::one(shell, Subject { kind, name: Some(name) }).await,
    }
}

async fn set(shell: &Shell, args: SecretSet) -> Result<()> {
    let mut text = match &args.from_file {
        Some(path) => file(path)?,
        None => typed_or_piped(&args.name)?,
    };
    // `echo` and editors end texts with a newline that nobody means.
    if !args.keep_newline && text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() {
        return Err(Failure::usage(format!("the value of {} is empty", args.name))
            .why("nothing was sent")
            .next(format!("printf %s \"$VALUE\" | drey secret set {}", args.name)));
    }
    let value = SecretString::from(text);
    let kind = Kind::SecretValue;
    let spec = json!({ "kind": "Plain", "value": value.expose_secret() });
    let doing = format!("setting secretvalue/{}", args.name);
    let place = Place::one(&shell.ns, kind, &args.name);
    let change = Body::Json(json!({ "spec": spec }));
    match shell.client.send(&doing, Method::PATCH, &place, Some(change), None).await {
        Err(failure) if failure.exit == Exit::NotFound => {
            let body = json!({ "metadata": { "name": args.name }, "spec": spec });
            let place = Place::all(&shell.ns, kind);
            let body = Some(Body::Json(body));
            let made = shell.client.send(&doing, Method::POST, &place, body, None).await?;
            shell.report(kind, &made, "created")
        }
        changed => shell.report(kind, &changed?, "configured"),
    }
}

fn file(path: &Path) -> Result<String> {
    let unreadable = |why: String| Failure::usage(format!("reading {}", path.display())).why(why);
    let metadata = std::fs::metadata(path).map_err(|e| unreadable(e.to_string()))?;
    if metadata.len() > VALUE_BYTES_MAX as u64 + 2 {
        return Err(unreadable(format!("it is longer than {VALUE_BYTES_MAX} bytes")));
    }
    std::fs::read_to_string(path).map_err(|e| unreadable(e.to_string()))
}

fn typed_or_piped(name: &str) -> Result<String> {
    if std::io::stdin().is_terminal() {
        return Err(Failure::usage(format!("where is the value of {name}?"))
            .why("it is read from standard input or a file, so that it is in no history and no list of processes")
            .next(format!("drey secret set {name} --from-file FILE"))
            .next(format!("read -rs V; printf %s \"$V\" | drey secret set {name}")));
    }
    standard_input()
}

/// All of standard input.
pub(super) fn standard_input() -> Result<String> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(VALUE_BYTES_MAX as u64 + 2).read_to_string(&mut text);
    read.map_err(|e| Failure::usage("reading standard input").why(e.to_string()))?;
    Ok(text)
}
