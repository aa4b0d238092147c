//! Finding a Job's program: its files are fetched, and what our driver needs is made.
//!
//! ```text
//! JAR        jarUri ──────────────────────────────────────────────► Program
//! SQLSCRIPT  sqlScript ─► read ─┐
//! PYTHON     pythonArtifactUri ─┴─► driver, compiled once ─► (PyFlink, installed once) ─► Program
//! ```
//!
//! An error means that the Job cannot be launched, so its text goes to the user and says what to do. Does not own what a
//! program is ([`drey_flink::program`]).

use std::path::PathBuf;

use drey_flink::artifact::{self, Artifacts};
use drey_flink::dist::Cache;
use drey_flink::driver;
use drey_flink::program::{Program, PythonFiles, names_python};
use drey_flink::sql::Script;
use drey_model::Job;
use drey_model::causes::causes;
use drey_model::deployment::ArtifactKind;
use url::Url;

use super::fetch::{Needs, Steps};
use super::patience::blocking;

/// Finds or fetches the program.
pub(super) async fn find(needs: &Needs<'_>, job: &Job) -> Result<Program, String> {
    match job.spec.artifact.kind {
        ArtifactKind::Jar => jar(needs, job).await,
        ArtifactKind::SqlScript => sql(needs, job).await,
        ArtifactKind::Python => python(needs, job).await,
    }
}

async fn jar(needs: &Needs<'_>, job: &Job) -> Result<Program, String> {
    let artifact = &job.spec.artifact;
    let uri = given("jarUri", artifact.jar_uri.as_deref())?;
    (needs.say)(format!("fetching {}", shown(uri)));
    let artifacts = needs.artifacts().await?;
    let (jar, manifest_class) = artifacts.fetch_jar(uri).await.map_err(|e| causes(&e))?;
    let dependencies = needs.fetch(artifact.additional_dependencies.as_deref()).await?;
    Program::jar(artifact, jar.path, dependencies, manifest_class).map_err(|e| causes(&e))
}

async fn sql(needs: &Needs<'_>, job: &Job) -> Result<Program, String> {
    let artifact = &job.spec.artifact;
    let script = given("sqlScript", artifact.sql_script.as_deref())?;
    let script = Script::parse(script).map_err(|e| causes(&e))?;
    let driver = needs.driver(artifact.kind).await?;
    let jar = blocking(move || Ok(driver::script_jar(&driver, &script)));
    let jar = jar.await.map_err(|e| causes(&e))?.map_err(|e| causes(&e))?;
    let jar = needs.artifacts().await?.put("sql-script.jar", jar).await;
    let jar = jar.map_err(|e| causes(&e))?.path;
    let dependencies = needs.fetch(artifact.additional_dependencies.as_deref()).await?;
    Ok(Program::sql(jar, dependencies, &job.metadata.deployment_name))
}

async fn python(needs: &Needs<'_>, job: &Job) -> Result<Program, String> {
    let artifact = &job.spec.artifact;
    let uri = given("pythonArtifactUri", artifact.python_artifact_uri.as_deref())?;
    let main = needs.fetch(Some(&[uri.to_owned()])).await?.into_iter().next();
    let main = main.ok_or("the Python program could not be fetched")?;
    let dependencies = needs.fetch(artifact.additional_dependencies.as_deref()).await?;
    let libraries = needs.fetch(artifact.additional_python_libraries.as_deref()).await?;
    let archives = needs.fetch(artifact.additional_python_archives.as_deref()).await?;
    let configuration = &job.spec.flink_configuration;
    let python = if names_python(configuration) { None } else { Some(needs.python().await?) };
    let driver = needs.driver(artifact.kind).await?;
    let (cache, flink) = (needs.config.cache.clone(), needs.flink.clone());
    let jar = {
        let _turn = needs.tools.driver.lock().await;
        blocking(move || Ok(driver::python_jar(&cache, &driver, &flink))).await
    };
    let jar = jar.map_err(|e| causes(&e))?.map_err(|e| causes(&e))?;
    let files = PythonFiles { jar, main, dependencies, libraries, archives, python };
    Program::python(artifact, configuration, files).map_err(|e| causes(&e))
}

impl Needs<'_> {
    async fn artifacts(&self) -> Result<&Artifacts, String> {
        let make = async || {
            let cache = self.config.cache.clone();
            let made =
                blocking(move || Ok(Artifacts::new(&cache))).await.map_err(|e| causes(&e))?;
            made.map_err(|e| causes(&e))
        };
        self.tools.artifacts.get_or_try_init(make).await
    }

    async fn fetch(&self, uris: Option<&[String]>) -> Result<Vec<PathBuf>, String> {
        let mut files = Vec::new();
        for uri in uris.unwrap_or_default() {
            (self.say)(format!("fetching {}", shown(uri)));
            files.push(self.artifacts().await?.fetch(uri).await.map_err(|e| causes(&e))?.path);
        }
        Ok(files)
    }

    /// The driver's jar for the Job's Flink.
    async fn driver(&self, kind: ArtifactKind) -> Result<PathBuf, String> {
        let java = || self.jdk.java.clone();
        let javac = self.jdk.javac.as_deref();
        let javac =
            javac.ok_or_else(|| causes(&driver::Error::NoCompiler { kind, java: java() }))?;
        let _turn = self.tools.driver.lock().await;
        (self.say)(format!("preparing the driver for Flink {}", self.flink.version));
        driver::jar(&self.config.cache, self.flink, javac).await.map_err(|e| causes(&e))
    }

    /// A Python that has PyFlink of the Job's version.
    async fn python(&self) -> Result<PathBuf, String> {
        let version = self.flink.version;
        let cache = Cache::at(self.config.cache.clone());
        let steps = Steps::new(self.say, format!("installing PyFlink {version}"));
        cache.install_python(&version, &steps).await.map_err(|e| causes(&e))
    }
}

fn given<'a>(member: &str, text: Option<&'a str>) -> Result<&'a str, String> {
    let text = text.map(str::trim_end).filter(|text| !text.trim().is_empty());
    text.ok_or_else(|| format!("the Deployment names no {member}"))
}

/// A URI without its secrets.
fn shown(uri: &str) -> String {
    Url::parse(uri).map_or_else(|_| "the artifact".to_owned(), |url| artifact::redacted(&url))
}
