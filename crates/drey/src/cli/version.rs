//! `drey version`: of this program and, when one answers, of the server.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Shell, printer};
use crate::args::Format;
use crate::failure::Result;
use crate::output::put;

/// A server that does not answer at once is not worth waiting for here.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) async fn run(shell: &Shell) -> Result<()> {
    let ours = env!("CARGO_PKG_VERSION");
    let asked = shell.client.get("asking", &["api", "v1", "status", "system-info"], &[]);
    let info = timeout(ANSWER_TIMEOUT, asked).await.ok().and_then(std::result::Result::ok);
    if let Some(Format::Json | Format::Yaml | Format::Jsonl) = shell.format {
        let object = json!({ "client": { "version": ours }, "server": info });
        return put(&printer::document(shell.format, &object)?);
    }
    let version = info.as_ref().and_then(find_version);
    let server = match (&info, version) {
        (Some(_), Some(version)) => format!("drey {version} at {}", shell.client.base()),
        (Some(_), None) => format!("of an unknown version at {}", shell.client.base()),
        (None, _) => format!("none answers at {}", shell.client.base()),
    };
    put(&format!("client: drey {ours}\nserver: {server}\n"))
}

/// The version in the server's account of itself.
fn find_version(info: &Value) -> Option<String> {
    let found = info.pointer("/status/revisionInformation/buildVersion")?;
    found.as_str().map(str::to_owned)
}
