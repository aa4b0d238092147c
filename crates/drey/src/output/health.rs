//! One word for how a Deployment fares, from the facts in the resource alone.
//!
//! | word | facts |
//! |---|---|
//! | Unreachable, Failing, Unstable | RUNNING, and the condition of that name holds (in this order) |
//! | Healthy | RUNNING as declared, and no condition holds |
//! | Progressing | TRANSITIONING, or at rest where the user does not want it |
//! | Failed | FAILED: a person has to act |
//! | Suspended, Cancelled, Finished | at rest where the user wants it |

use drey_model::deployment::{ConditionKind, ConditionStatus, DeploymentCondition};
use drey_model::{Deployment, DeploymentState, DesiredState};

/// How a Deployment fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
#[allow(missing_docs, reason = "the table above says what each means")]
pub(crate) enum Health {
    Healthy,
    Progressing,
    Failing,
    Unstable,
    Unreachable,
    Failed,
    Suspended,
    Cancelled,
    Finished,
}

/// The health of a Deployment.
pub(crate) fn health(deployment: &Deployment) -> Health {
    let wanted = deployment.spec.state;
    match deployment.status.state {
        DeploymentState::Failed => Health::Failed,
        DeploymentState::Finished => Health::Finished,
        DeploymentState::Transitioning => Health::Progressing,
        DeploymentState::Suspended if wanted == DesiredState::Suspended => Health::Suspended,
        DeploymentState::Cancelled if wanted == DesiredState::Cancelled => Health::Cancelled,
        DeploymentState::Suspended | DeploymentState::Cancelled => Health::Progressing,
        DeploymentState::Running if wanted != DesiredState::Running => Health::Progressing,
        DeploymentState::Running => {
            let order = [
                (ConditionKind::ClusterUnreachable, Health::Unreachable),
                (ConditionKind::JobFailing, Health::Failing),
                (ConditionKind::JobUnstable, Health::Unstable),
            ];
            let held = order.iter().find(|(kind, _)| condition(deployment, *kind).is_some());
            held.map_or(Health::Healthy, |(_, health)| *health)
        }
    }
}

/// The condition, when it holds.
pub(crate) fn condition(
    deployment: &Deployment,
    kind: ConditionKind,
) -> Option<&DeploymentCondition> {
    let conditions = &deployment.status.running.as_ref()?.conditions;
    conditions.iter().find(|c| c.kind == kind && c.status == ConditionStatus::True)
}
