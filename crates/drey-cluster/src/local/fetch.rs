//! Finding what a Job runs on: Java, a Flink of its version, its program.
//!
//! What is fetched stays in the cache for the next Job. An error here means that the Job cannot be launched, so its text
//! goes to the user and says what to do.

use std::path::PathBuf;
use std::sync::Mutex;

use drey_flink::dist::{self, Cache, Progress};
use drey_flink::jdk;
use drey_flink::launch::Flink;
use drey_flink::versions::{self, Version};
use drey_model::Job;

use super::LocalConfig;
use super::flink::{Parts, chain};

/// Takes a text for people: what is being waited for.
pub(super) type Say<'a> = &'a (dyn Fn(String) + Send + Sync);

/// Finds or fetches everything.
pub(super) async fn fetch(config: &LocalConfig, job: &Job, say: Say<'_>) -> Result<Parts, String> {
    let asked = job.spec.artifact.flink_version.as_deref();
    let version = asked.map_or(Ok(versions::DEFAULT), str::parse).map_err(|e| chain(&e))?;
    let java = find_java(config, &version, say).await?;
    let flink = find_flink(config, &version, say).await?;
    let jar = job.spec.artifact.jar_uri.clone().unwrap_or_default();
    say(format!("fetching {jar}"));
    let jar = PathBuf::from(jar.trim_start_matches("file://"));
    if !jar.exists() {
        return Err(format!("cannot fetch {}: not found", jar.display()));
    }
    Ok(Parts {
        java,
        home: flink.home,
        version: flink.version.to_string(),
        class_path: flink.class_path,
        jar,
        dependencies: vec![],
        manifest_class: None,
    })
}

async fn find_java(config: &LocalConfig, version: &Version, say: Say<'_>) -> Result<PathBuf, String> {
    if let Some(java) = &config.java {
        return Ok(java.clone());
    }
    say("looking for Java".to_owned());
    let jdk = jdk::find(version.java_min()).await.map_err(|e| chain(&e))?;
    Ok(jdk.java)
}

async fn find_flink(config: &LocalConfig, version: &Version, say: Say<'_>) -> Result<Flink, String> {
    let mut given = config.flink_homes.iter().filter_map(|home| dist::open(home));
    if let Some(flink) = given.find(|flink| version.covers(&flink.version)) {
        return Ok(flink);
    }
    say(format!("installing Flink {version}"));
    let steps = Steps { say, step: Mutex::new(format!("installing Flink {version}")) };
    let cache = Cache::at(config.cache.clone());
    let installed = cache.install(version, &config.flink_source, &steps).await;
    installed.map(|installed| installed.flink).map_err(|e| chain(&e))
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
        let percent = total.and_then(|total| (done * 100).checked_div(total));
        (self.say)(match percent {
            Some(percent) => format!("{step}: {percent} %"),
            None => format!("{step}: {} MB", done / 1_000_000),
        });
    }
}
