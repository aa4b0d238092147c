//! The CPU quota of a SessionCluster (platform API reference §3.10): its launch is judged as that of a Deployment.
//!
//! A change of the number of TaskManagers is counted and not judged, since only launches are. Does not own the judgement
//! and its words ([`crate::quota`]).

use drey_model::explanation::Wait;
use drey_model::quota::{Claim, Cores, EXCEEDED};
use drey_model::{DesiredClusterState, EventName};

use super::Draft;
use crate::quota::{Asker, LAUNCH, Verdict, held, judge};

/// Whether a run may be launched now. If not, the cluster waits, and holds nothing meanwhile.
pub(super) fn admits_launch(d: &mut Draft) -> bool {
    let needs = needs(d);
    let asker = Asker { quota: &d.quota, metadata: &d.cluster.metadata, needs, outlook: LAUNCH };
    let shown = d.facts.last_failure.as_ref();
    let (what, since, until) = match judge(&asker, &mut d.facts.claim, shown, d.now) {
        Verdict::Admitted => return true,
        Verdict::Unasked(until) => {
            d.is_refused = d.facts.claim.refused.is_some();
            ("a look at the CPU quota".to_owned(), d.now, until)
        }
        Verdict::Refused(answer) => {
            d.is_refused = true;
            if let Some(message) = answer.event {
                d.event(EventName::ResourceQuotaExceeded, message);
            }
            if answer.failure.is_some() {
                d.facts.last_failure = answer.failure;
            }
            (answer.what, answer.since, answer.until)
        }
    };
    d.facts.claim.held = Cores::ZERO;
    d.facts.wait = Some(Wait { what, since, until });
    d.wake(until);
    false
}

/// Cores are held from the record of a launch until its processes are gone, and from a failed run until the next one.
pub(super) fn settle(d: &mut Draft) {
    let run = d.facts.run.as_ref();
    let used = run.map_or(Cores::ZERO, |run| {
        Cores::of_cluster(&run.launched.spec.resources, run.managers_max)
    });
    let is_to_follow = d.cluster.spec.state == DesiredClusterState::Running
        && d.facts.gave_up.is_none()
        && run.is_none_or(|run| run.end.is_some());
    let next = is_to_follow.then(|| needs(d));
    let held = held(&d.cluster.metadata, &d.facts.claim, used, next);
    let refused = d.facts.claim.refused.take().filter(|_| d.is_refused);
    if refused.is_none() && d.facts.last_failure.as_ref().is_some_and(|f| f.reason == EXCEEDED) {
        d.facts.last_failure = None;
    }
    d.facts.claim = Claim { held, refused };
}

/// Of the next run.
fn needs(d: &Draft) -> Cores {
    let spec = &d.cluster.spec;
    Cores::of_cluster(&spec.resources, spec.number_of_task_managers)
}
