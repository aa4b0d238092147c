//! Reading and writing SessionClusters (platform API reference §1.7, §2.5.4, Q28).
//!
//! A cluster that Deployments run on is neither stopped nor deleted. Whoever begins to run on it, or to refer to it, moves
//! its row to a new revision, so that a stop or a deletion that did not see this fails and looks again.

use drey_model::document::Document;
use drey_model::explanation::{Explanation, Wait};
use drey_model::session_cluster::Tie;
use drey_model::write::{self, Accepted};
use drey_model::{
    ClusterState, Deployment, DeploymentTarget, DesiredClusterState, GlobalSessionClusterDefaults,
    Kind, SessionCluster,
};
use drey_store::{Filter, Object, Write};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::objects::row;
use super::setting::hold;
use super::{Attempts, Writer, decode, names};
use crate::app::Shared;
use crate::error::Error;
use crate::wire::IfMatch;

type Outcome = Result<Accepted<SessionCluster>, Error>;

/// A SessionCluster with what the controller knows beyond what the API shows.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExplainedCluster {
    /// The SessionCluster.
    session_cluster: SessionCluster,
    /// What is being waited for; absent when nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<Wait>,
    /// When the next start is tried, while one is put off.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<Timestamp>,
    /// Names its processes, its logs and its dashboard.
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<Uuid>,
    /// Its newest runs, newest first, also when nothing of them is left but their logs.
    runs: Vec<Uuid>,
    /// TaskManagers that it had when it was last complete; another number than asked for while it is UPDATING, absent
    /// before it takes jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_managers: Option<i32>,
    /// Deployments that have a job on it, or are about to.
    active_deployments: Vec<String>,
    /// Number of the SessionCluster's last write, as in the watch.
    revision: i64,
}

/// The part of the controller's facts about a SessionCluster that is read here.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Facts {
    run: Option<Run>,
    runs: Vec<Uuid>,
    not_before: Option<Timestamp>,
    wait: Option<Wait>,
}

impl Facts {
    /// Its newest runs. One that an older Drey launched is not in the list.
    fn newest_first(&self) -> Vec<Uuid> {
        let current = self.run.iter().map(|run| run.launched.id);
        current.filter(|id| !self.runs.contains(id)).chain(self.runs.iter().copied()).collect()
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    launched: Launched,
    /// 0 before it takes jobs.
    #[serde(default)]
    scaled_to: i32,
    /// Set once it has ended, or is to end.
    #[serde(default)]
    end: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Launched {
    id: Uuid,
}

/// The part of the controller's facts about a Deployment that is read here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DeploymentFacts {
    explanation: Option<Explanation>,
}

/// The part of the controller's facts about a Job that is read here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct JobFacts {
    session: Option<Session>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    name: String,
    run: Uuid,
    #[serde(default)]
    orphaned_at: Option<Timestamp>,
    /// Set while its Flink job may appear although it is taken for gone.
    #[serde(default)]
    late: Option<String>,
}

/// How far something is that writes logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It goes on.
    Running,
    /// It is to end; its processes may still write.
    Ending,
    /// Nothing will be written any more.
    Over,
}

/// The newest runs of a SessionCluster.
#[derive(Debug)]
pub(crate) struct Runs {
    /// What their processes are called.
    pub(crate) newest_first: Vec<Uuid>,
    current: Option<Run>,
}

impl Runs {
    /// Those of a stored SessionCluster.
    pub(crate) fn of(cluster: &Object) -> Result<Self, Error> {
        let facts: Facts = cluster.decode_facts()?;
        Ok(Self { newest_first: facts.newest_first(), current: facts.run })
    }

    /// How far one of them is.
    pub(crate) fn stage(&self, id: Uuid) -> Stage {
        match self.current.as_ref().filter(|run| run.launched.id == id) {
            Some(run) if run.end.is_none() => Stage::Running,
            Some(_) => Stage::Ending,
            None => Stage::Over,
        }
    }
}

/// What the processes of a Job are called: by its own id, or by that of the run that it shares.
pub(crate) fn cluster_of(job: &Object) -> Uuid {
    let facts: JobFacts = job.decode_facts().unwrap_or_default();
    facts.session.map_or(job.id, |session| session.run)
}

