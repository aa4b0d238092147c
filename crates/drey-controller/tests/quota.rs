//! Two launches at once must not both take the last cores. A world in which nothing else happens: a store in memory, a
//! backend and a Flink that are never asked for anything that matters.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use drey_cluster::{ClusterBackend, Error as BackendError, logs};
use drey_controller::{Board, FaultPoint, Memory, Metrics, Next, Reconciler, Uploads, World};
use drey_engine::{DeploymentFacts, SessionFacts};
use drey_flink::api::Error as FlinkError;
use drey_flink::{FlinkApi, Submission, Trigger};
use drey_model::meta::{Metadata, SPEC_VERSION};
use drey_model::quota::{Cores, Limit};
use drey_model::secret::mask::Mask;
use drey_model::seen::{Cluster, FlinkJob, Jar, Operation, Program, Snapshot, TaskManager};
use drey_model::session_cluster::{DesiredClusterState, SessionClusterSpec};
use drey_model::target::{DeploymentTargetSpec, LocalTarget};
use drey_model::{
    Deployment, DeploymentSpec, DeploymentTarget, DesiredState, Job, Kind, Seen, SessionCluster,
    SessionRun,
};
use drey_store::{Filter, Object, Store, Write};
use jiff::Timestamp;
use tokio::sync::Barrier;
use uuid::Uuid;

/// Holds the first looks back until all of them have decided.
struct Together {
    barrier: Barrier,
    left: AtomicI64,
}

impl World for Together {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn id(&self) -> Uuid {
        Uuid::now_v7()
    }

    async fn pass(&self, point: FaultPoint) {
        if point == FaultPoint::BeforeRecord && self.left.fetch_sub(1, Ordering::SeqCst) > 0 {
            self.barrier.wait().await;
        }
    }
}

struct Nothing;

impl ClusterBackend for Nothing {
    async fn ensure(&self, _: &Job) -> Result<(), BackendError> {
        Ok(())
    }
    async fn ensure_session(&self, _: &SessionRun) -> Result<(), BackendError> {
        Ok(())
    }
    async fn release(&self, _: Uuid, _: &[String]) -> Result<(), BackendError> {
        Ok(())
    }
    async fn fetch(&self, _: &Job) -> Result<(), BackendError> {
        Ok(())
    }
    async fn program(&self, _: Uuid) -> Seen<Program> {
        Seen::Absent
    }
    async fn mask(&self, _: Uuid) -> Result<Mask, BackendError> {
        Ok(Mask::default())
    }
    async fn inspect(&self, _: Uuid) -> Seen<Cluster> {
        Seen::Absent
    }
    async fn remove(&self, _: Uuid) -> Result<(), BackendError> {
        Ok(())
    }
    async fn retained_checkpoint(&self, _: &Job) -> Seen<Snapshot> {
        Seen::Absent
    }
    async fn savepoint_in(&self, _: &str) -> Seen<Snapshot> {
        Seen::Absent
    }
    async fn list(&self) -> Result<Vec<Uuid>, BackendError> {
        Ok(Vec::new())
    }
    async fn log(&self, _: Uuid, query: &logs::Query) -> Result<logs::Chunk, BackendError> {
        Err(BackendError::NotFound(query.file.clone()))
    }
    async fn log_files(&self, _: Uuid) -> Result<Vec<logs::File>, BackendError> {
        Ok(Vec::new())
    }
}

impl FlinkApi for Nothing {
    async fn job(&self, _: &str, _: Uuid) -> Seen<FlinkJob> {
        Seen::Absent
    }
    async fn operation(&self, _: &str, _: Uuid, _: Uuid) -> Seen<Operation> {
        Seen::Absent
    }
    async fn savepoint(&self, _: &str, _: &Trigger) -> Result<(), FlinkError> {
        Ok(())
    }
    async fn stop(&self, _: &str, _: &Trigger, _: bool) -> Result<(), FlinkError> {
        Ok(())
    }
    async fn cancel(&self, _: &str, _: Uuid) -> Result<(), FlinkError> {
        Ok(())
    }
    async fn task_managers(&self, _: &str) -> Seen<Vec<TaskManager>> {
        Seen::unknown("nobody")
    }
    async fn jars(&self, _: &str) -> Seen<Vec<Jar>> {
        Seen::unknown("nobody")
    }
    async fn upload(&self, _: &str, _: &Path, _: &str) -> Result<String, FlinkError> {
        Ok(String::new())
    }
    async fn delete_jar(&self, _: &str, _: &str) -> Result<(), FlinkError> {
        Ok(())
    }
    async fn run(&self, _: &str, _: Submission<'_>) -> Result<(), FlinkError> {
        Ok(())
    }
}

fn row<T: serde::Serialize>(kind: Kind, name: &str, id: Uuid, doc: &T) -> Write {
    Write::Create(Object {
        kind,
        namespace: "default".to_owned(),
        name: name.to_owned(),
        id,
        owner: None,
        open: true,
        revision: 0,
        doc: serde_json::to_string(doc).unwrap(),
        facts: None,
        deleted: false,
    })
}

