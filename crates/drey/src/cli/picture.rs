//! One look at what is waited for: a Deployment or a SessionCluster, in the words that a wait needs.
//!
//! | | Deployment | SessionCluster |
//! |---|---|---|
//! | read from | `/ext/v1/…/deployments/{name}` | `/ext/v1/…/sessionclusters/{name}` |
//! | has the controller looked | the explanation's spec version | state, desired state and the TaskManagers agree |
//! | refused for cores | the explanation's failure | `status.failure` |
//!
//! Owns what a picture says about itself. Whether it is what is waited for is the business of [`Goal`] and [`Judge`].
//!
//! [`Goal`]: super::goal::Goal
//! [`Judge`]: super::judge::Judge

use drey_model::deployment::ConditionKind;
use drey_model::explanation::Wait;
use drey_model::meta::{Failure as Cause, Metadata};
use drey_model::quota::EXCEEDED;
use drey_model::session_cluster::{ClusterState, DesiredClusterState};
use drey_model::{DeploymentState, DesiredState};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Shell;
use crate::client::{ClusterView, View};
use crate::duration::{age, short};
use crate::failure::{Failure, Result};
use crate::output::health::condition;
use crate::subject::Kind;

/// What one look shows.
#[derive(Debug, Clone)]
pub(crate) enum Picture {
    /// Of a Deployment.
    Deployment(Box<View>),
    /// Of a SessionCluster.
    SessionCluster(Box<ClusterView>),
}

impl Picture {
    /// Looks.
    pub(super) async fn of(shell: &Shell, kind: Kind, name: &str) -> Result<Self> {
        if kind != Kind::SessionCluster {
            return Ok(Self::Deployment(Box::new(shell.client.view(&shell.ns, name).await?)));
        }
        let view = shell.client.cluster_view(&shell.ns, name).await?;
        Ok(Self::SessionCluster(Box::new(view)))
    }

    /// Identity and bookkeeping.
    pub(super) fn metadata(&self) -> &Metadata {
        match self {
            Self::Deployment(view) => &view.deployment.metadata,
            Self::SessionCluster(view) => &view.session_cluster.metadata,
        }
    }

    /// `status.state`.
    pub(super) fn state(&self) -> String {
        match self {
            Self::Deployment(view) => view.deployment.status.state.to_string(),
            Self::SessionCluster(view) => view.session_cluster.status.state.to_string(),
        }
    }

    /// The resource as the API shows it.
    pub(super) fn object(&self) -> Value {
        match self {
            Self::Deployment(view) => json!(view.deployment),
            Self::SessionCluster(view) => json!(view.session_cluster),
        }
    }

    /// Whether it shows what the controller made of the newest spec; `None` when it does not say.
    pub(super) fn has_looked(&self) -> Option<bool> {
        let view = match self {
            Self::Deployment(view) => {
                let explanation = view.explanation.as_ref()?;
                return Some(explanation.spec_version >= view.deployment.spec_version());
            }
            Self::SessionCluster(view) => view,
        };
        let cluster = &view.session_cluster;
        match (cluster.spec.state, cluster.status.state) {
            (DesiredClusterState::Stopped, state) => {
                Some(matches!(state, ClusterState::Stopped | ClusterState::Stopping))
            }
            (DesiredClusterState::Running, ClusterState::Stopped) => Some(false),
            (DesiredClusterState::Running, ClusterState::Running) => Some(view.is_complete()),
            // It may have been given up before the request or because of it.
            (DesiredClusterState::Running, ClusterState::Failed) => None,
            (
                DesiredClusterState::Running,
                ClusterState::Starting | ClusterState::Updating | ClusterState::Stopping,
            ) => Some(true),
        }
    }

    /// Whether something is on its way, which is the controller's answer to some request.
    pub(super) fn is_moving(&self) -> bool {
        match self {
            Self::Deployment(view) => {
                view.deployment.status.state == DeploymentState::Transitioning
            }
            Self::SessionCluster(view) => matches!(
                view.session_cluster.status.state,
                ClusterState::Starting | ClusterState::Updating | ClusterState::Stopping
            ),
        }
    }

    /// Whether it is asked to run.
    pub(super) fn is_asked_to_run(&self) -> bool {
        match self {
            Self::Deployment(view) => view.deployment.spec.state == DesiredState::Running,
            Self::SessionCluster(view) => {
                view.session_cluster.spec.state == DesiredClusterState::Running
            }
        }
    }

