//! One look at one Deployment: load → observe → decide → record → execute.
//!
//! ```text
//!   store ──load──► records ─┐
//!   backend, Flink ─observe──┴─► decide ─► record (one transaction) ─► execute ─► reports, for the next look
//! ```
//!
//! Nothing is executed unless the record succeeded, so no effect lacks its stored intent, and a crash at any point costs
//! a repetition at most. Nothing here waits, retries or remembers beyond [`Memory`], which may be lost.

use std::sync::Arc;

use drey_cluster::ClusterBackend;
use drey_engine::{Plan, Report, Situation, decide};
use drey_flink::FlinkApi;
use drey_model::Kind;
use drey_model::quota::Limit;
use drey_store::Store;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::execute::execute;
use crate::handle::Board;
use crate::hide;
use crate::load::{Loaded, load};
use crate::metrics::Metrics;
use crate::observe::{Unreachable, note, observe};
use crate::quota;
use crate::record::{Configure, ConfigureSession, Leadership, commit, configure_new_jobs, writes};
use crate::session_cluster::SessionMemory;
use crate::submit::Uploads;
use crate::world::{FaultPoint, World, later};

/// Ids handed to one decision: a Job, a Savepoint, and retained checkpoints of a few Jobs.
const IDS_PER_DECISION: usize = 6;
/// Pause after the store could not be read or written.
const STORE_RETRY: SignedDuration = SignedDuration::from_secs(1);
/// Pause after a record turned out to be unreadable; a person has to act.
const DAMAGED_RETRY: SignedDuration = SignedDuration::from_mins(1);

/// The loop body, with everything it talks to.
pub struct Reconciler<W, B, F> {
    /// Time, ids, fault points.
    pub world: Arc<W>,
    /// Where records are.
    pub store: Store,
    /// Where clusters run.
    pub backend: Arc<B>,
    /// How Flink is asked.
    pub flink: Arc<F>,
    /// Renders the configuration of new Jobs.
    pub configure: Arc<Configure>,
    /// Renders the configuration of SessionClusters.
    pub configure_session: Arc<ConfigureSession>,
    /// Who uploads programs at this moment.
    pub uploads: Uploads,
    /// Facts for readers.
    pub board: Board,
    /// How many cores may be used; `None`: as many as there are.
    pub quota: Option<Limit>,
    /// The lease under which this controller leads; `None` where there can be only one.
    pub leadership: Option<Leadership>,
    /// Counters.
    pub metrics: Metrics,
}

/// What one look leaves for the next; losing it is harmless.
#[derive(Debug, Default)]
pub struct Memory {
    reports: Vec<Report>,
    unreachable: Unreachable,
    /// Whether it waits for cores.
    pub(crate) waits_for_cores: bool,
    /// Whether the last look let cores go.
    pub(crate) frees_cores: bool,
    /// How often cores had come free when the look began.
    pub(crate) freed: u64,
    /// The same for a SessionCluster.
    pub(crate) session: SessionMemory,
    /// Others that should be looked at, because of what was found or done.
    pub wakes: Vec<Uuid>,
    /// Revision of the object that was last seen or written, to tell foreign changes from our own.
    pub revision: i64,
}

impl Memory {
    /// Whether anything is remembered that the next look would miss.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.reports.is_empty() && self.unreachable.is_empty() && self.session.is_empty()
    }
}

/// When to look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// At once.
    Now,
    /// At that time, or earlier when something changes.
    At(Timestamp),
    /// When something changes.
    Idle,
    /// Never: the Deployment is gone.
    Gone,
}

impl<W: World, B: ClusterBackend, F: FlinkApi> Reconciler<W, B, F> {
    /// Looks at a Deployment or a SessionCluster once and does what there is to do now.
    pub async fn reconcile(&self, id: Uuid, memory: &mut Memory) -> Next {
        match self.look(id, memory).await {
            Ok(next) => next,
            Err(error @ (drey_store::Error::Conflict { .. } | drey_store::Error::Outdated)) => {
                tracing::debug!(deployment = %id, %error, "somebody else wrote first; deciding anew");
                Next::Now
            }
            Err(error) if error.is_transient() => {
                tracing::warn!(deployment = %id, %error, "the store did not take the plan; nothing was done");
                Next::At(later(self.world.now(), STORE_RETRY))
            }
            Err(error) => {
                tracing::error!(deployment = %id, %error, "a record cannot be read or written");
                Next::At(later(self.world.now(), DAMAGED_RETRY))
            }
        }
    }

