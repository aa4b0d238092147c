//! The SecretValue: a text that is given once, never shown again, and filled in where a job is launched.
//!
//! Source: platform API reference §1.8, §2.5.3, A.8. The resource itself holds no value: what is stored, listed and
//! watched is this type, so nothing that shows resources can show a secret. The value travels beside it, in a
//! [`SecretString`], from the write ([`crate::write`]) to where it is sealed (`drey-store`), and from there to a launch.
//!
//! ```text
//! ${NAME} in flinkConfiguration, jarUri ──placeholder──► names ──launch──► filled configuration
//!                                                                   └─mask──► ****** in whatever the job says
//! ```

pub mod mask;
pub mod placeholder;

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::args;
use crate::deployment::{Artifact, ArtifactKind, DeploymentSpec};
use crate::job::JobSpec;
use crate::meta::{API_VERSION, Kind, Metadata, TextMap};
use crate::problem::join_path;
use crate::session_cluster::{SessionClusterSpec, SessionRun};

/// Longest value, in bytes: a chain of certificates fits.
pub const VALUE_BYTES_MAX: usize = 64 << 10;
/// Longest name.
pub const NAME_CHARS_MAX: usize = 250;

/// Keys whose values are command lines.
const JVM_OPTIONS: &str = "env.java.opts";

/// A named secret of a namespace, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretValue {
    /// Always `SecretValue`.
    pub kind: Kind,
    /// Always `v1`.
    pub api_version: String,
    /// Identity and bookkeeping.
    pub metadata: Metadata,
    /// What sort of secret it is.
    pub spec: SecretValueSpec,
}

impl SecretValue {
    /// A secret.
    #[must_use]
    pub fn new(metadata: Metadata) -> Self {
        let spec = SecretValueSpec { kind: SecretValueKind::Plain };
        Self { kind: Kind::SecretValue, api_version: API_VERSION.to_owned(), metadata, spec }
    }
}

/// The spec as it is answered; `value` is only ever sent by clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretValueSpec {
    /// `Plain`.
    pub kind: SecretValueKind,
}

/// Kinds of secrets (Q22).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SecretValueKind {
    /// The value as it is.
    Plain,
}

/// A secret that can be stored: what is shown of it, and the value if one was given.
#[derive(Debug)]
pub struct NewSecret {
    /// What is shown.
    pub secret: SecretValue,
    /// The value; `None`: a PATCH leaves it as it is.
    pub value: Option<SecretString>,
}

/// A placeholder in a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// The secret.
    pub name: String,
    /// Path of the member that names it, in a Deployment.
    pub path: String,
}

/// Whether a text is the name of a secret (platform API reference §1.0.2).
#[must_use]
pub fn is_name(text: &str) -> bool {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !text.is_empty() && text.len() <= NAME_CHARS_MAX && text.chars().all(is_fine)
}

/// The secrets that a Deployment names.
#[must_use]
pub fn references(spec: &DeploymentSpec) -> Vec<Reference> {
    let template = &spec.template.spec;
    references_in(&template.flink_configuration, &template.artifact)
}

/// The secrets that a Job needs at its launch. Keys that Drey renamed are shown as the user wrote them.
#[must_use]
pub fn job_references(spec: &JobSpec) -> Vec<Reference> {
    let users = references_in(&spec.user_flink_configuration, &spec.artifact);
    let found = references_in(&spec.flink_configuration, &spec.artifact);
    as_written(found, &users)
}

/// The secrets that a SessionCluster names.
#[must_use]
pub fn cluster_references(spec: &SessionClusterSpec) -> Vec<Reference> {
    of_configuration("spec", &spec.flink_configuration)
}

/// The secrets that a run of a SessionCluster needs at its launch, as [`job_references`] those of a Job.
#[must_use]
pub fn run_references(run: &SessionRun) -> Vec<Reference> {
    let users = cluster_references(&run.spec);
    as_written(of_configuration("spec", &run.flink_configuration), &users)
}

/// The secrets that fetching the program of an artifact needs.
#[must_use]
pub fn jar_references(artifact: &Artifact) -> Vec<Reference> {
    references_in(&TextMap::new(), artifact)
}

fn as_written(mut found: Vec<Reference>, users: &[Reference]) -> Vec<Reference> {
    for reference in found.iter_mut().filter(|reference| !users.contains(reference)) {
        if let Some(user) = users.iter().find(|user| user.name == reference.name) {
            reference.path.clone_from(&user.path);
        }
    }
    found.sort();
    found.dedup();
    found
}

/// A Job's spec with every placeholder filled in, for its launch and for nothing else.
///
/// # Errors
/// Names without a value.
pub fn filled<'v>(
    spec: &JobSpec,
    value: impl Fn(&str) -> Option<&'v str>,
) -> Result<JobSpec, Vec<String>> {
    let mut filled = spec.clone();
    let mut missing = fill_configuration(&mut filled.flink_configuration, &value);
    missing.extend(fill_jar(&mut filled.artifact, &value));
    if missing.is_empty() { Ok(filled) } else { Err(missing) }
}

/// A run of a SessionCluster with every placeholder filled in, for its launch and for nothing else.
///
/// # Errors
/// Names without a value.
pub fn run_filled<'v>(
    run: &SessionRun,
    value: impl Fn(&str) -> Option<&'v str>,
) -> Result<SessionRun, Vec<String>> {
    let mut filled = run.clone();
    let missing = fill_configuration(&mut filled.flink_configuration, &value);
    if missing.is_empty() { Ok(filled) } else { Err(missing) }
}