impl Shared {
    /// SessionClusters, newest first.
    pub(crate) async fn session_clusters(&self, ns: &str) -> Result<Vec<SessionCluster>, Error> {
        let filter = Filter { namespace: Some(ns.to_owned()), ..Filter::default() };
        let rows = self.store.list(Kind::SessionCluster, &filter).await?;
        rows.iter().map(decode).collect()
    }

    /// One SessionCluster, by name.
    pub(crate) async fn session_cluster(
        &self,
        ns: &str,
        name: &str,
    ) -> Result<SessionCluster, Error> {
        decode(&self.object_by_name(Kind::SessionCluster, ns, name).await?)
    }

    /// What a new SessionCluster has that says nothing.
    pub(crate) fn global_session_cluster_defaults(&self) -> GlobalSessionClusterDefaults {
        GlobalSessionClusterDefaults::new(self.layers.flink_version())
    }

    /// A SessionCluster and why it is where it is.
    pub(crate) async fn explained_cluster(
        &self,
        ns: &str,
        name: &str,
    ) -> Result<ExplainedCluster, Error> {
        let object = self.object_by_name(Kind::SessionCluster, ns, name).await?;
        let facts: Facts = object.decode_facts()?;
        let users = self.users(&object).await?;
        let active = users.into_iter().filter(|user| user.tie.is_active()).map(|user| user.name);
        Ok(ExplainedCluster {
            session_cluster: decode(&object)?,
            runs: facts.newest_first(),
            wait: facts.wait,
            next_attempt_at: facts.not_before.filter(|at| *at > self.world.now()),
            run_id: facts.run.as_ref().map(|run| run.launched.id),
            task_managers: facts.run.map(|run| run.scaled_to).filter(|n| *n > 0),
            active_deployments: active.collect(),
            revision: object.revision,
        })
    }

    /// The Deployments that have to do with a SessionCluster, by name.
    async fn users(&self, cluster: &Object) -> Result<Vec<User>, Error> {
        let jobs = self.store.open_jobs(&cluster.namespace).await?;
        let mut on_it = std::collections::BTreeSet::new();
        for row in &jobs {
            let facts: JobFacts = row.decode_facts()?;
            let session = facts.session.filter(|s| s.orphaned_at.is_none() && s.late.is_none());
            if session.is_some_and(|s| s.name == cluster.name) {
                on_it.extend(row.owner);
            }
        }
        let filter = Filter { namespace: Some(cluster.namespace.clone()), ..Filter::default() };
        let mut users = Vec::new();
        for row in self.store.list(Kind::Deployment, &filter).await? {
            let deployment: Deployment = decode(&row)?;
            let facts: DeploymentFacts = row.decode_facts()?;
            // What was given up is tried again with its next spec, which the controller may not have seen yet.
            let has_news =
                facts.explanation.is_some_and(|e| e.spec_version < deployment.spec_version());
            let tie = Tie::of(&deployment, &cluster.name, on_it.contains(&row.id), has_news);
            if tie.exists() {
                users.push(User { name: row.name, tie });
            }
        }
        users.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(users)
    }
}

/// A Deployment that has to do with a SessionCluster.
struct User {
    name: String,
    tie: Tie,
}

/// Whether a Deployment refers to this cluster.
pub(super) fn names_cluster(deployment: &Deployment, name: &str) -> bool {
    deployment.spec.session_cluster_name.as_deref() == Some(name)
}

impl Writer {
    /// Stores a new SessionCluster.
    pub(crate) async fn create_session_cluster(&self, ns: &str, document: &Document) -> Outcome {
        let mut attempts = Attempts::default();
        loop {
            attempts.next("the SessionCluster's target").await?;
            let (rows, targets) = self.target_rows(ns).await?;
            let accepted = write::create_session_cluster(document, &self.context(ns, &targets));
            let mut accepted = accepted.map_err(|problems| Error::invalid(&problems))?;
            self.check_layout(None, &accepted.object, &targets)?;
            let held = self.check_cluster_secrets(None, &mut accepted).await?;
            if self.commit(&writes(None, &accepted.object, &rows, held)?).await? {
                self.wake(accepted.object.metadata.id);
                return Ok(accepted);
            }
        }
    }

