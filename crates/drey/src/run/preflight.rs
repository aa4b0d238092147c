//! The look at an artifact before a Deployment that is to run is stored: the Flink release is known, its files are there,
//! and so is the entry class of a jar or the entry module of a zip; a SQL script makes one job. And at its memory
//! (`layout.rs`).
//!
//! Secrets in the jar's URI are filled in for the look; while one is missing nothing can be told about the jar.
//! What it fetches stays in the cache, so a launch finds it there. What takes too long is left to the launch: slow is
//! not missing.

mod layout;
mod machine;

use std::path::Path;
use std::time::Duration;

use drey_cluster::secrets::SecretSource;
use drey_flink::artifact::{Artifacts, Fetched, Uploads};
use drey_flink::jar;
use drey_flink::sql::Script;
use drey_flink::versions::{self, Version};
use drey_model::Problem;
use drey_model::causes::causes;
use drey_model::deployment::{Artifact, ArtifactKind};
use drey_model::secret::mask::Mask;
use drey_model::secret::placeholder;
use drey_server::{Preflight, Processes};
use secrecy::ExposeSecret;

/// How long one file may take; a write waits for it.
const PATIENCE: Duration = Duration::from_secs(8);

const ARTIFACT: &str = "spec.template.spec.artifact";

/// The look, with fetched files going to the cache.
pub(super) fn preflight(
    cache: &Path,
    uploads: Uploads,
    secrets: SecretSource,
) -> anyhow::Result<Preflight> {
    let artifacts = Artifacts::new(cache)?.with(Some(uploads));
    let look = move |namespace: String, artifact| {
        look(artifacts.of(&namespace), secrets.clone(), namespace, artifact)
    };
    Ok(Preflight::new(look).with_layout(processes).with_room(machine::room))
}

fn processes(processes: &Processes<'_>) -> Vec<Problem> {
    let version = processes.flink_version.and_then(unknown_release);
    let version = version.map(|why| Problem::new(format!("{}.flinkVersion", processes.path), why));
    layout::layout(processes).into_iter().chain(version).collect()
}

async fn look(
    artifacts: Artifacts,
    secrets: SecretSource,
    namespace: String,
    artifact: Artifact,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    problems.extend(unknown_version(&artifact));
    for (name, uris) in [
        ("additionalDependencies", &artifact.additional_dependencies),
        ("additionalPythonLibraries", &artifact.additional_python_libraries),
        ("additionalPythonArchives", &artifact.additional_python_archives),
    ] {
        for (index, uri) in uris.iter().flatten().enumerate() {
            let why = patiently(artifacts.fetch(uri)).await.err();
            problems.extend(why.map(|why| at(&format!("{name}[{index}]"), why)));
        }
    }
    match artifact.kind {
        ArtifactKind::Jar => {
            if let Some((uri, mask)) = filled(&artifact, &secrets, &namespace).await {
                problems.extend(jar(&artifacts, &artifact, (&uri, &mask)).await);
            }
        }
        ArtifactKind::SqlScript => problems.extend(script(&artifact)),
        ArtifactKind::Python => problems.extend(python(&artifacts, &artifact).await),
    }
    problems
}

fn at(member: &str, message: impl Into<String>) -> Problem {
    Problem::new(format!("{ARTIFACT}.{member}"), message)
}

/// The URI with its secrets, and what hides them again; `None`: one is missing, which the launch will tell.
async fn filled(
    artifact: &Artifact,
    secrets: &SecretSource,
    namespace: &str,
) -> Option<(String, Mask)> {
    let uri = artifact.jar_uri.as_deref()?;
    let names = placeholder::names(uri).into_iter().map(str::to_owned).collect();
    let values = secrets.look_up(namespace, names).await.ok()?;
    let value = |name: &str| values.get(name).map(ExposeSecret::expose_secret);
    let mask = Mask::of(values.values().map(ExposeSecret::expose_secret));
    Some((placeholder::fill(uri, value).ok()?, mask))
}

async fn jar(
    artifacts: &Artifacts,
    artifact: &Artifact,
    (uri, mask): (&str, &Mask),
) -> Option<Problem> {
    match patiently(artifacts.fetch_jar(uri)).await {
        Err(why) => Some(at("jarUri", mask.text(&why))),
        Ok(None) => None,
        Ok(Some((fetched, main_class))) => missing_class(artifact, fetched, main_class).await,
    }
}

/// What can be said of a script without Flink. Names and types are for Flink to check, when the job starts.
fn script(artifact: &Artifact) -> Vec<Problem> {
    let text = artifact.sql_script.as_deref().unwrap_or_default();
    let refused = Script::parse(text).err().map_or_else(Vec::new, |refused| refused.0);
    refused.into_iter().map(|problem| at("sqlScript", problem.to_string())).collect()
}

