//! The judge: checks every invariant of design §5 after every step.
//!
//! Independent of the code under test: it sees what the fake world did ([`Universe`]) and what the store held
//! ([`Mirror`]), and nothing of the controller's or the engine's inside. The first violation ends the history.

mod conditions;
mod end;
mod jobs;
mod mirror;
mod quota;
mod restore;
mod session;
mod status;

use std::collections::{BTreeMap, BTreeSet};

use drey_controller::Next;
use drey_flink::Trigger;
use drey_model::quota::Limit;
use drey_model::{DeploymentState, Job, Kind, SessionRun};
use drey_store::Store;
use jiff::Timestamp;
use uuid::Uuid;

pub use end::settled;
pub use mirror::{Change, Mirror, StoredDeployment, StoredJob, StoredSavepoint};
pub use session::cluster_settled;

use crate::core::{Core, MINUTE, Micros, short};
use crate::universe::{Cluster, Universe};
use crate::wait::now_or_never;

/// A secret that a user's template holds; it must show up in no event (invariant 11).
pub const SECRET: &str = "hunter2-do-not-tell";
/// Looks that may follow each other without a pause.
const SPIN_MAX: u32 = 60;

/// An effect that is about to be asked for.
#[derive(Debug)]
pub enum Effect<'a> {
    /// Launch, or replace what was lost.
    Ensure(&'a Job),
    /// Launch a run of a session cluster, or replace what was lost.
    EnsureSession(&'a SessionRun),
    /// End these TaskManagers of a run.
    Release(Uuid, &'a [String]),
    /// Submit to a session cluster.
    Submit(&'a Job),
    /// Remove.
    Remove(Uuid),
    /// Cancel.
    Cancel(Uuid),
    /// A savepoint, or a stop (`true`).
    Snapshot(&'a Trigger, bool),
}

/// Who wrote, and when.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The truth.
    pub universe: &'a Universe,
    /// The replica that wrote; `None`: a user.
    pub author: Option<usize>,
    /// The author's clock.
    pub clock: Timestamp,
}

/// The judge.
pub struct Oracle {
    /// What the store holds.
    pub mirror: Mirror,
    /// The first violation.
    pub violation: Option<String>,
    /// Jobs that finished by themselves.
    pub finished: BTreeSet<Uuid>,
    /// How many cores may be used.
    pub quota: Option<Limit>,
    /// Whether a replica's clock ever jumped.
    pub has_jumped: bool,
    /// Since when the weather is calm.
    pub calm_since: Option<Micros>,
    /// What is remembered of SessionClusters.
    ledger: session::Ledger,
    /// Whether commits fail because of the weather.
    pub is_store_broken: bool,
    /// The epoch of the lease, and the one under which each replica believes to lead.
    pub epochs: (i64, [Option<i64>; 2]),
    /// Whether the last look at a Job's cluster, at its Flink job, gave an answer.
    answers: BTreeMap<(Uuid, &'static str), bool>,
    /// How many snapshots there were when the Deployment's last Job was recorded as finished by itself.
    finished_at: BTreeMap<Uuid, usize>,
    /// The same for a Job that finished by itself while it was to be cancelled, which Drey may or may not have seen.
    over_at: BTreeMap<Uuid, usize>,
    /// Looks of a replica that followed each other without a pause.
    spins: BTreeMap<(usize, Uuid), u32>,
    /// When starts failed since the spec changed or a Job started.
    failed_starts: BTreeMap<Uuid, Vec<Timestamp>>,
    /// Deployments of which a checkpoint was recorded without looking.
    blind: BTreeSet<Uuid>,
    /// The Job whose cancellation was overdue at the end of the last look.
    overdue: Option<Uuid>,
    hint: tokio::sync::watch::Receiver<i64>,
}

impl Oracle {
    /// A judge of what happens in this store.
    #[must_use]
    pub fn new(store: &Store) -> Self {
        Self {
            mirror: Mirror::default(),
            violation: None,
            finished: BTreeSet::new(),
            quota: None,
            has_jumped: false,
            calm_since: None,
            ledger: session::Ledger::default(),
            is_store_broken: false,
            epochs: (0, [None, None]),
            answers: BTreeMap::new(),
            finished_at: BTreeMap::new(),
            over_at: BTreeMap::new(),
            spins: BTreeMap::new(),
            failed_starts: BTreeMap::new(),
            blind: BTreeSet::new(),
            overdue: None,
            hint: store.hint(),
        }
    }

    /// Notes the first violation.
    pub fn object(&mut self, invariant: &str, what: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(format!("{invariant}: {}", what()));
        }
    }

    /// A look at a Job's `what` gave an answer, or none.
    pub fn answered(&mut self, job: Uuid, what: &'static str, is_answer: bool) {
        self.answers.insert((job, what), is_answer);
    }

    /// Whether the last looks at a Job gave answers.
    fn is_known(&self, job: Uuid, universe: &Universe) -> bool {
        let answer = |what| self.answers.get(&(job, what)).copied().unwrap_or(true);
        let asks_flink = universe.clusters.get(&job).is_some_and(Cluster::answers);
        answer("cluster") && (!asks_flink || answer("job"))
    }

    /// Never two live Flink jobs for one Deployment (invariant 1).
    pub fn judge_world(&mut self, universe: &Universe, _now: Micros) {
        let mut live = BTreeMap::new();
        for (id, cluster) in universe.clusters.iter().filter(|(_, c)| c.is_live()) {
            if let Some(other) = live.insert(cluster.deployment, *id) {
                self.object("two live jobs", || format!("{} and {}", short(other), short(*id)));
            }
        }
    }

    /// A cluster is about to come up.
    pub fn preparing(&mut self, id: Uuid, cluster: &Cluster, universe: &Universe) {
        for (other, c) in universe.clusters.iter().filter(|(o, _)| **o != id) {
            if c.deployment == cluster.deployment && !c.is_gone() {
                self.object("two clusters", || {
                    format!("{} while {} exists", short(id), short(*other))
                });
            }
        }
        match self.mirror.jobs.get(&id).map(|j| j.doc.spec.savepoint_location.clone()) {
            Some(recorded) if recorded == cluster.restore => {}
            _ => self.object("launch differs from its record", || short(id)),
        }
    }

    /// A Flink job was submitted.
    pub fn launched(&mut self, id: Uuid, universe: &Universe, now: Micros) {
        self.judge_world(universe, now);
        let Some(cluster) = universe.clusters.get(&id) else { return };
        let Some(run) = cluster.run.as_ref().filter(|r| !r.status.is_terminal()) else { return };
        let safe = cluster.restore.as_deref().and_then(|l| universe.at(l)).map_or(0, |s| s.records);
        if run.records_at(now) < safe {
            self.object("state lost", || format!("job {} starts below {safe} records", short(id)));
        }
    }

    /// A look has ended: what is on its way has a next look and a visible wait (invariant 8).
    pub fn look_ended(&mut self, task: (usize, Uuid), next: Next, clock: Timestamp) {
        let count = self.spins.entry(task).or_default();
        *count = if next == Next::Now { *count + 1 } else { 0 };
        if *count > SPIN_MAX {
            self.object("spins", || format!("{SPIN_MAX} looks in a row without a pause"));
        }
        if let Some(stored) = self.mirror.deployments.get(&task.1) {
            let is_moving = stored.doc.status.state == DeploymentState::Transitioning;
            let has_wait = stored.facts.explanation.wait.is_some();
            let was_decided = !self.is_store_broken && self.leads(task.0);
            match next {
                Next::Idle if is_moving && was_decided => {
                    self.object("no deadline", || {
                        "TRANSITIONING, and nobody will look again".to_owned()
                    });
                }
                Next::At(at) if is_moving && was_decided && at > clock && !has_wait => {
                    let summary = stored.facts.explanation.summary.clone();
                    self.object("invisible wait", || {
                        format!("TRANSITIONING without a wait: {summary}")
                    });
                }
                Next::Now | Next::At(_) | Next::Idle | Next::Gone => {}
            }
        }
        self.judge_cancel_deadlines(task, next, clock);
    }

    fn leads(&self, replica: usize) -> bool {
        self.epochs.1[replica].is_none_or(|epoch| epoch == self.epochs.0)
    }

    /// A cancellation that Flink does not answer ends after 3 minutes all the same.
    fn judge_cancel_deadlines(&mut self, task: (usize, Uuid), next: Next, clock: Timestamp) {
        if self.is_store_broken || next == Next::Now || !self.leads(task.0) {
            return;
        }
        let overdue = self.mirror.jobs_of(task.1).find(|job| {
            let since = job.facts.cancel.as_ref().map(|c| clock.duration_since(c.since));
            let waits_for_ever = job.facts.session.is_some();
            job.facts.end.is_none()
                && !waits_for_ever
                && since.is_some_and(|s| s.as_micros() > i128::from(3 * MINUTE))
        });
        let overdue = overdue.map(|j| j.doc.metadata.id);
        // The clock may have jumped after this look had read it; the next one must see it.
        let is_again = overdue.is_some() && self.overdue == overdue;
        self.overdue = overdue;
        if let (Some(id), true) = (overdue, is_again) {
            self.object("deadline missed", || {
                format!("{} is being cancelled for over 3 min", short(id))
            });
        }
    }
}

impl Core {
    /// Reads what was committed since the last time and judges it.
    pub fn sync(&mut self) {
        if *self.oracle.hint.borrow() <= self.oracle.mirror.revision {
            return;
        }
        let after = self.oracle.mirror.revision;
        let mut rows = match now_or_never(self.store.changes(after, 10_000)) {
            Some(Ok(rows)) => rows,
            other => {
                self.oracle.object("store unreadable", || {
                    format!("{:?}", other.map(std::result::Result::err))
                });
                return;
            }
        };
        self.oracle.mirror.revision = rows.last().map_or(after, |row| row.revision);
        // A commit is one instant: a Job may start from a Savepoint that was completed with it.
        rows.sort_by_key(|row| row.kind != Kind::Savepoint);
        for row in rows {
            match Mirror::decode(&row) {
                Ok(change) => self.judge_change(change),
                Err(error) => self.oracle.object("unreadable record", || error.to_string()),
            }
        }
    }

    fn judge_change(&mut self, change: Change) {
        let author = self.current.map(|(replica, _)| replica);
        let clock = author.map_or_else(|| self.true_time(), |replica| self.clock(replica));
        let scene = Scene { universe: &self.universe, author, clock };
        if let (Some(replica), false) = (author, author.is_some_and(|r| self.oracle.leads(r))) {
            self.oracle.object("stale leader", || {
                format!("replica {replica} wrote after losing its lease")
            });
        }
        match &change {
            Change::Deployment(new) => {
                self.coverage.count("state", &new.doc.status.state.to_string());
                self.oracle.judge_deployment(new, scene);
            }
            Change::Job(new) => {
                if new.is_orphan() {
                    self.coverage.count("session", "job given up");
                }
                self.oracle.judge_job(new, scene);
            }
            Change::Savepoint(new) => self.oracle.judge_savepoint(new, scene),
            Change::Event(event) => {
                self.coverage.count("event", &event.metadata.name.to_string());
                if event.spec.message.contains(SECRET) {
                    self.oracle.object("secret told", || event.spec.message.clone());
                }
                if self.story.is_told {
                    let line = format!("{}: {}", event.metadata.name, event.spec.message);
                    self.tell(
                        author.map_or("user", |r| if r == 0 { "drey" } else { "drey-2" }),
                        || line,
                    );
                }
            }
            Change::SessionCluster(new) => {
                self.coverage.count("cluster", &new.doc.status.state.to_string());
                let failure = new.facts.gave_up.as_ref();
                if let Some(failure) = failure {
                    self.coverage.count("cluster failure", &failure.reason);
                }
                self.oracle.judge_session_cluster(new, scene);
            }
            Change::Gone(_) | Change::Other => {}
        }
        self.oracle.mirror.apply(change);
    }

    /// No effect without its recorded intent (invariant 5).
    pub fn intends(&mut self, effect: &Effect<'_>) {
        self.sync();
        self.coverage.count(
            "action",
            match effect {
                Effect::Ensure(_) => "ensure-cluster",
                Effect::EnsureSession(_) => "ensure-session",
                Effect::Release(..) => "release",
                Effect::Submit(_) => "submit",
                Effect::Remove(_) => "remove-cluster",
                Effect::Cancel(_) => "cancel",
                Effect::Snapshot(_, true) => "stop",
                Effect::Snapshot(_, false) => "savepoint",
            },
        );
        let mirror = &self.oracle.mirror;
        let is_recorded = match effect {
            Effect::Ensure(job) => {
                mirror.jobs.get(&job.metadata.id).is_some_and(|r| r.doc.spec == job.spec)
            }
            // A leader that was paused between its decision and this may be late.
            Effect::EnsureSession(run) => {
                mirror.run(run.id).is_some_and(|r| r.end.is_none() || self.oracle.epochs.0 > 0)
            }
            Effect::Release(run, names) => self.oracle.is_released(*run, names),
            Effect::Submit(job) => mirror.jobs.get(&job.metadata.id).is_some_and(|r| {
                let submission = r.facts.session.as_ref().and_then(|s| s.submission.as_ref());
                r.doc.spec == job.spec && submission.is_some_and(|s| s.is_open)
            }),
            Effect::Remove(id) => {
                mirror.jobs.get(id).is_some_and(|r| r.facts.end.is_some())
                    || mirror.run(*id).is_some_and(|r| r.end.is_some())
                    || (self.oracle.epochs.0 > 0 && self.oracle.is_past_run(*id))
            }
            Effect::Cancel(id) => mirror.jobs.get(id).is_some_and(|r| r.facts.cancel.is_some()),
            Effect::Snapshot(t, is_stop) => mirror.savepoints.get(&t.trigger_id).is_some_and(|r| {
                let facts =
                    r.facts.as_ref().filter(|f| f.stop == *is_stop && f.directory == t.directory);
                facts.is_some() && r.doc.metadata.job_id == Some(t.job_id)
            }),
        };
        // Records of a Deployment that a user has deleted are gone; an effect that was under way is not at fault.
        let subject = match effect {
            Effect::Ensure(job) | Effect::Submit(job) => job.metadata.id,
            Effect::EnsureSession(run) => run.id,
            Effect::Release(run, _) => *run,
            Effect::Remove(id) | Effect::Cancel(id) => *id,
            Effect::Snapshot(t, _) => t.trigger_id,
        };
        if !is_recorded && !mirror.gone.contains(&subject) {
            self.oracle.object("effect without intent", || format!("{effect:?}"));
        }
        let text = self.story.is_told.then(|| match effect {
            Effect::Ensure(job) => format!("→ ensure {}", short(job.metadata.id)),
            Effect::EnsureSession(run) => format!("→ ensure session {}", short(run.id)),
            Effect::Release(run, names) => {
                format!("→ release {} of {}", names.join(", "), short(*run))
            }
            Effect::Submit(job) => format!("→ submit {}", short(job.metadata.id)),
            Effect::Remove(id) => format!("→ remove {}", short(*id)),
            Effect::Cancel(id) => format!("→ cancel {}", short(*id)),
            Effect::Snapshot(t, stop) => {
                format!("→ snapshot {} (stop: {stop})", short(t.trigger_id))
            }
        });
        if let Some(text) = text {
            let who = if self.current.is_some_and(|(r, _)| r == 1) { "drey-2" } else { "drey" };
            self.tell(who, || text);
        }
    }
}
