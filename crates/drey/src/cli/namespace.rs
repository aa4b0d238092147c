//! `drey namespace`: the rooms of a server.

use reqwest::Method;
use serde_json::json;

use super::{Shell, delete, get};
use crate::args::NamespaceVerb;
use crate::client::Body;
use crate::failure::Result;
use crate::subject::{Kind, Place, Subject};

pub(super) async fn run(shell: &Shell, verb: NamespaceVerb) -> Result<()> {
    let kind = Kind::Namespace;
    match verb {
        NamespaceVerb::Create { name } => {
            let doing = format!("creating namespace/{name}");
            let body = Some(Body::Json(json!({ "name": format!("namespaces/{name}") })));
            let place = Place::all(&shell.ns, kind);
            let made = shell.client.send(&doing, Method::POST, &place, body, None).await?;
            shell.report(kind, &made, "created")
        }
        NamespaceVerb::List => get::run(shell, get::all_of(kind)).await,
        NamespaceVerb::Delete { name } => {
            delete::one(shell, Subject { kind, name: Some(name) }).await
        }
    }
}
