//! The CPU quota: whether a launch may take its cores (seed 002, "CPU Quota"; platform API reference §3.10, Q24).
//!
//! ```text
//! launch  ─► needs no more than it holds ─► goes on            a recovery, an upgrade of the same size
//!         └► fits beside what others hold ─► goes on
//!         └► RESOURCE_QUOTA_EXCEEDED, waits, is judged again   no attempt is counted
//! ```
//!
//! A running job is never stopped for lack of cores, so an upgrade is judged before it takes the old run down: too large,
//! and the old run goes on. Owns the judgement and the Deployment's claim. Does not own what others hold, nor that two
//! launches cannot both take the last cores: `drey-controller` brings the one and commits under a guard for the other.

use drey_model::quota::{Claim, Cores, EXCEEDED, Holder, Limit, Refusal, is_non_production};
use drey_model::{DesiredState, EventName, Kind};
use jiff::SignedDuration;
use uuid::Uuid;

use crate::draft::{Draft, SaturatingAdd, next_mark};
use crate::facts::Rest;
use crate::situation::Quota;

/// A waiting launch is woken when cores come free; should that be missed, it looks by itself.
pub(crate) const RECHECK: SignedDuration = SignedDuration::from_secs(60);
/// How soon the next look comes when this one did not ask who holds what.
pub(crate) const GLANCE: SignedDuration = SignedDuration::from_secs(1);
/// Deployments that a message names.
const NAMED_MAX: usize = 5;

/// Whether a new Job may be launched now. If not, the Deployment waits, and holds nothing meanwhile.
pub(crate) fn admits_launch(d: &mut Draft) -> bool {
    let outlook = "It starts as soon as there is room; nothing that runs is stopped for it";
    let is_admitted = admits(d, None, outlook);
    if !is_admitted {
        d.facts.claim.held = Cores::ZERO;
    }
    is_admitted
}

/// Whether the running Job may be taken down for an upgrade now. If not, it goes on.
pub(crate) fn admits_upgrade(d: &mut Draft, running: Uuid) -> bool {
    let outlook =
        "The job goes on with its earlier template and is upgraded as soon as there is room";
    admits(d, Some(running), outlook)
}

fn admits(d: &mut Draft, running: Option<Uuid>, outlook: &str) -> bool {
    let needs = Cores::of_spec(&d.deployment.spec);
    let Quota { limit: Some(limit), others } = &d.quota else { return true };
    if is_non_production(&d.deployment.metadata) || needs <= d.facts.claim.held {
        return true;
    }
    let Some(others) = others.clone() else {
        // What is not known is not free.
        d.is_refused = d.facts.claim.refused.is_some();
        d.wait("a look at the CPU quota", d.now, d.now.saturating_add_or_max(GLANCE));
        return false;
    };
    let limit = *limit;
    let fits = fits(needs, limit, &others);
    if !fits {
        refuse(d, needs, limit, &others, running, outlook);
    }
    fits
}

fn refuse(
    d: &mut Draft,
    needs: Cores,
    limit: Limit,
    others: &[Holder],
    running: Option<Uuid>,
    outlook: &str,
) {
    let earlier = d.facts.claim.refused.take().filter(|refusal| refusal.needs == needs);
    let is_new = earlier.is_none();
    let since = earlier.map_or(d.now, |refusal| refusal.since);
    d.facts.claim.refused = Some(Refusal { needs, since });
    d.is_refused = true;
    let sum = sum(needs, limit, others);
    let is_shown = d.facts.last_failure.as_ref().is_some_and(|f| f.reason == EXCEEDED);
    if is_new || !is_shown {
        let message = told(&sum, others, &d.deployment.metadata.namespace, outlook);
        if is_new {
            d.event(EventName::ResourceQuotaExceeded, running, message.clone());
        }
        d.note_failure(EXCEEDED, message);
    }
    d.pause(format!("free CPU cores: {sum}"), since, next_mark(since, RECHECK, d.now));
}

/// Whether so many cores are free beside what others hold.
pub(crate) fn fits(needs: Cores, limit: Limit, others: &[Holder]) -> bool {
    used(others) + needs <= limit.ceiling()
}

fn used(others: &[Holder]) -> Cores {
    others.iter().map(|holder| holder.cpu).sum()
}

/// `4 needed, 1 of 6 free, 3 missing`.
pub(crate) fn sum(needs: Cores, limit: Limit, others: &[Holder]) -> String {
    let free = limit.ceiling().less(used(others));
    let missing = needs.less(free);
    format!("{needs} needed, {free} of {} free, {missing} missing", ceiling(limit))
}

/// What a user reads whose launch waits.
pub(crate) fn told(sum: &str, others: &[Holder], namespace: &str, outlook: &str) -> String {
    let users = named(others, namespace);
    format!("The CPU quota has no room. Cores: {sum}. In use: {users}. {outlook}")
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

/// Brings the claim up to what the records say. Cores are held from the record of a launch until its cluster is gone,
/// and from a failed run or start until the next one.
pub(crate) fn settle(d: &mut Draft) {
    let clusters = d.jobs.iter().filter(|r| r.facts.gone_at.is_none());
    let running = clusters.map(|r| Cores::of_job(&r.job)).max();
    let is_to_follow = d.deployment.spec.state == DesiredState::Running
        && d.facts.gave_up.is_none()
        && d.facts.rest != Rest::Finished;
    let held = match running {
        _ if is_non_production(&d.deployment.metadata) => Cores::ZERO,
        Some(cores) => cores,
        None if is_to_follow => d.facts.claim.held,
        None => Cores::ZERO,
    };
    let refused = d.facts.claim.refused.take().filter(|_| d.is_refused);
    if refused.is_none() {
        d.resume_after(EXCEEDED);
    }
    d.facts.claim = Claim { held, refused };
}