    async fn look(&self, id: Uuid, memory: &mut Memory) -> Result<Next, drey_store::Error> {
        (memory.waits_for_cores, memory.frees_cores) = (false, false);
        let Some(loaded) = load(&self.store, id, self.quota).await? else {
            return self.look_at_session_cluster(id, memory).await;
        };
        memory.revision = memory.revision.max(loaded.revision);
        let mut seen = observe(&*self.backend, &*self.flink, &loaded).await;
        let now = self.world.now();
        note(&mut seen, &mut memory.unreachable, &self.board, now);
        let situation = Situation {
            now,
            ids: (0..IDS_PER_DECISION).map(|_| self.world.id()).collect(),
            deployment: loaded.deployment.clone(),
            facts: loaded.facts.clone(),
            target: loaded.target.clone(),
            quota: loaded.figures.quota.clone(),
            session_cluster: loaded.session_cluster.clone(),
            jobs: loaded.jobs.clone(),
            savepoints: loaded.savepoints.clone(),
            observed: seen.clone(),
            reports: memory.reports.clone(),
        };
        let mut plan = decide(situation);
        self.record(&loaded, &mut plan, memory, now).await?;
        quota::note(memory, &loaded.facts.claim, &plan.facts.claim);
        let mut has_news = false;
        for action in &plan.actions {
            self.world.pass(FaultPoint::BeforeEffect(action.name())).await;
            let done = execute(&*self.backend, &*self.flink, &self.uploads, &seen, action).await;
            let report = match done {
                Some(report) => {
                    let hiding = hide::among(&*self.backend, &loaded.jobs, action.job()).await;
                    Some(hiding.report(report))
                }
                None => None,
            };
            self.world.pass(FaultPoint::AfterEffect(action.name())).await;
            self.metrics.action(action.name());
            has_news |= report.as_ref().is_some_and(|r| is_news(&plan, r));
            memory.reports.extend(report);
        }
        Ok(match plan.wake_at {
            _ if has_news => Next::Now,
            Some(at) if at <= now => Next::Now,
            Some(at) => Next::At(at),
            None => Next::Idle,
        })
    }

    async fn record(
        &self,
        loaded: &Loaded,
        plan: &mut Plan,
        memory: &mut Memory,
        now: Timestamp,
    ) -> Result<(), drey_store::Error> {
        configure_new_jobs(plan, loaded, &*self.configure);
        let mut writes = writes(loaded, plan, now, || self.world.id())
            .map_err(|source| unwritable(loaded, source))?;
        writes.extend(loaded.figures.guard(&loaded.facts.claim, &plan.facts.claim));
        self.metrics.plan(loaded.facts.transition.as_ref(), plan, now);
        self.world.pass(FaultPoint::BeforeRecord).await;
        let has_actions = !plan.actions.is_empty();
        let written = commit(&self.store, writes, self.leadership.as_ref(), has_actions).await?;
        memory.revision = memory.revision.max(written.unwrap_or(0));
        // The reports are in the records now.
        memory.reports.clear();
        if written.is_some() {
            self.world.pass(FaultPoint::AfterRecord).await;
        }
        Ok(())
    }
}

fn unwritable(loaded: &Loaded, source: serde_json::Error) -> drey_store::Error {
    let id = loaded.deployment.metadata.id;
    drey_store::Error::Unwritable { kind: Kind::Deployment, id, source }
}

/// Whether a report tells the next decision something that the records do not say already.
fn is_news(plan: &Plan, report: &Report) -> bool {
    match report {
        Report::RemovalAccepted { job } => {
            plan.jobs.iter().any(|r| r.id() == *job && !r.facts.removed)
        }
        Report::EnsureRefused { job, .. } => plan
            .jobs
            .iter()
            .any(|r| r.id() == *job && r.job.status.state == drey_model::JobState::Starting),
        // The next look tells it, in its time; until then there is nothing else to do.
        Report::EnsureFailed { .. } | Report::RemovalFailed { .. } => false,
        Report::SubmitAccepted { .. }
        | Report::SubmitRefused { .. }
        | Report::SubmitFailed { .. }
        | Report::SubmitPostponed { .. }
        | Report::SubmitUnanswered { .. }
        | Report::CancelAccepted { .. }
        | Report::CancelFailed { .. }
        | Report::SavepointAccepted { .. }
        | Report::SavepointRefused { .. }
        | Report::SavepointUnanswered { .. } => true,
    }
}