    /// Changes what the document gives.
    pub(crate) async fn patch_session_cluster(
        &self,
        ns: &str,
        name: &str,
        document: &Document,
        if_match: &IfMatch,
    ) -> Outcome {
        let _turn = self.turns.take(name).await;
        let mut attempts = Attempts::default();
        loop {
            attempts.next(name).await?;
            let object = self.object_by_name(Kind::SessionCluster, ns, name).await?;
            let current: SessionCluster = decode(&object)?;
            if_match.check(name, Some(current.metadata.resource_version))?;
            let (rows, targets) = self.target_rows(ns).await?;
            let context = self.context(ns, &targets);
            let mut accepted = write::patch_session_cluster(&current, document, &context)
                .map_err(|problems| Error::invalid(&problems))?;
            check_start(&current, &accepted.object)?;
            self.check_stop(&object, &current, &accepted.object).await?;
            self.check_layout(Some(&current), &accepted.object, &targets)?;
            let held = self.check_cluster_secrets(Some(&current), &mut accepted).await?;
            let (id, before) = (object.id, Some((object, &current)));
            if self.commit(&writes(before, &accepted.object, &rows, held)?).await? {
                self.wake(id);
                return Ok(accepted);
            }
        }
    }

    /// Replaces the whole, or creates it; says whether it is new.
    pub(crate) async fn put_session_cluster(
        &self,
        ns: &str,
        name: &str,
        document: &Document,
        if_match: &IfMatch,
    ) -> Result<(bool, Accepted<SessionCluster>), Error> {
        let _turn = self.turns.take(name).await;
        let mut attempts = Attempts::default();
        loop {
            attempts.next(name).await?;
            let object = self.store.get(Kind::SessionCluster, ns, name).await?;
            let current: Option<SessionCluster> = object.as_ref().map(decode).transpose()?;
            if_match.check(name, current.as_ref().map(|c| c.metadata.resource_version))?;
            let (rows, targets) = self.target_rows(ns).await?;
            let context = self.context(ns, &targets);
            let mut accepted =
                write::replace_session_cluster(current.as_ref(), name, document, &context)
                    .map_err(|problems| Error::invalid(&problems))?;
            let is_new = object.is_none();
            if let (Some(object), Some(current)) = (&object, &current) {
                check_start(current, &accepted.object)?;
                self.check_stop(object, current, &accepted.object).await?;
            }
            self.check_layout(current.as_ref(), &accepted.object, &targets)?;
            let held = self.check_cluster_secrets(current.as_ref(), &mut accepted).await?;
            let writes = writes(object.zip(current.as_ref()), &accepted.object, &rows, held)?;
            let done = match is_new {
                true => self.commit_put(&writes).await?,
                false => self.commit(&writes).await?,
            };
            if done {
                self.wake(accepted.object.metadata.id);
                return Ok((is_new, accepted));
            }
        }
    }

    /// Deletes a SessionCluster that is at rest and that nothing refers to.
    pub(crate) async fn delete_session_cluster(
        &self,
        ns: &str,
        name: &str,
        if_match: &IfMatch,
    ) -> Result<SessionCluster, Error> {
        let mut attempts = Attempts::default();
        loop {
            attempts.next(name).await?;
            let object = self.object_by_name(Kind::SessionCluster, ns, name).await?;
            let current: SessionCluster = decode(&object)?;
            if_match.check(name, Some(current.metadata.resource_version))?;
            self.check_deletable(&object, &current).await?;
            let (kind, id) = (object.kind, object.id);
            if self.commit(&[Write::Delete { kind, id, revision: object.revision }]).await? {
                self.wake(id);
                return Ok(current);
            }
        }
    }

    /// 409 when a cluster is to stop that Deployments run on (seed 001, "Force Cancellation").
    async fn check_stop(
        &self,
        object: &Object,
        before: &SessionCluster,
        after: &SessionCluster,
    ) -> Result<(), Error> {
        let stops = before.spec.state == DesiredClusterState::Running
            && after.spec.state == DesiredClusterState::Stopped;
        if !stops {
            return Ok(());
        }
        let users = self.users(object).await?;
        let keepers = users.iter().filter(|user| before.is_kept_by(user.tie));
        let active: Vec<&str> = keepers.map(|user| user.name.as_str()).collect();
        if active.is_empty() {
            return Ok(());
        }
        let (count, noun) = counted(&active);
        Err(Error::conflict(format!(
            "{count} {noun} on SessionCluster {} ({}). Cancel or suspend them first, then stop it.",
            object.name,
            names(active)
        )))
    }

