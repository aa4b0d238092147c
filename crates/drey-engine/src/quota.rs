//! The CPU quota: whether a launch may take its cores (seed 002, "CPU Quota"; platform API reference §3.10, Q24).
//!
//! ```text
//! launch  ─► needs no more than it holds ─► goes on            a recovery, an upgrade of the same size
//!         └► fits beside what others hold ─► goes on, and holds its cores from here
//!         └► RESOURCE_QUOTA_EXCEEDED, waits, is judged again   no attempt is counted
//! ```
//!
//! A running job is never stopped for lack of cores, so an upgrade is judged before it takes the old run down: too large,
//! and the old run goes on; admitted, and the Deployment holds what the next run needs while the old one stops, so that
//! nobody takes it meanwhile. Owns the judgement and the claim, of Deployments here and of SessionClusters in
//! `session_cluster/quota.rs`. Does not own what others hold, nor that two launches cannot both take the last cores:
//! `drey-controller` brings the one and commits under a guard for the other.

use drey_model::meta::{Failure, Metadata};
use drey_model::quota::{Claim, Cores, EXCEEDED, Holder, Limit, Refusal, is_non_production};
use drey_model::{DesiredState, EventName, Kind};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::draft::{Draft, SaturatingAdd, next_mark};
use crate::facts::Rest;
use crate::savepoint;
use crate::situation::{Quota, Unreadable};

/// A waiting launch is woken when cores come free; should that be missed, it looks by itself.
const RECHECK: SignedDuration = SignedDuration::from_secs(60);
/// How soon the next look comes when this one did not ask who holds what.
const GLANCE: SignedDuration = SignedDuration::from_secs(1);
/// Deployments that a message names.
const NAMED_MAX: usize = 5;
/// What becomes of who is refused.
pub(crate) struct Outlook {
    /// When there is room.
    later: &'static str,
    /// If more is needed than there will ever be.
    never: &'static str,
}

/// Of a launch.
pub(crate) const LAUNCH: Outlook = Outlook {
    later: "It starts as soon as there is room; nothing that runs is stopped for it",
    never: "It never fits: ask for less, or have the quota raised",
};
/// Of an upgrade.
const UPGRADE: Outlook = Outlook {
    later: "The job goes on with its earlier template and is upgraded as soon as there is room",
    never: "The job goes on with its earlier template; the new one never fits: ask for less, or have the quota raised",
};

/// Who asks for cores.
pub(crate) struct Asker<'a> {
    pub(crate) quota: &'a Quota,
    pub(crate) metadata: &'a Metadata,
    pub(crate) needs: Cores,
    /// What becomes of it if it is refused.
    pub(crate) outlook: Outlook,
}

/// What the quota says.
pub(crate) enum Verdict {
    /// The cores are there, and held from here on.
    Admitted,
    /// This look did not bring who holds what; the next one does. What is not known is not free.
    Unasked(Timestamp),
    /// There is no room.
    Refused(Answer),
}

/// Why there is no room, and how long that is waited for.
pub(crate) struct Answer {
    /// For the event, if it was not told before.
    pub(crate) event: Option<String>,
    /// What stands as the last failure, if it does not already.
    pub(crate) failure: Option<Failure>,
    pub(crate) what: String,
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
}

/// Judges a launch, and writes the answer into the claim.
pub(crate) fn judge(
    asker: &Asker<'_>,
    claim: &mut Claim,
    shown: Option<&Failure>,
    now: Timestamp,
) -> Verdict {
    let needs = asker.needs;
    let quota = asker.quota;
    let (what, why) = match (quota.limit, &quota.unreadable, &quota.others) {
        (None, _, _) => return admit(claim, needs),
        _ if is_non_production(asker.metadata) || needs <= claim.held => {
            return admit(claim, needs);
        }
        (Some(_), Some(holder), _) => unreadable(holder, asker.metadata),
        (Some(_), None, None) => return Verdict::Unasked(now.saturating_add_or_max(GLANCE)),
        (Some(limit), None, Some(others)) if fits(needs, limit, others) => {
            return admit(claim, needs);
        }
        (Some(limit), None, Some(others)) => {
            let sum = sum(needs, limit, others);
            let users = named(others, &asker.metadata.namespace);
            let Outlook { later, never } = &asker.outlook;
            let outlook = if needs > limit.ceiling() { never } else { later };
            let why =
                format!("The CPU quota has no room. Cores: {sum}. In use: {users}. {outlook}");
            (format!("free CPU cores: {sum}"), why)
        }
    };
    let earlier = claim.refused.take().filter(|refusal| refusal.needs == needs);
    let is_new = earlier.is_none();
    let since = earlier.map_or(now, |refusal| refusal.since);
    claim.refused = Some(Refusal { needs, since });
    let is_shown = shown.is_some_and(|f| f.reason == EXCEEDED);
    let failure = Failure { message: why.clone(), reason: EXCEEDED.to_owned(), failed_at: now };
    Verdict::Refused(Answer {
        event: is_new.then_some(why),
        failure: (is_new || !is_shown).then_some(failure),
        what,
        since,
        until: next_mark(since, RECHECK, now),
    })
}

fn admit(claim: &mut Claim, needs: Cores) -> Verdict {
    claim.held = claim.held.max(needs);
    Verdict::Admitted
}

/// Brings a claim up to what the records say: what processes use that may live, and what is kept for the launch that is
/// to follow them. Kept is what was held, as far as that launch needs it.
pub(crate) fn held(metadata: &Metadata, claim: &Claim, used: Cores, next: Option<Cores>) -> Cores {
    let kept = next.map_or(Cores::ZERO, |needs| claim.held.min(needs));
    if is_non_production(metadata) { Cores::ZERO } else { used.max(kept) }
}

