//! What a Deployment cannot have on a SessionCluster: there Flink takes one program over REST, into processes that other
//! Deployments use too.

use super::template::SPEC;
use crate::deployment::DeploymentSpec;
use crate::problem::{Problem, join_path};
use crate::secret::placeholder::is_filled;

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
