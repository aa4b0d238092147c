//! One page about one SessionCluster: how it fares, why, who uses it, and what to do next.
//!
//! Pure: what is shown depends on the page and on `now` alone.

use drey_model::Event;
use drey_model::meta::Failure;
use drey_model::session_cluster::{ClusterState, DesiredClusterState};
use jiff::Timestamp;

use super::describe::{events, labelled, retrying, told, waiting};
use crate::client::ClusterView;
use crate::duration::age;

/// The page as text.
pub(crate) fn session_cluster(view: &ClusterView, log: &[Event], now: Timestamp) -> String {
    let cluster = &view.session_cluster;
    let (metadata, spec, status) = (&cluster.metadata, &cluster.spec, &cluster.status);
    let mut lines = vec![
        format!(
            "Name: {}   Namespace: {}   ID: {}   Age: {}",
            metadata.name,
            metadata.namespace,
            metadata.id,
            age(metadata.created_at, now)
        ),
        labelled("State:", &format!("Desired {}, actual {}.", spec.state, status.state)),
    ];
    lines.extend(view.wait.iter().map(|wait| waiting(wait, now)));
    lines.extend(view.next_attempt_at.map(|at| retrying(at, now)));
    lines.extend(status.failure.iter().map(|failure: &Failure| told(failure, now)));
    lines.push(labelled("Cluster:", &shape(view)));
    if let Some(run) = view.run_id {
        let since = status.running.as_ref().map(|running| age(running.started_at, now));
        let since = since.map(|since| format!(", takes jobs since {since}")).unwrap_or_default();
        lines.push(labelled("Run:", &format!("{run}{since}")));
    }
    let users = match view.active_deployments.as_slice() {
        [] => "no Deployment".to_owned(),
        users => users.join(", "),
    };
    lines.push(labelled("Used by:", &users));
    let name = &metadata.name;
    match (spec.state, status.state) {
        (DesiredClusterState::Running, ClusterState::Failed) => lines.push(labelled(
            "Next:",
            &format!("drey stop sc/{name} --wait, mend the cause, drey start sc/{name} --wait"),
        )),
        (DesiredClusterState::Stopped, ClusterState::Stopped) => {
            lines.push(labelled("Next:", &format!("drey start sc/{name} --wait")));
        }
        (_, _) => {}
    }
    let mut text = lines.iter().fold(String::new(), |text, line| text + line.trim_end() + "\n");
    events(&mut text, log, now);
    text
}

/// What it is made of.
fn shape(view: &ClusterView) -> String {
    let spec = &view.session_cluster.spec;
    let wanted = spec.number_of_task_managers;
    let noun = if wanted == 1 { "TaskManager" } else { "TaskManagers" };
    let from = match view.task_managers {
        Some(had) if had != wanted => format!(" (it had {had})"),
        Some(_) | None => String::new(),
    };
    let size = spec.resources.get("taskmanager").map(|each| {
        let memory = each.memory.as_deref().unwrap_or("-");
        format!(" of {} CPU and {memory} each", each.cpu)
    });
    format!(
        "Flink {}, {wanted} {noun}{}{from}, in {}",
        spec.flink_version.as_deref().unwrap_or("-"),
        size.unwrap_or_default(),
        spec.deployment_target_name
    )
}

#[cfg(test)]
mod tests {
    use super::session_cluster;
    use crate::client::ClusterView;

    fn view(status: &str, rest: &str) -> ClusterView {
        let text = format!(
            r#"{{"sessionCluster": {{"kind": "SessionCluster", "apiVersion": "v1",
                "metadata": {{"name": "shared", "namespace": "default", "createdAt": "2026-01-01T00:00:00Z"}},
                "spec": {{"state": "RUNNING", "deploymentTargetName": "local", "flinkVersion": "1.20",
                    "numberOfTaskManagers": 4, "resources": {{"taskmanager": {{"cpu": 0.5, "memory": "2G"}}}}}},
                "status": {{{status}}}}}, {rest}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn the_page_says_how_it_fares_who_uses_it_and_what_helps() {
        let now = "2026-01-01T01:00:00Z".parse().unwrap();
        let running =
            r#""startedAt": "2026-01-01T00:30:00Z", "lastUpdateTime": "2026-01-01T00:30:00Z""#;
        let updating = view(
            &format!(r#""state": "UPDATING", "running": {{{running}}}"#),
            r#""runId": "00000000-0000-0000-0000-000000000007", "taskManagers": 2, "activeDeployments": ["a", "b"],
               "wait": {"what": "4 TaskManagers to take jobs, now 2", "since": "2026-01-01T00:59:00Z",
                   "until": "2026-01-01T01:04:00Z"}"#,
        );
        assert_eq!(
            session_cluster(&updating, &[], now),
            "Name: shared   Namespace: default   ID: 00000000-0000-0000-0000-000000000000   Age: 60m\n\
             State:     Desired RUNNING, actual UPDATING.\n\
             Waiting:   for 4 TaskManagers to take jobs, now 2 since 60s, at most 4m more\n\
             Cluster:   Flink 1.20, 4 TaskManagers of 0.5 CPU and 2G each (it had 2), in local\n\
             Run:       00000000-0000-0000-0000-000000000007, takes jobs since 30m\n\
             Used by:   a, b\n\
             Events:    none yet\n"
        );
        let failure = r#""message": "no such release", "reason": "NotStarted", "failedAt": "2026-01-01T00:59:00Z""#;
        let failed = view(
            &format!(r#""state": "FAILED", "failure": {{{failure}}}"#),
            r#""activeDeployments": []"#,
        );
        let page = session_cluster(&failed, &[], now);
        for part in [
            "Failure:   no such release (NotStarted, 60s ago)\n",
            "Used by:   no Deployment\n",
            "Next:      drey stop sc/shared --wait, mend the cause, drey start sc/shared --wait\n",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
    }
}
