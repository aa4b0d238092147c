//! Secrets of one cluster: looked up before its launch, filled into what it runs with, hidden in what it says.
//!
//! ```text
//! placeholders of the Job ──source──► values ──secrets.json (0600)──► filled Job ──► files, command lines
//!                                                     └──► mask: logs, reasons; the dashboard by `ClusterBackend::mask`
//! ```
//!
//! `secrets.json` lives as long as the cluster: TaskManagers of later days start with the values of the first one. When
//! the cluster is removed its logs are written anew without the values, and then the file goes with the folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use drey_model::Job;
use drey_model::secret::mask::{Mask, Masking};
use drey_model::secret::{self, Reference};
use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;

use super::folder::{Folder, Mark};
use super::patience::blocking;
use super::wanted::Wanted;
use super::{Cluster, Shared, logs};
use crate::secrets::{Unresolved, Values};

const CHUNK_BYTES: usize = 64 << 10;

/// Why something cannot be filled.
pub(super) enum Lack {
    /// It never can be; for people.
    Refused(String),
    /// It may be later.
    Unavailable(String),
}

impl Shared {
    /// What is wanted with its secrets filled in. The values are written down first, so that they are hidden from whatever
    /// happens next.
    pub(super) async fn fill(
        &self,
        cluster: &Arc<Cluster>,
        wanted: &Wanted,
    ) -> Result<Wanted, Lack> {
        let values = self.values(wanted.namespace(), &wanted.references()).await?;
        if !values.is_empty() {
            let (this, copy) = (cluster.clone(), values.clone());
            let written = blocking(move || write(&this.folder, &copy)).await;
            written.map_err(|e| Lack::Unavailable(format!("its secrets cannot be kept: {e}")))?;
        }
        fill(wanted, &values).map_err(Lack::Refused)
    }

    /// A Job in session mode whose program can be fetched, and what must not be shown of that. Flink never sees these
    /// values: only the fetching needs them.
    pub(super) async fn fill_artifact(&self, job: &Job) -> Result<(Job, Mask), Lack> {
        let references = secret::jar_references(&job.spec.artifact);
        let values = self.values(&job.metadata.namespace, &references).await?;
        let value = |name: &str| values.get(name).map(ExposeSecret::expose_secret);
        let artifact = secret::artifact_filled(&job.spec.artifact, value);
        let artifact = artifact.map_err(|names| Lack::Refused(gone(&names)))?;
        let mut filled = job.clone();
        filled.spec.artifact = artifact;
        Ok((filled, Mask::of(values.values().map(ExposeSecret::expose_secret))))
    }

    async fn values(&self, namespace: &str, references: &[Reference]) -> Result<Values, Lack> {
        let names: BTreeSet<&str> = references.iter().map(|r| r.name.as_str()).collect();
        if names.is_empty() {
            return Ok(Values::new());
        }
        let wanted = names.into_iter().map(str::to_owned).collect();
        let found = self.config.secrets.look_up(namespace, wanted).await;
        found.map_err(|why| match why {
            Unresolved::Unavailable(why) => Lack::Unavailable(why),
            Unresolved::Names(missing) => Lack::Refused(told(&missing, references)),
        })
    }
}

/// What must not be shown of the cluster in this folder.
pub(super) fn mask(folder: &Folder) -> io::Result<Mask> {
    let values = read(folder)?;
    Ok(Mask::of(values.values().map(|value| value.as_str())))
}

impl Cluster {
    /// The text without secrets; nothing of it when they are not known.
    pub(super) fn hide(&self, text: &str) -> String {
        match mask(&self.folder) {
            Ok(mask) => mask.text(text),
            Err(error) => format!("(not shown, since its secrets cannot be hidden: {error})"),
        }
    }

    /// Why a process died, without secrets.
    pub(super) fn why_died(&self, slot: &super::process::Slot) -> String {
        self.hide(&super::death::why(slot, &self.logs))
    }

    /// What is wanted as it was filled at the launch.
    pub(super) fn filled(&self, wanted: &Wanted) -> io::Result<Wanted> {
        if wanted.references().is_empty() {
            return fill(wanted, &Values::new()).map_err(io::Error::other);
        }
        let values = read(&self.folder)?;
        let values = values.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
        fill(wanted, &values.collect()).map_err(io::Error::other)
    }

    /// Takes the secrets out of the logs, when nobody writes to them any more.
    pub(super) fn scrub_logs(&self) -> io::Result<()> {
        let mask = Arc::new(mask(&self.folder)?);
        if mask.is_empty() {
            return Ok(());
        }
        for file in logs::list(&self.logs)? {
            scrub(&self.logs.join(file.name), &mask)?;
        }
        Ok(())
    }
}

fn fill(wanted: &Wanted, values: &Values) -> Result<Wanted, String> {
    let value = |name: &str| values.get(name).map(ExposeSecret::expose_secret);
    wanted.filled(value).map_err(|names| gone(&names))
}

fn gone(names: &[String]) -> String {
    format!("the secrets {} that it was launched with are gone", names.join(", "))
}

/// One sentence for each name that has no value, with the place that names it.
fn told(missing: &[(String, String)], references: &[Reference]) -> String {
    let tell = |(name, why): &(String, String)| {
        let places: Vec<&str> =
            references.iter().filter(|r| r.name == *name).map(|r| r.path.as_str()).collect();
        format!(
            "the secret '{name}', named in {}, cannot be filled in: it {why}",
            places.join(" and ")
        )
    };
    missing.iter().map(tell).collect::<Vec<_>>().join("; ")
}

fn write(folder: &Folder, values: &Values) -> io::Result<()> {
    let plain: BTreeMap<&str, &str> =
        values.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
    let text = Zeroizing::new(serde_json::to_vec(&plain)?);
    folder.put(Mark::Secrets, &text)
}

fn read(folder: &Folder) -> io::Result<BTreeMap<String, Zeroizing<String>>> {
    let Some(text) = folder.read(Mark::Secrets)? else { return Ok(BTreeMap::new()) };
    let text = Zeroizing::new(text);
    let plain: BTreeMap<String, String> = serde_json::from_slice(&text)?;
    Ok(plain.into_iter().map(|(name, value)| (name, Zeroizing::new(value))).collect())
}

/// Writes a file anew without the secrets; a crash leaves the old one, and a piece that is no log.
fn scrub(path: &Path, mask: &Arc<Mask>) -> io::Result<()> {
    let mut from = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let mut to =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    let mut masking = Masking::new(Arc::clone(mask));
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let n = from.read(&mut chunk)?;
        if n == 0 {
            break;
        }
        to.write_all(&masking.push(chunk.get(..n).unwrap_or_default()))?;
    }
    to.write_all(&masking.finish())?;
    // The old file holds what the new one must not: after a power cut there shall be one of the two, not neither.
    to.sync_all()?;
    fs::rename(&fresh, path)
}

#[cfg(test)]
#[path = "secrets_tests.rs"]
mod tests;
