//! Namespaces on their way out: emptied step by step, then removed.
//!
//! ```text
//! each Deployment ─ not yet CANCELLED? ─► spec.state: CANCELLED, as a user would       (the controller does the rest)
//!                 ─ at rest? ──────────► deleted, with its Jobs, Savepoint records and Events
//! no Deployment left ─► each SessionCluster: spec.state: STOPPED, then deleted once nothing of it runs
//! no cluster left ────► targets, secrets and everything else, artifacts, tokens, the namespace itself
//! ```
//!
//! The phase is in the store and nothing else is remembered, so a crash between any two steps is harmless: the next
//! round looks again. Several servers may do it at once: each write is a compare-and-set. Snapshot data stays in
//! storage, as it does when a Deployment is deleted.

use std::sync::Arc;
use std::time::Duration;

use drey_model::deployment::DesiredState;
use drey_model::{
    Deployment, DeploymentState, DesiredClusterState, Job, Kind, SessionCluster, write,
};
use drey_store::{Filter, Object, Store, Write};
use strum::VariantArray;
use tokio_util::sync::CancellationToken;

use crate::app::Shared;
use crate::error::Error;
use crate::ops::{Writer, cluster_at_rest, is_late, orphaned_on};

/// While a namespace is on its way out, it is looked at this often, and after every change in the store; otherwise for
/// namespaces that another server was asked to end.
const INTERVAL: Duration = Duration::from_secs(2);
const IDLE_INTERVAL: Duration = Duration::from_secs(30);
/// Between two rounds at least, however much is written meanwhile.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Objects that are removed in one transaction.
const BATCH: u32 = 100;

/// What the work needs.
pub(crate) struct Ending {
    writer: Writer,
}

impl Ending {
    /// For a server.
    pub(crate) fn of(shared: &Arc<Shared>) -> Self {
        Self { writer: Writer::unasked(Arc::clone(shared)) }
    }

    /// Works until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut changed = self.writer.store.hint();
        let rounds = async {
            loop {
                changed.borrow_and_update();
                let pause = match self.round().await {
                    Ok(0) => IDLE_INTERVAL,
                    Ok(_) => INTERVAL,
                    Err(error) => {
                        tracing::warn!(
                            error = error.for_log(),
                            "emptying a namespace failed; trying again"
                        );
                        INTERVAL
                    }
                };
                // Whichever comes first; a round too many does no harm.
                tokio::time::sleep(PAUSE_MIN).await;
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = self.writer.ending.notified() => {}
                    // An error means that the store is gone, which the next round says.
                    _ = changed.changed(), if pause == INTERVAL => {}
                }
            }
        };
        let _: Option<()> = shutdown.run_until_cancelled(rounds).await;
    }

    /// Takes each namespace on its way out as far as it goes now. Returns how many are still there.
    pub(crate) async fn round(&self) -> Result<usize, Error> {
        let mut left = 0;
        for namespace in self.writer.store.namespaces().await? {
            if namespace.is_terminating && !self.empty(&namespace.name).await? {
                left += 1;
            }
        }
        Ok(left)
    }

    /// Whether the namespace is gone.
    async fn empty(&self, name: &str) -> Result<bool, Error> {
        let filter = Filter { namespace: Some(name.to_owned()), ..Filter::default() };
        let mut waits = false;
        for row in self.writer.store.list(Kind::Deployment, &filter).await? {
            waits |= !self.end_deployment(row).await?;
        }
        if waits {
            return Ok(false);
        }
        for row in self.writer.store.list(Kind::SessionCluster, &filter).await? {
            waits |= !self.end_session_cluster(row).await?;
        }
        if waits {
            return Ok(false);
        }
        let ended = [Kind::Deployment, Kind::SessionCluster];
        for kind in Kind::VARIANTS.iter().filter(|kind| !ended.contains(kind)) {
            let filter = Filter { limit: Some(BATCH), ..filter.clone() };
            loop {
                let rows = self.writer.store.list(*kind, &filter).await?;
                let delete = |row: &Object| Write::Delete {
                    kind: row.kind,
                    id: row.id,
                    revision: row.revision,
                };
                let writes: Vec<Write> = rows.iter().map(delete).collect();
                if writes.is_empty() {
                    break;
                }
                if !self.writer.commit(&writes).await? {
                    return Ok(false);
                }
            }
        }
        self.writer.delete_artifacts(name).await?;
        self.writer.store.delete_api_tokens(name).await?;
        let is_gone = self.writer.store.remove_namespace(name).await?;
        if is_gone {
            tracing::info!(namespace = name, "a namespace was deleted");
        }
        Ok(is_gone)
    }

    /// Whether the Deployment is gone. One that cannot be read stays, since nobody can say whether its job runs.
    async fn end_deployment(&self, row: Object) -> Result<bool, Error> {
        let deployment: Deployment = match row.decode() {
            Ok(deployment) => deployment,
            Err(error) => {
                tracing::error!(%error, "a namespace that is being deleted waits for a damaged Deployment");
                return Ok(false);
            }
        };
        let id = row.id;
        if deployment.spec.state != DesiredState::Cancelled {
            let mut changed = row;
            let revision = changed.revision;
            changed.encode(&write::cancel_deployment(&deployment, self.writer.world.now()))?;
            self.writer.commit(&[Write::Update(changed, revision)]).await?;
            self.writer.wake(id);
            return Ok(false);
        }
        if at_rest(&self.writer.store, &row, &deployment, GivenUp::LetGo).await.is_err() {
            self.writer.wake(id);
            return Ok(false);
        }
        self.delete(&row).await
    }

    /// Whether the SessionCluster is gone. No Deployment is left that could run on it.
    async fn end_session_cluster(&self, row: Object) -> Result<bool, Error> {
        let cluster: SessionCluster = match row.decode() {
            Ok(cluster) => cluster,
            Err(error) => {
                tracing::error!(%error, "a namespace that is being deleted waits for a damaged SessionCluster");
                return Ok(false);
            }
        };
        if cluster.spec.state != DesiredClusterState::Stopped {
            let (id, revision, mut changed) = (row.id, row.revision, row);
            changed.encode(&write::stop_session_cluster(&cluster, self.writer.world.now()))?;
            self.writer.commit(&[Write::Update(changed, revision)]).await?;
            self.writer.wake(id);
            return Ok(false);
        }
        if cluster_at_rest(&row, &cluster).is_err() {
            self.writer.wake(row.id);
            return Ok(false);
        }
        self.delete(&row).await
    }

    async fn delete(&self, row: &Object) -> Result<bool, Error> {
        let deletion = Write::Delete { kind: row.kind, id: row.id, revision: row.revision };
        let is_gone = self.writer.commit(&[deletion]).await?;
        self.writer.wake(row.id);
        Ok(is_gone)
    }
}

