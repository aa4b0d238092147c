//! Upgrade: the running job deviates from the template (platform API reference §3.3, Q9).

use drey_model::deployment::UpgradeKind;
use drey_model::{EventName, SavepointOrigin};
use uuid::Uuid;

use crate::cancel;
use crate::draft::Draft;
use crate::suspend;

/// Takes down a running Job as the strategy says; the goal RUNNING then starts the next one.
pub(crate) fn replace(d: &mut Draft, id: Uuid, strategy: UpgradeKind) {
    announce(d, id, strategy);
    match strategy {
        UpgradeKind::Stateful => suspend::stop(d, id, SavepointOrigin::SuspendAndUpgrade),
        UpgradeKind::Stateless => {
            d.cancel(id, EventName::FoundAnOldJobAndWillTerminateIt, "the template has changed");
            cancel::advance(d, id);
        }
        UpgradeKind::None => {}
    }
}

/// Takes down a Job that has not started yet: the newest modification wins.
pub(crate) fn supersede(d: &mut Draft, id: Uuid) {
    let why = "the template changed before it had started";
    d.cancel(id, EventName::FoundAnOldJobAndWillTerminateIt, why);
    cancel::advance(d, id);
}

/// Says once per transition which strategy is used.
fn announce(d: &mut Draft, id: Uuid, strategy: UpgradeKind) {
    let has_waited = d.facts.claim.refused.is_some();
    if d.facts.transition.is_none() || has_waited {
        let restore = d.deployment.spec.restore_strategy.kind;
        let message = format!(
            "Job {id} deviates from the template: upgrading {strategy}, restoring {restore}"
        );
        d.event(EventName::UsingAnUpgradeStrategy, Some(id), message);
    }
}
