//! Judging conditions at rest: what a Deployment says about restarts is what happened (seed 001, "Deployment
//! Conditions").
//!
//! Only where clocks never jumped, and with some room for the time between two looks.

use drey_model::deployment::{ConditionKind, ConditionStatus};
use uuid::Uuid;

use super::{Oracle, StoredDeployment};
use crate::core::{MINUTE, Micros, SECOND};
use crate::universe::Universe;

/// Looks at a job that runs are at most 6 s apart, and a failure is seen a while later.
const SLACK: Micros = 30 * SECOND;
const RESTARTS: usize = 3;

impl Oracle {
    /// What is wrong with the conditions of a Deployment that is RUNNING with this Job.
    pub(super) fn untrue_condition(
        &self,
        stored: &StoredDeployment,
        job: Uuid,
        (universe, now): (&Universe, Micros),
    ) -> Option<String> {
        if self.has_jumped {
            return None;
        }
        let told = |kind| {
            let running = stored.doc.status.running.as_ref();
            let all = running.map(|r| r.conditions.as_slice()).unwrap_or_default();
            all.iter().find(|c| c.kind == kind).map(|c| c.status)
        };
        if told(ConditionKind::ClusterUnreachable) != Some(ConditionStatus::False) {
            return Some("ClusterUnreachable in calm weather".to_owned());
        }
        let windows =
            [(ConditionKind::JobFailing, 10 * MINUTE), (ConditionKind::JobUnstable, 60 * MINUTE)];
        windows.into_iter().find_map(|(kind, window)| {
            // Restarts of this Job are all of one template; what an earlier Job did may have been forgotten with its own.
            let surely = universe.restarts(job, now - window + SLACK);
            let mine =
                universe.clusters.iter().filter(|(_, c)| c.deployment == stored.doc.metadata.id);
            // A Job that ended and was recovered counts as one.
            let at_most: usize =
                mine.map(|(id, _)| 1 + universe.restarts(*id, now - window - SLACK)).sum();
            match told(kind) {
                Some(ConditionStatus::True) if at_most < RESTARTS => {
                    Some(format!("{kind} after {at_most} restarts"))
                }
                Some(ConditionStatus::False) if surely >= RESTARTS => {
                    Some(format!("not {kind} after {surely} restarts"))
                }
                Some(ConditionStatus::Unknown) | None => Some(format!("{kind} is not told")),
                Some(ConditionStatus::True | ConditionStatus::False) => None,
            }
        })
    }
}
