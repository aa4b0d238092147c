//! What of a state counts when two states are compared: what can still make a difference.
//!
//! Left out: texts, closed Jobs, what nobody will look at again. Ids are numbered in order of appearance, the template
//! counts as "as wanted" or not, and a time counts by how far ahead its deadline is, roughly.

use std::fmt::{Result, Write as _};

use drey_engine::{JobRecord, SavepointRecord};
use drey_model::JobState;
use drey_model::diff::deviates;
use jiff::Timestamp;
use uuid::Uuid;

use super::state::State;
use super::world::{Phase, Snapshot};

/// Seconds at which a distance in time becomes another one; the deadlines of the engine lie between them.
const STEPS: [i64; 5] = [1, 10, 59, 179, 299];
/// The engine's deadlines, in seconds: for a job that is missing, a cancellation, clearing away.
const MISSING: i64 = 10;
const CANCEL: i64 = 180;
const CLEAR: i64 = 300;
/// How long a start may take, by how far it is.
const START: [i64; 3] = [300, 2400, 3600];
/// More failed runs than this make no difference in a world this small.
const RUNS_MAX: usize = 3;

/// The comparable text of a state.
pub(super) fn text(s: &State) -> String {
    let jobs: Vec<&JobRecord> = s.jobs.iter().map(|r| &**r).filter(|r| !r.is_closed()).collect();
    let savepoints: Vec<&SavepointRecord> =
        s.savepoints.iter().map(|r| &**r).filter(|r| r.open).collect();
    let ids = jobs.iter().map(|r| r.id()).chain(savepoints.iter().map(|r| r.id())).collect();
    let mut writer = Writer { text: String::with_capacity(512), now: s.now, ids };
    // Writing to a String cannot fail.
    let _ = writer.state(s, &jobs, &savepoints);
    writer.text
}

struct Writer {
    text: String,
    now: Timestamp,
    ids: Vec<Uuid>,
}

impl Writer {
    fn state(&mut self, s: &State, jobs: &[&JobRecord], savepoints: &[&SavepointRecord]) -> Result {
        let (d, f) = (&s.deployment, &s.facts);
        write!(
            self.text,
            "{:?}{:?}{}",
            d.spec.state,
            d.status.state,
            d.spec_version() == f.seen_version
        )?;
        let runs = f.failed_runs.len().min(RUNS_MAX);
        write!(self.text, "|{}{runs}{}", f.failed_starts.len(), f.failed_savepoints)?;
        let pause = self.when(f.not_before, 0);
        write!(self.text, "{pause}{:?}{}{}", f.rest, f.holds_state, f.holds_savepoint)?;
        let is_blind = f.blind_ordinal > 0;
        write!(
            self.text,
            "{:?}{}{is_blind}",
            f.gave_up.as_ref().map(|g| g.reason.as_str()),
            f.transition.is_some()
        )?;
        for r in jobs {
            self.job(r, s)?;
        }
        for r in savepoints {
            self.savepoint(r, f.ordinal)?;
        }
        self.memory(s)?;
        self.world(s, savepoints)?;
        write!(self.text, "|{}", s.is_edited)
    }

    fn job(&mut self, r: &JobRecord, s: &State) -> Result {
        let f = &r.facts;
        let is_other = deviates(&f.launched, &s.deployment.spec);
        write!(self.text, "|J{:?}{is_other}", r.job.status.state)?;
        if r.job.status.state == JobState::Starting {
            let begun = f.alive_since.or(Some(r.job.metadata.created_at));
            let by = START.map(|deadline| self.when(begun, deadline));
            write!(self.text, "{by:?}{}", f.alive_since.is_some())?;
        }
        let missing = self.when(f.missing_since, MISSING);
        write!(self.text, "{missing}")?;
        if let Some(c) = &f.cancel {
            let (by, next) = (self.when(Some(c.since), CANCEL), self.when(Some(c.not_before), 0));
            write!(self.text, "C{by}{}{next}", c.failures)?;
        }
        if let Some(e) = &f.end {
            let by = self.when(f.gone_at.or(Some(e.at)), CLEAR);
            write!(self.text, "E{:?}{}{by}", e.how, e.confirmed)?;
        }
        for stop in &f.stops {
            let number = self.number(*stop);
            write!(self.text, "s{number}")?;
        }
        write!(self.text, "{}{}{}{}", f.removed, f.gone_at.is_some(), f.swept, f.checkpointed)
    }