    /// Whether a person has to act. A cluster that is being stopped is on its way out of it.
    pub(super) fn is_failed(&self) -> bool {
        match self {
            Self::Deployment(view) => view.deployment.status.state == DeploymentState::Failed,
            Self::SessionCluster(view) => {
                self.is_asked_to_run() && view.session_cluster.status.state == ClusterState::Failed
            }
        }
    }

    /// Whether its job has ended by itself.
    pub(super) fn is_finished(&self) -> bool {
        matches!(self, Self::Deployment(view) if view.deployment.status.state == DeploymentState::Finished)
    }

    /// Whether the condition JobFailing holds.
    pub(super) fn is_failing(&self) -> bool {
        matches!(self, Self::Deployment(view)
            if condition(&view.deployment, ConditionKind::JobFailing).is_some())
    }

    /// Why it is where it is, when something went wrong.
    pub(super) fn failure(&self) -> Option<&Cause> {
        match self {
            Self::Deployment(view) => view.explanation.as_ref()?.failure.as_ref(),
            Self::SessionCluster(view) => view.session_cluster.status.failure.as_ref(),
        }
    }

    /// Whether the CPU quota has no room for the launch that is needed.
    pub(super) fn is_refused(&self) -> bool {
        self.failure().is_some_and(|failure| failure.reason == EXCEEDED)
    }

    /// Adds to a failure why, now and next.
    pub(super) fn explain(&self, mut failure: Failure) -> Failure {
        failure.why.extend(self.failure().map(|cause| cause.message.clone()));
        let wait = match self {
            Self::Deployment(view) => {
                let explained = view.explanation.as_ref();
                let summary = explained.map(|e| e.summary.clone()).filter(|text| !text.is_empty());
                if failure.why.is_empty() {
                    failure.why.extend(summary);
                }
                explained.and_then(|explained| explained.wait.as_ref())
            }
            Self::SessionCluster(view) => view.wait.as_ref(),
        };
        failure.why.extend(wait.map(awaited));
        match self {
            Self::Deployment(view) => of_deployment(failure, view),
            Self::SessionCluster(view) => of_cluster(failure, view, self.is_failed()),
        }
    }
}

fn awaited(wait: &Wait) -> String {
    let now = Timestamp::now();
    let left = wait.until.as_second().saturating_sub(now.as_second()).max(0).unsigned_abs();
    let since = age(wait.since, now);
    format!("waiting for {} since {since}, at most {} more", wait.what, short(left))
}

fn of_deployment(mut failure: Failure, view: &View) -> Failure {
    let deployment = &view.deployment;
    let explained = view.explanation.clone().unwrap_or_default();
    let alive = view.jobs.iter().any(|job| !job.status.state.is_terminal());
    let mut now = format!(
        "desired {}, actual {}; {}",
        deployment.spec.state,
        deployment.status.state,
        if alive { "a Flink job may still be alive" } else { "no Flink job is running" }
    );
    if let Some(from) = explained.restores_from {
        now.push_str(&format!("; the next start restores {from}"));
    }
    let name = &deployment.metadata.name;
    if deployment.spec.state != DesiredState::Running
        && deployment.status.state != DeploymentState::Failed
    {
        failure.next.push(format!("drey start {name} --wait"));
    }
    failure.next.extend(explained.next);
    for next in [format!("drey events {name}"), format!("drey logs {name}")] {
        if !failure.next.contains(&next) {
            failure.next.push(next);
        }
    }
    failure.now(now)
}

fn of_cluster(mut failure: Failure, view: &ClusterView, is_failed: bool) -> Failure {
    let cluster = &view.session_cluster;
    let name = &cluster.metadata.name;
    let now = format!("desired {}, actual {}", cluster.spec.state, cluster.status.state);
    if is_failed {
        failure.next.push(format!("drey stop sc/{name} --wait     then mend the cause"));
        failure.next.push(format!("drey start sc/{name} --wait"));
    } else if cluster.spec.state == DesiredClusterState::Stopped {
        failure.next.push(format!("drey start sc/{name} --wait"));
    }
    failure.next.push(format!("drey events sc/{name}"));
    if !view.runs.is_empty() {
        failure.next.push(format!("drey logs sc/{name}"));
    }
    failure.now(now).next(format!("drey describe sc/{name}"))
}
