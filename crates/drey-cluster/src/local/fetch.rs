//! Finding what a cluster runs on: Java, a Flink of its version; and the programs of Jobs.
//!
//! What is fetched stays in the cache for the next Job. An error here means that the Job cannot be launched, so its text
//! goes to the user and says what to do.

use std::path::PathBuf;
use std::sync::Mutex;

use drey_flink::artifact::{self, Artifacts, Fetched};
use drey_flink::bundle;
use drey_flink::dist::{self, Cache, Progress};
use drey_flink::jdk::{self, Jdk};
use drey_flink::launch::{self, Flink};
use drey_flink::versions::{self, Version};
use drey_model::Job;
use drey_model::causes::causes;
use drey_model::deployment::ArtifactKind;
use drey_model::seen::Program;
use tokio::sync::OnceCell;
use url::Url;

use super::LocalConfig;
use super::flink::Parts;
use super::patience::blocking;
use super::wanted::Wanted;

/// Takes a text for people: what is being waited for.
pub(super) type Say<'a> = &'a (dyn Fn(String) + Send + Sync);

/// What is found once and used for every Job.
#[derive(Debug, Default)]
pub(super) struct Tools {
    /// Asking Java for its version takes longer than everything else of a warm start.
    java: tokio::sync::Mutex<Option<Jdk>>,
    artifacts: OnceCell<Artifacts>,
}

/// Finds or fetches everything.
pub(super) async fn fetch(
    config: &LocalConfig,
    tools: &Tools,
    wanted: &Wanted,
    say: Say<'_>,
) -> Result<Parts, String> {
    if let Wanted::Application(job) = wanted {
        check_kind(job)?;
    }
    let asked = wanted.flink_version();
    let version = asked.map_or(Ok(versions::DEFAULT), str::parse).map_err(|e| causes(&e))?;
    let java = find_java(config, tools, &version, say).await?;
    let flink = find_flink(config, &version, say).await?;
    let mut parts = Parts {
        java,
        home: flink.home,
        version: flink.version.to_string(),
        class_path: flink.class_path,
        jar: None,
        dependencies: Vec::new(),
        manifest_class: None,
    };
    if let Wanted::Application(job) = wanted {
        let found = find_program(config, tools, job, say).await?;
        parts.jar = Some(found.jar.path);
        parts.dependencies = found.dependencies.into_iter().map(|part| part.path).collect();
        parts.manifest_class = found.manifest_class;
    }
    Ok(parts)
}

/// Finds or fetches a Job's program as one file.
pub(super) async fn uploadable(
    config: &LocalConfig,
    tools: &Tools,
    job: &Job,
    say: Say<'_>,
) -> Result<Program, String> {
    check_kind(job)?;
    let found = find_program(config, tools, job, say).await?;
    if launch_class(job, &found).is_none() {
        let jar = found.jar.path;
        return Err(launch::Error::NoEntryClass { jar }.to_string());
    }
    let (jar, dependencies) = (found.jar, found.dependencies);
    let one = match dependencies.is_empty() {
        true => jar,
        false => {
            say("putting the artifact and its dependencies together".to_owned());
            let made = blocking(move || bundle::bundle(&jar, &dependencies)).await;
            made.map_err(|e| format!("putting the dependencies into one jar: {}", causes(&e)))?
        }
    };
    let manifest_class = found.manifest_class;
    Ok(Program::Ready { path: one.path, sha256: one.sha256, manifest_class })
}

fn launch_class<'a>(job: &'a Job, found: &'a Found) -> Option<&'a str> {
    let named = job.spec.artifact.entry_class.as_deref().map(str::trim);
    named.filter(|class| !class.is_empty()).or(found.manifest_class.as_deref())
}

fn check_kind(job: &Job) -> Result<(), String> {
    match job.spec.artifact.kind {
        ArtifactKind::Jar => Ok(()),
        kind => Err(launch::Error::Kind { kind }.to_string()),
    }
}

/// A program with its dependencies, in the cache.
struct Found {
    jar: Fetched,
    dependencies: Vec<Fetched>,
    manifest_class: Option<String>,
}