    /// 400 when its processes could not be started.
    fn check_layout(
        &self,
        before: Option<&SessionCluster>,
        after: &SessionCluster,
        targets: &[DeploymentTarget],
    ) -> Result<(), Error> {
        let problems = self.preflight.check_cluster(before, after, targets);
        if problems.is_empty() { Ok(()) } else { Err(Error::invalid(&problems)) }
    }

    async fn check_deletable(
        &self,
        object: &Object,
        current: &SessionCluster,
    ) -> Result<(), Error> {
        let name = &object.name;
        let users = self.users(object).await?;
        let users: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
        if !users.is_empty() {
            let noun = if users.len() == 1 { "deployment" } else { "deployments" };
            return Err(Error::conflict(format!(
                "SessionCluster {name} is used by {} {noun} ({}). Move or delete them first.",
                users.len(),
                names(users)
            )));
        }
        let defaults = self.defaults_row(&object.namespace).await?.object;
        if super::defaults::names_cluster(&defaults, object) {
            return Err(Error::conflict(format!(
                "SessionCluster {name} is the one of deployment-defaults: Deployments that name no place run there. Take it \
                 out of spec of the defaults first."
            )));
        }
        cluster_at_rest(object, current)
    }
}

/// 409 when a cluster that was given up is to start before the controller has seen its stop, which then never was.
fn check_start(before: &SessionCluster, after: &SessionCluster) -> Result<(), Error> {
    let is_unseen = before.spec.state == DesiredClusterState::Stopped
        && before.status.state == ClusterState::Failed;
    if !is_unseen || after.spec.state == DesiredClusterState::Stopped {
        return Ok(());
    }
    Err(Error::conflict(format!(
        "SessionCluster {} is FAILED and about to be stopped. Wait until status.state is STOPPED, then start it.",
        before.metadata.name
    )))
}

fn counted(active: &[&str]) -> (usize, &'static str) {
    match active.len() {
        1 => (1, "deployment runs"),
        n => (n, "deployments run"),
    }
}

/// The writes that store a cluster: its row, and those of the target and the secrets that it begins to refer to.
fn writes(
    before: Option<(Object, &SessionCluster)>,
    after: &SessionCluster,
    targets: &[Object],
    held: Vec<Write>,
) -> Result<Vec<Write>, Error> {
    let target = after.spec.deployment_target_name.as_str();
    let known = before.as_ref().map(|(_, before)| before.spec.deployment_target_name.as_str());
    let begun = targets.iter().find(|row| row.name == target && known != Some(target));
    let mut writes = vec![match before {
        Some((mut object, _)) => {
            let revision = object.revision;
            object.encode(after)?;
            Write::Update(object, revision)
        }
        None => {
            let m = &after.metadata;
            let mut object = row(Kind::SessionCluster, &m.namespace, &m.name, m.id);
            object.encode(after)?;
            Write::Create(object)
        }
    }];
    writes.extend(begun.map(hold));
    writes.extend(held);
    Ok(writes)
}

/// 409 while processes of the SessionCluster may exist.
pub(crate) fn cluster_at_rest(object: &Object, current: &SessionCluster) -> Result<(), Error> {
    let facts: Facts = object.decode_facts()?;
    if current.is_at_rest() && facts.run.is_none() {
        return Ok(());
    }
    Err(Error::conflict(format!(
        "SessionCluster {} is {}. Stop it first: set spec.state to STOPPED, wait until status.state is STOPPED, then delete \
         it.",
        object.name, current.status.state
    )))
}

/// Whether the Job of a row is gone as far as anybody can tell, and only watched in case its Flink job appears late: that
/// keeps nothing from being deleted.
pub(crate) fn is_late(job: &Object) -> Result<bool, Error> {
    let facts: JobFacts = job.decode_facts()?;
    Ok(facts.session.is_some_and(|session| session.late.is_some()))
}

/// The SessionCluster on which the Job of a row was given up; `None` when it was not.
pub(crate) fn orphaned_on(job: &Object) -> Result<Option<String>, Error> {
    let facts: JobFacts = job.decode_facts()?;
    let orphan = facts.session.filter(|session| session.orphaned_at.is_some());
    Ok(orphan.map(|session| session.name))
}
