//! What a wait waits for.

use std::str::FromStr;

use drey_model::deployment::{ConditionKind, ConditionStatus};
use drey_model::meta::{SPEC_VERSION, TRANSITIONING};
use drey_model::{DeploymentState, DesiredState};
use serde_json::Value;

use crate::client::View;
use crate::output::health::{Health, health};
use crate::output::table::at_rest;

/// One claim about a Deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Goal {
    /// The state is the desired one, or the job ended by itself.
    AsDeclared,
    /// RUNNING, with nothing under way.
    Running,
    /// No job: SUSPENDED, CANCELLED or FINISHED.
    Stopped,
    /// RUNNING, and no condition holds.
    Healthy,
    /// RUNNING with the newest version of the spec.
    Upgrade,
    /// The Deployment does not exist.
    Deleted,
    /// This state.
    State(DeploymentState),
    /// This condition has this status.
    Condition(ConditionKind, ConditionStatus),
    /// The member at this dotted path has this value.
    Path(String, String),
}

impl Goal {
    /// Whether the claim holds; `None`: the Deployment does not exist.
    pub(crate) fn holds(&self, view: Option<&View>) -> bool {
        let Some(view) = view else { return *self == Self::Deleted };
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
            Self::Deleted => false,
            Self::State(wanted) => state == *wanted,
            Self::Condition(kind, wanted) => {
                let running = deployment.status.running.as_ref();
                let mut conditions = running.iter().flat_map(|r| &r.conditions);
                conditions.any(|c| c.kind == *kind && c.status == *wanted)
            }
            Self::Path(path, wanted) => {
                at(&serde_json::json!(deployment), path) == Some(wanted.clone())
            }
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
            Self::State(state) => state.to_string().to_ascii_lowercase(),
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
            "suspended" => return Ok(Self::State(DeploymentState::Suspended)),
            "cancelled" | "canceled" => return Ok(Self::State(DeploymentState::Cancelled)),
            "finished" => return Ok(Self::State(DeploymentState::Finished)),
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
                word::<DeploymentState>(&rest.to_ascii_uppercase().replace("CELED", "CELLED"))
                    .map(Self::State)
                    .ok_or_else(wrong)
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
    use drey_model::DeploymentState;
    use drey_model::deployment::{ConditionKind, ConditionStatus};

    use super::{Goal, at};

    #[test]
    fn goals_are_read_as_written() {
        assert_eq!("Running".parse(), Ok(Goal::Running));
        assert_eq!("state=canceled".parse(), Ok(Goal::State(DeploymentState::Cancelled)));
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
    fn paths_reach_into_lists() {
        let value = serde_json::json!({"a": [{"b": 7}]});
        assert_eq!(at(&value, "a[0].b"), Some("7".to_owned()));
        assert_eq!(at(&value, "a[1].b"), None);
    }
}
