//! One look at one SessionCluster: load → observe → decide → record → execute, as at a Deployment.
//!
//! What differs: there are no children, the run's processes and Flink's own list of TaskManagers are the world, and the
//! Deployments that run on it are told when anything of it has changed.

use std::collections::BTreeSet;

use drey_cluster::{ClusterBackend, Error as BackendError};
use drey_engine::session_cluster::{
    SessionAction, SessionObservation, SessionPlan, SessionReport, SessionSituation,
};
use drey_engine::{JobFacts, NewEvent, SessionClusterRecord, decide_session};
use drey_flink::FlinkApi;
use drey_model::causes::causes;
use drey_model::event::EventMetadata;
use drey_model::quota::is_non_production;
use drey_model::seen::{Jar, Seen};
use drey_model::{Deployment, DeploymentTarget, DesiredClusterState, Event, Kind};
use drey_store::{Filter, Object, Store, Write};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::load::session_cluster;
use crate::observe::live_rest;
use crate::quota::{self, Figures, figures};
use crate::reconcile::{Memory, Next, Reconciler};
use crate::record::{ConfigureSession, child, commit};
use crate::submit::{is_ours, jar_name};
use crate::world::{FaultPoint, World};

/// Pause between two looks for programs that no Job needs.
const JARS_INTERVAL: SignedDuration = SignedDuration::from_mins(1);

/// What one look leaves for the next; losing it is harmless.
#[derive(Debug, Default)]
pub(crate) struct SessionMemory {
    reports: Vec<SessionReport>,
    jars_at: Option<Timestamp>,
    /// Whether the Deployments on it are still to be told of a change.
    owes_news: bool,
}

impl SessionMemory {
    pub(crate) fn is_empty(&self) -> bool {
        self.reports.is_empty() && self.jars_at.is_none() && !self.owes_news
    }
}

impl<W: World, B: ClusterBackend, F: FlinkApi> Reconciler<W, B, F> {
    pub(crate) async fn look_at_session_cluster(
        &self,
        id: Uuid,
        memory: &mut Memory,
    ) -> Result<Next, drey_store::Error> {
        let Some(object) = self.store.by_id(Kind::SessionCluster, id).await? else {
            return Ok(Next::Gone);
        };
        memory.revision = memory.revision.max(object.revision);
        let before = session_cluster(&object)?;
        self.tell_dependents(&before, memory).await?;
        let target = self.target_of(&before).await?;
        let figures = self.figures(&before).await?;
        let now = self.world.now();
        let seen = self.observe_session_cluster(&before, &mut memory.session, now).await;
        let rest = live_rest(&seen.cluster);
        let mut plan = decide_session(SessionSituation {
            now: self.world.now(),
            id: self.world.id(),
            record: before.clone(),
            target,
            quota: figures.quota.clone(),
            seen,
            reports: memory.session.reports.clone(),
        });
        configure(&mut plan, &before, &*self.configure_session);
        self.record_session_cluster(&object, &before, &mut plan, &figures, memory).await?;
        quota::note(memory, &before.facts.claim, &plan.record.facts.claim);
        let mut has_news = false;
        for action in &plan.actions {
            self.world.pass(FaultPoint::BeforeEffect(action.name())).await;
            let report = self.execute_session(rest.as_deref(), &plan.record, action).await;
            self.world.pass(FaultPoint::AfterEffect(action.name())).await;
            self.metrics.action(action.name());
            has_news |= report.as_ref().is_some_and(|r| is_news(&plan, r));
            memory.session.reports.extend(report);
        }
        Ok(match plan.wake_at {
            _ if has_news => Next::Now,
            Some(at) if at <= now => Next::Now,
            Some(at) => Next::At(at),
            None => Next::Idle,
        })
    }

    /// What others hold of the CPU quota, if a run may be launched.
    async fn figures(&self, record: &SessionClusterRecord) -> Result<Figures, drey_store::Error> {
        let is_wanted = record.cluster.spec.state == DesiredClusterState::Running;
        match self.quota {
            // A run that ends may be cleared and followed by the next in one look.
            Some(limit)
                if is_wanted
                    && !is_non_production(&record.cluster.metadata)
                    && record.facts.run.as_ref().is_none_or(|r| r.end.is_some()) =>
            {
                figures(&self.store, limit, record.cluster.metadata.id).await
            }
            limit => Ok(Figures::none(limit)),
        }
    }

    async fn target_of(
        &self,
        record: &SessionClusterRecord,
    ) -> Result<Option<DeploymentTarget>, drey_store::Error> {
        let (namespace, name) =
            (&record.cluster.metadata.namespace, &record.cluster.spec.deployment_target_name);
        let target = self.store.get(Kind::DeploymentTarget, namespace, name).await?;
        target.map(|object| object.decode()).transpose()
    }