/// Whether a new Job may be launched now. If not, the Deployment waits, and holds nothing meanwhile.
pub(crate) fn admits_launch(d: &mut Draft) -> bool {
    let is_admitted = admits(d, None, LAUNCH);
    if !is_admitted {
        d.facts.claim.held = Cores::ZERO;
    }
    is_admitted
}

/// Whether the running Job may be taken down for an upgrade now. If not, it goes on.
pub(crate) fn admits_upgrade(d: &mut Draft, running: Uuid) -> bool {
    admits(d, Some(running), UPGRADE)
}

fn admits(d: &mut Draft, running: Option<Uuid>, outlook: Outlook) -> bool {
    let metadata = &d.deployment.metadata;
    let needs = Cores::of_spec(&d.deployment.spec);
    let asker = Asker { quota: &d.quota, metadata, needs, outlook };
    match judge(&asker, &mut d.facts.claim, d.facts.last_failure.as_ref(), d.now) {
        Verdict::Admitted => return true,
        Verdict::Unasked(until) => {
            d.is_refused = d.facts.claim.refused.is_some();
            d.wait("a look at the CPU quota", d.now, until);
        }
        Verdict::Refused(answer) => {
            d.is_refused = true;
            if let Some(message) = answer.event {
                d.event(EventName::ResourceQuotaExceeded, running, message);
            }
            if answer.failure.is_some() {
                d.facts.last_failure = answer.failure;
            }
            d.pause(answer.what, answer.since, answer.until);
        }
    }
    false
}

/// Cores are held from the record of a launch, or from the admission of an upgrade that takes the running job down, until
/// its cluster is gone; and from a failed run or start until the next one.
pub(crate) fn settle(d: &mut Draft) {
    let clusters = d.jobs.iter().filter(|r| r.facts.gone_at.is_none());
    let used = clusters.map(|r| Cores::of_job(&r.job)).max().unwrap_or(Cores::ZERO);
    let spec = &d.deployment.spec;
    let goes_on = d.active_job().is_some_and(|r| {
        r.facts.cancel.is_none() && savepoint::stop_in_progress(d, r.id()).is_none()
    });
    let is_to_follow = spec.state == DesiredState::Running
        && d.facts.gave_up.is_none()
        && d.facts.rest != Rest::Finished
        && !goes_on;
    let next = is_to_follow.then(|| Cores::of_spec(spec));
    let held = held(&d.deployment.metadata, &d.facts.claim, used, next);
    let refused = d.facts.claim.refused.take().filter(|_| d.is_refused);
    if refused.is_none() {
        d.resume_after(EXCEEDED);
    }
    d.facts.claim = Claim { held, refused };
}

/// Whether so many cores are free beside what others hold.
fn fits(needs: Cores, limit: Limit, others: &[Holder]) -> bool {
    used(others) + needs <= limit.ceiling()
}

fn used(others: &[Holder]) -> Cores {
    others.iter().map(|holder| holder.cpu).sum()
}

/// Why nothing is launched while somebody's claim cannot be read.
fn unreadable(holder: &Unreadable, metadata: &Metadata) -> (String, String) {
    let who = match holder.namespace == metadata.namespace {
        true => format!("{} {}", holder.kind, holder.name),
        false => "something in another namespace".to_owned(),
    };
    let why = format!(
        "The CPU quota cannot be judged: the record of how many cores {who} holds is damaged (the server's log says how). \
         Nothing is launched that the quota counts until the record is repaired, or what it belongs to is deleted"
    );
    (format!("the record of {who}, whose part in the CPU quota cannot be read"), why)
}

/// `4 needed, 1 of 6 free, 3 missing`.
fn sum(needs: Cores, limit: Limit, others: &[Holder]) -> String {
    let free = limit.ceiling().less(used(others));
    // More may be in use than the quota allows: that has to come free, too.
    let missing = (used(others) + needs).less(limit.ceiling());
    format!("{needs} needed, {free} of {} free, {missing} missing", ceiling(limit))
}

fn ceiling(limit: Limit) -> String {
    match limit.tolerated {
        Cores::ZERO => limit.cpu.to_string(),
        tolerated => format!("{} (+{tolerated} tolerated)", limit.cpu),
    }
}

/// Who uses the cores, the largest first. What stands in other namespaces is nobody's business here but its sum.
fn named(others: &[Holder], namespace: &str) -> String {
    let (mut own, foreign): (Vec<&Holder>, Vec<&Holder>) =
        others.iter().filter(|h| h.cpu > Cores::ZERO).partition(|h| h.namespace == namespace);
    own.sort_by(|a, b| b.cpu.cmp(&a.cpu).then_with(|| a.name.cmp(&b.name)));
    let total = |holders: &[&Holder]| holders.iter().map(|h| h.cpu).sum::<Cores>();
    let mut parts: Vec<String> =
        own.iter().take(NAMED_MAX).map(|h| format!("{} {}", called(h), h.cpu)).collect();
    if let Some(rest) = own.get(NAMED_MAX..).filter(|rest| !rest.is_empty()) {
        parts.push(format!("{} more {}", rest.len(), total(rest)));
    }
    if !foreign.is_empty() {
        parts.push(format!("other namespaces {}", total(&foreign)));
    }
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

fn called(holder: &Holder) -> String {
    match holder.kind {
        Kind::SessionCluster => format!("SessionCluster {}", holder.name),
        _ => holder.name.clone(),
    }
}