    fn savepoint(&mut self, r: &SavepointRecord, ordinal: u32) -> Result {
        let job = r.savepoint.metadata.job_id.map(|id| self.number(id));
        write!(
            self.text,
            "|S{:?}{:?}{job:?}",
            r.savepoint.status.state, r.savepoint.metadata.origin
        )?;
        let Some(f) = &r.facts else { return Ok(()) };
        let (next, by) = (self.when(Some(f.not_before), 0), self.when(Some(f.complete_by), 0));
        write!(self.text, "{}{}{next}{by}", ordinal - f.ordinal.min(ordinal), f.accepted)
    }

    fn memory(&mut self, s: &State) -> Result {
        if let Some((version, seen)) = &s.seen {
            write!(self.text, "|M{}", *version == s.deployment.spec_version())?;
            for o in seen.values() {
                let job = o.job.present().map(|j| (j.status, j.checkpoint.is_some()));
                write!(self.text, "{:?}{job:?}{}", o.cluster, o.job == drey_model::Seen::Absent)?;
                write!(self.text, "{:?}", o.operations.values().collect::<Vec<_>>())?;
                write!(
                    self.text,
                    "{:?}",
                    o.directories.values().map(|d| d.present().is_some()).collect::<Vec<_>>()
                )?;
                write!(self.text, "{:?}", o.retained.as_ref().map(|r| r.present().is_some()))?;
            }
        }
        for a in &s.actions {
            let number = self.number(a.job());
            write!(self.text, "|A{}{number}", a.name())?;
        }
        for r in &s.reports {
            write!(self.text, "|R{:?}", std::mem::discriminant(r))?;
        }
        write!(self.text, "|{:?}", s.wake_at.map(|at| at > self.now))
    }

    fn world(&mut self, s: &State, savepoints: &[&SavepointRecord]) -> Result {
        let is_open = |id: Uuid| self.ids.contains(&id);
        let clusters: Vec<_> =
            s.world.clusters.iter().filter(|c| is_open(c.id) || c.phase != Phase::Gone).collect();
        let stops: Vec<_> = s.world.stops.iter().filter(|o| is_open(o.job)).collect();
        for c in clusters {
            let number = self.number(c.id);
            write!(
                self.text,
                "|W{number}{:?}{}{:?}{}",
                c.phase, c.is_removing, c.job, c.checkpoints
            )?;
        }
        for o in stops {
            let (id, job) = (self.number(o.id), self.number(o.job));
            write!(self.text, "|O{id}{job}{:?}", o.progress)?;
        }
        let last = s.world.snapshots.len().saturating_sub(1);
        let newest = |is_kind: &dyn Fn(&Snapshot) -> bool| {
            s.world.snapshots.iter().rposition(|x| is_kind(x) && !x.is_disowned)
        };
        let newest = [newest(&|_| true), newest(&|x| x.directory.is_some())];
        for (n, x) in s.world.snapshots.iter().enumerate() {
            let at = |r: &&SavepointRecord| {
                r.savepoint.spec.savepoint_location.as_ref() == Some(&x.seen.location)
            };
            let record = savepoints.iter().position(at);
            let job = self.number(x.job);
            if record.is_some() || job != '?' || n == last || newest.contains(&Some(n)) {
                write!(self.text, "|X{record:?}{job}{}{}", x.directory.is_some(), x.is_disowned)?;
            }
        }
        Ok(())
    }

    /// The number of a Job or Savepoint that still counts, as a letter.
    fn number(&self, id: Uuid) -> char {
        let place = self.ids.iter().position(|known| *known == id);
        place.map_or('?', |n| char::from(b'0' + (n as u8)))
    }

    /// A deadline, `seconds` after a time, as a letter: passed, or how far ahead.
    fn when(&self, since: Option<Timestamp>, seconds: i64) -> char {
        let Some(since) = since else { return '-' };
        let left = 1000 * i128::from(seconds) - self.now.duration_since(since).as_millis();
        match STEPS.iter().filter(|s| left >= 1000 * i128::from(**s)).count() as u8 {
            _ if left <= 0 => 'a',
            place => char::from(b'A' + place),
        }
    }
}
