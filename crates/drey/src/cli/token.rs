//! `drey token`: credentials of programs.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Shell, delete, get, printer};
use crate::args::{Format, TokenVerb};
use crate::client::Body;
use crate::failure::{Exit, Failure, Result};
use crate::output::put;
use crate::subject::{Kind, Place, Subject};

pub(super) async fn run(shell: &Shell, verb: TokenVerb) -> Result<()> {
    let kind = Kind::ApiToken;
    match verb {
        TokenVerb::Create { name, role } => create(shell, &name, &role).await,
        TokenVerb::List => get::run(shell, get::all_of(kind)).await,
        TokenVerb::Delete { name } => delete::one(shell, Subject { kind, name: Some(name) }).await,
    }
}

/// The secret goes to stdout alone, so that it can go straight into a file.
async fn create(shell: &Shell, name: &str, role: &str) -> Result<()> {
    let doing = format!("creating apitoken/{name}");
    let full = format!("namespaces/{}/apitokens/{name}", shell.ns);
    let body = Some(Body::Json(json!({ "name": full, "role": role })));
    let place = Place::all(&shell.ns, Kind::ApiToken);
    let made = shell.client.send(&doing, Method::POST, &place, body, None).await?;
    match shell.format {
        Some(Format::Json | Format::Yaml | Format::Jsonl) => {
            return put(&printer::document(shell.format, &made)?);
        }
        Some(Format::Name) => return put(&format!("apitoken/{name}\n")),
        Some(Format::Table | Format::Wide) | None => {}
    }
    let secret = made.get("secret").and_then(Value::as_str).ok_or_else(|| {
        Failure::new(Exit::Bug, format!("{doing} failed")).why("the answer has no secret")
    })?;
    put(&format!("{secret}\n"))?;
    shell.note(&format!(
        "apitoken/{name} created: {role} in namespace {}. It is shown this once; keep it in a file that only you can read.",
        shell.ns
    ));
    Ok(())
}
