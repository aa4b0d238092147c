//! The members of a spec beside the template: where to run, limits, strategies.

use super::Refs;
use crate::deployment::{DeploymentSpec, RestoreKind, UpgradeKind};
use crate::document::quoted;
use crate::duration;
use crate::nearest::nearest;
use crate::problem::Problem;
use crate::session_cluster::SessionClusterSpec;

const SHOWN_NAMES_MAX: usize = 10;

const TARGET: &str = "spec.deploymentTargetName";

/// Not both a target and a session cluster (Q37).
pub(super) fn one_place(spec: &DeploymentSpec, problems: &mut Vec<Problem>) {
    let places = spec.deployment_target_name.as_ref().zip(spec.session_cluster_name.as_ref());
    problems.extend(places.map(|(target, cluster)| {
        let message = format!(
            "Set either deploymentTargetName or sessionClusterName, not both; null removes one. Found {} and {}.",
            quoted(target),
            quoted(cluster)
        );
        Problem::new(TARGET, message)
    }));
}

/// A target or a session cluster, and it exists (Q42).
pub(super) fn place(spec: &DeploymentSpec, refs: &Refs<'_>, problems: &mut Vec<Problem>) {
    let targets: Vec<&str> = refs.targets.iter().map(|t| t.metadata.name.as_str()).collect();
    let clusters: Vec<&str> =
        refs.session_clusters.iter().map(|c| c.metadata.name.as_str()).collect();
    match (&spec.deployment_target_name, &spec.session_cluster_name) {
        (Some(_), Some(_)) => {}
        (None, None) => {
            let message = format!(
                "Say where to run: spec.deploymentTargetName (own cluster) or spec.sessionClusterName (shared). {}",
                available("Targets", &targets)
            );
            problems.push(Problem::new(TARGET, message));
        }
        (Some(target), None) => {
            let missing = missing("DeploymentTarget", "Targets", target, &targets, refs);
            problems.extend(missing.map(|message| Problem::new(TARGET, message)));
        }
        (None, Some(cluster)) => {
            let missing = missing("SessionCluster", "Session clusters", cluster, &clusters, refs);
            problems
                .extend(missing.map(|message| Problem::new("spec.sessionClusterName", message)));
        }
    }
}

/// The target that a session cluster runs in, and it exists.
pub(super) fn target_of_cluster(
    spec: &SessionClusterSpec,
    refs: &Refs<'_>,
    problems: &mut Vec<Problem>,
) {
    let targets: Vec<&str> = refs.targets.iter().map(|t| t.metadata.name.as_str()).collect();
    let message = if spec.deployment_target_name.is_empty() {
        Some(format!("Say where the cluster is to run. {}", available("Targets", &targets)))
    } else {
        missing("DeploymentTarget", "Targets", &spec.deployment_target_name, &targets, refs)
    };
    problems.extend(message.map(|message| Problem::new(TARGET, message)));
}

fn missing(
    kind: &str,
    plural: &str,
    name: &str,
    known: &[&str],
    refs: &Refs<'_>,
) -> Option<String> {
    if known.contains(&name) {
        return None;
    }
    let near = nearest(name, known.iter().copied()).map(|near| format!(" Did you mean {near}?"));
    let near = near.unwrap_or_default();
    let listed = available(plural, known);
    Some(format!("No {kind} '{}' in namespace '{}'.{near} {listed}", name, refs.namespace))
}

/// `Targets here: a, b.`
pub(crate) fn available(plural: &str, names: &[&str]) -> String {
    if names.is_empty() {
        return format!("{plural} here: none.");
    }
    let shown: Vec<&str> = names.iter().copied().take(SHOWN_NAMES_MAX).collect();
    let more = match names.len().saturating_sub(SHOWN_NAMES_MAX) {
        0 => String::new(),
        n => format!(", … +{n}"),
    };
    format!("{plural} here: {}{more}.", shown.join(", "))
}

/// Attempts and their expiration.
pub(super) fn limits(spec: &DeploymentSpec, problems: &mut Vec<Problem>) {
    for (name, value) in [
        ("maxSavepointCreationAttempts", spec.max_savepoint_creation_attempts),
        ("maxJobCreationAttempts", spec.max_job_creation_attempts),
    ] {
        if value < 1 {
            let message = format!("Must be at least 1, found {value}.");
            problems.push(Problem::new(format!("spec.{name}"), message));
        }
    }
    let text = spec.job_failure_expiration_time.as_deref();
    if let Some((text, why)) = text.and_then(|text| Some((text, duration::parse(text).err()?))) {
        let message = format!("{} {why}", quoted(text));
        problems.push(Problem::new("spec.jobFailureExpirationTime", message));
    }
}

/// Strategies that do not fit together, though each is allowed.
pub(super) fn strategies(spec: &DeploymentSpec, warnings: &mut Vec<Problem>) {
    if spec.upgrade_strategy.kind == UpgradeKind::Stateful
        && spec.restore_strategy.kind == RestoreKind::None
    {
        let message = "upgradeStrategy STATEFUL takes a savepoint that restoreStrategy NONE does not use: each upgrade starts with empty state. Use LATEST_STATE, or STATELESS if that is meant.";
        warnings.push(Problem::new("spec.restoreStrategy.kind", message));
    }
}
