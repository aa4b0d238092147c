//! Whether a resource makes sense: names, references, ranges and the grammars inside texts. All problems at once.
//!
//! Messages say what was expected, what was found and what to do; paths are those of the document. What works but
//! probably not as meant is a warning ([`deployment_warnings`]).
//!
//! Does not own types and spelling ([`crate::shape`]) or uniqueness, which needs the store.

mod names;
mod placeholders;
mod session;
mod spec;
mod template;

pub use names::{check_labels, check_name, check_namespace_name, slug};
pub use placeholders::READ_KEYS;
pub use session::without_effect;
pub(crate) use spec::available;
pub(crate) use template::flink_version;
pub use template::{OWNED_KEYS, PARALLELISM_MAX, TASK_MANAGERS_MAX};

use url::Url;
use uuid::Uuid;

use crate::deployment::{Deployment, DeploymentSpec, TemplateSpec};
use crate::meta::{FORCE_CANCELLATION, Kind, Metadata, SUBMISSION_TIMEOUT, TextMap};
use crate::patchset;
use crate::problem::{Problem, join_path};
use crate::secret::placeholder::{Piece, is_filled, pieces};
use crate::session_cluster::{SessionCluster, SessionClusterSpec};
use crate::target::{DeploymentTarget, DeploymentTargetSpec};

/// What references of a spec may name.
#[derive(Debug, Clone, Copy)]
pub struct Refs<'a> {
    /// The namespace, for messages.
    pub namespace: &'a str,
    /// The DeploymentTargets of the namespace.
    pub targets: &'a [DeploymentTarget],
    /// The SessionClusters of the namespace.
    pub session_clusters: &'a [SessionCluster],
}

/// Everything that is wrong with a Deployment.
#[must_use]
pub fn validate_deployment(deployment: &Deployment, refs: &Refs<'_>) -> Vec<Problem> {
    let mut problems = metadata(Kind::Deployment, &deployment.metadata);
    problems.extend(session_annotations(&deployment.metadata.annotations));
    problems.extend(validate_spec(&deployment.spec, refs));
    problems
}

/// Annotations of session mode that would be without effect.
fn session_annotations(annotations: &TextMap) -> Vec<Problem> {
    let is_seconds: fn(&str) -> bool = |text| text.trim().parse::<u32>().is_ok_and(|n| n > 0);
    let is_id: fn(&str) -> bool =
        |text| text.trim().is_empty() || Uuid::try_parse(text.trim()).is_ok();
    let wrong = |key: &str, is_fine: fn(&str) -> bool, expected: &str| {
        let given = annotations.get(key).filter(|text| !is_fine(text))?;
        let message = format!("Expected {expected}, found {}.", crate::document::quoted(given));
        Some(Problem::new(join_path("metadata.annotations", key), message))
    };
    let seconds = wrong(SUBMISSION_TIMEOUT, is_seconds, "a whole number of seconds, at least 1");
    let id = wrong(FORCE_CANCELLATION, is_id, "the id of a Job");
    seconds.into_iter().chain(id).collect()
}

/// Everything that is wrong with the spec of a Deployment.
#[must_use]
pub fn validate_spec(spec: &DeploymentSpec, refs: &Refs<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    spec::place(spec, refs, &mut problems);
    problems.extend(validate_layer(spec));
    problems
}

/// Everything that is wrong with a spec of which nobody knows yet where it will run: both places at once are wrong, a
/// place that does not exist is not.
#[must_use]
pub fn validate_layer(spec: &DeploymentSpec) -> Vec<Problem> {
    let mut problems = Vec::new();
    spec::one_place(spec, &mut problems);
    spec::limits(spec, &mut problems);
    template::check(&spec.template.spec, &mut problems);
    if spec.session_cluster_name.is_none() {
        problems.extend(template::version(&spec.template.spec));
    }
    placeholders::check(&spec.template.spec, &mut problems);
    session::check(spec, &mut problems);
    problems
}

/// What works, but probably not as meant.
#[must_use]
pub fn deployment_warnings(spec: &DeploymentSpec) -> Vec<Problem> {
    let mut warnings = Vec::new();
    spec::strategies(spec, &mut warnings);
    template::warn(spec, &mut warnings);
    if spec.session_cluster_name.is_some() {
        warnings.extend(template::version(&spec.template.spec).map(session::without_effect));
    }
    placeholders::warn(&spec.template.spec, &mut warnings);
    warnings
}