/// What becomes of Flink jobs that a user has given up, when their Deployment is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// The Deployment stays as long as one of them may be alive.
    Stay,
    /// They end with their SessionCluster, which is the next to go.
    LetGo,
}

/// 409 while a Flink job of the Deployment may be alive.
pub(crate) async fn at_rest(
    store: &Store,
    object: &Object,
    current: &Deployment,
    given_up: GivenUp,
) -> Result<(), Error> {
    let name = &current.metadata.name;
    match current.status.state {
        DeploymentState::Cancelled
        | DeploymentState::Suspended
        | DeploymentState::Finished
        | DeploymentState::Failed => {}
        state @ (DeploymentState::Running | DeploymentState::Transitioning) => {
            return Err(Error::conflict(format!(
                "{name} is {state}. Cancel it first: set spec.state to CANCELLED, wait until status.state is \
                 CANCELLED, then delete it."
            )));
        }
    }
    // A Job is open until its cluster is gone, which may be after its end.
    let open = store.deployment(object.id).await?.map(|(_, open)| open);
    for row in open.iter().flatten().filter(|row| row.kind == Kind::Job) {
        let cluster = orphaned_on(row)?;
        if is_late(row)? || (given_up == GivenUp::LetGo && cluster.is_some()) {
            continue;
        }
        let job: Job = row.decode()?;
        let id = job.metadata.id;
        return Err(Error::conflict(match cluster {
            // Without its Deployment nobody would ask Flink to cancel it, or keep a second one from being started.
            Some(cluster) => format!(
                "{name} is {}, but the Flink job {} that was given up may still run on SessionCluster {cluster}. Drey \
                 goes on asking Flink to cancel it; stopping the SessionCluster ends it. Delete {name} once it has ended.",
                current.status.state,
                id.simple()
            ),
            None => format!(
                "{name} is {}, but its Job {id} is still {} and may hold resources. Set spec.state to CANCELLED and wait \
                 until the Job has ended, then delete it.",
                current.status.state, job.status.state
            ),
        }));
    }
    Ok(())
}