/// A store with so many Deployments that want to run; each needs 2 cores.
async fn store(count: u32) -> (Store, Vec<Uuid>) {
    let store = Store::in_memory().await.unwrap();
    let spec = DeploymentTargetSpec {
        local: Some(LocalTarget::default()),
        ..DeploymentTargetSpec::default()
    };
    let target = DeploymentTarget::new(Metadata::default(), spec);
    store.commit(&[row(Kind::DeploymentTarget, "local", Uuid::now_v7(), &target)]).await.unwrap();
    let mut ids = Vec::new();
    for number in 0..count {
        let id = Uuid::now_v7();
        let metadata = Metadata {
            id,
            name: format!("job-{number}"),
            namespace: "default".to_owned(),
            annotations: BTreeMap::from([(SPEC_VERSION.to_owned(), "1".to_owned())]),
            ..Metadata::default()
        };
        let spec = DeploymentSpec {
            state: DesiredState::Running,
            deployment_target_name: Some("local".to_owned()),
            ..DeploymentSpec::default()
        };
        let deployment = Deployment::new(metadata, spec);
        let name = &deployment.metadata.name;
        store.commit(&[row(Kind::Deployment, name, id, &deployment)]).await.unwrap();
        ids.push(id);
    }
    (store, ids)
}

/// Of whose first looks so many end together.
fn reconciler(store: Store, together: u32) -> Reconciler<Together, Nothing, Nothing> {
    let barrier = Barrier::new(together as usize);
    Reconciler {
        world: Arc::new(Together { barrier, left: AtomicI64::new(i64::from(together)) }),
        store,
        backend: Arc::new(Nothing),
        flink: Arc::new(Nothing),
        configure: Arc::new(|job: &Job| job.spec.flink_configuration.clone()),
        configure_session: Arc::new(|run: &SessionRun| run.flink_configuration.clone()),
        uploads: Uploads::default(),
        board: Board::default(),
        quota: Some(Limit { cpu: Cores::new(4.0), tolerated: Cores::new(1.0) }),
        leadership: None,
        metrics: Metrics::default(),
    }
}

#[tokio::test]
async fn of_launches_that_were_judged_at_the_same_moment_only_those_with_room_are_recorded() {
    let (store, ids) = store(4).await;
    let reconciler = reconciler(store.clone(), 4);
    let looks = ids.iter().map(|id| async {
        let mut memory = Memory::default();
        // Whose figures are out of date is told to look again at once.
        let mut again = 0;
        loop {
            let next = reconciler.reconcile(*id, &mut memory).await;
            let (object, jobs) = store.deployment(*id).await.unwrap().unwrap();
            let facts: DeploymentFacts = object.decode_facts().unwrap();
            if !jobs.is_empty() || facts.claim.refused.is_some() {
                return (again, jobs.len(), facts.claim.held);
            }
            assert_eq!(next, Next::Now);
            again += 1;
            assert!(again < 10, "it goes round in circles");
        }
    });
    let outcomes = futures::future::join_all(looks).await;
    let launched = outcomes.iter().filter(|(_, jobs, _)| *jobs == 1).count();
    let held: Cores = outcomes.iter().map(|(_, _, held)| *held).sum();
    assert_eq!((launched, held), (2, Cores::new(4.0)), "{outcomes:?}");
    assert!(outcomes.iter().any(|(again, _, _)| *again > 0), "nobody was too late: {outcomes:?}");
    assert_eq!(store.list(Kind::Job, &Filter::default()).await.unwrap().len(), 2);
}

/// A SessionCluster that wants to run, with so many TaskManagers.
async fn cluster(store: &Store, name: &str, task_managers: i32) -> Uuid {
    let (id, name) = (Uuid::now_v7(), name.to_owned());
    let metadata = Metadata { id, name, namespace: "default".to_owned(), ..Metadata::default() };
    let spec = SessionClusterSpec {
        state: DesiredClusterState::Running,
        deployment_target_name: "local".to_owned(),
        number_of_task_managers: task_managers,
        ..SessionClusterSpec::default()
    };
    let cluster = SessionCluster::new(metadata, spec);
    let write = row(Kind::SessionCluster, &cluster.metadata.name, id, &cluster);
    store.commit(&[write]).await.unwrap();
    id
}

#[tokio::test]
async fn session_clusters_and_deployments_do_not_take_the_same_cores() {
    let (store, mut ids) = store(1).await;
    ids.push(cluster(&store, "a", 2).await);
    ids.push(cluster(&store, "b", 2).await);
    let reconciler = reconciler(store.clone(), 3);
    let looks = ids.iter().map(|id| async {
        let mut memory = Memory::default();
        for _ in 0..10 {
            let next = reconciler.reconcile(*id, &mut memory).await;
            let claim = match store.deployment(*id).await.unwrap() {
                Some((object, _)) => object.decode_facts::<DeploymentFacts>().unwrap().claim,
                None => {
                    let object = store.by_id(Kind::SessionCluster, *id).await.unwrap().unwrap();
                    object.decode_facts::<SessionFacts>().unwrap().claim
                }
            };
            if claim.refused.is_some() || claim.held > Cores::ZERO {
                return claim.held;
            }
            assert_eq!(next, Next::Now);
        }
        panic!("it goes round in circles");
    });
    let held = futures::future::join_all(looks).await;
    let sum: Cores = held.iter().copied().sum();
    assert!(sum > Cores::ZERO && sum <= Cores::new(5.0), "{held:?}");
}
