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

use std::path::{Path, PathBuf};

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
    let javac = needs.compiler(artifact.kind)?;
    let driver = driver::sql_jar(&needs.config.cache, needs.flink, javac).await;
    let driver = driver.map_err(|e| causes(&e))?;
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
    let javac = needs.compiler(artifact.kind)?;
    let jar = driver::python_jar(&needs.config.cache, needs.flink, javac).await;
    let jar = jar.map_err(|e| causes(&e))?;
    let files = PythonFiles { jar, main, dependencies, libraries, archives, python };
    Program::python(artifact, configuration, files).map_err(|e| causes(&e))
}

impl Needs<'_> {
    /// The artifacts that the Job's namespace may read.
    async fn artifacts(&self) -> Result<Artifacts, String> {
        let make = async || {
            let cache = self.config.cache.clone();
            let made =
                blocking(move || Ok(Artifacts::new(&cache))).await.map_err(|e| causes(&e))?;
            let made = made.map_err(|e| causes(&e))?;
            Ok::<_, String>(made.with(self.config.uploads.clone()))
        };
        Ok(self.tools.artifacts.get_or_try_init(make).await?.of(self.namespace))
    }

    async fn fetch(&self, uris: Option<&[String]>) -> Result<Vec<PathBuf>, String> {
        let mut files = Vec::new();
        for uri in uris.unwrap_or_default() {
            (self.say)(format!("fetching {}", shown(uri)));
            files.push(self.artifacts().await?.fetch(uri).await.map_err(|e| causes(&e))?.path);
        }
        Ok(files)
    }

    /// What compiles the driver for the Job's Flink.
    fn compiler(&self, kind: ArtifactKind) -> Result<&Path, String> {
        let java = || self.jdk.java.clone();
        let javac = self.jdk.javac.as_deref();
        let javac =
            javac.ok_or_else(|| causes(&driver::Error::NoCompiler { kind, java: java() }))?;
        (self.say)(format!("preparing the driver for Flink {}", self.flink.version));
        Ok(javac)
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use drey_flink::jdk::Jdk;
    use drey_flink::launch::Flink;
    use drey_model::deployment::Artifact;
    use drey_model::job::{JobMetadata, JobSpec};

    use super::super::LocalConfig;
    use super::super::fetch::Tools;
    use super::*;

    /// A cache, a Flink with a Python side, and a compiler that compiles nothing.
    struct World {
        dir: tempfile::TempDir,
        config: LocalConfig,
        tools: Tools,
        flink: Flink,
    }

    impl World {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let at = |path: &str| dir.path().join(path);
            fs::create_dir_all(at("flink/opt")).unwrap();
            let mut zip = zip::ZipWriter::new(
                fs::File::create(at("flink/opt/flink-python-2.2.1.jar")).unwrap(),
            );
            zip.start_file("P.class", zip::write::SimpleFileOptions::default()).unwrap();
            zip.finish().unwrap();
            fs::write(at("javac"), "#!/bin/sh\nexit 0\n").unwrap();
            fs::set_permissions(at("javac"), fs::Permissions::from_mode(0o755)).unwrap();
            fs::write(at("job.py"), "pass").unwrap();
            let version = "2.2.1".parse().unwrap();
            let flink = Flink { home: at("flink"), version, class_path: Vec::new() };
            let config = LocalConfig::new(at("data"), at("cache"));
            Self { config, tools: Tools::default(), flink, dir }
        }

        async fn find(&self, is_kit: bool, artifact: Artifact) -> Result<Program, String> {
            let javac = is_kit.then(|| self.dir.path().join("javac"));
            let jdk = Jdk { java: "/jre/bin/java".into(), javac, version: 17 };
            let say = |_: String| ();
            let needs = Needs {
                config: &self.config,
                namespace: "default",
                tools: &self.tools,
                jdk: &jdk,
                flink: &self.flink,
                say: &say,
            };
            let metadata =
                JobMetadata { deployment_name: "app".to_owned(), ..JobMetadata::default() };
            let mut spec = JobSpec { artifact, ..JobSpec::default() };
            let python = ("python.executable".to_owned(), "/own/python".to_owned());
            spec.flink_configuration.extend([python]);
            find(&needs, &Job::new(metadata, spec)).await
        }

        fn script(text: &str) -> Artifact {
            let (kind, sql_script) = (ArtifactKind::SqlScript, Some(text.to_owned()));
            Artifact { kind, sql_script, ..Artifact::default() }
        }

        fn python(&self, name: &str) -> Artifact {
            let uri = format!("file://{}/{name}", self.dir.path().display());
            let (kind, python_artifact_uri) = (ArtifactKind::Python, Some(uri));
            Artifact { kind, python_artifact_uri, ..Artifact::default() }
        }
    }

    #[tokio::test]
    async fn a_script_becomes_a_jar_of_its_own_that_is_the_same_each_time() {
        let world = World::new();
        let first = world.find(true, World::script("INSERT INTO a SELECT 1")).await.unwrap();
        assert_eq!(
            (first.class.as_str(), first.args.as_slice()),
            ("io.drey.driver.SqlScript", &["app".to_owned()][..])
        );
        let mut jar = zip::ZipArchive::new(fs::File::open(&first.jar).unwrap()).unwrap();
        assert!(jar.by_name("drey/script").is_ok());
        assert_eq!(world.find(true, World::script("INSERT INTO a SELECT 1")).await.unwrap(), first);
        let other = world.find(true, World::script("INSERT INTO a SELECT 2")).await.unwrap();
        assert_ne!(other.jar, first.jar);
    }

    #[tokio::test]
    async fn what_cannot_run_says_why_and_what_to_do() {
        let world = World::new();
        let why = world.find(false, World::script("INSERT INTO a SELECT 1")).await.unwrap_err();
        assert!(
            why.contains("SQLSCRIPT")
                && why.contains("/jre/bin/java")
                && why.contains("Install a JDK"),
            "{why}"
        );
        let why = world.find(true, World::script("\n SELECT 1")).await.unwrap_err();
        assert!(
            why.starts_with("reading the SQL script: line 2, column 2: a query alone"),
            "{why}"
        );
        let why = world.find(true, World::script(" ")).await.unwrap_err();
        assert_eq!(why, "the Deployment names no sqlScript");
        let why = world.find(false, world.python("job.py")).await.unwrap_err();
        assert!(why.contains("PYTHON") && why.contains("Install a JDK"), "{why}");
        let why = world.find(true, world.python("gone.py")).await.unwrap_err();
        assert!(why.contains("gone.py"), "{why}");
    }

    #[tokio::test]
    async fn a_python_program_runs_with_flinks_driver_in_one_jar_and_the_interpreter_that_was_named()
     {
        let world = World::new();
        let program = world.find(true, world.python("job.py")).await.unwrap();
        assert_eq!(program.class, "io.drey.driver.PythonProgram");
        assert_eq!(program.settings["python.client.executable"], "/own/python");
        let jar = zip::ZipArchive::new(fs::File::open(&program.jar).unwrap()).unwrap();
        let names: Vec<_> = jar.file_names().collect();
        assert_eq!(names, ["META-INF/MANIFEST.MF", "P.class"]);
        fs::remove_dir_all(world.flink.home.join("opt")).unwrap();
        let why = world.find(true, world.python("job.py")).await.unwrap_err();
        assert!(why.contains("flink-python-*.jar"), "{why}");
    }
}