async fn find_java(
    config: &LocalConfig,
    tools: &Tools,
    version: &Version,
    say: Say<'_>,
) -> Result<PathBuf, String> {
    if let Some(java) = &config.java {
        return Ok(java.clone());
    }
    let (min, mut known) = (version.java_min(), tools.java.lock().await);
    if let Some(jdk) = known.as_ref().filter(|jdk| jdk.version >= min && jdk.java.exists()) {
        return Ok(jdk.java.clone());
    }
    say("looking for Java".to_owned());
    let jdk = jdk::find(min).await.map_err(|e| causes(&e))?;
    let java = jdk.java.clone();
    *known = Some(jdk);
    Ok(java)
}

async fn find_program(
    config: &LocalConfig,
    tools: &Tools,
    job: &Job,
    say: Say<'_>,
) -> Result<Found, String> {
    let make = async || {
        let cache = config.cache.clone();
        let made = blocking(move || Ok(Artifacts::new(&cache))).await.map_err(|e| causes(&e))?;
        made.map_err(|e| causes(&e))
    };
    let artifacts = tools.artifacts.get_or_try_init(make).await?;
    let wanted = &job.spec.artifact;
    let uri = wanted.jar_uri.as_deref().map(str::trim).filter(|uri| !uri.is_empty());
    let uri = uri.ok_or("the Deployment names no jarUri")?;
    say(format!("fetching {}", shown(uri)));
    let (jar, manifest_class) = artifacts.fetch_jar(uri).await.map_err(|e| causes(&e))?;
    let mut dependencies = Vec::new();
    for uri in wanted.additional_dependencies.iter().flatten() {
        say(format!("fetching {}", shown(uri)));
        dependencies.push(artifacts.fetch(uri).await.map_err(|e| causes(&e))?);
    }
    Ok(Found { jar, dependencies, manifest_class })
}

/// A URI without its secrets.
fn shown(uri: &str) -> String {
    Url::parse(uri).map_or_else(|_| "the artifact".to_owned(), |url| artifact::redacted(&url))
}

async fn find_flink(
    config: &LocalConfig,
    version: &Version,
    say: Say<'_>,
) -> Result<Flink, String> {
    let (homes, asked) = (config.flink_homes.clone(), *version);
    let given = blocking(move || {
        let mut given = homes.iter().filter_map(|home| dist::open(home));
        Ok(given.find(|flink| asked.covers(&flink.version)))
    });
    if let Some(flink) = given.await.map_err(|e| causes(&e))? {
        return Ok(flink);
    }
    say(format!("installing Flink {version}"));
    let steps = Steps { say, step: Mutex::new(format!("installing Flink {version}")) };
    let cache = Cache::at(config.cache.clone());
    let installed = cache.install(version, &config.flink_source, &steps).await;
    installed.map(|installed| installed.flink).map_err(|e| causes(&e))
}

/// Shows the steps of an installation as what the preparation is waiting for.
struct Steps<'a> {
    say: Say<'a>,
    step: Mutex<String>,
}

impl Progress for Steps<'_> {
    fn step(&self, text: &str) {
        if let Ok(mut step) = self.step.lock() {
            text.clone_into(&mut step);
        }
        (self.say)(text.to_owned());
    }

    fn bytes(&self, done: u64, total: Option<u64>) {
        let step = self.step.lock().map(|step| step.clone()).unwrap_or_default();
        (self.say)(format!("{step}{}", progress(done, total)));
    }
}

/// How far a download is, in few steps: what a preparation waits for is stored whenever it changes.
fn progress(done: u64, total: Option<u64>) -> String {
    const PERCENT_STEP: u64 = 10;
    const MB_STEP: u64 = 50;
    let percent = total.and_then(|total| done.saturating_mul(100).checked_div(total));
    match percent {
        Some(percent) => format!(": {} %", percent / PERCENT_STEP * PERCENT_STEP),
        None => match done / 1_000_000 / MB_STEP * MB_STEP {
            0 => String::new(),
            megabytes => format!(": {megabytes} MB"),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_progress_of_a_download_changes_rarely() {
        let all = |total| {
            let texts = (0..=300).map(|mb| progress(mb * 1_000_000, total));
            texts.collect::<BTreeSet<_>>().len()
        };
        assert_eq!((all(Some(300_000_000)), all(None)), (11, 7));
        assert_eq!(progress(199, Some(1000)), ": 10 %");
        assert_eq!(progress(120_000_000, None), ": 100 MB");
        assert_eq!(progress(5, Some(0)), "");
    }
}
