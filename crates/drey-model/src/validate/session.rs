//! What a Deployment cannot have on a SessionCluster: there Flink takes one program over REST, into processes that other
//! Deployments use too. And which lines of its configuration have no effect there.

use super::template::{OWNED_KEYS, SPEC};
use crate::configuration::{is_high_availability, is_of_cluster};
use crate::deployment::{DeploymentSpec, TemplateSpec};
use crate::problem::{Problem, join_path};
use crate::secret::placeholder::is_filled;

/// What is wrong with a member that a SessionCluster decides instead, as the warning that it then is.
#[must_use]
pub fn without_effect(problem: Problem) -> Problem {
    let message = format!(
        "{}. It has no effect: the SessionCluster decides.",
        problem.message.trim_end_matches('.')
    );
    Problem { message, ..problem }
}

pub(super) fn check(spec: &DeploymentSpec, problems: &mut Vec<Problem>) {
    if spec.session_cluster_name.is_none() {
        return;
    }
    let template = &spec.template.spec;
    let configuration = format!("{SPEC}.flinkConfiguration");
    for (key, _) in template.flink_configuration.iter().filter(|(_, value)| is_filled(value)) {
        let message = "Cannot hold a placeholder of a secret on a SessionCluster: everybody who uses the cluster could read it there. Put it into flinkConfiguration of the SessionCluster, or use deploymentTargetName.";
        problems.push(Problem::new(join_path(&configuration, key), message));
    }
}

pub(super) fn warn(template: &TemplateSpec, warnings: &mut Vec<Problem>) {
    let configuration = format!("{SPEC}.flinkConfiguration");
    let lines = template.flink_configuration.keys();
    let is_told = |key: &str| OWNED_KEYS.contains(&key.trim()) || is_high_availability(key);
    for key in lines.filter(|key| is_of_cluster(key) && !is_told(key)) {
        let message = format!(
            "{} is a setting of the whole cluster, so it is ignored here. Write it into flinkConfiguration of the \
             SessionCluster.",
            key.trim()
        );
        warnings.push(Problem::new(join_path(&configuration, key), message));
    }
}