async fn python(artifacts: &Artifacts, artifact: &Artifact) -> Option<Problem> {
    let fetched = match patiently(artifacts.fetch(artifact.python_artifact_uri.as_deref()?)).await {
        Err(why) => return Some(at("pythonArtifactUri", why)),
        Ok(None) => return None,
        Ok(Some(fetched)) => fetched,
    };
    let Some(module) = artifact.entry_module.clone() else {
        let is_script = fetched.path.extension().is_some_and(|e| e.eq_ignore_ascii_case("py"));
        let message = "not set, and the program is no .py file; name the module to run";
        return (!is_script).then(|| at("entryModule", message));
    };
    let name = module.clone();
    let found = tokio::task::spawn_blocking(move || jar::has_module(&fetched.path, &name)).await;
    // A file that is no zip is a module by itself, and libraries may bring others.
    let is_alone = artifact.additional_python_libraries.as_ref().is_none_or(Vec::is_empty);
    let is_missing = matches!(found, Ok(Ok(false))) && is_alone;
    is_missing.then(|| at("entryModule", format!("the zip holds no module {module}")))
}

fn unknown_version(artifact: &Artifact) -> Option<Problem> {
    unknown_release(artifact.flink_version.as_deref()?).map(|why| at("flinkVersion", why))
}

/// Why no release of Flink is meant by this.
fn unknown_release(version: &str) -> Option<String> {
    let version = version.parse::<Version>();
    let known = version.and_then(|version| versions::resolve(&version));
    known.err().map(|error| causes(&error))
}

/// `None`: it takes too long to tell.
async fn patiently<T>(
    fetch: impl Future<Output = Result<T, drey_flink::artifact::Error>>,
) -> Result<Option<T>, String> {
    match tokio::time::timeout(PATIENCE, fetch).await {
        Ok(Ok(fetched)) => Ok(Some(fetched)),
        Ok(Err(error)) => Err(causes(&error)),
        Err(_) => Ok(None),
    }
}

/// A jar that lacks its program. With dependencies the class may be in any of them, so only Flink can tell.
async fn missing_class(
    artifact: &Artifact,
    fetched: Fetched,
    main_class: Option<String>,
) -> Option<Problem> {
    let Some(class) = artifact.entry_class.clone().or(main_class) else {
        let message =
            "not set, and the jar's manifest names no Main-Class; name the class with main()";
        return Some(at("entryClass", message));
    };
    let has_dependencies = artifact.additional_dependencies.as_ref().is_some_and(|d| !d.is_empty());
    let name = class.clone();
    let found = tokio::task::spawn_blocking(move || jar::has_class(&fetched.path, &name)).await;
    let is_missing = matches!(found, Ok(Ok(false))) && !has_dependencies;
    is_missing.then(|| at("entryClass", format!("the jar holds no class {class}")))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    async fn problems(artifact: Artifact) -> Vec<String> {
        let cache = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::new(cache.path()).unwrap();
        let found = look(artifacts, SecretSource::default(), "default".to_owned(), artifact).await;
        found.into_iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
    }

    fn sql(script: &str) -> Artifact {
        let (kind, sql_script) = (ArtifactKind::SqlScript, Some(script.to_owned()));
        Artifact { kind, sql_script, ..Artifact::default() }
    }

    #[tokio::test]
    async fn every_problem_of_a_script_is_told_with_its_line_and_column() {
        assert_eq!(problems(sql("INSERT INTO a SELECT 1")).await, [""; 0]);
        let found = problems(sql("USE a;\n  SELECT 1;\nADD JAR 'x'")).await;
        assert_eq!(found.len(), 2, "{found:?}");
        let path = "spec.template.spec.artifact.sqlScript: line 2, column 3: a query alone";
        assert!(found[0].starts_with(path), "{found:?}");
        assert!(found[1].contains("line 3, column 1"), "{found:?}");
    }

    #[tokio::test]
    async fn a_python_program_and_its_files_must_be_there() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        let uri = |name: &str| format!("file://{}", file(name).display());
        let artifact = |main: &str, module: Option<&str>| Artifact {
            kind: ArtifactKind::Python,
            python_artifact_uri: Some(uri(main)),
            entry_module: module.map(str::to_owned),
            ..Artifact::default()
        };
        std::fs::write(file("job.py"), "print()").unwrap();
        let mut zip = zip::ZipWriter::new(std::fs::File::create(file("app.zip")).unwrap());
        for name in ["app/main.py", "tool/__main__.py", "tool/__init__.py"] {
            zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(b"x = 1").unwrap();
        }
        zip.finish().unwrap();
        for fine in [
            artifact("job.py", None),
            artifact("job.py", Some("job")),
            artifact("app.zip", Some("app.main")),
            artifact("app.zip", Some("tool")),
        ] {
            assert_eq!(problems(fine).await, [""; 0]);
        }
        let missing = Artifact {
            additional_python_libraries: Some(vec![uri("no.whl")]),
            additional_python_archives: Some(vec![uri("no.zip")]),
            ..artifact("no.py", None)
        };
        let found = problems(missing).await;
        let starts: Vec<_> = found.iter().filter_map(|text| text.split(':').next()).collect();
        let names =
            ["additionalPythonLibraries[0]", "additionalPythonArchives[0]", "pythonArtifactUri"];
        assert_eq!(starts, names.map(|name| format!("{ARTIFACT}.{name}")), "{found:?}");
        let found = problems(artifact("app.zip", Some("app.mian"))).await;
        assert!(found[0].contains("entryModule: the zip holds no module app.mian"), "{found:?}");
        assert!(problems(artifact("app.zip", None)).await[0].contains("entryModule: not set"));
    }
}