/// An artifact whose jar can be fetched, with every placeholder filled in.
///
/// # Errors
/// Names without a value.
pub fn artifact_filled<'v>(
    artifact: &Artifact,
    value: impl Fn(&str) -> Option<&'v str>,
) -> Result<Artifact, Vec<String>> {
    let mut filled = artifact.clone();
    let missing = fill_jar(&mut filled, &value);
    if missing.is_empty() { Ok(filled) } else { Err(missing) }
}

/// Fills in what has a value; returns the names that have none.
fn fill_configuration<'v>(
    configuration: &mut TextMap,
    value: &impl Fn(&str) -> Option<&'v str>,
) -> Vec<String> {
    let mut missing = Vec::new();
    let mut fill = |text: &mut String| match placeholder::fill(text, value) {
        Ok(done) => *text = done,
        Err(names) => missing.extend(names),
    };
    for (key, text) in configuration {
        // Options of the JVM are split into words: before they are filled, so that a value is one word, or a part of
        // one, whatever it holds.
        let words = if key.starts_with(JVM_OPTIONS) && placeholder::is_filled(text) {
            args::split(text).ok()
        } else {
            None
        };
        match words {
            None => fill(text),
            Some(mut words) => {
                words.iter_mut().for_each(&mut fill);
                *text = args::join(words.iter().map(String::as_str));
            }
        }
    }
    missing
}

fn fill_jar<'v>(artifact: &mut Artifact, value: &impl Fn(&str) -> Option<&'v str>) -> Vec<String> {
    let Some(uri) = artifact.jar_uri.as_mut().filter(|_| artifact.kind == ArtifactKind::Jar) else {
        return Vec::new();
    };
    match placeholder::fill(uri, value) {
        Ok(done) => {
            *uri = done;
            Vec::new()
        }
        Err(names) => names,
    }
}

fn references_in(configuration: &TextMap, artifact: &Artifact) -> Vec<Reference> {
    const SPEC: &str = "spec.template.spec";
    let mut found = of_configuration(SPEC, configuration);
    if let (ArtifactKind::Jar, Some(uri)) = (artifact.kind, &artifact.jar_uri) {
        found.extend(in_text(uri, &format!("{SPEC}.artifact.jarUri")));
    }
    found
}

/// `spec`: where the configuration stands in its document.
fn of_configuration(spec: &str, configuration: &TextMap) -> Vec<Reference> {
    let lines = configuration.iter();
    let path = |key: &str| join_path(&format!("{spec}.flinkConfiguration"), key);
    lines.flat_map(|(key, value)| in_text(value, &path(key))).collect()
}

fn in_text(text: &str, path: &str) -> Vec<Reference> {
    let names = placeholder::names(text).into_iter();
    names.map(|name| Reference { name: name.to_owned(), path: path.to_owned() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> JobSpec {
        let mut spec = JobSpec::default();
        let set = |map: &mut TextMap, key: &str, value: &str| {
            map.insert(key.to_owned(), value.to_owned());
        };
        set(&mut spec.user_flink_configuration, "old.key", "a ${PW}");
        set(&mut spec.flink_configuration, "new.key", "a ${PW}");
        set(&mut spec.flink_configuration, "plain", "$${PW} ${user.home}");
        spec.artifact.jar_uri = Some("https://u:${TOKEN}@h/a.jar".to_owned());
        spec.artifact.main_args = Some("--pw ${PW}".to_owned());
        spec
    }

    #[test]
    fn a_job_needs_what_its_configuration_and_jar_name_and_says_where() {
        let found = job_references(&spec());
        let shown: Vec<_> = found.iter().map(|r| format!("{} {}", r.name, r.path)).collect();
        assert_eq!(
            shown,
            [
                "PW spec.template.spec.flinkConfiguration[\"old.key\"]",
                "TOKEN spec.template.spec.artifact.jarUri"
            ]
        );
    }

    #[test]
    fn only_configuration_and_jar_are_filled_and_the_users_copy_keeps_the_placeholder() {
        let value = |name: &str| match name {
            "PW" => Some("x${TOKEN}"),
            "TOKEN" => Some("t"),
            _ => None,
        };
        let done = filled(&spec(), value).unwrap();
        assert_eq!(done.flink_configuration["new.key"], "a x${TOKEN}");
        assert_eq!(done.flink_configuration["plain"], "${PW} ${user.home}");
        assert_eq!(done.artifact.jar_uri.as_deref(), Some("https://u:t@h/a.jar"));
        assert_eq!(done.artifact.main_args, spec().artifact.main_args);
        assert_eq!(done.user_flink_configuration, spec().user_flink_configuration);
        assert_eq!(filled(&spec(), |_| None).unwrap_err(), ["PW", "TOKEN"]);
    }

    #[test]
    fn a_value_among_options_of_the_jvm_is_one_word_whatever_it_holds() {
        let mut spec = JobSpec::default();
        let options = "-Da='x y' -Dpw=${PW} \"-Dq=${PW}\"".to_owned();
        spec.flink_configuration.insert("env.java.opts.all".to_owned(), options);
        let value = "a b' \"-Dx=y\" \\ $";
        let done = filled(&spec, |_| Some(value)).unwrap();
        let words = args::split(&done.flink_configuration["env.java.opts.all"]).unwrap();
        assert_eq!(words, ["-Da=x y", &format!("-Dpw={value}"), &format!("-Dq={value}")]);
    }

    #[test]
    fn a_script_is_no_jar_and_names_nothing() {
        let mut spec = JobSpec::default();
        spec.artifact.kind = ArtifactKind::Python;
        spec.artifact.jar_uri = Some("${A}".to_owned());
        assert_eq!(job_references(&spec), []);
    }
}
