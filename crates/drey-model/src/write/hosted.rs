//! What a Deployment on a SessionCluster says in vain: its processes are the cluster's, so a request that gives the members
//! that come from there is told so (platform API reference §1.1.4).
//!
//! Only what the request itself gives is told: members that stay from application mode, or come from defaults, harm nobody.

use serde_json::Value;

use super::Draft;
use crate::deployment::DeploymentSpec;
use crate::problem::Problem;
use crate::session_cluster::SessionCluster;
use crate::shape::tables::{CLUSTER_MEMBERS, IMAGE_MEMBERS};

const TEMPLATE: &str = "/spec/template/spec";
const VERSION: &str = "flinkVersion";

/// Tells what the request gives and the SessionCluster decides.
pub(super) fn warn(draft: &mut Draft, spec: &DeploymentSpec, clusters: &[SessionCluster]) {
    let Some(name) = spec.session_cluster_name.as_deref() else { return };
    let is_given =
        |path: &str| draft.value.pointer(path).is_some_and(|value| !is_empty_or_null(value));
    let of_template = CLUSTER_MEMBERS.iter().map(|member| format!("{TEMPLATE}/{member}"));
    let of_image = IMAGE_MEMBERS.iter().map(|member| format!("{TEMPLATE}/artifact/{member}"));
    let mut warnings: Vec<Problem> = of_template
        .chain(of_image)
        .filter(|path| is_given(path))
        .map(|path| {
            let message = format!("No effect on a SessionCluster: what {name} says holds.");
            Problem::new(dotted(&path), message)
        })
        .collect();
    let path = format!("{TEMPLATE}/artifact/{VERSION}");
    let cluster = clusters.iter().find(|cluster| cluster.metadata.name == name);
    let is_of = cluster.and_then(|cluster| cluster.spec.flink_version.as_deref());
    if let (Some(given), Some(is)) = (draft.text(&path), is_of)
        && !is_same_release(given, is)
    {
        let message =
            format!("No effect: SessionCluster {name} runs Flink {is}, and so does the job.");
        warnings.push(Problem::new(dotted(&path), message));
    }
    draft.warnings.extend(warnings);
}

fn is_empty_or_null(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty)
}

fn dotted(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".")
}

/// Whether one version means the other: `1.20` is any `1.20.x`.
fn is_same_release(a: &str, b: &str) -> bool {
    let continues = |long: &str, short: &str| {
        long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    continues(a, b) || continues(b, a)
}