    async fn observe_session_cluster(
        &self,
        record: &SessionClusterRecord,
        memory: &mut SessionMemory,
        now: Timestamp,
    ) -> SessionObservation {
        let mut seen = SessionObservation::default();
        let Some(run) = &record.facts.run else { return seen };
        seen.cluster = self.backend.inspect(run.launched.id).await;
        let Some(rest) = live_rest(&seen.cluster).filter(|_| run.end.is_none()) else {
            return seen;
        };
        seen.task_managers = self.flink.task_managers(&rest).await;
        let is_due = memory.jars_at.is_none_or(|at| now.duration_since(at) >= JARS_INTERVAL);
        if !is_due || run.running_since.is_none() {
            return seen;
        }
        memory.jars_at = Some(now);
        if let Seen::Present(mut jars) = self.flink.jars(&rest).await {
            jars.retain(is_ours);
            // In this order: a Job records which program it needs before it uploads it.
            match needed(&self.store, record).await {
                Ok(needed) => (seen.needed, seen.jars) = (needed, Some(jars)),
                Err(error) => {
                    let why = causes(&error);
                    tracing::warn!(run = %run.launched.id, why, "no program is deleted while it is not known who needs it");
                }
            }
        }
        seen
    }

    async fn record_session_cluster(
        &self,
        object: &Object,
        before: &SessionClusterRecord,
        plan: &mut SessionPlan,
        figures: &Figures,
        memory: &mut Memory,
    ) -> Result<(), drey_store::Error> {
        let now = self.world.now();
        let guard = figures.guard(&before.facts.claim, &plan.record.facts.claim);
        let mut writes: Vec<Write> = guard.into_iter().collect();
        for event in &plan.events {
            let event = event_object(&plan.record, event, self.world.id(), now);
            writes.push(Write::Create(event.map_err(|source| unwritable(object, source))?));
        }
        let is_doc_changed = plan.record.cluster != before.cluster;
        if is_doc_changed {
            plan.record.cluster.metadata.resource_version += 1;
            plan.record.cluster.metadata.modified_at = now;
        }
        if is_doc_changed || plan.record.facts != before.facts {
            let mut changed = object.clone();
            changed.encode(&plan.record.cluster)?;
            changed.encode_facts(&plan.record.facts)?;
            writes.push(Write::Update(changed, object.revision));
        } else if !plan.events.is_empty() {
            let (kind, id) = (object.kind, object.id);
            writes.push(Write::Guard { kind, id, revision: object.revision });
        }
        // Before the commit: its answer may be lost.
        memory.session.owes_news |= plan.record.cluster.status != before.cluster.status
            || plan.record.facts.run != before.facts.run;
        self.world.pass(FaultPoint::BeforeRecord).await;
        let has_actions = !plan.actions.is_empty();
        let written = commit(&self.store, writes, self.leadership.as_ref(), has_actions).await?;
        memory.revision = memory.revision.max(written.unwrap_or(0));
        // The reports are in the record now.
        memory.session.reports.clear();
        if written.is_some() {
            self.world.pass(FaultPoint::AfterRecord).await;
        }
        self.tell_dependents(&plan.record, memory).await
    }

    /// Has the Deployments looked at that a change concerns. If they cannot be found now, the next look begins with it:
    /// what one of them waits for is not seen in any other way.
    async fn tell_dependents(
        &self,
        record: &SessionClusterRecord,
        memory: &mut Memory,
    ) -> Result<(), drey_store::Error> {
        if memory.session.owes_news {
            memory.wakes.extend(dependents(&self.store, record).await?);
            memory.session.owes_news = false;
        }
        Ok(())
    }

    async fn execute_session(
        &self,
        rest: Option<&str>,
        record: &SessionClusterRecord,
        action: &SessionAction,
    ) -> Option<SessionReport> {
        match action {
            SessionAction::Ensure(run) => match self.backend.ensure_session(run).await {
                Ok(()) => None,
                Err(BackendError::Refused(why)) => {
                    Some(SessionReport::EnsureRefused { run: run.id, why })
                }
                Err(error) => {
                    tracing::warn!(run = %run.id, why = causes(&error), "ensuring a session cluster; it is tried again");
                    None
                }
            },
            SessionAction::Release { run, task_managers } => {
                if let Err(error) = self.backend.release(*run, task_managers).await {
                    tracing::warn!(%run, why = causes(&error), "ending TaskManagers; it is tried again");
                }
                None
            }
            SessionAction::Remove { run } => Some(match self.backend.remove(*run).await {
                Ok(()) => SessionReport::RemovalAccepted { run: *run },
                Err(error) => {
                    let why = causes(&error);
                    tracing::warn!(%run, why, "removing a session cluster; it is tried again");
                    SessionReport::RemovalFailed { run: *run, why }
                }
            }),
            SessionAction::DeleteJar { run, jar } => {
                if let Err(why) = self.delete_jar(rest?, record, jar).await {
                    tracing::debug!(%run, jar = jar.id, why, "deleting a program; it is tried again");
                }
                None
            }
        }
    }

