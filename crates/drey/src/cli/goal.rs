//! What a wait waits for. The words are those of Deployments; a SessionCluster knows some of them, and states of its own.

use std::str::FromStr;

use drey_model::deployment::{ConditionKind, ConditionStatus};
use drey_model::meta::{SPEC_VERSION, TRANSITIONING};
use drey_model::session_cluster::{ClusterState, DesiredClusterState};
use drey_model::{DeploymentState, DesiredState};
use serde_json::Value;

use super::picture::Picture;
use crate::client::{ClusterView, View};
use crate::output::health::{Health, health};
use crate::output::table::at_rest;
use crate::subject::Kind;

/// One claim about a Deployment or a SessionCluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Goal {
    /// The state is the desired one, or the job ended by itself.
    AsDeclared,
    /// RUNNING, with nothing under way.
    Running,
    /// No job: SUSPENDED, CANCELLED or FINISHED. No process: STOPPED.
    Stopped,
    /// RUNNING, and no condition holds.
    Healthy,
    /// RUNNING with the newest version of the spec.
    Upgrade,
    /// It does not exist.
    Deleted,
    /// This word of the API stands in `status.state`.
    State(String),
    /// This condition has this status.
    Condition(ConditionKind, ConditionStatus),
    /// The member at this dotted path has this value.
    Path(String, String),
}

impl Goal {
    /// Whether the claim holds; `None`: it does not exist.
    pub(crate) fn holds(&self, picture: Option<&Picture>) -> bool {
        let Some(picture) = picture else { return *self == Self::Deleted };
        match self {
            Self::Deleted => false,
            Self::State(wanted) => picture.state() == *wanted,
            Self::Path(path, wanted) => at(&picture.object(), path).as_ref() == Some(wanted),
            Self::AsDeclared
            | Self::Running
            | Self::Stopped
            | Self::Healthy
            | Self::Upgrade
            | Self::Condition(..) => match picture {
                Picture::Deployment(view) => self.holds_of_deployment(view),
                Picture::SessionCluster(view) => self.holds_of_cluster(view),
            },
        }
    }

    fn holds_of_deployment(&self, view: &View) -> bool {
        let deployment = &view.deployment;
        let state = deployment.status.state;
        let running = state == DeploymentState::Running
            && deployment.spec.state == DesiredState::Running
            && deployment.metadata.annotations.get(TRANSITIONING).is_none_or(|t| t != "true");
        match self {
            Self::AsDeclared => match deployment.spec.state {
                DesiredState::Running => running || state == DeploymentState::Finished,
                DesiredState::Suspended => {
                    matches!(state, DeploymentState::Suspended | DeploymentState::Finished)
                }
                DesiredState::Cancelled => {
                    matches!(state, DeploymentState::Cancelled | DeploymentState::Finished)
                }
            },
            Self::Running => running,
            Self::Stopped => at_rest(state),
            Self::Healthy => running && health(deployment) == Health::Healthy,
            Self::Upgrade => running && runs_newest(view),
            Self::Condition(kind, wanted) => {
                let running = deployment.status.running.as_ref();
                let mut conditions = running.iter().flat_map(|r| &r.conditions);
                conditions.any(|c| c.kind == *kind && c.status == *wanted)
            }
            Self::Deleted | Self::State(_) | Self::Path(..) => false,
        }
    }

    fn holds_of_cluster(&self, view: &ClusterView) -> bool {
        let cluster = &view.session_cluster;
        let running = cluster.spec.state == DesiredClusterState::Running && view.is_complete();
        let stopped = cluster.status.state == ClusterState::Stopped;
        match self {
            Self::AsDeclared => match cluster.spec.state {
                DesiredClusterState::Running => running,
                DesiredClusterState::Stopped => stopped,
            },
            Self::Running => running,
            Self::Stopped => stopped,
            Self::Healthy => running && cluster.status.failure.is_none(),
            Self::Upgrade
            | Self::Condition(..)
            | Self::Deleted
            | Self::State(_)
            | Self::Path(..) => false,
        }
    }

    /// Whether it says anything about objects of this kind.
    pub(crate) fn fits(&self, kind: Kind) -> bool {
        let is_cluster = kind == Kind::SessionCluster;
        match self {
            Self::AsDeclared
            | Self::Running
            | Self::Stopped
            | Self::Healthy
            | Self::Deleted
            | Self::Path(..) => true,
            Self::Upgrade | Self::Condition(..) => !is_cluster,
            Self::State(state) if is_cluster => word::<ClusterState>(state).is_some(),
            Self::State(state) => word::<DeploymentState>(state).is_some(),
        }
    }

    /// As in "is running".
    pub(crate) fn text(&self) -> String {
        match self {
            Self::AsDeclared => "as declared".to_owned(),
            Self::Running => "running".to_owned(),
            Self::Stopped => "stopped".to_owned(),
            Self::Healthy => "healthy".to_owned(),
            Self::Upgrade => "running its newest version".to_owned(),
            Self::Deleted => "deleted".to_owned(),
            Self::State(state) => state.to_ascii_lowercase(),
            Self::Condition(kind, status) => format!("at {kind}={status}"),
            Self::Path(path, value) => format!("at {path}={value}"),
        }
    }

