//! The look at an artifact before a Deployment that is to run is stored: the Flink release is known, and the jar, its
//! dependencies and its entry class are there. And at its memory, which has to suffice.
//!
//! Secrets in the jar's URI are filled in for the look; while one is missing nothing can be told about the jar.
//! What it fetches stays in the cache, so a launch finds it there. What takes too long is left to the launch: slow is
//! not missing.

use std::path::Path;
use std::time::Duration;

use drey_cluster::secrets::SecretSource;
use drey_flink::artifact::{Artifacts, Fetched, Uploads};
use drey_flink::versions::{self, Version};
use drey_flink::{config, jar, memory};
use drey_model::Problem;
use drey_model::causes::causes;
use drey_model::deployment::{Artifact, ArtifactKind, TemplateSpec};
use drey_model::problem::join_path;
use drey_model::secret::mask::Mask;
use drey_model::secret::placeholder;
use drey_server::Preflight;
use secrecy::ExposeSecret;

/// How long one file may take; a write waits for it.
const PATIENCE: Duration = Duration::from_secs(8);

const CONFIGURATION: &str = "spec.template.spec.flinkConfiguration";
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
    Ok(Preflight::new(look).with_layout(layout))
}

/// Memory that cannot be divided as the configuration asks: the launch would fail, and an upgrade would have taken the
/// running job down before.
fn layout(template: &TemplateSpec) -> Vec<Problem> {
    let (config, _) = config::modern(&template.flink_configuration);
    let check = |role: &'static str| {
        let memory = template.resources.get(role).and_then(|r| r.memory.as_deref());
        let process = memory::process_size(role, &config, memory)?;
        match role {
            "jobmanager" => memory::JobManager::new(process, &config).map(|_| ()),
            _ => memory::TaskManager::new(process, &config).map(|_| ()),
        }
    };
    let roles = ["jobmanager", "taskmanager"].into_iter();
    let problem = |role: &'static str| {
        let error = check(role).err()?;
        let path = match &error {
            memory::Error::Option { key, .. } => join_path(CONFIGURATION, key),
            memory::Error::Size { .. } => {
                join_path(CONFIGURATION, &format!("{role}.memory.process.size"))
            }
            memory::Error::Quantity { .. } | memory::Error::TooSmall { .. } => {
                format!("spec.template.spec.resources.{role}.memory")
            }
        };
        Some(Problem::new(path, causes(&error)))
    };
    roles.filter_map(problem).collect()
}

async fn look(
    artifacts: Artifacts,
    secrets: SecretSource,
    namespace: String,
    artifact: Artifact,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    if artifact.kind != ArtifactKind::Jar {
        return problems;
    }
    problems.extend(unknown_version(&artifact));
    let dependencies = artifact.additional_dependencies.as_deref().unwrap_or_default();
    for (index, uri) in dependencies.iter().enumerate() {
        let path = format!("{ARTIFACT}.additionalDependencies[{index}]");
        problems
            .extend(patiently(artifacts.fetch(uri)).await.err().map(|why| Problem::new(path, why)));
    }
    let Some(uri) = &artifact.jar_uri else { return problems };
    let Some((uri, mask)) = filled(uri, &secrets, &namespace).await else { return problems };
    match patiently(artifacts.fetch_jar(&uri)).await {
        Err(why) => problems.push(Problem::new(format!("{ARTIFACT}.jarUri"), mask.text(&why))),
        Ok(None) => {}
        Ok(Some((fetched, main_class))) => {
            problems.extend(missing_class(&artifact, fetched, main_class).await);
        }
    }
    problems
}

/// The URI with its secrets, and what hides them again; `None`: one is missing, which the launch will tell.
async fn filled(uri: &str, secrets: &SecretSource, namespace: &str) -> Option<(String, Mask)> {
    let names = placeholder::names(uri).into_iter().map(str::to_owned).collect();
    let values = secrets.look_up(namespace, names).await.ok()?;
    let value = |name: &str| values.get(name).map(ExposeSecret::expose_secret);
    let mask = Mask::of(values.values().map(ExposeSecret::expose_secret));
    Some((placeholder::fill(uri, value).ok()?, mask))
}

fn unknown_version(artifact: &Artifact) -> Option<Problem> {
    let version = artifact.flink_version.as_deref()?.parse::<Version>();
    let known = version.and_then(|version| versions::resolve(&version));
    known.err().map(|error| Problem::new(format!("{ARTIFACT}.flinkVersion"), causes(&error)))
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
    let path = format!("{ARTIFACT}.entryClass");
    let Some(class) = artifact.entry_class.clone().or(main_class) else {
        let message =
            "not set, and the jar's manifest names no Main-Class; name the class with main()";
        return Some(Problem::new(path, message));
    };
    let has_dependencies = artifact.additional_dependencies.as_ref().is_some_and(|d| !d.is_empty());
    let name = class.clone();
    let found = tokio::task::spawn_blocking(move || jar::has_class(&fetched.path, &name)).await;
    let is_missing = matches!(found, Ok(Ok(false))) && !has_dependencies;
    is_missing.then(|| Problem::new(path, format!("the jar holds no class {class}")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use drey_model::deployment::{ResourceSpec, TemplateSpec};

    use super::layout;

    fn paths(memory: &str, configuration: &[(&str, &str)]) -> Vec<String> {
        let resource = ResourceSpec { cpu: 1.0, memory: Some(memory.to_owned()) };
        let pairs = configuration.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let template = TemplateSpec {
            resources: BTreeMap::from([("taskmanager".to_owned(), resource)]),
            flink_configuration: pairs.collect(),
            ..TemplateSpec::default()
        };
        layout(&template).into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn memory_that_cannot_be_divided_is_a_problem_where_it_stands() {
        assert!(paths("1g", &[]).is_empty());
        let resources = "spec.template.spec.resources.taskmanager.memory";
        assert_eq!(paths("1g", &[("taskmanager.memory.managed.size", "2g")]), [resources]);
        let key = |key: &str| vec![format!("spec.template.spec.flinkConfiguration[\"{key}\"]")];
        let size = "taskmanager.memory.process.size";
        assert_eq!(paths("1g", &[(size, "plenty")]), key(size));
        let managed = "taskmanager.memory.managed.size";
        assert_eq!(paths("1g", &[("taskmanager.memory.size", "some")]), key(managed));
    }
}