    /// Deletes a program, unless a Job needs it by now or somebody is uploading it.
    async fn delete_jar(
        &self,
        rest: &str,
        record: &SessionClusterRecord,
        jar: &Jar,
    ) -> Result<(), String> {
        let Some(_turn) = self.uploads.begin(rest, &jar.name) else { return Ok(()) };
        // Whoever is recorded later finds it gone, and uploads it when the turn is over.
        let needed = needed(&self.store, record).await.map_err(|error| causes(&error))?;
        if needed.contains(&jar.name) {
            return Ok(());
        }
        self.flink.delete_jar(rest, &jar.id).await.map_err(|error| causes(&error))
    }
}

/// Completes what the engine cannot know: the configuration of a new run, which depends on the backend.
fn configure(plan: &mut SessionPlan, before: &SessionClusterRecord, configure: &ConfigureSession) {
    let known = before.facts.run.as_ref().map(|run| run.launched.id);
    let Some(run) = plan.record.facts.run.as_mut().filter(|run| known != Some(run.launched.id))
    else {
        return;
    };
    run.launched.flink_configuration = configure(&run.launched);
    for action in &mut plan.actions {
        if let SessionAction::Ensure(launch) = action {
            launch.flink_configuration.clone_from(&run.launched.flink_configuration);
        }
    }
}

fn unwritable(object: &Object, source: serde_json::Error) -> drey_store::Error {
    drey_store::Error::Unwritable { kind: object.kind, id: object.id, source }
}

/// Whether a report tells the next decision something that the record does not say already.
fn is_news(plan: &SessionPlan, report: &SessionReport) -> bool {
    match report {
        SessionReport::RemovalAccepted { .. } => {
            plan.record.facts.run.as_ref().is_some_and(|run| !run.removed)
        }
        SessionReport::EnsureRefused { .. } => plan.record.facts.gave_up.is_none(),
        SessionReport::RemovalFailed { .. } => false,
    }
}

/// Names of the programs that open Jobs on the run of a cluster may still have to be run from.
async fn needed(
    store: &Store,
    record: &SessionClusterRecord,
) -> Result<BTreeSet<String>, drey_store::Error> {
    let mut needed = BTreeSet::new();
    for object in store.open_jobs(&record.cluster.metadata.namespace).await? {
        let facts: JobFacts = object.decode_facts()?;
        if is_on(record, &facts) {
            needed.extend(facts.session.and_then(|s| s.artifact).map(|sha256| jar_name(&sha256)));
        }
    }
    Ok(needed)
}

/// Whether a Job is on the run of a cluster.
fn is_on(record: &SessionClusterRecord, facts: &JobFacts) -> bool {
    let run = record.facts.run.as_ref().map(|run| run.launched.id);
    facts.session.as_ref().is_some_and(|s| Some(s.run) == run)
}

/// The Deployments that a change of the cluster concerns: those that name it, and those that still have a Job on it. What
/// cannot be read may be one of them, and must not keep the others waiting; its own look says what is wrong.
async fn dependents(
    store: &Store,
    record: &SessionClusterRecord,
) -> Result<BTreeSet<Uuid>, drey_store::Error> {
    let metadata = &record.cluster.metadata;
    let filter = Filter { namespace: Some(metadata.namespace.clone()), ..Filter::default() };
    let mut ids = BTreeSet::new();
    for object in store.list(Kind::Deployment, &filter).await? {
        let names_it = object.decode::<Deployment>().map_or(true, |deployment| {
            deployment.spec.session_cluster_name.as_deref() == Some(metadata.name.as_str())
        });
        ids.extend(names_it.then_some(object.id));
    }
    for object in store.open_jobs(&metadata.namespace).await? {
        let is_on = object.decode_facts::<JobFacts>().map_or(true, |facts| is_on(record, &facts));
        ids.extend(object.owner.filter(|_| is_on));
    }
    Ok(ids)
}

/// The runs of all SessionClusters: their processes are nobody else's.
pub(crate) async fn runs(store: &Store) -> Result<BTreeSet<Uuid>, drey_store::Error> {
    let mut runs = BTreeSet::new();
    for object in store.list(Kind::SessionCluster, &Filter::default()).await? {
        let record = session_cluster(&object)?;
        runs.extend(record.facts.run.map(|run| run.launched.id));
    }
    Ok(runs)
}

fn event_object(
    record: &SessionClusterRecord,
    event: &NewEvent,
    id: Uuid,
    now: Timestamp,
) -> Result<Object, serde_json::Error> {
    let m = &record.cluster.metadata;
    let metadata = EventMetadata {
        id,
        name: event.name,
        namespace: m.namespace.clone(),
        created_at: now,
        deployment_id: None,
        job_id: None,
        session_cluster_id: Some(m.id),
        resource_name: Some(m.name.clone()),
        resource_version: 1,
    };
    let doc = Event::new(metadata, event.message.clone());
    child(Kind::Event, &m.namespace, id, m.id, false, &doc, None::<&()>)
}
