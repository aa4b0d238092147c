//! What of a state counts when two states are compared: everything but texts, with times as rough distances from now.

use std::fmt::Write as _;

use drey_model::meta::SPEC_VERSION;
use jiff::Timestamp;

use super::state::State;

/// Seconds at which a distance in time becomes another one; the deadlines of the engine lie between them.
const STEPS: [i64; 7] = [1, 4, 10, 59, 179, 299, 899];

/// The comparable text of a state.
pub(super) fn text(s: &State) -> String {
    let now = s.now;
    let mut text = String::with_capacity(1024);
    // Writing to a String cannot fail.
    let _ = write(&mut text, s, now);
    text
}

fn write(t: &mut String, s: &State, now: Timestamp) -> std::fmt::Result {
    let (d, f) = (&s.deployment, &s.facts);
    write!(t, "{:?}{:?}", d.spec.state, d.spec.template.spec.parallelism)?;
    write!(t, "{:?}{}", d.status.state, d.spec_version() == f.seen_version)?;
    write!(t, "|{}{}{}", f.failed_starts.len(), f.failed_runs.len(), f.failed_savepoints)?;
    write!(t, "{}{:?}{}{}", when(f.not_before, now), f.rest, f.holds_state, f.holds_savepoint)?;
    write!(t, "{:?}{}", f.gave_up.as_ref().map(|g| g.reason.as_str()), f.transition.is_some())?;
    for r in &s.jobs {
        let (j, f) = (&r.job, &r.facts);
        write!(t, "|J{}{:?}{:?}", f.ordinal, j.status.state, f.launched.template.spec.parallelism)?;
        write!(t, "{:?}{}", f.restored, when(Some(j.metadata.created_at), now))?;
        if r.is_closed() {
            continue;
        }
        write!(t, "{}{}", when(f.alive_since, now), when(f.missing_since, now))?;
        if let Some(c) = &f.cancel {
            let accepted = c.accepted_at.is_some();
            write!(
                t,
                "C{}{}{accepted}{}",
                when(Some(c.since), now),
                c.failures,
                when(Some(c.not_before), now)
            )?;
        }
        if let Some(e) = &f.end {
            write!(t, "E{:?}{}{}", e.how, e.confirmed, when(Some(e.at), now))?;
        }
        write!(
            t,
            "{:?}{}{}{}{}",
            f.stops,
            f.removed,
            f.gone_at.is_some(),
            f.swept,
            f.checkpointed
        )?;
    }
    for r in &s.savepoints {
        write!(t, "|S{:?}{}{:?}", r.savepoint.status.state, r.open, r.savepoint.metadata.job_id)?;
        if let Some(f) = r.facts.as_ref().filter(|_| r.open) {
            write!(
                t,
                "{}{}{}",
                f.accepted,
                when(Some(f.not_before), now),
                when(Some(f.complete_by), now)
            )?;
        }
        write!(t, "{:?}", r.savepoint.metadata.annotations.get(SPEC_VERSION).is_some())?;
    }
    memory(t, s, now)?;
    for c in &s.world.clusters {
        write!(t, "|W{:?}{}{:?}{}", c.phase, c.is_removing, c.job, c.checkpoint.is_some())?;
    }
    for o in &s.world.stops {
        write!(t, "|O{:?}", o.progress)?;
    }
    for x in &s.world.snapshots {
        write!(t, "|X{}{}", x.seen.location, x.is_disowned)?;
    }
    write!(t, "|{:?}", s.budget)
}

fn memory(t: &mut String, s: &State, now: Timestamp) -> std::fmt::Result {
    if let Some((version, seen)) = &s.seen {
        write!(t, "|M{}", *version == s.deployment.spec_version())?;
        for o in seen.values() {
            let job = o.job.present().map(|j| (j.status, j.checkpoint.is_some()));
            write!(t, "{:?}{job:?}{}", o.cluster, matches!(o.job, drey_model::Seen::Absent))?;
            write!(t, "{:?}{}", o.operations, o.directories.len())?;
            write!(
                t,
                "{:?}",
                o.directories.values().map(|d| d.present().is_some()).collect::<Vec<_>>()
            )?;
            write!(t, "{:?}", o.retained.as_ref().map(|r| r.present().is_some()))?;
        }
    }
    for a in &s.actions {
        write!(t, "|A{}{}", a.name(), a.job())?;
    }
    for r in &s.reports {
        write!(t, "|R{r:?}")?;
    }
    write!(t, "|{}", when(s.wake_at, now))
}

/// A time as a letter: how long ago, or how far ahead.
fn when(at: Option<Timestamp>, now: Timestamp) -> char {
    let Some(at) = at else { return '-' };
    let seconds = now.duration_since(at).as_secs();
    let place = STEPS.iter().filter(|s| seconds.abs() >= **s).count() as u8;
    let first = if now >= at { b'a' } else { b'A' };
    char::from(first + place)
}
