//! Two launches at once must not both take the last cores. A world in which nothing else happens: a store in memory, a
//! backend and a Flink that are never asked for anything that matters.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use drey_cluster::{ClusterBackend, Error as BackendError, logs};
use drey_controller::{Board, FaultPoint, Memory, Metrics, Next, Reconciler, World};
use drey_engine::DeploymentFacts;
use drey_flink::api::Error as FlinkError;
use drey_flink::{FlinkApi, Trigger};
use drey_model::meta::{Metadata, SPEC_VERSION};
use drey_model::quota::{Cores, Limit};
use drey_model::secret::mask::Mask;
use drey_model::seen::{Cluster, FlinkJob, Operation, Snapshot};
use drey_model::target::{DeploymentTargetSpec, LocalTarget};
use drey_model::{Deployment, DeploymentSpec, DeploymentTarget, DesiredState, Job, Kind, Seen};
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
    async fn mask(&self, _: Uuid) -> Result<Mask, BackendError> {
        Ok(Mask::default())
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

#[tokio::test]
async fn of_launches_that_were_judged_at_the_same_moment_only_those_with_room_are_recorded() {
    let (store, ids) = store(4).await;
    let world = Together { barrier: Barrier::new(4), left: AtomicI64::new(4) };
    let reconciler = Reconciler {
        world: Arc::new(world),
        store: store.clone(),
        backend: Arc::new(Nothing),
        flink: Arc::new(Nothing),
        configure: Arc::new(|job: &Job| job.spec.flink_configuration.clone()),
        board: Board::default(),
        quota: Some(Limit { cpu: Cores::new(4.0), tolerated: Cores::new(1.0) }),
        leadership: None,
        metrics: Metrics::default(),
    };
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