    /// Whether a job that has ended can never get there by itself.
    pub(crate) fn needs_a_job(&self) -> bool {
        matches!(self, Self::Running | Self::Healthy | Self::Upgrade | Self::Condition(..))
    }
}

/// Whether the active Job was made from the newest spec.
fn runs_newest(view: &View) -> bool {
    let active = view.deployment.status.running.as_ref().map(|running| running.job_id);
    let job = view.jobs.iter().find(|job| Some(job.metadata.id) == active);
    let version = job.and_then(|job| job.metadata.annotations.get(SPEC_VERSION));
    version.is_some() && version == view.deployment.metadata.annotations.get(SPEC_VERSION)
}

/// The text at a dotted path such as `status.state` or `items[0].x`.
fn at(value: &Value, path: &str) -> Option<String> {
    let mut here = value;
    for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
        here = match step.strip_suffix(']') {
            Some(index) => here.get(index.parse::<usize>().ok()?)?,
            None => here.get(step)?,
        };
    }
    match here {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

impl FromStr for Goal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        match lower.as_str() {
            "running" => return Ok(Self::Running),
            "stopped" => return Ok(Self::Stopped),
            "suspended" | "cancelled" | "finished" => {
                return Ok(Self::State(text.to_ascii_uppercase()));
            }
            "canceled" => return Ok(Self::State("CANCELLED".to_owned())),
            "healthy" => return Ok(Self::Healthy),
            "upgrade" => return Ok(Self::Upgrade),
            "deleted" => return Ok(Self::Deleted),
            _ => {}
        }
        let wrong = || {
            format!(
                "\"{text}\" cannot be waited for. Use running, stopped, suspended, cancelled, finished, healthy, \
                 upgrade, deleted, state=FAILED, condition=JobFailing=False or jsonpath='{{.status.state}}'=RUNNING"
            )
        };
        let (what, rest) = text.split_once('=').ok_or_else(wrong)?;
        match what.to_ascii_lowercase().as_str() {
            "state" => {
                let state = rest.to_ascii_uppercase().replace("CELED", "CELLED");
                let is_known = word::<DeploymentState>(&state).is_some()
                    || word::<ClusterState>(&state).is_some();
                if is_known { Ok(Self::State(state)) } else { Err(wrong()) }
            }
            "condition" => {
                let (kind, status) = rest.split_once('=').unwrap_or((rest, "True"));
                let kind = word(kind).ok_or_else(wrong)?;
                Ok(Self::Condition(kind, word(status).ok_or_else(wrong)?))
            }
            "jsonpath" => {
                let (path, value) = rest.split_once('=').ok_or_else(wrong)?;
                let path = path.trim_start_matches(['{', '.']).trim_end_matches('}');
                Ok(Self::Path(path.to_owned(), value.to_owned()))
            }
            _ => Err(wrong()),
        }
    }
}

/// A word of the API as its enum.
fn word<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_value(Value::String(text.to_owned())).ok()
}

#[cfg(test)]
mod tests {
    use drey_model::deployment::{ConditionKind, ConditionStatus};

    use super::{Goal, at};
    use crate::subject::Kind;

    #[test]
    fn goals_are_read_as_written() {
        assert_eq!("Running".parse(), Ok(Goal::Running));
        assert_eq!("state=canceled".parse(), Ok(Goal::State("CANCELLED".to_owned())));
        assert_eq!(
            "condition=JobFailing=False".parse(),
            Ok(Goal::Condition(ConditionKind::JobFailing, ConditionStatus::False))
        );
        assert_eq!(
            "jsonpath={.status.state}=RUNNING".parse(),
            Ok(Goal::Path("status.state".to_owned(), "RUNNING".to_owned()))
        );
        assert!("state=PAUSED".parse::<Goal>().is_err_and(|e| e.contains("state=FAILED")));
    }

    #[test]
    fn states_are_those_of_the_kind() {
        let updating: Goal = "state=updating".parse().unwrap();
        assert!(updating.fits(Kind::SessionCluster) && !updating.fits(Kind::Deployment));
        let suspended: Goal = "suspended".parse().unwrap();
        assert!(suspended.fits(Kind::Deployment) && !suspended.fits(Kind::SessionCluster));
        assert!(
            Goal::Stopped.fits(Kind::SessionCluster) && !Goal::Upgrade.fits(Kind::SessionCluster)
        );
    }

    #[test]
    fn paths_reach_into_lists() {
        let value = serde_json::json!({"a": [{"b": 7}]});
        assert_eq!(at(&value, "a[0].b"), Some("7".to_owned()));
        assert_eq!(at(&value, "a[1].b"), None);
    }
}
