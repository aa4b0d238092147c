//! The CPU quota of a SessionCluster (platform API reference §3.10): its launch is judged as that of a Deployment.
//!
//! A change of the number of TaskManagers is counted and not judged, since only launches are. Does not own the arithmetic
//! and the words ([`crate::quota`]).

use drey_model::DesiredClusterState;
use drey_model::EventName;
use drey_model::explanation::Wait;
use drey_model::quota::{Claim, Cores, EXCEEDED, Holder, Limit, Refusal, is_non_production};

use super::Draft;
use crate::draft::{SaturatingAdd, next_mark};
use crate::quota::{GLANCE, RECHECK, fits, sum, told};

const OUTLOOK: &str = "It starts as soon as there is room; nothing that runs is stopped for it";

/// Whether a run may be launched now. If not, the cluster waits, and holds nothing meanwhile.
pub(super) fn admits_launch(d: &mut Draft) -> bool {
    let needs = cores(d, d.cluster.spec.number_of_task_managers);
    let Some(limit) = d.quota.limit else { return true };
    if is_non_production(&d.cluster.metadata) || needs <= d.facts.claim.held {
        return true;
    }
    d.facts.claim.held = Cores::ZERO;
    let Some(others) = d.quota.others.clone() else {
        // What is not known is not free.
        d.is_refused = d.facts.claim.refused.is_some();
        let (since, until) = (d.now, d.now.saturating_add_or_max(GLANCE));
        d.facts.wait = Some(Wait { what: "a look at the CPU quota".to_owned(), since, until });
        d.wake(until);
        return false;
    };
    let fits = fits(needs, limit, &others);
    if !fits {
        refuse(d, needs, limit, &others);
    }
    fits
}

fn refuse(d: &mut Draft, needs: Cores, limit: Limit, others: &[Holder]) {
    let sum = sum(needs, limit, others);
    let earlier = d.facts.claim.refused.take().filter(|refusal| refusal.needs == needs);
    let is_shown = d.facts.last_failure.as_ref().is_some_and(|f| f.reason == EXCEEDED);
    if earlier.is_none() || !is_shown {
        let message = told(&sum, others, &d.cluster.metadata.namespace, OUTLOOK);
        d.fail(EventName::ResourceQuotaExceeded, EXCEEDED, message);
    }
    let since = earlier.map_or(d.now, |refusal| refusal.since);
    d.facts.claim.refused = Some(Refusal { needs, since });
    d.is_refused = true;
    let until = next_mark(since, RECHECK, d.now);
    d.facts.wait = Some(Wait { what: format!("free CPU cores: {sum}"), since, until });
    d.wake(until);
}

/// Brings the claim up to what the record says. Cores are held from the record of a launch until its processes are gone,
/// and from a failed run until the next one.
pub(super) fn settle(d: &mut Draft) {
    let wanted = d.cluster.spec.number_of_task_managers;
    if let Some(run) = d.facts.run.as_mut().filter(|run| run.end.is_none()) {
        run.most = run.most.max(wanted);
    }
    // While it grows or shrinks, the larger number may live.
    let managers = d.facts.run.as_ref().map(|run| run.most.max(run.scaled_to));
    let is_to_follow =
        d.cluster.spec.state == DesiredClusterState::Running && d.facts.gave_up.is_none();
    let held = match managers {
        _ if is_non_production(&d.cluster.metadata) => Cores::ZERO,
        Some(managers) => cores(d, managers),
        None if is_to_follow => d.facts.claim.held,
        None => Cores::ZERO,
    };
    let refused = d.facts.claim.refused.take().filter(|_| d.is_refused);
    if refused.is_none() && d.facts.last_failure.as_ref().is_some_and(|f| f.reason == EXCEEDED) {
        d.facts.last_failure = None;
    }
    d.facts.claim = Claim { held, refused };
}

/// Of one JobManager and so many TaskManagers; what else a cluster is made of does not change while it is active.
fn cores(d: &Draft, managers: i32) -> Cores {
    let launched = d.facts.run.as_ref().map(|run| &run.launched.spec.resources);
    Cores::of_cluster(launched.unwrap_or(&d.cluster.spec.resources), managers)
}