/// Everything that is wrong with a SessionCluster.
#[must_use]
pub fn validate_session_cluster(cluster: &SessionCluster, refs: &Refs<'_>) -> Vec<Problem> {
    let mut problems = metadata(Kind::SessionCluster, &cluster.metadata);
    spec::target_of_cluster(&cluster.spec, refs, &mut problems);
    if let Some(why) = cluster.spec.flink_version.as_deref().and_then(flink_version) {
        problems.push(Problem::new("spec.flinkVersion", why));
    }
    let mut found = Vec::new();
    template::check_cluster(&shape(&cluster.spec), &mut found);
    placeholders::check(&shape(&cluster.spec), &mut found);
    problems.extend(found.into_iter().map(of_cluster));
    problems
}

/// What works, but probably not as meant.
#[must_use]
pub fn session_cluster_warnings(spec: &SessionClusterSpec) -> Vec<Problem> {
    let mut warnings = Vec::new();
    let shape = shape(spec);
    template::warn_owned(&shape, OWNED_KEYS, &mut warnings);
    template::warn_owned(&shape, template::OWNED_OF_SESSIONS, &mut warnings);
    template::warn_high_availability(&shape, &mut warnings);
    template::warn_cluster(&shape, &mut warnings);
    warnings.into_iter().map(of_cluster).collect()
}

/// What a cluster is made of, as a template says it.
fn shape(spec: &SessionClusterSpec) -> TemplateSpec {
    TemplateSpec {
        number_of_task_managers: Some(spec.number_of_task_managers),
        resources: spec.resources.clone(),
        flink_configuration: spec.flink_configuration.clone(),
        logging: spec.logging.clone(),
        kubernetes: spec.kubernetes.clone(),
        ..TemplateSpec::default()
    }
}

/// A SessionCluster has in its spec what a Deployment has in its template.
fn of_cluster(problem: Problem) -> Problem {
    Problem { path: problem.path.replacen(template::SPEC, "spec", 1), ..problem }
}

/// Everything that is wrong with a DeploymentTarget.
#[must_use]
pub fn validate_target(target: &DeploymentTarget) -> Vec<Problem> {
    let mut problems = metadata(Kind::DeploymentTarget, &target.metadata);
    let DeploymentTargetSpec { kubernetes, local, deployment_patch_set } = &target.spec;
    match (kubernetes, local) {
        (Some(_), Some(_)) => {
            let message = "Set either kubernetes or local, not both.";
            problems.push(Problem::new("spec", message));
        }
        (None, None) => {
            let message = "Say what the target is: kubernetes: {namespace: …} or local: {}.";
            problems.push(Problem::new("spec", message));
        }
        (Some(kubernetes), None) => {
            problems.extend(kubernetes.namespace.as_deref().and_then(|name| {
                let why = names::dns_label(name)?;
                Some(Problem::new("spec.kubernetes.namespace", format!("{name:?} {why}")))
            }));
        }
        (None, Some(_)) => {}
    }
    problems.extend(patchset::check(deployment_patch_set.as_deref().unwrap_or_default()));
    problems
}

/// Why a location is not a URI that Flink could read; nothing when it is.
#[must_use]
pub fn check_uri(text: &str) -> Option<String> {
    if text.trim().is_empty() {
        return Some("Expected a URI, found nothing.".to_owned());
    }
    if text.contains(char::is_whitespace) {
        return Some(format!("{text:?} contains spaces. Write %20 for a space in a URI."));
    }
    // Secrets are filled in when the job starts; before that the text need not parse, nor have a scheme.
    if matches!(pieces(text).first(), Some(Piece::Secret(_))) {
        return None;
    }
    let example =
        "Use for example file:///opt/app.jar, https://host/app.jar or s3://bucket/app.jar.";
    if text.starts_with('/') {
        return Some(format!(
            "{text:?} is a path without a scheme. Write file://{text} for a local file."
        ));
    }
    let Some((scheme, rest)) = text.split_once(':') else {
        return Some(format!("{text:?} is not a URI with a scheme. {example}"));
    };
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    if !is_scheme || rest.trim_start_matches('/').is_empty() {
        return Some(format!("{text:?} is not a URI with a scheme. {example}"));
    }
    let is_final = !is_filled(text);
    let parsed = if is_final { Url::parse(text).err() } else { None };
    parsed.map(|e| format!("{text:?} is not a URI: {e}."))
}

fn metadata(kind: Kind, metadata: &Metadata) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(why) = check_name(kind, &metadata.name) {
        problems.push(Problem::new("metadata.name", why));
    }
    problems.extend(check_labels("metadata.labels", &metadata.labels));
    problems
}

#[cfg(test)]
#[path = "validate/tests.rs"]
mod tests;
