//! Finding what a cluster runs on: Java, a Flink of its version, and (in `programs.rs`) the program of a Job.
//!
//! What is fetched stays in the cache for the next Job. An error here means that the Job cannot be launched, so its text
//! goes to the user and says what to do.

use std::sync::Mutex;

use drey_flink::artifact::{Artifacts, Fetched};
use drey_flink::bundle;
use drey_flink::dist::{self, Cache, Progress};
use drey_flink::jdk::{self, Jdk};
use drey_flink::launch::Flink;
use drey_flink::program::Program;
use drey_flink::versions::{self, Version};
use drey_model::Job;
use drey_model::causes::causes;
use drey_model::seen;
use tokio::sync::OnceCell;

use super::flink::Parts;
use super::patience::blocking;
use super::wanted::Wanted;
use super::{LocalConfig, programs};

/// Takes a text for people: what is being waited for.
pub(super) type Say<'a> = &'a (dyn Fn(String) + Send + Sync);

/// What is found once and used for every Job.
#[derive(Debug, Default)]
pub(super) struct Tools {
    /// Asking Java for its version takes longer than everything else of a warm start.
    java: tokio::sync::Mutex<Option<Jdk>>,
    pub(super) artifacts: OnceCell<Artifacts>,
}

/// What the search for a program works with.
pub(super) struct Needs<'a> {
    pub(super) config: &'a LocalConfig,
    pub(super) namespace: &'a str,
    pub(super) tools: &'a Tools,
    pub(super) jdk: &'a Jdk,
    pub(super) flink: &'a Flink,
    pub(super) say: Say<'a>,
}

/// Finds or fetches everything.
pub(super) async fn fetch(
    config: &LocalConfig,
    tools: &Tools,
    wanted: &Wanted,
    say: Say<'_>,
) -> Result<Parts, String> {
    let asked = wanted.flink_version();
    let version = asked.map_or(Ok(versions::DEFAULT), str::parse).map_err(|e| causes(&e))?;
    let jdk = find_java(config, tools, &version, say).await?;
    let flink = find_flink(config, &version, say).await?;
    let program = match wanted {
        Wanted::Application(job) => {
            let namespace = &job.metadata.namespace;
            let needs = Needs { config, namespace, tools, jdk: &jdk, flink: &flink, say };
            programs::find(&needs, job).await?
        }
        Wanted::Session(_) => Program::default(),
    };
    Ok(Parts {
        java: jdk.java,
        home: flink.home,
        version: flink.version.to_string(),
        class_path: flink.class_path,
        program,
    })
}

/// Finds or fetches a Job's program as one file, which is all that a session cluster takes.
pub(super) async fn uploadable(
    config: &LocalConfig,
    tools: &Tools,
    job: &Job,
    say: Say<'_>,
) -> Result<seen::Program, String> {
    let asked = job.spec.artifact.flink_version.as_deref();
    let version = asked.map_or(Ok(versions::DEFAULT), str::parse).map_err(|e| causes(&e))?;
    let jdk = find_java(config, tools, &version, say).await?;
    let flink = find_flink(config, &version, say).await?;
    let namespace = &job.metadata.namespace;
    let needs = Needs { config, namespace, tools, jdk: &jdk, flink: &flink, say };
    let Program { jar, dependencies, class, args, settings, .. } =
        programs::find(&needs, job).await?;
    if !dependencies.is_empty() {
        say("putting the program and its dependencies together".to_owned());
    }
    let cache = config.cache.clone();
    let one = blocking(move || bundle::bundle(&cache, jar, &dependencies)).await;
    let Fetched { path, sha256 } =
        one.map_err(|e| format!("putting the program into one jar: {}", causes(&e)))?;
    Ok(seen::Program::Ready { path, sha256, class, args, settings })
}

async fn find_java(
    config: &LocalConfig,
    tools: &Tools,
    version: &Version,
    say: Say<'_>,
) -> Result<Jdk, String> {
    let min = version.java_min();
    if let Some(java) = &config.java {
        let javac = jdk::compiler_beside(java);
        return Ok(Jdk { java: java.clone(), javac, version: min });
    }
    let mut known = tools.java.lock().await;
    if let Some(jdk) = known.as_ref().filter(|jdk| jdk.version >= min && jdk.java.exists()) {
        return Ok(jdk.clone());
    }
    say("looking for Java".to_owned());
    let jdk = jdk::find(min).await.map_err(|e| causes(&e))?;
    *known = Some(jdk.clone());
    Ok(jdk)
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
    let steps = Steps::new(say, format!("installing Flink {version}"));
    let cache = Cache::at(config.cache.clone());
    let installed = cache.install(version, &config.flink_source, &steps).await;
    installed.map(|installed| installed.flink).map_err(|e| causes(&e))
}

/// Shows the steps of an installation as what the preparation is waiting for.
pub(super) struct Steps<'a> {
    say: Say<'a>,
    step: Mutex<String>,
}

impl<'a> Steps<'a> {
    pub(super) fn new(say: Say<'a>, step: String) -> Self {
        Self { say, step: Mutex::new(step) }
    }
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
